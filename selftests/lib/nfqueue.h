/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nfqueue: packets wait for a program's verdict in a netfilter queue. The kernel
 * handles an accepted packet within the program's call.
 */
#ifndef SELFTESTS_LIB_NFQUEUE_H
#define SELFTESTS_LIB_NFQUEUE_H

#include <stdint.h>

#include "check.h"

struct nfqueue {
	int nl;				/* netlink */
	int num;			/* of the queue */
	uint32_t id;			/* of the packet taken last */
	uint8_t packet[256];		/* and its beginning */
};

/* nfqueue_fill(), or rules with "queue num 5", fill it. The queue ends with its netlink socket. */
#define NFQUEUE_NUM 5
void nfqueue_open(struct where at, struct nfqueue *q);

/*
 * Rules that fill it with all segments of @family that pass @hook ("input"), those of the
 * kernel's TCP included.
 */
void nfqueue_fill(struct where at, int family, const char *hook);

/* Waits for a packet, which is held until nfqueue_accept(). */
void nfqueue_take(struct where at, struct nfqueue *q);
void nfqueue_accept(struct where at, struct nfqueue *q);

/* The next packet comes and is accepted. */
void nfqueue_pass(struct where at, struct nfqueue *q);

/* The next packet comes, and passes by all hooks that follow the queue. */
void nfqueue_stop(struct where at, struct nfqueue *q);

/*
 * A process that accepts all packets of another queue, until the caller ends. It runs before
 * all others: a packet waits no longer than the system call that has sent it. @late: instead
 * it lets each packet wait for up to 5 ms, so that later ones overtake it, and gets large ones
 * as segments.
 */
#define NFQUEUE_CONTEXT 77
void nfqueue_serve(struct where at, int num, bool late);

#endif
