/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fastconnect: what the tests of fast open at the client share: a connection whose SYN has data,
 * and the server's cookie.
 */
#ifndef SELFTESTS_OPEN_FASTCONNECT_H
#define SELFTESTS_OPEN_FASTCONNECT_H

#include "lib/xtcp_test.h"

#define COOKIE	1, 2, 3, 4, 5, 6, 7, 8
#define USUAL	OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7)
#define GRANT	OPT(USUAL, 34, 10, COOKIE, OPT_NOP, OPT_NOP)
#define PORT	5000

static inline socklen_t peer_sockaddr(struct peer *p, struct sockaddr_storage *sa)
{
	return ipaddr_sockaddr(&p->addr, PORT, sa);
}

/* sendto() with MSG_FASTOPEN, without waiting. Returns what it returned. */
static inline ssize_t fast_send(struct peer *p, int fd, const void *data, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = peer_sockaddr(p, &sa);

	return sendto(fd, data, len, MSG_FASTOPEN | MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&sa, sa_len);
}

/* A connection of a new socket, whose SYN is still to be read. */
static inline void client(struct peer *p, struct conn *c)
{
	*c = (struct conn){
		.peer = p, .fd = stream_socket(socket_family(p->family)), .lfd = -1,
		.peer_addr = p->addr, .pport = PORT, .peer_iss = 7000, .peer_nxt = 7000,
		.wnd = 65535, .peer_opt = OPT(USUAL), .tsval_base = 1,
		.tsval_start_ns = now_ns(), .seg_len = 1448,
	};
	fd_nonblock(c->fd);
}

/* Reads the SYN. */
#define expect_syn(c, ...) conn_expect(c, .flags = SYN, ##__VA_ARGS__)

/* The server's SYN-ACK. */
#define syn_ack(c, ack_, opt_) \
	conn_send(c, .flags = SYN | ACK, .seq = 0, .ack = ack_, .opt = opt_)

static inline void drop(struct conn *c)
{
	conn_send(c, .flags = RST | ACK);
	close(c->fd);
}

/* Asks for a cookie, gets one, and the connection ends. */
static inline void cookie_get(struct __test_metadata *_metadata, struct peer *p,
			      struct optbytes grant)
{
	struct conn c;

	client(p, &c);
	EXPECT_EQ(EINPROGRESS, errno_of(fast_send(p, c.fd, "hello", 5)));
	expect_syn(&c, .len = 0);
	ASSERT_EQ(0, c.kern_opt.fastopen);
	syn_ack(&c, 1, grant);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	drop(&c);
}

#endif
