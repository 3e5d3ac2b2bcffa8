// SPDX-License-Identifier: GPL-2.0
/*
 * savedsyn: a listener with TCP_SAVE_SYN keeps the headers of each SYN, and TCP_SAVED_SYN of
 * the accepted socket returns them, once.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>

PEER_FIXTURE(savedsyn);

#define OPTIONS OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0), OPT_NOP, OPT_WSCALE(7))
#define SYN_MAX 200
#define ETHERNET_LEN 14

static void save(int fd, int mode)
{
	setsockopt(fd, IPPROTO_TCP, TCP_SAVE_SYN, &mode, sizeof(mode));
}

static void save_ip(int fd)
{
	save(fd, 1);
}

static void save_link(int fd)
{
	save(fd, 2);
}

/* Bytes; a negative errno. A socket that has none returns 0. */
static int saved_syn(int fd, uint8_t *syn, socklen_t size)
{
	return getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size) ? -errno : (int)size;
}

static int ip_header_len(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? (ip[0] & 15) * 4 : 40;
}

/* From the header of IP on, @syn is the SYN of @c, whose first option is its MSS. */
static void expect_syn(struct __test_metadata *_metadata, const struct conn *c,
		       const uint8_t *syn, int len)
{
	const uint8_t *tcp = syn + ip_header_len(syn);

	EXPECT_EQ(ip_header_len(syn) + (tcp[12] >> 4) * 4, len);
	EXPECT_EQ(stream_wire(), syn[0] >> 4 == 4 ? syn[9] : syn[6]);
	EXPECT_EQ(c->pport, tcp[0] << 8 | tcp[1]);
	EXPECT_EQ(c->kport, tcp[2] << 8 | tcp[3]);
	EXPECT_EQ(c->peer_iss, (uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7]);
	EXPECT_EQ(SYN, tcp[13]);
	EXPECT_EQ(2, tcp[20]);
	EXPECT_EQ(1460, tcp[22] << 8 | tcp[23]);
}

TEST_F(savedsyn, is_read_once)
{
	uint8_t syn[SYN_MAX];
	struct conn c;
	int len;

	conn_open(&self->peer, &c, .opt = OPTIONS, .prepare = save_ip);
	len = saved_syn(c.fd, syn, sizeof(syn));
	ASSERT_LT(0, len);
	expect_syn(_metadata, &c, syn, len);
	EXPECT_EQ(0, saved_syn(c.fd, syn, sizeof(syn)));
	EXPECT_EQ(0, saved_syn(c.lfd, syn, sizeof(syn)));
}

/* It is returned as a whole or not at all; the length says what is needed. */
TEST_F(savedsyn, is_not_cut)
{
	uint8_t syn[SYN_MAX];
	socklen_t len = 0;
	struct conn c;
	int need;

	conn_open(&self->peer, &c, .opt = OPTIONS, .prepare = save_ip);
	EXPECT_EQ(-1, getsockopt(c.fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	EXPECT_EQ(EINVAL, errno);
	need = len;
	ASSERT_LT(59, need);
	len = need - 1;
	EXPECT_EQ(-1, getsockopt(c.fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(need, len);
	/* A bad address leaves it. */
	EXPECT_EQ(-EFAULT, saved_syn(c.fd, (void *)8, SYN_MAX));
	len = saved_syn(c.fd, syn, need);
	expect_syn(_metadata, &c, syn, len);
}

TEST_F(savedsyn, is_not_kept_unasked)
{
	uint8_t syn[SYN_MAX];
	struct conn c;

	conn_open(&self->peer, &c, .opt = OPTIONS);
	EXPECT_EQ(0, saved_syn(c.fd, syn, sizeof(syn)));
	/* The option of a connection is its listener's, and has no effect. */
	save_ip(c.fd);
	EXPECT_EQ(0, saved_syn(c.fd, syn, sizeof(syn)));
}

/* A tun device has no header of its own. */
TEST_F(savedsyn, without_a_link_header)
{
	uint8_t syn[SYN_MAX];
	struct conn c;
	int len;

	conn_open(&self->peer, &c, .opt = OPTIONS, .prepare = save_link);
	len = saved_syn(c.fd, syn, sizeof(syn));
	ASSERT_LT(0, len);
	expect_syn(_metadata, &c, syn, len);
}

TEST_F(savedsyn, with_a_link_header)
{
	int lfd = stream_socket(AF_INET), fd = stream_socket(AF_INET), child;
	uint8_t syn[SYN_MAX], ip[SYN_MAX];
	int len;

	self->peer.stock_may_speak = true;
	link_up(WHERE(_metadata), "lo");
	ASSERT_EQ(0, socket_bind(lfd, "127.0.0.1", 5000));
	save_link(lfd);
	ASSERT_EQ(0, listen(lfd, 4));
	ASSERT_EQ(0, socket_connect(fd, "127.0.0.1", 5000));
	child = accept(lfd, NULL, NULL);
	ASSERT_LE(0, child);
	len = saved_syn(child, syn, sizeof(syn));
	ASSERT_LT(ETHERNET_LEN + 40, len);
	memcpy(ip, syn + ETHERNET_LEN, len - ETHERNET_LEN);
	EXPECT_TRUE(ip[0] >> 4 == 4 || ip[0] >> 4 == 6);
	EXPECT_EQ(len - ETHERNET_LEN,
		  ip_header_len(ip) + (ip[ip_header_len(ip) + 12] >> 4) * 4);
	close(child);
	close(fd);
	close(lfd);
}

/* A SYN that gets a cookie leaves nothing in this host. */
TEST_F(savedsyn, is_not_kept_with_a_cookie)
{
	uint8_t syn[SYN_MAX];
	struct conn c;

	ASSERT_EQ(0, knob_set("syncookies", 2));
	conn_open(&self->peer, &c, .opt = OPTIONS, .prepare = save_ip);
	EXPECT_EQ(0, saved_syn(c.fd, syn, sizeof(syn)));
}

/* A SYN that opens the connection at once (RFC 7413), here without a cookie. */
TEST_F(savedsyn, of_a_fast_open)
{
	struct peer *p = &self->peer;
	uint8_t syn[SYN_MAX];
	struct conn c;
	int len;

	ASSERT_EQ(0, knob_set("fastopen", 0x602));
	conn_start(p, &c, .opt = OPTIONS, .prepare = save_ip);
	conn_send(&c, .flags = SYN, .seq = 0, .data = "hello");
	conn_expect(&c, .flags = SYN | ACK, .ack = 6);
	conn_accept(&c);
	len = saved_syn(c.fd, syn, sizeof(syn));
	ASSERT_LT(0, len);
	expect_syn(_metadata, &c, syn, len);
	conn_send(&c, .flags = RST, .seq = 6);
}

/* A SYN over TIME-WAIT: the half-open record keeps both the TIME-WAIT record and the saved SYN. */
TEST_F(savedsyn, of_a_syn_over_time_wait)
{
	struct peer *p = &self->peer;
	uint8_t syn[SYN_MAX];
	struct conn c;
	int lfd, len;

	lfd = peer_listen(p, 6000, 5);
	save_ip(lfd);
	conn_to_state(p, &c, ST_TIME_WAIT, .lfd = lfd, .kport = 6000, .pport = 40000,
		      .peer_iss = 1000000, .orphan = true);
	conn_start(p, &c, .lfd = lfd, .kport = 6000, .pport = 40000,
		   .peer_iss = 5000000);
	conn_send(&c, .flags = SYN);
	conn_learn(&c, conn_expect(&c, .flags = SYN | ACK));
	/* TIME-WAIT is back. */
	conn_send(&c, .flags = RST);
	close(lfd);
	lfd = peer_listen(p, 6001, 5);
	save_ip(lfd);
	conn_to_state(p, &c, ST_TIME_WAIT, .lfd = lfd, .kport = 6001, .pport = 40001,
		      .peer_iss = 1000000, .orphan = true);
	conn_open(p, &c, .lfd = lfd, .kport = 6001, .pport = 40001,
		  .peer_iss = 5000000);
	len = saved_syn(c.fd, syn, sizeof(syn));
	ASSERT_LT(0, len);
	expect_syn(_metadata, &c, syn, len);
	close(lfd);
}

/* Records that end, and a listener that closes, free what they keep. */
TEST_F(savedsyn, ends_with_its_record)
{
	struct conn c;

	conn_to_state(&self->peer, &c, ST_HALF_OPEN, .opt = OPTIONS, .prepare = save_ip);
	conn_send(&c, .flags = RST);
	conn_to_state(&self->peer, &c, ST_HALF_OPEN, .opt = OPTIONS, .lfd = c.lfd);
	close(c.lfd);
}

TEST_HARNESS_MAIN
