// SPDX-License-Identifier: GPL-2.0
/* vm: short */
/*
 * exec: xtcp-run's library gives itself to children whose environment was cleared.
 *
 * xtcp-preload-exec.c is compiled into this program under other names, as the library's main
 * source into user/preload. Nothing is executed: this file records what a call would execute.
 * selftests/user/launcher.sh has real programs.
 */
#include "lib/xtcp_test.h"

#include <spawn.h>
#include <unistd.h>

static void *fake_next(const char *name);
__typeof__(execve) exec_execve;
__typeof__(execvpe) exec_execvpe;
__typeof__(execv) exec_execv;
__typeof__(execvp) exec_execvp;
__typeof__(fexecve) exec_fexecve;
__typeof__(execl) exec_execl;
__typeof__(execlp) exec_execlp;
__typeof__(execle) exec_execle;
__typeof__(posix_spawn) exec_posix_spawn;
__typeof__(posix_spawnp) exec_posix_spawnp;

#define dlsym(handle, name)	fake_next(name)
#define execve			exec_execve
#define execvpe			exec_execvpe
#define execv			exec_execv
#define execvp			exec_execvp
#define fexecve			exec_fexecve
#define execl			exec_execl
#define execlp			exec_execlp
#define execle			exec_execle
#define posix_spawn		exec_posix_spawn
#define posix_spawnp		exec_posix_spawnp
#include "../scripts/xtcp-preload-exec.c"

/* What the library's other source defines. */
struct xtcp_preload_next xtcp_preload_next;

/* The last program that would run, and how many did. */
static struct {
	int calls, arguments;
	char env[1024];		/* the variables, each with a newline */
} ran;

static int note(char *const argv[], char *const env[])
{
	ran.calls++;
	ran.arguments = count(argv);
	ran.env[0] = '\0';
	for (; *env; env++) {
		strcat(ran.env, *env);
		strcat(ran.env, "\n");
	}
	return 0;
}

static int fake_execve(const char *path, char *const argv[], char *const env[])
{
	return note(argv, env);
}

static int fake_fexecve(int fd, char *const argv[], char *const env[])
{
	return note(argv, env);
}

static int fake_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	return note(argv, env);
}

/* @name is that of this program. */
static void *fake_next(const char *name)
{
	if (!strcmp(name, "exec_fexecve"))
		return fake_fexecve;
	return strstr(name, "spawn") ? (void *)fake_spawn : (void *)fake_execve;
}

static char *const nothing[] = { NULL }, *const words[] = { "one", "two", NULL };

#define LIBRARY "/lib/xtcp-preload.so"
#define ADDED "XTCP_RUN_WIRE=tcp\nXTCP_RUN_LIBRARY=" LIBRARY "\nLD_PRELOAD=" LIBRARY "\n"

/* As the constructor of a library that this program is linked with: 101 is the first. */
__attribute__((constructor(101)))
static void start_early(void)
{
	setenv("XTCP_RUN_LIBRARY", LIBRARY, 1);
	setenv("XTCP_RUN_WIRE", "tcp", 1);
	exec_posix_spawn(NULL, "program", NULL, NULL, words, nothing);
	/* What it adds is known from here on. */
	clearenv();
}

TEST(launcher_exec_before_the_library_is_loaded)
{
	EXPECT_EQ(1, ran.calls);
	EXPECT_EQ(2, ran.arguments);
	EXPECT_STREQ(ADDED, ran.env);
}

/* Each function, with an environment that was cleared. */
TEST(launcher_exec_each_function)
{
	memset(&ran, 0, sizeof(ran));
	environ = (char **)nothing;

#define expect_ran(call) \
	do { \
		int before = ran.calls; \
		\
		memset(ran.env, 0, sizeof(ran.env)); \
		EXPECT_EQ(0, call); \
		EXPECT_EQ(before + 1, ran.calls); \
		EXPECT_EQ(2, ran.arguments); \
		EXPECT_STREQ(ADDED, ran.env); \
	} while (0)

	expect_ran(exec_execve("program", words, nothing));
	expect_ran(exec_execvpe("program", words, nothing));
	expect_ran(exec_execv("program", words));
	expect_ran(exec_execvp("program", words));
	expect_ran(exec_fexecve(7, words, nothing));
	expect_ran(exec_execl("program", "one", "two", NULL));
	expect_ran(exec_execlp("program", "one", "two", NULL));
	expect_ran(exec_execle("program", "one", "two", NULL, nothing));
	expect_ran(exec_posix_spawn(NULL, "program", NULL, NULL, words, nothing));
	expect_ran(exec_posix_spawnp(NULL, "program", NULL, NULL, words, nothing));
}

/* One that has the launcher's mark was not cleared; a preload of the program's own stays. */
TEST(launcher_exec_leaves_the_users_choice)
{
	char *const marked[] = { "A=1", "XTCP_RUN_LIBRARY=x", NULL };
	char *const own[] = { "LD_PRELOAD=own.so", NULL };

	EXPECT_EQ(0, exec_execve("program", words, marked));
	EXPECT_STREQ("A=1\nXTCP_RUN_LIBRARY=x\n", ran.env);
	EXPECT_EQ(0, exec_execve("program", words, own));
	EXPECT_STREQ("LD_PRELOAD=own.so\nXTCP_RUN_WIRE=tcp\nXTCP_RUN_LIBRARY=" LIBRARY "\n", ran.env);
}

TEST_HARNESS_MAIN
