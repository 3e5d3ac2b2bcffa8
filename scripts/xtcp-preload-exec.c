// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-preload-exec.c - children with an environment that was cleared get the library, too
 *
 * sshd, cron, inetd and others start programs with an environment of their own. Each call that
 * starts a program adds what the launcher put there, unless the environment has
 * XTCP_RUN_LIBRARY: then it was not cleared, and somebody took LD_PRELOAD away on purpose.
 *
 * The dynamic linker ignores it all in a program that gains rights by being run (sudo, su).
 *
 * The addition lies on the stack: a child of vfork() must not allocate memory.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xtcp-preload.h"
#include "xtcp-run.h"

#define ADDED_MAX 8

/* The launcher's variables, as NAME=VALUE. Set once, before the program starts, or before a
 * constructor starts one.
 */
static char *added[ADDED_MAX];
static size_t added_count;
static char *library;
static atomic_bool is_remembered;

static bool has(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return true;
	return false;
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void remember(void);

static bool is_cleared(char *const *env)
{
	remember();
	return library && !has(env, XTCP_RUN_LIBRARY);
}

/* @env with the additions; @room has space for ROOM(env). An LD_PRELOAD that the program
 * sets for its child stays as it is.
 */
static void fill(char **room, char *const *env)
{
	size_t n = count(env), i;

	memcpy(room, env, n * sizeof(*room));
	for (i = 0; i < added_count; i++)
		room[n++] = added[i];
	if (!has(env, "LD_PRELOAD"))
		room[n++] = library;
	room[n] = NULL;
}

#define ROOM(env) ((count(env) + ADDED_MAX + 2) * sizeof(char *))

/* @result = @env, with the additions if it was cleared; on the caller's stack. */
#define COMPLETE(result, env)							\
do {										\
	(result) = (char **)(env);						\
	if (is_cleared(env)) {							\
		(result) = alloca(ROOM(env));					\
		fill(result, env);						\
	}									\
} while (0)

__attribute__((visibility("default")))
int execve(const char *path, char *const argv[], char *const env[])
{
	char **whole;

	COMPLETE(whole, env);
	return NEXT(execve)(path, argv, whole);
}

__attribute__((visibility("default")))
int execvpe(const char *file, char *const argv[], char *const env[])
{
	char **whole;

	COMPLETE(whole, env);
	return NEXT(execvpe)(file, argv, whole);
}

__attribute__((visibility("default")))
int execv(const char *path, char *const argv[])
{
	char **whole;

	COMPLETE(whole, environ);
	return NEXT(execve)(path, argv, whole);
}

__attribute__((visibility("default")))
int execvp(const char *file, char *const argv[])
{
	char **whole;

	COMPLETE(whole, environ);
	return NEXT(execvpe)(file, argv, whole);
}

__attribute__((visibility("default")))
int fexecve(int fd, char *const argv[], char *const env[])
{
	char **whole;

	COMPLETE(whole, env);
	return NEXT(fexecve)(fd, argv, whole);
}

__attribute__((visibility("default")))
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	char **whole;

	COMPLETE(whole, env);
	return NEXT(posix_spawn)(pid, path, actions, attr, argv, whole);
}

__attribute__((visibility("default")))
int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	char **whole;

	COMPLETE(whole, env);
	return NEXT(posix_spawnp)(pid, file, actions, attr, argv, whole);
}

/* The arguments from @first on; @args is behind it. */
#define COLLECT(argv, first, args)						\
do {										\
	va_list copy__;								\
	size_t n__ = 1, i__;							\
										\
	va_copy(copy__, args);							\
	while (va_arg(copy__, char *))						\
		n__++;								\
	va_end(copy__);								\
	(argv) = alloca((n__ + 1) * sizeof(char *));				\
	(argv)[0] = (char *)(first);						\
	for (i__ = 1; i__ <= n__; i__++)					\
		(argv)[i__] = va_arg(args, char *);				\
} while (0)

__attribute__((visibility("default")))
int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	va_end(args);
	return execv(path, argv);
}

__attribute__((visibility("default")))
int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	va_end(args);
	return execvp(file, argv);
}

__attribute__((visibility("default")))
int execle(const char *path, const char *arg, ...)
{
	char *const *env;
	char **argv;
	va_list args;

	va_start(args, arg);
	COLLECT(argv, arg, args);
	env = va_arg(args, char *const *);
	va_end(args);
	return execve(path, argv, env);
}

/* "NAME=VALUE", or NULL. Never freed. */
static char *entry(const char *name, const char *value)
{
	char *made;

	return value && *value && asprintf(&made, "%s=%s", name, value) >= 0 ? made : NULL;
}

__attribute__((constructor))
static void remember(void)
{
	static const char *const names[] = {
		XTCP_RUN_WIRE, XTCP_RUN_ROLE, XTCP_RUN_PORTS, XTCP_RUN_AS_TCP, XTCP_RUN_VERBOSE,
		XTCP_RUN_LIBRARY,
	};
	const char *path = getenv(XTCP_RUN_LIBRARY);
	size_t i, n = 0;

	if (atomic_load(&is_remembered))
		return;
	for (i = 0; path && i < sizeof(names) / sizeof(names[0]); i++) {
		added[n] = entry(names[i], getenv(names[i]));
		if (added[n])
			n++;
	}
	added_count = n;
	library = entry("LD_PRELOAD", path);
	atomic_store(&is_remembered, true);
}
