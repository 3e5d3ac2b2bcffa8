// SPDX-License-Identifier: GPL-2.0
/*
 * sockets: connections on loopback that are made, used and ended by system calls
 * alone. Reads no file of /proc, and needs no namespace, so that it also runs on a
 * kernel that has neither (scripts/matrix --boot).
 */
/* vm: short */
#define _GNU_SOURCE
#include "lib/xtcp_test.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define PORT	6010
#define LENGTH	1048576

FIXTURE(sockets)
{
	int		protocol;
	struct sockaddr_in to;
};

FIXTURE_VARIANT(sockets)
{
	int	wire;
	int	port;
};

/* Ports of their own: the first connection's is in TIME-WAIT. */
FIXTURE_VARIANT_ADD(sockets, native)
{
	.wire = XTCP_WIRE_NATIVE,
	.port = PORT,
};

FIXTURE_VARIANT_ADD(sockets, tcp)
{
	.wire = XTCP_WIRE_TCP,
	.port = PORT + 10,
};

FIXTURE_SETUP(sockets)
{
	/*
	 * A namespace of its own, if the kernel has any: other programs expect that the kernel's
	 * TCP has counted nothing in the first one.
	 */
	if (!unshare(CLONE_NEWNET))
		link_up(WHERE(_metadata), "lo");
	self->protocol = stock_mode() ? 0 : IPPROTO_XTCP;
	self->to = (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(variant->port),
	};
}

FIXTURE_TEARDOWN(sockets)
{
}

static int tcp_socket(struct __test_metadata *_metadata, int protocol, int wire)
{
	int fd = socket(AF_INET, SOCK_STREAM, protocol);

	check(fd >= 0, WHERE(_metadata), "socket: %s", strerror(errno));
	check(!protocol || !setsockopt(fd, IPPROTO_XTCP, XTCP_WIRE, &wire, sizeof(wire)),
	      WHERE(_metadata), "XTCP_WIRE: %s", strerror(errno));
	return fd;
}

static int listener(struct __test_metadata *_metadata, int protocol, int wire,
		    const struct sockaddr_in *at)
{
	int fd = tcp_socket(_metadata, protocol, wire), on = 1;

	check(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), WHERE(_metadata),
	      "SO_REUSEADDR");
	check(!bind(fd, (const void *)at, sizeof(*at)), WHERE(_metadata), "bind: %s", strerror(errno));
	check(!listen(fd, 8), WHERE(_metadata), "listen: %s", strerror(errno));
	return fd;
}

static int state_of(struct __test_metadata *_metadata, int fd)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);

	check(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), WHERE(_metadata), "TCP_INFO");
	return info.tcpi_state;
}

/* A MiB to a child that sends it back. */
static void echo(struct __test_metadata *_metadata, int client, int server)
{
	static char out[LENGTH], back[LENGTH];
	size_t n = 0;
	ssize_t got;
	pid_t child;

	for (size_t i = 0; i < LENGTH; i++)
		out[i] = i * 7 + i / 251;
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(client);
		while (n < LENGTH && (got = recv(server, back + n, LENGTH - n, 0)) > 0)
			n += got;
		_exit(n != LENGTH || send(server, back, LENGTH, 0) != LENGTH);
	}
	close(server);
	ASSERT_EQ(LENGTH, send(client, out, LENGTH, 0));
	while (n < LENGTH && (got = recv(client, back + n, LENGTH - n, 0)) > 0)
		n += got;
	ASSERT_EQ(LENGTH, n);
	EXPECT_EQ(0, memcmp(out, back, LENGTH));
}

TEST_F(sockets, live_and_die)
{
	int lfd = listener(_metadata, self->protocol, variant->wire, &self->to);
	int client = tcp_socket(_metadata, self->protocol, variant->wire);
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	int server, again;
	char byte;

	ASSERT_EQ(0, connect(client, (void *)&self->to, sizeof(self->to)));
	ASSERT_EQ(0, getsockname(client, (void *)&own, &len));
	server = accept(lfd, NULL, NULL);
	ASSERT_LE(0, server);
	EXPECT_EQ(TCP_ESTABLISHED, state_of(_metadata, client));
	EXPECT_EQ(TCP_ESTABLISHED, state_of(_metadata, server));
	/* Closes the server's end, after which the child has it alone. */
	echo(_metadata, client, server);
	EXPECT_EQ(0, recv(client, &byte, 1, 0));
	EXPECT_EQ(TCP_CLOSE_WAIT, state_of(_metadata, client));
	close(client);

	/* The server's end is in TIME-WAIT. */
	close(lfd);
	again = tcp_socket(_metadata, self->protocol, variant->wire);
	EXPECT_EQ(-1, bind(again, (void *)&self->to, sizeof(self->to)));
	EXPECT_EQ(EADDRINUSE, errno);
	/* The client's is free. */
	EXPECT_EQ(0, bind(again, (void *)&own, sizeof(own)));
	close(again);
}

TEST_F(sockets, nobody_listens)
{
	int client = tcp_socket(_metadata, self->protocol, variant->wire);

	self->to.sin_port = htons(variant->port + 1);
	EXPECT_EQ(-1, connect(client, (void *)&self->to, sizeof(self->to)));
	EXPECT_EQ(ECONNREFUSED, errno);
	close(client);
}

TEST_F(sockets, unread_data_resets)
{
	int lfd, client, server;
	char byte;

	self->to.sin_port = htons(variant->port + 2);
	lfd = listener(_metadata, self->protocol, variant->wire, &self->to);
	client = tcp_socket(_metadata, self->protocol, variant->wire);
	ASSERT_EQ(0, connect(client, (void *)&self->to, sizeof(self->to)));
	server = accept(lfd, NULL, NULL);
	ASSERT_LE(0, server);
	ASSERT_EQ(4, send(client, "text", 4, 0));
	ASSERT_EQ(1, recv(server, &byte, 1, MSG_PEEK));
	close(server);
	EXPECT_EQ(-1, recv(client, &byte, 1, 0));
	EXPECT_EQ(ECONNRESET, errno);
	close(client);
	close(lfd);
}

/* Both stacks share the ports of TCP, by the kernel's bind table; other ports are others. */
TEST_F(sockets, ports_are_shared_with_tcp)
{
	bool shared = stock_mode() || variant->wire == XTCP_WIRE_TCP;
	int lfd, other;

	self->to.sin_port = htons(variant->port + 3);
	lfd = listener(_metadata, self->protocol, variant->wire, &self->to);
	other = socket(AF_INET, SOCK_STREAM, 0);
	if (shared) {
		EXPECT_EQ(-1, bind(other, (void *)&self->to, sizeof(self->to)));
		EXPECT_EQ(EADDRINUSE, errno);
	}
	close(lfd);
	EXPECT_EQ(0, bind(other, (void *)&self->to, sizeof(self->to)));
	close(other);
}

/* Of two stacks, xtcp has IPv6 where the kernel's TCP has it. */
TEST_F(sockets, ipv6_is_the_kernels)
{
	int stock = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	int stock_errno = stock < 0 ? errno : 0;
	int fd = socket(AF_INET6, SOCK_STREAM, self->protocol);

	EXPECT_EQ(stock_errno, fd < 0 ? errno : 0);
	close(fd);
	close(stock);
}

static uint64_t cookie_of(struct __test_metadata *_metadata, int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	check(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), WHERE(_metadata), "SO_COOKIE");
	return cookie;
}

/* Also if the listener's was asked for before: a child is a copy of it. */
TEST_F(sockets, cookies_differ)
{
	int lfd, client[2], server[2];
	uint64_t cookie[3];

	self->to.sin_port = htons(variant->port + 4);
	lfd = listener(_metadata, self->protocol, variant->wire, &self->to);
	cookie[2] = cookie_of(_metadata, lfd);
	for (int i = 0; i < 2; i++) {
		client[i] = tcp_socket(_metadata, self->protocol, variant->wire);
		ASSERT_EQ(0, connect(client[i], (const void *)&self->to, sizeof(self->to)));
		server[i] = accept(lfd, NULL, NULL);
		ASSERT_LE(0, server[i]);
		cookie[i] = cookie_of(_metadata, server[i]);
	}
	EXPECT_NE(cookie[0], cookie[1]);
	EXPECT_NE(cookie[0], cookie[2]);
	EXPECT_NE(cookie[1], cookie[2]);
	for (int i = 0; i < 2; i++) {
		close(client[i]);
		close(server[i]);
	}
	close(lfd);
}

TEST_HARNESS_MAIN
