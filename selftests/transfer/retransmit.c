// SPDX-License-Identifier: GPL-2.0
/*
 * retransmit: unacknowledged data is sent again: how long after, and how often. RFC
 * 9293 3.8.1, RFC 6298. LC-56, LC-61, LC-62. giveup.c has R1, R2 and the user timeout.
 */
/* vm: wires families */
#include "resend.h"

#include <linux/tcp.h>

PEER_FIXTURE(retransmit);

/* The least RTO, doubled nine times to 102.4 s, then six times the largest. */
#define GIVE_UP_MS 924600

#define TIMESTAMPS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0))

TEST_F_TIMEOUT(retransmit, lc_56_backoff_to_the_end, 2000)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t start_ms, rto;
	struct proc_row row;
	struct conn c;

	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "silence");
	EXPECT_LE(RTO_MIN_US, rto);
	EXPECT_GE(RTO_MIN_US + 10000, rto);
	start_ms = now_ms();
	counters_take(&before);
	/* 0.2 0.4 ... 102.4 s, then 120 s: fifteen times, and a last wait. */
	rto = expect_resends(&c, "silence", 15, rto);
	ASSERT_EQ(RTO_MAX_US, rto);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(1, row.timer);
	EXPECT_EQ(15, row.retrnsmt);
	EXPECT_EQ(7, row.tx);
	EXPECT_EQ(12000, row.rto);
	peer_expect_poll(p, c.fd, POLLERR, RTO_MAX_US / 1000);
	EXPECT_LE(GIVE_UP_MS, now_ms() - start_ms);
	EXPECT_GE(GIVE_UP_MS + (stock_mode() ? 60000 : 10000), now_ms() - start_ms);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPTimeouts", 16, "RetransSegs", 15,
			"TCPLostRetransmit", 14, "TCPAbortOnTimeout", 1, "EstabResets", 1, "CurrEstab", -1,
			NULL);
	/* Nothing was sent at the end; a later segment of the peer is reset. */
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = RST, .seq = 8);
}

/* A timestamp tells which of two SYN-ACKs was answered; without, nothing is measured. */
TEST_F(retransmit, rfc7323_4_rtt_of_a_syn_ack_that_was_sent_again)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (int ts = 0; ts < 2; ts++) {
		peer_note(p, ts ? "timestamps" : "no timestamps");
		conn_start(p, &c, .opt = ts ? OPT(OPT_MSS(1000), OPT_SACKOK, OPT_TS(1, 0)) :
					      OPT(OPT_MSS(1000), OPT_SACKOK));
		conn_send(&c, .flags = SYN);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1, .within_ms = 1100);
		sleep_ms(300);
		conn_send(&c, .flags = ACK);
		conn_accept(&c);
		EXPECT_LE(ts ? 295000 : 0, (int)conn_tcp_info(&c).tcpi_rtt);
		EXPECT_GE(ts ? 310000 : 0, (int)conn_tcp_info(&c).tcpi_rtt);
		conn_send(&c, .flags = RST);
		close(c.fd);
		close(c.lfd);
	}
}

TEST_F(retransmit, lc_56_rto_follows_the_rtt)
{
	/* SRTT + max(200 ms, 4 RTTVAR), RTTVAR being half of the first sample. */
	static const struct { int rtt_ms, rto_ms; } cases[] = {
		{ 40, 240 }, { 90, 290 }, { 300, 900 }, { 900, 2700 },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct socket_info info;
		struct conn c;

		peer_note(p, "round trip %d ms", cases[i].rtt_ms);
		conn_open(p, &c, .rtt_ms = cases[i].rtt_ms, .kport = 6000 + i);
		info = conn_info(&c);
		EXPECT_LE(cases[i].rtt_ms * 1000, info.srtt_us);
		EXPECT_GE(cases[i].rtt_ms * 1000 + 4000, info.srtt_us);
		EXPECT_LE(cases[i].rto_ms * 1000, info.rto_us);
		EXPECT_GE(cases[i].rto_ms * 1000 + 12000, info.rto_us);
		send_marked(_metadata, &c, "x");
		conn_expect(&c, .flags = ACK | PSH, .data = "x",
			    .at_ms = info.rto_us / 1000);
		conn_send(&c, .flags = ACK);
	}
}

/* All connections of a CPU share a timer: a later deadline of another one does not move it. */
TEST_F(retransmit, lc_56_beside_a_later_deadline)
{
	struct peer *p = &self->peer;
	struct conn c, idle;
	int64_t rto;

	conn_open(p, &idle);
	conn_open(p, &c, .kport = 6000);
	rto = send_marked(_metadata, &c, "text");
	/* In a minute. */
	ASSERT_EQ(0, socket_set(idle.fd, IPPROTO_TCP, TCP_KEEPIDLE, 60));
	ASSERT_EQ(0, socket_set(idle.fd, SOL_SOCKET, SO_KEEPALIVE, 1));
	expect_resends(&c, "text", 2, rto);
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, lc_56_ack_restarts_the_timer)
{
	struct peer *p = &self->peer;
	int64_t rto;
	struct conn c;

	/* RFC 6298 5.3: an ACK of new data restarts it, 5.2: of all stops it. */
	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	rto = send_marked(_metadata, &c, "one");
	ASSERT_EQ(3, send(c.fd, "two", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "two");
	peer_sleep_until(p, 100);
	peer_mark(p);
	conn_send(&c, .flags = ACK, .ack = 4);
	rto = rto_us(&c);
	conn_expect(&c, .flags = ACK | PSH, .seq = 4, .data = "two",
		    .at_ms = rto / 1000);
	conn_send(&c, .flags = ACK);
	peer_expect_silence(p, 5000);
	EXPECT_EQ(0, socket_error(c.fd));
}

TEST_F(retransmit, lc_56_counts_and_rows)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct proc_row row;
	int64_t rto;
	struct conn c;

	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "text");
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(1, row.timer);
	EXPECT_EQ(0, row.retrnsmt);
	EXPECT_EQ(4, row.tx);
	EXPECT_EQ(10, row.cwnd);
	EXPECT_EQ(-1, row.ssthresh);
	counters_take(&before);
	expect_resends(&c, "text", 2, rto);
	counters_expect(_metadata, &before, "TCPTimeouts", 2, "RetransSegs", 2,
			"TCPLostRetransmit", 1, NULL);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(2, row.retrnsmt);
	/* RFC 5681 3.1: one segment, and half of the flight, but at least two. */
	EXPECT_EQ(1, row.cwnd);
	EXPECT_EQ(7, row.ssthresh);
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	counters_expect(_metadata, &before, "InSegs", 1, "TCPPureAcks", 1,
			"TCPDelivered", 1, NULL);
	ASSERT_TRUE(proc_row_find(&row, p->family, c.kport, c.pport, NULL));
	EXPECT_EQ(0, row.timer);
	EXPECT_EQ(0, row.retrnsmt);
	EXPECT_EQ(0, row.tx);
}

TEST_F(retransmit, rfc9293_must_18_karn)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	int64_t rto, srtt;
	struct conn c;

	/* Without timestamps the ACK of a segment sent twice gives no sample. */
	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "lost");
	info = conn_info(&c);
	srtt = info.srtt_us;
	rto = expect_resends(&c, "lost", 2, rto);
	sleep_ms(300);
	conn_send(&c, .flags = ACK);
	info = conn_info(&c);
	EXPECT_EQ(srtt, info.srtt_us);
	/*
	 * RFC 6298 5, last: the backed-off RTO stays for what comes next. Linux undoes
	 * it with the ACK of new data: SRTT is as good as before.
	 */
	rto = send_marked(_metadata, &c, "next");
	expect_resends(&c, "next", 1, rto);
	conn_send(&c, .flags = ACK);
}

/*
 * One ACK of the first segment, which was sent twice, and of those behind it, which were
 * sent once: RFC 6298 3 takes a sample from none of them, for they may have waited at the
 * peer until the second copy arrived.
 */
TEST_F(retransmit, rfc9293_must_18_karn_beside_segments_sent_once)
{
	struct peer *p = &self->peer;
	uint32_t srtt;
	struct conn c;

	/* Without SACK there is no loss probe before the timeout. */
	flight_start(p, &c, 4, .opt = OPT(OPT_MSS(1000)), .rtt_ms = 100);
	srtt = conn_info(&c).srtt_us;
	flight_expect(&c, 0, .at_ms = conn_info(&c).rto_us / 1000);
	peer_sleep_until(p, 700);
	flight_ack(&c, 4);
	EXPECT_EQ(srtt, conn_info(&c).srtt_us);
}

TEST_F(retransmit, rfc7323_timestamps_time_a_resend)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	int64_t rto, srtt;
	struct conn c;

	/*
	 * With timestamps the echo shows which copy was acknowledged: 60 ms after the
	 * second.
	 */
	conn_open(p, &c, .opt = TIMESTAMPS);
	rto = send_marked(_metadata, &c, "lost");
	info = conn_info(&c);
	srtt = info.srtt_us;
	expect_resends(&c, "lost", 1, rto);
	sleep_ms(60);
	conn_send(&c, .flags = ACK);
	info = conn_info(&c);
	/* A sample counts an eighth. */
	EXPECT_LE(srtt + 50000 / 8, info.srtt_us);
	EXPECT_GE(srtt + 70000 / 8, info.srtt_us);
	EXPECT_GT(300000, info.rto_us);
}

TEST_F(retransmit, rfc6298_5_7_lost_syn_makes_three_seconds)
{
	struct peer *p = &self->peer;
	struct socket_info info;
	struct conn c;

	/* A SYN sent twice gives no sample without timestamps. */
	conn_start(p, &c, .active = true, .opt = OPT(OPT_MSS(1460)));
	conn_expect(&c, .flags = SYN);
	peer_mark_last(p);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	info = conn_info(&c);
	EXPECT_EQ(3000000, info.rto_us);
	send_marked(_metadata, &c, "first");
	conn_expect(&c, .flags = ACK | PSH, .data = "first", .at_ms = 3000);
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, rfc6298_smooths_samples)
{
	/* Seven eighths of the old value and one of the new. */
	struct peer *p = &self->peer;
	struct socket_info info;
	int64_t srtt = 100000;
	struct conn c;

	conn_open(p, &c, .rtt_ms = 100);
	for (int i = 0; i < 5; i++) {
		send_marked(_metadata, &c, "sample");
		peer_sleep_until(p, 180);
		conn_send(&c, .flags = ACK);
		srtt = srtt / 8 * 7 + 180000 / 8;
		info = conn_info(&c);
		EXPECT_LE(srtt - 1000, info.srtt_us);
		EXPECT_GE(srtt + 4000, info.srtt_us);
		/* RTTVAR * 4 is below the floor of 200 ms: RTO = SRTT + that. */
		EXPECT_LE(info.srtt_us + RTO_MIN_US, info.rto_us);
		EXPECT_GE(info.srtt_us + RTO_MIN_US + 60000, info.rto_us);
	}
}

/* --- a peer that has crashed --------------------------------------------- */

TEST_F_TIMEOUT(retransmit, lc_61_idle_crash_goes_unnoticed, 20000)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* Longer than any keepalive would wait: no segment, and no error. */
	conn_open(p, &c);
	peer_expect_silence(p, 9000 * 1000LL);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(0, socket_error(c.fd));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
}

TEST_F(retransmit, lc_61_rebooted_peer_resets)
{
	struct peer *p = &self->peer;
	struct conn c;
	char buf[8];

	conn_open(p, &c);
	send_marked(_metadata, &c, "hello?");
	/* It has no connection: RST with the number of our ACK. */
	conn_send(&c, .flags = RST);
	EXPECT_EQ(-1, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(-1, send(c.fd, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(EPIPE, errno);
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 2000);
}

TEST_F(retransmit, lc_62_rebooted_peer_opens_again)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c, again;

	conn_open(p, &c);
	counters_take(&before);
	/* It has lost its state and uses the same port, with another ISN. */
	conn_send(&c, .flags = SYN, .seq = 5000000, .opt = OPT(OPT_MSS(1460)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_expect(_metadata, &before, "InSegs", 1, "InErrs", 1, "OutSegs", 1,
			"TCPChallengeACK", 1, "TCPSYNChallenge", 1, NULL);
	/* Our ACK is invalid for it: it resets with the number of the ACK. */
	conn_send(&c, .flags = RST);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	/* Its next SYN connects. */
	conn_open(p, &again, .pport = c.pport, .lfd = c.lfd);
	conn_expect_state(&again, ST_ESTABLISHED);
}

/* --- counters ------------------------------------------------------------ */

TEST_F(retransmit, ctr_RetransSegs)
{
	struct counters before;
	int64_t rto;
	struct conn c;

	conn_open(&self->peer, &c);
	rto = send_marked(_metadata, &c, "text");
	counters_take(&before);
	expect_resends(&c, "text", 1, rto);
	counters_expect(_metadata, &before, "RetransSegs", 1, "TCPTimeouts", 1, NULL);
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, ctr_TCPTimeouts)
{
	struct counters before;
	int64_t rto;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1);
	rto = rto_us(&c);
	counters_take(&before);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .within_ms = rto / 1000 + 40);
	counters_expect(_metadata, &before, "RetransSegs", 1, "TCPTimeouts", 1, NULL);
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, ctr_TCPLostRetransmit)
{
	struct counters before;
	int64_t rto;
	struct conn c;

	/*
	 * The first loss is a retransmission; only the next one shows that the
	 * retransmission was lost, too.
	 */
	conn_open(&self->peer, &c);
	rto = send_marked(_metadata, &c, "text");
	rto = expect_resends(&c, "text", 1, rto);
	counters_take(&before);
	expect_resends(&c, "text", 1, rto);
	counters_expect(_metadata, &before, "RetransSegs", 1, "TCPTimeouts", 1,
			"TCPLostRetransmit", 1, NULL);
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, ctr_TCPAbortOnTimeout)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t rto;
	struct conn c;

	ASSERT_EQ(0, knob_set("retries2", 0));
	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "text");
	rto = expect_resends(&c, "text", 1, rto);
	counters_take(&before);
	peer_expect_poll(p, c.fd, POLLERR, rto / 1000);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "TCPAbortOnTimeout", 1,
			"EstabResets", 1, "CurrEstab", -1, NULL);
}

TEST_F(retransmit, ctr_TCPOrigDataSent)
{
	struct counters before;
	struct conn c;

	conn_open(&self->peer, &c);
	counters_take(&before);
	send_marked(_metadata, &c, "text");
	counters_expect(_metadata, &before, "TCPOrigDataSent", 1, "OutSegs", 1, NULL);
	conn_send(&c, .flags = ACK);
	counters_take(&before);
	/* FIN counts as well. */
	conn_advance(&c, ST_FIN_WAIT_1, false);
	counters_expect(_metadata, &before, "TCPOrigDataSent", 1, "OutSegs", 1,
			"CurrEstab", -1, NULL);
	conn_send(&c, .flags = ACK);
}

static void pure_ack_counts(struct __test_metadata *_metadata, struct peer *p)
{
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	send_marked(_metadata, &c, "text");
	counters_take(&before);
	conn_send(&c, .flags = ACK);
	counters_expect(_metadata, &before, "TCPDelivered", 1, "TCPPureAcks", 1,
			"InSegs", 1, NULL);
}

TEST_F(retransmit, ctr_TCPDelivered)
{
	pure_ack_counts(_metadata, &self->peer);
}

TEST_F(retransmit, ctr_TCPPureAcks)
{
	pure_ack_counts(_metadata, &self->peer);
}

TEST_F(retransmit, ctr_TCPRetransFail)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t rto;
	struct conn c;

	conn_open(p, &c);
	peer_mark(p);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .len = 4);
	rto = rto_us(&c);
	peer_jam(p);
	counters_take(&before);
	peer_sleep_until(p, rto / 1000 + 30);
	counters_expect(_metadata, &before, "TCPTimeouts", 1, "RetransSegs", 1,
			"TCPRetransFail", 1, NULL);
	/* None of it reached the network: no reason to back off. */
	EXPECT_EQ(rto, rto_us(&c));
	peer_sleep_until(p, rto / 1000 * 2 + 60);
	counters_expect(_metadata, &before, "TCPTimeouts", 2, "RetransSegs", 2,
			"TCPRetransFail", 2, NULL);
	conn_send(&c, .flags = ACK, .ack = 5);
}

/*
 * Attempts that can't leave this host are as far apart as those that nobody answers: a rule
 * or a route that is missing stays so for long.
 */
static void backs_off(struct __test_metadata *_metadata, struct peer *p, const char *shut,
		      int retransmissions)
{
	struct counters before;
	char command[256], to[64];
	int64_t rto_ms;
	struct conn c;

	/* The kernel's TCP backs off as well, by coarser timers and other counters. */
	NOT_ON_STOCK();
	conn_open(p, &c);
	peer_mark(p);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .len = 4);
	rto_ms = rto_us(&c) / 1000;
	snprintf(command, sizeof(command), shut,
		 ipaddr_text(&p->addr, to, sizeof(to)));
	ASSERT_EQ(0, system(command)) TH_LOG("%s", command);
	counters_take(&before);
	for (int n = 1; n <= 6; n++) {
		/* Just before the attempt, and just behind it. */
		peer_sleep_until(p, ((1 << n) - 1) * rto_ms - 20);
		EXPECT_EQ(n - 1, counter_moved(&before, "TCPTimeouts"));
		peer_sleep_until(p, ((1 << n) - 1) * rto_ms + 60);
		EXPECT_EQ(n, counter_moved(&before, "TCPTimeouts"));
	}
	EXPECT_EQ(retransmissions, counter_moved(&before, "TCPRetransFail"));
	EXPECT_EQ(retransmissions, counter_moved(&before, "RetransSegs"));
	EXPECT_EQ(ST_ESTABLISHED, conn_state(&c));
	socket_abort(c.fd);
}

TEST_F(retransmit, rfc6298_5_5_backs_off_behind_a_rule)
{
	if (system("nft add table inet t"))
		SKIP(return, "a kernel without nftables");
	backs_off(_metadata, &self->peer,
		  "nft 'add table inet t; add chain inet t out "
		  "{ type filter hook output priority 0; policy drop; }' # %s", 6);
}

TEST_F(retransmit, rfc6298_5_5_backs_off_without_a_route)
{
	/* As in Linux these are no retransmissions. */
	backs_off(_metadata, &self->peer, "ip route add unreachable %s metric 1", 0);
}

/* An echo of the future, of long before, or of nothing times no resend. */
TEST_F(retransmit, rfc7323_4_an_impossible_echo_times_nothing)
{
	static const int64_t off_ms[] = { 5000, -200000, 0 };
	struct peer *p = &self->peer;
	uint32_t srtt;
	struct conn c;
	int64_t rto;

	NOT_ON_STOCK();		/* which believes echoes of up to 35 minutes ago */
	/* Without SACK there is no loss probe before the timeout. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_NOP, OPT_NOP, OPT_TS(1, 0)),
		  .rtt_ms = 50);
	for (size_t i = 0; i < ARRAY_SIZE(off_ms); i++) {
		rto = send_marked(_metadata, &c, "lost");
		srtt = conn_info(&c).srtt_us;
		expect_resends(&c, "lost", 1, rto);
		c.ts_recent = off_ms[i] ? c.ts_recent + off_ms[i] : 0;
		conn_send(&c, .flags = ACK);
		EXPECT_EQ(0, (int)conn_info(&c).unacked);
		EXPECT_EQ(srtt, conn_info(&c).srtt_us);
		EXPECT_GT(10000000, (int)conn_info(&c).rto_us);
	}
}

TEST_HARNESS_MAIN
