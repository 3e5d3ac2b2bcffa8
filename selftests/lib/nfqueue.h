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
	uint32_t id;			/* of the packet taken last */
	uint8_t packet[256];		/* and its beginning */
};

/* Rules with "queue num 5" fill it. The queue ends with its netlink socket. */
#define NFQUEUE_NUM 5
void nfqueue_open(struct where at, struct nfqueue *q);

/* Waits for a packet, which is held until nfqueue_accept(). */
void nfqueue_take(struct where at, struct nfqueue *q);
void nfqueue_accept(struct where at, struct nfqueue *q);

/* The next packet comes and is accepted. */
void nfqueue_pass(struct where at, struct nfqueue *q);

#endif
