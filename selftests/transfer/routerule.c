// SPDX-License-Identifier: GPL-2.0
/*
 * routerule: a route names the congestion control of its connections, and this one needs ECN
 * ("ip route ... congctl dctcp"). The kernel must have an algorithm of that name itself, or it
 * refuses the route.
 */
/* vm: wires families short distro */
#include "lib/xtcp_test.h"
#include "lib/module.h"

#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <stdlib.h>

#define MODULE "xtcp_cc_dctcp"

/* The ECN field of the IP header. */
enum { NOT_ECT, ECT0 = 2 };

FIXTURE(routerule)
{
	struct peer peer;
};

FIXTURE_SETUP(routerule)
{
	struct peer *p = &self->peer;

	peer_open_at(WHERE(_metadata), p, NULL);
	ASSERT_EQ(0, system("modprobe tcp_dctcp"));
	if (!stock_mode())
		ASSERT_EQ(0, module_load_other(MODULE, ""));
	route_add_metrics(WHERE(_metadata), &p->addr, 32, "tun0",
			  &(struct route_metrics){ .congctl = "dctcp" });
}

FIXTURE_TEARDOWN(routerule)
{
	peer_close_at(WHERE(_metadata), &self->peer);
	if (!stock_mode())
		EXPECT_EQ(0, module_unload_patiently(MODULE));
}

/* The listener has another rule; the SYN asks for ECN and is ECT, as that of DCTCP, or not. */
static void expect_agreement(struct __test_metadata *_metadata, struct peer *p, int ecn, int tos)
{
	union tcp_cc_info info = { };
	socklen_t len = sizeof(info);
	struct conn c;

	peer_note(p, "tcp_ecn = %d, a SYN with ECN %d", ecn, tos);
	ASSERT_EQ(0, knob_set("ecn", ecn));
	conn_start(p, &c);
	conn_send(&c, .flags = SYN | ECE | CWR, .tos = tos);
	conn_expect(&c, .flags = SYN | ACK | ECE, .ack = 1);
	conn_send(&c, .flags = ACK, .tos = tos);
	conn_accept(&c);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_CC_INFO, &info, &len));
	EXPECT_EQ(1, info.dctcp.dctcp_enabled);
	conn_send(&c, .flags = RST);
	close(c.fd);
	close(c.lfd);
}

TEST_F(routerule, a_listener_agrees_on_ecn_for_the_routes_rule)
{
	struct peer *p = &self->peer;

	expect_agreement(_metadata, p, 2, ECT0);
	expect_agreement(_metadata, p, 2, NOT_ECT);
	expect_agreement(_metadata, p, 0, ECT0);
	expect_agreement(_metadata, p, 0, NOT_ECT);
}

/* Without an offer nothing is agreed. */
TEST_F(routerule, no_ecn_without_an_offer)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	conn_send(&c, .flags = SYN, .tos = ECT0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = RST, .seq = 1);
	close(c.lfd);
}

TEST_F(routerule, connect_offers_ecn_for_the_routes_rule)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("ecn", 0));
	conn_start(p, &c, .active = true);
	conn_expect(&c, .flags = SYN | ECE | CWR, .tos = ECT0);
	conn_send(&c, .flags = RST | ACK, .ack = 1);
	close(c.fd);
}

TEST_HARNESS_MAIN
