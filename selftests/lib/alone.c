// SPDX-License-Identifier: GPL-2.0
/* alone: see alone.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "alone.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* A queue of lib/nfqueue.c has given the test a real-time class already. */
static int usual;

void alone_begin(struct where at)
{
	struct sched_param first = { .sched_priority = 1 };

	usual = sched_getscheduler(0);
	if (usual == SCHED_OTHER)
		check(!sched_setscheduler(0, SCHED_FIFO, &first), at,
		      "sched_setscheduler: %s", strerror(errno));
}

void alone_end(struct where at)
{
	struct sched_param none = { 0 };

	if (usual == SCHED_OTHER)
		check(!sched_setscheduler(0, SCHED_OTHER, &none), at,
		      "sched_setscheduler: %s", strerror(errno));
}
