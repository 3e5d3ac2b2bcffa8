/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xtcp-preload.h - what the sources of xtcp-run's library share
 */
#ifndef XTCP_PRELOAD_H
#define XTCP_PRELOAD_H

#include <dlfcn.h>
#include <stdatomic.h>

/* The function that a call would reach without this library: the C library's, or
 * that of a library preloaded after this one. If two threads look it up at once,
 * both store the same value.
 */
#define NEXT(name)							\
({									\
	static __typeof__(&name) _Atomic next;				\
	__typeof__(&name) f = atomic_load(&next);			\
									\
	if (!f) {							\
		f = (__typeof__(f))dlsym(RTLD_NEXT, #name);		\
		atomic_store(&next, f);					\
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
