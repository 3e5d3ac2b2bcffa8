/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xtcp-preload.h - what the sources of xtcp-run's library share
 */
#ifndef XTCP_PRELOAD_H
#define XTCP_PRELOAD_H

#include <dlfcn.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The wrapped functions that call one of the C library's. */
#define XTCP_PRELOAD_WRAPPED(X)						\
	X(bind) X(connect) X(epoll_ctl) X(execve) X(execvpe) X(fexecve)	\
	X(getsockopt) X(listen) X(posix_spawn) X(posix_spawnp) X(send)	\
	X(sendmmsg) X(sendmsg) X(sendto) X(setsockopt) X(socket)	\
	X(write) X(writev)

/**
 * struct xtcp_preload_next - the functions that calls would reach without this library
 *
 * Each is the C library's, or that of a library preloaded after this one. They are looked up
 * before the program starts, because dlsym() must run neither in a signal handler nor in a
 * child of vfork(). The constructor of a library that the program is linked with runs
 * earlier; for it NEXT() looks them up. If two threads do that at once, both store the same
 * value.
 */
struct xtcp_preload_next {
#define XTCP_PRELOAD_POINTER(name) __typeof__(&name) _Atomic name;
	XTCP_PRELOAD_WRAPPED(XTCP_PRELOAD_POINTER)
#undef XTCP_PRELOAD_POINTER
};

extern struct xtcp_preload_next xtcp_preload_next;

#define NEXT(name)							\
({									\
	__typeof__(&name) f = atomic_load(&xtcp_preload_next.name);	\
									\
	if (!f) {							\
		f = (__typeof__(f))dlsym(RTLD_NEXT, #name);		\
		atomic_store(&xtcp_preload_next.name, f);		\
	}								\
	f;								\
})

/**
 * xtcp_preload_open - open an xtcp socket as the launcher's options say
 * @family: as of socket()
 * @type: as of socket()
 *
 * Return: the descriptor, or -1 with errno, after it told the user once what to do
 */
int xtcp_preload_open(int family, int type);

/**
 * xtcp_preload_say - print a line to stderr, unless that is a connection
 * @fmt: as of printf(), without a newline
 *
 * errno is kept.
 */
__attribute__((format(printf, 1, 2)))
void xtcp_preload_say(const char *fmt, ...);

/**
 * xtcp_preload_later - open a socket of which listen() or connect() chooses the stack
 *
 * NULL: all sockets are xtcp's at once. Set when the options are read.
 */
extern int (*xtcp_preload_later)(int family, int type, int protocol);

/**
 * xtcp_preload_read_choice - read the options by which xtcp-preload-choose.c chooses
 *
 * Called before the first socket is opened, by several threads if they open it at once:
 * each stores the same values.
 */
void xtcp_preload_read_choice(void);

#endif /* XTCP_PRELOAD_H */
