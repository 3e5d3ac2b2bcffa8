// SPDX-License-Identifier: GPL-2.0
/*
 * calls: the errors of each socket call, and how long it waits. RFC 9293 3.9.1; errno
 * is Linux TCP's in every row, so all of it holds on the kernel's TCP as well.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <signal.h>
#include <sys/resource.h>

PEER_FIXTURE(calls);

static int fresh(struct __test_metadata *_metadata)
{
	int fd = socket_new(-1);

	ASSERT_LE(0, fd);
	return fd;
}

/* --- socket ------------------------------------------------------------ */

TEST_F(calls, errno_socket_of_other_types)
{
	NOT_ON_STOCK();
	EXPECT_EQ(-1, socket(socket_family(AF_INET), SOCK_DGRAM, IPPROTO_XTCP));
	EXPECT_EQ(EPROTONOSUPPORT, errno);
	EXPECT_EQ(-1, socket(socket_family(AF_INET), SOCK_SEQPACKET, IPPROTO_XTCP));
	EXPECT_EQ(ESOCKTNOSUPPORT, errno);
}

TEST_F(calls, errno_socketpair_unsupported)
{
	int fd[2];

	EXPECT_EQ(-1, socketpair(socket_family(AF_INET), SOCK_STREAM, stream_proto(), fd));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_F(calls, call_socket_describes_itself)
{
	int fd = fresh(_metadata), val = -1;
	socklen_t len = sizeof(val);

	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &val, &len));
	EXPECT_EQ(stream_proto(), val);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_TYPE, &val, &len));
	EXPECT_EQ(SOCK_STREAM, val);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &val, &len));
	EXPECT_EQ(socket_family(AF_INET), val);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &val, &len));
	EXPECT_EQ(0, val);
	ASSERT_EQ(0, listen(fd, 1));
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &val, &len));
	EXPECT_EQ(1, val);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_ERROR, &val, &len));
	EXPECT_EQ(0, val);
}
/* --- listen, accept ---------------------------------------------------- */

TEST_F(calls, errno_listen_when_connected)
{
	struct conn c;

	conn_open(&self->peer, &c);
	EXPECT_EQ(EINVAL, errno_of(listen(c.fd, 1)));
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	EXPECT_EQ(EINVAL, errno_of(listen(c.fd, 1)));
	conn_expect_state(&c, ST_SYN_SENT);
}

TEST_F(calls, call_listen_binds_and_may_be_repeated)
{
	int fd = fresh(_metadata);

	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_LE(32768, socket_port(fd));
	EXPECT_EQ(0, listen(fd, 5));
	EXPECT_EQ(0, listen(fd, -1));
	EXPECT_EQ(1, proc_rows(AF_INET, ROW_LISTEN));
}

TEST_F(calls, errno_accept)
{
	struct peer *p = &self->peer;
	int fd = fresh(_metadata);
	struct conn c;

	EXPECT_EQ(EINVAL, socket_accept(fd));
	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", 5002));
	EXPECT_EQ(EINVAL, socket_accept(fd));
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(EAGAIN, socket_accept(fd));
	EXPECT_EQ(EINVAL, errno_of(accept4(fd, NULL, NULL, 0x10000000)));
	conn_open(p, &c);
	EXPECT_EQ(EINVAL, socket_accept(c.fd));
}

TEST_F(calls, call_accept4_flags_and_address)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage sa, begun;
	socklen_t len = sizeof(sa), whole;
	struct conn c;
	int fd;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK);
	fd = accept4(c.lfd, (void *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ASSERT_LE(0, fd);
	socket_expect_address(WHERE(_metadata), &sa, len, &p->addr, c.pport);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);

	conn_start(p, &c, .lfd = c.lfd);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	/* A short buffer gets the beginning, and the full length. */
	whole = len;
	len = 4;
	memset(&begun, 0xff, sizeof(begun));
	fd = accept4(c.lfd, (void *)&begun, &len, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(whole, len);
	EXPECT_EQ(sa.ss_family, begun.ss_family);
	EXPECT_EQ(htons(c.pport), ((struct sockaddr_in *)&begun)->sin_port);
	EXPECT_EQ(INADDR_NONE, ((struct sockaddr_in *)&begun)->sin_addr.s_addr);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(calls, errno_accept_emfile_keeps_the_connection)
{
	struct peer *p = &self->peer;
	struct rlimit old, few;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK, .data = "early");
	conn_expect(&c, .flags = ACK, .ack = 6, .within_ms = 210);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few = old;
	few.rlim_cur = 3;	/* all taken */
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(EMFILE, socket_accept(c.lfd));
	EXPECT_EQ(EMFILE, socket_accept(c.lfd));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLIN, socket_poll(c.lfd));
	conn_accept(&c);
	EXPECT_EQ(POLLIN | POLLOUT, socket_poll(c.fd));
}

static long accept_one(int fd, char *data)
{
	return accept(fd, NULL, NULL);
}

TEST_F(calls, call_accept_blocks_until_established)
{
	struct peer *p = &self->peer;
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_start(p, &c);
	s = sleeper_start(_metadata, c.lfd, accept_one);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	sleeper_expect_asleep(&s, 500);
	conn_send(&c, .flags = ACK);
	r = sleeper_expect_done(&s, 20);
	EXPECT_LE(0, r.ret);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);	/* the child ended */
}

TEST_F(calls, call_accept_rcvtimeo)
{
	struct timeval tv = { .tv_usec = 300000 };
	int fd = stream_socket(AF_INET);
	int64_t start;

	ASSERT_EQ(0, listen(fd, 1));
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	start = now_ms();
	EXPECT_EQ(EAGAIN, errno_of(accept(fd, NULL, NULL)));
	sleeper_expect_ms(WHERE(_metadata), now_ms() - start, 300);
}

TEST_F(calls, call_accept_interrupted)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_start(&self->peer, &c);
	s = sleeper_start_alarm(_metadata, c.lfd, accept_one, 200, 0);
	r = sleeper_expect_done(&s, 300);
	EXPECT_EQ(EINTR, r.err);
	sleeper_expect_ms(WHERE(_metadata), r.ms, 200);
}

/* SA_RESTART: the call continues as if nothing had happened. */
TEST_F(calls, call_accept_restarted)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_start(&self->peer, &c);
	s = sleeper_start_alarm(_metadata, c.lfd, accept_one, 200, SA_RESTART);
	sleeper_expect_asleep(&s, 500);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	r = sleeper_expect_done(&s, 20);
	EXPECT_LE(0, r.ret);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1);
}

/* --- names, shutdown ---------------------------------------------------- */

TEST_F(calls, errno_without_a_connection)
{
	int fd = fresh(_metadata);
	char b;

	EXPECT_EQ(ENOTCONN, socket_name(fd, getpeername));
	EXPECT_EQ(ENOTCONN, errno_of(recv(fd, &b, 1, 0)));
	EXPECT_EQ(EPIPE, errno_of(send(fd, "x", 1, MSG_NOSIGNAL)));
	EXPECT_EQ(EINVAL, errno_of(shutdown(fd, 3)));
	EXPECT_EQ(ENOTCONN, errno_of(shutdown(fd, SHUT_RDWR)));
	socket_expect_name(WHERE(_metadata), fd, getsockname, NULL, 0);
	/* A listener is no connection either. */
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(ENOTCONN, errno_of(recv(fd, &b, 1, 0)));
	EXPECT_EQ(EPIPE, errno_of(send(fd, "x", 1, MSG_NOSIGNAL)));
	EXPECT_EQ(ENOTCONN, socket_name(fd, getpeername));
}

TEST_F(calls, errno_names_of_a_closed_connection)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	/* A half-open connection has half the names. */
	EXPECT_EQ(ENOTCONN, socket_name(c.fd, getpeername));
	socket_expect_name(WHERE(_metadata), c.fd, getsockname, &p->kernel, c.kport);

	conn_open(p, &c);
	socket_expect_name(WHERE(_metadata), c.fd, getpeername, &p->addr, c.pport);
	conn_send(&c, .flags = RST);
	EXPECT_EQ(ENOTCONN, socket_name(c.fd, getpeername));
	EXPECT_EQ(ENOTCONN, errno_of(shutdown(c.fd, SHUT_WR)));
}

TEST_F(calls, call_shutdown_read)
{
	struct peer *p = &self->peer;
	struct conn c;
	char b[8];

	conn_open(p, &c);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_RD));
	EXPECT_EQ(POLLIN | POLLOUT | POLLRDHUP, socket_poll(c.fd));
	EXPECT_EQ(0, recv(c.fd, b, sizeof(b), 0));
	conn_expect_state(&c, ST_ESTABLISHED);
	/* Arriving data is kept all the same, and can be read. */
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 4, .within_ms = 210);
	EXPECT_EQ(3, recv(c.fd, b, sizeof(b), 0));
	EXPECT_EQ(0, recv(c.fd, b, sizeof(b), 0));
}

/* --- send, recv --------------------------------------------------------- */

TEST_F(calls, errno_recv_eagain_efault)
{
	struct conn c;
	char b[8];

	conn_open(&self->peer, &c);
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, b, sizeof(b), 0)));
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
	EXPECT_EQ(EFAULT, errno_of(recv(c.fd, (void *)1, 3, 0)));
	/* Nothing was lost by that. */
	EXPECT_EQ(3, recv(c.fd, b, sizeof(b), 0));
	EXPECT_EQ(EFAULT, errno_of(send(c.fd, (void *)1, 3, 0)));
	ASSERT_EQ(2, send(c.fd, "ok", 2, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 4, .data = "ok");
}

TEST_F(calls, errno_send_eagain_when_full)
{
	struct peer *p = &self->peer;
	static char buf[1 << 20];
	struct conn c;
	ssize_t n;

	conn_open(p, &c, .wnd = 0);
	p->leave_unread = true;
	/* No window: all stays in the buffer. */
	n = send(c.fd, buf, sizeof(buf), 0);
	EXPECT_LT(0, n);
	EXPECT_GT((ssize_t)sizeof(buf), n);
	EXPECT_EQ(EAGAIN, errno_of(send(c.fd, buf, 1, 0)));
	EXPECT_EQ(0, socket_poll(c.fd) & POLLOUT);
}

/* SIGPIPE, unless MSG_NOSIGNAL is given. */
static volatile sig_atomic_t pipe_signals;

static void on_sigpipe(int signo)
{
	pipe_signals++;
}

TEST_F(calls, errno_send_epipe_and_sigpipe)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_FIN_WAIT_2);
	signal(SIGPIPE, on_sigpipe);
	EXPECT_EQ(EPIPE, errno_of(send(c.fd, "x", 1, MSG_NOSIGNAL)));
	EXPECT_EQ(0, pipe_signals);
	EXPECT_EQ(EPIPE, errno_of(send(c.fd, "x", 1, 0)));
	EXPECT_EQ(1, pipe_signals);
	EXPECT_EQ(EPIPE, errno_of(write(c.fd, "x", 1)));
	EXPECT_EQ(2, pipe_signals);
	peer_expect_silence(p, 100);
}

/* The error of a RST is reported once, to the first call. */
enum asker { ASK_RECV, ASK_SEND, ASK_SO_ERROR, ASK_CONNECT };

static int ask(int fd, enum asker who)
{
	char b;

	switch (who) {
	case ASK_RECV:
		return errno_of(recv(fd, &b, 1, MSG_DONTWAIT));
	case ASK_SEND:
		return errno_of(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	case ASK_CONNECT:
		return socket_connect(fd, "10.0.0.2", 40000);
	default:
		return socket_error(fd);
	}
}

static void error_is_told_once(struct __test_metadata *_metadata, struct peer *p,
			       enum conn_state state, int error)
{
	/* After the peer's FIN a reader gets the end of the stream, no error. */
	enum asker who = state == ST_CLOSE_WAIT ? ASK_SEND : ASK_RECV;

	for (; who < ASK_CONNECT; who++) {
		struct conn c;

		conn_to_state(p, &c, state, .kport = 5000 + who);
		if (state == ST_SYN_SENT)
			conn_send(&c, .flags = RST | ACK, .ack = 1);
		else
			conn_send(&c, .flags = RST);
		TH_LOG("asked by %d", who);
		EXPECT_EQ(POLLERR, socket_poll(c.fd) & POLLERR);
		EXPECT_EQ(error, ask(c.fd, who));
		EXPECT_EQ(0, ask(c.fd, ASK_SO_ERROR));
		EXPECT_EQ(0, socket_poll(c.fd) & POLLERR);
		EXPECT_EQ(EPIPE, ask(c.fd, ASK_SEND));
		/* The end of the stream, even if there never was one. */
		EXPECT_EQ(0, ask(c.fd, ASK_RECV));
		conn_expect_state(&c, ST_CLOSED);
		close(c.fd);
		if (c.lfd >= 0)
			close(c.lfd);
	}
}

TEST_F(calls, errno_econnreset_once)
{
	error_is_told_once(_metadata, &self->peer, ST_ESTABLISHED, ECONNRESET);
}

TEST_F(calls, errno_econnreset_once_fin_wait_2)
{
	error_is_told_once(_metadata, &self->peer, ST_FIN_WAIT_2, ECONNRESET);
}

TEST_F(calls, errno_epipe_once_close_wait)
{
	error_is_told_once(_metadata, &self->peer, ST_CLOSE_WAIT, EPIPE);
}

TEST_F(calls, errno_econnrefused_once)
{
	error_is_told_once(_metadata, &self->peer, ST_SYN_SENT, ECONNREFUSED);
}

TEST_F(calls, errno_connect_takes_the_pending_error)
{
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	conn_send(&c, .flags = RST | ACK, .ack = 1);
	EXPECT_EQ(ECONNREFUSED, ask(c.fd, ASK_CONNECT));
	/* Then it is a new attempt. */
	EXPECT_EQ(EINPROGRESS, ask(c.fd, ASK_CONNECT));
	peer_expect(&self->peer, .flags = SYN, .sport = ANYWHERE);
}

/* Data that came before the RST is read first. */
TEST_F(calls, errno_econnreset_behind_queued_data)
{
	struct conn c;
	char b[8];

	conn_open(&self->peer, &c);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
	conn_send(&c, .flags = RST);
	EXPECT_EQ(3, recv(c.fd, b, sizeof(b), 0));
	EXPECT_EQ(ECONNRESET, errno_of(recv(c.fd, b, sizeof(b), 0)));
	EXPECT_EQ(0, recv(c.fd, b, sizeof(b), 0));
}

static long recv_some(int fd, char *data)
{
	return recv(fd, data, 100, 0);
}

/* A connection whose program still sleeps in recv() after so many ms. */
static struct sleeper asleep_in_recv(struct peer *p, struct conn *c, int ms)
{
	struct sleeper s;

	conn_open(p, c);
	s = sleeper_start(p->test, c->fd, recv_some);
	sleeper_expect_asleep(&s, ms);
	return s;
}

TEST_F(calls, call_recv_blocks_until_data)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = asleep_in_recv(&self->peer, &c, 500);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(3, r.ret);
	EXPECT_EQ(0, memcmp(r.data, "abc", 3));
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
}

/* Each end of a wait for data: FIN, RST. */
TEST_F(calls, call_recv_ends_at_fin)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = asleep_in_recv(&self->peer, &c, 100);
	conn_send(&c, .flags = FIN | ACK);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(0, r.ret);
	conn_expect(&c, .flags = ACK, .ack = 2, .within_ms = 210);
}

TEST_F(calls, call_recv_ends_at_rst)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = asleep_in_recv(&self->peer, &c, 100);
	conn_send(&c, .flags = RST);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(-1, r.ret);
	EXPECT_EQ(ECONNRESET, r.err);
}

TEST_F(calls, call_recv_ends_at_shutdown)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	s = asleep_in_recv(&self->peer, &c, 100);
	ASSERT_EQ(0, shutdown(c.fd, SHUT_RD));
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(0, r.ret);
}

TEST_F(calls, call_recv_interrupted)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	s = sleeper_start_alarm(_metadata, c.fd, recv_some, 200, 0);
	r = sleeper_expect_done(&s, 300);
	EXPECT_EQ(EINTR, r.err);
	EXPECT_LE(200, r.ms);
	EXPECT_GE(210, r.ms);
}

TEST_F(calls, call_recv_restarted)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	s = sleeper_start_alarm(_metadata, c.fd, recv_some, 200, SA_RESTART);
	sleeper_expect_asleep(&s, 500);
	conn_send(&c, .flags = ACK | PSH, .data = "abc");
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(3, r.ret);
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = 210);
}

TEST_F(calls, call_recv_rcvtimeo)
{
	struct timeval tv = { .tv_usec = 300000 };
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	s = sleeper_start(_metadata, c.fd, recv_some);
	r = sleeper_expect_done(&s, 1000);
	EXPECT_EQ(EAGAIN, r.err);
	sleeper_expect_ms(WHERE(_metadata), r.ms, 300);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* With SO_RCVTIMEO a signal ends the call, SA_RESTART or not. */
TEST_F(calls, call_recv_rcvtimeo_interrupted)
{
	struct timeval tv = { .tv_sec = 5 };
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	s = sleeper_start_alarm(_metadata, c.fd, recv_some, 200, SA_RESTART);
	r = sleeper_expect_done(&s, 300);
	EXPECT_EQ(EINTR, r.err);
}

static long send_much(int fd, char *data)
{
	static char buf[1 << 20];

	return send(fd, buf, sizeof(buf), MSG_NOSIGNAL);
}

static long send_one(int fd, char *data)
{
	return send(fd, "x", 1, MSG_NOSIGNAL);
}

/* To a peer without a window, until the buffer is full. */
static void fill(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	static char buf[1 << 20];

	conn_open(p, c, .wnd = 0);
	p->leave_unread = true;
	ASSERT_LT(0, send(c->fd, buf, sizeof(buf), 0));
	ASSERT_EQ(EAGAIN, errno_of(send(c->fd, buf, 1, 0)));
}

TEST_F(calls, call_send_sndtimeo)
{
	struct timeval tv = { .tv_usec = 300000 };
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	fill(_metadata, &self->peer, &c);
	ASSERT_EQ(0, setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	s = sleeper_start(_metadata, c.fd, send_one);
	r = sleeper_expect_done(&s, 1000);
	EXPECT_EQ(EAGAIN, r.err);
	sleeper_expect_ms(WHERE(_metadata), r.ms, 300);
}

TEST_F(calls, call_send_interrupted)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	fill(_metadata, &self->peer, &c);
	s = sleeper_start_alarm(_metadata, c.fd, send_one, 200, 0);
	r = sleeper_expect_done(&s, 300);
	EXPECT_EQ(EINTR, r.err);
	EXPECT_LE(200, r.ms);
	EXPECT_GE(210, r.ms);
}

/* The bytes that were queued are returned, not the signal's error. */
TEST_F(calls, call_send_interrupted_in_part)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(&self->peer, &c, .wnd = 0);
	self->peer.leave_unread = true;
	s = sleeper_start_alarm(_metadata, c.fd, send_much, 200, 0);
	r = sleeper_expect_done(&s, 300);
	EXPECT_LT(0, r.ret);
	EXPECT_GT(1 << 20, r.ret);
}

TEST_F(calls, call_send_waits_for_the_handshake)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_to_state(&self->peer, &c, ST_SYN_SENT);
	EXPECT_EQ(EAGAIN, errno_of(send(c.fd, "x", 1, 0)));
	s = sleeper_start(_metadata, c.fd, send_one);
	sleeper_expect_asleep(&s, 300);
	conn_send(&c, .flags = SYN | ACK);
	/* The kernel's TCP lets that ACK wait for the unsent data, too. */
	if (!stock_mode())
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(1, r.ret);
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .ack = 1, .data = "x");
}

TEST_F(calls, call_send_ends_at_rst)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	fill(_metadata, &self->peer, &c);
	s = sleeper_start(_metadata, c.fd, send_one);
	sleeper_expect_asleep(&s, 100);
	conn_send(&c, .flags = RST);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(ECONNRESET, r.err);
}

/*
 * SO_LINGER with a time: close() waits for the ACK of the FIN, at most so long. The
 * child's descriptor is the last one, once the test has closed its own.
 */
#define CLOSE_AFTER_MS 20

static long close_it(int fd, char *data)
{
	sleep_ms(CLOSE_AFTER_MS);
	return close(fd);
}

/* SIGALRM comes after @alarm_ms; -1: none. */
static struct sleeper linger_in_child(struct __test_metadata *_metadata, struct conn *c,
				      int alarm_ms)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 2 };
	struct sleeper s;

	conn_open(c->peer, c);
	ASSERT_EQ(0, setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	s = sleeper_start_alarm(_metadata, c->fd, close_it, alarm_ms, 0);
	close(c->fd);
	c->fd = -1;
	conn_expect(c, .flags = FIN | ACK, .seq = 1, .within_ms = 2 * CLOSE_AFTER_MS);
	return s;
}

TEST_F(calls, call_close_lingers_until_acked)
{
	struct conn c = { .peer = &self->peer };
	struct sleeper_result r;
	struct sleeper s;

	s = linger_in_child(_metadata, &c, -1);
	sleeper_expect_asleep(&s, 100);
	conn_send(&c, .flags = ACK);
	r = sleeper_expect_done(&s, 20);
	EXPECT_EQ(0, r.ret);
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
}

TEST_F(calls, call_close_lingers_so_long)
{
	struct conn c = { .peer = &self->peer };
	struct sleeper_result r;
	struct sleeper s;

	s = linger_in_child(_metadata, &c, -1);
	self->peer.leave_unread = true;		/* repetitions of the FIN */
	r = sleeper_expect_done(&s, 3000);
	EXPECT_EQ(0, r.ret);
	sleeper_expect_ms(WHERE(_metadata), r.ms - CLOSE_AFTER_MS, 2000);
	/* The connection goes on without a program. */
	conn_expect_state(&c, ST_FIN_WAIT_1);
}

/* A signal ends the wait of 2 s, and close() has no error. */
TEST_F(calls, call_close_lingers_until_a_signal)
{
	struct conn c = { .peer = &self->peer };
	struct sleeper_result r;
	struct sleeper s;

	s = linger_in_child(_metadata, &c, 100);
	self->peer.leave_unread = true;
	r = sleeper_expect_done(&s, 120);
	EXPECT_EQ(0, r.ret);
	EXPECT_LE(100, r.ms);
	EXPECT_GE(120, r.ms);
	conn_expect_state(&c, ST_FIN_WAIT_1);
}

TEST_HARNESS_MAIN
