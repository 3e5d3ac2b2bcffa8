// SPDX-License-Identifier: GPL-2.0
/*
 * lookup: which of several listeners a SYN is for. RFC 9293 3.10.1: a passive
 * OPEN may name the local address or leave it open; the more that fits, the
 * better.
 */
#include "lib/xtcp_test.h"

PEER_FIXTURE(lookup);

static int listener(struct __test_metadata *_metadata, const char *addr,
		    const char *dev, int option)
{
	int fd = socket_new(-1);

	if (option)
		ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, option, 1));
	if (dev)
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)));
	ASSERT_EQ(0, socket_bind(fd, addr, KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 200));
	return fd;
}

/* One connection to that address; who of n has it, -1: refused. */
static int who_answers(struct peer *p, const char *addr, const int *fd, int n)
{
	struct ipaddr dst = ipaddr(addr);
	uint32_t ack;

	p->kernel = dst;
	peer_send(p, .flags = SYN, .seq = 1, .sport = ++p->port);
	peer_expect(p, .ack = 2);
	ack = p->last.seq + 1;
	if (p->last.flags & RST)
		return -1;
	peer_send(p, .flags = ACK, .seq = 2, .ack = ack);
	for (int i = 0; i < n; i++)
		if (fd[i] >= 0 && socket_poll(fd[i]) & POLLIN) {
			int child = accept(fd[i], NULL, NULL);

			/* Gone before the next is tried. */
			peer_send(p, .flags = RST, .seq = 2);
			close(child);
			return i;
		}
	peer_fail(WHERE(p->test), p, "nobody has the connection");
}

static void own_address(struct __test_metadata *_metadata, const char *text)
{
	struct ipaddr own = ipaddr(text);

	address_add(WHERE(_metadata), "tun0", &own, 24);
}

TEST_F(lookup, lc_02_named_address_before_any)
{
	struct peer *p = &self->peer;
	int fd[2];

	own_address(_metadata, "10.0.0.11");
	fd[0] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	fd[1] = listener(_metadata, "", NULL, SO_REUSEPORT);
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
	EXPECT_EQ(1, who_answers(p, "10.0.0.11", fd, 2));
	/* In whatever order they came. */
	close(fd[0]);
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", &fd[0], 2));
	fd[0] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
	close(fd[1]);
	EXPECT_EQ(-1, who_answers(p, "10.0.0.11", fd, 1));
}

TEST_F(lookup, lc_02_named_device_before_any)
{
	struct peer *p = &self->peer;
	int fd[3];

	/* Among those of SO_REUSEPORT Linux takes the first it meets. */
	NOT_ON_STOCK();
	tun_new(WHERE(_metadata), "tun1");
	fd[0] = listener(_metadata, "10.0.0.1", "tun1", SO_REUSEPORT);
	fd[1] = listener(_metadata, "10.0.0.1", "tun0", SO_REUSEPORT);
	fd[2] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, 3));
	close(fd[1]);
	fd[1] = -1;
	EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, 3));
	close(fd[2]);
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", fd, 1));
}

TEST_F(lookup, lc_02_a_bound_socket_is_no_listener)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1);

	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", &fd, 1));
	ASSERT_EQ(0, socket_listen(fd, 4));
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", &fd, 1));
}

/* SO_REUSEPORT: the 4-tuple decides, so that each gets its share. */
TEST_F(lookup, lc_02_reuseport_shares_connections_out)
{
	enum { N = 4, TRIES = 200 };
	struct peer *p = &self->peer;
	int fd[N], got[N] = { 0 };

	for (int i = 0; i < N; i++)
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	for (int i = 0; i < TRIES; i++)
		got[who_answers(p, "10.0.0.1", fd, N)]++;
	/* 50 each; by chance less than 20 in one of 10^7. */
	for (int i = 0; i < N; i++)
		EXPECT_LE(20, got[i]);
	/* What one held goes to the others when it closes. */
	for (int i = 1; i < N; i++) {
		close(fd[i]);
		fd[i] = -1;
	}
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, N));
}

/* A third ACK belongs to the listener that answered the SYN. */
TEST_F(lookup, lc_03_half_open_stays_with_its_listener)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd, any;

	any = listener(_metadata, "", NULL, SO_REUSEPORT);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = any);
	fd = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(POLLIN, socket_poll(any));
	EXPECT_EQ(0, socket_poll(fd));
}

/* A connection goes before any listener. */
TEST_F(lookup, lc_12_connection_before_listener)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = SYN, .seq = 70000);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(0, socket_poll(c.lfd));
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
}

TEST_HARNESS_MAIN
