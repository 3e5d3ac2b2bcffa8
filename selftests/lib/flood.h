/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flood: segments from sources that nobody has, each another one, written to a
 * tun device as fast as it goes. For selftests/bench.
 */
#ifndef SELFTESTS_LIB_FLOOD_H
#define SELFTESTS_LIB_FLOOD_H

#include "bench.h"

/* Fewer than the device's queue holds answers (500). */
#define FLOOD_BATCH 400
/* Where the flood goes, and a port at which nobody listens. */
#define FLOOD_PORT 5000
#define FLOOD_CLOSED_PORT 5001
/* More than any queue's limit that is not meant to matter. */
#define FLOOD_LIMITLESS (1 << 22)

enum flood_wrong { NOTHING_WRONG, BAD_IP_CSUM, BAD_TCP_CSUM };

struct flood {
	int tun;
	struct ipaddr dst;
	uint32_t count;			/* segments made so far */
	int next;			/* of the batch, to be written */
	int flags, port;		/* of the segments: SYN or ACK */
	enum flood_wrong wrong;
	int len;
	uint8_t packet[FLOOD_BATCH][128];
};

/* A namespace whose only way out is the device; SYNs to FLOOD_PORT. */
struct flood *flood_open(void);
/* The device only, in this namespace; the segments go to that address. */
struct flood *flood_open_here(const struct ipaddr *dst);
/* Listens there, with limits of queue and knob, and that mode of cookies. */
int flood_listen(int backlog, int max_syn_backlog, int cookies);

/*
 * The n-th source. All bytes change, yet it stays within 20.0.0.0 to
 * 83.255.255.255, away from what has a meaning; no two of 2^30 are the same.
 */
struct ipaddr flood_source(uint32_t n);

/* Makes the next batch ready. */
void flood_load(struct flood *f);
/* The same, and takes the answers out of the device. struct flood *. */
void flood_reload(void *flood);
/* Writes the next segment of the batch. struct flood *. */
void flood_inject(void *flood);
/* A whole batch, of which no answer is left in the device. */
void flood_batch(struct flood *f);
/* Every segment of a batch is answered with these flags, or none (0) is. */
void flood_expect(struct flood *f, int flags);
/* Answers go to a device that swallows them: any number, none to be looked at. */
void flood_sink(void);

/* Instructions for one segment, without what injecting it costs. */
double flood_cost(struct flood *f);
/* That, which is the cost of the same segment under a wrong IP checksum. */
double flood_injector_cost(struct flood *f);

#endif
