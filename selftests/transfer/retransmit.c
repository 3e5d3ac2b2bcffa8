// SPDX-License-Identifier: GPL-2.0
/*
 * retransmit: unacknowledged data is sent again: how long after, how often, and when
 * that ends. RFC 9293 3.8.1 (timeout), 3.8.3 (R1, R2), RFC 6298, RFC 5482 (the user
 * timeout, its local part). LC-56, LC-61, LC-62.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>
#include <sys/mount.h>

PEER_FIXTURE(retransmit);

#define RTO_MIN_US 200000
#define RTO_MAX_US 120000000
/* The least RTO, doubled nine times to 102.4 s, then six times the largest. */
#define GIVE_UP_MS 924600

#define TIMESTAMPS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0))

static int64_t next_rto(int64_t rto_us)
{
	return 2 * rto_us < RTO_MAX_US ? 2 * rto_us : RTO_MAX_US;
}

static int64_t rto_us(struct conn *c)
{
	return conn_info(c).rto_us;
}

/* A write of one segment, which is read and starts the clock. Returns the RTO. */
static int64_t send_marked(struct __test_metadata *_metadata, struct conn *c,
			   const char *text)
{
	ssize_t n = send(c->fd, text, strlen(text), MSG_NOSIGNAL);

	if (n != (ssize_t)strlen(text))
		peer_fail(WHERE(_metadata), c->peer, "send: %zd", n);
	conn_expect(c, .flags = ACK | PSH, .data = text);
	peer_mark_last(c->peer);
	return rto_us(c);
}

/*
 * The same data @n times more, first after @rto_us, then doubling. Returns the next
 * RTO.
 */
static int64_t expect_resends(struct conn *c, const char *text, int n, int64_t rto_us)
{
	uint32_t seq = c->peer->last.seq - c->kern_iss;

	for (int i = 0; i < n; i++, rto_us = next_rto(rto_us)) {
		conn_expect(c, .flags = ACK | PSH, .seq = seq, .data = text,
			    .at_ms = rto_us / 1000);
		peer_mark_last(c->peer);
	}
	return rto_us;
}

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

/* --- R1 and R2 ----------------------------------------------------------- */

#define TRACEFS "/sys/kernel/tracing"

/* The number of lookups of the route to @dst since the last call. */
static int route_lookups(struct __test_metadata *_metadata, const char *dst)
{
	FILE *f = fopen(TRACEFS "/trace", "re");
	char line[512];
	int n = 0;

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "fib_table_lookup") && strstr(line, dst);
	fclose(f);
	file_write(_metadata, TRACEFS "/trace", "");
	return n;
}

static void route_lookups_watch(struct __test_metadata *_metadata)
{
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	file_write(_metadata, TRACEFS "/events/fib/fib_table_lookup/enable", "1");
	file_write(_metadata, TRACEFS "/trace", "");
}

/*
 * Until R1 the connection keeps its route; at the timeout behind R1 it distrusts the
 * route, which a redirect had changed, and looks it up again.
 */
static void expect_r1(struct __test_metadata *_metadata, struct peer *p, int r1)
{
	struct ipaddr far = ipaddr("192.0.2.2"), old = ipaddr("10.0.0.254");
	struct ipaddr new = ipaddr("10.0.0.253"), gw;
	struct where at = WHERE(_metadata);
	int64_t rto;
	struct conn c;

	/*
	 * The exception of an IPv6 redirect is in a table whose lookups are not
	 * traced.
	 */
	if (p->family == AF_INET6)
		return;
	sysctl_write("/proc/sys/net/ipv4/conf/all/accept_redirects", "1");
	sysctl_write("/proc/sys/net/ipv4/conf/tun0/accept_redirects", "1");
	route_add(at, &far, 32, &old, "tun0");
	conn_open(p, &c, .peer_addr = far);
	rto = send_marked(_metadata, &c, "text");
	peer_send_icmp(p, .type = 5, .code = 1, .from = old,
		       .rest = ntohl(new.v4.s_addr));
	gw = route_gateway(at, &far);
	ASSERT_TRUE(ipaddr_equal(&new, &gw));
	/* The redirect itself caused one lookup, at the first retransmission. */
	rto = expect_resends(&c, "text", 1, rto);
	route_lookups_watch(_metadata);
	rto = expect_resends(&c, "text", r1 - 1, rto);
	EXPECT_EQ(0, route_lookups(_metadata, "192.0.2.2"));
	rto = expect_resends(&c, "text", 1, rto);
	EXPECT_LE(1, route_lookups(_metadata, "192.0.2.2"));
	file_write(_metadata, TRACEFS "/events/fib/fib_table_lookup/enable", "0");
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, rfc9293_must_20_r1_notifies_ip)
{
	NOT_ON_STOCK();		/* which notices a retransmission later */
	expect_r1(_metadata, &self->peer, 3);
}

TEST_F(retransmit, rfc9293_must_20_r2_closes)
{
	struct peer *p = &self->peer;
	int64_t rto;
	struct conn c;

	NOT_ON_STOCK();		/* where lateness decides: see knob_retries2 */
	ASSERT_EQ(0, knob_set("retries2", 4));
	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "text");
	rto = expect_resends(&c, "text", 4, rto);
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_poll(p, c.fd, POLLERR, rto / 1000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 300000);
}

TEST_F(retransmit, rfc9293_shld_09_soft_error_between_r1_and_r2)
{
	struct peer *p = &self->peer;
	struct segment text;
	int64_t rto;
	struct conn c;

	/*
	 * A router's soft error meanwhile can be read; unread, it is the error at R2.
	 */
	ASSERT_EQ(0, knob_set("retries2", 3));
	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "text");
	text = p->last;
	rto = expect_resends(&c, "text", 3, rto);
	/* Not one of the errors that undo a doubling (RFC 6069). */
	peer_send_icmp(p, .type = 11, .code = 0, .quote = &text,
		       .from = ipaddr("10.0.0.254"));
	conn_expect_state(&c, ST_ESTABLISHED);
	peer_expect_poll(p, c.fd, POLLERR, rto / 1000);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

TEST_F(retransmit, rfc9293_shld_10_r1_is_three)
{
	/* must_20 shows that it acts there. */
	EXPECT_EQ(3, knob_get("retries1"));
}

TEST_F_TIMEOUT(retransmit, rfc9293_shld_11_r2_is_over_100s, 2000)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	send_marked(_metadata, &c, "text");
	peer_drain(p, 100000);
	EXPECT_EQ(0, socket_error(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(retransmit, knob_retries2)
{
	/*
	 * The time that n doublings of the least RTO take, and at least one
	 * retransmission. The kernel's TCP counts it from the first retransmission,
	 * and only its late timers make up for that: for some values it needs one
	 * more.
	 */
	NOT_ON_STOCK();
	static const int values[] = { 0, 1, 2, 5 };
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int n = values[i];
		int64_t rto;
		struct conn c;

		peer_note(p, "retries2 = %d", n);
		ASSERT_EQ(0, knob_set("retries2", n));
		conn_open(p, &c, .kport = 6000 + i);
		rto = send_marked(_metadata, &c, "text");
		rto = expect_resends(&c, "text", n ?: 1, rto);
		peer_expect_poll(p, c.fd, POLLERR, rto / 1000);
		EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		close(c.fd);
	}
	EXPECT_EQ(EINVAL, knob_set("retries2", 256));
	EXPECT_EQ(EINVAL, knob_set("retries2", -1));
	EXPECT_EQ(5, knob_get("retries2"));
}

TEST_F(retransmit, knob_retries2_is_a_time)
{
	struct peer *p = &self->peer;
	int64_t rto, next;
	struct conn c;

	NOT_ON_STOCK();		/* which counts from the first retransmission */
	/* retries2 = 3: 3 s at the least RTO; one of 2.7 s is over after two. */
	ASSERT_EQ(0, knob_set("retries2", 3));
	conn_open(p, &c, .rtt_ms = 900);
	rto = send_marked(_metadata, &c, "text");
	ASSERT_LE(2700000, rto);
	next = expect_resends(&c, "text", 1, rto);
	peer_expect_poll(p, c.fd, POLLERR, next / 1000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

TEST_F(retransmit, knob_retries1)
{
	ASSERT_EQ(3, knob_get("retries1"));
	EXPECT_EQ(0, knob_set("retries1", 0));
	EXPECT_EQ(0, knob_set("retries1", 255));
	EXPECT_EQ(EINVAL, knob_set("retries1", 256));
	EXPECT_EQ(255, knob_get("retries1"));
}

TEST_F(retransmit, knob_retries1_moves_r1)
{
	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("retries1", 1));
	expect_r1(_metadata, &self->peer, 1);
}

/* --- TCP_USER_TIMEOUT ---------------------------------------------------- */

TEST_F(retransmit, rfc9293_must_21_user_timeout)
{
	struct peer *p = &self->peer;
	struct counters before;
	int64_t rto, sent_ns;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000));
	rto = send_marked(_metadata, &c, "text");
	sent_ns = p->mark_ns;
	counters_take(&before);
	/* 0.2, 0.6, 1.4, 3.0 s; the end is not put off to 6.2 s. */
	expect_resends(&c, "text", 4, rto);
	p->mark_ns = sent_ns;
	peer_expect_poll(p, c.fd, POLLERR, 5000 + 200 * stock_mode());
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPTimeouts", 5, "RetransSegs", 4,
			"TCPLostRetransmit", 3, "TCPAbortOnTimeout", 1, "EstabResets", 1, "CurrEstab", -1,
			NULL);
}

TEST_F(retransmit, rfc5482_user_timeout_exact)
{
	static const int values_ms[] = { 100, 333, 1000, 12345 };
	struct peer *p = &self->peer;

	NOT_ON_STOCK();		/* which looks only when its RTO fires */
	for (size_t i = 0; i < ARRAY_SIZE(values_ms); i++) {
		struct conn c;

		peer_note(p, "user timeout %d ms", values_ms[i]);
		conn_open(p, &c, .kport = 6000 + i);
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, values_ms[i]));
		send_marked(_metadata, &c, "text");
		peer_expect_poll(p, c.fd, POLLERR, values_ms[i]);
		EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		peer_drain(p, 0);
		close(c.fd);
	}
}

TEST_F(retransmit, rfc5482_user_timeout_counts_from_progress)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* which counts from the first retransmission */
	conn_open(p, &c);
	socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000));
	/* Idle time does not count. */
	sleep_ms(3000);
	send_marked(_metadata, &c, "one");
	ASSERT_EQ(3, send(c.fd, "two", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "two");
	peer_sleep_until(p, 150);
	peer_mark(p);
	conn_send(&c, .flags = ACK, .ack = 4);
	peer_expect_poll(p, c.fd, POLLERR, 1000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	peer_drain(p, 0);
}

TEST_F(retransmit, rfc5482_user_timeout_option)
{
	struct conn c;
	int val;
	socklen_t len = sizeof(val);

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &val, &len));
	EXPECT_EQ(0, val);
	EXPECT_EQ(EINVAL, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1));
	EXPECT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1234));
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &val, &len));
	EXPECT_EQ(1234, val);
}

/* --- state by state ------------------------------------------------------ */

/* What the kernel has in flight in that state: its FIN, or a word. */
static void in_flight(struct __test_metadata *_metadata, struct peer *p,
		      struct conn *c, enum conn_state st)
{
	conn_to_state(p, c, st);
	if (st != ST_ESTABLISHED && st != ST_CLOSE_WAIT)
		return;
	if (send(c->fd, "word", 4, 0) != 4)
		peer_fail(WHERE(_metadata), p, "send in %s", conn_state_name(st));
	conn_expect(c, .flags = ACK | PSH, .data = "word");
}

static void state_rto(struct __test_metadata *_metadata, struct peer *p,
		      enum conn_state st)
{
	bool fin = st != ST_ESTABLISHED && st != ST_CLOSE_WAIT;
	struct segment first;
	long long rows;
	int64_t rto;
	struct conn c;

	in_flight(_metadata, p, &c, st);
	/* In CLOSING the last packet is the ACK of the peer's FIN. */
	first = p->last;
	rto = rto_us(&c);
	rows = lifecycle_count(conn_state_name(st), "RETRANSMISSION-TIMEOUT",
			       conn_state_name(st));
	for (int i = 0; i < 3; i++) {
		conn_expect(&c, .flags = fin ? FIN | ACK : ACK | PSH, .seq = 1,
			    .len = fin ? 0 : 4, .ack = conn_peer_nxt(&c),
			    .within_ms = 1000);
		if (i) {
			int64_t us = (p->last.when_ns - first.when_ns) / 1000;

			EXPECT_LE(rto - 10 - 8000 * stock_mode(), us);
			EXPECT_GE(rto + 2000 + (rto / 8 + 30000) * stock_mode(), us);
		}
		first = p->last;
		rto = next_rto(rto);
		conn_expect_state(&c, st);
	}
	if (!stock_mode())
		EXPECT_EQ(rows + 3, lifecycle_count(conn_state_name(st),
						    "RETRANSMISSION-TIMEOUT",
						    conn_state_name(st)));
	conn_send(&c, .flags = ACK);
}

TEST_F(retransmit, sm_es_rto)
{
	state_rto(_metadata, &self->peer, ST_ESTABLISHED);
}

TEST_F(retransmit, sm_f1_rto)
{
	state_rto(_metadata, &self->peer, ST_FIN_WAIT_1);
}

TEST_F(retransmit, sm_cw_rto)
{
	state_rto(_metadata, &self->peer, ST_CLOSE_WAIT);
}

TEST_F(retransmit, sm_cg_rto)
{
	state_rto(_metadata, &self->peer, ST_CLOSING);
}

TEST_F(retransmit, sm_la_rto)
{
	state_rto(_metadata, &self->peer, ST_LAST_ACK);
}

TEST_F(retransmit, sm_f2_no_rto)
{
	struct conn c;

	/* All is acknowledged: nothing is ever sent again. */
	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2);
	peer_expect_silence(&self->peer, 10000);
	conn_expect_state(&c, ST_FIN_WAIT_2);
}

/*
 * R2, or a user timeout: the end from each state in which something is unacknowledged.
 */
static void state_gives_up(struct __test_metadata *_metadata, struct peer *p,
			   enum conn_state st, int user_timeout_ms)
{
	bool open = st == ST_ESTABLISHED || st == ST_CLOSE_WAIT;
	struct counters before;
	int resends = 2 + (stock_mode() && !user_timeout_ms);
	int64_t at_ms = 0, rto;
	struct conn c;

	if (!user_timeout_ms)
		knob_set("retries2", 2);
	conn_open(p, &c);
	if (user_timeout_ms)
		socket_set(c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
	conn_advance(&c, st, false);
	counters_take(&before);
	counters_ignore(&before, "OutSegs", "TCPOrigDataSent", NULL);
	peer_mark(p);
	if (open)
		send(c.fd, "word", 4, 0);
	rto = rto_us(&c);
	for (int i = 0; i < resends + 1; i++, rto = next_rto(rto))
		at_ms += rto / 1000;
	if (user_timeout_ms)
		at_ms = user_timeout_ms;
	/* Closing began when the FIN went, just before the mark. */
	sleep_until_ns(p->mark_ns + (at_ms - 20) * NSEC_PER_MSEC);
	conn_expect_state(&c, st);
	sleep_until_ns(p->mark_ns + (at_ms + 10) * NSEC_PER_MSEC +
		       stock_mode() * at_ms * NSEC_PER_MSEC / 4);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	counters_expect(_metadata, &before, "TCPTimeouts", resends + 1,
			"RetransSegs", resends, "TCPLostRetransmit", resends - 1,
			"TCPAbortOnTimeout", 1, "EstabResets", (int)open,
			"CurrEstab", -(int)open, NULL);
	peer_drain(p, 0);
}

TEST_F(retransmit, sm_es_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_ESTABLISHED, 0);
}

TEST_F(retransmit, sm_cw_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSE_WAIT, 0);
}

TEST_F(retransmit, sm_f1_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_FIN_WAIT_1, 0);
}

TEST_F(retransmit, sm_cg_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSING, 0);
}

TEST_F(retransmit, sm_la_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_LAST_ACK, 0);
}

TEST_F(retransmit, sm_es_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_ESTABLISHED, 1000);
}

TEST_F(retransmit, sm_cw_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSE_WAIT, 1000);
}

TEST_F(retransmit, sm_f1_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_FIN_WAIT_1, 1000);
}

TEST_F(retransmit, sm_cg_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSING, 1000);
}

TEST_F(retransmit, sm_la_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_LAST_ACK, 1000);
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

/* A packet of another protocol to the peer, which waits in the device's queue. */
static void datagram_queue(struct __test_metadata *_metadata, struct peer *p)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&p->addr, 9, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(1, sendto(fd, "x", 1, 0, (void *)&sa, len)) TH_LOG("%s", strerror(errno));
	close(fd);
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
	/* A queue with room for one packet, which it keeps: the next has none. */
	netem_set(WHERE(_metadata), "tun0",
		  &(struct netem){ .delay_ms = 100000, .limit = 1 });
	datagram_queue(_metadata, p);
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

TEST_HARNESS_MAIN
