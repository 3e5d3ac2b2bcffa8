// SPDX-License-Identifier: GPL-2.0
/*
 * connect: active open: how long it is tried, what ends it, and which connections it
 * must not disturb. RFC 9293 3.10.1, 3.10.7.3, 3.8.3 (MUST-20..23), 3.5 figure 8
 * (MUST-10, 11); RFC 6298 2.1, 5.5, 5.7 (timer).
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>


PEER_FIXTURE(connect);

/*
 * The SYN at 0 and after each of n doublings, and the end. Each counts from the one
 * before: the cost of a hundred of them adds up to milliseconds.
 */
static void tries(struct __test_metadata *_metadata, struct peer *p,
		  void (*prepare)(int fd), int retries, int end_ms)
{
	int64_t at_ms = 0, wait_ms = 0, delay_ms = 1000;
	struct conn c;

	peer_mark(p);
	conn_start(p, &c, .active = true, .prepare = prepare);
	for (int i = 0; i <= retries; i++) {
		conn_expect(&c, .flags = SYN, .mss = 1460, .at_ms = wait_ms);
		peer_mark_last(p);
		EXPECT_EQ(c.kern_iss, p->last.seq);
		at_ms += wait_ms;
		wait_ms = delay_ms;
		delay_ms = delay_ms * 2 > 120000 ? 120000 : delay_ms * 2;
	}
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, end_ms - at_ms);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 300000);
}

TEST_F(connect, lc_19_seven_retries_are_247s)
{
	ASSERT_EQ(0, knob_set("syn_retries", 7));
	tries(_metadata, &self->peer, NULL, 7, 247000);
}

/* R2 of a SYN: at least three minutes, if set so. */
TEST_F(connect, rfc9293_must_23_three_minutes_can_be_had)
{
	ASSERT_EQ(0, knob_set("syn_retries", 7));
	tries(_metadata, &self->peer, NULL, 7, 247000);
}

/* A SYN is repeated like data: doubling, up to a limit, then an error. */
TEST_F(connect, rfc9293_must_22_syn_is_retransmitted_like_text)
{
	tries(_metadata, &self->peer, NULL, 6, 127000);
}

/* A SYN that this host's own queue refuses says nothing about the path: the window stays. */
TEST_F(connect, lc_19_syn_finds_no_room)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	peer_jam(p);
	peer_mark(p);
	conn_start(p, &c, .active = true);
	peer_expect_silence(p, 400);
	info = conn_info(&c);
	/* The kernel's TCP reduces its window, until it is connected. */
	EXPECT_EQ(stock_mode() ? TCP_CA_CWR : TCP_CA_Open, info.recovery);
	EXPECT_EQ(10, info.cwnd);
	EXPECT_EQ(stock_mode() ? 7 : INT32_MAX, info.ssthresh);
	peer_unjam(p);
	conn_expect(&c, .flags = SYN, .at_ms = 1000);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	info = conn_info(&c);
	EXPECT_EQ(10, info.cwnd);
	EXPECT_EQ(INT32_MAX, info.ssthresh);
}

/* The network has not seen it, so the next attempt comes soon, and the timeout stays. */
TEST_F(connect, lc_19_repeated_syn_finds_no_room)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_linear_timeouts", 0));
	peer_mark(p);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN);
	peer_jam(p);
	peer_sleep_until(p, 1700);	/* attempts after 1000 and 1500 ms */
	peer_unjam(p);
	conn_expect(&c, .flags = SYN, .at_ms = 2000);
	conn_expect(&c, .flags = SYN, .at_ms = 4000);
	conn_expect(&c, .flags = SYN, .at_ms = 8000);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
}

/* Each attempt counts. */
TEST_F(connect, lc_20_no_room_for_any_syn)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_linear_timeouts", 0));
	ASSERT_EQ(0, knob_set("syn_retries", 3));
	peer_jam(p);
	peer_mark(p);
	conn_start(p, &c, .active = true);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 2500);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	peer_unjam(p);
	peer_expect_silence(p, 10000);
}

TEST_F(connect, lc_20_two_retries_are_7s)
{
	ASSERT_EQ(0, knob_set("syn_retries", 2));
	tries(_metadata, &self->peer, NULL, 2, 7000);
}

TEST_F(connect, knob_syn_retries)
{
	EXPECT_EQ(6, knob_get("syn_retries"));
	ASSERT_EQ(0, knob_set("syn_retries", 3));
	EXPECT_EQ(EINVAL, knob_set("syn_retries", 0));
	EXPECT_EQ(EINVAL, knob_set("syn_retries", 128));
	EXPECT_EQ(3, knob_get("syn_retries"));
	tries(_metadata, &self->peer, NULL, 3, 15000);
}

/* Up to the knob's largest value: no step is longer than 120 s. */
TEST_F_TIMEOUT(connect, lc_19_127_retries, 30000)
{
	ASSERT_EQ(0, knob_set("syn_retries", 127));
	tries(_metadata, &self->peer, NULL, 127, 14647000);
}

static void three_syns(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_SYNCNT, 2);
}

TEST_F(connect, lc_20_syncnt_goes_before_the_knob)
{
	tries(_metadata, &self->peer, three_syns, 2, 7000);
}

static void five_seconds(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
}

/* RFC 9293 3.10.8, exact: the third SYN at 3 s, the fourth would be at 7 s. */
TEST_F(connect, rfc9293_must_21_user_timeout_ends_it)
{
	tries(_metadata, &self->peer, five_seconds, 2, 5000);
}

TEST_F(connect, wish_08_user_timeout_of_connect_is_exact)
{
	tries(_metadata, &self->peer, five_seconds, 2, 5000);
}

static void one_second(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
}

/*
 * Unacceptable ACKs come without end, more often than each 8 ms. The SYN that the first one
 * brings forward is not put off by the others, and nor is the end.
 */
TEST_F(connect, rfc9293_must_21_unacceptable_acks_do_not_put_off_the_end)
{
	struct peer *p = &self->peer;
	const struct segment *seg;
	int syns = 0;
	struct conn c;

	NOT_ON_STOCK();		/* each of them puts it off */
	conn_to_state(p, &c, ST_SYN_SENT, .prepare = one_second);
	peer_mark(p);
	for (int at_ms = 0; at_ms < 3000 && !(socket_poll(c.fd) & POLLERR); at_ms += 4) {
		conn_send(&c, .flags = ACK, .seq = 0, .ack = 2);
		while ((seg = peer_read(p, p->mark_ns + (at_ms + 4) * NSEC_PER_MSEC))) {
			if (!(seg->flags & SYN))
				continue;
			syns++;
			EXPECT_LE(p->mark_ns + 8 * NSEC_PER_MSEC, seg->when_ns);
			EXPECT_GE(p->mark_ns + peer_late_max_ns(8 * NSEC_PER_MSEC) +
				  8 * NSEC_PER_MSEC, seg->when_ns);
		}
	}
	EXPECT_EQ(1, syns);
	EXPECT_GE(1004 + peer_late_max_ns(NSEC_PER_SEC) / NSEC_PER_MSEC, peer_elapsed_ms(p));
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

static void two_hundred_seconds(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 200000);
}

/* A long user timeout does not lift the limit on SYNs. */
TEST_F(connect, sm_syn_sent_user_timeout_is_no_extension)
{
	ASSERT_EQ(0, knob_set("syn_retries", 1));
	tries(_metadata, &self->peer, two_hundred_seconds, 1, 3000);
}

/* The handshake's own retransmission ends with the answer, however late. */
TEST_F(connect, lc_19_late_answer_connects)
{
	struct peer *p = &self->peer;
	struct conn c;

	peer_mark(p);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .at_ms = 0);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 3000);
	peer_sleep_until(p, 6900);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_silence(p, 200000);
}

/* A second each for the first four, and only then the doubling begins. */
TEST_F(connect, lc_19_linear_timeouts)
{
	static const int at_ms[] = {
		0, 1000, 2000, 3000, 4000, 5000, 7000, 11000, 19000, 35000, 67000,
	};
	struct peer *p = &self->peer;
	struct conn c;

	/* Linux has had it since 6.5. */
	if (!knob_exists("syn_linear_timeouts"))
		SKIP(return, "this kernel's TCP has no such knob");
	ASSERT_EQ(0, knob_set("syn_linear_timeouts", 4));
	peer_mark(p);
	conn_start(p, &c, .active = true);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++)
		conn_expect(&c, .flags = SYN, .mss = 1460, .at_ms = at_ms[i]);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 131000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	peer_expect_silence(p, 130000);
}

/* --- the timer, RFC 6298 */

/* Unacknowledged data is sent again after so long. */
static void expect_rto(struct __test_metadata *_metadata, struct conn *c, int rto_ms)
{
	struct peer *p = c->peer;

	/* The loss probe of the kernel's TCP would come first. */
	if (stock_mode())
		knob_set("early_retrans", 0);
	peer_mark(p);
	ASSERT_EQ(4, send(c->fd, "text", 4, 0));
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text", .at_ms = 0);
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text", .at_ms = rto_ms);
	conn_expect(c, .flags = ACK | PSH, .seq = 1, .data = "text", .at_ms = 3 * rto_ms);
}

TEST_F(connect, rfc6298_initial_rto_is_1s)
{
	struct peer *p = &self->peer;
	struct conn a, b;

	peer_mark(p);
	conn_to_state(p, &a, ST_SYN_SENT);
	conn_expect(&a, .flags = SYN, .seq = 0, .at_ms = 1000);
	socket_abort(a.fd);
	peer_mark(p);
	conn_to_state(p, &b, ST_HALF_OPEN);
	conn_expect(&b, .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
}

/* 2.2: R = 300 ms gives SRTT = R, RTTVAR = R/2, RTO = R + 4 R/2. */
TEST_F(connect, rfc6298_handshake_is_the_first_sample)
{
	struct conn c;

	conn_open(&self->peer, &c, .active = true, .rtt_ms = 300);
	expect_rto(_metadata, &c, 900);
}

TEST_F(connect, rfc6298_handshake_is_the_first_sample_of_a_listener_too)
{
	struct conn c;

	conn_open(&self->peer, &c, .rtt_ms = 300);
	expect_rto(_metadata, &c, 900);
}

/* Our SYN, or our SYN-ACK, is the first that has arrived; TCPDelivered counts the former. */
TEST_F(connect, ctr_TCPDelivered_of_a_handshake)
{
	const struct optbytes opts[] = {
		OPT(OPT_MSS(1460)), OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_NOP),
	};

	for (int i = 0; i < 4; i++) {
		bool active = i / 2;
		struct counters before;
		struct conn c;

		counters_take(&before);
		conn_open(&self->peer, &c, .active = active, .kport = KERNEL_PORT + i, .pport = 7000 + i,
			  .opt = opts[i % 2]);
		EXPECT_EQ(active, counter_moved(&before, "TCPDelivered"));
		EXPECT_EQ(1, (int)conn_tcp_info(&c).tcpi_delivered);
	}
}

/* A server's loss detection (RFC 8985) needs it before the first data is acknowledged. */
TEST_F(connect, rfc8985_6_2_handshake_gives_the_least_rtt)
{
	struct conn a, b;

	conn_open(&self->peer, &a, .rtt_ms = 300);
	EXPECT_LE(299000, (int)conn_tcp_info(&a).tcpi_min_rtt);
	EXPECT_GE(303000, (int)conn_tcp_info(&a).tcpi_min_rtt);
	conn_open(&self->peer, &b, .active = true, .rtt_ms = 300);
	EXPECT_LE(299000, (int)conn_tcp_info(&b).tcpi_min_rtt);
	EXPECT_GE(303000, (int)conn_tcp_info(&b).tcpi_min_rtt);
}

/* The echoed timestamp tells which SYN-ACK was acknowledged. */
TEST_F(connect, rfc7323_4_timestamp_measures_a_repeated_synack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN, .opt = OPT(OPT_MSS(1460), OPT_TS(100, 0)));
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .within_ms = 1200);
	peer_mark_last(p);
	peer_sleep_until(p, 300);
	conn_send(&c, .flags = ACK);	/* echoes the second one's */
	conn_accept(&c);
	EXPECT_LE(298000, (int)conn_tcp_info(&c).tcpi_rtt);
	EXPECT_GE(308000, (int)conn_tcp_info(&c).tcpi_rtt);
	EXPECT_LE(298000, (int)conn_tcp_info(&c).tcpi_min_rtt);
	EXPECT_GE(308000, (int)conn_tcp_info(&c).tcpi_min_rtt);
}

/* 5.7: the SYN had to be repeated, so there is no sample, and an RTO of 3 s. */
TEST_F(connect, rfc6298_3s_after_a_lost_syn)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN, .seq = 0, .within_ms = 1200);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	expect_rto(_metadata, &c, 3000);
}

TEST_F(connect, rfc6298_3s_after_a_lost_synack)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .within_ms = 1200);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	expect_rto(_metadata, &c, 3000);
}

/* No timer has sent it again, but which of the two was acknowledged is unknown. */
TEST_F(connect, rfc6298_3s_after_a_repeated_syn)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	expect_rto(_metadata, &c, 3000);
}

/* The error of connect() to this host from an address, by a socket of tun0. */
static int this_host_errno(const char *from)
{
	int fd = socket_new(-1), err;

	err = socket_bind(fd, from, 7000);
	if (!err && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5))
		err = errno;
	err = err ?: socket_connect(fd, "0.0.0.0", 7001);
	close(fd);
	return err;
}

/* 0.0.0.0 is the own address, which must be one of the device. */
TEST_F(connect, this_host_on_a_device)
{
	/* IPv6 looks for a route once only. */
	if (test_family() == AF_INET6)
		return;
	self->peer.stock_may_speak = true;
	EXPECT_EQ(EINVAL, this_host_errno("127.0.0.1"));
	EXPECT_EQ(EINPROGRESS, this_host_errno("10.0.0.1"));
	peer_expect_silence(&self->peer, 20);
}

/* --- simultaneous open */

TEST_F(connect, rfc9293_must_10_simultaneous_open)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	counters_begin(&before);
	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_EQ(0, socket_poll(c.fd));
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(1, proc_rows(p->family, 0));
	counters_expect(_metadata, &before, "ActiveOpens", 1, "CurrEstab", 1, NULL);
	ASSERT_EQ(2, send(c.fd, "me", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "me");
}

static void shut_down(int fd)
{
	socket_shutdown(fd, SHUT_WR);
}

/* shutdown() before connect(): as in Linux a simultaneous open then ends with our FIN. */
TEST_F(connect, sm_simultaneous_open_after_shutdown)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = shut_down);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = RST);
}

/* The window is closed, so the FIN waits in the queue: that needs memory, in atomic context. */
TEST_F(connect, sm_simultaneous_open_after_shutdown_no_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = shut_down);
	conn_send(&c, .flags = SYN, .wnd = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1);
	conn_send(&c, .flags = ACK, .wnd = 0);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	peer_expect_silence(p, 50);
	conn_send(&c, .flags = ACK, .wnd = 1000);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	conn_send(&c, .flags = RST);
}

/* Not so one that the peer accepts. */
TEST_F(connect, sm_open_after_shutdown)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = shut_down);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(EPIPE, socket_send(c.fd));
	peer_expect_silence(p, 100);
}

/* An older SYN, which the network had kept, is not the peer's SYN again. Linux challenges it. */
TEST_F(connect, rfc7323_5_3_simultaneous_syn_with_an_older_timestamp)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t stamp;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_RECEIVED, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)));
	stamp = conn_tsval(&c);
	sleep_ms(10);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0,
		  .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(stamp - 1000, 0)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_EQ(1, counter_moved(&before, "PAWSEstab"));
	EXPECT_EQ(0, counter_moved(&before, "TCPSYNChallenge"));
}

/*
 * A SYN that comes again is answered, once in a while: whoever forges it must not make us send
 * to its alleged sender. Nor does it tell the round trip.
 */
TEST_F(connect, rfc5961_7_simultaneous_syn_again_and_again)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = stock_mode() ? ACK : SYN | ACK, .ack = 1);
	for (int i = 0; i < 5; i++)
		conn_send(&c, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 20);
	EXPECT_EQ(stock_mode() ? 0 : 1, counter_moved(&before, "TCPSynRetrans"));
	sleep_ms(200);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
	if (!stock_mode())
		EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_rtt);
	conn_send(&c, .flags = RST);
}

TEST_F(connect, rfc9293_must_10_synack_is_sent_again)
{
	static const int at_ms[] = { 1000, 3000, 7000, 15000, 31000, 63000 };
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	peer_mark_last(p);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1);
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++)
		conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460,
			    .at_ms = at_ms[i]);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 127000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	peer_expect_silence(p, 130000);
}

/* Options of both SYNs are agreed on in this case, too. */
TEST_F(connect, rfc9293_must_10_options_are_agreed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT,
		      .opt = OPT(OPT_MSS(1000), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP,
				 OPT_WSCALE(3)));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1, .sackok = 1, .ts = 1);
	EXPECT_LE(0, p->last.opt.wscale);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_EQ(1500, send(c.fd, (char[1500]){ 0 }, 1500, 0));
	conn_expect(&c, .seq = 1, .len = 988, .ts = 1);
	conn_expect(&c, .len = 512, .ts = 1);
}

/* A connection that was opened actively ends at a RST, and reports it. */
TEST_F(connect, rfc9293_must_11_active_origin_is_refused)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	counters_take(&before);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	/* The RFC says "connection refused"; Linux does not. */
	EXPECT_EQ(stock_mode() ? ECONNRESET : ECONNREFUSED, socket_error(c.fd));
	counters_expect(_metadata, &before, "InSegs", 1, "AttemptFails", 1, NULL);
}

/* A listener's child ends, and the listener is as before. */
TEST_F(connect, rfc9293_must_11_passive_origin_returns_to_listen)
{
	struct peer *p = &self->peer;
	struct conn c, next;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(0, socket_poll(c.lfd));
	EXPECT_EQ(0, socket_error(c.lfd));
	conn_open(p, &next, .lfd = c.lfd);
}

/* --- local addresses and ports */

TEST_F(connect, rfc9293_must_41_listen_leaves_others_alone)
{
	struct peer *p = &self->peer;
	struct conn c, d;

	conn_open(p, &c, .active = true, .kport = 5000);
	conn_open(p, &d, .kport = 6000);
	peer_listen(p, 6001, 16);
	ASSERT_EQ(3, send(c.fd, "one", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "one");
	ASSERT_EQ(3, send(d.fd, "two", 3, 0));
	conn_expect(&d, .flags = ACK | PSH, .seq = 1, .data = "two");
}

/* The same local port is in SYN-SENT, SYN-RECEIVED and ESTABLISHED. */
TEST_F(connect, rfc9293_must_42_listen_beside_openings)
{
	struct peer *p = &self->peer;
	struct conn ss, sr, es, in;

	conn_to_state(p, &ss, ST_SYN_SENT, .kport = 5000);
	conn_to_state(p, &sr, ST_SYN_RECEIVED, .kport = 5000);
	conn_open(p, &es, .active = true, .kport = 5000);
	conn_open(p, &in, .kport = 5000);
	conn_expect_state(&ss, ST_SYN_SENT);
	conn_expect_state(&sr, ST_SYN_RECEIVED);
	conn_send(&ss, .flags = SYN | ACK);
	conn_expect(&ss, .flags = ACK, .seq = 1, .ack = 1);
	conn_send(&sr, .flags = ACK);
	conn_expect_state(&sr, ST_ESTABLISHED);
	conn_expect_state(&es, ST_ESTABLISHED);
}

static void connect_from(struct __test_metadata *_metadata, struct peer *p,
			 const char *addr, struct conn *c)
{
	conn_to_state(p, c, ST_CLOSED);
	c->fd = socket_new(-1);
	ASSERT_EQ(0, socket_bind(c->fd, addr, 0));
	ASSERT_EQ(EINPROGRESS, socket_connect(c->fd, "10.0.0.2", c->pport));
	p->kernel = ipaddr(addr);
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = c->pport);
	conn_learn(c, &p->last);
}

TEST_F(connect, rfc9293_must_43_local_address_can_be_chosen)
{
	struct ipaddr own = ipaddr("10.0.0.11");
	struct peer *p = &self->peer;
	struct conn c;

	address_add(WHERE(_metadata), "tun0", &own, 24);
	connect_from(_metadata, p, "10.0.0.11", &c);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* The address stays, though the route would choose another by now. */
TEST_F(connect, rfc9293_must_45_one_local_address_for_life)
{
	struct ipaddr own = ipaddr("10.0.0.11"), peer = ipaddr("10.0.0.2");
	struct where at = WHERE(_metadata);
	struct peer *p = &self->peer;
	struct conn c;
	int tun0;

	conn_to_state(p, &c, ST_SYN_SENT);
	tun0 = p->tun;
	p->tun = tun_new(at, "tun1");
	address_add(at, "tun1", &own, 32);
	route_add(at, &peer, 32, NULL, "tun1");
	/* Each segment from the same address: repeated SYN, ACK, data. */
	conn_expect(&c, .flags = SYN, .within_ms = 1100);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text");
	close(p->tun);
	p->tun = tun0;
}

/* --- MSS of both SYNs */

/* 536 is the default; ours is never 536 by accident, so it is always sent. */
TEST_F(connect, rfc9293_shld_05_mss_is_sent_when_not_536)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = 1460);
	conn_to_state(p, &c, ST_LISTEN);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 1460);
}

TEST_F(connect, rfc9293_shld_06_mss_follows_the_smallest_mtu)
{
	struct peer *p = &self->peer;
	struct conn c;

	link_set_mtu(WHERE(_metadata), "tun0", 1300);
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN, .mss = 1260);
	conn_to_state(p, &c, ST_LISTEN);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .mss = 1260);
}

/* --- identity */

TEST_F(connect, lc_27_wires_do_not_mix)
{
	struct peer *p = &self->peer;
	struct conn native;
	int stock;

	NOT_ON_STOCK();
	p->stock_may_speak = true;
	peer_go_native(p);
	stock = socket_new(IPPROTO_TCP);
	ASSERT_EQ(0, socket_bind(stock, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(stock, 4));
	conn_open(p, &native, .pport = 2000);
	/* The same 4-tuple over protocol 6: another connection. */
	p->wire = IPPROTO_TCP;
	peer_send(p, .flags = SYN, .seq = 100, .sport = 2000);
	peer_expect(p, .flags = SYN | ACK, .ack = 101, .dport = 2000);
	peer_send(p, .flags = ACK, .seq = 101, .ack = p->last.seq + 1, .sport = 2000);
	/* Its RST ends it alone. */
	peer_send(p, .flags = RST, .seq = 101, .sport = 2000);
	p->wire = IPPROTO_XTCP;
	conn_expect_state(&native, ST_ESTABLISHED);
	ASSERT_EQ(4, send(native.fd, "mine", 4, 0));
	conn_expect(&native, .flags = ACK | PSH, .seq = 1, .data = "mine");
}

TEST_F(connect, lc_27_namespaces_do_not_mix)
{
	struct peer *p = &self->peer;
	struct conn here, there;
	struct peer other;

	conn_open(p, &here, .pport = 2000, .kport = 3000);
	peer_open_at(WHERE(_metadata), &other, NULL);
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
	conn_open(&other, &there, .pport = 2000, .kport = 3000);
	EXPECT_EQ(2, proc_rows(AF_INET, 0));
	conn_send(&there, .flags = RST);
	conn_expect_state(&there, ST_CLOSED);
	ASSERT_EQ(4, send(here.fd, "mine", 4, 0));
	conn_expect(&here, .flags = ACK | PSH, .seq = 1, .data = "mine");
	peer_close_at(WHERE(_metadata), &other);
}

TEST_F(connect, lc_27_each_of_four_makes_another)
{
	struct peer *p = &self->peer;
	struct conn c[4];

	conn_open(p, &c[0], .pport = 2000, .kport = 3000);
	conn_open(p, &c[1], .pport = 2001, .lfd = c[0].lfd, .kport = 3000);
	conn_open(p, &c[2], .pport = 2000, .kport = 3001);
	conn_open(p, &c[3], .pport = 2000, .lfd = c[0].lfd, .kport = 3000,
		  .peer_addr = ipaddr("10.0.0.3"));
	for (int i = 3; i >= 0; i--) {
		char text[2] = { 'a' + i };

		ASSERT_EQ(1, send(c[i].fd, text, 1, 0));
		conn_expect(&c[i], .flags = ACK | PSH, .seq = 1, .data = text);
	}
}

/* --- not twice the same */

TEST_F(connect, lc_95_live_tuple_is_not_available)
{
	static const enum conn_state states[] = {
		ST_SYN_SENT, ST_SYN_RECEIVED, ST_ESTABLISHED, ST_FIN_WAIT_1,
		ST_FIN_WAIT_2, ST_CLOSE_WAIT, ST_CLOSING, ST_LAST_ACK,
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct conn c;
		int fd;

		conn_to_state(p, &c, states[i], .active = true, .kport = 3000 + i);
		fd = socket_new(-1);
		/* Without SO_REUSEADDR not even the port is available, ... */
		EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", c.kport));
		/* ... and with it not to the same peer. */
		socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", c.kport));
		EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", c.pport));
		conn_expect_state(&c, states[i]);
		/* To another peer it is. */
		EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.3", c.pport));
		peer_expect(p, .flags = SYN, .sport = c.kport, .dport = c.pport,
			    .dst = ipaddr("10.0.0.3"));
		socket_abort(fd);
		socket_abort(c.fd);
		peer_drain(p, 5);
	}
}

/* A port that bind() has chosen is given back if connect() fails with it: the next one chooses. */
TEST_F(connect, lc_95_a_chosen_port_is_given_back)
{
	static const char range[] = "/proc/sys/net/ipv4/ip_local_port_range";
	int fd[2];

	ASSERT_EQ(0, sysctl_write(range, "40000 40000"));
	for (int i = 1; i >= 0; i--) {
		fd[i] = socket_new(-1);
		socket_set(fd[i], SOL_SOCKET, SO_REUSEADDR, 1);
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", i ? 0 : 40000));
	}
	EXPECT_EQ(EINPROGRESS, socket_connect(fd[0], "10.0.0.2", 80));
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd[1], "10.0.0.2", 80));
	EXPECT_EQ(stock_mode() ? 40000 : 0, socket_port(fd[1]));
	ASSERT_EQ(0, sysctl_write(range, "40000 40001"));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd[1], "10.0.0.2", 80));
	EXPECT_EQ(40001, socket_port(fd[1]));
	self->peer.leave_unread = true;
	socket_abort(fd[1]);
	socket_abort(fd[0]);
}

struct step {
	const char *from, *event, *to;
};

static void expect_history(struct __test_metadata *_metadata,
			   const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		EXPECT_EQ(1, lifecycle_count(steps[i].from, steps[i].event, steps[i].to)) {
			TH_LOG("%s %s %s", steps[i].from, steps[i].event, steps[i].to);
		}
	}
}

TEST_F(connect, lc_95_history_of_a_client)
{
	static const struct step steps[] = {
		{ "CLOSED", "active-OPEN", "SYN-SENT" },
		{ "SYN-SENT", "rcv-SYN,ACK", "ESTABLISHED" },
		{ "ESTABLISHED", "SHUTDOWN-SEND", "FIN-WAIT-1" },
		{ "FIN-WAIT-1", "rcv-ACK-of-FIN", "FIN-WAIT-2" },
		{ "FIN-WAIT-2", "rcv-FIN", "TIME-WAIT" },
		{ "TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED" },
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_TIME_WAIT, .active = true);
	peer_expect_silence(p, 61000);
	conn_expect_state(&c, ST_CLOSED);
	expect_history(_metadata, steps, ARRAY_SIZE(steps));
}

TEST_F(connect, lc_95_history_of_a_server)
{
	static const struct step steps[] = {
		{ "CLOSED", "passive-OPEN", "LISTEN" },
		{ "LISTEN", "rcv-SYN", "SYN-RECEIVED" },
		{ "SYN-RECEIVED", "rcv-ACK-of-SYN", "ESTABLISHED" },
		{ "ESTABLISHED", "rcv-FIN", "CLOSE-WAIT" },
		{ "CLOSE-WAIT", "SHUTDOWN-SEND", "LAST-ACK" },
		{ "LAST-ACK", "rcv-ACK-of-FIN", "CLOSED" },
	};
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_LAST_ACK);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
	expect_history(_metadata, steps, ARRAY_SIZE(steps));
}

/* --- counters */

TEST_F(connect, ctr_ActiveOpens)
{
	struct counters before;
	struct conn c;

	counters_take(&before);
	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	counters_expect(_metadata, &before, "ActiveOpens", 1, "OutSegs", 1, NULL);
}

/* Not when nothing was tried. */
TEST_F(connect, ctr_ActiveOpens_not_without_a_port)
{
	struct counters before;
	int fd = socket_new(-1);

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_reserved_ports", "40000"));
	counters_take(&before);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, "10.0.0.2", 80));
	counters_expect(_metadata, &before, "XtcpNoPortLeft", 1, NULL);
}

TEST_F(connect, ctr_AttemptFails)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn ss, sr, nr;

	conn_to_state(p, &ss, ST_SYN_SENT);
	conn_to_state(p, &sr, ST_SYN_RECEIVED);
	conn_to_state(p, &nr, ST_HALF_OPEN);
	counters_take(&before);
	conn_send(&ss, .flags = RST | ACK, .seq = 0);
	counters_expect(_metadata, &before, "InSegs", 1, "AttemptFails", 1, NULL);
	conn_send(&sr, .flags = RST);
	counters_expect(_metadata, &before, "InSegs", 2, "AttemptFails", 2, NULL);
	conn_send(&nr, .flags = RST);
	counters_expect(_metadata, &before, "InSegs", 3, "AttemptFails", 3,
			"EmbryonicRsts", 1, NULL);
}

TEST_F(connect, ctr_EmbryonicRsts)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn a, b;

	conn_to_state(p, &a, ST_HALF_OPEN);
	conn_to_state(p, &b, ST_HALF_OPEN, .lfd = a.lfd);
	counters_take(&before);
	conn_send(&a, .flags = RST);
	/* Another SYN in the window, RFC 9293 3.10.7.4 fourth. */
	conn_send(&b, .flags = SYN, .seq = 100);
	conn_expect(&b, .flags = RST | ACK, .seq = -(int64_t)b.kern_iss, .ack = 101);
	conn_expect_state(&b, ST_CLOSED);
	counters_expect(_metadata, &before, "InSegs", 2, "AttemptFails", 2,
			"EmbryonicRsts", 2, "OutSegs", 1, "OutRsts", 1, NULL);
}

TEST_F(connect, ctr_TCPSynRetrans)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn ss, nr;

	conn_to_state(p, &ss, ST_SYN_SENT);
	counters_take(&before);
	conn_expect(&ss, .flags = SYN, .within_ms = 1100);
	counters_expect(_metadata, &before, "RetransSegs", 1, "TCPSynRetrans", 1,
			"TCPTimeouts", 1, NULL);
	socket_abort(ss.fd);
	conn_to_state(p, &nr, ST_HALF_OPEN);
	counters_take(&before);
	conn_expect(&nr, .flags = SYN | ACK, .within_ms = 1100);
	counters_expect(_metadata, &before, "RetransSegs", 1, "TCPSynRetrans", 1,
			"TCPTimeouts", 1, "OutSegs", 1, NULL);
}

TEST_F(connect, ctr_TCPTimeouts)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_retries", 2));
	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	counters_ignore(&before, "TCPLostRetransmit", NULL);
	for (int i = 0; i < 2; i++)
		conn_expect(&c, .flags = SYN, .within_ms = 2300);
	peer_expect_silence(p, 5000);
	/* The third of them is the end. */
	counters_expect(_metadata, &before, "RetransSegs", 2, "TCPSynRetrans", 2,
			"TCPTimeouts", 3, "TCPAbortOnTimeout", 1, "AttemptFails", 1, NULL);
}

/* RFC 7323: a SYN-ACK that echoes a time that we never sent does not answer our SYN. */
TEST_F(connect, ctr_PAWSActive)
{
	static const int64_t wrong[] = { -100000, 100000 };
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	ASSERT_TRUE(c.kern_opt.ts);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		counters_take(&before);
		conn_send(&c, .flags = SYN | ACK, .seq = 0,
			  .opt = OPT(OPT_MSS(1460), OPT_TS(1, c.kern_opt.tsval + wrong[i])));
		conn_expect(&c, .flags = RST, .seq = 1);
		conn_expect_state(&c, ST_SYN_SENT);
		counters_expect(_metadata, &before, "InSegs", 1, "PAWSActive", 1,
				"OutSegs", 1, "OutRsts", 1, NULL);
	}
	/* Nor is the SYN sent again before its timeout. */
	peer_expect_silence(p, 500);
	c.peer_nxt = c.peer_iss;
	conn_send(&c, .flags = SYN | ACK,
		  .opt = OPT(OPT_MSS(1460), OPT_TS(1, c.kern_opt.tsval)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* RFC 7323 3.2: a timestamp that our SYN did not ask for is ignored, whatever it echoes. */
TEST_F(connect, rfc7323_3_2_timestamps_that_we_did_not_offer)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("timestamps", 0));
	conn_to_state(p, &c, ST_SYN_SENT);
	ASSERT_FALSE(c.kern_opt.ts);
	conn_send(&c, .flags = SYN | ACK, .opt = OPT(OPT_MSS(1460), OPT_TS(1, 123456789)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_HARNESS_MAIN
