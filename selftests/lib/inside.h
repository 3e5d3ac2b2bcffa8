/* SPDX-License-Identifier: GPL-2.0 */
/*
 * inside: a part of a test that User-mode Linux's kernel runs itself, as a program with
 * many short system calls wants it. There each call of a process costs the host two switches
 * between processes and seven calls of ptrace(). The module xtcp_inside
 * (selftests/inside) is that part of the library once more, and calls the functions of the
 * same system calls, on behalf of the process that has asked for it.
 *
 * On other kernels, and with XTCP_TEST_OUTSIDE=1, the process runs that part itself.
 *
 * What runs inside has no variables of its own: each process sees the same ones, and each
 * system call may let another process run.
 */
#ifndef SELFTESTS_LIB_INSIDE_H
#define SELFTESTS_LIB_INSIDE_H

#include "insidecall.h"

#ifndef __KERNEL__
#include <stddef.h>

#include "check.h"

struct inside;

/* Memory, filled with zeros, that is shared with processes that are forked later. */
struct inside *inside_open_at(struct where at, size_t size);
void *inside_memory(struct inside *in);
/* Calls inside_main(memory, number, go, done); it may read and write these two descriptors. */
void inside_run_at(struct where at, struct inside *in, int number, int go, int done);
void inside_close(struct inside *in);
#endif

/* The part: of lib/transcript.c. */
void inside_main(void *arg, int number, int go, int done);

#endif
