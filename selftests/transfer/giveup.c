// SPDX-License-Identifier: GPL-2.0
/*
 * giveup: when retransmission ends, and what it does before: R1, R2, the user timeout,
 * in each state in which something is unacknowledged. RFC 9293 3.8.3, RFC 5482 (its
 * local part). LC-56.
 */
/* vm: wires families */
#include "resend.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <sys/mount.h>

PEER_FIXTURE(giveup);

/* --- R1 and R2 ----------------------------------------------------------- */

#define TRACEFS "/sys/kernel/tracing"

/* The kernel's tracepoint of a lookup. */
static const char *lookup_event(int family)
{
	return family == AF_INET6 ? "fib6/fib6_table_lookup" : "fib/fib_table_lookup";
}

/* The number of lookups of the route to @dst since the last call. */
static int route_lookups(struct __test_metadata *_metadata, const struct ipaddr *dst)
{
	FILE *f = fopen(TRACEFS "/trace", "re");
	char line[512], text[64];
	int n = 0;

	ASSERT_NE(NULL, f);
	inet_ntop(dst->family, dst->family == AF_INET6 ? (void *)&dst->v6 : (void *)&dst->v4,
		  text, sizeof(text));
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "table_lookup") && strstr(line, text);
	fclose(f);
	file_write(_metadata, TRACEFS "/trace", "");
	return n;
}

static void route_lookups_watch(struct __test_metadata *_metadata, int family, const char *on)
{
	char file[128];

	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	snprintf(file, sizeof(file), TRACEFS "/events/%s/enable", lookup_event(family));
	file_write(_metadata, file, on);
	file_write(_metadata, TRACEFS "/trace", "");
}

/* IPv4 distrusts a route that a redirect has changed. IPv6 keeps that one, and distrusts others. */
static void redirected(struct __test_metadata *_metadata, struct peer *p,
		       const struct ipaddr *far, struct ipaddr from, struct ipaddr to)
{
	struct ipaddr gw;

	peer_send_icmp(p, .type = 5, .code = 1, .from = from, .rest = ntohl(to.v4.s_addr));
	gw = route_gateway(WHERE(_metadata), far);
	ASSERT_TRUE(ipaddr_equal(&to, &gw));
}

/*
 * Until R1 the connection keeps its route; at the timeout behind R1 it distrusts the
 * route, and looks it up again.
 */
static void expect_r1(struct __test_metadata *_metadata, struct peer *p, int r1)
{
	struct ipaddr far = ipaddr("192.0.2.2"), old = ipaddr("10.0.0.254");
	bool v6 = p->family == AF_INET6;
	int64_t rto;
	struct conn c;

	sysctl_write("/proc/sys/net/ipv4/conf/all/accept_redirects", "1");
	sysctl_write("/proc/sys/net/ipv4/conf/tun0/accept_redirects", "1");
	route_add(WHERE(_metadata), &far, v6 ? 128 : 32, &old, "tun0");
	conn_open(p, &c, .peer_addr = far);
	rto = send_marked(_metadata, &c, "text");
	if (!v6)
		redirected(_metadata, p, &far, old, ipaddr("10.0.0.253"));
	/* The redirect itself caused one lookup, at the first retransmission. */
	rto = expect_resends(&c, "text", 1, rto);
	route_lookups_watch(_metadata, p->family, "1");
	rto = expect_resends(&c, "text", r1 - 1, rto);
	EXPECT_EQ(0, route_lookups(_metadata, &far));
	rto = expect_resends(&c, "text", 1, rto);
	EXPECT_LE(1, route_lookups(_metadata, &far));
	route_lookups_watch(_metadata, p->family, "0");
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK);
}

TEST_F(giveup, rfc9293_must_20_r1_notifies_ip)
{
	NOT_ON_STOCK();		/* which notices a retransmission later */
	expect_r1(_metadata, &self->peer, 3);
}

TEST_F(giveup, rfc9293_must_20_r2_closes)
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

TEST_F(giveup, rfc9293_shld_09_soft_error_between_r1_and_r2)
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

/* It is an error of that connection, not of the socket's next one. Linux keeps it. */
TEST_F(giveup, rfc9293_must_56_soft_error_ends_with_its_connection)
{
	struct peer *p = &self->peer;
	struct segment text;
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_retries", 1));
	conn_open(p, &c, .active = true);
	send_marked(_metadata, &c, "text");
	text = p->last;
	peer_send_icmp(p, .type = 11, .code = 0, .quote = &text,
		       .from = ipaddr("10.0.0.254"));
	conn_expect_state(&c, ST_ESTABLISHED);
	ASSERT_EQ(0, socket_disconnect(c.fd));
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	ASSERT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", 7777));
	p->leave_unread = true;
	/* A SYN more, or with syn_linear_timeouts of Linux five. */
	peer_drain(p, 20000);
	EXPECT_EQ(stock_mode() ? EHOSTUNREACH : ETIMEDOUT, socket_error(c.fd));
}

TEST_F(giveup, rfc9293_shld_10_r1_is_three)
{
	/* must_20 shows that it acts there. */
	EXPECT_EQ(3, knob_get("retries1"));
}

TEST_F_TIMEOUT(giveup, rfc9293_shld_11_r2_is_over_100s, 2000)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	send_marked(_metadata, &c, "text");
	peer_drain(p, 100000);
	EXPECT_EQ(0, socket_error(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(giveup, knob_retries2)
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

TEST_F(giveup, knob_retries2_is_a_time)
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

TEST_F(giveup, knob_retries1)
{
	ASSERT_EQ(3, knob_get("retries1"));
	EXPECT_EQ(0, knob_set("retries1", 0));
	EXPECT_EQ(0, knob_set("retries1", 255));
	EXPECT_EQ(EINVAL, knob_set("retries1", 256));
	EXPECT_EQ(255, knob_get("retries1"));
}

TEST_F(giveup, knob_retries1_moves_r1)
{
	NOT_ON_STOCK();
	/* With 1 the lookup over IPv6 is answered by a cache, which lasts for a second. */
	ASSERT_EQ(0, knob_set("retries1", 2));
	expect_r1(_metadata, &self->peer, 2);
}

/* Return: whether the connection has a route now, without looking it up. */
static bool has_route(struct peer *p, int fd)
{
	bool v6 = p->family == AF_INET6;
	socklen_t len = sizeof(int);
	int mtu;

	return !getsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &len);
}

/* From one timeout behind R1 on, the next segment takes whatever route there is then. */
TEST_F(giveup, knob_retries1_drops_the_route)
{
	struct peer *p = &self->peer;
	int64_t rto;
	struct conn c;

	NOT_ON_STOCK();		/* where lateness decides: see knob_retries2 */
	ASSERT_EQ(0, knob_set("retries1", 1));
	conn_open(p, &c);
	rto = send_marked(_metadata, &c, "text");
	for (int n = 1; n <= 4; n++) {
		peer_note(p, "timeout %d", n);
		rto = expect_resends(&c, "text", 1, rto);
		EXPECT_EQ(n < 3, has_route(p, c.fd));
	}
	conn_send(&c, .flags = ACK, .ack = 5);
	ASSERT_EQ(4, send(c.fd, "more", 4, 0));
	conn_expect(&c, .seq = 5, .flags = ACK | PSH, .data = "more");
	EXPECT_TRUE(has_route(p, c.fd));
}

/* --- TCP_USER_TIMEOUT ---------------------------------------------------- */

static void user_timeout(struct __test_metadata *_metadata, struct peer *p)
{
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

TEST_F(giveup, rfc9293_must_21_user_timeout)
{
	user_timeout(_metadata, &self->peer);
}

/* It takes the place of R2, which would be 0.6 s. */
TEST_F(giveup, rfc5482_user_timeout_longer_than_r2)
{
	ASSERT_EQ(0, knob_set("retries2", 1));
	user_timeout(_metadata, &self->peer);
}

/* fq, which may hold segments, does not begin it anew with each retransmission. */
TEST_F(giveup, rfc9293_must_21_user_timeout_with_fq)
{
	fq_set(WHERE(_metadata), "tun0");
	user_timeout(_metadata, &self->peer);
}

TEST_F(giveup, rfc5482_user_timeout_exact)
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

TEST_F(giveup, rfc5482_user_timeout_counts_from_progress)
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

TEST_F(giveup, rfc5482_user_timeout_option)
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

TEST_F(giveup, sm_es_rto)
{
	state_rto(_metadata, &self->peer, ST_ESTABLISHED);
}

TEST_F(giveup, sm_f1_rto)
{
	state_rto(_metadata, &self->peer, ST_FIN_WAIT_1);
}

TEST_F(giveup, sm_cw_rto)
{
	state_rto(_metadata, &self->peer, ST_CLOSE_WAIT);
}

TEST_F(giveup, sm_cg_rto)
{
	state_rto(_metadata, &self->peer, ST_CLOSING);
}

TEST_F(giveup, sm_la_rto)
{
	state_rto(_metadata, &self->peer, ST_LAST_ACK);
}

TEST_F(giveup, sm_f2_no_rto)
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

TEST_F(giveup, sm_es_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_ESTABLISHED, 0);
}

TEST_F(giveup, sm_cw_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSE_WAIT, 0);
}

TEST_F(giveup, sm_f1_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_FIN_WAIT_1, 0);
}

TEST_F(giveup, sm_cg_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSING, 0);
}

TEST_F(giveup, sm_la_gives_up)
{
	state_gives_up(_metadata, &self->peer, ST_LAST_ACK, 0);
}

TEST_F(giveup, sm_es_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_ESTABLISHED, 1000);
}

TEST_F(giveup, sm_cw_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSE_WAIT, 1000);
}

TEST_F(giveup, sm_f1_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_FIN_WAIT_1, 1000);
}

TEST_F(giveup, sm_cg_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_CLOSING, 1000);
}

TEST_F(giveup, sm_la_user_timeout)
{
	state_gives_up(_metadata, &self->peer, ST_LAST_ACK, 1000);
}

TEST_HARNESS_MAIN
