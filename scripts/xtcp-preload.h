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

/*
 * glibc with a time_t of 32 bits has four of these functions twice: programs that are compiled for
 * one of 64 bits call them by other names. Then the library wraps both names of each. A test sets
 * this itself.
 */
#ifndef XTCP_PRELOAD_TIME64
#if defined(__GLIBC__) && __TIMESIZE == 32
#define XTCP_PRELOAD_TIME64 1
#else
#define XTCP_PRELOAD_TIME64 0
#endif
#endif

#if XTCP_PRELOAD_TIME64
int __getsockopt64(int fd, int level, int name, void *value, socklen_t *len);
int __sendmmsg64(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
ssize_t __sendmsg64(int fd, const struct msghdr *msg, int flags);
int __setsockopt64(int fd, int level, int name, const void *value, socklen_t len);
#endif

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
	__typeof__(&bind) _Atomic bind;
	__typeof__(&connect) _Atomic connect;
	__typeof__(&epoll_ctl) _Atomic epoll_ctl;
	__typeof__(&execve) _Atomic execve;
	__typeof__(&execvpe) _Atomic execvpe;
	__typeof__(&fexecve) _Atomic fexecve;
	__typeof__(&getsockopt) _Atomic getsockopt;
	__typeof__(&listen) _Atomic listen;
	__typeof__(&posix_spawn) _Atomic posix_spawn;
	__typeof__(&posix_spawnp) _Atomic posix_spawnp;
	__typeof__(&send) _Atomic send;
	__typeof__(&sendmmsg) _Atomic sendmmsg;
	__typeof__(&sendmsg) _Atomic sendmsg;
	__typeof__(&sendto) _Atomic sendto;
	__typeof__(&setsockopt) _Atomic setsockopt;
	__typeof__(&socket) _Atomic socket;
	__typeof__(&write) _Atomic write;
	__typeof__(&writev) _Atomic writev;
#if XTCP_PRELOAD_TIME64
	__typeof__(&__getsockopt64) _Atomic __getsockopt64;
	__typeof__(&__sendmmsg64) _Atomic __sendmmsg64;
	__typeof__(&__sendmsg64) _Atomic __sendmsg64;
	__typeof__(&__setsockopt64) _Atomic __setsockopt64;
#endif
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
 * @shown: the number of the descriptor for the user, if the socket may get that one later:
 *	then xtcp_preload_show() is the caller's task; -1: the socket is the program's already
 *
 * Return: the descriptor, or -1 with errno, after it told the user once what to do
 */
int xtcp_preload_open(int family, int type, int shown);

/**
 * xtcp_preload_show - tell a user who wants to know it that a socket is xtcp's
 * @fd: its descriptor, or negative: it is none
 */
void xtcp_preload_show(int fd);

/**
 * xtcp_preload_say - print a line to stderr, unless that is a connection or a file of the program
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
 *
 * Return: NULL, or what is wrong with them, for the user
 */
const char *xtcp_preload_read_choice(void);

#endif /* XTCP_PRELOAD_H */
