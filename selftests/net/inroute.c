// SPDX-License-Identifier: GPL-2.0
/*
 * inroute: a segment without a socket is routed by the CPU's input route cache, and
 * accepted or refused as if it had been looked up itself. Each test first lets a
 * segment in, so that the cache has an entry, and then one that must not use it. RFC
 * 1122 3.2.1.3, RFC 3704 (reverse path), Linux's ip-sysctl. (demux.c counts the
 * lookups.)
 */
/* vm: wires short */
#include "lib/xtcp_test.h"

PEER_FIXTURE(inroute);

#define CONF "/proc/sys/net/ipv4/conf/"

static void syn(struct peer *p, const char *src, const char *dst)
{
	peer_send(p, .flags = SYN, .src = ipaddr(src), .dst = ipaddr(dst), .seq = 1000);
}

static void expect_syn_ack(struct peer *p, const char *src, const char *dst)
{
	peer_expect(p, .flags = SYN | ACK, .dst = ipaddr(src), .src = ipaddr(dst),
		    .ack = 1001);
}

static void syn_is_answered(struct peer *p, const char *src, const char *dst)
{
	syn(p, src, dst);
	expect_syn_ack(p, src, dst);
}

/* IP drops it: it never reaches TCP. */
static void syn_never_arrives(struct peer *p, const char *src, const char *dst)
{
	struct counters before;

	counters_take(&before);
	/* Linux's own file has this one, too. */
	if (stock_mode())
		counters_ignore(&before, "IPReversePathFilter", NULL);
	syn(p, src, dst);
	peer_expect_silence(p, 10);
	counters_expect(p->test, &before, NULL);
}

/* A listener on every address that keeps nothing; the default route is tun0. */
static int listen_and_fill_cache(struct __test_metadata *_metadata, struct peer *p)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET, .sin_port = htons(KERNEL_PORT),
	};
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&any, sizeof(any)));
	ASSERT_EQ(0, listen(fd, 16));
	ASSERT_EQ(0, knob_set("syncookies", 2));
	route_add_default(WHERE(_metadata), "tun0", AF_INET);
	syn_is_answered(p, "192.0.2.1", "10.0.0.1");
	syn_is_answered(p, "192.0.2.2", "10.0.0.1");
	return fd;
}

TEST_F(inroute, rfc9293_must_63_no_martian_follows_an_honest_host)
{
	static const char *const from[] = {
		"0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255",
		"127.0.0.1", "10.0.0.1",
	};
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p);

	for (size_t i = 0; i < ARRAY_SIZE(from); i++)
		syn_never_arrives(p, from[i], "10.0.0.1");
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	close(lfd);
}

/* IP lets these through, xtcp does not. */
TEST_F(inroute, rfc9293_must_63_no_broadcast_source)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = listen_and_fill_cache(_metadata, p);
	syn(p, "10.0.0.255", "10.0.0.1");
	syn(p, "0.1.2.3", "10.0.0.1");
	peer_expect_silence(p, 10);
	close(lfd);
}

/* The route to 192.0.2.7 is by a second device, which this returns. */
static int far_by_tun1(struct __test_metadata *_metadata)
{
	struct ipaddr far = ipaddr("192.0.2.7");
	int tun1 = tun_new(WHERE(_metadata), "tun1");

	route_add(WHERE(_metadata), &far, 32, NULL, "tun1");
	return tun1;
}

/*
 * RFC 3704 2.2 and 2.3: the route back must be the way that the segment came, or must
 * exist.
 */
TEST_F(inroute, reverse_path_is_looked_at)
{
	struct peer *p = &self->peer;
	int lfd, tun0 = p->tun, tun1 = far_by_tun1(_metadata);

	lfd = listen_and_fill_cache(_metadata, p);
	/* No reverse-path check. */
	syn(p, "192.0.2.7", "10.0.0.1");
	p->tun = tun1;
	expect_syn_ack(p, "192.0.2.7", "10.0.0.1");
	p->tun = tun0;
	ASSERT_EQ(0, sysctl_write(CONF "tun0/rp_filter", "1"));
	syn_never_arrives(p, "192.0.2.7", "10.0.0.1");
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	ASSERT_EQ(0, sysctl_write(CONF "tun0/rp_filter", "2"));
	syn(p, "192.0.2.7", "10.0.0.1");
	p->tun = tun1;
	expect_syn_ack(p, "192.0.2.7", "10.0.0.1");
	/*
	 * It may come by the other device, too: an address may be reached by any
	 * device.
	 */
	syn_is_answered(p, "192.0.2.7", "10.0.0.1");
	p->tun = tun0;
	ASSERT_EQ(0, sysctl_write(CONF "tun0/rp_filter", "0"));
	ASSERT_EQ(0, sysctl_write(CONF "all/rp_filter", "1"));
	syn_never_arrives(p, "192.0.2.7", "10.0.0.1");
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	close(lfd);
	close(tun1);
}

/* The same source twice: the cache holds the route, not the result of the check. */
TEST_F(inroute, reverse_path_of_a_repeated_source)
{
	struct peer *p = &self->peer;
	int lfd, tun0 = p->tun, tun1 = far_by_tun1(_metadata);

	lfd = listen_and_fill_cache(_metadata, p);
	ASSERT_EQ(0, sysctl_write(CONF "tun0/rp_filter", "1"));
	p->tun = tun1;
	syn_is_answered(p, "192.0.2.7", "10.0.0.1");
	syn_is_answered(p, "192.0.2.7", "10.0.0.1");
	p->tun = tun0;
	syn_never_arrives(p, "192.0.2.7", "10.0.0.1");
	close(lfd);
	close(tun1);
}

TEST_F(inroute, a_rule_takes_the_decision)
{
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p);

	/*
	 * A rule in front of the table of local addresses, which usually comes first.
	 */
	shell_run(WHERE(_metadata), "ip rule add pref 2 table local && ip rule del pref 0 &&"
		  "ip rule add pref 1 from 192.0.2.0/24 blackhole");
	syn_never_arrives(p, "192.0.2.3", "10.0.0.1");
	syn_is_answered(p, "198.51.100.1", "10.0.0.1");
	shell_run(WHERE(_metadata), "ip rule del pref 1");
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	close(lfd);
}

TEST_F(inroute, an_address_that_went_is_none)
{
	struct ipaddr second = ipaddr("10.0.0.9");
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p);

	address_add(WHERE(_metadata), "tun0", &second, 24);
	syn_is_answered(p, "192.0.2.3", "10.0.0.9");
	syn_is_answered(p, "192.0.2.4", "10.0.0.9");
	shell_run(WHERE(_metadata), "ip addr del 10.0.0.9/24 dev tun0");
	syn_never_arrives(p, "192.0.2.5", "10.0.0.9");
	syn_is_answered(p, "192.0.2.6", "10.0.0.1");
	close(lfd);
}

/* Addresses that share an entry of a CPU's cache, alternating. */
TEST_F(inroute, many_addresses_alternate)
{
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p);
	char dst[16];

	for (int i = 2; i < 34; i++) {
		struct ipaddr addr;

		snprintf(dst, sizeof(dst), "10.0.1.%d", i);
		addr = ipaddr(dst);
		address_add(WHERE(_metadata), "tun0", &addr, 32);
	}
	for (int round = 0; round < 3; round++)
		for (int i = 2; i < 34; i++) {
			snprintf(dst, sizeof(dst), "10.0.1.%d", i);
			syn_is_answered(p, "192.0.2.3", dst);
		}
	close(lfd);
}

/* Loopback addresses are reached from outside only where a knob allows it. */
TEST_F(inroute, loopback_is_not_reached)
{
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p);

	ASSERT_EQ(0, sysctl_write(CONF "tun0/route_localnet", "1"));
	syn_is_answered(p, "192.0.2.3", "127.0.0.1");
	syn_is_answered(p, "192.0.2.4", "127.0.0.1");
	ASSERT_EQ(0, sysctl_write(CONF "tun0/route_localnet", "0"));
	syn_never_arrives(p, "192.0.2.5", "127.0.0.1");
	close(lfd);
}

/* The route of an answer is the current one. */
TEST_F(inroute, lc_110_changed_route_of_an_answer)
{
	struct ipaddr net = ipaddr("192.0.2.0");
	struct where at = WHERE(_metadata);
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p), tun0 = p->tun;
	int tun1 = tun_new(at, "tun1");

	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	route_add(at, &net, 24, NULL, "tun1");
	syn(p, "192.0.2.3", "10.0.0.1");
	p->tun = tun1;
	expect_syn_ack(p, "192.0.2.3", "10.0.0.1");
	close(tun1);
	p->tun = tun0;
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	shell_run(WHERE(_metadata), "ip route add unreachable 192.0.2.3");
	syn(p, "192.0.2.3", "10.0.0.1");
	peer_expect_silence(p, 10);
	syn_is_answered(p, "192.0.2.4", "10.0.0.1");
	close(lfd);
}

/* Differentiated services may choose the route to one of our addresses. */
TEST_F(inroute, dscp_has_a_say)
{
	struct peer *p = &self->peer;
	int lfd = listen_and_fill_cache(_metadata, p);

	shell_run(WHERE(_metadata), "ip route add blackhole 10.0.0.1 tos 0x10 table local");
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	peer_send(p, .flags = SYN, .src = ipaddr("192.0.2.3"), .seq = 1000, .tos = 0x10);
	peer_expect_silence(p, 10);
	syn_is_answered(p, "192.0.2.3", "10.0.0.1");
	close(lfd);
}

TEST_HARNESS_MAIN
