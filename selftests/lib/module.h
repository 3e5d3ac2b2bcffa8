/* SPDX-License-Identifier: GPL-2.0 */
/*
 * module: xtcp.ko itself: who holds it, unloading it and loading it again, and
 * what its caches hold.
 */
#ifndef SELFTESTS_LIB_MODULE_H
#define SELFTESTS_LIB_MODULE_H

#include <stdbool.h>

#include "check.h"

/* Sockets that hold the module; -1: it is not loaded. */
int module_users(void);
/* Until nobody does: other tests' orphans may still be about. */
void module_await_idle(struct where at);
/* 0 or the errno. */
int module_unload(void);
int module_load(void);

/*
 * Objects of a cache in use. What lies free in a CPU's own slabs would count
 * as used, so these are given back first. -1: no such cache.
 */
long cache_objects(const char *cache);

/* Bytes that one takes; on a debug kernel without what its checks add. -1: no such cache. */
long cache_object_size(const char *cache);

/* The release of the running kernel: 6.12 and later, say. */
bool kernel_is_since(int major, int minor);

/* Does it let the stack under test send a program's own pages? xtcp: from 6.12 on. */
bool kernel_sends_pages(void);

/* Does the kernel look for mistakes, at the cost of memory and instructions? */
bool kernel_is_debug(void);

#endif
