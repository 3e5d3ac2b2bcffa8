// SPDX-License-Identifier: GPL-2.0
/*
 * inroute6: an IPv6 segment of an unknown peer is routed by the CPU's input route
 * cache, and goes where a lookup of its own would send it. Each test first lets some
 * in, so that the cache has an entry, and then one that must not use it. RFC 8200, RFC
 * 4007.
 */
/* vm: short */
#include "lib/xtcp_test.h"

#include <stdlib.h>

PEER_FIXTURE(inroute6);

FIXTURE_VARIANT_ADD(inroute6, native) { .setup = { .family = AF_INET6 } };

#define HERE	"fd00:a::1"

static void syn(struct peer *p, const char *src, const char *dst)
{
	peer_send(p, .flags = SYN, .src = ipaddr(src), .dst = ipaddr(dst), .seq = 1000);
}

static void syn_is_answered(struct peer *p, const char *src, const char *dst)
{
	syn(p, src, dst);
	peer_expect(p, .flags = SYN | ACK, .dst = ipaddr(src), .src = ipaddr(dst),
		    .ack = 1001);
}

/* IP drops it: it never reaches TCP. */
static void syn_never_arrives(struct peer *p, const char *src, const char *dst)
{
	struct counters before;

	counters_take(&before);
	syn(p, src, dst);
	peer_expect_silence(p, 10);
	counters_expect(p->test, &before, NULL);
}

/*
 * A listener on every address that keeps nothing; two segments have filled the cache.
 */
static int way_is_known(struct __test_metadata *_metadata, struct peer *p)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(KERNEL_PORT),
	};
	int fd = stream_socket(AF_INET6);

	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&any, sizeof(any)));
	ASSERT_EQ(0, listen(fd, 16));
	ASSERT_EQ(0, knob_set("syncookies", 2));
	syn_is_answered(p, "2001:db8::1", HERE);
	syn_is_answered(p, "2001:db8::2", HERE);
	return fd;
}

TEST_F(inroute6, an_address_that_went_is_none)
{
	struct ipaddr second = ipaddr("fd00:a::9");
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);

	address_add(WHERE(_metadata), "tun0", &second, 128);
	syn_is_answered(p, "2001:db8::3", "fd00:a::9");
	syn_is_answered(p, "2001:db8::4", "fd00:a::9");
	shell_run(WHERE(_metadata), "ip -6 addr del fd00:a::9/128 dev tun0");
	syn_never_arrives(p, "2001:db8::5", "fd00:a::9");
	syn_is_answered(p, "2001:db8::6", HERE);
	close(lfd);
}

/* Packets come back from user space in a task, which must not use a CPU's cache. */
TEST_F(inroute6, netfilter_queue_a_verdict_brings_it)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);
	struct nfqueue q;

	nfqueue_open(WHERE(_metadata), &q);
	nfqueue_fill(WHERE(_metadata), AF_INET6, "prerouting");
	nfqueue_fill(WHERE(_metadata), AF_INET6, "input");
	for (int i = 0; i < 5; i++) {
		syn(p, "2001:db8::3", HERE);
		nfqueue_pass(WHERE(_metadata), &q);
		nfqueue_pass(WHERE(_metadata), &q);
		peer_expect(p, .flags = SYN | ACK, .dst = ipaddr("2001:db8::3"), .ack = 1001);
	}
	close(q.nl);
	close(lfd);
}

TEST_F(inroute6, a_rule_takes_the_decision)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);

	/*
	 * A rule in front of the table of local addresses, which usually comes first.
	 */
	shell_run(WHERE(_metadata), "ip -6 rule add pref 2 table local && ip -6 rule del pref 0 &&"
		  "ip -6 rule add pref 1 from 2001:db8:1::/48 blackhole");
	syn_never_arrives(p, "2001:db8:1::3", HERE);
	syn_is_answered(p, "2001:db8:2::1", HERE);
	shell_run(WHERE(_metadata), "ip -6 rule del pref 1");
	syn_is_answered(p, "2001:db8:1::3", HERE);
	close(lfd);
}

/* Addresses that share an entry of a CPU's cache, alternating. */
TEST_F(inroute6, many_addresses_alternate)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);
	char dst[32];

	for (int i = 2; i < 18; i++) {
		struct ipaddr addr;

		snprintf(dst, sizeof(dst), "fd00:a:1::%x", i);
		addr = ipaddr(dst);
		address_add(WHERE(_metadata), "tun0", &addr, 128);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 2; i < 18; i++) {
			snprintf(dst, sizeof(dst), "fd00:a:1::%x", i);
			syn_is_answered(p, "2001:db8::7", dst);
		}
	close(lfd);
}

/* RFC 4007: an address is looked up on the link that the segment came by. */
TEST_F(inroute6, a_link_local_address_is_the_links_own)
{
	struct ipaddr own = ipaddr("fe80::a");
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p), other;

	address_add(WHERE(_metadata), "tun0", &own, 64);
	syn_is_answered(p, "fe80::1", "fe80::a");
	syn_is_answered(p, "fe80::2", "fe80::a");
	/* The same by another device, which has no such address. */
	other = p->tun;
	p->tun = tun_new(WHERE(_metadata), "tun1");
	syn_never_arrives(p, "fe80::2", "fe80::a");
	close(p->tun);
	p->tun = other;
	syn_is_answered(p, "fe80::3", "fe80::a");
	close(lfd);
}

/* An answer leaves by that device. */
static void answered_by(struct peer *p, int tun, const char *src)
{
	int usual = p->tun;

	syn(p, src, HERE);
	p->tun = tun;
	peer_expect(p, .flags = SYN | ACK, .dst = ipaddr(src), .src = ipaddr(HERE),
		    .ack = 1001);
	p->tun = usual;
}

static void unanswered(struct peer *p, const char *src)
{
	syn(p, src, HERE);
	peer_expect_silence(p, 10);
}

/* The route of an answer is the current one. */
TEST_F(inroute6, lc_110_changed_route_of_an_answer)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);
	int tun1 = tun_new(WHERE(_metadata), "tun1");

	syn_is_answered(p, "2001:db8:3::3", HERE);
	shell_run(WHERE(_metadata), "ip -6 route add 2001:db8:3::/48 dev tun1");
	answered_by(p, tun1, "2001:db8:3::3");
	answered_by(p, tun1, "2001:db8:3::4");
	syn_is_answered(p, "2001:db8:4::3", HERE);
	shell_run(WHERE(_metadata), "ip -6 route del 2001:db8:3::/48");
	syn_is_answered(p, "2001:db8:3::3", HERE);
	syn_is_answered(p, "2001:db8:3::4", HERE);
	shell_run(WHERE(_metadata), "ip -6 route add unreachable 2001:db8:3::3");
	unanswered(p, "2001:db8:3::3");
	syn_is_answered(p, "2001:db8:3::2", HERE);
	shell_run(WHERE(_metadata), "ip -6 route replace default dev tun1");
	answered_by(p, tun1, "2001:db8:3::2");
	answered_by(p, tun1, "2001:db8:4::3");
	close(lfd);
	close(tun1);
}

/* An address that has become this host's own is no longer reached by the device. */
TEST_F(inroute6, lc_110_a_range_that_became_local)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);

	syn_is_answered(p, "2001:db8:3::3", HERE);
	shell_run(WHERE(_metadata), "ip -6 route add local 2001:db8:3::/48 dev lo");
	unanswered(p, "2001:db8:3::4");
	syn_is_answered(p, "2001:db8:4::3", HERE);
	shell_run(WHERE(_metadata), "ip -6 route del local 2001:db8:3::/48 dev lo table local");
	syn_is_answered(p, "2001:db8:3::4", HERE);
	close(lfd);
}

/*
 * Nested routes, alternating between two devices: an address belongs to the longest
 * prefix, in whatever order segments come.
 */
TEST_F(inroute6, a_range_ends_where_another_route_begins)
{
	static const char *const route[] = {
		"2001:db8::/32", "2001:db8:8000::/33", "2001:db8:c000::/35",
		"2001:db8:c000::/64", "2001:db8:c000::8000:0:0:0/66",
		"2001:db8:c000:0:8000::/67", "2001:db8:c000:0:8000::1/128",
	};
	static const struct {
		const char *src;
		int depth;
	} host[] = {
		{ "2001:db8:1::1", 0 }, { "2001:db8:7fff:ffff::1", 0 },
		{ "2001:db8:8000::1", 1 }, { "2001:db8:a000::1", 1 },
		{ "2001:db8:e000::1", 1 }, { "2001:db8:c000:1::1", 2 },
		{ "2001:db8:dfff::1", 2 }, { "2001:db8:c000::1", 3 },
		{ "2001:db8:c000:0:4000::1", 3 }, { "2001:db8:c000:0:c000::1", 3 },
		{ "2001:db8:c000:0:a000::1", 4 }, { "2001:db8:c000:0:bfff::1", 4 },
		{ "2001:db8:c000:0:8000::2", 5 }, { "2001:db8:c000:0:8000::", 5 },
		{ "2001:db8:c000:0:8000::1", 6 },
	};
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);
	int tun[2] = { p->tun, tun_new(WHERE(_metadata), "tun1") };
	int n = ARRAY_SIZE(host);
	char command[128];

	for (int i = 0; i < (int)ARRAY_SIZE(route); i++) {
		snprintf(command, sizeof(command), "ip -6 route add %s dev tun%d",
			 route[i], i % 2);
		shell_run(WHERE(_metadata), command);
	}
	/* Each after each other one. */
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			answered_by(p, tun[host[i].depth % 2], host[i].src);
			answered_by(p, tun[host[j].depth % 2], host[j].src);
		}
	close(lfd);
	close(tun[1]);
}

TEST_F(inroute6, a_rule_chooses_the_way_back)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);
	int tun1 = tun_new(WHERE(_metadata), "tun1");

	syn_is_answered(p, "2001:db8:3::3", HERE);
	shell_run(WHERE(_metadata), "ip -6 route add default dev tun1 table 100 &&"
		  "ip -6 rule add pref 1 to 2001:db8:3::/48 table 100");
	answered_by(p, tun1, "2001:db8:3::3");
	syn_is_answered(p, "2001:db8:4::3", HERE);
	shell_run(WHERE(_metadata), "ip -6 rule del pref 1");
	syn_is_answered(p, "2001:db8:3::3", HERE);
	close(lfd);
	close(tun1);
}

TEST_F(inroute6, ipsec_has_a_say)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);

	syn_is_answered(p, "2001:db8:3::3", HERE);
	shell_run(WHERE(_metadata), "ip xfrm policy add dst 2001:db8:3::/48 dir out action block");
	unanswered(p, "2001:db8:3::4");
	syn_is_answered(p, "2001:db8:4::3", HERE);
	shell_run(WHERE(_metadata), "ip xfrm policy flush");
	syn_is_answered(p, "2001:db8:3::4", HERE);
	close(lfd);
}

/* Two paths: the flow's hash decides, for each flow as if it were alone. */
TEST_F(inroute6, several_paths_are_all_used)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p), n[2] = { 0, 0 };
	int tun[2] = { p->tun, tun_new(WHERE(_metadata), "tun1") };
	char src[32];

	/* A router does not check whether a gateway is reachable. */
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv6/conf/all/forwarding", "1"));
	shell_run(WHERE(_metadata), "ip -6 route add 2001:db8:3::/48"
		  " nexthop via fe80::1 dev tun0 nexthop via fe80::1 dev tun1");
	for (int i = 1; i <= 64; i++) {
		snprintf(src, sizeof(src), "2001:db8:3::%x", i);
		syn(p, src, HERE);
		for (int way = 0; way < 2; way++) {
			p->tun = tun[way];
			n[way] += peer_drain(p, 1);
		}
		p->tun = tun[0];
	}
	EXPECT_EQ(64, n[0] + n[1]);
	EXPECT_LT(0, n[0]);
	EXPECT_LT(0, n[1]);
	close(lfd);
	close(tun[1]);
}

/* The same for a connection of our own, which has no local address yet. */
TEST_F(inroute6, lc_110_connect_goes_by_what_holds_now)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p), usual = p->tun;
	int tun1 = tun_new(WHERE(_metadata), "tun1");
	struct ipaddr second = ipaddr("2001:db8:3::1");

	address_add(WHERE(_metadata), "tun1", &second, 48);
	for (int i = 0; i < 4; i++) {
		struct sockaddr_in6 to = {
			.sin6_family = AF_INET6, .sin6_port = htons(80),
			.sin6_addr = ipaddr(i % 2 ? "2001:db8:3::9" : "2001:db8:4::9").v6,
		};
		int fd = stream_socket(AF_INET6);

		fd_nonblock(fd);
		EXPECT_EQ(-1, connect(fd, (struct sockaddr *)&to, sizeof(to)));
		p->tun = i % 2 ? tun1 : usual;
		peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80,
			    .src = i % 2 ? second : ipaddr(HERE),
			    .dst = (struct ipaddr){ .family = AF_INET6, .v6 = to.sin6_addr });
		socket_abort(fd);
		p->tun = usual;
	}
	close(lfd);
	close(tun1);
}

TEST_HARNESS_MAIN
