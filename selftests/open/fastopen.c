// SPDX-License-Identifier: GPL-2.0
/*
 * fastopen: fast open at the server, RFC 7413: the cookie, a SYN whose data the program reads
 * before the handshake is over, and every SYN that must not do that. In stock mode the same
 * tests show that the kernel's TCP does the same. fastconnect.c has the client.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"

#include <linux/icmp.h>
#include <linux/tcp.h>
#include <poll.h>

PEER_FIXTURE(fastopen);

#define USUAL	OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7)
#define SERVER_BIT "2"
#define KEY_A	"00112233-44556677-8899aabb-ccddeeff"
#define KEY_B	"01020304-05060708-090a0b0c-0d0e0f10"

static int fast_listener_at(struct __test_metadata *_metadata, struct peer *p, int limit)
{
	int fd;

	ASSERT_EQ(0, knob_set("fastopen", 3));
	fd = peer_listen(p, KERNEL_PORT, 16);
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, limit));
	return fd;
}
#define fast_listener(p) fast_listener_at((p)->test, p, 5)

/* A SYN, with @text if not NULL and these options; the connection is @c. */
static void syn(struct peer *p, struct conn *c, int lfd, struct optbytes opt, const char *text)
{
	conn_start(p, c, .lfd = lfd, .opt = opt);
	conn_send(c, .flags = SYN, .seq = 0, .data = text ?: "");
}

static struct optbytes with_cookie(const uint8_t *cookie, int len, bool exp)
{
	struct optbytes o = OPT(USUAL);

	if (exp) {
		memcpy(o.b + o.len, (uint8_t[]){ 254, 4 + len, 0xf9, 0x89 }, 4);
		o.len += 4;
	} else {
		memcpy(o.b + o.len, (uint8_t[]){ 34, 2 + len }, 2);
		o.len += 2;
	}
	memcpy(o.b + o.len, cookie, len);
	o.len += len;
	while (o.len % 4)
		o.b[o.len++] = 1;
	return o;
}

/* Asks for the cookie of the peer's address; the connection is reset. */
static void cookie_ask(struct __test_metadata *_metadata, struct peer *p, int lfd,
		       uint8_t *cookie)
{
	struct conn c;

	syn(p, &c, lfd, with_cookie(cookie, 0, false), NULL);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	ASSERT_EQ(8, c.kern_opt.fastopen);
	ASSERT_FALSE(c.kern_opt.fastopen_exp);
	memcpy(cookie, c.kern_opt.fastopen_cookie, 8);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* A connection that a SYN with "hello" and a valid cookie has opened; its SYN-ACK is read. */
static void open_fast(struct __test_metadata *_metadata, struct peer *p, struct conn *c, int lfd)
{
	uint8_t cookie[16];

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(-1, c->kern_opt.fastopen);
}

/* Not at once: the data is not acknowledged, and nothing can be accepted. */
static void expect_declined(struct __test_metadata *_metadata, struct conn *c, int lfd)
{
	conn_expect(c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	conn_send(c, .flags = RST, .seq = 1);
}

/* --- the cookie --- */

TEST_F(fastopen, rfc7413_ctr_TCPFastOpenCookieReqd_ctr_TCPFastOpenPassive)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t first[16], again[16];
	struct counters before;
	struct conn c;

	counters_begin(&before);
	counters_ignore_traffic(&before);
	cookie_ask(_metadata, p, lfd, first);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenCookieReqd"));
	EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassive"));
	/* The same for another port of the client; in the experimental form as well. */
	cookie_ask(_metadata, p, lfd, again);
	EXPECT_EQ(0, memcmp(first, again, 8));
	syn(p, &c, lfd, with_cookie(again, 0, true), NULL);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(8, c.kern_opt.fastopen);
	EXPECT_TRUE(c.kern_opt.fastopen_exp);
	EXPECT_EQ(0, memcmp(first, c.kern_opt.fastopen_cookie, 8));
	/* A SYN-ACK that is sent again has none. */
	conn_expect(&c, .flags = SYN | ACK, .ack = 1, .within_ms = 1100);
	EXPECT_EQ(-1, p->last.opt.fastopen);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* An address has a cookie of its own. */
TEST_F(fastopen, rfc7413_cookie_is_of_one_address)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	counters_begin(&before);
	conn_start(p, &c, .lfd = lfd, .opt = with_cookie(cookie, 8, false),
		   .peer_addr = ipaddr("10.0.0.77"));
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	/* It gets its own at once. */
	EXPECT_EQ(8, c.kern_opt.fastopen);
	EXPECT_NE(0, memcmp(cookie, c.kern_opt.fastopen_cookie, 8));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassiveFail"));
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	conn_send(&c, .flags = RST, .seq = 1);
}

/* So has an address of the server: the cookie of one is worth nothing at the other. */
TEST_F(fastopen, rfc7413_cookie_is_of_one_server_address)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p), other;
	uint8_t first[16], second[16];
	struct counters before;
	struct conn c;

	cookie_ask(_metadata, p, lfd, first);
	p->kernel = ipaddr("10.0.0.3");
	address_add(WHERE(_metadata), "tun0", &p->kernel, p->family == AF_INET6 ? 64 : 24);
	other = fast_listener(p);
	counters_begin(&before);
	syn(p, &c, other, with_cookie(first, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	ASSERT_EQ(8, c.kern_opt.fastopen);
	memcpy(second, c.kern_opt.fastopen_cookie, 8);
	EXPECT_NE(0, memcmp(first, second, 8));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassiveFail"));
	EXPECT_EQ(EAGAIN, socket_accept(other));
	conn_send(&c, .flags = RST, .seq = 1);
	/* Its own one is. */
	syn(p, &c, other, with_cookie(second, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_send(&c, .flags = RST, .seq = 6);
}

/*
 * Two hosts with the same addresses: each has a key of its own, unless an administrator gives
 * both the same.
 */
TEST_F(fastopen, rfc7413_cookie_is_of_one_namespace)
{
	int lfd = fast_listener(&self->peer), home, there;
	struct counters before;
	struct peer other;
	uint8_t cookie[16];
	struct conn c;

	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, home);
	cookie_ask(_metadata, &self->peer, lfd, cookie);
	peer_open_at(WHERE(_metadata), &other, NULL);
	there = fast_listener(&other);
	counters_begin(&before);
	syn(&other, &c, there, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	ASSERT_EQ(8, c.kern_opt.fastopen);
	EXPECT_NE(0, memcmp(cookie, c.kern_opt.fastopen_cookie, 8));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassiveFail"));
	EXPECT_EQ(EAGAIN, socket_accept(there));
	conn_send(&c, .flags = RST, .seq = 1);
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_A));
	netns_enter(WHERE(_metadata), home);
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_A));
	cookie_ask(_metadata, &self->peer, lfd, cookie);
	/* A socket stays where it is; the knob and the counters are those of this namespace. */
	syn(&other, &c, there, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_send(&c, .flags = RST, .seq = 6);
	peer_close_at(WHERE(_metadata), &other);
	close(there);
	close(home);
}

/* With the same key, the kernel's TCP makes the same cookie. */
TEST_F(fastopen, rfc7413_cookie_is_that_of_linux)
{
	struct peer *p = &self->peer;
	uint8_t cookie[2][16];
	struct conn c;
	int fd;

	if (stock_mode() || p->wire != XTCP_WIRE_TCP)
		return;		/* both answer on the TCP wire only */
	p->stock_may_speak = true;
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "3"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/tcp_fastopen_key", KEY_A));
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_A));
	fd = fast_listener(p);
	cookie_ask(_metadata, p, fd, cookie[0]);
	close(fd);
	fd = socket_new(IPPROTO_TCP);
	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT + 1));
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 5));
	ASSERT_EQ(0, socket_listen(fd, 5));
	conn_start(p, &c, .lfd = fd, .kport = KERNEL_PORT + 1,
		   .opt = with_cookie(cookie[1], 0, false));
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	ASSERT_EQ(8, c.kern_opt.fastopen);
	EXPECT_EQ(0, memcmp(cookie[0], c.kern_opt.fastopen_cookie, 8));
	conn_send(&c, .flags = RST, .seq = 1);
	close(fd);
}

/* A new key, and the one before it. */
TEST_F(fastopen, rfc7413_ctr_TCPFastOpenPassiveAltKey)
{
	struct peer *p = &self->peer;
	uint8_t old[16], fresh[16];
	struct counters before;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_A));
	lfd = fast_listener(p);
	cookie_ask(_metadata, p, lfd, old);
	/* B makes cookies, A still verifies them; its holder gets a new one. */
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_B "," KEY_A));
	counters_begin(&before);
	syn(p, &c, lfd, with_cookie(old, 8, true), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(8, c.kern_opt.fastopen);
	EXPECT_TRUE(c.kern_opt.fastopen_exp);
	memcpy(fresh, c.kern_opt.fastopen_cookie, 8);
	EXPECT_NE(0, memcmp(old, fresh, 8));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassiveAltKey"));
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassive"));
	conn_send(&c, .flags = RST, .seq = 6);
	EXPECT_EQ(ECONNRESET, (conn_accept(&c), socket_error(c.fd)));
	close(c.fd);
	syn(p, &c, lfd, with_cookie(fresh, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	conn_send(&c, .flags = RST, .seq = 6);
	close(conn_accept(&c));
	/* A is gone. */
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_B));
	syn(p, &c, lfd, with_cookie(old, 8, false), "hello");
	expect_declined(_metadata, &c, lfd);
}

/* Wrong, cut off, of odd and of impossible lengths. */
TEST_F(fastopen, rfc7413_ctr_TCPFastOpenPassiveFail_bad_cookies)
{
	static const int lengths[] = { 1, 2, 3, 4, 6, 7, 9, 10, 12, 16 };
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[32] = { 0 }, bad[32];
	struct counters before;
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	for (int bit = 0; bit < 64; bit += 9) {
		memcpy(bad, cookie, 8);
		bad[bit / 8] ^= 1 << bit % 8;
		counters_begin(&before);
		syn(p, &c, lfd, with_cookie(bad, 8, bit & 1), "hello");
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
		ASSERT_EQ(8, c.kern_opt.fastopen);
		EXPECT_EQ(0, memcmp(cookie, c.kern_opt.fastopen_cookie, 8));
		EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassiveFail"));
		EXPECT_EQ(EAGAIN, socket_accept(lfd));
		conn_send(&c, .flags = RST, .seq = 1);
	}
	for (int i = 0; i < (int)(sizeof(lengths) / sizeof(lengths[0])); i++) {
		bool known = lengths[i] >= 4 && lengths[i] % 2 == 0;

		syn(p, &c, lfd, with_cookie(cookie, lengths[i], false), "hello");
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
		EXPECT_EQ(known ? 8 : -1, c.kern_opt.fastopen);
		EXPECT_EQ(EAGAIN, socket_accept(lfd));
		conn_send(&c, .flags = RST, .seq = 1);
	}
	/* Longer than any cookie may be: right bytes and more of them are no cookie. */
	for (int len = 17; len <= 34; len++) {
		struct optbytes opt = OPT(OPT_MSS(1460), 34, 2 + len);

		memset(opt.b + opt.len, 1, sizeof(opt.b) - opt.len);
		memcpy(opt.b + opt.len, cookie, 8);
		opt.len += len;
		while (opt.len % 4)
			opt.b[opt.len++] = 1;
		counters_begin(&before);
		syn(p, &c, lfd, opt, "hello");
		expect_declined(_metadata, &c, lfd);
		EXPECT_EQ(-1, c.kern_opt.fastopen);
		EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassiveFail"));
	}
	/* The experimental option with another ExID is another option. */
	syn(p, &c, lfd, OPT(USUAL, 254, 12, 0xf9, 0x88, 1, 2, 3, 4, 5, 6, 7, 8), "hello");
	expect_declined(_metadata, &c, lfd);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	/* Of two, the last counts. */
	syn(p, &c, lfd, OPT(OPT_MSS(1460), 34, 2, 34, 10, cookie[0], cookie[1], cookie[2],
			    cookie[3], cookie[4], cookie[5], cookie[6], cookie[7]), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* --- when it is off --- */

TEST_F(fastopen, rfc7413_off_by_default)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p), plain;
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	/* A listener that has not asked for it. */
	plain = peer_listen(p, KERNEL_PORT + 1, 4);
	conn_start(p, &c, .lfd = plain, .kport = KERNEL_PORT + 1,
		   .opt = with_cookie(cookie, 8, false));
	conn_send(&c, .flags = SYN, .seq = 0, .data = "x");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	conn_send(&c, .flags = RST, .seq = 1);
	/* The knob. */
	ASSERT_EQ(0, knob_set("fastopen", 1));
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "x");
	expect_declined(_metadata, &c, lfd);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	/* A limit of 0. */
	ASSERT_EQ(0, knob_set("fastopen", 3));
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN, 0));
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "x");
	expect_declined(_metadata, &c, lfd);
	/* No option at all: data alone opens nothing. */
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN, 5));
	syn(p, &c, lfd, OPT(USUAL), "x");
	expect_declined(_metadata, &c, lfd);
}

/* Bit 0x400: each listener, with its backlog as the limit. */
TEST_F(fastopen, rfc7413_knob_for_all_listeners)
{
	struct peer *p = &self->peer;
	socklen_t len = sizeof(int);
	int lfd, limit = -1;
	struct conn c;

	ASSERT_EQ(0, knob_set("fastopen", 0x402));
	lfd = peer_listen(p, KERNEL_PORT, 7);
	ASSERT_EQ(0, getsockopt(lfd, IPPROTO_TCP, TCP_FASTOPEN, &limit, &len));
	EXPECT_EQ(7, limit);
	open_fast(_metadata, p, &c, lfd);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* Bit 0x200, and the option: no cookie is needed, nor granted. */
TEST_F(fastopen, rfc7413_without_cookies)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	syn(p, &c, lfd, OPT(USUAL), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 6);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0));
	syn(p, &c, lfd, OPT(USUAL), "hello");
	expect_declined(_metadata, &c, lfd);
	ASSERT_EQ(0, knob_set("fastopen", 0x203));
	syn(p, &c, lfd, with_cookie((uint8_t[8]){ 1 }, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* --- a connection that was opened at once --- */

/* Read, and answered before the handshake is over. */
TEST_F(fastopen, rfc7413_data_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct tcp_info info;
	struct conn c;

	counters_begin(&before);
	open_fast(_metadata, p, &c, lfd);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassive"));
	EXPECT_EQ(1, counter_moved(&before, "PassiveOpens"));
	conn_expect_state(&c, ST_SYN_RECEIVED);
	EXPECT_TRUE(socket_poll(lfd) & POLLIN);
	conn_accept(&c);
	EXPECT_TRUE(socket_poll(c.fd) & POLLIN);
	EXPECT_TRUE(socket_poll(c.fd) & POLLOUT);
	stream_expect_text(_metadata, c.fd, "hello");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "answer");
	conn_expect_state(&c, ST_SYN_RECEIVED);
	info = conn_tcp_info(&c);
	EXPECT_EQ(ROW_SYN_RECEIVED, info.tcpi_state);
	EXPECT_TRUE(info.tcpi_options & TCPI_OPT_SYN_DATA);
	EXPECT_EQ(5, info.tcpi_bytes_received);
	/* The third ACK acknowledges both. */
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 7);
	conn_expect_state(&c, ST_ESTABLISHED);
	info = conn_tcp_info(&c);
	EXPECT_EQ(6, info.tcpi_bytes_acked);
	EXPECT_EQ(0, info.tcpi_unacked);
	EXPECT_TRUE(info.tcpi_options & TCPI_OPT_SYN_DATA);
	/* And it goes on like any other. */
	conn_send(&c, .flags = PSH | ACK, .data = "more");
	conn_expect(&c, .flags = ACK, .seq = 7, .ack = 10, .within_ms = DELAYED_ACK_MS);
	stream_expect_text(_metadata, c.fd, "more");
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 11, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(0, recv(c.fd, &info, 1, 0));
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 7, .ack = 11);
	conn_send(&c, .flags = ACK);
}

/* TCP_CORK and Nagle hold data back before the third ACK, too, and release it. */
TEST_F(fastopen, rfc7413_held_back_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 1));
	ASSERT_EQ(3, send(c.fd, "one", 3, 0));
	peer_expect_silence(p, 20);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_CORK, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "one");
	ASSERT_EQ(3, send(c.fd, "two", 3, 0));
	peer_expect_silence(p, 20);
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_NODELAY, 1));
	conn_expect(&c, .flags = PSH | ACK, .seq = 4, .ack = 6, .data = "two");
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = RST, .seq = 6);
	p->leave_unread = true;
}

/* A cookie without data: the program may write at once. */
TEST_F(fastopen, rfc7413_cookie_without_data)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), NULL);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_accept(&c);
	EXPECT_FALSE(socket_poll(c.fd) & POLLIN);
	ASSERT_EQ(2, send(c.fd, "hi", 2, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 1, .data = "hi");
	conn_send(&c, .flags = PSH | ACK, .data = "yes", .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	stream_expect_text(_metadata, c.fd, "yes");
	conn_send(&c, .flags = RST, .seq = 4);
	p->leave_unread = true;
}

/* The SYN-ACK is lost: it comes again after 1, 3, 7 ... s, once more than the knob says. */
TEST_F_TIMEOUT(fastopen, rfc7413_syn_ack_is_lost, 1000)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	ASSERT_EQ(0, knob_set("synack_retries", 2));
	open_fast(_metadata, p, &c, lfd);
	peer_mark_last(p);
	conn_accept(&c);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 1000);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 3000);
	/* The client's own timer: its SYN again, without data. */
	peer_sleep_until(p, 3500);
	c.peer_opt = OPT(USUAL);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	p->leave_unread = true;
	peer_sleep_until(p, 20000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
}

/* An answer in SYN-RECEIVED that the device refuses is sent a little later, like a delayed ACK. */
TEST_F(fastopen, rfc7413_answer_finds_no_room)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();		/* the answer is lost */
	lfd = fast_listener(p);
	open_fast(_metadata, p, &c, lfd);
	peer_jam(p);
	conn_send(&c, .flags = ACK, .seq = -1000, .ack = 1);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	peer_unjam(p);
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 210);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = RST, .seq = 6);
}

/*
 * What was written before is lost with it. The ACK of a SYN-ACK that left later shows that; the
 * kernel's TCP waits for a timeout.
 */
TEST_F(fastopen, rfc7413_answer_is_lost_too)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	peer_mark_last(p);
	conn_accept(&c);
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .data = "answer");
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 1000);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .data = "answer",
		    .at_ms = stock_mode() ? 1200 : 1000);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 7);
	peer_expect_silence(p, 5000);
}

/* The SYN a second time, as a duplicate of the network: one connection, one answer. */
TEST_F(fastopen, rfc7413_syn_comes_twice)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct conn c;

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	conn_accept(&c);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	stream_expect_text(_metadata, c.fd, "hello");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * A copy of the SYN that comes late. TIME-WAIT still knows the connection: the program sees
 * nothing of the copy. Minutes later nobody does, and the program reads the request again: RFC 7413
 * 6.1 leaves that to it.
 */
TEST_F_TIMEOUT(fastopen, rfc7413_syn_comes_again_minutes_later, 1000)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn first, copy;
	uint8_t cookie[16];

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, &first, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&first, .flags = SYN | ACK, .ack = 6);
	conn_accept(&first);
	stream_expect_text(_metadata, first.fd, "hello");
	conn_send(&first, .flags = ACK, .seq = 6, .ack = 1);
	close(first.fd);
	conn_expect(&first, .flags = FIN | ACK, .seq = 1, .ack = 6);
	conn_send(&first, .flags = FIN | ACK, .seq = 6, .ack = 2);
	conn_expect(&first, .flags = ACK, .seq = 2, .ack = 7);
	conn_expect_state(&first, ST_TIME_WAIT);
	sleep_ms(30000);
	/* The same timestamp, too. */
	first.tsval_start_ns = now_ns();
	conn_send(&first, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&first, .flags = ACK, .seq = 2, .ack = 7);
	conn_expect_state(&first, ST_TIME_WAIT);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	sleep_ms(270000);
	conn_expect_state(&first, ST_CLOSED);
	conn_start(p, &copy, .lfd = lfd, .pport = first.pport, .peer_iss = first.peer_iss,
		   .opt = with_cookie(cookie, 8, false));
	copy.tsval_base = first.tsval_base;
	conn_send(&copy, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&copy, .flags = SYN | ACK, .ack = 6);
	conn_accept(&copy);
	stream_expect_text(_metadata, copy.fd, "hello");
	conn_send(&copy, .flags = RST, .seq = 6);
}

/* The record of TIME-WAIT keeps the copy out, so no knob ends it early or does without it. */
TEST_F(fastopen, lc_47_syn_comes_again_whatever_shortens_time_wait)
{
	static const char *const knobs[] = { "tw_recycle", "tw_stateless" };
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	NOT_ON_STOCK();		/* has no such knobs */
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		peer_note(p, "%s", knobs[i]);
		ASSERT_EQ(0, knob_set(knobs[i], 1));
		open_fast(_metadata, p, &c, lfd);
		conn_accept(&c);
		stream_expect_text(_metadata, c.fd, "hello");
		conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
		close(c.fd);
		conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 6, .token = 0);
		conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 2);
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 7);
		sleep_ms(5000);
		c.tsval_start_ns = now_ns();
		conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 7);
		conn_expect_state(&c, ST_TIME_WAIT);
		EXPECT_EQ(EAGAIN, socket_accept(lfd));
		ASSERT_EQ(0, knob_set(knobs[i], 0));
	}
}

/* A RST, before and after accept(). */
/* A SYN-ACK is no third ACK: its payload is behind a SYN that counts as well. */
TEST_F(fastopen, rfc7413_syn_ack_with_payload_as_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	conn_send(&c, .flags = SYN | ACK | PSH, .seq = 0, .ack = 1, .data = "hello world");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK | PSH, .seq = 6, .ack = 1, .data = " there");
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 12, .within_ms = DELAYED_ACK_MS);
	stream_expect_text(_metadata, c.fd, "hello there");
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
}

TEST_F(fastopen, rfc7413_reset)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	counters_begin(&before);
	conn_send(&c, .flags = RST, .seq = 6);
	conn_expect_state(&c, ST_CLOSED);
	/* The kernel's TCP counts it as half-open and as a child. */
	EXPECT_EQ(stock_mode() ? 2 : 1, counter_moved(&before, "AttemptFails"));
	conn_accept(&c);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	close(c.fd);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	conn_send(&c, .flags = RST, .seq = 6);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	close(c.fd);
	/* An ACK of what was never sent. */
	open_fast(_metadata, p, &c, lfd);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 2);
	conn_expect(&c, .flags = RST, .seq = 2);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* close() before the third ACK. */
TEST_F(fastopen, rfc7413_closed_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(3, send(c.fd, "bye", 3, 0));
	close(c.fd);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "bye");
	conn_expect(&c, .flags = FIN | ACK, .seq = 4, .ack = 6);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 5);
	conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 5);
	conn_expect(&c, .flags = ACK, .seq = 5, .ack = 7);
	/* With data that nobody has read. */
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	close(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_CLOSED);
}

/*
 * close() before a third ACK that never comes: the SYN-ACK is repeated, the answer and the FIN
 * are not, for the address has proved nothing. The end makes room for others.
 */
/* Data that the client reports before it has acknowledged the SYN-ACK. */
TEST_F(fastopen, rfc7413_sack_before_the_third_ack)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(3, send(c.fd, "bye", 3, 0));
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "bye");
	conn_expect(&c, .flags = FIN | ACK, .seq = 4, .ack = 6);
	conn_send_sack(&c, 0, { 1, 4 });
	/* The kernel's TCP believes it, and sends the SYN-ACK again. */
	peer_drain(p, 20);
	/* The SYN is still known as that of this connection. */
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 5);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
	conn_send(&c, .flags = FIN | ACK, .seq = 6, .ack = 5);
	conn_expect(&c, .flags = ACK, .seq = 5, .ack = 7);
}

TEST_F_TIMEOUT(fastopen, rfc7413_closed_and_never_acknowledged, 1000)
{
	struct peer *p = &self->peer;
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set("synack_retries", 2));
	/* An end without a RST makes room at once. */
	lfd = fast_listener_at(_metadata, p, 1);
	open_fast(_metadata, p, &c, lfd);
	peer_mark_last(p);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(3, send(c.fd, "bye", 3, 0));
	close(c.fd);
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "bye");
	conn_expect(&c, .flags = FIN | ACK, .seq = 4, .ack = 6);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 1000);
	/* The client's SYN again is answered. */
	peer_sleep_until(p, 2000);
	c.peer_opt = OPT(USUAL);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 3000);
	/* Once more than the knob says, as in Linux. */
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 6, .at_ms = 7000);
	peer_expect_silence(p, 13000);
	conn_expect_state(&c, ST_CLOSED);
	open_fast(_metadata, p, &c, lfd);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* A paced answer does not wait for the third ACK. */
TEST_F(fastopen, rfc7413_answer_is_paced)
{
	static uint8_t answer[5 * 1448];
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	pattern_fill(answer, sizeof(answer), 0);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_MAX_PACING_RATE, 14480));
	ASSERT_EQ(sizeof(answer), send(c.fd, answer, sizeof(answer), 0));
	for (uint32_t i = 0; i < 5; i++)
		conn_expect(&c, .seq = 1 + i * 1448, .ack = 6, .len = 1448,
			    .pattern = i * 1448, .within_ms = 250);
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1 + sizeof(answer));
	conn_expect_state(&c, ST_ESTABLISHED);
	p->leave_unread = true;
}

/* An ICMP error ends an opening, but not a connection that the program has. */
TEST_F(fastopen, rfc7413_icmp_before_and_after_accept)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c;

	open_fast(_metadata, p, &c, lfd);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &p->last);
	conn_accept(&c);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	close(c.fd);
	open_fast(_metadata, p, &c, lfd);
	conn_accept(&c);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH,
		       .quote = &p->last);
	/* A hint, which SO_ERROR tells. */
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	conn_expect_state(&c, ST_SYN_RECEIVED);
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	stream_expect_text(_metadata, c.fd, "hello");
}

/* The listener closes: the child in its queue is reset. */
TEST_F(fastopen, rfc7413_listener_closes)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct conn c, accepted;

	open_fast(_metadata, p, &accepted, lfd);
	conn_accept(&accepted);
	open_fast(_metadata, p, &c, lfd);
	close(lfd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 6);
	conn_expect_state(&c, ST_CLOSED);
	/* One that was accepted does not need its listener. */
	conn_send(&accepted, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&accepted, ST_ESTABLISHED);
	stream_expect_text(_metadata, accepted.fd, "hello");
}

/* --- the limit --- */

TEST_F_TIMEOUT(fastopen, rfc7413_ctr_TCPFastOpenListenOverflow, 1000)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c[2], d;
	uint8_t cookie[16];
	int lfd;

	lfd = fast_listener_at(_metadata, p, 2);
	cookie_ask(_metadata, p, lfd, cookie);
	for (int i = 0; i < 2; i++) {
		syn(p, &c[i], lfd, with_cookie(cookie, 8, false), "hello");
		conn_expect(&c[i], .flags = SYN | ACK, .ack = 6);
		conn_accept(&c[i]);
	}
	counters_begin(&before);
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	expect_declined(_metadata, &d, lfd);
	EXPECT_EQ(-1, d.kern_opt.fastopen);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenListenOverflow"));
	/* A third ACK makes room. */
	conn_send(&c[0], .flags = ACK, .seq = 6, .ack = 1);
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&d, .flags = SYN | ACK, .ack = 6);
	conn_accept(&d);
	conn_send(&d, .flags = ACK, .seq = 6, .ack = 1);
	/* A RST after accept() does not, for a minute. */
	conn_send(&c[1], .flags = RST, .seq = 6);
	EXPECT_EQ(ECONNRESET, socket_error(c[1].fd));
	syn(p, &d, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&d, .flags = SYN | ACK, .ack = 6);
	conn_accept(&d);
	syn(p, &c[0], lfd, with_cookie(cookie, 8, false), "hello");
	expect_declined(_metadata, &c[0], lfd);
	conn_send(&d, .flags = RST, .seq = 6);
	sleep_ms(62000);
	for (int i = 0; i < 2; i++) {
		syn(p, &c[i], lfd, with_cookie(cookie, 8, false), "hello");
		conn_expect(&c[i], .flags = SYN | ACK, .ack = 6);
	}
	for (int i = 0; i < 2; i++)
		conn_send(&c[i], .flags = RST, .seq = 6);
}

/* --- beside other mechanisms --- */

/* SYN cookies always: a valid cookie of fast open proves as much. */
TEST_F(fastopen, rfc7413_during_a_flood)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct conn c;

	NOT_ON_STOCK();
	cookie_ask(_metadata, p, lfd, cookie);
	ASSERT_EQ(0, knob_set("syncookies", 2));
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6, .cookie = 0);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
	/* None is granted with a SYN cookie. */
	cookie[0] ^= 1;
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
}

/* Half-open connections of other addresses, one more than the backlog: the queue is full. */
#define BACKLOG	16

static void queue_fill(struct peer *p, int lfd)
{
	struct conn c;

	for (int i = 0; i <= BACKLOG; i++) {
		char text[16];

		snprintf(text, sizeof(text), "10.0.0.%d", 100 + i);
		conn_start(p, &c, .lfd = lfd, .peer_addr = ipaddr(text));
		conn_send(&c, .flags = SYN, .seq = 0);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	}
}

/* For so long, the kernel sends nothing but SYN-ACKs without payload. Returns their number. */
static int syn_acks_alone(struct __test_metadata *_metadata, struct peer *p, int ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	const struct segment *seg;
	int n = 0;

	while ((seg = peer_read(p, until_ns))) {
		EXPECT_EQ(SYN | ACK, seg->flags);
		EXPECT_EQ(0, seg->len);
		n++;
	}
	return n;
}

/*
 * A full queue: who shows his cookie is served. Any other SYN with data gets a SYN-ACK that
 * acknowledges none of it, and no data leaves for its address.
 */
TEST_F_TIMEOUT(fastopen, rfc7413_full_queue, 1000)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	uint8_t cookie[16];
	struct counters before;
	struct conn c, d;

	NOT_ON_STOCK();
	cookie_ask(_metadata, p, lfd, cookie);
	queue_fill(p, lfd);
	counters_begin(&before);
	syn(p, &c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6, .cookie = 0);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassive"));
	/* Found the queue full, and needed no SYN cookie. */
	EXPECT_EQ(1, counter_moved(&before, "TCPReqQFullDoCookies"));
	EXPECT_EQ(0, counter_moved(&before, "SyncookiesSent"));
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	ASSERT_EQ(6, send(c.fd, "answer", 6, 0));
	conn_expect(&c, .flags = PSH | ACK, .seq = 1, .ack = 6, .data = "answer");
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 7);
	conn_expect_state(&c, ST_ESTABLISHED);

	/* Without the option, with an empty one, with the cookie of the first. */
	for (int i = 0; i < 3; i++) {
		counters_begin(&before);
		conn_start(p, &d, .lfd = lfd, .peer_addr = ipaddr("10.0.0.77"),
			   .opt = i ? with_cookie(cookie, i > 1 ? 8 : 0, false) : OPT(USUAL));
		conn_send(&d, .flags = SYN, .seq = 0, .data = "hello");
		conn_expect(&d, .flags = SYN | ACK, .ack = 1, .len = 0);
		EXPECT_EQ(-1, d.kern_opt.fastopen);
		EXPECT_EQ(1, counter_moved(&before, "SyncookiesSent"));
		EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassive"));
		EXPECT_EQ(EAGAIN, socket_accept(lfd));
	}
	/* Those of the half-open records again, after 1 and 3 s; a cookie's is sent once. */
	EXPECT_EQ(2 * (BACKLOG + 1), syn_acks_alone(_metadata, p, 5000));
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	p->leave_unread = true;
}

/* A child that waits for its third ACK goes to another listener of the group. */
TEST_F(fastopen, rfc7413_migrates)
{
	struct peer *p = &self->peer;
	uint8_t cookie[16];
	struct conn c;
	int fd[2];

	ASSERT_EQ(0, knob_set("fastopen", 3));
	ASSERT_EQ(0, knob_set("migrate_req", 1));
	for (int i = 0; i < 2; i++) {
		fd[i] = socket_new(-1);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, socket_set(fd[i], IPPROTO_TCP, TCP_FASTOPEN, 3));
		ASSERT_EQ(0, socket_bind(fd[i], "10.0.0.1", KERNEL_PORT));
	}
	ASSERT_EQ(0, socket_listen(fd[0], 16));
	cookie_ask(_metadata, p, fd[0], cookie);
	syn(p, &c, fd[0], with_cookie(cookie, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	ASSERT_EQ(0, socket_listen(fd[1], 16));
	close(fd[0]);
	c.lfd = fd[1];
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	conn_send(&c, .flags = ACK, .seq = 6, .ack = 1);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* --- options --- */

TEST_F(fastopen, opt_tcp_fastopen)
{
	struct peer *p = &self->peer;
	uint8_t keys[32], out[32] = { 0 };
	socklen_t len = sizeof(int);
	struct conn c;
	int fd, limit;

	ASSERT_EQ(0, knob_set("fastopen", 3));
	fd = socket_new(-1);
	EXPECT_EQ(EINVAL, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, -1));
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 9));
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &limit, &len));
	EXPECT_EQ(9, limit);
	/* Bounded by net.core.somaxconn. */
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 1 << 30));
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &limit, &len));
	EXPECT_EQ(4096, limit);
	len = sizeof(out);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, out, &len));
	EXPECT_EQ(0, len);
	for (int i = 0; i < 32; i++)
		keys[i] = i + 1;
	EXPECT_EQ(EINVAL, errno_of(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 8)));
	EXPECT_EQ(EINVAL, errno_of(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 24)));
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 16));
	len = sizeof(out);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, out, &len));
	EXPECT_EQ(16, len);
	EXPECT_EQ(0, memcmp(keys, out, 16));
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 32));
	len = sizeof(out);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, out, &len));
	EXPECT_EQ(32, len);
	EXPECT_EQ(0, memcmp(keys, out, 32));
	/* It survives listen() and its end. */
	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 4));
	EXPECT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 3));
	ASSERT_EQ(0, shutdown(fd, SHUT_RD));
	len = sizeof(int);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &limit, &len));
	EXPECT_EQ(3, limit);
	close(fd);
	/* An open connection has none, and takes none. */
	conn_open(p, &c, .prepare = NULL);
	EXPECT_EQ(EINVAL, socket_set(c.fd, IPPROTO_TCP, TCP_FASTOPEN, 1));
	EXPECT_EQ(EINVAL, socket_set(c.fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1));
	ASSERT_EQ(0, getsockopt(c.fd, IPPROTO_TCP, TCP_FASTOPEN, &limit, &len));
	EXPECT_EQ(0, limit);
}

/* A listener with a key of its own does not take the namespace's cookies. */
TEST_F(fastopen, opt_tcp_fastopen_key)
{
	struct peer *p = &self->peer;
	uint8_t key[16] = { 7 }, ours[16], theirs[16];
	int lfd = fast_listener(p);
	struct conn c;

	cookie_ask(_metadata, p, lfd, theirs);
	ASSERT_EQ(0, setsockopt(lfd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 16));
	cookie_ask(_metadata, p, lfd, ours);
	EXPECT_NE(0, memcmp(ours, theirs, 8));
	syn(p, &c, lfd, with_cookie(theirs, 8, false), "hello");
	expect_declined(_metadata, &c, lfd);
	syn(p, &c, lfd, with_cookie(ours, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_send(&c, .flags = RST, .seq = 6);
}

TEST_HARNESS_MAIN
