/* SPDX-License-Identifier: GPL-2.0 */
/*
 * module: xtcp.ko itself: its users, unloading it and loading it again, and the
 * contents of its slab caches.
 */
#ifndef SELFTESTS_LIB_MODULE_H
#define SELFTESTS_LIB_MODULE_H

#include <stdbool.h>

#include "check.h"

/* Sockets that hold the module; -1: it is not loaded. */
int module_users(void);
/* Returns when no socket holds it: orphans of other tests may still do. */
void module_await_idle(struct where at);
/* 0 or the errno. */
int module_unload(void);
int module_load(void);
/* Another module: /xtcp/NAME.ko, with parameters. Return: 0 or the errno. */
int module_load_other(const char *name, const char *params);
int module_unload_other(const char *name);
/*
 * The same, but waits, five minutes at most, while sockets of failed tests or orphans hold
 * the module. Return: 0 or an errno.
 */
int module_unload_patiently(const char *name);
/* References to it; -1: it is not loaded. */
int module_users_of(const char *name);

/*
 * Objects of a cache in use. Free objects of a CPU's own slabs would count as used, so
 * these slabs are given back first. -1: no such cache.
 */
long cache_objects(const char *cache);

/*
 * Bytes of one object; without those of the checks of a debug kernel or of poisoned
 * slabs. -1: no such cache.
 */
long cache_object_size(const char *cache);

/* Return: true if the running kernel's release is this one or later. */
bool kernel_is_since(int major, int minor);

/*
 * Return: true if the stack under test can send a program's own pages. xtcp: from 6.8
 * on.
 */
bool kernel_sends_pages(void);

/*
 * Return: true on a kernel of Debian's. It has kprobes, types for BPF and security modules, so a
 * test that needs them must not pass for the lack of them.
 */
bool kernel_is_debians(void);

/* Return: true on a kernel with checks that cost memory and instructions. */
bool kernel_is_debug(void);

#endif
