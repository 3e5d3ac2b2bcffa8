// SPDX-License-Identifier: GPL-2.0
/*
 * readers: several readers sleep at one socket, and the socket changes while a reader
 * or a writer sleeps. Each byte of the stream goes to one reader, once. RFC 9293
 * 3.9.1.3; all as on Linux TCP, which passes these tests as well.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <fcntl.h>

PEER_FIXTURE(readers);

#define STREAM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"	/* each once */

static long recv_10(int fd, char *data)
{
	return recv(fd, data, 10, 0);
}

static long recv_all_10(int fd, char *data)
{
	return recv(fd, data, 10, MSG_WAITALL);
}

static long recv_20(int fd, char *data)
{
	return recv(fd, data, 20, 0);
}

static long recv_all_20(int fd, char *data)
{
	return recv(fd, data, 20, MSG_WAITALL);
}

static long peek_10(int fd, char *data)
{
	return recv(fd, data, 10, MSG_PEEK);
}

static long peek_all_20(int fd, char *data)
{
	return recv(fd, data, 20, MSG_PEEK | MSG_WAITALL);
}

static long splice_10(int fd, char *data)
{
	int ends[2];
	long n;

	if (pipe(ends))
		return -1;
	n = splice(fd, NULL, ends[1], NULL, 10, 0);
	return n > 0 ? read(ends[0], data, n) : n;
}

static void send_part(struct conn *c, int from, int len)
{
	char part[sizeof(STREAM)] = "";

	memcpy(part, STREAM + from, len);
	conn_send(c, .flags = ACK | PSH, .data = part);
}

/* Two readers that make @call sleep. */
static void two_sleep(struct __test_metadata *_metadata, struct conn *c, struct sleeper s[2],
		      sleeper_call call)
{
	for (int i = 0; i < 2; i++) {
		s[i] = sleeper_start(_metadata, c->fd, call);
		sleeper_expect_asleep(&s[i], 10);
	}
}

/* Together both got the first @len bytes of the stream, each byte once. */
static void expect_shared(struct __test_metadata *_metadata, struct peer *p,
			  struct sleeper_result r[2], int len)
{
	char all[sizeof(r[0].data) * 2 + 1] = "";

	ASSERT_EQ(len, r[0].ret + r[1].ret);
	memcpy(all, r[0].data, r[0].ret);
	memcpy(all + r[0].ret, r[1].data, r[1].ret);
	peer_note(p, "given: \"%s\"", all);
	for (int n = 0; n < len; n++)
		EXPECT_NE(NULL, memchr(all, STREAM[n], len));
}

/* The bytes that two readers want come in one segment. */
static void share_at_once(struct __test_metadata *_metadata, struct peer *p, sleeper_call call)
{
	struct sleeper_result r[2];
	struct sleeper s[2];
	struct conn c;

	conn_open(p, &c);
	two_sleep(_metadata, &c, s, call);
	send_part(&c, 0, 20);
	for (int i = 0; i < 2; i++) {
		r[i] = sleeper_expect_done(&s[i], 1000);
		EXPECT_EQ(10, r[i].ret);
	}
	expect_shared(_metadata, p, r, 20);
	EXPECT_EQ(EAGAIN, errno_of(recv(c.fd, r[0].data, 1, MSG_DONTWAIT)));
	p->leave_unread = true;
}

TEST_F(readers, call_recv_shared) { share_at_once(_metadata, &self->peer, recv_10); }
TEST_F(readers, msg_waitall_shared) { share_at_once(_metadata, &self->peer, recv_all_10); }
TEST_F(readers, call_splice_shared) { share_at_once(_metadata, &self->peer, splice_10); }

/* One takes all that is there. The other must get what comes next. */
TEST_F(readers, call_recv_finds_what_comes_next)
{
	struct peer *p = &self->peer;
	struct sleeper_result r[2];
	struct sleeper s[2];
	struct conn c;
	int first;

	conn_open(p, &c);
	two_sleep(_metadata, &c, s, recv_20);
	send_part(&c, 0, 10);
	sleep_ms(50);
	first = poll(&(struct pollfd){ .fd = s[0].pipe, .events = POLLIN }, 1, 0) ? 0 : 1;
	r[0] = sleeper_expect_done(&s[first], 100);
	EXPECT_EQ(10, r[0].ret);
	sleeper_expect_asleep(&s[!first], 100);
	send_part(&c, 10, 10);
	r[1] = sleeper_expect_done(&s[!first], 1000);
	EXPECT_EQ(10, r[1].ret);
	expect_shared(_metadata, p, r, 20);
	p->leave_unread = true;
}

/* Both are filled by the rest of each round. */
TEST_F(readers, msg_waitall_fills_up_beside_another)
{
	struct peer *p = &self->peer;
	struct sleeper_result r[2];
	struct sleeper s[2];
	struct conn c;

	conn_open(p, &c);
	two_sleep(_metadata, &c, s, recv_all_20);
	for (int from = 0; from < 40; from += 8) {
		send_part(&c, from, 8);
		sleep_ms(10);
	}
	for (int i = 0; i < 2; i++) {
		r[i] = sleeper_expect_done(&s[i], 1000);
		EXPECT_EQ(20, r[i].ret);
	}
	expect_shared(_metadata, p, r, 40);
	p->leave_unread = true;
}

/*
 * SO_PEEK_OFF moves with each part that a peek has copied: one that sleeps has moved it, and what
 * another reader consumes moves it back.
 */
TEST_F(readers, so_peek_off_while_a_peek_sleeps)
{
	struct peer *p = &self->peer;
	struct sleeper_result r;
	struct sleeper s;
	char data[10];
	struct conn c;
	int off = -1;

#define peek_off() (getsockopt(c.fd, SOL_SOCKET, SO_PEEK_OFF, &off, &(socklen_t){ sizeof(off) }), off)
	conn_open(p, &c);
	/* Linux's TCP has it since 6.9. */
	if (socket_set(c.fd, SOL_SOCKET, SO_PEEK_OFF, 0))
		SKIP(return, "no SO_PEEK_OFF");
	send_part(&c, 0, 10);
	s = sleeper_start(_metadata, c.fd, peek_all_20);
	sleeper_expect_asleep(&s, 20);
	EXPECT_EQ(10, peek_off());
	EXPECT_EQ(-1, recv(c.fd, data, 10, MSG_PEEK | MSG_DONTWAIT));
	EXPECT_EQ(10, recv(c.fd, data, 10, 0));
	EXPECT_EQ(0, peek_off());
	send_part(&c, 10, 10);
	r = sleeper_expect_done(&s, 1000);
	ASSERT_EQ(20, r.ret);
	EXPECT_EQ(0, memcmp(r.data, STREAM, 20));
	EXPECT_EQ(10, peek_off());
#undef peek_off
	p->leave_unread = true;
}

/* --- before the first sequence number ------------------------------------ */

static void before_the_handshake(struct __test_metadata *_metadata, struct peer *p,
				 sleeper_call call, int flags)
{
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_SENT);
	s = sleeper_start(_metadata, c.fd, call);
	sleeper_expect_asleep(&s, 20);
	conn_send(&c, .flags = SYN | ACK);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	sleeper_expect_asleep(&s, 20);
	send_part(&c, 0, 10);
	r = sleeper_expect_done(&s, 1000);
	ASSERT_EQ(10, r.ret);
	EXPECT_EQ(0, memcmp(STREAM, r.data, 10));
	EXPECT_EQ(flags & MSG_PEEK ? 10 : -1, recv(c.fd, r.data, 20, MSG_DONTWAIT));
	p->leave_unread = true;
}

TEST_F(readers, sm_ss_receive)
{
	before_the_handshake(_metadata, &self->peer, recv_10, 0);
}

TEST_F(readers, sm_ss_receive_waitall)
{
	before_the_handshake(_metadata, &self->peer, recv_all_10, 0);
}

TEST_F(readers, sm_ss_receive_peek)
{
	before_the_handshake(_metadata, &self->peer, peek_10, MSG_PEEK);
}

/* --- another connection --------------------------------------------------- */

/*
 * A reader that slept at the connection before gets its error, and reads nothing of
 * the next.
 */
static void reconnected(struct __test_metadata *_metadata, struct peer *p, sleeper_call call)
{
	struct sleeper_result r;
	struct conn c, next;
	struct sleeper s;
	char data[20];

	conn_open(p, &c, .active = true);
	send_part(&c, 0, 6);
	EXPECT_EQ(6, recv(c.fd, data, 6, 0));
	s = sleeper_start(_metadata, c.fd, call);
	sleeper_expect_asleep(&s, 20);
	p->leave_unread = true;
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	r = sleeper_expect_done(&s, 1000);
	EXPECT_EQ(-1, r.ret);
	EXPECT_EQ(EPIPE, r.err);

	/* The socket reads its next connection from the beginning. */
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	peer_drain(p, 5);
	next = c;
	EXPECT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", c.pport));
	conn_learn(&next, peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = c.pport));
	next.kern_nxt = next.kern_iss + 1;
	next.peer_nxt = next.peer_iss;
	conn_send(&next, .flags = SYN | ACK, .seq = 0);
	send_part(&next, 0, 10);
	peer_drain(p, 50);
	EXPECT_EQ(10, recv(c.fd, data, 20, MSG_PEEK));
	EXPECT_EQ(10, recv(c.fd, data, 20, 0));
	EXPECT_EQ(0, memcmp(STREAM, data, 10));
}

TEST_F(readers, call_recv_ends_at_disconnect)
{
	reconnected(_metadata, &self->peer, recv_10);
}

TEST_F(readers, msg_peek_ends_at_disconnect)
{
	reconnected(_metadata, &self->peer, peek_10);
}

/* A peek that has seen a part ends with that, whatever the socket connects to next. */
TEST_F(readers, msg_peek_waitall_ends_at_disconnect)
{
	struct peer *p = &self->peer;
	struct sleeper_result r;
	struct sleeper s;
	struct conn c;

	conn_open(p, &c, .active = true);
	send_part(&c, 0, 6);
	s = sleeper_start(_metadata, c.fd, peek_all_20);
	sleeper_expect_asleep(&s, 20);
	p->leave_unread = true;
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	EXPECT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", c.pport));
	r = sleeper_expect_done(&s, 1000);
	ASSERT_EQ(6, r.ret);
	EXPECT_EQ(0, memcmp(STREAM, r.data, 6));
	socket_abort(c.fd);
}

static long send_urgent(int fd, char *data)
{
	static char text[4 << 20];

	(void)data;
	return send(fd, text, sizeof(text), MSG_OOB | MSG_NOSIGNAL);
}

/* A writer that slept meanwhile has no effect on the next connection. */
TEST_F(readers, msg_oob_ends_at_disconnect)
{
	struct peer *p = &self->peer;
	struct sleeper s;
	struct conn c;

	conn_open(p, &c, .active = true, .wnd = 100);
	p->leave_unread = true;
	s = sleeper_start(_metadata, c.fd, send_urgent);
	sleeper_expect_asleep(&s, 50);
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(0, socket_disconnect(c.fd));
	EXPECT_EQ(ECONNRESET, socket_error(c.fd));
	EXPECT_EQ(EINPROGRESS, socket_connect(c.fd, "10.0.0.2", c.pport));
	EXPECT_LT(0, sleeper_expect_done(&s, 1000).ret);
	peer_drain(p, 50);
	/* Its SYN, sent again. */
	peer_expect(p, .flags = SYN, .sport = ANYWHERE, .dport = c.pport, .within_ms = 1100);
}

TEST_HARNESS_MAIN
