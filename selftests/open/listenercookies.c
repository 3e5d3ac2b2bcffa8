// SPDX-License-Identifier: GPL-2.0
/*
 * listenercookies: XTCP_SYNCOOKIES gives a listener a mode of its own in place of the
 * namespace's xtcp_syncookies.
 */
/* vm: families short */
#include "lossless.h"

PEER_FIXTURE(server);		/* the kernel listens, the client is made by hand */

#define syn_is_queued(c) \
	do { \
		conn_send(c, .flags = SYN); \
		conn_expect(c, .flags = SYN | ACK, .cookie = 0); \
		conn_expect_state(c, ST_HALF_OPEN); \
	} while (0)

static void mode_set(struct __test_metadata *_metadata, int lfd, int mode)
{
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_XTCP, XTCP_SYNCOOKIES, mode));
}

static int mode_get(int fd)
{
	socklen_t len = sizeof(int);
	int mode;

	return getsockopt(fd, IPPROTO_XTCP, XTCP_SYNCOOKIES, &mode, &len) ? -errno : mode;
}

TEST_F(server, opt_syncookies_of_one_listener)
{
	struct peer *p = &self->peer;
	int always, other;
	struct conn c;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	always = peer_listen(p, KERNEL_PORT, 16);
	other = peer_listen(p, KERNEL_PORT + 1, 16);
	mode_set(_metadata, always, XTCP_SYNCOOKIES_ALWAYS);
	cookie_get(p, &c, always);
	redeem(&c);
	/* Its children follow the knob, and so do other listeners. */
	EXPECT_EQ(0, mode_get(c.fd));
	EXPECT_EQ(0, mode_get(other));
	conn_start(p, &c, .lfd = other, .kport = KERNEL_PORT + 1);
	syn_is_queued(&c);
	/* A change counts from the next SYN on, and for the check of cookies. */
	cookie_get(p, &c, always);
	mode_set(_metadata, always, XTCP_SYNCOOKIES_NEVER);
	conn_send(&c, .flags = ACK, .seq = 1, .opt = echo(&c));
	conn_expect(&c, .flags = RST);
	conn_start(p, &c, .lfd = always);
	syn_is_queued(&c);
	p->leave_unread = true;
}

TEST_F(server, opt_syncookies_never_of_one_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd;

	lfd = cookie_listener(p);
	mode_set(_metadata, lfd, XTCP_SYNCOOKIES_NEVER);
	ASSERT_EQ(0, listen(lfd, 1));
	for (int i = 0; i < 2; i++) {
		conn_start(p, &c, .lfd = lfd);
		syn_is_queued(&c);
	}
	conn_start(p, &c, .lfd = lfd);
	counters_take(&before);
	conn_send(&c, .flags = SYN);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "InSegs", 1, "TCPReqQFullDrop", 1,
			"ListenDrops", 1, NULL);
	p->leave_unread = true;
}

TEST_F(server, opt_syncookies_when_full_of_one_listener)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	lfd = peer_listen(p, KERNEL_PORT, 1);
	mode_set(_metadata, lfd, XTCP_SYNCOOKIES_WHEN_FULL);
	for (int i = 0; i < 2; i++) {
		conn_start(p, &c, .lfd = lfd);
		syn_is_queued(&c);
	}
	cookie_get(p, &c, lfd);
	redeem(&c);
	p->leave_unread = true;
}

TEST_HARNESS_MAIN
