// SPDX-License-Identifier: GPL-2.0
/*
 * incarnation: late segments of a connection that has ended reach its TIME-WAIT record
 * or the next connection of the same 4-tuple. No late byte may be delivered, and no
 * connection be ended by them. RFC 9293 3.6.1, RFC 5961, RFC 6191, RFC 7323 5; LC-24,
 * LC-79, LC-90.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"

#include <netinet/ip_icmp.h>

PEER_FIXTURE(incarnation);
PAIR_FIXTURE(incarnations);

#define STAMPS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0))
#define OLD_STAMP(c) OPT(OPT_NOP, OPT_NOP, OPT_TS((c)->tsval_base, (c)->ts_recent))

/* --- into TIME-WAIT ----------------------------------------------------- */

struct duplicate {
	const char *what;
	int flags;
	int64_t seq;
	int len;
	bool answered;
};

/* The peer sent SYN at 0, ten bytes from 1 and FIN at 11. */
static const struct duplicate duplicates[] = {
	{ "the SYN", SYN, 0, 0, true },
	{ "a SYN before it", SYN, -100000, 0, true },
	{ "SYN and ACK", SYN | ACK, 0, 0, true },
	{ "its text", PSH | ACK, 1, 10, true },
	{ "half of its text", PSH | ACK, 6, 5, true },
	{ "text from before it", PSH | ACK, -5000, 100, true },
	{ "text ahead", PSH | ACK, 12, 100, true },
	{ "text and FIN", FIN | PSH | ACK, 1, 10, true },
	{ "the FIN", FIN | ACK, 11, 0, true },
	{ "a FIN from before", FIN | ACK, -5000, 0, true },
	{ "an ACK", ACK, 11, 0, true },
	{ "a RST", RST, 11, 0, false },
	{ "a RST from before", RST, -5000, 0, false },
	{ "a RST ahead", RST, 13, 0, false },
	{ "RST and ACK", RST | ACK, 1, 0, false },
	{ "nothing at all", 0, 12, 0, false },
};

static void into_time_wait(struct __test_metadata *_metadata, struct peer *p, bool stamps)
{
	struct counters before;
	struct conn c;

	if (stamps)
		conn_open(p, &c, .opt = STAMPS);
	else
		conn_open(p, &c);
	conn_send(&c, .flags = PSH | ACK, .data = "0123456789");
	conn_expect(&c, .flags = ACK, .ack = 11);
	program_reads(_metadata, c.fd, "0123456789");
	conn_advance(&c, ST_TIME_WAIT, false);
	ASSERT_EQ(12, conn_peer_nxt(&c));
	/* Not all within one half second, in which bare ACKs are answered once. */
	for (size_t i = 0; i < ARRAY_SIZE(duplicates); i++) {
		const struct duplicate *d = &duplicates[i];

		sleep_ms(1000);
		peer_note(p, "%s", d->what);
		counters_begin(&before);
		/* An older timestamp is old; an equal one is not. */
		if (stamps)
			conn_send(&c, .flags = d->flags, .seq = d->seq, .len = d->len,
				  .opt = OPT(OPT_NOP, OPT_NOP,
					     OPT_TS(c.tsval_base - 10, c.ts_recent)));
		else
			conn_send(&c, .flags = d->flags, .seq = d->seq, .len = d->len,
				  .ack = 2);
		/* Without any flag: new by its number, unless its timestamp is old. */
		if (d->answered || (stamps && !d->flags))
			conn_expect(&c, .flags = ACK, .seq = 2, .ack = 12);
		peer_expect_silence(p, 5);
		conn_expect_state(&c, ST_TIME_WAIT);
		counters_ignore(&before, "PAWSEstab", NULL);
		counters_expect(_metadata, &before, NULL);
	}
	program_reads_end(_metadata, c.fd);
}

TEST_F(incarnation, lc_79_duplicates_into_time_wait)
{
	into_time_wait(_metadata, &self->peer, false);
}

TEST_F(incarnation, rfc7323_duplicates_into_time_wait)
{
	into_time_wait(_metadata, &self->peer, true);
}

/* --- into the next one -------------------------------------------------- */

/*
 * Two connections in a row from one port; the second replaces the first's TIME-WAIT
 * record.
 */
static void reuse(struct __test_metadata *_metadata, struct peer *p, struct conn *old,
		  struct conn *c)
{
	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	conn_to_state(p, old, ST_TIME_WAIT, .active = true, .pport = 80, .opt = STAMPS);
	sleep_ms(3000);
	conn_to_state(p, c, ST_SYN_SENT, .active = true, .pport = 80, .opt = STAMPS,
		      .peer_iss = old->peer_nxt + 100000);
	ASSERT_EQ(40000, c->kport);
	EXPECT_EQ(old->kern_nxt + 65537, c->kern_iss);
}

/* The new one must have timestamps, too, or nothing tells the two apart. */
TEST_F(incarnation, rfc6191_not_without_new_timestamps)
{
	struct peer *p = &self->peer;
	struct conn old;
	char to[64];
	int fd;

	NOT_ON_STOCK();		/* see xtcp_tw_reuse in knobs.rst */
	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	conn_to_state(p, &old, ST_TIME_WAIT, .active = true, .pport = 80, .opt = STAMPS);
	sleep_ms(3000);
	ASSERT_EQ(0, knob_set("timestamps", 0));
	ipaddr_text(&p->addr, to, sizeof(to));
	fd = stream_socket(p->family);
	fd_nonblock(fd);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd, to, 80));
	conn_expect_state(&old, ST_TIME_WAIT);
	ASSERT_EQ(0, knob_set("timestamps", 1));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, to, 80));
	peer_expect(p, .flags = SYN, .seq = old.kern_nxt + 65537, .sport = 40000, .dport = 80);
	close(fd);
}

/*
 * The peer did not get the last ACK and repeats its FIN, which reaches SYN-SENT. The
 * RST tells the peer, and the SYN that is repeated a second later connects.
 */
TEST_F(incarnation, lc_90_peer_is_still_in_last_ack)
{
	struct peer *p = &self->peer;
	struct conn old, c;

	reuse(_metadata, p, &old, &c);
	peer_mark(p);
	conn_send(&old, .flags = FIN | ACK, .seq = 1);
	peer_expect(p, .flags = RST, .seq = old.kern_nxt, .sport = 40000, .dport = 80);
	conn_expect_state(&c, ST_SYN_SENT);
	peer_expect(p, .flags = SYN, .seq = c.kern_iss, .sport = 40000, .dport = 80,
		    .within_ms = 1010);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* An old SYN is no simultaneous open: its timestamp is older than the record's was. */
TEST_F(incarnation, rfc7323_5_3_an_old_syn_into_syn_sent)
{
	struct peer *p = &self->peer;
	struct conn old, c;

	reuse(_metadata, p, &old, &c);
	conn_send(&old, .flags = SYN, .seq = 0,
		  .opt = OPT(OPT_MSS(1460), OPT_TS(old.tsval_base - 5, 0)));
	peer_expect_silence(p, 5);
	conn_expect_state(&c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_F(incarnation, lc_24_duplicates_into_the_next_one)
{
	struct peer *p = &self->peer;
	struct conn old, c;
	bool late;

	reuse(_metadata, p, &old, &c);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	/*
	 * By their numbers they precede the window. (The kernel's TCP does not answer
	 * the one without any flag, against RFC 9293 3.10.7.4.)
	 */
	for (size_t i = 0; i < ARRAY_SIZE(duplicates); i++) {
		const struct duplicate *d = &duplicates[i];

		sleep_ms(1000);
		peer_note(p, "%s", d->what);
		conn_send(&old, .flags = d->flags, .seq = d->seq, .len = d->len,
			  .ack = 1, .opt = OLD_STAMP(&old));
		/* Timestamps of a connection begin anywhere. An ACK with an older one is late. */
		late = d->flags == ACK && (int32_t)(old.tsval_base - c.tsval_base) < 0;
		if (!(d->flags & RST) && (d->flags || !stock_mode()) && !late)
			conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
		peer_expect_silence(p, 5);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	/* These lie in the window, so only their timestamps tell. */
	for (size_t i = 0; i < ARRAY_SIZE(duplicates); i++) {
		const struct duplicate *d = &duplicates[i];

		if (d->flags & RST || (!d->flags && stock_mode()))
			continue;
		sleep_ms(1000);
		peer_note(p, "%s, in the window", d->what);
		conn_send(&c, .flags = d->flags, .seq = conn_peer_nxt(&c) + (d->len ? 0 : 1),
			  .len = d->len, .ack = 1,
			  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(c.tsval_base - 5000, 0)));
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
		peer_expect_silence(p, 5);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	/* New data is read. */
	conn_send(&c, .flags = PSH | ACK, .seq = 1, .data = "new");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
}

/* --- in a row ----------------------------------------------------------- */

/*
 * One connection after the other from a handful of ports, each replacing its own
 * TIME-WAIT record. Each carries its number both ways; no end reads another's.
 */
TEST_F(incarnations, lc_90_a_thousand_in_a_row)
{
	struct pair *pr = &self->pair;
	struct counters now;
	int lfd = pair_listen(pr, 80, 16);

	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("tw_reuse", 1));
	if (!stock_mode())
		ASSERT_EQ(0, knob_set("tw_reuse_delay", 1));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40019"));
	for (uint32_t i = 0; i < 1000; i++) {
		/* The kernel's records must be a second old, and there are 20. */
		if (stock_mode() && i % 20 == 0)
			sleep_ms(2100);
		pair_talk(pr, lfd, 80, i);
	}
	counters_take(&now);
	EXPECT_EQ(1000, counter_get(&now, "ActiveOpens"));
	/*
	 * All but the last one of each port. connect() prefers one half of the ports; those of
	 * the kernel's TCP are not old enough, so that it needs the other half, too.
	 */
	EXPECT_EQ(stock_mode() ? 980 : 990, counter_get(&now, "TWRecycled"));
	EXPECT_EQ(stock_mode() ? 20 : 10, proc_rows(pr->family, ROW_TIME_WAIT));
	EXPECT_EQ(0, counter_get(&now, "TCPTimeWaitOverflow"));
}

/* --- numbers that wrap in the close ------------------------------------- */

static void wrap(struct __test_metadata *_metadata, struct peer *p, uint32_t peer_iss)
{
	struct conn c;

	/* Data, FIN, or what follows the FIN, has sequence number 0. */
	conn_open(p, &c, .peer_iss = peer_iss, .kport = 6000 + (uint16_t)-peer_iss);
	conn_send(&c, .flags = PSH | ACK, .data = "x");
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	program_reads(_metadata, c.fd, "x");
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 2);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 3);
	conn_expect_state(&c, ST_TIME_WAIT);
	conn_send(&c, .flags = FIN | ACK, .seq = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 3);
	/* A number below is old, one above opens a new connection. */
	conn_send(&c, .flags = SYN, .seq = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 3, .within_ms = 10);
	peer_send(p, .flags = SYN, .seq = c.peer_iss + 4, .sport = c.pport, .dport = c.kport);
	peer_expect(p, .flags = SYN | ACK, .ack = c.peer_iss + 5, .sport = c.kport,
		    .dport = c.pport);
	close(c.fd);
	close(c.lfd);
}

TEST_F(incarnation, lc_25_peers_numbers_wrap_in_the_close)
{
	for (uint32_t before = 0; before < 6; before++)
		wrap(_metadata, &self->peer, -before);
}

/* --- ICMP for what has gone --------------------------------------------- */

TEST_F(incarnation, rfc5927_icmp_for_a_closed_connection)
{
	static const int codes[] = { ICMP_HOST_UNREACH, ICMP_PORT_UNREACH, ICMP_FRAG_NEEDED };
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_LAST_ACK);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_CLOSED);
	counters_take(&before);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = codes[i], .rest = 600);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, NULL);
	EXPECT_EQ(0, socket_error(c.fd));
	/* The listener is unaffected. */
	conn_open(p, &c, .lfd = c.lfd);
}

TEST_HARNESS_MAIN
