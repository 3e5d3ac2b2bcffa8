// SPDX-License-Identifier: GPL-2.0
/*
 * offload: many segments in one skb, and the packets where a device does not take them
 * whole: each is captured behind the device, with one of its offloads off in turn, and
 * its checksums and payload are checked here. On the path, in the middle (a router),
 * and where segments are lost one by one. RFC 9293 MUST-2.
 */
/* vm: wires families short */
/* vm: still=a_block_counts_whole_segments */
/* vm: still=rfc9293_must_02_without_gso_and_tso */
/* vm: still=rfc9293_must_02_without_tx_checksums */
/* vm: still=veth_takes_them_whole */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

PEER_FIXTURE(tun);
PAIR_FIXTURE(offload);

#define PORT 7000
#define MSS 1000
#define BYTES 400000
#define MTU mtu_of(1500)
#define STALL_MS 20000

unsigned int if_nametoindex(const char *name);

/* A device without offloads gets segments: numbers, flags, ids, checksums. */
TEST_F(tun, one_write_becomes_ten_segments)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int id = 0;

	NOT_ON_STOCK();		/* which sends them in smaller skbs */
	/* The first handshake of a guest takes 10 ms. Pacing would send two segments at a time. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_send(&c, .flags = RST);
	close(c.fd);
	close(c.lfd);
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	counters_take(&before);
	conn_write(&c, 9 * MSS + 300);
	/* Two skbs, each with PSH in its last segment: one takes half of cwnd. */
	for (int i = 0; i < 10; i++) {
		const struct segment *s;

		/* conn_expect() takes none whose checksum is wrong. */
		s = conn_expect(&c, .flags = ACK | (i % 5 == 4 ? PSH : 0), .seq = 1 + i * MSS,
				.len = i == 9 ? 300 : MSS, .pattern = i * MSS);
		if (!i)
			id = s->ip_id;
		/* IPv6's header has no id: only fragments have one. */
		if (p->family == AF_INET)
			EXPECT_EQ((uint16_t)(id + i), s->ip_id);
	}
	counters_expect(_metadata, &before, "OutSegs", 10, "TCPOrigDataSent", 10, NULL);
	conn_send(&c, .flags = ACK);
}

/* GRO merges packets with consecutive ids: also across skbs, whatever their sizes. */
TEST_F(tun, identifications_go_on)
{
	static const int sizes[] = { 8, 2, 1, 1, 5 };
	struct peer *p = &self->peer;
	struct conn c;
	int id = -1, at = 1;

	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		conn_write(&c, sizes[i] * MSS);
		for (int end = at + sizes[i] * MSS; at < end; at += MSS) {
			int now = conn_expect(&c, .seq = at, .len = MSS)->ip_id;

			/* IPv6's header has no id: only fragments have one. */
			if (id >= 0 && p->family == AF_INET)
				EXPECT_EQ((uint16_t)(id + 1), now);
			id = now;
		}
		conn_send(&c, .flags = ACK, .ack = at);
	}
}

TEST_F(tun, fin_is_on_the_last_segment_only)
{
	struct peer *p = &self->peer;
	struct conn c;

	/* All of it waits for a window, and is sent in one skb. */
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)), .wnd = 0);
	conn_write(&c, 3 * MSS);
	shutdown(c.fd, SHUT_WR);
	peer_expect_silence(p, 50);
	conn_send(&c, .flags = ACK, .wnd = 60000);
	conn_expect(&c, .flags = ACK, .seq = 1, .len = MSS);
	conn_expect(&c, .flags = ACK, .seq = 1 + MSS, .len = MSS);
	conn_expect(&c, .flags = ACK | PSH | FIN, .seq = 1 + 2 * MSS, .len = MSS);
	conn_send(&c, .flags = ACK);
}

/* The sum of a segment goes over the end of a source route, not over its first hop. */
TEST_F(tun, rfc9293_must_51_source_route)
{
	static const uint8_t route[] = { 131, 11, 4, 10, 0, 0, 7, 10, 0, 0, 2, 0 };
	struct peer *p = &self->peer;
	const struct segment *seg;
	struct conn c;
	int packets = 0, wrong = 0;

	if (p->family != AF_INET)
		return;
	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	ASSERT_EQ(0, setsockopt(c.fd, IPPROTO_IP, IP_OPTIONS, route, sizeof(route)));
	ASSERT_EQ(700, send(c.fd, (char [700]){ 0 }, 700, 0));
	usleep(1000);
	ASSERT_EQ(4000, send(c.fd, (char [4000]){ 0 }, 4000, 0));
	while ((seg = peer_read(p, now_ns() + 20 * NSEC_PER_MSEC))) {
		int header = (seg->packet[0] & 15) * 4;
		int len = (seg->packet[2] << 8 | seg->packet[3]) - header;
		/* 10.0.0.1 to 10.0.0.2, which the header does not name. */
		uint32_t pseudo = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + seg->packet[9] + len;

		packets++;
		wrong += !!ip_checksum(seg->packet + header, len, pseudo);
	}
	EXPECT_LT(3, packets);
	EXPECT_EQ(0, wrong) TH_LOG("%d of %d", wrong, packets);
	p->leave_unread = true;
}

/* A segment in the middle of an skb is lost: it alone is sent again. */
TEST_F(tun, a_lost_segment_is_cut_out)
{
	struct counters before;
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_NOP, OPT_SACKOK));
	flight_write(&c, 8);
	flight_expect_all(&c, 0, 7);
	counters_take(&before);
	flight_sack(&c, 3, { 4, 8 });
	flight_expect(&c, 3, .pattern = 3 * MSS);
	peer_expect_silence(p, 100);
	EXPECT_EQ(1, counter_moved(&before, "RetransSegs"));
	conn_send(&c, .flags = ACK, .ack = 1 + 8 * MSS);
}

/* A block that covers half of a segment reports nothing of it. */
TEST_F(tun, a_block_counts_whole_segments)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS), OPT_NOP, OPT_NOP, OPT_SACKOK));
	flight_write(&c, 6);
	flight_expect_all(&c, 0, 5);
	/* Half of the second, all of the third and fourth, half of the fifth. */
	conn_send_sack(&c, 1, { 1 + 3 * MSS / 2, 1 + 9 * MSS / 2 });
	EXPECT_EQ(2, conn_tcp_info(&c).tcpi_sacked);
	conn_send(&c, .flags = ACK, .ack = 1 + 6 * MSS);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_sacked);
}

/* An acknowledgement ends within an skb: the rest of the skb is retransmitted. */
TEST_F(tun, a_partial_acknowledgement)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(MSS)));
	conn_write(&c, 5 * MSS);
	flight_expect_all(&c, 0, 4);
	conn_send(&c, .flags = ACK, .ack = 1 + 2 * MSS + 400);
	EXPECT_EQ(3, conn_tcp_info(&c).tcpi_unacked);
	conn_expect(&c, .seq = 1 + 2 * MSS + 400, .len = MSS, .pattern = 2 * MSS + 400,
		    .within_ms = 1500);
	conn_send(&c, .flags = ACK, .ack = 1 + 5 * MSS);
	EXPECT_EQ(0, conn_tcp_info(&c).tcpi_unacked);
}

static int capture_begin(struct __test_metadata *_metadata, const char *device, int proto)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(proto),
		.sll_ifindex = if_nametoindex(device),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(proto));

	ASSERT_LE(0, fd);
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	ASSERT_EQ(0, bind(fd, (void *)&sll, sizeof(sll)));
	return fd;
}

/* Captures everything that arrives by a device, from now on. */
static int capture_open(struct __test_metadata *_metadata, const char *device)
{
	return capture_begin(_metadata, device,
			     test_family() == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP);
}

struct captured {
	int packets, largest, wrong, unsummed;
	int64_t bytes;
};

/* All that was captured. The payload is the pattern from the first segment on. */
static struct captured capture_read(int fd)
{
	struct captured all = { 0 };
	static struct segment s;
	uint32_t first = 0;
	bool begun = false;
	ssize_t n;

	while ((n = recv(fd, s.packet, sizeof(s.packet), MSG_TRUNC)) > 0) {
		if (n > all.largest)
			all.largest = n;
		s.packet_len = n;
		segment_parse(&s, stream_wire());
		if (!s.is_tcp)
			continue;
		all.packets++;
		if (!s.csum_ok)
			all.unsummed++;
		if (!s.len)
			continue;
		if (!begun) {
			first = s.seq;
			begun = true;
		}
		if (pattern_check(s.data, s.len, s.seq - first) >= 0)
			all.wrong++;
		all.bytes += s.len;
	}
	return all;
}

/* Both devices lack one offload; what arrives behind the client's device? */
static struct captured transfer_without(struct __test_metadata *_metadata, struct pair *pr,
					const uint32_t *offloads)
{
	int client, server, capture;
	struct captured all;

	for (; *offloads; offloads++) {
		pair_enter(pr, CLIENT);
		link_set_offload(WHERE(_metadata), "veth0", *offloads, false);
		pair_enter(pr, SERVER);
		link_set_offload(WHERE(_metadata), "veth1", *offloads, false);
	}
	pair_connected(pr, PORT, &client, &server);
	pair_enter(pr, SERVER);
	capture = capture_open(_metadata, "veth1");
	stream_transfer(_metadata, client, server, BYTES, STALL_MS);
	all = capture_read(capture);
	EXPECT_EQ(BYTES, all.bytes);
	close(capture);
	close(client);
	close(server);
	return all;
}

/* A veth may leave out the checksum of the TCP wire's segments, as of any TCP's. */
static int unsummed_max(const uint32_t *offloads)
{
	if (stream_wire() != XTCP_WIRE_TCP)
		return 0;
	for (; *offloads; offloads++)
		if (*offloads == ETHTOOL_STXCSUM)
			return 0;
	return INT_MAX;
}

#define OFFLOAD_TEST(name, ...) \
	TEST_F(offload, name) \
	{ \
		const uint32_t off[] = { __VA_ARGS__, 0 }; \
		struct captured all; \
 \
		NOT_ON_STOCK();		/* veth may leave out its checksums */ \
		all = transfer_without(_metadata, &self->pair, off); \
		EXPECT_EQ(0, all.wrong); \
		EXPECT_GE(unsummed_max(off), all.unsummed); \
		EXPECT_EQ(MTU, all.largest); \
		EXPECT_LE(BYTES / MTU, all.packets); \
	}

OFFLOAD_TEST(rfc9293_must_02_without_tso, ETHTOOL_STSO)
OFFLOAD_TEST(rfc9293_must_02_without_gso_and_tso, ETHTOOL_SGSO, ETHTOOL_STSO)
OFFLOAD_TEST(rfc9293_must_02_without_sg, ETHTOOL_SSG)
OFFLOAD_TEST(rfc9293_must_02_without_tx_checksums, ETHTOOL_STXCSUM)
OFFLOAD_TEST(rfc9293_must_02_without_all, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SSG,
	     ETHTOOL_STXCSUM)

/* So does the checksum of a single small segment; the native wire's is computed at once. */
TEST_F(offload, veth_takes_a_small_one_without_its_sum)
{
	int client, server, capture;
	struct captured all;

	pair_connected(&self->pair, PORT, &client, &server);
	pair_enter(&self->pair, SERVER);
	capture = capture_open(_metadata, "veth1");
	ASSERT_EQ(1, send(client, "\0", 1, 0));
	sleep_ms(20);
	all = capture_read(capture);
	EXPECT_EQ(1, all.bytes);
	EXPECT_EQ(stream_wire() == XTCP_WIRE_TCP, all.unsummed);
	close(capture);
	close(client);
	close(server);
}

/* To the other side of a veth pair they go whole and without checksums. */
TEST_F(offload, veth_takes_them_whole)
{
	struct captured all = transfer_without(_metadata, &self->pair, (const uint32_t[]){ 0 });

	EXPECT_LT(10 * MTU, all.largest);
	EXPECT_GT(BYTES / MTU / 4, all.packets);
}

/* What the sender's host segments costs the receiver's buffer no more than it holds. */
TEST_F(offload, segments_cost_the_receiver_their_memory_once)
{
	static const uint32_t off[] = { ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO };
	int client, server, unread = 0;
	static char text[30000];

	for (int i = 0; i < 3; i++) {
		pair_enter(&self->pair, CLIENT);
		link_set_offload(WHERE(_metadata), "veth0", off[i], false);
		pair_enter(&self->pair, SERVER);
		link_set_offload(WHERE(_metadata), "veth1", off[i], false);
	}
	pair_connected(&self->pair, PORT, &client, &server);
	ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), 0));
	for (int i = 0; i < 100 && unread < (int)sizeof(text); i++) {
		sleep_ms(10);
		unread = socket_count(server, SIOCINQ);
	}
	ASSERT_EQ(sizeof(text), unread);
	EXPECT_GT(1.8 * sizeof(text), socket_meminfo(server, SK_MEMINFO_RMEM_ALLOC));
	close(client);
	close(server);
}

/* New devices of this namespace use their link-local address without a search for copies. */
static void link_local_at_once(void)
{
	sysctl_write("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
	sysctl_write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
}

/* A client, a router without sockets, and a server. */
static void through_a_router(struct __test_metadata *_metadata, struct pair *pr,
			     int *client, int *server)
{
	struct ipaddr far = ipaddr("10.0.1.2"), near = ipaddr("10.0.1.1");
	struct ipaddr net = ipaddr("10.0.1.0"), back = ipaddr("10.0.0.0");
	struct where at = WHERE(_metadata);
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&far, PORT, &sa);
	bool v6 = test_family() == AF_INET6;
	int end = netns_new(at), listener;

	/* A router asks for neighbours from its link-local address: have that at once. */
	if (v6)
		link_local_at_once();
	pair_enter(pr, SERVER);
	if (v6)
		link_local_at_once();
	veth_new(at, "out", end, "in");
	link_set_mtu(at, "out", 1500);
	link_up(at, "out");
	address_add(at, "out", &near, 24);
	sysctl_write(v6 ? "/proc/sys/net/ipv6/conf/all/forwarding" :
		     "/proc/sys/net/ipv4/ip_forward", "1");
	netns_enter(at, end);
	if (!v6)
		sysctl_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	link_set_mtu(at, "in", 1500);
	link_up(at, "in");
	link_await(at, "in");
	address_add(at, "in", &far, 24);
	route_add(at, &back, 24, &near, "in");
	pair_enter(pr, SERVER);
	link_await(at, "out");
	pair_enter(pr, CLIENT);
	route_add(at, &net, 24, &pr->addr[SERVER], "veth0");

	netns_enter(at, end);
	listener = stream_socket(AF_INET);
	ASSERT_EQ(0, bind(listener, (void *)&sa, len));
	ASSERT_EQ(0, listen(listener, 1));
	pair_enter(pr, CLIENT);
	*client = stream_socket(AF_INET);
	ASSERT_EQ(0, connect(*client, (void *)&sa, len));
	fd_nonblock(*client);
	netns_enter(at, end);
	*server = accept(listener, NULL, NULL);
	ASSERT_LE(0, *server);
	fd_nonblock(*server);
	close(listener);
}

/* Forwarded skbs are segmented by the device that they leave by. */
TEST_F(offload, a_router_cuts_them)
{
	int client, server, capture;
	struct captured all;

	NOT_ON_STOCK();		/* veth may leave out its checksums */
	through_a_router(_metadata, &self->pair, &client, &server);
	capture = capture_open(_metadata, "in");
	pair_enter(&self->pair, SERVER);
	link_set_offload(WHERE(_metadata), "out", ETHTOOL_STSO, false);
	stream_transfer(_metadata, client, server, BYTES, STALL_MS);
	all = capture_read(capture);
	EXPECT_EQ(BYTES, all.bytes);
	EXPECT_EQ(0, all.wrong);
	EXPECT_GE(unsummed_max((const uint32_t[]){ 0 }), all.unsummed);
	EXPECT_EQ(MTU, all.largest);
	close(capture);
	close(client);
	close(server);
}

/* Segmented at the sender, lost and reordered one by one behind it. */
TEST_F_TIMEOUT(offload, segments_of_large_skbs_are_lost, 4000)
{
	struct counters before;
	int client, server;

	through_a_router(_metadata, &self->pair, &client, &server);
	pair_enter(&self->pair, CLIENT);
	link_set_offload(WHERE(_metadata), "veth0", ETHTOOL_STSO, false);
	pair_enter(&self->pair, SERVER);
	netem_set(WHERE(_metadata), "out",
		  &(struct netem){ .loss = 2, .reorder = 5, .duplicate = 2, .delay_ms = 5 });
	pair_enter(&self->pair, CLIENT);
	counters_take(&before);
	stream_transfer(_metadata, client, server, 8 << 20, 900000);
	EXPECT_LT(50, counter_moved(&before, "RetransSegs"));
	close(client);
	close(server);
}

/* --- transmit queues of a device ----------------------------------------- */

#define QUEUES 16

/* Captures what leaves by each transmit queue of a device. */
static void capture_queues(struct __test_metadata *_metadata, const char *device, int fd[QUEUES])
{
	for (int i = 0; i < QUEUES; i++) {
		fd[i] = capture_begin(_metadata, device, ETH_P_ALL);
		/* With id 1. */
		ASSERT_EQ(0, socket_set(fd[i], SOL_PACKET, PACKET_FANOUT,
					PACKET_FANOUT_QM << 16 | 1));
	}
}

/* Packets of the stack under test that were captured. */
static int captured_segments(int fd)
{
	bool v6 = test_family() == AF_INET6;
	uint8_t packet[128];
	int n = 0;

	while (recv(fd, packet, sizeof(packet), 0) >= 40)
		n += packet[v6 ? 6 : 9] == stream_wire();
	return n;
}

/*
 * Each timeout of a SYN draws another flow hash. As nothing of the connection waits in the queue
 * that the device's first one chose, the next may choose another.
 */
TEST_F(tun, an_idle_flow_may_change_its_queue)
{
	struct ipaddr near = ipaddr("10.9.0.1"), far = ipaddr("10.9.0.2");
	int fd = stream_socket(self->peer.family), capture[QUEUES];
	int segments = 0, queues = 0;
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&far, PORT, &sa);

	/* Six seconds, one after the other. */
	if (knob_set("syn_linear_timeouts", 6))
		SKIP(return, "no syn_linear_timeouts: Linux has it since 6.5");
	ASSERT_EQ(0, system("ip link add many0 numtxqueues 16 type dummy && "
			    "ip link set many0 up"));
	address_add(WHERE(_metadata), "many0", &near, 24);
	capture_queues(_metadata, "many0", capture);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(-1, connect(fd, (struct sockaddr *)&sa, len));
	ASSERT_EQ(EINPROGRESS, errno);
	sleep_ms(6500);
	for (int i = 0; i < QUEUES; i++) {
		int n = captured_segments(capture[i]);

		segments += n;
		queues += n > 0;
		close(capture[i]);
	}
	/* The first SYN and one for each timeout. That all have one hash is unlikely: 16^-6. */
	EXPECT_EQ(7, segments);
	EXPECT_LE(2, queues);
	close(fd);
}

TEST_HARNESS_MAIN
