// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6icmp: each ICMPv6 error, by type and code: its effect on an opening, a half-open
 * record and a connection; what IPV6_RECVERR and SO_ERROR report; the path MTU.
 * net/icmp has what both families have in common. RFC 4443, RFC 5927, RFC 8201, RFC
 * 8883; LC-105, LC-106.
 */
/* vm: short wires */
#include "lib/xtcp_test.h"

#include <linux/errqueue.h>

PEER_FIXTURE(ipv6icmp);

FIXTURE_VARIANT_ADD(ipv6icmp, native) { .setup = { .family = AF_INET6 } };

#define TOO_BIG	2

/*
 * RFC 1122 4.2.3.9's hard errors are final. No route is an error of the path, not of
 * the port.
 */
static const struct error {
	int type, code, err;
	bool final, no_way;
} errors[] = {
	{ 1, 0, ENETUNREACH, false, true },	/* no route */
	{ 1, 1, EACCES, true, false },		/* prohibited */
	{ 1, 2, EHOSTUNREACH, false, false },	/* beyond the source's scope */
	{ 1, 3, EHOSTUNREACH, false, true },	/* address */
	{ 1, 4, ECONNREFUSED, true, false },	/* port */
	{ 1, 5, EACCES, true, false },		/* policy of the source address */
	{ 1, 6, EACCES, true, false },		/* a route that rejects */
	{ 1, 7, EPROTO, true, false },		/* source routing; unknown to Linux */
	{ 3, 0, EHOSTUNREACH, false, true },	/* hops */
	{ 3, 1, EHOSTUNREACH, false, true },	/* reassembly */
	{ 4, 0, EPROTO, true, true },		/* a field */
	{ 4, 1, EPROTO, true, true },		/* a next header */
	{ 4, 2, EPROTO, true, true },		/* an option */
};

#define POINTER	0x28

#define send_error(p, e, ...) \
	peer_send_icmp(p, .v6 = true, .type = (e)->type, .code = (e)->code, \
		       .rest = (e)->type == 4 ? POINTER : 0, ##__VA_ARGS__)

static void note(struct peer *p, const struct error *e)
{
	peer_note(p, "type %d code %d", e->type, e->code);
}

TEST_F(ipv6icmp, lc_105_ends_an_opening)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const struct error *e = &errors[i];

		note(p, e);
		conn_to_state(p, &c, ST_SYN_SENT);
		send_error(p, e, .quote_seq = p->last.seq + 2);
		conn_expect_state(&c, ST_SYN_SENT);	/* not in flight: forged */
		send_error(p, e);
		EXPECT_EQ(e->err, socket_error(c.fd));
		conn_expect_state(&c, ST_CLOSED);
		close(c.fd);
	}
}

/* MUST-56: an error that is not final does not end a connection. */
TEST_F(ipv6icmp, knob_icmp_soft_abort_off)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("icmp_soft_abort", 0));
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const struct error *e = &errors[i];

		note(p, e);
		conn_to_state(p, &c, ST_SYN_SENT);
		send_error(p, e);
		conn_expect_state(&c, e->final ? ST_CLOSED : ST_SYN_SENT);
		EXPECT_EQ(e->err, socket_error(c.fd));
		close(c.fd);
	}
}

/* A record ends if there is no way to the peer, as over IPv4. Linux ends it by a final error. */
TEST_F(ipv6icmp, lc_105_half_open)
{
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const struct error *e = &errors[i];
		struct conn c;

		note(p, e);
		conn_to_state(p, &c, ST_HALF_OPEN, .kport = 6000 + i);
		send_error(p, e, .quote_seq = p->last.seq + 2);
		conn_expect_state(&c, ST_HALF_OPEN);	/* forged */
		send_error(p, e);
		conn_expect_state(&c, e->no_way ? ST_CLOSED : ST_HALF_OPEN);
		if (e->no_way)
			continue;
		conn_send(&c, .flags = ACK);
		conn_expect_state(&c, ST_ESTABLISHED);
	}
}

/* A connection with a segment in flight, which is the last one read. */
static void in_flight(struct __test_metadata *_metadata, struct peer *p, struct conn *c, int len)
{

	conn_open(p, c, .kport = p->next_port + 10000);
	conn_write(c, len);
	conn_expect(c, .len = len < 1440 ? len : 1440);
}

typedef void (*hears)(struct __test_metadata *_metadata, struct conn *c,
		      const struct segment *text, const struct error *e);

/* Each error in turn, about a segment in flight; none ends the connection. */
static void outlives_errors(struct __test_metadata *_metadata, struct peer *p, hears each)
{
	struct segment text;
	struct conn c;

	in_flight(_metadata, p, &c, 4);
	text = p->last;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		note(p, &errors[i]);
		each(_metadata, &c, &text, &errors[i]);
		EXPECT_EQ(0, socket_error(c.fd));
		EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	}
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = ACK);
}

static void hears_once(struct __test_metadata *_metadata, struct conn *c,
		       const struct segment *text, const struct error *e)
{
	send_error(c->peer, e, .quote = text, .quote_seq = text->seq + 5);
	EXPECT_EQ(0, socket_error(c->fd));	/* forged */
	send_error(c->peer, e, .quote = text);
	EXPECT_EQ(POLLOUT, socket_poll(c->fd));
	EXPECT_EQ(e->err, socket_error(c->fd));
}

TEST_F(ipv6icmp, rfc5927_is_soft_to_a_connection)
{
	outlives_errors(_metadata, &self->peer, hears_once);
}

/* The next message of the error queue: the whole of what ICMPv6 said. */
static void expect_told(struct __test_metadata *_metadata, int fd, const struct error *e)
{
	struct sock_extended_err *ee;
	char control[512], data[64];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	ASSERT_LE(0, recvmsg(fd, &msg, MSG_ERRQUEUE));
	EXPECT_TRUE(msg.msg_flags & MSG_ERRQUEUE);
	cmsg = CMSG_FIRSTHDR(&msg);
	ASSERT_NE(NULL, cmsg);
	EXPECT_EQ(IPPROTO_IPV6, cmsg->cmsg_level);
	EXPECT_EQ(IPV6_RECVERR, cmsg->cmsg_type);
	ee = (struct sock_extended_err *)CMSG_DATA(cmsg);
	EXPECT_EQ(SO_EE_ORIGIN_ICMP6, ee->ee_origin);
	EXPECT_EQ(e->type, ee->ee_type);
	EXPECT_EQ(e->code, ee->ee_code);
	EXPECT_EQ(e->err, (int)ee->ee_errno);
	EXPECT_EQ(e->type == 4 ? POINTER : 0, (int)ee->ee_info);
}

static void with_errors(int fd)
{
	socket_set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
}

/* Reported by SO_ERROR: the queue is for an opening alone. */
static void hears_in_detail(struct __test_metadata *_metadata, struct conn *c,
			    const struct segment *text, const struct error *e)
{
	with_errors(c->fd);
	send_error(c->peer, e, .quote = text);
	EXPECT_EQ(POLLERR | POLLOUT, socket_poll(c->fd));
	EXPECT_EQ(e->err, socket_error(c->fd));
	EXPECT_EQ(EAGAIN, errno_of(recv(c->fd, &(char){ 0 }, 1, MSG_ERRQUEUE)));
}

TEST_F(ipv6icmp, ipv6_recverr_of_a_connection)
{
	outlives_errors(_metadata, &self->peer, hears_in_detail);
}

TEST_F(ipv6icmp, ipv6_recverr_of_an_opening)
{
	struct peer *p = &self->peer;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		note(p, &errors[i]);
		conn_to_state(p, &c, ST_SYN_SENT, .prepare = with_errors);
		send_error(p, &errors[i]);
		EXPECT_EQ(POLLERR, socket_poll(c.fd) & POLLERR);
		expect_told(_metadata, c.fd, &errors[i]);
		conn_expect_state(&c, ST_CLOSED);
		close(c.fd);
	}
}

/* --- packet too big ---------------------------------------------------------- */

/* RFC 4443 3.2: whatever the code is. */
TEST_F(ipv6icmp, rfc4443_too_big_with_any_code)
{
	struct peer *p = &self->peer;
	struct conn c;

	in_flight(_metadata, p, &c, 1440);
	peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .code = 7, .rest = 1400);
	conn_expect(&c, .seq = 1, .len = 1340);
	conn_expect(&c, .seq = 1341, .len = 100);
	conn_send(&c, .flags = ACK);
}

TEST_F(ipv6icmp, rfc8201_too_big_has_a_floor)
{
	static const int less[] = { 0, 1, 68, 576, 1279 };
	struct peer *p = &self->peer;
	struct segment first;
	struct conn c;

	in_flight(_metadata, p, &c, 4000);
	first = p->last;
	conn_expect(&c, .seq = 1441, .len = 1440);
	conn_expect(&c, .seq = 2881, .len = 1120);
	/* Less than the minimum MTU of links: no router can have said that. */
	for (size_t i = 0; i < ARRAY_SIZE(less); i++)
		peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .quote = &first, .rest = less[i]);
	peer_expect_silence(p, 10);
	peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .quote = &first, .rest = 1280);
	conn_expect(&c, .seq = 1, .len = 1220);
	p->leave_unread = true;
}

/* RFC 5927 7: an error about old segments, or about what was never sent, is ignored. */
TEST_F(ipv6icmp, rfc5927_too_big_out_of_window)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	in_flight(_metadata, p, &c, 1440);
	counters_take(&before);
	peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .rest = 1280, .quote_seq = c.kern_iss);
	peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .rest = 1280,
		       .quote_seq = c.kern_iss + 1442);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", 2, NULL);
	conn_send(&c, .flags = ACK);
}

/* The message has 32 bits for the MTU. No packet is larger than that, so none was too big. */
TEST_F(ipv6icmp, rfc4443_too_big_beyond_16_bits)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	in_flight(_metadata, p, &c, 1440);
	counters_begin(&before);
	peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .rest = 65536 + 1300);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "OutOfWindowIcmps", !stock_mode(), NULL);
	EXPECT_EQ(1500, conn_info(&c).pmtu);
	EXPECT_EQ(1440, conn_info(&c).snd_mss);
	conn_send(&c, .flags = ACK);
}

/*
 * The opening continues, and its later segments are small; in the kernel's TCP they
 * are not.
 */
TEST_F(ipv6icmp, lc_106_too_big_for_a_syn)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_SYN_SENT);
	peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .rest = 1300);
	conn_expect_state(&c, ST_SYN_SENT);
	EXPECT_EQ(0, socket_error(c.fd));
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_write(&c, 2000);
	conn_expect(&c, .seq = 1, .len = 1240);
	conn_expect(&c, .seq = 1241, .len = 760);
	conn_send(&c, .flags = ACK);
}

/*
 * The path MTU of a route counts for all sockets; a socket that was closed reported
 * it.
 */
static int mss_of_the_next(struct __test_metadata *_metadata, struct peer *p)
{
	struct socket_info info;
	struct conn c;

	conn_open(p, &c, .kport = p->next_port + 10000);
	info = conn_info(&c);
	conn_send(&c, .flags = RST);
	close(c.fd);
	return info.snd_mss;
}

/*
 * With INTERFACE or OMIT a socket ignores routers (RFC 8899 4.6.1), so that a forged
 * message about it affects no other socket either.
 */
TEST_F(ipv6icmp, ipv6_mtu_discover_keeps_the_route)
{
	static const struct {
		int mode;
		bool believed;
	} cases[] = {
		{ IPV6_PMTUDISC_INTERFACE, false }, { IPV6_PMTUDISC_OMIT, false },
		{ IPV6_PMTUDISC_DONT, true },
	};
	struct peer *p = &self->peer;
	struct conn c;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_note(p, "mode %d", cases[i].mode);
		in_flight(_metadata, p, &c, 1440);
		ASSERT_EQ(0, socket_set(c.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, cases[i].mode));
		peer_send_icmp(p, .v6 = true, .type = TOO_BIG, .rest = 1300);
		if (cases[i].believed)
			conn_expect(&c, .seq = 1, .len = 1240);
		peer_drain(p, 10);
		conn_send(&c, .flags = RST, .seq = 1);
		close(c.fd);
		EXPECT_EQ(cases[i].believed ? 1240 : 1440, mss_of_the_next(_metadata, p));
	}
}

/* A raw socket gets the error as it came. The kernel may compare its checksum before recv(). */
TEST_F(ipv6icmp, raw_socket_gets_the_error)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMPV6), n;
	struct peer *p = &self->peer;
	uint8_t message[256];
	struct conn c;

	ASSERT_LE(0, fd);
	conn_open(p, &c);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "text");
	send_error(p, &errors[3]);
	n = recv(fd, message, sizeof(message), 0);
	ASSERT_LE(8 + 40, n);
	EXPECT_EQ(errors[3].code, message[1]);
	EXPECT_EQ(p->wire, message[8 + 6]);
	EXPECT_EQ(0, ip_checksum(message, n, segment_pseudo_sum(&p->addr, &p->kernel,
								IPPROTO_ICMPV6, n)));
	close(fd);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_ESTABLISHED);
}

TEST_HARNESS_MAIN
