// SPDX-License-Identifier: GPL-2.0
/*
 * noipv6: a kernel that was booted without IPv6. xtcp loads, has the same errors for
 * IPv6 as the kernel's TCP, and IPv4 works as usual, with all of its hooks.
 */
/* vm: append=ipv6.disable=1 short */
#include "lib/xtcp_test.h"

#include <errno.h>
#include <sys/stat.h>

PEER_FIXTURE(noipv6);
PAIR_FIXTURE(noipv6_pair);

/* Otherwise the rest proves nothing. */
TEST_F(noipv6, the_kernel_has_none)
{
	struct stat st;

	EXPECT_EQ(-1, stat("/proc/net/if_inet6", &st));
	EXPECT_EQ(-1, stat("/proc/sys/net/ipv6/conf", &st));
}

TEST_F(noipv6, socket_is_eafnosupport)
{
	EXPECT_EQ(-1, stream_socket(AF_INET6));
	EXPECT_EQ(EAFNOSUPPORT, errno);
	EXPECT_EQ(-1, socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP));
	EXPECT_EQ(EAFNOSUPPORT, errno);
}

TEST_F(noipv6, ipv4_lives_and_dies)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text");
	conn_send(&c, .flags = ACK | PSH, .data = "back");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	conn_advance(&c, ST_TIME_WAIT, false);
	close(c.fd);
	/* The files of both families exist, and one is empty. */
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_TIME_WAIT));
	if (!stock_mode())
		EXPECT_EQ(0, proc_rows(AF_INET6, 0));
}

/* There is one hook before routing for each family. */
TEST_F(noipv6, syns_are_dropped_early)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syncookies", 0));
	lfd = peer_listen(p, KERNEL_PORT, 0);
	second_begin();
	peer_send(p, .flags = SYN, .seq = 1, .sport = 1000);
	peer_expect(p, .flags = SYN | ACK, .ack = 2, .dport = 1000);
	for (int i = 1; i < 200; i++)
		peer_send(p, .flags = SYN, .seq = 1, .sport = 1000 + i);
	peer_expect_silence(p, 20);
	counters_take(&before);
	for (int i = 200; i < 220; i++)
		peer_send(p, .flags = SYN, .seq = 1, .sport = 1000 + i);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 20, "ListenDrops", 20,
			"TCPReqQFullDrop", 20, "XtcpSynEarlyDrop", 20, NULL);
	close(lfd);
}

TEST_F(noipv6_pair, text_arrives)
{
	int client, server;

	pair_connected(&self->pair, KERNEL_PORT, &client, &server);
	stream_transfer(_metadata, client, server, 300000, 5000);
	close(client);
	close(server);
}

TEST_HARNESS_MAIN
