// SPDX-License-Identifier: GPL-2.0
/*
 * zerocopy: MSG_ZEROCOPY, and the notices that say when pages may be used
 * again. 6.8 and later; before, SO_ZEROCOPY is EOPNOTSUPP.
 */
/* vm: wires families */
#include "open/fastconnect.h"

#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <poll.h>

PAIR_FIXTURE(zerocopy);
PEER_FIXTURE(zerocopy_refused);

#define ROUND 200000

/* The next notice: calls first to last; -1: none came within a second. */
static int notice(int fd, unsigned int *first, unsigned int *last, bool *copied)
{
	char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	bool v6 = socket_family(AF_INET) == AF_INET6;
	struct pollfd pfd = { .fd = fd };
	struct sock_extended_err *ee;
	struct cmsghdr *cmsg;

	if (poll(&pfd, 1, 1000) != 1 || !(pfd.revents & POLLERR))
		return -1;
	if (recvmsg(fd, &msg, MSG_ERRQUEUE) < 0)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_level != (v6 ? SOL_IPV6 : SOL_IP) ||
	    cmsg->cmsg_type != (v6 ? IPV6_RECVERR : IP_RECVERR))
		return -1;
	ee = (struct sock_extended_err *)CMSG_DATA(cmsg);
	if (ee->ee_origin != SO_EE_ORIGIN_ZEROCOPY || ee->ee_errno)
		return -1;
	*first = ee->ee_info;
	*last = ee->ee_data;
	*copied = ee->ee_code == SO_EE_CODE_ZEROCOPY_COPIED;
	return 0;
}

/* Reads so many bytes of the pattern. */
static bool read_pattern(int fd, size_t bytes, uint64_t at)
{
	static uint8_t text[65536];

	while (bytes) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pfd, 1, 5000) != 1)
			return false;
		n = recv(fd, text, bytes < sizeof(text) ? bytes : sizeof(text), 0);
		if (n <= 0 || pattern_check(text, n, at) >= 0)
			return false;
		bytes -= n;
		at += n;
	}
	return true;
}

/* Data arrives whole, and each call's pages come back, in order. */
static void send_pages(struct __test_metadata *_metadata, int from, int to)
{
	static uint8_t text[ROUND];
	unsigned int first, last, next = 0;
	bool copied;

	pattern_fill(text, sizeof(text), 0);
	for (int call = 0; call < 3; call++) {
		size_t sent = 0;

		while (sent < sizeof(text)) {
			ssize_t n = send(from, text + sent, sizeof(text) - sent, MSG_ZEROCOPY);

			if (n < 0 && errno == EAGAIN)
				n = 0;
			ASSERT_LE(0, n);
			if (n)
				next++;
			ASSERT_TRUE(read_pattern(to, n, sent));
			sent += n;
		}
	}
	for (unsigned int done = 0; done < next; done = last + 1) {
		ASSERT_EQ(0, notice(from, &first, &last, &copied));
		EXPECT_EQ(done, first);
		EXPECT_LE(first, last);
		EXPECT_GT(next, last);
		/* A packet that enters another namespace gets pages of its own. */
		EXPECT_TRUE(copied);
	}
	EXPECT_EQ(0, socket_error(from));
}

/* Before 6.8: the option is refused, and the flag has no effect. */
static void send_without(struct __test_metadata *_metadata, int from, int to)
{
	uint8_t text[5000];

	EXPECT_EQ(EOPNOTSUPP, socket_set(from, SOL_SOCKET, SO_ZEROCOPY, 1));
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ((int)sizeof(text), (int)send(from, text, sizeof(text), MSG_ZEROCOPY));
	EXPECT_TRUE(read_pattern(to, sizeof(text), 0));
	EXPECT_FALSE(socket_poll(from) & POLLERR);
}

TEST_F(zerocopy, msg_zerocopy)
{
	struct pair *pr = &self->pair;
	int cfd, sfd;

	pair_connected(pr, 5000, &cfd, &sfd);
	if (!kernel_sends_pages()) {
		send_without(_metadata, cfd, sfd);
		return;
	}
	ASSERT_EQ(0, socket_set(cfd, SOL_SOCKET, SO_ZEROCOPY, 1));
	send_pages(_metadata, cfd, sfd);
}

/* An accepted socket takes the option as well. */
TEST_F(zerocopy, msg_zerocopy_of_an_accepted_socket)
{
	struct pair *pr = &self->pair;
	int cfd, sfd;

	pair_connected(pr, 5000, &cfd, &sfd);
	if (!kernel_sends_pages()) {
		send_without(_metadata, sfd, cfd);
		return;
	}
	ASSERT_EQ(0, socket_set(sfd, SOL_SOCKET, SO_ZEROCOPY, 1));
	send_pages(_metadata, sfd, cfd);
}

/* Without SO_ZEROCOPY the flag has no effect, and there is no notice. */
TEST_F(zerocopy, msg_zerocopy_without_the_option)
{
	struct pair *pr = &self->pair;
	uint8_t text[5000];
	int cfd, sfd;

	pair_connected(pr, 5000, &cfd, &sfd);
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ((int)sizeof(text), (int)send(cfd, text, sizeof(text), MSG_ZEROCOPY));
	EXPECT_TRUE(read_pattern(sfd, sizeof(text), 0));
	EXPECT_FALSE(socket_poll(cfd) & POLLERR);
}

/* Pages must not change until the peer has acknowledged them. */
TEST_F(zerocopy_refused, notice_comes_with_the_ack)
{
	struct peer *p = &self->peer;
	static uint8_t text[1000];
	unsigned int first, last;
	struct conn c;
	bool copied;

	conn_open(p, &c);
	EXPECT_EQ(kernel_sends_pages() ? 0 : EOPNOTSUPP,
		  socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	pattern_fill(text, sizeof(text), 0);
	ASSERT_EQ(1000, send(c.fd, text, sizeof(text), MSG_ZEROCOPY));
	conn_expect(&c, .len = 1000, .pattern = 0);
	conn_send(&c, .flags = ACK);
	if (!kernel_sends_pages()) {
		EXPECT_FALSE(socket_poll(c.fd) & POLLERR);
		return;
	}
	ASSERT_EQ(0, notice(c.fd, &first, &last, &copied));
	EXPECT_EQ(0, (int)first);
	EXPECT_EQ(0, (int)last);
	/* tun has copied them when it took the packet. */
	EXPECT_TRUE(copied);
}

/*
 * The first write of a fast open: the SYN has a copy of its pages, which the notice tells. So it
 * does if connect() has a route before, and so knows that the device takes pages.
 */
TEST_F(zerocopy_refused, rfc7413_msg_zerocopy_goes_with_the_syn)
{
	struct peer *p = &self->peer;
	static uint8_t text[1000];
	unsigned int first, last;
	struct conn c;
	bool copied;

	if (!kernel_sends_pages())
		return;
	pattern_fill(text, sizeof(text), 0);
	cookie_get(_metadata, p, GRANT);
	client(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
	EXPECT_EQ(0, socket_connect(c.fd, "10.0.0.2", PORT));
	EXPECT_EQ(1000, send(c.fd, text, sizeof(text), MSG_ZEROCOPY));
	expect_syn(&c, .len = 1000, .pattern = 0);
	EXPECT_EQ(8, c.kern_opt.fastopen);
	syn_ack(&c, 1001, OPT(USUAL));
	conn_expect(&c, .flags = ACK, .seq = 1001, .ack = 1);
	ASSERT_EQ(0, notice(c.fd, &first, &last, &copied));
	EXPECT_EQ(0, (int)first);
	EXPECT_EQ(0, (int)last);
	EXPECT_TRUE(copied);
	drop(&c);
}

/* A device that takes pages. */
FIXTURE(zerocopy_pages) {
	struct peer peer;
};

FIXTURE_SETUP(zerocopy_pages)
{
	peer_open_at(WHERE(_metadata), &self->peer, &(struct peer_setup){ .offload = true });
}

FIXTURE_TEARDOWN(zerocopy_pages)
{
	peer_close_at(WHERE(_metadata), &self->peer);
}

/* An skb has room for 17 pages. One that is full of them ends with PSH. */
TEST_F(zerocopy_pages, push_where_no_page_fits)
{
	static _Alignas(4096) uint8_t page[18][4096];
	struct iovec iov[18];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 18 };
	struct peer *p = &self->peer;
	struct conn c;

	if (!kernel_sends_pages())
		return;
	for (int i = 0; i < 18; i++) {
		pattern_fill(page[i], 1, i);
		iov[i] = (struct iovec){ page[i], 1 };
	}
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	/* A byte counts as its page. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000));
	ASSERT_EQ(18, sendmsg(c.fd, &msg, MSG_ZEROCOPY));
	conn_expect(&c, .flags = ACK | PSH, .len = 17, .pattern = 0);
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = ACK | PSH, .len = 1, .pattern = 17);
	conn_send(&c, .flags = ACK);
}

/* The peer's window is closed, and it resets: the pages have never left TCP. */
TEST_F(zerocopy_pages, notice_of_pages_that_were_not_copied)
{
	static uint8_t text[1000];
	unsigned int first, last;
	struct conn c;
	bool copied;

	if (!kernel_sends_pages())
		return;
	conn_open(&self->peer, &c, .wnd = 0);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	ASSERT_EQ(1000, send(c.fd, text, sizeof(text), MSG_ZEROCOPY));
	conn_send(&c, .flags = RST);
	ASSERT_EQ(0, notice(c.fd, &first, &last, &copied));
	EXPECT_EQ(0, (int)first);
	EXPECT_EQ(0, (int)last);
	EXPECT_FALSE(copied);
}

TEST_F(zerocopy_refused, so_zerocopy_values)
{
	struct peer *p = &self->peer;
	socklen_t len = sizeof(int);
	struct conn c;
	int on = -1;

	conn_open(p, &c);
	if (!kernel_sends_pages()) {
		EXPECT_EQ(EOPNOTSUPP, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
		return;
	}
	EXPECT_EQ(EINVAL, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 2));
	EXPECT_EQ(EINVAL, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, -1));
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	ASSERT_EQ(0, getsockopt(c.fd, SOL_SOCKET, SO_ZEROCOPY, &on, &len));
	EXPECT_EQ(1, on);
	EXPECT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 0));
}

TEST_HARNESS_MAIN
