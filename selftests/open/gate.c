// SPDX-License-Identifier: GPL-2.0
/*
 * gate: the verdict on a SYN for a listener, and the answer to it. Limits per source
 * and per second, the firewall, and that the recycled skb is not shared. RFC 4987.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "gate.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

PEER_FIXTURE(gate);

/* Its peer resets the half-open connection. */
static void half_open_ends(struct peer *p, const char *src, int sport)
{
	peer_send(p, .flags = RST, .src = ipaddr(src), .sport = sport, .seq = 1001);
}

/*
 * The number of bits of an IPv4 address, or of its IPv6 stand-in, that make a source.
 */
static int source_bits(struct peer *p, int bits)
{
	if (p->family == AF_INET)
		return knob_set("syn_per_source_prefix", bits);
	return knob_set("syn_per_source_prefix6", bits == 32 ? 128 : bits == 24 ? 64 : 24 + bits);
}

/* --- one source ------------------------------------------------------------ */

TEST_F(gate, lc_43_ctr_XtcpSynPerSourceDrop_one_source_floods)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	anywhere_by_tun(p);
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 3));
	ASSERT_EQ(0, source_bits(p, 32));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	for (int i = 0; i < 3; i++)
		syn_is_answered(p, "192.0.2.1", 1000 + i);

	counters_take(&before);
	syn_is_dropped(p, "192.0.2.1", 1003);
	syn_is_dropped(p, "192.0.2.1", 1004);
	EXPECT_EQ(3, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "InSegs", 2, "ListenDrops", 2,
			"XtcpSynPerSourceDrop", 2, NULL);

	/* Other sources are not affected. */
	syn_is_answered(p, "192.0.2.2", 1000);
	syn_is_answered(p, "10.0.0.2", 1000);

	/* Each way out of the queue makes room: a RST, */
	half_open_ends(p, "192.0.2.1", 1000);
	syn_is_answered(p, "192.0.2.1", 1005);
	syn_is_dropped(p, "192.0.2.1", 1006);
	/* the third segment, */
	p->leave_unread = true;
	peer_send(p, .flags = SYN, .src = ipaddr("192.0.2.3"), .sport = 2000, .seq = 1000);
	peer_expect(p, .flags = SYN | ACK, .dst = ipaddr("192.0.2.3"), .dport = 2000);
	peer_send(p, .flags = ACK, .src = ipaddr("192.0.2.3"), .sport = 2000, .seq = 1001,
		  .ack = p->last.seq + 1);
	for (int i = 1; i <= 3; i++)
		syn_is_answered(p, "192.0.2.3", 2000 + i);
	syn_is_dropped(p, "192.0.2.3", 2004);
	/* and the end of its time. */
	peer_drain(p, 64000);
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	for (int i = 0; i < 3; i++)
		syn_is_answered(p, "192.0.2.1", 3000 + i);
	syn_is_dropped(p, "192.0.2.1", 3003);
	close(lfd);
}

/* A repeated SYN belongs to its connection and is not counted. */
TEST_F(gate, lc_43_a_repeated_syn_is_no_new_one)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 1));
	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	syn_is_answered(p, "10.0.0.2", 1000);
	syn_is_answered(p, "10.0.0.2", 1000);
	syn_is_dropped(p, "10.0.0.2", 1001);
	close(lfd);
	/* A listener that closes leaves no count behind, either. */
	lfd = peer_listen(p, KERNEL_PORT, 100);
	syn_is_answered(p, "10.0.0.2", 1002);
	close(lfd);
}

/* --- who shares a counter with whom ------------------------------------------ */

#define SOURCES 2000
#define PROBES 300

static const char *source(char *text, size_t size, int net, int i)
{
	snprintf(text, size, "%d.%d.%d.1", net, i / 200, i % 200);
	return text;
}

/*
 * Each of many sources gets the one record that it may have. Then: which others are
 * refused, because both of their counters are taken. Returns their number.
 */
static int refused_sources(struct peer *p, bool *refused)
{
	char text[32];
	int n = 0;

	anywhere_by_tun(p);
	knob_set("syn_per_source_limit", 1);
	source_bits(p, 32);
	knob_set("max_syn_backlog", 2 * SOURCES);
	sysctl_write("/proc/sys/net/core/somaxconn", "8000");
	peer_listen(p, KERNEL_PORT, 2 * SOURCES);
	for (int i = 0; i < SOURCES; i++) {
		syn_from(p, source(text, sizeof(text), 20, i), 1000);
		peer_read(p, now_ns() + 5 * NSEC_PER_MSEC);
	}
	for (int i = 0; i < PROBES; i++) {
		syn_from(p, source(text, sizeof(text), 30, i), 1000);
		refused[i] = !peer_read(p, now_ns() + 5 * NSEC_PER_MSEC);
		if (!refused[i])
			half_open_ends(p, text, 1000);
		n += refused[i];
	}
	p->leave_unread = true;
	return n;
}

/* No peer can know: with another key, in another namespace, others are refused. */
TEST_F(gate, source_counters_are_shared_by_a_secret)
{
	bool here[PROBES], there[PROBES];
	int n, m, both = 0;
	struct peer other;

	NOT_ON_STOCK();
	n = refused_sources(&self->peer, here);
	peer_open_at(WHERE(_metadata), &other, NULL);
	m = refused_sources(&other, there);
	peer_close_at(WHERE(_metadata), &other);
	/* 2,000 in 2 rows of 4,096: 15 of 100 by chance, 45 in all. */
	EXPECT_LT(10, n);
	EXPECT_LT(10, m);
	for (int i = 0; i < PROBES; i++)
		both += here[i] && there[i];
	EXPECT_GT((n < m ? n : m) / 2, both);
}

/* --- who shares a chain of the flow table with whom -------------------------- */

#define ALIKE 64

/*
 * No peer can know the multipliers of the hash (flow.c). If they were zero, it would depend on the
 * sum of the peer's address and of the ports, as 32-bit words, and no seed would divide these. A
 * chain of 16 then gets one more only in another table, and a chain of 16 in that one no more until
 * a worker has moved the rest: half of the SYNs would be dropped. Over IPv6 the digest of the
 * address has a secret of its own (net/ipv6).
 */
TEST_F(gate, flows_are_hashed_by_a_secret)
{
	struct peer *p = &self->peer;
	char text[32];
	int lfd;

	ASSERT_EQ(0, knob_set("syncookies", 0));
	anywhere_by_tun(p);
	lfd = peer_listen(p, KERNEL_PORT, 2 * ALIKE);
	alone_begin(WHERE(_metadata));
	for (int i = 0; i < ALIKE; i++) {
		snprintf(text, sizeof(text), "198.18.0.%d", i);
		syn_from(p, text, 1024 + 255 - i);
	}
	alone_end(WHERE(_metadata));
	for (int i = 0; i < ALIKE; i++) {
		snprintf(text, sizeof(text), "198.18.0.%d", i);
		expect_syn_ack(p, text, 1024 + 255 - i);
	}
	close(lfd);
}

/* --- how many addresses are one source ---------------------------------------- */

TEST_F(gate, knob_syn_per_source_prefix)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	anywhere_by_tun(p);
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 2));
	ASSERT_EQ(0, source_bits(p, 24));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	syn_is_answered(p, "192.0.2.1", 1000);
	syn_is_answered(p, "192.0.2.255", 1000);
	syn_is_dropped(p, "192.0.2.128", 1000);
	syn_is_answered(p, "192.0.3.1", 1000);
	ASSERT_EQ(0, source_bits(p, 1));
	syn_is_answered(p, "193.0.0.1", 1000);
	syn_is_answered(p, "255.0.0.1", 1000);
	syn_is_dropped(p, "128.1.0.1", 1000);
	syn_is_answered(p, "10.0.0.2", 1000);
	close(lfd);
}

/* A cookie takes no place in the queue, of which the limit gives each source a share. */
TEST_F(gate, lc_43_cookies_are_not_limited_by_source)
{
	struct peer *p = &self->peer;
	struct counters before;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syncookies", 2));
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 1));
	peer_listen(p, KERNEL_PORT, 100);
	syn_is_answered(p, "10.0.0.2", 999);
	ASSERT_EQ(0, knob_set("syncookies", 1));
	syn_is_answered(p, "10.0.0.2", 1000);
	syn_is_dropped(p, "10.0.0.2", 1001);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	counters_take(&before);
	syn_is_answered(p, "10.0.0.2", 1002);
	syn_is_answered(p, "10.0.0.2", 1003);
	EXPECT_EQ(2, counter_moved(&before, "SyncookiesSent"));
	EXPECT_EQ(0, counter_moved(&before, "XtcpSynPerSourceDrop"));
	p->leave_unread = true;
}

/* Whatever the knobs say when a record ends: it is subtracted where it was added. */
TEST_F(gate, knob_syn_per_source_limit_changes_under_way)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	anywhere_by_tun(p);
	ASSERT_EQ(0, source_bits(p, 32));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	syn_is_answered(p, "192.0.2.1", 1000);		/* not counted */
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 2));
	syn_is_answered(p, "192.0.2.1", 1001);
	syn_is_answered(p, "192.0.2.1", 1002);
	syn_is_dropped(p, "192.0.2.1", 1003);
	ASSERT_EQ(0, source_bits(p, 8));
	syn_is_answered(p, "192.0.2.1", 1004);
	syn_is_answered(p, "192.9.9.9", 1005);
	syn_is_dropped(p, "192.0.2.1", 1006);
	half_open_ends(p, "192.0.2.1", 1000);
	half_open_ends(p, "192.0.2.1", 1001);
	half_open_ends(p, "192.0.2.1", 1002);
	syn_is_dropped(p, "192.0.2.1", 1006);
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 0));
	half_open_ends(p, "192.0.2.1", 1004);
	half_open_ends(p, "192.9.9.9", 1005);
	syn_is_answered(p, "192.0.2.1", 1007);		/* not counted */
	/* All that was counted is gone: there is room for exactly two again. */
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 2));
	syn_is_answered(p, "192.0.2.1", 1008);
	syn_is_answered(p, "192.0.2.1", 1009);
	syn_is_dropped(p, "192.0.2.1", 1010);
	ASSERT_EQ(0, source_bits(p, 32));
	syn_is_answered(p, "192.0.2.1", 1011);
	syn_is_answered(p, "192.0.2.1", 1012);
	syn_is_dropped(p, "192.0.2.1", 1013);
	close(lfd);
}

/* --- so many in a second --------------------------------------------------- */

TEST_F(gate, knob_synack_ratelimit_ctr_XtcpSynAckRateDrop)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("synack_ratelimit", 3));
	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	lfd = peer_listen(p, KERNEL_PORT, 100);
	second_begin();
	counters_take(&before);
	syn_is_answered(p, "10.0.0.2", 1000);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	syn_is_answered(p, "10.0.0.2", 1001);
	syn_is_answered(p, "10.0.0.2", 1000);		/* again */
	syn_is_dropped(p, "10.0.0.2", 1000);
	syn_is_dropped(p, "10.0.0.2", 1002);
	ASSERT_EQ(0, knob_set("syncookies", 1));
	syn_is_dropped(p, "10.0.0.2", 1003);
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "InSegs", 6, "OutSegs", 3,
			"RetransSegs", 1, "TCPSynRetrans", 1, "SyncookiesSent", 1,
			"TCPReqQFullDoCookies", 2,
			"XtcpSynAckRateDrop", 3, "ListenDrops", 2, NULL);
	/* Its SYN-ACK would be repeated just as the next second begins. */
	half_open_ends(p, "10.0.0.2", 1000);
	second_begin();
	peer_drain(p, 0);
	syn_is_answered(p, "10.0.0.2", 1004);
	half_open_ends(p, "10.0.0.2", 1004);
	close(lfd);
}

TEST_F(gate, knob_rst_ratelimit_ctr_XtcpRstRateDrop)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("rst_ratelimit", 2));
	peer_hold(p, 9);
	lfd = peer_listen(p, KERNEL_PORT, 100);
	second_begin();
	counters_take(&before);
	/* A RST is never answered, and uses up no answer. */
	peer_send(p, .flags = RST, .dport = 9, .seq = 1);
	peer_send(p, .flags = SYN, .dport = 9, .seq = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 9, .seq = 0, .ack = 2);
	peer_send(p, .flags = ACK, .seq = 1, .ack = 77);
	peer_expect(p, .flags = RST, .seq = 77);
	peer_send(p, .flags = ACK, .seq = 1, .ack = 78);
	peer_send(p, .flags = SYN, .dport = 9, .seq = 1);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 5, "OutSegs", 2, "OutRsts", 2,
			"XtcpResetSentNoConnection", 1, "XtcpResetSentNoHandshake", 1,
			"XtcpRstRateDrop", 2, NULL);
	second_begin();
	peer_send(p, .flags = SYN, .dport = 9, .seq = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 9, .seq = 0, .ack = 2);
	close(lfd);
}

/* With a limit of 2: three ACKs of something else in @state. The third gets no RST. */
static void three_wrong_acks(struct __test_metadata *_metadata, struct conn *c,
			     enum conn_state state, struct counters *before)
{
	ASSERT_EQ(0, knob_set("rst_ratelimit", 2));
	second_begin();
	conn_to_state(c->peer, c, state);
	counters_take(before);
	for (int i = 0; i < 2; i++) {
		conn_send(c, .flags = ACK, .seq = 1, .ack = 78 + i);
		conn_expect(c, .flags = RST, .seq = 78 + i);
	}
	conn_send(c, .flags = ACK, .seq = 1, .ack = 80);
}

/*
 * The RST for an ACK that does not acknowledge our SYN-ACK goes to an address that may be
 * forged: it counts like those for segments of no connection. The record stays.
 */
TEST_F(gate, knob_rst_ratelimit_of_a_half_open_connection)
{
	struct conn c = { .peer = &self->peer };
	struct counters before;

	NOT_ON_STOCK();
	three_wrong_acks(_metadata, &c, ST_HALF_OPEN, &before);
	peer_expect_silence(c.peer, 10);
	counters_expect(_metadata, &before, "InSegs", 3, "OutSegs", 2, "OutRsts", 2,
			"XtcpResetSentBadAck", 2, "XtcpRstRateDrop", 1, NULL);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	close(c.lfd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
}

/* The same for an ACK of something else in SYN-SENT. The connection still opens. */
TEST_F(gate, knob_rst_ratelimit_in_syn_sent)
{
	struct conn c = { .peer = &self->peer };
	struct counters before;

	NOT_ON_STOCK();
	three_wrong_acks(_metadata, &c, ST_SYN_SENT, &before);
	EXPECT_EQ(2, counter_moved(&before, "XtcpResetSentBadAck"));
	EXPECT_EQ(1, counter_moved(&before, "XtcpRstRateDrop"));
	/* The SYN that a wrong ACK makes early. */
	conn_expect(&c, .flags = SYN, .seq = 0, .within_ms = 1100);
	conn_send(&c, .flags = SYN | ACK, .seq = 0, .ack = 1);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * An attacker who counts what is left of the limit learns nothing exact (CVE-2016-5696): in
 * each second some of it is missing, another number each time.
 */
TEST_F(gate, knob_rst_ratelimit_is_not_exact)
{
	struct peer *p = &self->peer;
	int seen[6], others = 0;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("rst_ratelimit", 100));
	peer_hold(p, 9);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		struct counters before;

		second_begin();
		counters_take(&before);
		for (int k = 0; k < 120; k++)
			peer_send(p, .flags = SYN, .dport = 9, .seq = 1);
		peer_drain(p, 50);
		seen[i] = counter_moved(&before, "OutRsts");
		EXPECT_LE(75, seen[i]);
		EXPECT_GE(100, seen[i]);
		others += seen[i] != seen[0];
	}
	EXPECT_LT(0, others);
}

/* --- who was there first --------------------------------------------------- */

static void honest_survives(struct __test_metadata *_metadata, struct peer *p, int cookies)
{
	struct conn c;
	int lfd;

	anywhere_by_tun(p);
	ASSERT_EQ(0, knob_set("syncookies", cookies));
	lfd = peer_listen(p, KERNEL_PORT, 4);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	flood(p, 300, 999);
	EXPECT_EQ(cookies ? 300 : 4, peer_drain(p, 20));
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
	p->leave_unread = true;
	close(c.fd);
	close(lfd);
}

TEST_F(gate, spoofed_syns_evict_no_record)
{
	honest_survives(_metadata, &self->peer, 0);
}

TEST_F(gate, spoofed_syns_evict_no_record_with_cookies)
{
	honest_survives(_metadata, &self->peer, 1);
}

/* --- the firewall's say ---------------------------------------------------- */

/* Recycled answers pass the chains that all output passes. */
TEST_F(gate, the_firewall_sees_each_answer)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	nft(_metadata, "add table inet t;"
		       "add chain inet t out { type filter hook output priority 0; };"
		       "add chain inet t post { type filter hook postrouting priority 0; };"
		       "add rule inet t out meta l4proto $wire ct state new,established,invalid meta mark 0 counter;"
		       "add rule inet t post meta l4proto $wire oifname tun0 counter;"
		       "add chain inet t pre { type filter hook prerouting priority -150; };"
		       "add rule inet t pre meta mark set 5");
	peer_hold(p, 9);
	lfd = peer_listen(p, KERNEL_PORT, 10);
	syn_is_answered(p, "10.0.0.2", 1000);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	syn_is_answered(p, "10.0.0.2", 1001);
	peer_send(p, .flags = SYN, .dport = 9, .seq = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 9, .ack = 2);
	nft_expect(_metadata, "out", "packets 3 ");
	nft_expect(_metadata, "post", "packets 3 ");
	/* An answer dropped on the way out does not leave. */
	nft(_metadata, "add rule inet t out meta l4proto 6 drop;"
		       "add rule inet t out meta l4proto 253 drop");
	syn_is_dropped(p, "10.0.0.2", 1002);
	close(lfd);
}

/* As in Linux: a record's SYN-ACK belongs to its listener, a cookie's to no socket. */
TEST_F(gate, the_firewall_sees_the_owner_of_a_syn_ack)
{
	struct peer *p = &self->peer;
	int lfd;

	nft(_metadata, "add table inet t;"
		       "add chain inet t out { type filter hook output priority 0; };"
		       "add rule inet t out meta skuid 0 counter");
	ASSERT_EQ(0, knob_set("syncookies", 0));
	lfd = peer_listen(p, KERNEL_PORT, 10);
	syn_is_answered(p, "10.0.0.2", 1000);
	nft_expect(_metadata, "out", "packets 1 ");
	/* Sent again by the timer. */
	peer_expect(p, .flags = SYN | ACK, .dport = 1000, .ack = 1001, .within_ms = 1100);
	nft_expect(_metadata, "out", "packets 2 ");
	half_open_ends(p, "10.0.0.2", 1000);
	/* A policy of IPsec for somebody else. */
	shell_run(WHERE(_metadata), "ip xfrm policy add dst 198.51.100.0/24 dir out action block");
	syn_is_answered(p, "10.0.0.2", 1002);
	nft_expect(_metadata, "out", "packets 3 ");
	half_open_ends(p, "10.0.0.2", 1002);
	shell_run(WHERE(_metadata), "ip xfrm policy flush");
	ASSERT_EQ(0, knob_set("syncookies", 2));
	syn_is_answered(p, "10.0.0.2", 1001);
	nft_expect(_metadata, "out", "packets 3 ");
	close(lfd);
}

/* --- the answer made of the segment ---------------------------------------- */

/* A packet socket: it sees arriving and leaving packets. */
static int sniffer_open(struct __test_metadata *_metadata)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex("tun0"),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&sll, sizeof(sll)));
	return fd;
}

static void sniff(struct __test_metadata *_metadata, int fd, struct segment *s)
{
	s->packet_len = recv(fd, s->packet, sizeof(s->packet), 0);
	ASSERT_LT(0, s->packet_len);
	segment_parse(s, stream_wire());
}

TEST_F(gate, a_sniffer_sees_the_syn_as_it_came)
{
	struct peer *p = &self->peer;
	static struct segment s;
	int lfd, fd;

	NOT_ON_STOCK();
	lfd = peer_listen(p, KERNEL_PORT, 10);
	fd = sniffer_open(_metadata);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, knob_set("syncookies", i));
		syn_is_answered(p, "10.0.0.2", 1000 + i);
		sniff(_metadata, fd, &s);
		EXPECT_EQ(SYN, s.flags);
		EXPECT_EQ(1000 + i, s.sport);
		EXPECT_EQ(1000, s.seq);
		EXPECT_EQ(7, s.opt.tsval);
		sniff(_metadata, fd, &s);
		EXPECT_EQ(SYN | ACK, s.flags);
		EXPECT_EQ(1000 + i, s.dport);
	}
	close(fd);
	close(lfd);
}

/* Small, large, and too small for the answer to fit: the answer is the same. */
TEST_F(gate, the_size_of_a_syn_does_not_show_in_its_answer)
{
	static const int lens[] = { 0, 1, 100, 1400, 9000 };
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	peer_hold(p, 9);
	lfd = peer_listen(p, KERNEL_PORT, 100);
	for (int mode = 1; mode <= 2; mode++) {
		ASSERT_EQ(0, knob_set("syncookies", mode));
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			peer_send(p, .flags = SYN, .seq = 1000, .len = lens[i],
				  .sport = 1000 * mode + i, .opt = SYN_OPT);
			/* Data in a SYN is not kept. */
			peer_expect(p, .flags = SYN | ACK, .ack = 1001, .mss = 1460,
				    .dport = 1000 * mode + i, .tsecr = 7, .wscale = 7,
				    .sackok = 1, .ttl = 64, .tos = 0);
		}
	}
	peer_send(p, .flags = SYN, .seq = 1000, .len = 9000, .dport = 9);
	peer_expect(p, .flags = RST | ACK, .seq = 0, .ack = 10001, .sport = 9, .ttl = 64);
	close(lfd);
}

/* --- what no honest host sends --------------------------------------------- */

TEST_F(gate, hostile_land)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 100);
	counters_take(&before);
	peer_send(p, .flags = SYN, .src = ipaddr("127.0.0.1"), .sport = 999, .seq = 1);
	peer_expect_silence(p, 2000);
	counters_expect(_metadata, &before, NULL);
	/*
	 * Both ends are the kernel's: IPv4's routing recognizes a martian. IPv6 has
	 * none; the answer goes to the claimed source.
	 */
	peer_send(p, .flags = SYN, .src = p->kernel, .sport = KERNEL_PORT, .seq = 1);
	if (p->family == AF_INET6) {
		peer_expect_silence(p, 70000);
		EXPECT_EQ(0, proc_rows(AF_INET, ROW_ESTABLISHED));
	} else {
		peer_expect_silence(p, 2000);
		counters_expect(_metadata, &before, NULL);
	}
	EXPECT_EQ(0, proc_rows(AF_INET, ROW_SYN_RECEIVED));
	close(lfd);
}

TEST_HARNESS_MAIN
