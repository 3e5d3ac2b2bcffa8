/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flood: segments from spoofed sources, all different, written to a tun device as fast
 * as possible. For selftests/bench.
 */
#ifndef SELFTESTS_LIB_FLOOD_H
#define SELFTESTS_LIB_FLOOD_H

#include "bench.h"

/* Fewer than the answers that the device's queue holds (500). */
#define FLOOD_BATCH 400
/* The flood's target, and a port that nobody listens on. */
#define FLOOD_PORT 5000
#define FLOOD_CLOSED_PORT 5001
/* For a queue limit that must not matter. */
#define FLOOD_LIMITLESS (1 << 22)

enum flood_wrong { NOTHING_WRONG, BAD_IP_CSUM, BAD_TCP_CSUM };

struct flood {
	int tun;
	struct ipaddr dst;
	int proto;			/* IP protocol number of the segments */
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
/* The flood and the sockets of this namespace are on the TCP wire from now on. */
void flood_go_tcp(struct flood *f);
/* Listens there, with these limits of queue and knob, and that mode of cookies. */
int flood_listen(int backlog, int max_syn_backlog, int cookies);
/* A socket has the port, and does not listen. */
void flood_bind(int port);

/*
 * The n-th source. All bytes vary, within 20.0.0.0 to 83.255.255.255, away from
 * special addresses; no two of 2^30 are equal.
 */
struct ipaddr flood_source(uint32_t n);

/* Makes the next batch ready. */
void flood_load(struct flood *f);
/* Writes the next segment of the batch. struct flood *. */
void flood_inject(void *flood);
/* A whole batch, of which no answer is left in the device. */
void flood_batch(struct flood *f);
/* Every segment of a batch is answered with these flags; 0: none is answered. */
void flood_expect(struct flood *f, int flags);
/* Answers go to a device that drops them: any number, unread. */
void flood_sink(void);

/* Instructions for one segment, without what injecting it costs. */
double flood_cost(struct flood *f);
/* That cost, measured as the cost of the same segment with a wrong IP checksum. */
double flood_injector_cost(struct flood *f);

#endif
