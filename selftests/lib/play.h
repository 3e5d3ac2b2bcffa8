/* SPDX-License-Identifier: GPL-2.0 */
/*
 * play: a handful of connections between a program and a peer that both act at random.
 * Each segment of the kernel is checked, whatever was sent before: a TCP must be
 * allowed to send it.
 */
#ifndef SELFTESTS_LIB_PLAY_H
#define SELFTESTS_LIB_PLAY_H

#include "check.h"
#include "conn.h"
#include "draw.h"
#include "peer.h"

#define PLAY_SLOTS 16
#define PLAY_PORT 6000

struct play {
	struct peer *p;
	int slots;
	struct conn conn[PLAY_SLOTS];
	bool used[PLAY_SLOTS];
	uint32_t una[PLAY_SLOTS];	/* for a peer that acknowledges little: up to there */
	struct segment heard;		/* the last one of any connection */
	unsigned long sent, received, calls;
};

/* A connection begins in that slot, opened by either side. */
void play_begin(struct play *w, int slot);
/* The program closes all its sockets of it, perhaps with a RST. */
void play_finish(struct play *w, int slot);
/*
 * End all, and wait for an hour: longer than an orphan whose FIN is never
 * acknowledged, or waits behind a closed window, and its TIME-WAIT. Returns the
 * number of connections and ports that are left.
 */
int play_settle(struct play *w);
/* A moment, sometimes longer, rarely very long. */
void play_pause(struct play *w);

#endif
