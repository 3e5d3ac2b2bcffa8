// SPDX-License-Identifier: GPL-2.0
/*
 * icmp: what ICMP errors about our own segments do. RFC 9293 3.9.2.2 (MUST-54..56,
 * SHLD-26), RFC 5927 (a quote must be of a segment in flight), RFC 6633 (source
 * quench), RFC 1122 3.2.2.2 (redirect), RFC 1191 (too big).
 */
/* vm: wires families short */
/* vm: still=lc_107_source_quench_is_nothing */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

PEER_FIXTURE(icmp);

static void expect_alive(struct conn *c)
{
	conn_send(c, .flags = ACK | PSH, .data = "ping");
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	conn_expect_state(c, ST_ESTABLISHED);
}

/* A raw socket gets the message as it came; ipv6icmp.c has the same over IPv6. */
TEST_F(icmp, raw_socket_gets_the_error)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP), n;
	struct peer *p = &self->peer;
	uint8_t message[256];
	struct conn c;

	if (p->family == AF_INET6)
		return;
	ASSERT_LE(0, fd);
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	n = recv(fd, message, sizeof(message), 0);
	ASSERT_LE(20 + 8 + 20, n);
	EXPECT_EQ(p->wire, message[20 + 8 + offsetof(struct iphdr, protocol)]);
	EXPECT_EQ(0, ip_checksum(message + 20, n - 20, 0));
	close(fd);
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

struct icmp_error {
	int type, code;
};

#define UNREACHABLE \
	{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH }, \
	{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH }, \
	{ ICMP_DEST_UNREACH, ICMP_PROT_UNREACH }, \
	{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH }

TEST_F(icmp, lc_105_ends_connect)
{
	static const struct icmp_error cases[] = {
		UNREACHABLE,
		{ ICMP_DEST_UNREACH, ICMP_PKT_FILTERED },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL },
		{ ICMP_PARAMETERPROB, 0 },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct counters before;
		struct conn c;

		peer_note(p, "type %d code %d", cases[i].type, cases[i].code);
		conn_to_state(p, &c, ST_SYN_SENT);
		counters_take(&before);
		peer_send_icmp(p, .type = cases[i].type, .code = cases[i].code);
		conn_expect_state(&c, ST_CLOSED);
		EXPECT_TRUE(socket_poll(c.fd) & POLLERR);
		EXPECT_EQ(icmp_errno(cases[i].type, cases[i].code), socket_error(c.fd));
		counters_expect(_metadata, &before, "AttemptFails", 1, NULL);
		close(c.fd);
	}
	peer_expect_silence(p, 2000);
}

/* Without IP_RECVERR, too: so a program without privileges traces a route. */
TEST_F(icmp, lc_105_opening_tells_which_error_ended_it)
{
	char control[512], data[64];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct peer *p = &self->peer;
	struct sock_extended_err *ee;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	/* Over IPv6 Linux queues it with IPV6_RECVERR only. */
	if (p->family == AF_INET6) {
		EXPECT_EQ(0, socket_poll(c.fd) & POLLERR);
		EXPECT_EQ(-1, recvmsg(c.fd, &msg, MSG_ERRQUEUE));
		return;
	}
	EXPECT_TRUE(socket_poll(c.fd) & POLLERR);
	ASSERT_LE(0, recvmsg(c.fd, &msg, MSG_ERRQUEUE));
	ASSERT_NE(NULL, CMSG_FIRSTHDR(&msg));
	ee = (struct sock_extended_err *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	EXPECT_EQ(EHOSTUNREACH, (int)ee->ee_errno);
	EXPECT_EQ(SO_EE_ORIGIN_ICMP, ee->ee_origin);
	EXPECT_EQ(0, socket_poll(c.fd) & POLLERR);
	EXPECT_EQ(-1, recvmsg(c.fd, &msg, MSG_ERRQUEUE));
}

static void with_errors_in_detail(int fd)
{
	socket_set_ip(fd, IP_RECVERR, 1);
	socket_set_ip(fd, IP_RECVERR_RFC4884, 1);
	socket_set_ip(fd, IP_PKTINFO, 1);
}

/* The error that the path's answer to a SYN queues for the program. */
struct detail {
	struct sock_extended_err ee;
	struct sockaddr_storage name;	/* of the peer */
	struct sockaddr_storage offender; /* who sent the error */
	int pport;
	int ifindex;			/* the device by which it came */
	int len;			/* bytes of the quoted packet, from the TCP header on */
	uint8_t data[256];
};

#define error_in_detail(...) \
	error_in_detail_of(_metadata, &self->peer, ICMP_TIME_EXCEEDED, \
			   (const uint8_t[]){ __VA_ARGS__ }, \
			   sizeof((const uint8_t[]){ __VA_ARGS__ }))
static struct detail error_in_detail_of(struct __test_metadata *_metadata, struct peer *p, int type,
					const uint8_t *extension, int len)
{
	const struct ipaddr router = ipaddr("10.7.7.7");
	bool v6 = p->family == AF_INET6;
	struct detail d = { };
	char control[512];
	struct iovec iov = { d.data, sizeof(d.data) };
	struct sock_extended_err *ee;
	struct msghdr msg = {
		.msg_name = &d.name, .msg_namelen = sizeof(d.name),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	bool found = false;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT, .prepare = with_errors_in_detail);
	d.pport = c.pport;
	peer_send_icmp(p, .type = type, .code = 0, .from = router, .extension = extension,
		       .extension_len = len);
	d.len = recvmsg(c.fd, &msg, MSG_ERRQUEUE);
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm)) {
		/* An IPv6 socket has IPv6's, also of a mapped peer. */
		if (cm->cmsg_type == (cm->cmsg_level == SOL_IPV6 ? IPV6_RECVERR : IP_RECVERR)) {
			ee = (struct sock_extended_err *)CMSG_DATA(cm);
			d.ee = *ee;
			memcpy(&d.offender, SO_EE_OFFENDER(ee),
			       cm->cmsg_level == SOL_IPV6 ? sizeof(struct sockaddr_in6) :
							    sizeof(struct sockaddr_in));
			found = true;
		} else if (cm->cmsg_type == (v6 ? IPV6_PKTINFO : IP_PKTINFO)) {
			d.ifindex = v6 ? (int)((struct in6_pktinfo *)CMSG_DATA(cm))->ipi6_ifindex :
					 ((struct in_pktinfo *)CMSG_DATA(cm))->ipi_ifindex;
		}
	}
	EXPECT_TRUE(found);
	close(c.fd);
	return d;
}

/* Bytes of an address in @ss, as text; its port in *@port. */
static const char *sockaddr_text(const struct sockaddr_storage *ss, int *port, char *buf,
				 size_t size)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	bool v6 = ss->ss_family == AF_INET6;

	*port = ntohs(v6 ? in6->sin6_port : in->sin_port);
	return inet_ntop(ss->ss_family, v6 ? (const void *)&in6->sin6_addr : &in->sin_addr,
			 buf, size);
}

/*
 * Whom the program has tried to reach, by address and port, and who says that it can't: as a
 * program that traces a route shows them.
 */
TEST_F(icmp, ip_recverr_has_both_addresses)
{
	const struct ipaddr router = ipaddr("10.7.7.7");
	struct detail d = error_in_detail(0x20, 0, 0, 0);
	char got[INET6_ADDRSTRLEN], want[INET6_ADDRSTRLEN];
	struct sockaddr_storage ss;
	int port, none;

	ipaddr_sockaddr(&self->peer.addr, d.pport, &ss);
	EXPECT_STREQ(sockaddr_text(&ss, &none, want, sizeof(want)),
		     sockaddr_text(&d.name, &port, got, sizeof(got)));
	EXPECT_EQ(d.pport, port);
	ipaddr_sockaddr(&router, 0, &ss);
	EXPECT_STREQ(sockaddr_text(&ss, &none, want, sizeof(want)),
		     sockaddr_text(&d.offender, &port, got, sizeof(got)));
	EXPECT_EQ(0, port);
}

/*
 * The device by which it came, and where in the queued packet the extension of the
 * message is, which says in which network the path ends.
 */
TEST_F(icmp, ip_recverr_has_device_and_extension)
{
	/* Version 2, no checksum; RFC 4950: one object, an MPLS label. */
	struct detail d = error_in_detail(0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 64);

	EXPECT_EQ((int)if_nametoindex("tun0"), d.ifindex);
	/* Counted from the TCP header, as the data is. */
	EXPECT_EQ(ICMP_QUOTE_PADDED - (self->peer.family == AF_INET6 ? 40 : 20),
		  (int)d.ee.ee_rfc4884.len);
	EXPECT_EQ(0, d.ee.ee_rfc4884.flags);
	ASSERT_EQ((int)d.ee.ee_rfc4884.len + 12, d.len);
	EXPECT_EQ(0x20, d.data[d.ee.ee_rfc4884.len]);
}

/* RFC 4884 4: each of these has its length in the header; IPv6's parameter problem has not. */
TEST_F(icmp, ip_recverr_has_the_extension_of_each_error)
{
	static const uint8_t extension[] = { 0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 64 };
	static const int types[] = { ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB };
	bool v6 = self->peer.family == AF_INET6;
	struct detail d;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (v6 && types[i] == ICMP_PARAMETERPROB)
			continue;
		d = error_in_detail_of(_metadata, &self->peer, types[i], extension,
				       sizeof(extension));
		EXPECT_EQ(ICMP_QUOTE_PADDED - (v6 ? 40 : 20), (int)d.ee.ee_rfc4884.len)
			TH_LOG("type %d", types[i]);
		EXPECT_EQ(0, d.ee.ee_rfc4884.flags);
	}
}

/* RFC 4884 7: the program learns where it is, and that it is wrong. */
TEST_F(icmp, ip_recverr_says_that_an_extension_is_wrong)
{
	static const int wrong = SO_EE_RFC4884_FLAG_INVALID;

#define flags_of(...) error_in_detail(__VA_ARGS__).ee.ee_rfc4884.flags
	/* With a checksum: of 2000 0008 0101 0001 0140. */
	EXPECT_EQ(0, flags_of(0x20, 0, 0xdd, 0xb5, 0, 8, 1, 1, 0, 1, 1, 64));
	EXPECT_EQ(wrong, flags_of(0x20, 0, 0xdd, 0xb6, 0, 8, 1, 1, 0, 1, 1, 64));
	/* No object, two objects. */
	EXPECT_EQ(0, flags_of(0x20, 0, 0, 0));
	EXPECT_EQ(0, flags_of(0x20, 0, 0, 0, 0, 4, 1, 1, 0, 8, 1, 1, 0, 1, 1, 64));
	/* Objects that are shorter than their header: none, and three bytes. */
	EXPECT_EQ(wrong, flags_of(0x20, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 64));
	EXPECT_EQ(wrong, flags_of(0x20, 0, 0, 0, 0, 3, 1, 1, 0, 1, 1, 64));
	/* One that ends behind the packet; half a header. */
	EXPECT_EQ(wrong, flags_of(0x20, 0, 0, 0, 0, 9, 1, 1, 0, 1, 1, 64));
	EXPECT_EQ(wrong, flags_of(0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 1, 64, 0, 4));
	/* More objects than xtcp reads. Linux reads all. */
#define FOUR_OBJECTS 0, 4, 1, 1, 0, 4, 1, 1, 0, 4, 1, 1, 0, 4, 1, 1
	EXPECT_EQ(0, flags_of(0x20, 0, 0, 0, FOUR_OBJECTS, FOUR_OBJECTS, FOUR_OBJECTS,
			      FOUR_OBJECTS));
	EXPECT_EQ(stock_mode() ? 0 : wrong,
		  flags_of(0x20, 0, 0, 0, FOUR_OBJECTS, FOUR_OBJECTS, FOUR_OBJECTS, FOUR_OBJECTS,
			   0, 4, 1, 1));
#undef FOUR_OBJECTS
	/* Of another version nothing is known. */
	EXPECT_EQ(0, flags_of(0x30, 0, 0, 0, 0, 0, 1, 1));
#undef flags_of
}

static void discovers_the_mtu(int fd)
{
	socket_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
}

/* Mode 3 believes errors of protocols alone that look at the quoted number. */
TEST_F(icmp, lc_106_with_strict_validation)
{
	struct peer *p = &self->peer;
	struct conn c;

	if (p->family == AF_INET6)
		return;		/* a knob of IPv4 */
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_no_pmtu_disc", "3"));
	conn_open(p, &c, .active = true, .prepare = discovers_the_mtu);
	conn_write(&c, 1460);
	conn_expect(&c, .seq = 1, .len = 1460, .pattern = 0);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED, .rest = 800);
	conn_expect(&c, .seq = 1, .len = 760, .pattern = 0);
	EXPECT_EQ(800, conn_info(&c).pmtu);
	p->leave_unread = true;
}

/* An open connection has a queue only if the program asks for it. */
TEST_F(icmp, lc_105_open_connection_queues_no_error)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH);
	EXPECT_EQ(-1, recv(c.fd, &(char){ 0 }, 1, MSG_ERRQUEUE | MSG_DONTWAIT));
	conn_send(&c, .flags = ACK, .ack = 5);
	expect_alive(&c);
}

TEST_F(icmp, lc_105_from_a_router_on_the_way)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .from = ipaddr("10.0.0.254"));
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
}

TEST_F(icmp, lc_105_never_aborts_a_connection)
{
	static const struct icmp_error cases[] = {
		UNREACHABLE,
		{ ICMP_DEST_UNREACH, ICMP_SR_FAILED },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL },
		{ ICMP_PARAMETERPROB, 0 },
	};
	struct peer *p = &self->peer;
	struct segment text;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_send_icmp(p, .type = cases[i].type, .code = cases[i].code,
			       .quote = &text);
		/* The error can be read once; nothing else happens. */
		EXPECT_EQ(icmp_errno(cases[i].type, cases[i].code), socket_error(c.fd));
		EXPECT_EQ(0, socket_error(c.fd));
		EXPECT_EQ(POLLOUT, socket_poll(c.fd));
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

TEST_F(icmp, lc_105_half_open)
{
	static const struct {
		int type, code;
		bool removes;
	} cases[] = {
		{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH, true },
		{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, true },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, true },
		{ ICMP_PARAMETERPROB, 0, true },
		{ ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, false },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, false },
		{ ICMP_SOURCE_QUENCH, 0, false },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct counters before;
		struct conn c;
		bool removes;

		peer_note(p, "type %d code %d", cases[i].type, cases[i].code);
		conn_to_state(p, &c, ST_HALF_OPEN, .kport = 6000 + i);
		/* IPv6 has no unreachable protocol, only an unknown next header. */
		removes = cases[i].removes ||
			  (p->family == AF_INET6 && cases[i].type == ICMP_DEST_UNREACH &&
			   cases[i].code == ICMP_PROT_UNREACH);
		counters_take(&before);
		peer_send_icmp(p, .type = cases[i].type, .code = cases[i].code);
		conn_expect_state(&c, removes ? ST_CLOSED : ST_HALF_OPEN);
		counters_expect(_metadata, &before, "ListenDrops", (int)removes, NULL);
		if (removes)
			continue;
		/* What was not removed completes. */
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	peer_expect_silence(p, 3000);
}

TEST_F(icmp, lc_107_source_quench_is_nothing)
{
	static const enum conn_state states[] = {
		ST_SYN_SENT, ST_SYN_RECEIVED, ST_HALF_OPEN, ST_ESTABLISHED,
		ST_FIN_WAIT_1, ST_FIN_WAIT_2, ST_CLOSE_WAIT, ST_CLOSING,
		ST_LAST_ACK, ST_TIME_WAIT, ST_ORPHAN_FIN_WAIT_2,
	};
	struct peer *p = &self->peer;

	/* All of it within the 200 ms after which the first FIN is sent again. */
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct counters before;
		struct conn c;

		conn_to_state(p, &c, states[i], .kport = 6000 + i);
		counters_take(&before);
		/* Nothing need be in flight, so the quote may be of an old segment. */
		counters_ignore(&before, "OutOfWindowIcmps", NULL);
		peer_send_icmp(p, .type = ICMP_SOURCE_QUENCH);
		conn_expect_state(&c, states[i]);
		if (c.fd >= 0)
			EXPECT_EQ(0, socket_error(c.fd));
		counters_expect(_metadata, &before, NULL);
	}
}

TEST_F(icmp, rfc9293_must_55_source_quench_slows_nothing)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	conn_write(&c, 1000);
	conn_expect(&c, .len = 1000);
	peer_send_icmp(p, .type = ICMP_SOURCE_QUENCH);
	/* The rest of the initial window of ten segments still goes at once. */
	for (int i = 1; i < 10; i++) {
		conn_write(&c, 1000);
		conn_expect(&c, .seq = 1 + 1000 * i, .len = 1000);
	}
	EXPECT_EQ(0, socket_error(c.fd));
	conn_send(&c, .flags = ACK);
}

TEST_F(icmp, rfc9293_must_56_soft_errors_do_not_abort)
{
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	/*
	 * The first copies and their retransmissions all cause an error; then one
	 * passes.
	 */
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	first = *conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text");
	for (int i = 0; i < 4; i++) {
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = i % 2,
			       .quote = &first, .from = ipaddr("10.0.0.254"));
		conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text",
			    .within_ms = 20000);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

TEST_F(icmp, lc_108_quote_out_of_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment text;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	text = *conn_expect(&c, .flags = ACK | PSH, .data = "text");
	counters_take(&before);
	/* SND.UNA is at 1, SND.NXT at 5: neither below nor above. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss + 6);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &text, .quote_seq = c.kern_iss + 0x80000000u);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 3, NULL);
	/* And a quote of what is in flight. */
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote = &text);
	EXPECT_EQ(EHOSTUNREACH, socket_error(c.fd));
	conn_send(&c, .flags = ACK);
}

TEST_F(icmp, lc_108_syn_sent_and_half_open)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote_seq = c.kern_iss + 12345);
	conn_expect_state(&c, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
	close(c.fd);
	conn_to_state(p, &c, ST_HALF_OPEN);
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH,
		       .quote_seq = c.kern_iss + 12345);
	conn_expect_state(&c, ST_HALF_OPEN);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 1, NULL);
}

TEST_F(icmp, rfc9293_must_54_the_right_connection)
{
	struct peer *p = &self->peer;
	struct segment syn;
	struct conn a, b, l;

	peer_listen(p, KERNEL_PORT, 4);
	conn_to_state(p, &a, ST_SYN_SENT);
	syn = p->last;
	conn_to_state(p, &b, ST_SYN_SENT);
	conn_open(p, &l, .kport = 6000);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &syn);
	conn_expect_state(&a, ST_CLOSED);
	EXPECT_EQ(ECONNREFUSED, socket_error(a.fd));
	conn_expect_state(&b, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(b.fd));
	expect_alive(&l);
	close(b.fd);
}

TEST_F(icmp, quotes_that_fit_nothing)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	counters_take(&before);
	/*
	 * Another port, another protocol, a wrong checksum, half a quote, a
	 * listener's.
	 */
	for (int dport = 0; dport < 2; dport++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
			       .quote_sport = dport ? UNSET : 1,
			       .quote_dport = dport ? 1 : UNSET);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote_proto = p->wire == IPPROTO_TCP ? IPPROTO_XTCP : IPPROTO_TCP);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .bad_csum = true);
	for (int len = 0; len < 8; len++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH,
			       .code = ICMP_PORT_UNREACH, .quote_len = len);
	/* Codes and types unknown to Linux; of ICMPv6's it accepts any error. */
	if (p->family == AF_INET) {
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = 99);
		peer_send_icmp(p, .type = 99, .code = 0);
	} else {
		peer_send_icmp(p, .type = 199, .code = 0, .v6 = true);
	}
	conn_expect_state(&c, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(c.fd));
	counters_expect(_metadata, &before, NULL);
	/* The connection is unaffected. */
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	expect_alive(&c);
}

/* ICMP's InErrors, which IP keeps and not xtcp. */
static long long icmp_in_errors(int family)
{
	bool v6 = family == AF_INET6;
	FILE *f = fopen(v6 ? "/proc/net/snmp6" : "/proc/net/snmp", "r");
	long long errors = -1;
	char line[512];

	while (f && errors < 0 && fgets(line, sizeof(line), f)) {
		/* The first line "Icmp:" has the names, the second one the numbers. */
		if (sscanf(line, v6 ? "Icmp6InErrors %lld" : "Icmp: %*d %lld", &errors) != 1)
			errors = -1;
	}
	if (f)
		fclose(f);
	return errors;
}

TEST_F(icmp, ip_counts_errors_about_no_connection)
{
	struct peer *p = &self->peer;
	struct segment syn;
	long long before;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	syn = p->last;
	before = icmp_in_errors(p->family);
	ASSERT_LE(0, before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &syn, .quote_sport = 1);
	EXPECT_EQ(before + 1, icmp_in_errors(p->family));
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH, .quote = &syn);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(before + 1, icmp_in_errors(p->family));
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
}

TEST_F(icmp, time_wait_and_listener_do_not_care)
{
	struct peer *p = &self->peer;
	struct segment last;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT, .kport = 6000);
	last = p->last;
	for (int code = 0; code < 4; code++)
		peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = code,
			       .quote = &last);
	conn_expect_state(&c, ST_TIME_WAIT);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &last, .quote_dport = 9);
	EXPECT_EQ(1, proc_rows(p->family, ROW_LISTEN));
	EXPECT_EQ(0, socket_error(c.lfd));
}

/*
 * A router says that another router is better. Over IPv6 both are known by their
 * link-local addresses, the packet has not been forwarded (hop limit 255), and the
 * message names the destination (RFC 4861 4.5); its quote is an option.
 */
static void redirect(struct peer *p, const struct segment *quote, int dport,
		     const struct ipaddr *from, const struct ipaddr *to)
{
	struct segment_spec carrier = peer_spec(p, .src = *from, .proto = IPPROTO_ICMPV6,
						.ttl = 255);
	int quoted = 64, len = 40 + 8 + quoted;
	uint8_t packet[PACKET_MAX], *message = packet + 40;
	uint16_t csum;

	if (p->family == AF_INET) {
		peer_send_icmp(p, .type = ICMP_REDIRECT, .code = ICMP_REDIR_HOST, .from = *from,
			       .quote = quote, .quote_dport = dport < 0 ? UNSET : dport,
			       .rest = ntohl(to->v4.s_addr));
		return;
	}
	carrier.ip_len = len;
	segment_build(&carrier, packet);
	memset(message, 0, 8);
	message[0] = 137;
	memcpy(message + 8, &to->v6, 16);
	memcpy(message + 24, &quote->dst.v6, 16);
	/* The redirected packet's option, in units of eight bytes. */
	memset(message + 40, 0, 8);
	message[40] = 4;
	message[41] = (8 + quoted) / 8;
	memcpy(message + 48, quote->packet, quoted);
	if (dport >= 0)
		memcpy(message + 48 + 42, &(uint16_t){ htons(dport) }, 2);
	csum = ip_checksum(message, len, segment_pseudo_sum(&carrier.src, &carrier.dst,
							    IPPROTO_ICMPV6, len));
	message[2] = csum >> 8;
	message[3] = csum;
	peer_send_raw(p, packet, 40 + len);
}

/* A connection to a far host, by a router that knows a better one. */
struct far {
	struct ipaddr old, new, host;
	struct segment text;	/* the last one, in flight */
	struct conn c;
};

static void far_open(struct __test_metadata *_metadata, struct peer *p, struct far *far)
{
	bool v6 = p->family == AF_INET6;

	far->old = ipaddr(v6 ? "fe80::fe" : "10.0.0.254");
	far->new = ipaddr(v6 ? "fe80::fd" : "10.0.0.253");
	far->host = ipaddr("192.0.2.2");
	sysctl_write("/proc/sys/net/ipv4/conf/all/accept_redirects", "1");
	sysctl_write("/proc/sys/net/ipv4/conf/tun0/accept_redirects", "1");
	route_add(WHERE(_metadata), &far->host, 32, &far->old, "tun0");
	conn_open(p, &far->c, .peer_addr = far->host);
}

static void far_write(struct __test_metadata *_metadata, struct far *far)
{
	ASSERT_EQ(4, send(far->c.fd, "text", 4, 0));
	far->text = *conn_expect(&far->c, .flags = ACK | PSH, .data = "text");
}

static void expect_gateway(struct __test_metadata *_metadata, const struct far *far,
			   const struct ipaddr *want)
{
	struct ipaddr gw = route_gateway(WHERE(_metadata), &far->host);

	EXPECT_TRUE(ipaddr_equal(want, &gw));
}

TEST_F(icmp, lc_104_redirect_changes_the_route)
{
	struct peer *p = &self->peer;
	struct far far;

	far_open(_metadata, p, &far);
	far_write(_metadata, &far);
	/* About a connection that does not exist: the route stays. */
	redirect(p, &far.text, 9, &far.old, &far.new);
	expect_gateway(_metadata, &far, &far.old);
	redirect(p, &far.text, -1, &far.old, &far.new);
	expect_gateway(_metadata, &far, &far.new);
	conn_send(&far.c, .flags = ACK);
	expect_alive(&far.c);
}

/* A redirect that comes while a call owns the socket is lost; the next one is not. */
TEST_F(icmp, lc_104_redirect_while_the_program_owns_the_socket)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct holder h;
	struct far far;

	far_open(_metadata, p, &far);
	conn_send(&far.c, .flags = ACK | PSH, .data = "x");
	conn_expect(&far.c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	far_write(_metadata, &far);
	counters_take(&before);
	holder_hold(_metadata, &h, far.c.fd);
	redirect(p, &far.text, -1, &far.old, &far.new);
	EXPECT_EQ(1, counter_moved(&before, "LockDroppedIcmps"));
	holder_release(&h);
	expect_gateway(_metadata, &far, &far.old);
	redirect(p, &far.text, -1, &far.old, &far.new);
	EXPECT_EQ(1, counter_moved(&before, "LockDroppedIcmps"));
	expect_gateway(_metadata, &far, &far.new);
	conn_send(&far.c, .flags = ACK);
	conn_expect_state(&far.c, ST_ESTABLISHED);
}

TEST_F(icmp, lc_106_too_big_makes_segments_smaller)
{
	struct peer *p = &self->peer;
	struct segment first;
	uint8_t text[1460];
	struct conn c;

	conn_open(p, &c);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ((ssize_t)sizeof(text), send(c.fd, text, sizeof(text), 0));
	first = *conn_expect(&c, .len = 1460, .pattern = 0);
	EXPECT_TRUE(first.df);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote = &first, .rest = 1300);
	/* At once, not after the timeout. */
	conn_expect(&c, .seq = 1, .len = 1260, .pattern = 0);
	peer_drain(p, 20);
	conn_send(&c, .flags = ACK, .ack = 1261);
	peer_drain(p, 20);
	conn_send(&c, .flags = ACK, .ack = 1461);
	pattern_fill(text, 1260, 1460);
	ASSERT_EQ(1260, send(c.fd, text, 1260, 0));
	conn_expect(&c, .seq = 1461, .len = 1260, .pattern = 1460);
	conn_send(&c, .flags = ACK);
	expect_alive(&c);
}

/* The packet that the error quotes was small enough: no router has dropped it for its size. */
TEST_F(icmp, rfc5927_7_1_too_big_about_a_small_segment)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct segment small;
	uint8_t text[1460];
	uint32_t pmtu;
	struct conn c;

	NOT_ON_STOCK();		/* believes the number */
	conn_open(p, &c);
	socket_set(c.fd, SOL_TCP, TCP_NODELAY, 1);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(100, send(c.fd, text, 100, 0));
	small = *conn_expect(&c, .len = 100);
	ASSERT_EQ((ssize_t)sizeof(text), send(c.fd, text, sizeof(text), 0));
	conn_expect(&c, .seq = 101, .len = 1460);
	pmtu = conn_info(&c).pmtu;
	counters_take(&before);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .quote = &small, .rest = 1300);
	peer_expect_silence(p, 20);
	EXPECT_EQ(1, counter_moved(&before, "OutOfWindowIcmps"));
	EXPECT_EQ(pmtu, conn_info(&c).pmtu);
	conn_send(&c, .flags = ACK, .ack = 1561);
	expect_alive(&c);
}

TEST_F(icmp, lc_102_ping_is_answered)
{
	struct peer *p = &self->peer;
	bool v6 = p->family == AF_INET6;
	int ip = v6 ? 40 : 20, proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct segment_spec spec = peer_spec(p, .proto = proto);
	uint8_t packet[PACKET_MAX], *echo = packet + ip;
	uint16_t csum;

	spec.ip_len = v6 ? 8 : 28;
	segment_build(&spec, packet);
	memset(echo, 0, 8);
	echo[0] = v6 ? 128 : ICMP_ECHO;
	echo[5] = 7;
	csum = ip_checksum(echo, 8, v6 ? segment_pseudo_sum(&spec.src, &spec.dst, proto, 8) : 0);
	echo[2] = csum >> 8;
	echo[3] = csum;
	peer_send_raw(p, packet, ip + 8);
	ASSERT_NE(NULL, peer_read(p, now_ns() + 10 * NSEC_PER_MSEC));
	EXPECT_EQ(proto, p->last.proto);
	EXPECT_EQ(v6 ? 129 : ICMP_ECHOREPLY, p->last.packet[ip]);
	EXPECT_EQ(7, p->last.packet[ip + 5]);
}

/* --- what IP itself counts ----------------------------------------------- */

/* A number of /proc/net/snmp's "Ip:" or of snmp6's "Ip6". */
static long long ip_counter(struct __test_metadata *_metadata, int family, const char *name)
{
	char names[2048] = "", line[2048], want[64], *a, *b, *more_a, *more_b;
	FILE *f = fopen(family == AF_INET6 ? "/proc/net/snmp6" : "/proc/net/snmp", "r");
	long long value = -1;

	ASSERT_NE(NULL, f);
	snprintf(want, sizeof(want), "Ip6%s", name);
	while (value < 0 && fgets(line, sizeof(line), f)) {
		a = strtok_r(line, " \t\n", &more_a);
		if (family == AF_INET6 && a && !strcmp(a, want))
			value = atoll(strtok_r(NULL, " \t\n", &more_a));
		if (family == AF_INET6 || !a || strcmp(a, "Ip:"))
			continue;
		if (!names[0]) {
			snprintf(names, sizeof(names), "%s", more_a);
			continue;
		}
		for (b = strtok_r(names, " \n", &more_b); b;
		     b = strtok_r(NULL, " \n", &more_b)) {
			a = strtok_r(NULL, " \n", &more_a);
			if (!strcmp(b, name))
				value = atoll(a);
		}
	}
	fclose(f);
	ASSERT_LE(0, value);
	return value;
}

/* Segments count as packets of IP, in both directions. */
TEST_F(icmp, ip_counts_segments)
{
	struct peer *p = &self->peer;
	long long in, out;
	struct conn c;

	conn_open(p, &c);
	in = ip_counter(_metadata, p->family, "InDelivers");
	out = ip_counter(_metadata, p->family, "OutRequests");
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(5, send(c.fd, "abcde", 5, 0));
		conn_expect(&c, .len = 5, .data = "abcde");
		conn_send(&c, .flags = ACK);
	}
	EXPECT_EQ(in + 3, ip_counter(_metadata, p->family, "InDelivers"));
	EXPECT_EQ(out + 3, ip_counter(_metadata, p->family, "OutRequests"));
}

/* There is no route to the peer: connect() fails, then a segment of an open connection. */
TEST_F(icmp, ip_counts_what_has_no_route)
{
	struct peer *p = &self->peer;
	char command[128], to[64];
	long long before;
	struct conn c;
	int fd;

	conn_open(p, &c);
	snprintf(command, sizeof(command), "ip route add throw %s metric 1",
		 ipaddr_text(&p->addr, to, sizeof(to)));
	ASSERT_EQ(0, system(command));
	before = ip_counter(_metadata, p->family, "OutNoRoutes");
	fd = socket_new(-1);
	EXPECT_EQ(ENETUNREACH, socket_connect(fd, "10.0.0.2", 80));
	EXPECT_EQ(before + 1, ip_counter(_metadata, p->family, "OutNoRoutes"));
	close(fd);
	ASSERT_EQ(1, send(c.fd, "a", 1, 0));
	EXPECT_EQ(before + 2, ip_counter(_metadata, p->family, "OutNoRoutes"));
	p->leave_unread = true;
}

TEST_HARNESS_MAIN
