// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6subtree: routes for a range of sources (ip-route(8), from), for which the kernel needs
 * CONFIG_IPV6_SUBTREES, as Debian's kernels have it.
 */
/* vm: wires short */
#include "lib/xtcp_test.h"

PEER_FIXTURE(ipv6subtree);

FIXTURE_VARIANT_ADD(ipv6subtree, native) { .setup = { .family = AF_INET6 } };

/*
 * A route for a range of sources (ip-route(8), from) keeps an MTU for both addresses: that of the
 * connection, although its listener has none.
 */
TEST_F(ipv6subtree, rfc8201_too_big_on_a_route_of_some_sources)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(7000) };
	int lfd = stream_socket(AF_INET6);
	struct peer *p = &self->peer;
	struct conn c;

	shell_run(WHERE(_metadata), "ip -6 route add fd00:a::2 from fd00:a::/64 dev tun0");
	ASSERT_EQ(0, bind(lfd, (struct sockaddr *)&any, sizeof(any)));
	ASSERT_EQ(0, listen(lfd, 4));
	conn_open(p, &c, .kport = 7000, .lfd = lfd);
	conn_write(&c, 1440);
	conn_expect(&c, .len = 1440);
	peer_send_icmp(p, .v6 = true, .type = 2 /* too big */, .rest = 1300);
	conn_expect(&c, .seq = 1, .len = 1240);
	conn_expect(&c, .seq = 1241, .len = 200);
	EXPECT_EQ(1240, conn_info(&c).snd_mss);
	conn_send(&c, .flags = ACK);
}

TEST_HARNESS_MAIN
