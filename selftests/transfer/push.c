// SPDX-License-Identifier: GPL-2.0
/*
 * push: a stream has no records, and segments do not show where a write ended. RFC
 * 9293 3.9.1 allows a TCP some functions here that xtcp, like Linux, does not have:
 * flags PUSH in SEND and RECEIVE, FLUSH. LC-113.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <termios.h>

PEER_FIXTURE(push);
PAIR_FIXTURE(push_pair);

static ssize_t receive_flags(int fd, char *buf, size_t size, int *flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_flags = -1 };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	*flags = msg.msg_flags;
	return n;
}

/* With or without PSH, data can be read at once, and looks the same. */
TEST_F(push, rfc9293_may_17_psh_is_not_shown)
{
	struct peer *p = &self->peer;
	int64_t seq = 1;
	struct conn c;
	char buf[16];
	int flags;

	conn_open(p, &c);
	for (int psh = 0; psh <= 1; psh++) {
		conn_send(&c, .flags = ACK | (psh ? PSH : 0), .seq = seq, .data = "ab");
		EXPECT_EQ(POLLIN | POLLOUT, socket_poll(c.fd));
		EXPECT_EQ(2, receive_flags(c.fd, buf, sizeof(buf), &flags));
		EXPECT_EQ(0, flags);
		seq += 2;
		conn_expect(&c, .flags = ACK, .ack = seq, .within_ms = 210);
	}
	/* Nor does a read stop at it. */
	conn_send(&c, .flags = ACK | PSH, .data = "cd");
	conn_send(&c, .flags = ACK | PSH, .data = "ef");
	EXPECT_EQ(4, receive_flags(c.fd, buf, sizeof(buf), &flags));
	EXPECT_EQ(0, memcmp(buf, "cdef", 4));
	EXPECT_EQ(0, flags);
	p->leave_unread = true;
}

/*
 * A program cannot ask for PSH: the end of each write has it (MUST-60), unless
 * the program says that more will follow.
 */
TEST_F(push, rfc9293_may_15_every_write_is_pushed)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(1000)));
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .len = 1);
	conn_send(&c, .flags = ACK);
	conn_write(&c, 3000);
	conn_expect(&c, .flags = ACK, .len = 1000);
	conn_expect(&c, .flags = ACK, .len = 1000);
	conn_expect(&c, .flags = ACK | PSH, .len = 1000);
	conn_send(&c, .flags = ACK);
	ASSERT_EQ(2, send(c.fd, "no", 2, MSG_MORE));
	peer_expect_silence(p, 100);
	ASSERT_EQ(3, send(c.fd, "end", 3, 0));
	conn_expect(&c, .flags = ACK | PSH, .data = "noend");
	conn_send(&c, .flags = ACK);
}

/* Written data will be sent: no call takes it back. */
TEST_F(push, rfc9293_may_14_there_is_no_flush)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .wnd = 0);
	ASSERT_EQ(4, send(c.fd, "text", 4, 0));
	ASSERT_EQ(-1, ioctl(c.fd, TCFLSH, TCOFLUSH));
	EXPECT_EQ(ENOTTY, errno);
	conn_send(&c, .flags = ACK, .wnd = 1000);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "text");
	conn_send(&c, .flags = ACK);
}

/*
 * TFTP sends a block of 512 bytes, waits for its acknowledgement, and ends with a
 * shorter one. A TCP has several segments in flight, and a short one is no end: the
 * FIN is.
 */
TEST_F(push, lc_113_no_block_waits_for_the_one_before)
{
	struct peer *p = &self->peer;
	static char text[4 * 512];
	char buf[8];
	struct conn c;

	conn_open(p, &c, .opt = OPT(OPT_MSS(512)));
	ASSERT_EQ(sizeof(text), send(c.fd, text, sizeof(text), 0));
	for (int i = 0; i < 4; i++)
		conn_expect(&c, .seq = 1 + 512 * i, .len = 512);
	conn_send(&c, .flags = ACK);
	/* The other way: a short segment, then more. */
	conn_send(&c, .flags = ACK | PSH, .len = 512);
	conn_send(&c, .flags = ACK | PSH, .len = 1);
	conn_expect(&c, .flags = ACK, .ack = 513);
	conn_expect(&c, .flags = ACK, .ack = 514, .within_ms = 210);
	ASSERT_EQ(513, recv(c.fd, text, sizeof(text), MSG_DONTWAIT));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(EAGAIN, socket_receive(c.fd));
	conn_send(&c, .flags = ACK | PSH, .data = "more");
	EXPECT_EQ(4, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	conn_send(&c, .flags = FIN | ACK);
	EXPECT_EQ(0, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	p->leave_unread = true;
}

/* Writes and reads of any sizes: only the bytes count. */
TEST_F(push_pair, lc_113_writes_leave_no_borders)
{
	struct pair *pr = &self->pair;
	int client, server, got = 0;
	uint8_t text[4096];
	ssize_t n;

	pair_connected(pr, 5000, &client, &server);
	pattern_fill(text, sizeof(text), 0);
	for (int sent = 0, size = 1; sent < (int)sizeof(text); sent += size, size++) {
		if (size > (int)sizeof(text) - sent)
			size = sizeof(text) - sent;
		ASSERT_EQ(size, send(client, text + sent, size, 0));
	}
	shutdown(client, SHUT_WR);
	while (got < (int)sizeof(text)) {
		uint8_t buf[100];
		size_t want = 1 + got % 99;

		n = recv(server, buf, want, MSG_WAITALL);
		ASSERT_LT(0, n);
		EXPECT_EQ(-1, pattern_check(buf, n, got));
		got += n;
	}
	EXPECT_EQ(0, recv(server, text, sizeof(text), 0));
	close(client);
	close(server);
}

TEST_HARNESS_MAIN
