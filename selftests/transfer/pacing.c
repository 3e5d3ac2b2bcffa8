// SPDX-License-Identifier: GPL-2.0
/*
 * pacing: the rate at which segments leave: SO_MAX_PACING_RATE and the connection's own
 * rate; TCP_NOTSENT_LOWAT. fq.c has the qdisc fq.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "pacing.h"
#include "resend.h"

#include <linux/tcp.h>
#include <poll.h>
#include <sys/epoll.h>

PEER_FIXTURE(pacing);

#define SMALL 50

/* Fifty segments take fifty times the time of one, not less, and hardly more. */
TEST_F(pacing, so_max_pacing_rate)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;
	int64_t ms;

	open_paced(_metadata, p, &c);
	info = conn_tcp_info(&c);
	EXPECT_EQ(RATE, (int)info.tcpi_max_pacing_rate);
	EXPECT_EQ(RATE, (int)info.tcpi_pacing_rate);
	peer_mark(p);
	conn_write(&c, 50 * MSS);
	ms = take(&c, 50);
	EXPECT_LE(44, ms);
	EXPECT_GE(56, ms);
	conn_send(&c, .flags = ACK);
}

/*
 * The time of a short burst is not cut to whole microseconds: 1,000 segments of 10.9 us, one in a
 * burst.
 */
TEST_F(pacing, so_max_pacing_rate_of_short_bursts)
{
	struct peer *p = &self->peer;
	int64_t began;
	struct conn c;

	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	shell_run(WHERE(_metadata), "ip link set tun0 gso_max_segs 1");
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .value[RTAX_INITCWND] = 1100 });
	conn_open(p, &c, .opt = OPT(OPT_MSS(SMALL), OPT_SACKOK), .rtt_ms = 20);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 4587156));
	conn_write(&c, 1000 * SMALL);
	for (int i = 0; i < 20; i++)
		conn_expect(&c, .len = SMALL);
	began = now_ns();
	for (int i = 20; i < 1000; i++)
		conn_expect(&c, .len = SMALL);
	EXPECT_LE(980 * 10900 - 200000, now_ns() - began);
	conn_send(&c, .flags = ACK);
}

/* The due time has 32 bits, in ticks of 64 ns: it wraps after 275 s. */
#define ROUND_NS (1LL << 38)

/*
 * In the latter half of the 275 s in which the due time wraps, one of 0 looks like the future: to a
 * new connection, and to one that was idle.
 */
TEST_F_TIMEOUT(pacing, no_wait_for_a_due_time_that_is_long_past, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t ms;

	EXPECT_EQ(0, knob_set("slow_start_after_idle", 0));
	EXPECT_EQ(0, knob_set("tso_rtt_log", 0));
	sleep_until_ns((now_ns() / ROUND_NS + 1) * ROUND_NS - 40 * NSEC_PER_SEC);
	open_paced(_metadata, p, &c);
	for (int i = 0; i < 2; i++) {
		peer_mark(p);
		conn_write(&c, 50 * MSS);
		ms = take(&c, 50);
		EXPECT_LE(25, ms);
		EXPECT_GE(56, ms);
		conn_send(&c, .flags = ACK);
		/*
		 * By then a naive comparison takes the old due time for a future one.
		 */
		sleep_ms(190 * 1000);
	}
}

/*
 * In the latter half of those 275 s a connection that has sent a lot gets a
 * pacing rate: nothing is due yet.
 */
TEST_F_TIMEOUT(pacing, so_max_pacing_rate_comes_late, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;

	sleep_until_ns((now_ns() / ROUND_NS + 1) * ROUND_NS - 128 * NSEC_PER_SEC);
	open_wide(p, &c);
	for (int i = 0; i < 3; i++) {
		conn_write(&c, 10 * MSS);
		take(&c, 10);
		conn_send(&c, .flags = ACK);
	}
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, RATE));
	peer_mark(p);
	conn_write(&c, 10 * MSS);
	EXPECT_GE(12, take(&c, 10));
	conn_send(&c, .flags = ACK);
}

/*
 * A segment is lost so often that the last copy leaves 120 s after the one before. The due time of
 * that one is so old that it could look like a future one. New data does not wait.
 */
TEST_F_TIMEOUT(pacing, new_data_after_the_longest_rto, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t rto;

	EXPECT_EQ(0, knob_set("early_retrans", 0));
	open_paced(_metadata, p, &c);
	rto = send_marked(_metadata, &c, "lost");
	while (rto < RTO_MAX_US)
		rto = expect_resends(&c, "lost", 1, rto);
	expect_resends(&c, "lost", 1, rto);
	peer_mark_last(p);
	peer_sleep_until(p, 20);
	conn_send(&c, .flags = ACK);
	conn_write(&c, MSS);
	conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK);
}

/* The same after 200 s in which this host had no route. */
TEST_F_TIMEOUT(pacing, new_data_after_a_time_without_a_route, 1000)
{
	struct peer *p = &self->peer;
	char shut[128], to[64];
	struct conn c;

	EXPECT_EQ(0, knob_set("early_retrans", 0));
	pace(_metadata, p, &c);
	send_marked(_metadata, &c, "lost");
	ipaddr_text(&p->addr, to, sizeof(to));
	snprintf(shut, sizeof(shut), "ip route add unreachable %s metric 1", to);
	shell_run(WHERE(_metadata), shut);
	peer_expect_silence_until(p, 150 * 1000);
	snprintf(shut, sizeof(shut), "ip route del unreachable %s metric 1", to);
	shell_run(WHERE(_metadata), shut);
	conn_expect(&c, .seq = conn_kern_nxt(&c) - 4, .data = "lost", .within_ms = 100 * 1000);
	EXPECT_LT(200 * 1000, peer_elapsed_ms(p));
	conn_send(&c, .flags = ACK);
	conn_write(&c, MSS);
	conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK);
}

/* At 10 bytes a second a copy of a segment does not shorten the wait for the next one: a minute. */
TEST_F_TIMEOUT(pacing, so_max_pacing_rate_of_ten_bytes, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* whose copies wait, too */
	EXPECT_EQ(0, knob_set("early_retrans", 0));
	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	open_paced(_metadata, p, &c);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 10));
	conn_write(&c, 2 * MSS);
	conn_expect(&c, .len = MSS);
	for (int i = 0; i < 2; i++)
		conn_expect(&c, .len = MSS, .seq = conn_kern_nxt(&c) - MSS, .within_ms = 2000);
	peer_mark_last(p);
	conn_send(&c, .flags = ACK);
	peer_expect_silence_until(p, 50 * 1000);
	conn_expect(&c, .len = MSS, .within_ms = 15 * 1000);
	conn_send(&c, .flags = ACK);
}

/*
 * A rate of one segment a second: while a segment waits and nothing is in flight, no
 * window probe is sent, because the window is open.
 */
TEST_F(pacing, no_probe_between_paced_segments)
{
	struct peer *p = &self->peer;
	struct counters before, after;
	struct conn c;

	/* Not two at a time. */
	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	open_paced(_metadata, p, &c);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, MSS));
	counters_take(&before);
	conn_write(&c, 6 * MSS);
	conn_expect(&c, .len = MSS);
	for (int i = 1; i < 6; i++) {
		peer_mark_last(p);
		/*
		 * A round trip of microseconds would let several segments leave in one
		 * burst.
		 */
		peer_sleep_until(p, 20);
		conn_send(&c, .flags = ACK);
		/* The first one was some 20 ms late, which the second makes up for. */
		if (i == 1)
			conn_expect(&c, .len = MSS, .within_ms = 1000);
		else
			conn_expect(&c, .len = MSS, .at_ms = 1000);
	}
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 3000);
	counters_take(&after);
	EXPECT_EQ(counter_get(&before, "TCPWinProbe"), counter_get(&after, "TCPWinProbe"));
}

/* A burst that comes long after it was due takes half of its own time, as on the kernel's TCP. */
TEST_F(pacing, credit_of_a_late_burst)
{
	struct peer *p = &self->peer;
	struct conn c;

	EXPECT_EQ(0, knob_set("early_retrans", 0));
	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	open_paced(_metadata, p, &c);
	/* 60 ms a segment */
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, MSS * 1000 / 60));
	peer_sleep_until(p, 5000);
	peer_mark(p);
	conn_write(&c, 3 * MSS);
	conn_expect(&c, .len = MSS, .at_ms = 0);
	conn_expect(&c, .len = MSS, .at_ms = 30);
	conn_expect(&c, .len = MSS, .at_ms = 90);
	conn_send(&c, .flags = ACK);
}

/*
 * Four segments at 60 ms each, long after the ones before: when does each leave? The
 * first burst takes half of its own time, as above.
 */
static void expect_bursts(struct __test_metadata *_metadata, struct peer *p,
			  int min_segs, int rtt_log, const int at_ms[4])
{
	struct conn c;

	peer_note(p, "min_tso_segs %d, tso_rtt_log %d", min_segs, rtt_log);
	ASSERT_EQ(0, knob_set("early_retrans", 0));
	ASSERT_EQ(0, knob_set("min_tso_segs", min_segs));
	ASSERT_EQ(0, knob_set("tso_rtt_log", rtt_log));
	open_paced(_metadata, p, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, MSS * 1000 / 60));
	peer_sleep_until(p, 5000);
	peer_mark(p);
	conn_write(&c, 4 * MSS);
	for (int i = 0; i < 4; i++)
		conn_expect(&c, .len = MSS, .at_ms = at_ms[i]);
	conn_send(&c, .flags = ACK);
}

TEST_F(pacing, knob_min_tso_segs_1)
{
	expect_bursts(_metadata, &self->peer, 1, 9, (int[]){ 0, 30, 90, 150 });
}

TEST_F(pacing, knob_min_tso_segs_2)
{
	expect_bursts(_metadata, &self->peer, 2, 9, (int[]){ 0, 0, 60, 60 });
}

TEST_F(pacing, knob_min_tso_segs_3)
{
	expect_bursts(_metadata, &self->peer, 3, 9, (int[]){ 0, 0, 0, 90 });
}

/* 20 ms are less than 2^31 us, so the path is short: a burst is what the device takes. */
TEST_F(pacing, knob_tso_rtt_log)
{
	expect_bursts(_metadata, &self->peer, 1, 31, (int[]){ 0, 0, 0, 0 });
}

/* How many segments leave within 0.1 ms of an ACK of the first @n? */
static int released_by(struct conn *c, int n)
{
	int segs = 0;

	flight_ack(c, n);
	while (peer_read(c->peer, now_ns() + NSEC_PER_MSEC / 10))
		segs++;
	return segs;
}

/*
 * Ten in flight and twenty to send; a round trip later four ACKs within a millisecond
 * allow two more each. Sent are those that are a part of the window, or a whole burst.
 */
static void expect_released_at(struct __test_metadata *_metadata, struct peer *p, int ms,
			       int divisor, int min_segs, const int segs[4])
{
	struct conn c;

	ASSERT_EQ(0, knob_set("tso_win_divisor", divisor));
	ASSERT_EQ(0, knob_set("min_tso_segs", min_segs));
	flight_start(p, &c, 30, .opt = WITH_SACK, .rtt_ms = 100);
	peer_sleep_until(p, ms);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(segs[i], released_by(&c, 1 + i));
	conn_send(&c, .flags = RST);
}

static void expect_released(struct __test_metadata *_metadata, struct peer *p,
			    int divisor, int min_segs, const int segs[4])
{
	expect_released_at(_metadata, p, 100, divisor, min_segs, segs);
}

/*
 * The first burst after a pause does not wait. Then 4 segments of a window of 13 are less than a
 * third, and wait; 6 of 14 are more, and leave.
 */
TEST_F(pacing, knob_tso_win_divisor_3)
{
	expect_released(_metadata, &self->peer, 3, 60, (int[]){ 2, 0, 0, 6 });
}

TEST_F(pacing, knob_tso_win_divisor_255)
{
	expect_released(_metadata, &self->peer, 255, 60, (int[]){ 2, 2, 2, 2 });
}

/* More than three are enough. */
TEST_F(pacing, knob_tso_win_divisor_0)
{
	expect_released(_metadata, &self->peer, 0, 60, (int[]){ 2, 0, 4, 0 });
}

/* Nothing waits for more than a burst. */
TEST_F(pacing, knob_tso_win_divisor_and_a_burst_of_two)
{
	expect_released(_metadata, &self->peer, 3, 2, (int[]){ 2, 2, 2, 2 });
}

/* When the next ACK is not due within a millisecond, nothing waits for it. */
TEST_F(pacing, a_burst_does_not_wait_for_a_late_ack)
{
	expect_released_at(_metadata, &self->peer, 60, 3, 60, (int[]){ 2, 2, 2, 2 });
}

/* Fifteen segments and perhaps our FIN: what four ACKs let go, as above. */
static void expect_end_released(struct __test_metadata *_metadata, struct peer *p, int flags,
				bool fin)
{
	static const int segs[] = { 2, 0, 3, 0 };
	static uint8_t text[15 * MSS];
	struct conn c;

	ASSERT_EQ(0, knob_set("tso_win_divisor", 3));
	ASSERT_EQ(0, knob_set("min_tso_segs", 60));
	flight_open(p, &c, "reno", .opt = WITH_SACK, .rtt_ms = 100);
	peer_mark(p);
	ASSERT_EQ(15 * MSS, send(c.fd, text, sizeof(text), flags));
	if (fin)
		socket_shutdown(c.fd, SHUT_WR);
	flight_expect_only(&c, 0, 9);
	peer_sleep_until(p, 100);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(segs[i], released_by(&c, 1 + i));
	conn_send(&c, .flags = RST);
}

/* Nor does the end of a record that the window allows: nothing can be added to it. */
TEST_F(pacing, a_burst_of_a_record_does_not_wait)
{
	expect_end_released(_metadata, &self->peer, MSG_EOR, false);
}

/* The same with a FIN. */
TEST_F(pacing, a_burst_with_a_fin_does_not_wait)
{
	expect_end_released(_metadata, &self->peer, 0, true);
}

/* With a closed window the probe is sent, whatever is due when. */
TEST_F(pacing, paced_segments_meet_a_closed_window)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Not two at a time. */
	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	open_paced(_metadata, p, &c);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, MSS));
	conn_write(&c, 2 * MSS);
	conn_expect(&c, .len = MSS);
	conn_send(&c, .flags = ACK, .wnd = 0);
	conn_expect(&c, .len = 0, .seq = conn_kern_nxt(&c) - 1, .within_ms = 1500);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .len = MSS, .within_ms = 1500);
	conn_send(&c, .flags = ACK);
}

/*
 * A burst that is late because the program wrote nothing makes up for half of its own time at most,
 * however often that happens: a write after a pause would leave at once else.
 */
TEST_F(pacing, late_bursts_make_up_for_a_half)
{
	static const struct {
		int late_us, next_us;
	} cases[] = { { 300, 700 }, { 800, 500 }, { 1900, 500 }, { 3000, 500 } };
	struct peer *p = &self->peer;
	struct conn c;

	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	open_paced(_metadata, p, &c);
	/* The second one leaves when it is due. */
	conn_write(&c, 2 * MSS);
	for (int i = 0; i < 2; i++)
		conn_expect(&c, .len = MSS, .within_ms = 2);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t then = now_ns();

		sleep_until_ns(then + (1000 + cases[i].late_us) * 1000);
		conn_write(&c, 2 * MSS);
		conn_expect(&c, .len = MSS);
		then = now_ns();
		conn_expect(&c, .len = MSS, .within_ms = 2);
		EXPECT_LE(cases[i].next_us - 140, (now_ns() - then) / 1000);
		EXPECT_GE(cases[i].next_us + 140, (now_ns() - then) / 1000);
	}
	p->leave_unread = true;
}

/* A loss probe does not send a new segment before it is due. */
TEST_F(pacing, loss_probe_waits_for_pacing)
{
	struct peer *p = &self->peer;
	struct counters before, after;
	struct conn c;

	EXPECT_EQ(0, knob_set("early_retrans", 3));
	EXPECT_EQ(0, knob_set("min_tso_segs", 1));
	open_paced(_metadata, p, &c);
	/* 60 ms a segment: longer than the probe waits. */
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, MSS * 1000 / 60));
	counters_take(&before);
	conn_write(&c, 3 * MSS);
	conn_expect(&c, .len = MSS);
	/* The first one was 20 ms late, which the second makes up for. */
	conn_expect(&c, .len = MSS, .within_ms = 60);
	peer_mark_last(p);
	conn_expect(&c, .len = MSS, .at_ms = 60);
	counters_take(&after);
	EXPECT_EQ(counter_get(&before, "TCPLossProbes"), counter_get(&after, "TCPLossProbes"));
	conn_send(&c, .flags = ACK);
}

/* The first ten are not paced: a short answer needs no more. */
TEST_F(pacing, begins_with_ten_segments)
{
	struct peer *p = &self->peer;
	struct conn c;

	open_wide(p, &c);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, RATE / 10));
	peer_mark(p);
	conn_write(&c, 10 * MSS);
	EXPECT_GE(1, take(&c, 10));
	conn_send(&c, .flags = ACK);
}

/* A rate that is set while data waits counts from then on. */
TEST_F(pacing, so_max_pacing_rate_changes)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;

	open_paced(_metadata, p, &c);
	conn_write(&c, 20 * MSS);
	take(&c, 5);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, RATE / 10));
	peer_mark(p);
	EXPECT_LE(70, take(&c, 10));
	take(&c, 5);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, -1));
	info = conn_tcp_info(&c);
	EXPECT_EQ(UINT64_MAX, info.tcpi_max_pacing_rate);
}

/* Retransmissions are paced at the same rate. */
TEST_F(pacing, retransmissions_are_paced)
{
	struct peer *p = &self->peer;
	struct conn c;
	int64_t at;

	open_paced(_metadata, p, &c);
	at = conn_kern_nxt(&c);
	peer_mark(p);
	conn_write(&c, 30 * MSS);
	take(&c, 30);
	/* The first twenty are lost. */
	peer_mark(p);
	conn_send_sack(&c, at, { at + 20 * MSS, at + 30 * MSS });
	for (int i = 0; i < 5; i++)
		conn_expect(&c, .len = MSS, .seq = at + i * MSS, .within_ms = 100);
	EXPECT_LE(3, peer_elapsed_ms(p));
	conn_send(&c, .flags = ACK);
	peer_drain(p, 50);
	p->leave_unread = true;
}

/* A segment is acknowledged after 100 ms. Returns TCP_INFO of then. */
static struct tcp_info one_round_trip(struct conn *c)
{
	conn_write(c, MSS);
	conn_expect(c, .len = MSS);
	peer_mark_last(c->peer);
	peer_sleep_until(c->peer, 100);
	conn_send(c, .flags = ACK);
	return conn_tcp_info(c);
}

/* mss * max(cwnd, in flight) / SRTT, times 2 in slow start, 1.2 later. */
TEST_F(pacing, knob_pacing_ss_ratio)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;
	uint64_t rate;

	EXPECT_EQ(200, knob_get("pacing_ss_ratio"));
	conn_open(p, &c, .opt = WITH_SACK, .rtt_ms = 100);
	info = one_round_trip(&c);
	rate = (uint64_t)MSS * 2 * info.tcpi_snd_cwnd * 1000000 / info.tcpi_rtt;
	EXPECT_LE(rate * 99 / 100, info.tcpi_pacing_rate);
	EXPECT_GE(rate * 101 / 100, info.tcpi_pacing_rate);
	EXPECT_EQ(UINT64_MAX, info.tcpi_max_pacing_rate);

	ASSERT_EQ(0, knob_set("pacing_ss_ratio", 50));
	info = one_round_trip(&c);
	rate = (uint64_t)MSS * info.tcpi_snd_cwnd * 1000000 / info.tcpi_rtt / 2;
	EXPECT_LE(rate * 99 / 100, info.tcpi_pacing_rate);
	EXPECT_GE(rate * 101 / 100, info.tcpi_pacing_rate);
}

/* No pacing then, not even to SO_MAX_PACING_RATE, which is a segment each millisecond. */
TEST_F(pacing, knob_pacing_ss_ratio_0)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("pacing_ss_ratio", 0));
	open_paced(_metadata, p, &c);
	EXPECT_EQ(0, (int)conn_tcp_info(&c).tcpi_pacing_rate);
	peer_mark(p);
	conn_write(&c, 50 * MSS);
	EXPECT_GE(2, take(&c, 50));
	conn_send(&c, .flags = ACK);
}

/* Of ten segments in flight the first is lost; SACK tells after a round trip of 100 ms. */
static void lose_first_of_ten(struct peer *p, struct conn *c)
{
	conn_open(p, c, .opt = WITH_SACK, .rtt_ms = 100);
	flight_write(c, 10);
	flight_expect_all(c, 0, 9);
	peer_mark_last(p);
	peer_sleep_until(p, 100);
	flight_sack(c, 0, { 1, 10 });
}

TEST_F(pacing, knob_pacing_ca_ratio)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;
	uint64_t rate;

	EXPECT_EQ(120, knob_get("pacing_ca_ratio"));
	lose_first_of_ten(p, &c);
	peer_drain(p, 50);
	conn_send(&c, .flags = ACK);
	info = conn_tcp_info(&c);
	EXPECT_EQ(7, (int)info.tcpi_snd_ssthresh);
	rate = (uint64_t)MSS * 12 * info.tcpi_snd_cwnd * 100000 / info.tcpi_rtt;
	EXPECT_LE(rate * 99 / 100, info.tcpi_pacing_rate);
	EXPECT_GE(rate * 101 / 100, info.tcpi_pacing_rate);

	ASSERT_EQ(0, knob_set("pacing_ca_ratio", 50));
	info = one_round_trip(&c);
	rate = (uint64_t)MSS * info.tcpi_snd_cwnd * 1000000 / info.tcpi_rtt / 2;
	EXPECT_LE(rate * 99 / 100, info.tcpi_pacing_rate);
	EXPECT_GE(rate * 101 / 100, info.tcpi_pacing_rate);
}

/* During a reduction cwnd is smaller than what is in flight. */
TEST_F(pacing, rate_is_of_what_is_in_flight)
{
	struct peer *p = &self->peer;
	struct tcp_info info;
	struct conn c;
	uint64_t rate;

	lose_first_of_ten(p, &c);
	conn_expect(&c, .seq = 1, .len = MSS);
	info = conn_tcp_info(&c);
	EXPECT_EQ(10, (int)info.tcpi_unacked);
	EXPECT_GE(7, (int)info.tcpi_snd_cwnd);
	EXPECT_EQ(7, (int)info.tcpi_snd_ssthresh);
	rate = (uint64_t)MSS * (info.tcpi_snd_cwnd < 7 / 2 ? 20 : 12) * 10 * 100000 /
	       info.tcpi_rtt;
	EXPECT_LE(rate * 99 / 100, info.tcpi_pacing_rate);
	EXPECT_GE(rate * 101 / 100, info.tcpi_pacing_rate);
	conn_send(&c, .flags = ACK);
}

/* --- TCP_NOTSENT_LOWAT ----------------------------------------------------- */

static bool writable(struct conn *c)
{
	return socket_poll(c->fd) & POLLOUT;
}

/* The peer's window takes 10 segments; what waits behind it is limited. */
static void open_narrow(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	conn_open(p, c, .opt = WITH_SACK, .wnd = 10 * MSS);
	c->wnd = 10 * MSS;
	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, 1000000);
}

TEST_F(pacing, tcp_notsent_lowat)
{
	struct peer *p = &self->peer;
	static uint8_t text[100000];
	struct conn c;
	ssize_t n;

	open_narrow(_metadata, p, &c);
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000));
	EXPECT_TRUE(writable(&c));
	n = send(c.fd, text, sizeof(text), 0);
	/* Data in flight is not counted; the last skb may overshoot. */
	EXPECT_LE(10 * MSS + 20000, (int)n);
	EXPECT_GT((int)sizeof(text), (int)n);
	EXPECT_FALSE(writable(&c));
	EXPECT_EQ(-1, send(c.fd, text, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	for (int i = 0; i < 10; i++)
		conn_expect(&c, .len = MSS);
	/* Woken when less than half of it is left. */
	while (n - conn_kern_nxt(&c) + 1 >= 10000) {
		EXPECT_FALSE(writable(&c));
		conn_send(&c, .flags = ACK);
		for (int i = 0; i < 10; i++)
			conn_expect(&c, .len = MSS);
	}
	EXPECT_TRUE(writable(&c));
	conn_send(&c, .flags = RST, .seq = 1);
	p->leave_unread = true;
}

/* Without an ACK, too: the pacing timer sends what the writer waits for. */
TEST_F(pacing, tcp_notsent_lowat_of_a_paced_connection)
{
	struct peer *p = &self->peer;
	static uint8_t text[50 * MSS];
	struct epoll_event woken = { .events = EPOLLOUT | EPOLLET };
	int n, ep = epoll_create1(EPOLL_CLOEXEC);
	struct conn c;

	open_paced(_metadata, p, &c);
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 10 * MSS));
	peer_mark(p);
	n = send(c.fd, text, sizeof(text), 0);
	EXPECT_LE(10 * MSS, n);
	EXPECT_GT(40 * MSS, n);
	EXPECT_FALSE(writable(&c));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &woken));
	/* When half of the limit is left, and the burst that is under way. */
	peer_expect_poll(p, c.fd, POLLOUT, n / MSS - 5 - 2);
	/* The writer was woken, and need not look again. */
	EXPECT_EQ(1, epoll_wait(ep, &woken, 1, 0));
	close(ep);
	p->leave_unread = true;
}

/* Nothing may wait: then nothing can be written, as in Linux. The option takes precedence. */
TEST_F(pacing, knob_notsent_lowat_0)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("notsent_lowat", 0));
	open_narrow(_metadata, p, &c);
	EXPECT_FALSE(writable(&c));
	EXPECT_EQ(-1, send(c.fd, "x", 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1));
	EXPECT_TRUE(writable(&c));
	EXPECT_EQ(1, send(c.fd, "x", 1, 0));
	EXPECT_EQ(1, peer_drain(p, 1));
	conn_send(&c, .flags = RST, .seq = 1);
}

TEST_F(pacing, knob_notsent_lowat_of_all)
{
	struct peer *p = &self->peer;
	static uint8_t text[200000];
	struct conn c;

	/* Without the knob, the buffer is the limit. */
	open_narrow(_metadata, p, &c);
	EXPECT_EQ((int)sizeof(text), (int)send(c.fd, text, sizeof(text), 0));
	peer_drain(p, 1);
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.lfd);
	ASSERT_EQ(0, knob_set("notsent_lowat", 20000));
	open_narrow(_metadata, p, &c);
	EXPECT_GT((int)sizeof(text), (int)send(c.fd, text, sizeof(text), 0));
	EXPECT_FALSE(writable(&c));
	peer_drain(p, 1);
	conn_send(&c, .flags = RST, .seq = 1);
}

TEST_HARNESS_MAIN
