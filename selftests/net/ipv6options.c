// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6options: options of level IPPROTO_IPV6 and their effect on a connection's
 * segments; user/matrix compares the values of each with the kernel's TCP. RFC 3493,
 * RFC 3542, RFC 6437 (flow labels).
 */
/* vm: short */
#include "lib/xtcp_test.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>

PEER_FIXTURE(options6);

FIXTURE_VARIANT_ADD(options6, native) { .setup = { .family = AF_INET6 } };

PEER_FIXTURE(options6_ipv4);

FIXTURE_VARIANT_ADD(options6_ipv4, native) { .setup = { .family = AF_INET } };

/* From linux/in6.h, which conflicts with netinet/in.h. */
#ifndef IPV6_FLOWLABEL_MGR
#define IPV6_FLOWLABEL_MGR	32
#define IPV6_FLOWINFO_SEND	33
#endif
#define FL_A_GET	0
#define FL_A_PUT	1
#define FL_F_CREATE	1
#define FL_F_REFLECT	4
#define FL_S_EXCL	1

struct label_request {
	struct in6_addr dst;
	uint32_t label;
	uint8_t action, share;
	uint16_t flags, expires, linger;
	uint32_t pad;
};

static int option(int fd, int name, int value)
{
	return socket_set(fd, IPPROTO_IPV6, name, value);
}

static uint32_t label_of(const struct segment *s)
{
	return (s->packet[1] & 15) << 16 | s->packet[2] << 8 | s->packet[3];
}

static struct sockaddr_in6 at(const char *addr, int port)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = ipaddr(addr).v6,
	};

	return sa;
}

static int do_bind(int fd, const char *addr, int port)
{
	struct sockaddr_in6 sa = at(addr, port);

	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno : 0;
}

static int do_connect(int fd, const char *addr, uint32_t flowinfo)
{
	struct sockaddr_in6 sa = at(addr, 80);

	sa.sin6_flowinfo = htonl(flowinfo);
	fd_nonblock(fd);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno : 0;
}

TEST_F(options6, freebind)
{
	int fd = stream_socket(AF_INET6);

	EXPECT_EQ(EADDRNOTAVAIL, do_bind(fd, "2001:db8::1", 7000));
	ASSERT_EQ(0, option(fd, IPV6_FREEBIND, 1));
	EXPECT_EQ(0, do_bind(fd, "2001:db8::1", 7000));
	close(fd);
}

/* Another host's address, and segments that come from it. */
TEST_F(options6, transparent)
{
	struct peer *p = &self->peer;
	int fd = stream_socket(AF_INET6);

	ASSERT_EQ(0, option(fd, IPV6_TRANSPARENT, 1));
	ASSERT_EQ(0, do_bind(fd, "2001:db8::2", 7000));
	EXPECT_EQ(EINPROGRESS, do_connect(fd, "fd00:a::2", 0));
	peer_expect(p, .flags = SYN, .src = ipaddr("2001:db8::2"), .sport = 7000, .dport = 80);
	socket_abort(fd);
}

static void no_label(int fd)
{
	option(fd, IPV6_AUTOFLOWLABEL, 0);
}

TEST_F(options6, autoflowlabel_off)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = no_label);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .len = 1);
	EXPECT_EQ(0, label_of(&p->last));
	conn_send(&c, .flags = ACK);
	/* And enabled again, at any time. */
	ASSERT_EQ(0, option(c.fd, IPV6_AUTOFLOWLABEL, 1));
	ASSERT_EQ(1, send(c.fd, "y", 1, 0));
	conn_expect(&c, .len = 1);
	EXPECT_NE(0, label_of(&p->last));
	conn_send(&c, .flags = ACK);
}

TEST_F(options6, autoflowlabel_of_the_namespace)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv6/auto_flowlabels", "0"));
	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .len = 1);
	EXPECT_EQ(0, label_of(&p->last));
	conn_send(&c, .flags = ACK);
}

static void connect_in_vain(int fd)
{
	do_connect(fd, "2001:db8:dead::1", 0);
}

/* A listener that once failed to connect has no label to give to its children. */
TEST_F(options6, each_child_has_a_label_of_its_own)
{
	struct peer *p = &self->peer;
	uint32_t label[2];
	struct conn c[2];

	shell_run(WHERE(_metadata), "ip -6 route add unreachable 2001:db8:dead::/48");
	for (int i = 0; i < 2; i++) {
		if (i)
			conn_open(p, &c[i], .lfd = c[0].lfd);
		else
			conn_open(p, &c[i], .prepare = connect_in_vain);
		ASSERT_EQ(1, send(c[i].fd, "x", 1, 0));
		conn_expect(&c[i], .len = 1);
		label[i] = label_of(&p->last);
		conn_send(&c[i], .flags = ACK);
	}
	EXPECT_NE(label[0], label[1]);
}

/*
 * The program's label is on every segment. Once a label of the namespace is exclusive,
 * all labels have to be allocated before use.
 */
TEST_F(options6, flowinfo_send)
{
	struct peer *p = &self->peer;
	struct label_request rq = {
		.dst = p->addr.v6, .label = htonl(0x12345), .action = FL_A_GET,
		.share = FL_S_EXCL, .flags = FL_F_CREATE,
	};
	int fd = stream_socket(AF_INET6), other = stream_socket(AF_INET6);

	ASSERT_EQ(0, option(fd, IPV6_FLOWINFO_SEND, 1));
	ASSERT_EQ(0, option(other, IPV6_FLOWINFO_SEND, 1));
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &rq, sizeof(rq)));
	EXPECT_EQ(EINVAL, do_connect(other, "fd00:a::2", 0x12345));
	EXPECT_EQ(EINVAL, do_connect(fd, "fd00:a::2", 0x54321));
	close(other);
	EXPECT_EQ(EINPROGRESS, do_connect(fd, "fd00:a::2", 0x12345));
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80);
	EXPECT_EQ(0x12345, label_of(&p->last));
	/* A retransmission has the same label: the one that was asked for. */
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = 80, .within_ms = 1100);
	EXPECT_EQ(0x12345, label_of(&p->last));
	socket_abort(fd);
}

/* The peer sends a segment with this label. */
static void send_labelled(struct peer *p, const struct segment_spec *spec, uint32_t label)
{
	uint8_t packet[PACKET_MAX];
	int len = segment_build(spec, packet);

	packet[1] = (packet[1] & 0xf0) | label >> 16;
	packet[2] = label >> 8;
	packet[3] = label;
	peer_send_raw(p, packet, len);
}

/* The label of a byte that the program sends, and the peer acknowledges. */
static uint32_t label_of_data(struct __test_metadata *_metadata, struct conn *c)
{
	uint32_t label;

	ASSERT_EQ(1, send(c->fd, "x", 1, 0));
	conn_expect(c, .len = 1);
	label = label_of(&c->peer->last);
	conn_send(c, .flags = ACK);
	return label;
}

/* As the namespace's knob says: a child's label is that of the peer's ACK. */
TEST_F(options6, label_is_reflected)
{
	struct peer *p = &self->peer;
	struct segment_spec ack;
	struct conn c;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv6/flowlabel_reflect", "1"));
	conn_start(p, &c);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	ack = conn_spec(&c, .flags = ACK);
	send_labelled(p, &ack, 0xabcde);
	conn_accept(&c);
	EXPECT_EQ(0xabcde, label_of_data(_metadata, &c));
}

/* GET: the peer's label is to be reflected; PUT: no more. */
static int reflect(int fd, int action)
{
	struct label_request rq = { .action = action, .flags = FL_F_REFLECT };

	return errno_of(setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &rq, sizeof(rq)));
}

#define CONSISTENCY "/proc/sys/net/ipv6/flowlabel_consistency"

TEST_F(options6, label_request_to_reflect)
{
	struct label_request rq = { .action = FL_A_GET, .flags = FL_F_REFLECT };
	int fd = stream_socket(AF_INET6);

	EXPECT_EQ(EPERM, reflect(fd, FL_A_GET));
	EXPECT_EQ(ESRCH, reflect(fd, FL_A_PUT));
	ASSERT_EQ(0, sysctl_write(CONSISTENCY, "0"));
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &rq, sizeof(rq) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, NULL, sizeof(rq)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(ESRCH, reflect(fd, FL_A_PUT));
	EXPECT_EQ(0, reflect(fd, FL_A_GET));
	EXPECT_EQ(0, reflect(fd, FL_A_GET));
	EXPECT_EQ(0, reflect(fd, FL_A_PUT));
	EXPECT_EQ(ESRCH, reflect(fd, FL_A_PUT));
	close(fd);
}

/*
 * A listener's request is its children's. Linux's SYN-ACKs carry the label of the SYN then,
 * those of xtcp do not.
 */
TEST_F(options6, label_is_reflected_on_request_of_a_listener)
{
	struct peer *p = &self->peer;
	struct segment_spec syn, ack;
	struct conn c;

	ASSERT_EQ(0, sysctl_write(CONSISTENCY, "0"));
	conn_start(p, &c);
	ASSERT_EQ(0, reflect(c.lfd, FL_A_GET));
	syn = conn_spec(&c, .flags = SYN);
	send_labelled(p, &syn, 0x12345);
	c.peer_nxt++;
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	if (stock_mode())
		EXPECT_EQ(0x12345, label_of(&p->last));
	ack = conn_spec(&c, .flags = ACK);
	send_labelled(p, &ack, 0xabcde);
	conn_accept(&c);
	EXPECT_EQ(0xabcde, label_of_data(_metadata, &c));
	EXPECT_EQ(0, reflect(c.fd, FL_A_PUT));
	EXPECT_NE(0xabcde, label_of_data(_metadata, &c));
	EXPECT_EQ(ESRCH, reflect(c.fd, FL_A_PUT));
}

/* Linux looks at a client's segments only if they may have something else to report. */
static void reflecting(int fd)
{
	option(fd, IPV6_RECVHOPLIMIT, 1);
	reflect(fd, FL_A_GET);
}

TEST_F(options6, label_is_reflected_on_request_of_a_client)
{
	struct peer *p = &self->peer;
	struct segment_spec syn_ack;
	struct conn c;

	ASSERT_EQ(0, sysctl_write(CONSISTENCY, "0"));
	conn_to_state(p, &c, ST_SYN_SENT, .prepare = reflecting);
	EXPECT_NE(0xabcde, label_of(&p->last));
	syn_ack = conn_spec(&c, .flags = SYN | ACK);
	send_labelled(p, &syn_ack, 0xabcde);
	c.peer_nxt++;
	conn_expect(&c, .flags = ACK, .ack = 1);
	EXPECT_EQ(0xabcde, label_of_data(_metadata, &c));
	EXPECT_EQ(0, reflect(c.fd, FL_A_PUT));
	EXPECT_NE(0xabcde, label_of_data(_metadata, &c));
}

/*
 * The receiver's ACKs are lost: the peer repeats a segment after each of its timeouts, and its own
 * timeouts change its label. Linux takes another label at the first copy, xtcp at the second.
 */
TEST_F(options6, rfc6438_receiver_leaves_a_dead_path_ctr_TcpDuplicateDataRehash)
{
	struct peer *p = &self->peer;
	struct segment_spec text;
	struct counters counts;
	uint32_t label;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	counters_take(&counts);
	text = conn_spec(&c, .flags = ACK | PSH, .data = "text");
	send_labelled(p, &text, 0x11111);
	c.peer_nxt += 4;
	conn_expect(&c, .flags = ACK, .ack = 5, .sacks = 0, .within_ms = 210);
	label = label_of(&p->last);
	send_labelled(p, &text, 0x22222);
	conn_expect(&c, .flags = ACK, .ack = 5, .sacks = 1, .sack = {{ 1, 5 }});
	if (!stock_mode())
		EXPECT_EQ(label, label_of(&p->last));
	send_labelled(p, &text, 0x33333);
	conn_expect(&c, .flags = ACK, .ack = 5, .sacks = 1, .sack = {{ 1, 5 }});
	EXPECT_NE(label, label_of(&p->last));
	EXPECT_EQ(stock_mode() ? 2 : 1, counter_moved(&counts, "TcpDuplicateDataRehash"));
	/* Linux counts only what timeouts and PLB change. */
	if (!stock_mode())
		EXPECT_EQ(1, conn_rehashes(&c));

	/* A program may forbid it. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_TXREHASH, 0));
	label = label_of(&p->last);
	send_labelled(p, &text, 0x44444);
	conn_expect(&c, .flags = ACK, .ack = 5, .sacks = 1, .sack = {{ 1, 5 }});
	EXPECT_EQ(label, label_of(&p->last));
}

/* The same of the peer's FIN. */
TEST_F(options6, rfc6438_receiver_of_a_fin_leaves_a_dead_path)
{
	struct peer *p = &self->peer;
	struct segment_spec fin;
	struct counters counts;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	counters_take(&counts);
	fin = conn_spec(&c, .flags = FIN | ACK);
	for (uint32_t i = 0; i < 3; i++) {
		send_labelled(p, &fin, 0x11111 + i);
		conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
	}
	EXPECT_EQ(stock_mode() ? 2 : 1, counter_moved(&counts, "TcpDuplicateDataRehash"));
	conn_send(&c, .flags = RST, .seq = 2);
}

/* Some TCPs send a keepalive probe with a byte that was received before: the path is not dead. */
TEST_F(options6, rfc6438_keepalive_of_one_byte_keeps_the_path)
{
	struct peer *p = &self->peer;
	struct counters counts;
	uint32_t label = 0;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000), OPT_SACKOK));
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	counters_take(&counts);
	for (int i = 0; i < 4; i++) {
		sleep_ms(10000);
		conn_send(&c, .flags = ACK, .seq = 4, .data = "t");
		conn_expect(&c, .flags = ACK, .ack = 5);
		if (i)
			EXPECT_EQ(label, label_of(&p->last));
		label = label_of(&p->last);
	}
	EXPECT_EQ(0, counter_moved(&counts, "TcpDuplicateDataRehash"));
}

/* getpeername() tells the label that the program has asked for, as for an IPv6 peer. */
TEST_F(options6, label_of_a_mapped_peer)
{
	struct sockaddr_in6 name = at("::ffff:127.0.0.1", 80);
	int fd = stream_socket(AF_INET6), lfd = stream_socket(AF_INET6);
	socklen_t len = sizeof(name);

	shell_run(WHERE(_metadata), "ip link set lo up");
	ASSERT_EQ(0, bind(lfd, (struct sockaddr *)&name, sizeof(name)));
	ASSERT_EQ(0, listen(lfd, 1));
	ASSERT_EQ(0, option(fd, IPV6_FLOWINFO_SEND, 1));
	ASSERT_EQ(EINPROGRESS, do_connect(fd, "::ffff:127.0.0.1", 0x54321));
	ASSERT_EQ(0, getpeername(fd, (struct sockaddr *)&name, &len));
	EXPECT_EQ(htonl(0x54321), name.sin6_flowinfo);
	close(fd);
	close(lfd);
}

/*
 * RFC 8754: a packet goes to the segment of its routing header that SegmentsLeft names, so the
 * route is that one's, neither the peer's nor that of the segment with the highest number.
 */
static void route_to_the_stop(struct __test_metadata *_metadata, struct peer *p, uint8_t left)
{
	/* Length in eights, type 4, segments left, the last has number 1. */
	uint8_t header[40] = { 0, 4, 4, left, 1 };
	struct ipaddr stop = ipaddr("2001:db8:9::1"), other = ipaddr("2001:db8:9::2");
	int fd = stream_socket(AF_INET6);
	const struct segment *s;

	memcpy(header + 8 + 16 * left, &stop.v6, 16);
	memcpy(header + 8 + 16 * !left, &other.v6, 16);
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, header, sizeof(header)));
	shell_run(WHERE(_metadata), "ip -6 route add prohibit 2001:db8:9::1");
	EXPECT_EQ(EACCES, do_connect(fd, "fd00:a::2", 0));
	shell_run(WHERE(_metadata), "ip -6 route del prohibit 2001:db8:9::1");
	shell_run(WHERE(_metadata), "ip -6 route add prohibit 2001:db8:9::2");
	EXPECT_EQ(EINPROGRESS, do_connect(fd, "fd00:a::2", 0));
	s = peer_read(p, now_ns() + NSEC_PER_SEC);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(EXT_ROUTING, s->packet[6]);
	EXPECT_EQ(0, memcmp(s->packet + 24, &stop.v6, 16));
	shell_run(WHERE(_metadata), "ip -6 route del prohibit 2001:db8:9::2");
	socket_abort(fd);
	p->leave_unread = true;
}

TEST_F(options6, rfc8200_route_to_the_first_stop)
{
	route_to_the_stop(_metadata, &self->peer, 1);
}

TEST_F(options6, rfc8200_route_to_the_last_stop)
{
	route_to_the_stop(_metadata, &self->peer, 0);
}

/* RFC 3542 4.7: the listener's extension headers are on all segments, the SYN-ACK, too. */
TEST_F(options6, listeners_destination_options)
{
	static const uint8_t pad[8] = { 0, 0, 1, 4 };
	struct peer *p = &self->peer;
	struct conn c;

	conn_start(p, &c);
	ASSERT_EQ(0, setsockopt(c.lfd, IPPROTO_IPV6, IPV6_DSTOPTS, pad, sizeof(pad)));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(IPPROTO_DSTOPTS, p->last.packet[6]);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .within_ms = 1100);
	EXPECT_EQ(IPPROTO_DSTOPTS, p->last.packet[6]);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .len = 1);
	EXPECT_EQ(IPPROTO_DSTOPTS, p->last.packet[6]);
	conn_send(&c, .flags = ACK);
}

/* What a stream's user may ask about the segment that opened it. */
struct opened_by {
	int device, hops;	/* -1: not reported */
};

static void report_opening(int fd)
{
	option(fd, IPV6_RECVPKTINFO, 1);
	option(fd, IPV6_RECVHOPLIMIT, 1);
}

static struct opened_by opened_by(struct __test_metadata *_metadata, int fd)
{
	struct opened_by by = { -1, -1 };
	char control[256];
	struct msghdr msg = { .msg_control = control };
	socklen_t len = sizeof(control);
	struct in6_pktinfo info;

	ASSERT_EQ(0, getsockopt(fd, IPPROTO_IPV6, 6 /* IPV6_2292PKTOPTIONS */, control, &len));
	msg.msg_controllen = len;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		EXPECT_EQ(IPPROTO_IPV6, cmsg->cmsg_level);
		if (cmsg->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
			by.device = info.ipi6_ifindex;
		} else {
			EXPECT_EQ(IPV6_HOPLIMIT, cmsg->cmsg_type);
			memcpy(&by.hops, CMSG_DATA(cmsg), sizeof(by.hops));
		}
	}
	return by;
}

#define HOPS 99

/* RFC 3542 4. */
TEST_F(options6, pktoptions_of_a_stream)
{
	struct opened_by by;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK, .ttl = HOPS);
	conn_accept(&c);
	by = opened_by(_metadata, c.fd);
	EXPECT_EQ(-1, by.device);
	EXPECT_EQ(-1, by.hops);
	report_opening(c.fd);
	by = opened_by(_metadata, c.fd);
	EXPECT_EQ((int)if_nametoindex("tun0"), by.device);
	EXPECT_EQ(HOPS, by.hops);
}

TEST_F(options6, pktoptions_of_a_client)
{
	struct opened_by by;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT, .prepare = report_opening);
	conn_send(&c, .flags = SYN | ACK, .ttl = HOPS);
	conn_expect(&c, .flags = ACK, .ack = 1);
	by = opened_by(_metadata, c.fd);
	EXPECT_EQ((int)if_nametoindex("tun0"), by.device);
	EXPECT_EQ(HOPS, by.hops);
}

/* IPV6_MULTICAST_IF and IPV6_MULTICAST_HOPS share their fields with the options above. */
TEST_F(options6, multicast_options_of_a_client)
{
	int device = -1, hops = -1;
	socklen_t len = sizeof(int);
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	conn_send(&c, .flags = SYN | ACK, .ttl = HOPS);
	conn_expect(&c, .flags = ACK, .ack = 1);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &device, &len));
	EXPECT_EQ(0, device);
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, &len));
	EXPECT_EQ(1, hops);
}

/* A client of the other family, whose address the program sees as a mapped one. */
TEST_F(options6_ipv4, pktoptions_of_a_mapped_client)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(KERNEL_PORT) };
	struct opened_by by;
	struct conn c;
	int lfd = stream_socket(AF_INET6);

	fd_nonblock(lfd);
	ASSERT_EQ(0, bind(lfd, (struct sockaddr *)&any, sizeof(any)));
	ASSERT_EQ(0, listen(lfd, 4));
	conn_start(&self->peer, &c, .lfd = lfd);
	conn_send(&c, .flags = SYN, .ttl = HOPS);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK, .ttl = HOPS);
	c.fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, c.fd);
	report_opening(c.fd);
	by = opened_by(_metadata, c.fd);
	EXPECT_EQ((int)if_nametoindex("tun0"), by.device);
	EXPECT_EQ(HOPS, by.hops);
}

static void with_errors(int fd)
{
	option(fd, IPV6_RECVERR, 1);
}

/* The error that ended an opening can be read, with its sender. */
TEST_F(options6, recverr)
{
	struct ipaddr router = ipaddr("2001:db8::fe");
	struct peer *p = &self->peer;
	struct sock_extended_err *ee;
	char control[512], text[64];
	struct iovec iov = { text, sizeof(text) };
	struct sockaddr_in6 name;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
		.msg_name = &name, .msg_namelen = sizeof(name),
	};
	struct sockaddr_in6 *from;
	struct cmsghdr *cmsg;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = with_errors);
	peer_send_icmp(p, .v6 = true, .type = 1, .code = 3, .from = router);
	EXPECT_EQ(POLLERR, socket_poll(c.fd) & POLLERR);
	ASSERT_LE(0, recvmsg(c.fd, &msg, MSG_ERRQUEUE));
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_NE(NULL, cmsg);
	/* The peer's address. */
	ASSERT_EQ(sizeof(name), msg.msg_namelen);
	EXPECT_EQ(0, memcmp(&name.sin6_addr, &p->addr.v6, sizeof(p->addr.v6)));
	EXPECT_EQ(SOL_IPV6, cmsg->cmsg_level);
	EXPECT_EQ(IPV6_RECVERR, cmsg->cmsg_type);
	ee = (struct sock_extended_err *)CMSG_DATA(cmsg);
	EXPECT_EQ(SO_EE_ORIGIN_ICMP6, ee->ee_origin);
	EXPECT_EQ(EHOSTUNREACH, (int)ee->ee_errno);
	EXPECT_EQ(1, ee->ee_type);
	EXPECT_EQ(3, ee->ee_code);
	from = (struct sockaddr_in6 *)SO_EE_OFFENDER(ee);
	EXPECT_EQ(0, memcmp(&from->sin6_addr, &router.v6, sizeof(router.v6)));
	/* Once read from the queue, it is not reported again. */
	EXPECT_EQ(0, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* A sender with a link-local address is one of the link by which it came. */
TEST_F(options6, recverr_of_a_neighbour)
{
	struct ipaddr router = ipaddr("fe80::fe");
	struct peer *p = &self->peer;
	struct sock_extended_err *ee;
	char control[512];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct sockaddr_in6 *from;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = with_errors);
	peer_send_icmp(p, .v6 = true, .type = 1, .code = 3, .from = router);
	ASSERT_LE(0, recvmsg(c.fd, &msg, MSG_ERRQUEUE));
	ASSERT_NE(NULL, CMSG_FIRSTHDR(&msg));
	ee = (struct sock_extended_err *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	from = (struct sockaddr_in6 *)SO_EE_OFFENDER(ee);
	EXPECT_EQ(0, memcmp(&from->sin6_addr, &router.v6, sizeof(router.v6)));
	EXPECT_EQ(if_nametoindex("tun0"), from->sin6_scope_id);
}

TEST_HARNESS_MAIN
