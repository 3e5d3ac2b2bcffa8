// SPDX-License-Identifier: GPL-2.0
/*
 * poll: what poll() and epoll report of a socket in each state, and when. A row is
 * tried twice: level-triggered, asked at any time; and edge-triggered, reported once
 * by an epoll that existed before (EPOLLET). RFC 9293 3.9.1; all as on Linux TCP.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

PEER_FIXTURE(poll);

#define ALL (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP)
#define NOTHING 0

/* An edge-triggered epoll of fd; the present state is reported first. */
static int edge_watch(struct __test_metadata *_metadata, int fd)
{
	struct epoll_event ev = { .events = ALL | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return ep;
}

/* The events that come within ms; 0: none. */
static int edge(int ep, int ms)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, ms) == 1 ? (int)ev.events : NOTHING;
}

/* Level and edge agree, and the edge is not reported twice. */
#define expect_both(fd, ep, want) \
	do { \
		EXPECT_EQ(want, socket_poll(fd)); \
		EXPECT_EQ(want, edge(ep, 5)); \
		EXPECT_EQ(NOTHING, edge(ep, 20)); \
	} while (0)

TEST_F(poll, poll_fresh)
{
	int fd = stream_socket(AF_INET);
	int ep = edge_watch(_metadata, fd);

	expect_both(fd, ep, POLLOUT | POLLHUP);
}

TEST_F(poll, poll_bound)
{
	int fd = stream_socket(AF_INET);

	ASSERT_EQ(0, socket_bind(fd, "", 5000));
	EXPECT_EQ(POLLOUT | POLLHUP, socket_poll(fd));
}

TEST_F(poll, poll_listening)
{
	struct peer *p = &self->peer;
	struct conn c, d;
	int ep;

	conn_start(p, &c);
	ep = edge_watch(_metadata, c.lfd);
	EXPECT_EQ(NOTHING, socket_poll(c.lfd));
	EXPECT_EQ(NOTHING, edge(ep, 5));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	/* A half-open connection can't be accepted. */
	EXPECT_EQ(NOTHING, socket_poll(c.lfd));
	EXPECT_EQ(NOTHING, edge(ep, 5));
	conn_send(&c, .flags = ACK);
	expect_both(c.lfd, ep, POLLIN);
	/* A second one is an edge of its own. */
	conn_start(p, &d, .lfd = c.lfd);
	conn_send(&d, .flags = SYN);
	conn_expect(&d, .flags = SYN | ACK, .ack = 1);
	conn_send(&d, .flags = ACK);
	expect_both(c.lfd, ep, POLLIN);
	conn_accept(&c);
	EXPECT_EQ(POLLIN, socket_poll(c.lfd));
	EXPECT_EQ(NOTHING, edge(ep, 5));
	conn_accept(&d);
	EXPECT_EQ(NOTHING, socket_poll(c.lfd));
}

TEST_F(poll, poll_syn_sent_then_established)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(NOTHING, socket_poll(c.fd));
	EXPECT_EQ(NOTHING, edge(ep, 300));
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	expect_both(c.fd, ep, POLLOUT);
}

TEST_F(poll, poll_syn_received)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_SYN_RECEIVED);
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(NOTHING, socket_poll(c.fd));
	EXPECT_EQ(NOTHING, edge(ep, 100));
	conn_send(&c, .flags = ACK);
	expect_both(c.fd, ep, POLLOUT);
}

TEST_F(poll, poll_connect_refused)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	ep = edge_watch(_metadata, c.fd);
	conn_send(&c, .flags = RST | ACK, .ack = 1);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	EXPECT_EQ(ECONNREFUSED, socket_error(c.fd));
	EXPECT_EQ(POLLIN | POLLOUT | POLLHUP | POLLRDHUP, socket_poll(c.fd));
}

TEST_F(poll, poll_connect_timed_out)
{
	struct conn c;

	ASSERT_EQ(0, knob_set("syn_retries", 1));
	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	peer_mark_last(&self->peer);
	conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 1000);
	peer_expect_poll(&self->peer, c.fd, POLLERR, 3000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
}

TEST_F(poll, poll_data)
{
	struct conn c;
	char buf[16];
	int ep;

	conn_open(&self->peer, &c);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
	/* More of it is an edge again, read or not. */
	conn_send(&c, .flags = ACK | PSH, .data = "def");
	conn_expect(&c, .flags = ACK, .ack = 7, .within_ms = DELAYED_ACK_MS);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
	EXPECT_EQ(4, recv(c.fd, buf, 4, 0));
	EXPECT_EQ(POLLIN | POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(2, recv(c.fd, buf, 4, 0));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(NOTHING, edge(ep, 20));
	/* Out of order: nothing to read yet, so no edge. */
	conn_send(&c, .seq = 10, .data = "jkl");
	conn_expect(&c, .flags = ACK, .ack = 7);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(NOTHING, edge(ep, 20));
	conn_send(&c, .seq = 7, .data = "ghi");
	conn_expect(&c, .flags = ACK, .ack = 13);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
}

TEST_F(poll, poll_rcvlowat)
{
	struct conn c;
	char buf[16];
	int ep;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 5 }, sizeof(int)));
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = ACK | PSH, .data = "abcd");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	EXPECT_EQ(NOTHING, edge(ep, 20));
	conn_send(&c, .flags = ACK | PSH, .data = "e");
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = DELAYED_ACK_MS);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
	EXPECT_EQ(1, recv(c.fd, buf, 1, 0));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	/* A lower mark makes the present data enough. */
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 4 }, sizeof(int)));
	expect_both(c.fd, ep, POLLIN | POLLOUT);
	/* So does the end. */
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 100 }, sizeof(int)));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 7, .within_ms = DELAYED_ACK_MS);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP);
}

/*
 * Small segments, of which each uses much more memory than it has data. The mark is far, but
 * the program is told when more than 7/8 of the receive buffer is used.
 */
TEST_F(poll, poll_rcvlowat_in_a_nearly_full_buffer)
{
	static char buf[200000];
	struct peer *p = &self->peer;
	int ep, used, most, n = 0;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVBUF, 65536));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 60000));
	most = socket_meminfo(c.fd, SK_MEMINFO_RCVBUF);
	ASSERT_EQ(131072, most);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	do {
		EXPECT_EQ(POLLOUT, socket_poll(c.fd));
		EXPECT_EQ(NOTHING, edge(ep, 0));
		conn_send(&c, .flags = ACK | PSH, .len = 100);
		peer_drain(p, 0);
		used = socket_meminfo(c.fd, SK_MEMINFO_RMEM_ALLOC);
		ASSERT_GE(60000, ++n * 100);
	} while (used <= most - most / 8);
	EXPECT_GE(most, used);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
	peer_drain(p, DELAYED_ACK_MS);
	EXPECT_EQ(n * 100, recv(c.fd, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	peer_drain(p, 10);
}

/* While memory is scarce, few bytes are worth a read: they free a segment's memory. */
TEST_F(poll, poll_rcvlowat_when_memory_is_scarce)
{
	struct peer *p = &self->peer;
	static uint8_t text[1 << 16];
	struct conn hog, c;
	char limit[64];

	NOT_ON_STOCK();
	conn_hoard(p, &hog);
	conn_open(p, &c);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 1000));
	conn_send(&c, .flags = ACK | PSH, .len = 10);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	peer_drain(p, DELAYED_ACK_MS);
	knob_mem_set(WHERE(_metadata), "1 1 1", limit);
	/* A send notices it. */
	send(c.fd, text, sizeof(text), MSG_DONTWAIT);
	EXPECT_EQ(POLLIN, socket_poll(c.fd) & POLLIN);
	knob_mem_set(WHERE(_metadata), limit, NULL);
	p->leave_unread = true;
	socket_abort(c.fd);
	socket_abort(hog.fd);
}

/*
 * Likewise with xtcp_shrink_window, which closes the window when the buffer is full: no other
 * segment comes then that could tell the program.
 */
TEST_F(poll, knob_shrink_window_tells_the_reader_before_it_closes)
{
	struct peer *p = &self->peer;
	const int len = 330;
	struct conn c;
	int64_t room;
	int ep;

	ASSERT_EQ(0, knob_set("shrink_window", 1));
	conn_open(p, &c, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7)));
	ASSERT_LT(0, c.kern_wscale);
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_RCVLOWAT, 65536));
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	/* The peer sends what the window allows, and waits for each ACK. */
	do {
		conn_send(&c, .flags = ACK | PSH, .len = len);
		conn_expect(&c, .flags = ACK, .ack = conn_peer_nxt(&c),
			    .within_ms = DELAYED_ACK_MS);
		room = (int64_t)p->last.wnd << c.kern_wscale;
		ASSERT_GT(65536, conn_peer_nxt(&c));
	} while (room >= len && !(socket_poll(c.fd) & POLLIN));
	EXPECT_EQ(POLLIN | POLLOUT, edge(ep, 5));
	EXPECT_LE(len, room);
}

static void with_small_window(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVLOWAT, 1500);
	socket_set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 2000);
}

/* The window ends before the mark, and less than a segment of it is left. */
TEST_F(poll, poll_rcvlowat_in_a_small_window)
{
	struct peer *p = &self->peer;
	struct conn c;
	int ep, len;

	conn_open(p, &c, .prepare = with_small_window);
	len = p->last.wnd / 2 + 10;
	ASSERT_LT(536, len);
	ASSERT_GT(1500, len);
	/* An ACK would open the window again. */
	ASSERT_EQ(0, socket_set(c.fd, IPPROTO_TCP, TCP_QUICKACK, 0));
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = ACK, .len = len);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
	conn_expect(&c, .flags = ACK, .ack = 1 + len, .within_ms = DELAYED_ACK_MS);
}

TEST_F(poll, poll_close_wait)
{
	struct conn c;
	char b;
	int ep;

	conn_open(&self->peer, &c);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP);
	/* The end stays readable. */
	EXPECT_EQ(0, recv(c.fd, &b, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP, socket_poll(c.fd));
	EXPECT_EQ(NOTHING, edge(ep, 20));
}

TEST_F(poll, poll_last_ack_then_closed)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_CLOSE_WAIT);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_WR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_CLOSED);
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLHUP, socket_poll(c.fd));
	EXPECT_EQ(0, socket_error(c.fd));
}

TEST_F(poll, poll_fin_wait_1_2)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1);
	ep = edge_watch(_metadata, c.fd);
	/* A failing write reports it. */
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	edge(ep, 5);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	expect_both(c.fd, ep, POLLIN | POLLOUT);
}

TEST_F(poll, poll_time_wait)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_FIN_WAIT_2);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2, .within_ms = DELAYED_ACK_MS);
	conn_expect_state(&c, ST_TIME_WAIT);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

TEST_F(poll, poll_closing)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_FIN_WAIT_1);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = FIN | ACK, .ack = 1);
	conn_expect(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_CLOSING);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

TEST_F(poll, poll_shutdown_read)
{
	struct conn c;
	int ep;

	conn_open(&self->peer, &c);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_RD));
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP);
}

TEST_F(poll, poll_shutdown_both)
{
	struct conn c;
	int ep;

	conn_open(&self->peer, &c);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_RDWR));
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

TEST_F(poll, poll_reset)
{
	struct conn c;
	int ep;

	conn_open(&self->peer, &c);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLOUT);
	conn_send(&c, .flags = RST);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP | POLLHUP, socket_poll(c.fd));
}

TEST_F(poll, poll_reset_in_close_wait)
{
	struct conn c;
	int ep;

	conn_to_state(&self->peer, &c, ST_CLOSE_WAIT);
	ep = edge_watch(_metadata, c.fd);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP);
	conn_send(&c, .flags = RST);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	EXPECT_EQ(EPIPE, socket_error(c.fd));
}

TEST_F(poll, poll_disconnected)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, connect(c.fd, &sa, sizeof(sa)));
	conn_expect(&c, .flags = RST | ACK, .seq = 1);
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	EXPECT_EQ(POLLOUT | POLLHUP, socket_poll(c.fd));
}

/*
 * Writable: gone when the buffer is full, back when a third of what is used is free.
 * The peer takes data only as the test allows.
 */
#define SNDBUF 60000

static ssize_t fill(struct __test_metadata *_metadata, struct conn *c)
{
	static char buf[1 << 20];
	ssize_t n;

	ASSERT_EQ(0, setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &(int){ SNDBUF }, sizeof(int)));
	n = send(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	ASSERT_LT(20000, n);
	ASSERT_GT((ssize_t)sizeof(buf), n);
	return n;
}

/* A third of the memory for what is sent is free, as in sk_stream_is_writeable(). */
static bool has_a_third(int fd)
{
	unsigned int used = socket_meminfo(fd, SK_MEMINFO_WMEM_QUEUED);

	return socket_meminfo(fd, SK_MEMINFO_SNDBUF) >= used + used / 2;
}

TEST_F(poll, poll_send_space)
{
	struct peer *p = &self->peer;
	ssize_t total, acked = 0;
	struct conn c;
	int ep;

	conn_open(p, &c);
	p->leave_unread = true;
	total = fill(_metadata, &c);
	EXPECT_EQ(NOTHING, socket_poll(c.fd));
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(NOTHING, edge(ep, 5));
	/* The peer acknowledges segment by segment; each makes room for more. */
	while (acked < total && !(socket_poll(c.fd) & POLLOUT)) {
		ASSERT_EQ(NOTHING, edge(ep, 0));
		ASSERT_FALSE(has_a_third(c.fd));
		acked += acked + 1460 > total ? total - acked : 1460;
		conn_send(&c, .ack = 1 + acked);
	}
	EXPECT_TRUE(has_a_third(c.fd));
	/* Not at the first byte, and not only when all is gone. */
	EXPECT_LT(total / 4, acked);
	EXPECT_GT(total * 2 / 3, acked);
	EXPECT_EQ(POLLOUT, edge(ep, 5));
	EXPECT_EQ(NOTHING, edge(ep, 5));
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
}

/* A program that waits for an edge is woken though it saw EAGAIN only. */
TEST_F(poll, poll_send_space_after_eagain)
{
	struct peer *p = &self->peer;
	static char buf[1 << 20];
	ssize_t total;
	struct conn c;
	int ep;

	conn_open(p, &c);
	p->leave_unread = true;
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(POLLOUT, edge(ep, 5));
	total = fill(_metadata, &c);
	EXPECT_EQ(-1, send(c.fd, buf, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(NOTHING, edge(ep, 5));
	for (ssize_t acked = 1460; acked < total; acked += 1460)
		conn_send(&c, .ack = 1 + acked);
	EXPECT_EQ(POLLOUT, edge(ep, 5));
}

/* MUST-66: a RST is reported in spite of a full buffer. */
TEST_F(poll, poll_reset_when_full)
{
	struct peer *p = &self->peer;
	struct conn c;
	int ep;

	conn_open(p, &c);
	p->leave_unread = true;
	fill(_metadata, &c);
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(NOTHING, edge(ep, 5));
	conn_send(&c, .flags = RST);
	expect_both(c.fd, ep, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
}

/* EPOLLONESHOT and level-triggered epoll, which use the same wakeups. */
TEST_F(poll, poll_level_epoll_and_oneshot)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct conn c;
	char buf[4];

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &ev));
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(EPOLLIN, edge(ep, 5));
	EXPECT_EQ(EPOLLIN, edge(ep, 5));
	ev.events = EPOLLIN | EPOLLONESHOT;
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &ev));
	EXPECT_EQ(EPOLLIN, edge(ep, 5));
	EXPECT_EQ(NOTHING, edge(ep, 5));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &ev));
	EXPECT_EQ(3, recv(c.fd, buf, 4, 0));
	EXPECT_EQ(NOTHING, edge(ep, 5));
}

/* SIGIO, for programs that asked for it. */
TEST_F(poll, poll_o_async)
{
	struct conn c;
	sigset_t set;
	struct timespec ts = { .tv_nsec = 5 * NSEC_PER_MSEC };

	conn_open(&self->peer, &c);
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(0, fcntl(c.fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	EXPECT_EQ(-1, sigtimedwait(&set, NULL, &ts));
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &ts));
	EXPECT_EQ(-1, sigtimedwait(&set, NULL, &ts));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &ts));
}

/*
 * The peer's FIN arrives in @state, with the number @ack. Returns what the signal says of it:
 * POLL_IN, or POLL_HUP if both ends are closed.
 */
static int signal_of_fin(struct __test_metadata *_metadata, struct peer *p, int state,
			 int64_t ack)
{
	struct timespec ts = { .tv_nsec = 5 * NSEC_PER_MSEC };
	siginfo_t info;
	struct conn c;
	sigset_t set;

	conn_to_state(p, &c, state);
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(0, fcntl(c.fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(c.fd, F_SETSIG, SIGIO));
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, O_ASYNC | O_NONBLOCK));
	conn_send(&c, .flags = FIN | ACK, .ack = ack);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = DELAYED_ACK_MS);
	ASSERT_EQ(SIGIO, sigtimedwait(&set, &info, &ts));
	ASSERT_EQ(0, fcntl(c.fd, F_SETFL, O_NONBLOCK));
	conn_send(&c, .flags = RST);
	close(c.fd);
	close(c.lfd);
	return info.si_code;
}

TEST_F(poll, poll_o_async_tells_in_or_hup)
{
	struct peer *p = &self->peer;

	EXPECT_EQ(POLL_IN, signal_of_fin(_metadata, p, ST_ESTABLISHED, 1));
	EXPECT_EQ(POLL_HUP, signal_of_fin(_metadata, p, ST_FIN_WAIT_1, 1));
	/* The FIN that ends the connection is one, too. */
	EXPECT_EQ(POLL_HUP, signal_of_fin(_metadata, p, ST_FIN_WAIT_2, 2));
	p->leave_unread = true;
}

/* A program that has sent all is told of the answer that comes with the FIN, and of the FIN. */
TEST_F(poll, poll_o_async_tells_of_payload_with_the_fin)
{
	struct timespec ts = { .tv_nsec = 5 * NSEC_PER_MSEC };
	int sig = SIGRTMIN;
	siginfo_t first, second;
	struct conn c;
	sigset_t set;
	char text[8];

	for (int i = 0; i < 2; i++) {
		conn_to_state(&self->peer, &c, i ? ST_FIN_WAIT_2 : ST_FIN_WAIT_1);
		sigemptyset(&set);
		sigaddset(&set, sig);
		sigprocmask(SIG_BLOCK, &set, NULL);
		ASSERT_EQ(0, fcntl(c.fd, F_SETOWN, getpid()));
		ASSERT_EQ(0, fcntl(c.fd, F_SETSIG, sig));
		ASSERT_EQ(0, fcntl(c.fd, F_SETFL, O_ASYNC | O_NONBLOCK));
		conn_send(&c, .flags = FIN | PSH | ACK, .ack = i ? 2 : 1, .data = "end");
		conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
		ASSERT_EQ(sig, sigtimedwait(&set, &first, &ts));
		EXPECT_EQ(POLL_HUP, first.si_code);
		ASSERT_EQ(sig, sigtimedwait(&set, &second, &ts));
		EXPECT_EQ(POLL_IN, second.si_code);
		EXPECT_EQ(3, recv(c.fd, text, sizeof(text), 0));
		ASSERT_EQ(0, fcntl(c.fd, F_SETFL, O_NONBLOCK));
		conn_send(&c, .flags = RST);
		close(c.fd);
		close(c.lfd);
	}
}

/*
 * An skb takes no more pages, so the write stops at the limit of what may be unsent; then
 * all of it is sent. The program is told at once, not when the peer acknowledges it.
 */
TEST_F(poll, poll_notsent_lowat_when_a_write_stops)
{
	static uint8_t pages[60][4096];
	struct iovec iov[ARRAY_SIZE(pages)];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };
	struct peer *p = &self->peer;
	struct conn c;
	int ep, n;

	if (!kernel_sends_pages())
		return;	/* xtcp copies there, so the write does not stop */
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		iov[i] = (struct iovec){ pages[i], 100 };
	conn_open(p, &c);
	/* A byte of a page counts as a page. */
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1000000));
	ASSERT_EQ(0, socket_set(c.fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_NOTSENT_LOWAT, 1000));
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(EPOLLOUT, edge(ep, 5));
	n = sendmsg(c.fd, &msg, MSG_ZEROCOPY | MSG_DONTWAIT);
	EXPECT_LT(1000, n);
	EXPECT_GT(6000, n);
	EXPECT_EQ(EPOLLOUT, edge(ep, 0));
	EXPECT_EQ(NOTHING, edge(ep, 0));
	p->leave_unread = true;
}

/* The limit of unsent bytes stops the writer; a higher limit tells it to go on. */
TEST_F(poll, poll_notsent_lowat_is_raised)
{
	struct peer *p = &self->peer;
	struct conn c;
	int ep;

	conn_open(p, &c, .wnd = 0);
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_NOTSENT_LOWAT, 1000));
	conn_write(&c, 1500);
	EXPECT_EQ(NOTHING, socket_poll(c.fd));
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(NOTHING, edge(ep, 5));
	ASSERT_EQ(0, socket_set(c.fd, SOL_TCP, TCP_NOTSENT_LOWAT, 100000));
	EXPECT_EQ(EPOLLOUT, edge(ep, 5));
	EXPECT_EQ(NOTHING, edge(ep, 5));
	p->leave_unread = true;		/* window probes */
	close(ep);
}

/* An ACK will come and make room: an edge before it would make the writer spin. */
TEST_F(poll, no_edge_before_the_ack_that_makes_room)
{
	struct peer *p = &self->peer;
	static uint8_t text[1 << 16];
	struct conn hog, c;
	char limit[64];
	int ep;

	NOT_ON_STOCK();
	conn_hoard(p, &hog);
	conn_open(p, &c);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	ep = edge_watch(_metadata, c.fd);
	EXPECT_EQ(EPOLLOUT, edge(ep, 0));
	knob_mem_set(WHERE(_metadata), "1 1 1", limit);
	while (send(c.fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LT(0, socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(0, socket_count(c.fd, SIOCOUTQNSD));
	edge(ep, 0);
	EXPECT_EQ(-1, send(c.fd, text, sizeof(text), MSG_DONTWAIT));
	EXPECT_EQ(NOTHING, edge(ep, 0));
	conn_send(&c, .flags = ACK, .ack = 1 + socket_count(c.fd, SIOCOUTQ));
	EXPECT_EQ(EPOLLOUT, edge(ep, 0));
	knob_mem_set(WHERE(_metadata), limit, NULL);
	p->leave_unread = true;
	close(ep);
	socket_abort(c.fd);
	socket_abort(hog.fd);
}

TEST_HARNESS_MAIN
