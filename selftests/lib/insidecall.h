/* SPDX-License-Identifier: GPL-2.0 */
/* insidecall: what inside.c and the module xtcp_inside say to each other. */
#ifndef SELFTESTS_LIB_INSIDECALL_H
#define SELFTESTS_LIB_INSIDECALL_H

#define INSIDE_DEVICE "xtcp_inside"
/* Of each process, where arguments of system calls are copied to. */
#define INSIDE_SCRATCH (256 * 1024)
#define INSIDE_PROCESSES 4

/* Of the sources of selftests/lib: a module of others would not fit. The makefiles set it. */
#ifndef INSIDE_SUM
#define INSIDE_SUM 0UL
#endif

struct inside_call {
	unsigned long sum;		/* INSIDE_SUM */
	unsigned long memory;		/* where the process has the device's memory */
	unsigned long scratch;		/* and in it its own part */
	int number, go, done;
	char env[1024];			/* "NAME=VALUE", each with its '\0', and an empty one */
	char said[512];			/* why a check has failed; or empty */
};

#define INSIDE_RUN 0x7801		/* the argument: a struct inside_call */

#endif
