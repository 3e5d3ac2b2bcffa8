/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cookies: what the tests of classic and lossless SYN cookies share: a listener
 * that sends them, and a client made by hand.
 */
#ifndef SELFTESTS_OPEN_COOKIES_H
#define SELFTESTS_OPEN_COOKIES_H

#include "lib/xtcp_test.h"

/* A listener that answers every SYN with a cookie. */
static inline int cookie_listener(struct peer *p)
{
	check(!knob_set("syncookies", 2), WHERE(p->test), "no cookies");
	return peer_listen(p, KERNEL_PORT, 16);
}

/*
 * SYN and SYN-ACK; a cookie leaves nothing else behind. @lossless: 1 if the SYN-ACK
 * must carry the cookie in an option, UNSET if a test does not ask.
 */
#define cookie_get_as(lossless, p, c, lfd_, ...) \
	do { \
		conn_start(p, c, .lfd = lfd_, ##__VA_ARGS__); \
		conn_send(c, .flags = SYN); \
		conn_expect(c, .flags = SYN | ACK, .ack = 1, .cookie = lossless); \
		conn_expect_state(c, ST_CLOSED); \
	} while (0)

/* Two clients have cookies of a listener whose accept queue takes one connection. */
static inline void two_cookies_for_one(struct peer *p, struct conn *first, struct conn *second,
				       int64_t lossless)
{
	int lfd;

	check(!knob_set("syncookies", 2), WHERE(p->test), "no cookies");
	lfd = peer_listen(p, KERNEL_PORT, 0);
	cookie_get_as(lossless, p, second, lfd);
	cookie_get_as(lossless, p, first, lfd);
}

/* A segment that brings no valid cookie is answered with a RST. */
static inline void refused(struct __test_metadata *_metadata, struct conn *c,
			   struct segment_spec segment, int failed)
{
	struct counters before;

	counters_take(&before);
	conn_send_at(WHERE(_metadata), c, segment);
	peer_expect(c->peer, .flags = RST, .sport = ANYWHERE, .dport = ANYWHERE);
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_ESTABLISHED));
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1,
			"OutRsts", 1, "SyncookiesFailed", failed, NULL);
}

#endif
