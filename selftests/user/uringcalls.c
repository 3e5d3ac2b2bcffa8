// SPDX-License-Identifier: GPL-2.0
/*
 * uringcalls: a program whose calls on its sockets all are io_uring's. uring.c is about the
 * pages of sends without copies.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/io_uring.h>
#include <sys/uio.h>

#define PORT 7100
#define FIRST 1
#define SECOND 2

PAIR_FIXTURE(uringcalls);

/* Where the server listens. */
static socklen_t server_address(struct pair *pr, struct sockaddr_storage *sa)
{
	return ipaddr_sockaddr(&pr->addr[SERVER], PORT, sa);
}

/* A connection whose calls wait: io_uring's return EAGAIN on a non-blocking socket. */
static void open_blocking(struct pair *pr, int fd[2])
{
	pair_connected(pr, PORT, &fd[CLIENT], &fd[SERVER]);
	for (enum side s = CLIENT; s <= SERVER; s++)
		fcntl(fd[s], F_SETFL, fcntl(fd[s], F_GETFL) & ~O_NONBLOCK);
}

/* The socket, connect() and accept() that waits for it, and data both ways. */
TEST_F(uringcalls, io_uring_makes_a_connection)
{
	struct pair *pr = &self->pair;
	struct sockaddr_storage to, from = { 0 };
	socklen_t len = server_address(pr, &to), from_len = sizeof(from);
	int lfd = pair_listen(pr, PORT, 16);
	struct ring_result one;
	int fd[2] = { -1, -1 };
	struct ring r;

	ring_open(_metadata, &r);
	ring_queue(&r, .opcode = IORING_OP_ACCEPT, .fd = lfd, .addr = (uintptr_t)&from,
		   .addr2 = (uintptr_t)&from_len, .accept_flags = SOCK_CLOEXEC,
		   .user_data = SERVER);
	ring_expect_none(&r);
	pair_enter(pr, CLIENT);
	fd[CLIENT] = ring_call(&r, .opcode = IORING_OP_SOCKET,
			       .fd = socket_family(pr->family), .off = SOCK_STREAM,
			       .len = stream_proto());
	ASSERT_LE(0, fd[CLIENT]);
	ring_queue(&r, .opcode = IORING_OP_CONNECT, .fd = fd[CLIENT], .addr = (uintptr_t)&to,
		   .off = len, .user_data = CLIENT);
	for (int i = 0; i < 2; i++) {
		one = ring_take(&r);
		ASSERT_LE(0, one.res) TH_LOG("%s", strerror(-one.res));
		if (one.call == SERVER)
			fd[SERVER] = one.res;
		else
			EXPECT_EQ(0, one.res);
	}
	ASSERT_LE(0, fd[SERVER]);
	socket_expect_address(WHERE(_metadata), &from, from_len, &pr->addr[CLIENT],
			      socket_port(fd[CLIENT]));
	ring_transfer(&r, IORING_OP_SEND, fd[CLIENT], fd[SERVER], 4);
	ring_transfer(&r, IORING_OP_SEND, fd[SERVER], fd[CLIENT], 4);
	ring_close(&r);
}

TEST_F(uringcalls, io_uring_connect_is_refused)
{
	struct pair *pr = &self->pair;
	struct sockaddr_storage to;
	socklen_t len = server_address(pr, &to);
	struct ring r;
	int fd;

	/* On that wire nobody holds the port, so the kernel's TCP refuses. */
	pr->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	ring_open(_metadata, &r);
	pair_enter(pr, CLIENT);
	fd = stream_socket(pr->family);
	EXPECT_EQ(-ECONNREFUSED, ring_call(&r, .opcode = IORING_OP_CONNECT, .fd = fd,
					   .addr = (uintptr_t)&to, .off = len));
	ring_close(&r);
}

/* One call accepts all connections. */
TEST_F(uringcalls, io_uring_accepts_many)
{
	struct pair *pr = &self->pair;
	int lfd = pair_listen(pr, PORT, 16);
	struct ring r;

	ring_open(_metadata, &r);
	ring_queue(&r, .opcode = IORING_OP_ACCEPT, .fd = lfd,
		   .ioprio = IORING_ACCEPT_MULTISHOT, .user_data = FIRST);
	for (int i = 0; i < 5; i++) {
		int fd = pair_connect(pr, PORT);
		struct ring_result one = ring_take(&r);

		ASSERT_LE(0, one.res);
		EXPECT_TRUE(one.flags & IORING_CQE_F_MORE);
		ring_transfer(&r, IORING_OP_SEND, fd, one.res, 1);
		/* The transfer's completions are taken; the call still waits. */
		ring_expect_none(&r);
		close(fd);
		close(one.res);
	}
	EXPECT_EQ(0, ring_call(&r, .opcode = IORING_OP_ASYNC_CANCEL, .addr = FIRST));
	EXPECT_EQ(-ECANCELED, ring_take(&r).res);
	ring_close(&r);
}

/* An accept() says whether another connection waits, since Linux 6.10. */
TEST_F(uringcalls, io_uring_learns_of_another_connection)
{
	struct pair *pr = &self->pair;
	int lfd = pair_listen(pr, PORT, 16);
	struct ring_result one;
	struct ring r;

	ring_open(_metadata, &r);
	for (int i = 0; i < 2; i++)
		pair_connect(pr, PORT);
	for (int i = 0; i < 2; i++) {
		ring_queue(&r, .opcode = IORING_OP_ACCEPT, .fd = lfd, .user_data = FIRST);
		one = ring_take(&r);
		ASSERT_LE(0, one.res);
		EXPECT_EQ(!i && kernel_is_since(6, 10),
			  !!(one.flags & IORING_CQE_F_SOCK_NONEMPTY));
		close(one.res);
	}
	ring_close(&r);
}

/* A receive that waits may be cancelled, and no byte is lost. */
TEST_F(uringcalls, io_uring_cancels_a_receive)
{
	struct pair *pr = &self->pair;
	struct ring_result one;
	char text[16] = "";
	struct ring r;
	int fd[2];

	open_blocking(pr, fd);
	ring_open(_metadata, &r);
	ring_queue(&r, .opcode = IORING_OP_RECV, .fd = fd[SERVER], .addr = (uintptr_t)text,
		   .len = sizeof(text), .user_data = FIRST);
	ring_expect_none(&r);
	ring_queue(&r, .opcode = IORING_OP_ASYNC_CANCEL, .addr = FIRST, .user_data = SECOND);
	for (int i = 0; i < 2; i++) {
		one = ring_take(&r);
		EXPECT_EQ(one.call == FIRST ? -ECANCELED : 0, one.res);
	}
	ASSERT_EQ(5, send(fd[CLIENT], "hello", 5, 0));
	EXPECT_EQ(5, ring_call(&r, .opcode = IORING_OP_RECV, .fd = fd[SERVER],
			       .addr = (uintptr_t)text, .len = sizeof(text)));
	EXPECT_STREQ("hello", text);
	ring_close(&r);
}

/* A receive says whether more is there. */
TEST_F(uringcalls, io_uring_learns_of_more)
{
	static const int sizes[] = { 2, 3, 5 };
	struct pair *pr = &self->pair;
	struct ring_result one;
	char text[16];
	struct ring r;
	int fd[2];

	open_blocking(pr, fd);
	ring_open(_metadata, &r);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* Whole, and in two parts. */
		ASSERT_EQ(5, send(fd[CLIENT], "hello", 5, 0));
		for (int left = 5; left > 0; left -= sizes[i]) {
			ring_queue(&r, .opcode = IORING_OP_RECV, .fd = fd[SERVER],
				   .addr = (uintptr_t)text, .len = sizes[i], .user_data = FIRST);
			one = ring_take(&r);
			EXPECT_EQ(left < sizes[i] ? left : sizes[i], one.res);
			EXPECT_EQ(left > sizes[i], !!(one.flags & IORING_CQE_F_SOCK_NONEMPTY));
		}
	}
	ring_close(&r);
}

/* poll(), shutdown(), the end of the stream, and EPIPE. */
TEST_F(uringcalls, io_uring_sees_the_end)
{
	struct pair *pr = &self->pair;
	char text[16] = "";
	struct ring r;
	int fd[2];

	open_blocking(pr, fd);
	ring_open(_metadata, &r);
	ring_queue(&r, .opcode = IORING_OP_POLL_ADD, .fd = fd[SERVER], .poll32_events = POLLIN);
	ring_expect_none(&r);
	ASSERT_EQ(1, send(fd[CLIENT], "a", 1, 0));
	EXPECT_EQ(POLLIN, ring_take(&r).res);
	EXPECT_EQ(1, ring_call(&r, .opcode = IORING_OP_RECV, .fd = fd[SERVER],
			       .addr = (uintptr_t)text, .len = sizeof(text)));
	ring_queue(&r, .opcode = IORING_OP_RECV, .fd = fd[SERVER], .addr = (uintptr_t)text,
		   .len = sizeof(text), .user_data = FIRST);
	EXPECT_EQ(0, ring_call(&r, .opcode = IORING_OP_SHUTDOWN, .fd = fd[CLIENT],
			       .len = SHUT_WR));
	EXPECT_EQ(0, ring_take(&r).res);
	EXPECT_EQ(-EPIPE, ring_call(&r, .opcode = IORING_OP_SEND, .fd = fd[CLIENT],
				    .addr = (uintptr_t)text, .len = 1, .msg_flags = MSG_NOSIGNAL));
	ring_close(&r);
}

/* Without copies, from the registered buffer: each call's notice comes. */
TEST_F(uringcalls, io_uring_sends_pages)
{
	struct pair *pr = &self->pair;
	struct ring r;
	int fd[2];

	open_blocking(pr, fd);
	ring_open(_metadata, &r);
	if (kernel_sends_pages()) {
		ring_transfer(&r, IORING_OP_SEND_ZC, fd[CLIENT], fd[SERVER], 16);
		ring_transfer(&r, IORING_OP_SEND_ZC, fd[SERVER], fd[CLIENT], 16);
	} else {
		EXPECT_EQ(-EOPNOTSUPP, ring_call(&r, .opcode = IORING_OP_SEND_ZC,
						 .fd = fd[CLIENT], .addr = (uintptr_t)r.buffer,
						 .len = 1000));
		if (r.notices)
			ring_notice(&r);
	}
	/* Nothing of a call that was refused is on the way. */
	ring_transfer(&r, IORING_OP_SEND, fd[CLIENT], fd[SERVER], 1);
	EXPECT_EQ(0, socket_error(fd[CLIENT]));
	ring_close(&r);
}

/* Likewise of a message in three parts, which are not registered. */
TEST_F(uringcalls, io_uring_sends_a_message_of_pages)
{
	static uint8_t text[3 * 5000], got[sizeof(text)];
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	struct pair *pr = &self->pair;
	int fd[2], sent;
	struct ring r;

	open_blocking(pr, fd);
	ring_open(_metadata, &r);
	pattern_fill(text, sizeof(text), 0);
	for (int i = 0; i < 3; i++)
		iov[i] = (struct iovec){ text + i * 5000, 5000 };
	sent = ring_call(&r, .opcode = IORING_OP_SENDMSG_ZC, .fd = fd[CLIENT],
			 .addr = (uintptr_t)&msg, .len = 1);
	if (!kernel_sends_pages()) {
		EXPECT_EQ(-EOPNOTSUPP, sent);
		ring_close(&r);
		return;
	}
	ASSERT_EQ((int)sizeof(text), sent);
	ASSERT_EQ((int)sizeof(got), recv(fd[SERVER], got, sizeof(got), MSG_WAITALL));
	ring_notice(&r);
	EXPECT_GT(0, pattern_check(got, sizeof(got), 0));
	ring_close(&r);
}

/* write() from and read() to the registered buffer. */
TEST_F(uringcalls, io_uring_reads_and_writes_registered_buffers)
{
	struct pair *pr = &self->pair;
	uint8_t got[20000];
	struct ring r;
	int fd[2];

	open_blocking(pr, fd);
	ring_open(_metadata, &r);
	ASSERT_EQ((int)sizeof(got), ring_call(&r, .opcode = IORING_OP_WRITE_FIXED, .fd = fd[CLIENT],
					      .addr = (uintptr_t)r.buffer, .len = sizeof(got)));
	ASSERT_EQ((int)sizeof(got), recv(fd[SERVER], got, sizeof(got), MSG_WAITALL));
	EXPECT_GT(0, pattern_check(got, sizeof(got), 0));
	/* The bytes come back to where they are missed. */
	ASSERT_EQ((int)sizeof(got), send(fd[SERVER], got, sizeof(got), 0));
	memset(r.buffer, 0, sizeof(got));
	for (int at = 0; at < (int)sizeof(got);) {
		int n = ring_call(&r, .opcode = IORING_OP_READ_FIXED, .fd = fd[CLIENT],
				  .addr = (uintptr_t)r.buffer + at, .len = sizeof(got) - at);

		ASSERT_LT(0, n);
		at += n;
	}
	ring_close(&r);
}

TEST_HARNESS_MAIN
