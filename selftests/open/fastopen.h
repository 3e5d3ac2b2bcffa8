/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fastopen: what the tests of fast open at the server share: a listener, cookies, and SYNs.
 */
#ifndef SELFTESTS_OPEN_FASTOPEN_H
#define SELFTESTS_OPEN_FASTOPEN_H

#include "lib/xtcp_test.h"

#include <linux/tcp.h>

#define USUAL	OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7)

static inline int fast_listener_at(struct __test_metadata *_metadata, struct peer *p, int limit)
{
	int fd;

	ASSERT_EQ(0, knob_set("fastopen", 3));
	fd = peer_listen(p, KERNEL_PORT, 16);
	ASSERT_EQ(0, socket_set(fd, IPPROTO_TCP, TCP_FASTOPEN, limit));
	return fd;
}
#define fast_listener(p) fast_listener_at((p)->test, p, 5)

/* A SYN, with @text if not NULL and these options; the connection is @c. */
static inline void syn(struct peer *p, struct conn *c, int lfd, struct optbytes opt,
		       const char *text)
{
	conn_start(p, c, .lfd = lfd, .opt = opt);
	conn_send(c, .flags = SYN, .seq = 0, .data = text ?: "");
}

static inline struct optbytes with_cookie(const uint8_t *cookie, int len, bool exp)
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
static inline void cookie_ask(struct __test_metadata *_metadata, struct peer *p, int lfd,
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
static inline void open_fast(struct __test_metadata *_metadata, struct peer *p, struct conn *c,
			     int lfd)
{
	uint8_t cookie[16];

	cookie_ask(_metadata, p, lfd, cookie);
	syn(p, c, lfd, with_cookie(cookie, 8, false), "hello");
	conn_expect(c, .flags = SYN | ACK, .ack = 6);
	EXPECT_EQ(-1, c->kern_opt.fastopen);
}

/* Not at once: the data is not acknowledged, and nothing can be accepted. */
static inline void expect_declined(struct __test_metadata *_metadata, struct conn *c, int lfd)
{
	conn_expect(c, .flags = SYN | ACK, .ack = 1);
	EXPECT_EQ(EAGAIN, socket_accept(lfd));
	conn_send(c, .flags = RST, .seq = 1);
}

#endif
