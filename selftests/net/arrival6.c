// SPDX-License-Identifier: GPL-2.0
/*
 * arrival6: a stranger's segment of IPv6 is routed by what the one before was, and
 * goes where it would have gone by itself. Each test first lets some in, so that
 * the way is known, and then one that must not take it. RFC 8200, RFC 4007.
 */
/* vm: short */
#include "lib/xtcp_test.h"

#include <stdlib.h>

PEER_FIXTURE(arrival6);

FIXTURE_VARIANT_ADD(arrival6, native) { .setup = { .family = AF_INET6 } };

#define HERE	"fd00:a::1"

static void run(struct __test_metadata *_metadata, const char *command)
{
	ASSERT_EQ(0, system(command)) TH_LOG("%s", command);
}

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

/* IP drops it: it never comes up to TCP. */
static void syn_never_arrives(struct peer *p, const char *src, const char *dst)
{
	struct counters before;

	counters_take(&before);
	syn(p, src, dst);
	peer_expect_silence(p, 10);
	counters_expect(p->test, &before, NULL);
}

/* A listener on every address that keeps nothing; two have come by the way. */
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

TEST_F(arrival6, an_address_that_went_is_none)
{
	struct ipaddr second = ipaddr("fd00:a::9");
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);

	address_add(WHERE(_metadata), "tun0", &second, 128);
	syn_is_answered(p, "2001:db8::3", "fd00:a::9");
	syn_is_answered(p, "2001:db8::4", "fd00:a::9");
	run(_metadata, "ip -6 addr del fd00:a::9/128 dev tun0");
	syn_never_arrives(p, "2001:db8::5", "fd00:a::9");
	syn_is_answered(p, "2001:db8::6", HERE);
	close(lfd);
}

TEST_F(arrival6, a_rule_takes_the_decision)
{
	struct peer *p = &self->peer;
	int lfd = way_is_known(_metadata, p);

	/* Ahead of the table of local addresses, which usually comes first. */
	run(_metadata, "ip -6 rule add pref 2 table local && ip -6 rule del pref 0 &&"
		       "ip -6 rule add pref 1 from 2001:db8:1::/48 blackhole");
	syn_never_arrives(p, "2001:db8:1::3", HERE);
	syn_is_answered(p, "2001:db8:2::1", HERE);
	run(_metadata, "ip -6 rule del pref 1");
	syn_is_answered(p, "2001:db8:1::3", HERE);
	close(lfd);
}

/* Addresses that share a place in a CPU's memory, in turns. */
TEST_F(arrival6, many_addresses_in_turns)
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

/* RFC 4007: an address is looked for on the link that the segment came by. */
TEST_F(arrival6, a_link_local_address_is_the_links_own)
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

TEST_HARNESS_MAIN
