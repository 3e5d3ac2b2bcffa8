// SPDX-License-Identifier: GPL-2.0
/* vm: short */
/*
 * vanish: between the hook and the protocol's handler. A queue to user space, behind
 * the hook, holds a segment there: its header has the native wire's number, and its
 * connection or port may go away meanwhile. LC-116.
 */
#include "lib/xtcp_test.h"

#include <netinet/ip.h>

FIXTURE(vanish) {
	struct peer peer;
	struct nfqueue queue;
};

FIXTURE_SETUP(vanish)
{
	peer_open_at(WHERE(_metadata), &self->peer, &(struct peer_setup){ .wire = XTCP_WIRE_TCP });
	nfqueue_open(WHERE(_metadata), &self->queue);
	/*
	 * Behind the hook; segments for port 5001 wait there. No set of protocols:
	 * nf_tables looks up its sets in a way that lockdep complains about.
	 */
	ASSERT_EQ(0, system("nft 'table ip t { chain in { type filter hook input priority "
			    "2147483647; ip protocol 6 th dport 5001 queue num 5; "
			    "ip protocol 253 th dport 5001 queue num 5; }; }'"));
}

FIXTURE_TEARDOWN(vanish)
{
	close(self->queue.nl);
	peer_close_at(WHERE(_metadata), &self->peer);
}

/* A socket of xtcp that is bound to the port that is queued. */
static int port_held(struct __test_metadata *_metadata, FIXTURE_DATA(vanish) *self)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&p->kernel, 5001, &ss);
	int fd = stream_socket(p->family);

	socket_set_wire_tcp(fd);
	EXPECT_EQ(0, socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	EXPECT_EQ(0, bind(fd, (struct sockaddr *)&ss, len));
	return fd;
}

/* A listener there, and a SYN held in the queue. */
static int syn_held(struct __test_metadata *_metadata, FIXTURE_DATA(vanish) *self)
{
	struct peer *p = &self->peer;
	int lfd = port_held(_metadata, self);

	ASSERT_EQ(0, listen(lfd, 4));
	peer_send(p, .flags = SYN, .seq = 1000, .dport = 5001, .opt = OPT(OPT_MSS(1460)));
	nfqueue_take(WHERE(_metadata), &self->queue);
	return lfd;
}

/* Its header says 253 there; on its way on it is a TCP segment again. */
TEST_F(vanish, the_number_is_changed_and_restored)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	EXPECT_EQ(XTCP_WIRE_NATIVE, ((struct iphdr *)self->queue.packet)->protocol);
	peer_expect_silence(p, 100);
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	close(lfd);
}

/*
 * The port is no longer xtcp's: the kernel's TCP takes it, and refuses the connection.
 */
TEST_F(vanish, lc_116_a_syn_whose_listener_has_gone)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	close(lfd);
	p->stock_may_speak = true;
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = RST | ACK, .ack = 1001, .sport = 5001);
}

/* Now the port belongs to the kernel's TCP: it gets the segment whole. */
TEST_F(vanish, lc_116_a_syn_whose_port_has_a_new_owner)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&p->kernel, 5001, &ss);
	int lfd, stock;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	close(lfd);
	stock = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	ASSERT_EQ(0, bind(stock, (struct sockaddr *)&ss, len));
	ASSERT_EQ(0, listen(stock, 4));
	p->stock_may_speak = true;
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	close(stock);
}

/*
 * The record of a half-open connection has gone while its third segment was held. If xtcp still
 * has the port (@keeps) it answers as to any unknown peer, else the kernel's TCP does.
 */
static void data_whose_connection_has_gone(struct __test_metadata *_metadata,
					   FIXTURE_DATA(vanish) *self, bool keeps)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd, keeper = -1;

	if (keeps)
		keeper = port_held(_metadata, self);
	lfd = syn_held(_metadata, self);
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	peer_send(p, .flags = ACK, .seq = 1001, .ack = p->last.seq + 1, .dport = 5001);
	nfqueue_take(WHERE(_metadata), &self->queue);
	close(lfd);
	p->stock_may_speak = !keeps;
	counters_take(&before);
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = RST, .seq = p->last.seq + 1, .sport = 5001);
	if (keeps)
		counters_expect(_metadata, &before, "InSegs", 1, "OutSegs", 1, "OutRsts", 1,
				"XtcpResetSentNoConnection", 1, NULL);
	else
		counters_expect(_metadata, &before, NULL);
	close(keeper);
}

TEST_F(vanish, lc_116_data_whose_connection_has_gone)
{
	NOT_ON_STOCK();
	data_whose_connection_has_gone(_metadata, self, false);
}

TEST_F(vanish, lc_116_data_whose_connection_has_gone_from_our_port)
{
	NOT_ON_STOCK();
	data_whose_connection_has_gone(_metadata, self, true);
}

/* A SYN for a listener of the kernel's TCP is held. */
static int stocks_syn_held(struct __test_metadata *_metadata, FIXTURE_DATA(vanish) *self)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&p->kernel, 5001, &ss);
	int stock = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

	p->stock_may_speak = true;
	ASSERT_EQ(0, bind(stock, (struct sockaddr *)&ss, len));
	ASSERT_EQ(0, listen(stock, 4));
	peer_send(p, .flags = SYN, .seq = 1000, .dport = 5001, .opt = OPT(OPT_MSS(1460)));
	nfqueue_take(WHERE(_metadata), &self->queue);
	return stock;
}

/* The kernel empties queues to user space when a hook is unregistered. */
TEST_F(vanish, queues_outlive_a_listener_of_ours)
{
	struct peer *p = &self->peer;
	int stock, lfd;

	NOT_ON_STOCK();
	lfd = stream_socket(AF_INET);
	socket_set_wire_tcp(lfd);
	ASSERT_EQ(0, socket_bind(lfd, "", 5002));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	stock = stocks_syn_held(_metadata, self);
	close(lfd);
	peer_expect_silence(p, 4000);
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	close(stock);
}

/* Nor does the end of a flood, whose SYNs were dropped before they were routed. */
TEST_F(vanish, queues_outlive_a_flood)
{
	struct peer *p = &self->peer;
	struct counters before;
	int stock, lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syncookies", 0));
	lfd = stream_socket(AF_INET);
	socket_set_wire_tcp(lfd);
	ASSERT_EQ(0, socket_bind(lfd, "", 5002));
	ASSERT_EQ(0, socket_listen(lfd, 0));
	stock = stocks_syn_held(_metadata, self);
	peer_send(p, .flags = SYN, .seq = 1, .sport = 4000, .dport = 5002);
	peer_expect(p, .flags = SYN | ACK, .ack = 2, .sport = 5002, .dport = 4000);
	for (int i = 0; i < 200; i++)
		peer_send(p, .flags = SYN, .seq = 1, .sport = 4001 + i, .dport = 5002);
	sleep_ms(20);
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 1, .sport = 5001, .dport = 5002);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1,
			"TCPReqQFullDrop", 1, "XtcpSynEarlyDrop", 1, NULL);
	peer_send(p, .flags = RST, .seq = 2, .sport = 4000, .dport = 5002);
	peer_expect_silence(p, 4500);
	nfqueue_accept(WHERE(_metadata), &self->queue);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	close(lfd);
	close(stock);
}

TEST_HARNESS_MAIN
