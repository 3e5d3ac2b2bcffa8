/* SPDX-License-Identifier: GPL-2.0 */
/*
 * context: the surroundings in which a program's tests run: XTCP_TEST_CONTEXT names them.
 * No test asks for them. The library puts a queue of netfilter into each namespace, fixtures'
 * devices into a VRF or behind a bridge, and lets transfers use other calls.
 */
#ifndef SELFTESTS_LIB_CONTEXT_H
#define SELFTESTS_LIB_CONTEXT_H

#include "check.h"

enum context {
	CONTEXT_NONE,
	/* Segments wait at each hook of netfilter for a program's verdict, which is to accept. */
	CONTEXT_QUEUE,		/* and comes before the call or timer that sent them returns */
	CONTEXT_QUEUE_LATE,	/* in another order, up to 5 ms later; large ones are divided */
	/* Devices of the fixtures, and the sockets on them. */
	CONTEXT_VRF,		/* in a VRF, to which sockets are bound */
	CONTEXT_BRIDGE,		/* the server of a pair has a bridge instead of its device */
	CONTEXT_BOUND,		/* sockets are bound to the fixture's device */
	/* How stream_transfer() and stream_exchange() send and receive. */
	CONTEXT_URING,		/* by io_uring */
	CONTEXT_URING_FIXED,	/* the same from and into registered buffers, without copying */
	CONTEXT_FORK,		/* a process sends, another one receives, on the same sockets */
	CONTEXT_THREADS,	/* four threads send on one socket */
	/* Memory that the kernel has not written has a known value (lib/poison.h). */
	CONTEXT_POISON,
};

/* The one that the environment names; the test fails if there is no such context. */
enum context context_of_run(struct where at);

/* The VRF of a namespace, and its table of routes. */
#define CONTEXT_VRF_NAME "red"
#define CONTEXT_VRF_TABLE 10

/* Called for each new namespace, from inside. */
void context_apply_to_netns(struct where at);
/* At the end of a test, in each of its namespaces: the queue has lost no packet. */
void context_expect_whole_at(struct where at);
/* For a fixture's device, before it has addresses. */
void context_apply_to_link(struct where at, const char *name);
/* For a new socket of the stack under test, after which it may be bound to a device. */
void context_apply_to_socket(int fd);
/* The table of the routes in this namespace. */
int context_route_table(void);
/* The device by which this namespace's routes are looked up; 0: any. */
int context_route_device(void);

#endif
