// SPDX-License-Identifier: GPL-2.0
/*
 * fastcookie: whom a server grants fast open, RFC 7413 4.1: the cookie and its keys, SYNs with
 * wrong ones, and the knob and the options that switch it on and off. In stock mode the same tests
 * show that the kernel's TCP does the same. fastopen.c has the connections that are opened so.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"
#include "fastopen.h"

#include <poll.h>

PEER_FIXTURE(fastcookie);

#define KEY_A	"00112233-44556677-8899aabb-ccddeeff"
#define KEY_B	"01020304-05060708-090a0b0c-0d0e0f10"

/* --- the cookie --- */

TEST_F(fastcookie, rfc7413_ctr_TCPFastOpenCookieReqd_ctr_TCPFastOpenPassive)
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
TEST_F(fastcookie, rfc7413_cookie_is_of_one_address)
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
TEST_F(fastcookie, rfc7413_cookie_is_of_one_server_address)
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
TEST_F(fastcookie, rfc7413_cookie_is_of_one_namespace)
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
TEST_F(fastcookie, rfc7413_cookie_is_that_of_linux)
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
TEST_F(fastcookie, rfc7413_ctr_TCPFastOpenPassiveAltKey)
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
TEST_F(fastcookie, rfc7413_ctr_TCPFastOpenPassiveFail_bad_cookies)
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

TEST_F(fastcookie, rfc7413_off_by_default)
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
TEST_F(fastcookie, rfc7413_knob_for_all_listeners)
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
TEST_F(fastcookie, rfc7413_without_cookies)
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

/* The route's fastopen_no_cookie does the same for the hosts that it leads to. */
TEST_F(fastcookie, rfc7413_route_without_cookies)
{
	struct peer *p = &self->peer;
	struct route_metrics metrics = { .value[RTAX_FASTOPEN_NO_COOKIE] = 1 };
	int lfd = fast_listener(p);
	struct counters before;
	struct conn c;

	syn(p, &c, lfd, OPT(USUAL), "hello");
	expect_declined(_metadata, &c, lfd);
	route_add_metrics(WHERE(_metadata), &p->addr, p->family == AF_INET6 ? 128 : 32, "tun0",
			  &metrics);
	counters_begin(&before);
	syn(p, &c, lfd, OPT(USUAL), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	conn_accept(&c);
	stream_expect_text(_metadata, c.fd, "hello");
	socket_abort(c.fd);
	conn_expect(&c, .flags = RST | ACK, .seq = 1, .ack = 6);
	/* A request for a cookie is not answered, and a wrong cookie is not looked at. */
	for (int len = 0; len <= 8; len += 8) {
		syn(p, &c, lfd, with_cookie((uint8_t[8]){ 1 }, len, false), "hello");
		conn_expect(&c, .flags = SYN | ACK, .ack = 6);
		EXPECT_EQ(-1, c.kern_opt.fastopen);
		conn_send(&c, .flags = RST, .seq = 6);
	}
	EXPECT_EQ(3, counter_moved(&before, "TCPFastOpenPassive"));
	EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassiveFail"));
	/* Another host gets a cookie. */
	conn_start(p, &c, .lfd = lfd, .opt = with_cookie((uint8_t[8]){ 1 }, 8, false),
		   .peer_addr = ipaddr("10.0.0.77"));
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(8, c.kern_opt.fastopen);
	conn_send(&c, .flags = RST, .seq = 1);
}

/* By such a route no new cookie is granted for that of an older key. */
TEST_F(fastcookie, rfc7413_route_without_cookies_and_a_new_key)
{
	struct peer *p = &self->peer;
	struct route_metrics metrics = { .value[RTAX_FASTOPEN_NO_COOKIE] = 1 };
	struct counters before;
	uint8_t old[16];
	struct conn c;
	int lfd;

	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_A));
	lfd = fast_listener(p);
	cookie_ask(_metadata, p, lfd, old);
	ASSERT_EQ(0, knob_set_text("fastopen_key", KEY_B "," KEY_A));
	route_add_metrics(WHERE(_metadata), &p->addr, p->family == AF_INET6 ? 128 : 32, "tun0",
			  &metrics);
	counters_begin(&before);
	syn(p, &c, lfd, with_cookie(old, 8, false), "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(-1, c.kern_opt.fastopen);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenPassive"));
	EXPECT_EQ(0, counter_moved(&before, "TCPFastOpenPassiveAltKey"));
	conn_send(&c, .flags = RST, .seq = 6);
}

/* --- options --- */

TEST_F(fastcookie, opt_tcp_fastopen)
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
TEST_F(fastcookie, opt_tcp_fastopen_key)
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

/* A SYN that takes over a TIME-WAIT record may ask for the cookie, too. */
TEST_F(fastcookie, rfc7413_cookie_for_a_port_in_time_wait)
{
	struct peer *p = &self->peer;
	int lfd = fast_listener(p);
	struct counters before;
	struct conn c, next;

	conn_to_state(p, &c, ST_TIME_WAIT, .lfd = lfd);
	counters_take(&before);
	conn_start(p, &next, .lfd = lfd, .pport = c.pport, .peer_iss = c.peer_nxt + 100000,
		   .opt = with_cookie(NULL, 0, false));
	conn_send(&next, .flags = SYN, .seq = 0);
	conn_expect(&next, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(8, next.kern_opt.fastopen);
	EXPECT_EQ(1, counter_moved(&before, "TCPFastOpenCookieReqd"));
	conn_send(&next, .flags = RST, .seq = 1);
}

/* connect() that fails leaves TCP_FASTOPEN to a listener: its 4-tuple is in use. */
TEST_F(fastcookie, limit_survives_a_failed_connect)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage here, there;
	socklen_t len = ipaddr_sockaddr(&p->kernel, KERNEL_PORT, &here);
	int fd[2], limit;
	uint8_t cookie[16];

	ipaddr_sockaddr(&p->addr, 80, &there);
	ASSERT_EQ(0, knob_set("fastopen", 3));
	for (int i = 0; i < 2; i++) {
		fd[i] = stream_socket(p->family);
		fd_nonblock(fd[i]);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEADDR, 1));
		ASSERT_EQ(0, socket_set(fd[i], IPPROTO_TCP, TCP_FASTOPEN, 5));
		ASSERT_EQ(0, bind(fd[i], (struct sockaddr *)&here, len));
		ASSERT_EQ(-1, connect(fd[i], (struct sockaddr *)&there, len));
		ASSERT_EQ(i ? EADDRNOTAVAIL : EINPROGRESS, errno);
	}
	peer_expect(p, .flags = SYN, .sport = KERNEL_PORT, .dport = 80);
	close(fd[0]);
	ASSERT_EQ(0, listen(fd[1], 5));
	len = sizeof(limit);
	ASSERT_EQ(0, getsockopt(fd[1], IPPROTO_TCP, TCP_FASTOPEN, &limit, &len));
	EXPECT_EQ(5, limit);
	cookie_ask(_metadata, p, fd[1], cookie);
}

TEST_HARNESS_MAIN
