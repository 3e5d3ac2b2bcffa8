// SPDX-License-Identifier: GPL-2.0
/*
 * meter: TCP_INFO on the time that a sender was busy, on what limited it, and on its
 * delivery rate. As Linux's, but for its clock, which counts ticks.
 */
/* vm: families short */
/* vm: still=delivery_rate */
/* vm: still=delivery_rate_of_one_with_little_to_say */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(meter);

#define MSS 1000
#define RTT_MS 100
#define TICK_US slack_us()

/* Linux counts ticks, 10 ms at worst; xtcp units of about 1 ms, and this kernel's clock. */
static int64_t slack_us(void)
{
	struct timespec ts;

	if (stock_mode() || clock_getres(CLOCK_MONOTONIC, &ts))
		return 10000;
	return 2500 + ts.tv_nsec / 1000;
}

static struct tcp_info told(struct conn *c)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);

	check(!getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len), WHERE(c->peer->test),
	      "TCP_INFO: %s", strerror(errno));
	return info;
}

#define EXPECT_ABOUT(want, got, slack) \
	do { \
		EXPECT_LE((int64_t)(want) - (slack), (int64_t)(got)); \
		EXPECT_GE((int64_t)(want) + (slack), (int64_t)(got)); \
	} while (0)

/* So many segments leave at once. */
static void sends(struct conn *c, int segs)
{
	static uint8_t text[20 * MSS];

	check(send(c->fd, text, segs * MSS, MSG_DONTWAIT) == segs * MSS,
	      WHERE(c->peer->test), "send: %s", strerror(errno));
	peer_mark(c->peer);
}

/* So many segments are read, and a round trip later all up to @upto acknowledged. */
static void acknowledged(struct conn *c, int64_t upto, int segs, int wnd)
{
	for (int i = 0; i < segs; i++)
		conn_expect(c, .len = MSS);
	peer_sleep_until(c->peer, RTT_MS);
	conn_send(c, .flags = ACK, .ack = upto, .wnd = wnd);
}

TEST_F(meter, busy_while_something_is_in_flight)
{
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS)));
	EXPECT_EQ(0, told(&c).tcpi_busy_time);
	for (int i = 1; i <= 3; i++) {
		sends(&c, 1);
		conn_expect(&c, .len = MSS);
		peer_sleep_until(&self->peer, RTT_MS / 2);
		EXPECT_ABOUT((2 * i - 1) * RTT_MS * 500, told(&c).tcpi_busy_time, i * TICK_US);
		acknowledged(&c, 1 + i * MSS, 0, 60000);
		peer_expect_silence(&self->peer, 300);
		EXPECT_ABOUT(i * RTT_MS * 1000, told(&c).tcpi_busy_time, i * TICK_US);
	}
	EXPECT_EQ(0, told(&c).tcpi_rwnd_limited);
	EXPECT_EQ(0, told(&c).tcpi_sndbuf_limited);
}

TEST_F(meter, held_back_by_the_peers_window)
{
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS)), .wnd = 2 * MSS);
	sends(&c, 3);
	acknowledged(&c, 1 + 2 * MSS, 2, 60000);
	/* The third is sent, and only the path limits it. */
	peer_mark(&self->peer);
	acknowledged(&c, 1 + 3 * MSS, 1, 60000);
	peer_expect_silence(&self->peer, 300);
	EXPECT_ABOUT(RTT_MS * 1000, told(&c).tcpi_rwnd_limited, TICK_US);
	EXPECT_ABOUT(2 * RTT_MS * 1000, told(&c).tcpi_busy_time, 2 * TICK_US);
	EXPECT_EQ(0, told(&c).tcpi_sndbuf_limited);
}

static void small_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_SNDBUF, 4000);
}

TEST_F(meter, held_back_by_the_send_buffer)
{
	static uint8_t text[20 * MSS];
	int64_t queued;
	struct conn c;

	/* The kernel's TCP lets an skb exceed the buffer's end by another amount. */
	NOT_ON_STOCK();
	/* Half of the window makes an skb, and one fills the buffer. */
	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS)), .prepare = small_buffer,
		  .wnd = 16 * MSS);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	queued = send(c.fd, text, sizeof(text), MSG_DONTWAIT);
	ASSERT_LT(0, queued);
	ASSERT_GT(9 * MSS, queued);
	peer_mark(&self->peer);
	peer_drain(&self->peer, 0);
	acknowledged(&c, 1 + queued, 0, 60000);
	peer_expect_silence(&self->peer, 300);
	EXPECT_ABOUT(RTT_MS * 1000, told(&c).tcpi_sndbuf_limited, TICK_US);
	EXPECT_ABOUT(RTT_MS * 1000, told(&c).tcpi_busy_time, TICK_US);
	EXPECT_EQ(0, told(&c).tcpi_rwnd_limited);
}

TEST_F(meter, delivery_rate)
{
	struct tcp_info info;
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS)));
	EXPECT_EQ(0, told(&c).tcpi_delivery_rate);
	EXPECT_EQ(1, told(&c).tcpi_delivery_rate_app_limited + 0);
	EXPECT_EQ(14600, (int)told(&c).tcpi_rcv_space);
	/* Ten, then twenty, and there is more data. */
	sends(&c, 20);
	sends(&c, 20);
	acknowledged(&c, 1 + 10 * MSS, 10, 60000);
	EXPECT_ABOUT(10 * MSS * 1000 / RTT_MS, told(&c).tcpi_delivery_rate, 2000);
	peer_mark(&self->peer);
	acknowledged(&c, 1 + 30 * MSS, 20, 60000);
	info = told(&c);
	EXPECT_ABOUT(20 * MSS * 1000 / RTT_MS, info.tcpi_delivery_rate, 4000);
	EXPECT_EQ(0, info.tcpi_delivery_rate_app_limited + 0);
	peer_drain(&self->peer, 1);
	conn_send(&c, .flags = RST);
}

/* Idle times do not count, and the maximum is kept. */
TEST_F(meter, delivery_rate_of_one_with_little_to_say)
{
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPT(OPT_MSS(MSS)));
	for (int segs = 1; segs <= 3; segs++) {
		int64_t before = (int64_t)segs * (segs - 1) / 2 * MSS;

		peer_expect_silence(&self->peer, 1000);
		sends(&c, segs);
		acknowledged(&c, 1 + before + segs * MSS, segs, 60000);
		EXPECT_ABOUT(segs * MSS * 1000 / RTT_MS, told(&c).tcpi_delivery_rate, 1000);
		EXPECT_EQ(1, told(&c).tcpi_delivery_rate_app_limited + 0);
	}
}

/*
 * What keeps a rate has 16 bits: 2047 * 2^31 bytes a second is the largest. 5 MB that are sent and
 * acknowledged within 1024 ns, the least time that counts, are more. They wait for a window, so
 * that one ACK sends them all. Only on User-mode Linux computing takes so little time.
 */
TEST_F(meter, delivery_rate_beyond_the_largest)
{
	const long long most = 2047LL << 31;
	struct peer *p = &self->peer;
	int64_t begin, took;
	long long rate;
	struct conn c;

	NOT_ON_STOCK();
	link_set_mtu(WHERE(_metadata), "tun0", 65000);
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_INITCWND] = 100 });
	conn_open(p, &c, .opt = OPT(OPT_MSS(64900), OPT_NOP, OPT_WSCALE(14)));
	conn_send(&c, .flags = ACK, .wnd = 0);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, 32 << 20);
	for (int i = 0; i < 80; i++)
		conn_write(&c, c.seg_len);
	begin = now_ns();
	conn_send(&c, .flags = ACK);
	conn_send(&c, .flags = ACK, .ack = 1 + 80 * c.seg_len);
	took = now_ns() - begin;
	rate = told(&c).tcpi_delivery_rate;
	EXPECT_GE(most, rate);
	EXPECT_LE(took < 1000000 ? most : 1, rate) TH_LOG("%lld ns", (long long)took);
	p->leave_unread = true;
	conn_send(&c, .flags = RST);
}

TEST_HARNESS_MAIN
