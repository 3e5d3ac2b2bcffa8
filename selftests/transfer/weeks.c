// SPDX-License-Identifier: GPL-2.0
/*
 * weeks: a sender that always has something in flight, for more weeks than its counters of time
 * can tell.
 */
/* vm: uml slow rare timeout=3600 */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(weeks);

#define DAY_MS (24 * 3600 * 1000LL)

static uint64_t busy_us(struct conn *c)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);

	check(!getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len), WHERE(c->peer->test),
	      "TCP_INFO: %s", strerror(errno));
	return info.tcpi_busy_time;
}

/*
 * xtcp counts up to 2^32 units of 2^20 ns, 52 days, and then no more. Between two ACKs are less
 * than the 6.5 days that it can measure.
 */
TEST_F_TIMEOUT(weeks, busy_time_does_not_begin_again, 100 * 24 * 3600)
{
	const uint64_t most = (UINT32_MAX * (1ULL << 20)) / 1000;
	struct peer *p = &self->peer;
	uint64_t before = 0, now;
	struct conn c;

	NOT_ON_STOCK();
	p->no_trace = true;
	conn_open(p, &c, .active = true);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 20 * DAY_MS));
	for (int i = 1; i <= 10; i++) {
		ASSERT_EQ(1, send(c.fd, "x", 1, MSG_DONTWAIT));
		peer_drain(p, 6 * DAY_MS);
		now = busy_us(&c);
		EXPECT_LE(before, now) TH_LOG("after %d days", 6 * i);
		before = now;
		conn_send(&c, .flags = ACK, .ack = 1 + i);
		EXPECT_LE(before, busy_us(&c));
	}
	EXPECT_EQ(most, busy_us(&c));
	p->leave_unread = true;
}

TEST_HARNESS_MAIN
