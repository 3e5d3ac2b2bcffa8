// SPDX-License-Identifier: GPL-2.0
/*
 * counters: /proc/net/xtcp_snmp and xtcp_netstat, /proc/net/xtcp_lifecycle, and those
 * counters that belong to no stage: segments in and out, segments refused for their
 * form or TTL, ends. Each is provoked and moves by so much, and no other does unless
 * the test names it. And the TTL itself, which limits a segment's age (RFC 9293 3.4.1
 * and MUST-49).
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

PEER_FIXTURE(counters);

/* A connection, and port 9, which xtcp holds and nobody listens on. */
static void open_beside_closed_port(struct peer *p, struct conn *c, struct counters *before)
{
	conn_open(p, c);
	peer_hold(p, 9);
	counters_take(before);
}

/* --- in and out ---------------------------------------------------------- */

TEST_F(counters, ctr_InSegs)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_beside_closed_port(p, &c, &before);
	/* Every segment that IP delivers, good or bad. */
	conn_send(&c, .flags = ACK);
	counters_expect(_metadata, &before, "InSegs", 1, "TCPPureAcks", 1, NULL);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .bad_csum = true);
	counters_expect(_metadata, &before, "InSegs", 1, "InErrs", 1,
			"InCsumErrors", 1, NULL);
	counters_take(&before);
	peer_send(p, .flags = RST, .dport = 9);
	counters_expect(_metadata, &before, "InSegs", 1, NULL);
	/* Not those that IP drops: they are for another host. */
	counters_take(&before);
	peer_send(p, .flags = SYN, .dst = ipaddr("10.0.0.77"));
	counters_expect(_metadata, &before, NULL);
}

TEST_F(counters, ctr_OutSegs)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* A SYN-ACK, each time. */
	conn_start(p, &c);
	counters_take(&before);
	peer_mark(p);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .at_ms = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .at_ms = 1000);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 2, "RetransSegs", 1,
			"TCPSynRetrans", 1, "TCPTimeouts", 1, NULL);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	/* Data the first time only. */
	counters_take(&before);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .len = 1);
	counters_expect(_metadata, &before, "OutSegs", 1, "TCPOrigDataSent", 1, NULL);
	counters_take(&before);
	conn_expect(&c, .seq = 1, .len = 1, .within_ms = 3500);
	counters_expect(_metadata, &before, "RetransSegs", 1, "TCPTimeouts", 1, NULL);
	conn_send(&c, .flags = ACK);
	/* A RST as well. */
	peer_hold(p, 9);
	counters_take(&before);
	peer_send(p, .flags = ACK, .ack = 5, .dport = 9);
	peer_expect(p, .flags = RST, .seq = 5, .sport = 9);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "OutRsts", 1, NULL);
}

TEST_F(counters, ctr_OutRsts)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	/* As an answer, and unasked. */
	open_beside_closed_port(p, &c, &before);
	peer_send(p, .flags = SYN, .dport = 9);
	peer_expect(p, .flags = RST | ACK, .sport = 9);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "OutRsts", 1, NULL);
	counters_take(&before);
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK);
	counters_expect(_metadata, &before, "OutSegs", 1, "OutRsts", 1, "EstabResets", 1,
			"CurrEstab", -1, "TCPAbortOnData", 1, NULL);
}

/* --- refused for their form ---------------------------------------------- */

TEST_F(counters, ctr_InErrs)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	counters_take(&before);
	/*
	 * Too short a header, one beyond the end, two that are incomplete. Linux
	 * counts the first; on the TCP wire a segment without a readable port is the
	 * kernel's.
	 */
	p->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	conn_send(&c, .seq = 1, .flags = ACK, .doff = 4);
	conn_send(&c, .seq = 1, .flags = ACK, .doff = 6);
	conn_send(&c, .seq = 1, .flags = ACK, .cut = 19);
	conn_send(&c, .seq = 1, .flags = ACK, .cut = 0);
	if (stock_mode())
		counters_expect(_metadata, &before, "InSegs", 4, "InErrs", 1, NULL);
	else if (p->stock_may_speak)
		counters_expect(_metadata, &before, "InSegs", 3, "InErrs", 3, NULL);
	else
		counters_expect(_metadata, &before, "InSegs", 4, "InErrs", 4, NULL);
	/* And a SYN, in this state. */
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "InErrs", 1,
			"TCPChallengeACK", 1, "TCPSYNChallenge", 1, NULL);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(counters, ctr_InCsumErrors)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	open_beside_closed_port(p, &c, &before);
	conn_send(&c, .seq = 1, .flags = ACK | PSH, .data = "text", .bad_csum = true);
	conn_send(&c, .seq = 1, .flags = RST, .bad_csum = true);
	peer_send(p, .flags = SYN, .dport = 9, .bad_csum = true);
	peer_expect_silence(p, 300);
	counters_expect(_metadata, &before, "InSegs", 3, "InErrs", 3, "InCsumErrors", 3,
			NULL);
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* --- endings ------------------------------------------------------------- */

static void end_by_rst(struct conn *c)
{
	conn_send(c, .flags = RST);
}

static void end_by_abort(struct conn *c)
{
	socket_abort(c->fd);
	conn_expect(c, .flags = RST | ACK);
	c->fd = -1;
}

static void end_by_disconnect(struct conn *c)
{
	socket_disconnect(c->fd);
	conn_expect(c, .flags = RST | ACK);
}

static void end_by_timeout(struct conn *c)
{
	struct peer *p = c->peer;

	socket_set(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
	if (send(c->fd, "x", 1, MSG_NOSIGNAL) != 1)
		peer_fail(WHERE(p->test), p, "send");
	sleep_ms(stock_mode() ? 5000 : 110);
	peer_drain(p, 0);
}

static void end_in_order(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
	conn_expect(c, .flags = FIN | ACK);
	conn_send(c, .flags = ACK);
}

TEST_F(counters, ctr_EstabResets)
{
	static const struct {
		enum conn_state st;
		void (*end)(struct conn *c);
		int resets;
	} cases[] = {
		{ ST_ESTABLISHED, end_by_rst, 1 },
		{ ST_ESTABLISHED, end_by_abort, 1 },
		{ ST_ESTABLISHED, end_by_disconnect, 1 },
		{ ST_ESTABLISHED, end_by_timeout, 1 },
		{ ST_CLOSE_WAIT, end_by_rst, 1 },
		{ ST_CLOSE_WAIT, end_by_abort, 1 },
		{ ST_CLOSE_WAIT, end_by_timeout, 1 },
		/* No longer, or not yet, open. */
		{ ST_FIN_WAIT_1, end_by_rst, 0 },
		{ ST_FIN_WAIT_2, end_by_rst, 0 },
		{ ST_LAST_ACK, end_by_rst, 0 },
		{ ST_SYN_RECEIVED, end_by_rst, 0 },
		{ ST_CLOSE_WAIT, end_in_order, 0 },
	};
	struct peer *p = &self->peer;
	struct counters before, after;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_note(p, "case %zu, in %s", i, conn_state_name(cases[i].st));
		conn_to_state(p, &c, cases[i].st);
		counters_take(&before);
		cases[i].end(&c);
		conn_expect_state(&c, ST_CLOSED);
		counters_take(&after);
		EXPECT_EQ(cases[i].resets, counter_get(&after, "EstabResets") -
					   counter_get(&before, "EstabResets"))
			TH_LOG("case %zu", i);
		EXPECT_EQ(0, counter_get(&after, "CurrEstab"));
		if (c.fd >= 0)
			close(c.fd);
		if (c.lfd >= 0)
			close(c.lfd);
	}
}

/* A RST without a route. */
TEST_F(counters, ctr_TCPAbortFailed)
{
	struct peer *p = &self->peer;
	struct ifreq tun = { .ifr_name = "tun0", .ifr_flags = 0 };
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, ioctl(c.fd, SIOCSIFFLAGS, &tun));
	counters_take(&before);
	socket_abort(c.fd);
	c.fd = -1;
	conn_expect_state(&c, ST_CLOSED);
	counters_expect(_metadata, &before, "TCPAbortFailed", 1, "TCPAbortOnData", 1,
			"OutSegs", 1, "OutRsts", 1,
			"EstabResets", 1, "CurrEstab", -1, NULL);
}

/* --- not believed --------------------------------------------------------- */

TEST_F(counters, ctr_OutOfWindowIcmps)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment text;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	text = *conn_expect(&c, .len = 1);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss + 3);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text);
	counters_expect(_metadata, &before, NULL);
	conn_send(&c, .flags = ACK);
}

/* A segment, or data, whose timestamp is older than an earlier one. */
TEST_F(counters, ctr_PAWSEstab)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct optbytes old;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(100000, 0)));
	conn_send(&c, .flags = ACK | PSH, .data = "new");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
	old = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base - 5000, c.ts_recent));
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 4, .data = "old", .opt = old);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "PAWSEstab", 1, NULL);
	EXPECT_EQ(0, socket_receive(c.fd));
	EXPECT_EQ(0, socket_receive(c.fd));
	EXPECT_EQ(0, socket_receive(c.fd));
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	/* RFC 7323 5.2: a RST is exempt. */
	counters_take(&before);
	conn_send(&c, .flags = RST, .seq = 4, .opt = old);
	counters_expect(_metadata, &before, "InSegs", 1, "EstabResets", 1,
			"CurrEstab", -1, NULL);
}

TEST_F(counters, ctr_PAWSEstab_in_time_wait)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct optbytes old;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT,
		      .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(100000, 0)));
	old = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base - 5000, c.ts_recent));
	counters_take(&before);
	conn_send(&c, .flags = FIN | ACK, .seq = conn_peer_nxt(&c) - 1, .opt = old);
	conn_expect(&c, .flags = ACK);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "PAWSEstab", 1, NULL);
}

/* --- TTL ------------------------------------------------------------------ */

static void set_min_ttl(struct __test_metadata *_metadata, int fd)
{
	ASSERT_EQ(0, socket_set_ip(fd, IP_MINTTL, 255));
}

/* A connection that only a neighbour may use: GTSM, RFC 5082. */
TEST_F(counters, ctr_TCPMinTTLDrop)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	set_min_ttl(_metadata, c.fd);
	counters_take(&before);
	conn_send(&c, .seq = 1, .flags = ACK | PSH, .data = "far", .ttl = 254);
	conn_send(&c, .seq = 1, .flags = RST, .ttl = 1);
	peer_expect_silence(p, 300);
	counters_expect(_metadata, &before, "InSegs", 2, "TCPMinTTLDrop", 2, NULL);
	conn_expect_state(&c, ST_ESTABLISHED);
	counters_take(&before);
	conn_send(&c, .seq = 1, .flags = ACK | PSH, .data = "near", .ttl = 255);
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, NULL);
}

TEST_F(counters, ctr_TCPMinTTLDrop_by_a_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_start(p, &c);
	set_min_ttl(_metadata, c.lfd);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0, .ttl = 64);
	peer_expect_silence(p, 300);
	counters_expect(_metadata, &before, "InSegs", 1, "TCPMinTTLDrop", 1, NULL);
	conn_send(&c, .flags = SYN, .seq = 0, .ttl = 255);
	c.peer_nxt = c.peer_iss + 1;
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK, .seq = 1, .ttl = 255);
	conn_accept(&c);
	/* The child inherits it from the listener. */
	counters_take(&before);
	conn_send(&c, .flags = RST, .seq = 1, .ttl = 254);
	counters_expect(_metadata, &before, "InSegs", 1, "TCPMinTTLDrop", 1, NULL);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(counters, ctr_TCPMinTTLDrop_of_the_third_ack)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	NOT_ON_STOCK();		/* where a distant peer may complete it */
	conn_to_state(p, &c, ST_HALF_OPEN);
	set_min_ttl(_metadata, c.lfd);
	counters_take(&before);
	conn_send(&c, .flags = ACK, .seq = 1, .ttl = 254);
	conn_send(&c, .flags = RST, .seq = 1, .ttl = 254);
	counters_expect(_metadata, &before, "InSegs", 2, "TCPMinTTLDrop", 2, NULL);
	conn_expect_state(&c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK, .seq = 1, .ttl = 255);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* An ICMP error from farther away is ignored, too. It is its own TTL that counts, 64 here. */
TEST_F(counters, ctr_TCPMinTTLDrop_of_an_icmp_error)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .seq = 1, .len = 1);
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_MINTTL, 65));
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	counters_expect(_metadata, &before, "TCPMinTTLDrop", 1, NULL);
	EXPECT_EQ(0, socket_error(c.fd));
	ASSERT_EQ(0, socket_set_ip(c.fd, IP_MINTTL, 64));
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	counters_expect(_metadata, &before, NULL);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	p->leave_unread = true;
}

static void set_ttl_77(int fd)
{
	socket_set_ip(fd, IP_TTL, 77);
}

/* The limit on a segment's life: 64 hops, on every segment. */
static void expect_ttl(struct __test_metadata *_metadata, struct peer *p, int ttl,
		       int kport)
{
	struct conn c;

	peer_note(p, "TTL %d", ttl);
	conn_to_state(p, &c, ST_SYN_SENT);
	EXPECT_EQ(ttl, p->last.ttl);
	close(c.fd);
	conn_to_state(p, &c, ST_HALF_OPEN, .kport = kport);
	EXPECT_EQ(ttl, p->last.ttl);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .len = 1, .ttl = ttl);
	conn_send(&c, .flags = ACK);
	conn_advance(&c, ST_TIME_WAIT, true);
	/* Sent by a record, and without a socket. */
	conn_send(&c, .flags = FIN | ACK, .seq = conn_peer_nxt(&c) - 1);
	conn_expect(&c, .flags = ACK, .ttl = ttl);
	peer_hold(p, 9);
	peer_send(p, .flags = ACK, .dport = 9);
	peer_expect(p, .flags = RST, .sport = 9, .ttl = ttl);
}

TEST_F(counters, lc_96_ttl_is_64)
{
	expect_ttl(_metadata, &self->peer, 64, 6000);
}

TEST_F(counters, lc_96_ttl_of_the_namespace)
{
	ASSERT_EQ(0, default_ttl_set(33));
	expect_ttl(_metadata, &self->peer, 33, 6000);
}

TEST_F(counters, lc_96_ttl_of_a_socket)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = set_ttl_77);
	EXPECT_EQ(77, p->last.ttl);
	/* A listener's children have its value, from the SYN-ACK on. */
	conn_to_state(p, &c, ST_HALF_OPEN, .prepare = set_ttl_77);
	EXPECT_EQ(77, p->last.ttl);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .len = 1, .ttl = 77);
	conn_send(&c, .flags = ACK);
	/* And it can be changed at any time, or reset. */
	socket_set_ip(c.fd, IP_TTL, 1);
	ASSERT_EQ(1, send(c.fd, "y", 1, 0));
	conn_expect(&c, .len = 1, .ttl = 1);
	conn_send(&c, .flags = ACK);
	socket_set_ip(c.fd, IP_TTL, -1);
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK, .ttl = 64);
}

/* --- the lifecycle table -------------------------------------------------- */

/*
 * Any mix of FIN, SYN, RST and ACK in any state: the lifecycle table knows every
 * event.
 */
TEST_F(counters, ctr_XtcpLifecycleUnknown)
{
	struct peer *p = &self->peer;
	struct counters now;
	struct conn c;

	NOT_ON_STOCK();
	/* On the TCP wire Linux answers segments that come after an end. */
	p->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	for (int st = 0; st < ST_COUNT; st++) {
		for (int flags = 0; flags <= (FIN | SYN | RST | ACK); flags++) {
			if (flags & PSH)
				continue;
			conn_to_state(p, &c, st);
			conn_send(&c, .seq = conn_peer_nxt(&c), .flags = flags);
			conn_send(&c, .seq = conn_peer_nxt(&c) + 1, .flags = flags,
				  .len = 10);
			peer_drain(p, 0);
			if (c.fd >= 0)
				socket_abort(c.fd);
			if (c.lfd >= 0)
				close(c.lfd);
			peer_drain(p, 0);
		}
		counters_take(&now);
		EXPECT_EQ(0, counter_get(&now, "XtcpLifecycleUnknown"))
			TH_LOG("in %s", conn_state_name(st));
	}
}

/* --- the files ------------------------------------------------------------ */

/* The two lines of one group in a file of two-line groups. */
static void group_read(struct __test_metadata *_metadata, const char *path, const char *group,
		       char *names, char *values, size_t size)
{
	FILE *f = fopen(path, "r");

	ASSERT_NE(NULL, f);
	while (fgets(names, size, f) && fgets(values, size, f))
		if (!strncmp(names, group, strlen(group)))
			break;
	fclose(f);
	ASSERT_EQ(0, strncmp(names, group, strlen(group)));
	ASSERT_EQ(0, strncmp(values, group, strlen(group)));
}

static size_t words(const char *line)
{
	size_t n = 0;

	for (; *line; line++)
		n += *line == ' ';
	return n;
}

TEST_F(counters, proc_snmp_has_stocks_names)
{
	char names[4096], values[4096], stocks[4096];

	NOT_ON_STOCK();
	group_read(_metadata, "/proc/net/snmp", "Tcp: ", stocks, values, sizeof(stocks));
	group_read(_metadata, "/proc/net/xtcp_snmp", "Tcp: ", names, values, sizeof(names));
	EXPECT_STREQ(stocks, names);
	EXPECT_EQ(words(names), words(values));
	EXPECT_EQ('\n', values[strlen(values) - 1]);
}

/* Counters without Xtcp in front have the kernel's names. */
TEST_F(counters, proc_netstat_has_stocks_names)
{
	static char names[16384], values[16384], stocks[16384];
	char *name, *save, spaced[64];

	NOT_ON_STOCK();
	group_read(_metadata, "/proc/net/netstat", "TcpExt: ", stocks, values, sizeof(stocks));
	group_read(_metadata, "/proc/net/xtcp_netstat", "TcpExt: ", names, values, sizeof(names));
	EXPECT_EQ(words(names), words(values));
	stocks[strcspn(stocks, "\n")] = ' ';
	names[strcspn(names, "\n")] = '\0';
	name = strtok_r(names, " ", &save);
	EXPECT_STREQ("TcpExt:", name);
	while ((name = strtok_r(NULL, " ", &save))) {
		/* Linux has PLB from 6.2 on, and not yet the other one in 6.12. */
		if (!strncmp(name, "Xtcp", 4) || !strcmp(name, "TCPPLBRehash") ||
		    !strcmp(name, "PAWSOldAck"))
			continue;
		snprintf(spaced, sizeof(spaced), " %s ", name);
		EXPECT_NE(NULL, strstr(stocks, spaced)) TH_LOG("%s", name);
	}
}

#define CONSTANT(name, value) \
	TEST_F(counters, ctr_##name) \
	{ \
		struct counters c; \
		\
		counters_take(&c); \
		EXPECT_EQ(value, counter_get(&c, #name)); \
	}

CONSTANT(RtoAlgorithm, 1)
CONSTANT(RtoMin, 200)
CONSTANT(RtoMax, 120000)
CONSTANT(MaxConn, -1)

/* A new namespace has counted nothing. */
TEST_F(counters, proc_counters_begin_at_0)
{
	struct counters c;

	counters_take(&c);
	ASSERT_LT(50, c.n);
	for (int i = 4; i < c.n; i++) {
		EXPECT_EQ(0, c.c[i].value) TH_LOG("%s", c.c[i].name);
	}
}

/* A gauge of ESTABLISHED and CLOSE-WAIT. */
TEST_F(counters, ctr_CurrEstab)
{
	static const struct {
		enum conn_state state;
		int gauge;
	} steps[] = {
		{ ST_SYN_SENT, 0 }, { ST_HALF_OPEN, 0 }, { ST_SYN_RECEIVED, 0 },
		{ ST_ESTABLISHED, 1 }, { ST_CLOSE_WAIT, 1 }, { ST_FIN_WAIT_1, 0 },
		{ ST_FIN_WAIT_2, 0 }, { ST_CLOSING, 0 }, { ST_LAST_ACK, 0 },
		{ ST_TIME_WAIT, 0 }, { ST_ORPHAN_FIN_WAIT_2, 0 },
	};
	long long expected = 0;
	struct counters now;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		TH_LOG("%s", conn_state_name(steps[i].state));
		conn_to_state(&self->peer, &c, steps[i].state, .kport = 5000 + i);
		counters_take(&now);
		expected += steps[i].gauge;
		EXPECT_EQ(expected, counter_get(&now, "CurrEstab"));
	}
	/* A connection not yet accepted counts as well; a RST takes it away. */
	conn_to_state(&self->peer, &c, ST_HALF_OPEN, .kport = 5100);
	conn_send(&c, .flags = ACK);
	counters_take(&now);
	EXPECT_EQ(expected + 1, counter_get(&now, "CurrEstab"));
	conn_send(&c, .flags = RST);
	counters_take(&now);
	EXPECT_EQ(expected, counter_get(&now, "CurrEstab"));
	self->peer.leave_unread = true;
}

/* --- lifecycle ----------------------------------------------------------- */

static bool is_state(const char *word)
{
	static const char *const states[] = {
		"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",
		"FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK",
		"TIME-WAIT",
	};

	/* States of records have an addition behind the state's name. */
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strncmp(word, states[i], strlen(states[i])) &&
		    strchr("( /", word[strlen(states[i])]))
			return true;
	return false;
}

/* wish_15: a header, then every row of the table, those at 0 as well. */
TEST_F(counters, wish_15_lifecycle_format)
{
	char line[256], *last, *end;
	int rows = 0;
	FILE *f;

	NOT_ON_STOCK();
	f = fopen("/proc/net/xtcp_lifecycle", "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("from event to count\n", line);
	while (fgets(line, sizeof(line), f)) {
		rows++;
		last = strrchr(line, ' ');
		ASSERT_NE(NULL, last);
		EXPECT_EQ(0, strtoull(last + 1, &end, 10)) TH_LOG("%s", line);
		EXPECT_EQ('\n', *end);
		EXPECT_EQ(NULL, strstr(line, "  "));
		EXPECT_TRUE(is_state(line)) TH_LOG("%s", line);
		*last = ' ';
		last[1] = '\0';
		for (last--; last > line && *last != ' '; last--)
			;
		EXPECT_TRUE(is_state(last + 1)) TH_LOG("%s", line);
	}
	fclose(f);
	EXPECT_LT(100, rows);
}

TEST_HARNESS_MAIN
