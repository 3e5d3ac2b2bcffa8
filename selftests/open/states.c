// SPDX-License-Identifier: GPL-2.0
/*
 * states: every call and every segment in the states of an opening: CLOSED, LISTEN,
 * SYN-SENT, SYN-RECEIVED, and half-open, which is SYN-RECEIVED as a record. RFC 9293
 * 3.10.1-5, 3.10.7.1-4; RFC 5961 3, 4.
 */
/* vm: wires v6 families */
#include "lib/xtcp_test.h"

#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

PEER_FIXTURE(states);

/* --- calls */

typedef int (*call_fn)(int fd);

static int call_connect(int fd)
{
	return socket_connect(fd, "10.0.0.2", 4444);
}

static int call_listen(int fd)
{
	return socket_listen(fd, 4);
}

static int call_shutdown_wr(int fd)
{
	return socket_shutdown(fd, SHUT_WR);
}

static int call_shutdown_rd(int fd)
{
	return socket_shutdown(fd, SHUT_RD);
}

static int call_shutdown_rdwr(int fd)
{
	return socket_shutdown(fd, SHUT_RDWR);
}

static int call_close(int fd)
{
	return close(fd) ? errno : 0;
}

static int call_abort(int fd)
{
	socket_abort(fd);
	return 0;
}

/* The state in TCP_INFO; CLOSED also for a descriptor that is closed. */
static unsigned int state_of(int fd)
{
	struct tcp_info ti = { .tcpi_state = ROW_CLOSE };
	socklen_t len = sizeof(ti);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len);
	return ti.tcpi_state;
}

struct call_cell {
	enum conn_state from;
	call_fn call;
	int err;
	unsigned int to;	/* ROW_..., of the descriptor */
	int sent;		/* flags of the one segment that is sent, or 0 */
};

static void call_check(struct __test_metadata *_metadata, struct peer *p,
		       struct call_cell cell)
{
	struct conn c;
	int fd;

	conn_to_state(p, &c, cell.from);
	if (cell.from == ST_CLOSED)
		c.fd = socket_new(-1);
	fd = cell.from == ST_LISTEN ? c.lfd : c.fd;
	EXPECT_EQ(cell.err, cell.call(fd));
	EXPECT_EQ(cell.to, state_of(fd));
	if (cell.sent)
		peer_expect(p, .flags = cell.sent, .sport = ANYWHERE, .dport = ANYWHERE);
	peer_expect_silence(p, 20);
	/* A closed connection sends nothing any more, whatever it waited for. */
	if (cell.to == ROW_CLOSE && cell.sent != (FIN | ACK)) {
		EXPECT_EQ(0, proc_rows(p->family, 0));
		peer_expect_silence(p, 130000);
	}
}

#define CALL(name, ...) \
	TEST_F(states, sm_##name) \
	{ \
		call_check(_metadata, &self->peer, (struct call_cell){ __VA_ARGS__ }); \
	}

CALL(closed_connect, ST_CLOSED, call_connect, EINPROGRESS, ROW_SYN_SENT, SYN)
CALL(closed_listen, ST_CLOSED, call_listen, 0, ROW_LISTEN)
CALL(closed_send, ST_CLOSED, socket_send, EPIPE, ROW_CLOSE)
CALL(closed_receive, ST_CLOSED, socket_receive, ENOTCONN, ROW_CLOSE)
CALL(closed_shutdown_wr, ST_CLOSED, call_shutdown_wr, ENOTCONN, ROW_CLOSE)
CALL(closed_shutdown_rd, ST_CLOSED, call_shutdown_rd, ENOTCONN, ROW_CLOSE)
CALL(closed_close, ST_CLOSED, call_close, 0, ROW_CLOSE)
CALL(closed_abort, ST_CLOSED, call_abort, 0, ROW_CLOSE)
CALL(closed_disconnect, ST_CLOSED, socket_disconnect, 0, ROW_CLOSE)

CALL(listen_connect, ST_LISTEN, call_connect, EISCONN, ROW_LISTEN)
CALL(listen_listen, ST_LISTEN, call_listen, 0, ROW_LISTEN)
CALL(listen_send, ST_LISTEN, socket_send, EPIPE, ROW_LISTEN)
CALL(listen_receive, ST_LISTEN, socket_receive, ENOTCONN, ROW_LISTEN)
CALL(listen_shutdown_wr, ST_LISTEN, call_shutdown_wr, 0, ROW_LISTEN)
CALL(listen_shutdown_rd, ST_LISTEN, call_shutdown_rd, 0, ROW_CLOSE)
CALL(listen_shutdown_rdwr, ST_LISTEN, call_shutdown_rdwr, 0, ROW_CLOSE)
CALL(listen_close, ST_LISTEN, call_close, 0, ROW_CLOSE)
CALL(listen_abort, ST_LISTEN, call_abort, 0, ROW_CLOSE)
CALL(listen_disconnect, ST_LISTEN, socket_disconnect, 0, ROW_CLOSE)

CALL(syn_sent_connect, ST_SYN_SENT, call_connect, EALREADY, ROW_SYN_SENT)
CALL(syn_sent_listen, ST_SYN_SENT, call_listen, EINVAL, ROW_SYN_SENT)
CALL(syn_sent_send, ST_SYN_SENT, socket_send, EAGAIN, ROW_SYN_SENT)
CALL(syn_sent_receive, ST_SYN_SENT, socket_receive, EAGAIN, ROW_SYN_SENT)
CALL(syn_sent_shutdown_wr, ST_SYN_SENT, call_shutdown_wr, 0, ROW_CLOSE)
CALL(syn_sent_shutdown_rd, ST_SYN_SENT, call_shutdown_rd, 0, ROW_CLOSE)
CALL(syn_sent_shutdown_rdwr, ST_SYN_SENT, call_shutdown_rdwr, 0, ROW_CLOSE)
CALL(syn_sent_close, ST_SYN_SENT, call_close, 0, ROW_CLOSE)
CALL(syn_sent_abort, ST_SYN_SENT, call_abort, 0, ROW_CLOSE)
CALL(syn_sent_disconnect, ST_SYN_SENT, socket_disconnect, 0, ROW_CLOSE)

CALL(syn_received_connect, ST_SYN_RECEIVED, call_connect, EALREADY, ROW_SYN_RECEIVED)
CALL(syn_received_listen, ST_SYN_RECEIVED, call_listen, EINVAL, ROW_SYN_RECEIVED)
CALL(syn_received_send, ST_SYN_RECEIVED, socket_send, EAGAIN, ROW_SYN_RECEIVED)
CALL(syn_received_receive, ST_SYN_RECEIVED, socket_receive, EAGAIN, ROW_SYN_RECEIVED)
CALL(syn_received_shutdown_rd, ST_SYN_RECEIVED, call_shutdown_rd, 0, ROW_SYN_RECEIVED)
CALL(syn_received_close, ST_SYN_RECEIVED, call_close, 0, ROW_CLOSE, FIN | ACK)
CALL(syn_received_abort, ST_SYN_RECEIVED, call_abort, 0, ROW_CLOSE, RST | ACK)
CALL(syn_received_disconnect, ST_SYN_RECEIVED, socket_disconnect, 0, ROW_CLOSE, RST | ACK)

/* A listener whose backlog is changed keeps its queues. */
TEST_F(states, sm_listen_listen_keeps_the_queue)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	EXPECT_EQ(0, socket_listen(c.lfd, 1));
	conn_expect_state(&c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
}

/* Linux delays the FIN until the SYN is acknowledged; the RFC does not. */
TEST_F(states, sm_syn_received_shutdown_wr)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	ASSERT_EQ(0, socket_shutdown(c.fd, SHUT_WR));
	if (stock_mode()) {
		conn_send(&c, .flags = ACK);
		conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	} else {
		conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
		conn_expect_state(&c, ST_FIN_WAIT_1);
		conn_send(&c, .flags = ACK, .ack = 1);
	}
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = ACK, .ack = 2);
	conn_expect_state(&c, ST_FIN_WAIT_2);
	/* The peer may still send. */
	conn_send(&c, .flags = ACK | PSH, .data = "text");
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 5, .within_ms = 210);
}

/* SYN and FIN may be acknowledged by one segment. */
TEST_F(states, sm_syn_received_close_both_acked)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_to_state(p, &c, ST_SYN_RECEIVED);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	conn_expect_state(&c, ST_FIN_WAIT_1);
	conn_send(&c, .flags = FIN | ACK, .ack = 2);
	conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
	conn_expect_state(&c, ST_TIME_WAIT);
}

/* --- segments */

struct segment_cell {
	enum conn_state from;
	int flags;
	int64_t seq, ack;	/* relative: each side's SYN is 0 */
	const char *text;
	enum conn_state to;
	int answer;		/* flags, 0: silence */
	int64_t answer_seq, answer_ack;
	int err;		/* SO_ERROR afterwards */
	int stock_err;		/* if another */
};

/* A listener chooses its number when the SYN has come: 0 before. */
static void segment_check(struct __test_metadata *_metadata, struct peer *p,
			  struct segment_cell cell)
{
	struct conn c;

	conn_to_state(p, &c, cell.from);
	peer_mark(p);
	conn_send(&c, .flags = cell.flags, .seq = cell.seq, .ack = cell.ack,
		  .data = cell.text);
	if (cell.answer == (RST | ACK))
		/*
		 * In answer to a segment without ACK: number 0, whatever numbers we
		 * use.
		 */
		conn_expect(&c, .flags = RST | ACK, .seq = -(int64_t)c.kern_iss,
			    .ack = cell.answer_ack);
	else if (cell.answer == RST)
		conn_expect(&c, .flags = RST, .seq = cell.answer_seq);
	else if (cell.answer == (SYN | ACK) && cell.from == ST_LISTEN)
		conn_expect(&c, .flags = SYN | ACK, .ack = cell.answer_ack);
	else if (cell.answer)
		conn_expect(&c, .flags = cell.answer, .seq = cell.answer_seq,
			    .ack = cell.answer_ack, .within_ms = 210);
	/* The peer has forgotten its old connection now. */
	if (cell.from == ST_SYN_SENT &&
	    (cell.answer == RST || (cell.flags == (RST | ACK) && cell.to == ST_SYN_SENT)))
		conn_expect(&c, .flags = SYN, .seq = 0, .at_ms = 8);
	peer_expect_silence(p, 220);
	conn_expect_state(&c, cell.to);
	if (c.fd >= 0)
		EXPECT_EQ(stock_mode() && cell.stock_err ? cell.stock_err : cell.err,
			  socket_error(c.fd));
}

#define SEGMENT(name, ...) \
	TEST_F(states, sm_##name) \
	{ \
		segment_check(_metadata, &self->peer, (struct segment_cell){ __VA_ARGS__ }); \
	}

/* For what Linux does otherwise; the cell says what. */
#define OUR_SEGMENT(name, ...) \
	TEST_F(states, sm_##name) \
	{ \
		NOT_ON_STOCK(); \
		segment_check(_metadata, &self->peer, (struct segment_cell){ __VA_ARGS__ }); \
	}

/* 3.10.7.1 */
SEGMENT(closed_syn, ST_CLOSED, SYN, 0, 0, NULL, ST_CLOSED, RST | ACK, 0, 1)
SEGMENT(closed_syn_text, ST_CLOSED, SYN, 0, 0, "text", ST_CLOSED, RST | ACK, 0, 5)
SEGMENT(closed_syn_fin, ST_CLOSED, SYN | FIN, 0, 0, NULL, ST_CLOSED, RST | ACK, 0, 2)
SEGMENT(closed_fin, ST_CLOSED, FIN, 0, 0, NULL, ST_CLOSED, RST | ACK, 0, 1)
SEGMENT(closed_no_flags, ST_CLOSED, 0, 0, 0, NULL, ST_CLOSED, RST | ACK, 0, 0)
SEGMENT(closed_no_flags_text, ST_CLOSED, 0, 0, 0, "text", ST_CLOSED, RST | ACK, 0, 4)
SEGMENT(closed_syn_ack, ST_CLOSED, SYN | ACK, 0, 500, NULL, ST_CLOSED, RST, 500)
SEGMENT(closed_ack, ST_CLOSED, ACK, 0, 500, NULL, ST_CLOSED, RST, 500)
SEGMENT(closed_text, ST_CLOSED, ACK | PSH, 0, 500, "text", ST_CLOSED, RST, 500)
SEGMENT(closed_fin_ack, ST_CLOSED, FIN | ACK, 0, 500, NULL, ST_CLOSED, RST, 500)
SEGMENT(closed_rst, ST_CLOSED, RST, 0, 0, NULL, ST_CLOSED)
SEGMENT(closed_rst_ack, ST_CLOSED, RST | ACK, 0, 500, NULL, ST_CLOSED)

/* 3.10.7.2 */
SEGMENT(listen_syn, ST_LISTEN, SYN, 0, 0, NULL, ST_HALF_OPEN, SYN | ACK, 0, 1)
SEGMENT(listen_syn_psh_urg, ST_LISTEN, SYN | PSH | URG, 0, 0, NULL, ST_HALF_OPEN,
	SYN | ACK, 0, 1)
SEGMENT(listen_syn_fin, ST_LISTEN, SYN | FIN, 0, 0, NULL, ST_LISTEN)
SEGMENT(listen_syn_rst, ST_LISTEN, SYN | RST, 0, 0, NULL, ST_LISTEN)
SEGMENT(listen_fin, ST_LISTEN, FIN, 0, 0, NULL, ST_LISTEN)
SEGMENT(listen_no_flags, ST_LISTEN, 0, 0, 0, NULL, ST_LISTEN)
SEGMENT(listen_no_flags_text, ST_LISTEN, PSH, 0, 0, "text", ST_LISTEN)
SEGMENT(listen_syn_ack, ST_LISTEN, SYN | ACK, 0, 500, NULL, ST_LISTEN, RST, 500)
SEGMENT(listen_ack, ST_LISTEN, ACK, 0, 500, NULL, ST_LISTEN, RST, 500)
SEGMENT(listen_text, ST_LISTEN, ACK | PSH, 0, 500, "text", ST_LISTEN, RST, 500)
SEGMENT(listen_fin_ack, ST_LISTEN, FIN | ACK, 0, 500, NULL, ST_LISTEN, RST, 500)
SEGMENT(listen_rst, ST_LISTEN, RST, 0, 0, NULL, ST_LISTEN)
SEGMENT(listen_rst_ack, ST_LISTEN, RST | ACK, 0, 500, NULL, ST_LISTEN)

/* 3.10.7.3 */
SEGMENT(syn_sent_syn, ST_SYN_SENT, SYN, 0, 0, NULL, ST_SYN_RECEIVED, SYN | ACK, 0, 1)
SEGMENT(syn_sent_syn_ack, ST_SYN_SENT, SYN | ACK, 0, 1, NULL, ST_ESTABLISHED, ACK, 1, 1)
/* Linux repeats its SYN right after such a RST. */
SEGMENT(syn_sent_syn_ack_above, ST_SYN_SENT, SYN | ACK, 0, 2, NULL, ST_SYN_SENT, RST, 2)
SEGMENT(syn_sent_syn_ack_below, ST_SYN_SENT, SYN | ACK, 0, 0, NULL, ST_SYN_SENT, RST, 0)
SEGMENT(syn_sent_ack, ST_SYN_SENT, ACK, 0, 1, NULL, ST_SYN_SENT)
SEGMENT(syn_sent_ack_above, ST_SYN_SENT, ACK, 0, 2, NULL, ST_SYN_SENT, RST, 2)
SEGMENT(syn_sent_ack_below, ST_SYN_SENT, ACK, 0, -5, NULL, ST_SYN_SENT, RST, -5)
SEGMENT(syn_sent_text, ST_SYN_SENT, ACK | PSH, 0, 1, "text", ST_SYN_SENT)
SEGMENT(syn_sent_fin, ST_SYN_SENT, FIN, 0, 0, NULL, ST_SYN_SENT)
SEGMENT(syn_sent_fin_ack, ST_SYN_SENT, FIN | ACK, 0, 1, NULL, ST_SYN_SENT)
/* The peer sends its FIN again. */
SEGMENT(syn_sent_syn_fin, ST_SYN_SENT, SYN | FIN, 0, 0, NULL, ST_SYN_RECEIVED, SYN | ACK, 0, 1)
SEGMENT(syn_sent_no_flags, ST_SYN_SENT, 0, 0, 0, NULL, ST_SYN_SENT)
SEGMENT(syn_sent_rst_ack, ST_SYN_SENT, RST | ACK, 0, 1, NULL, ST_CLOSED, 0, 0, 0,
	ECONNREFUSED)
SEGMENT(syn_sent_rst_ack_anywhere, ST_SYN_SENT, RST | ACK, 123456789, 1, NULL, ST_CLOSED,
	0, 0, 0, ECONNREFUSED)
SEGMENT(syn_sent_rst_bare, ST_SYN_SENT, RST, 0, 0, NULL, ST_SYN_SENT)
SEGMENT(syn_sent_rst_ack_above, ST_SYN_SENT, RST | ACK, 0, 2, NULL, ST_SYN_SENT)
SEGMENT(syn_sent_syn_rst_ack, ST_SYN_SENT, SYN | RST | ACK, 0, 1, NULL, ST_CLOSED,
	0, 0, 0, ECONNREFUSED)

/* 3.10.7.4, SYN-RECEIVED of both kinds. Linux answers the SYN by a challenge. */
OUR_SEGMENT(syn_received_same_syn, ST_SYN_RECEIVED, SYN, 0, 0, NULL, ST_SYN_RECEIVED,
	    SYN | ACK, 0, 1)
SEGMENT(syn_received_other_syn, ST_SYN_RECEIVED, SYN, 100, 0, NULL, ST_SYN_RECEIVED,
	ACK, 1, 1)
SEGMENT(syn_received_ack, ST_SYN_RECEIVED, ACK, 1, 1, NULL, ST_ESTABLISHED)
SEGMENT(syn_received_ack_above, ST_SYN_RECEIVED, ACK, 1, 2, NULL, ST_SYN_RECEIVED, RST, 2)
SEGMENT(syn_received_ack_below, ST_SYN_RECEIVED, ACK, 1, -5, NULL, ST_SYN_RECEIVED, RST, -5)
SEGMENT(syn_received_text, ST_SYN_RECEIVED, ACK | PSH, 1, 1, "text", ST_ESTABLISHED,
	ACK, 1, 5)
SEGMENT(syn_received_fin, ST_SYN_RECEIVED, FIN | ACK, 1, 1, NULL, ST_CLOSE_WAIT, ACK, 1, 2)
SEGMENT(syn_received_text_and_fin, ST_SYN_RECEIVED, FIN | ACK, 1, 1, "text", ST_CLOSE_WAIT,
	ACK, 1, 6)
SEGMENT(syn_received_fin_without_ack, ST_SYN_RECEIVED, FIN, 1, 0, NULL, ST_SYN_RECEIVED)
SEGMENT(syn_received_no_flags, ST_SYN_RECEIVED, 0, 1, 0, NULL, ST_SYN_RECEIVED)
OUR_SEGMENT(syn_received_no_flags_at_irs, ST_SYN_RECEIVED, 0, 0, 0, NULL, ST_SYN_RECEIVED,
	    ACK, 1, 1)
SEGMENT(syn_received_outside, ST_SYN_RECEIVED, ACK | PSH, -5000, 1, "text",
	ST_SYN_RECEIVED, ACK, 1, 1)
SEGMENT(syn_received_rst, ST_SYN_RECEIVED, RST, 1, 0, NULL, ST_CLOSED, 0, 0, 0,
	ECONNREFUSED, ECONNRESET)
SEGMENT(syn_received_rst_in_window, ST_SYN_RECEIVED, RST, 100, 0, NULL, ST_SYN_RECEIVED,
	ACK, 1, 1)
SEGMENT(syn_received_rst_outside, ST_SYN_RECEIVED, RST, 10000000, 0, NULL, ST_SYN_RECEIVED)

SEGMENT(half_open_same_syn, ST_HALF_OPEN, SYN, 0, 0, NULL, ST_HALF_OPEN, SYN | ACK, 0, 1)
SEGMENT(half_open_other_syn, ST_HALF_OPEN, SYN, 100, 0, NULL, ST_CLOSED, RST | ACK, 0, 101)
SEGMENT(half_open_other_syn_outside, ST_HALF_OPEN, SYN, -5000, 0, NULL, ST_HALF_OPEN,
	ACK, 1, 1)
SEGMENT(half_open_syn_ack, ST_HALF_OPEN, SYN | ACK, 1, 1, NULL, ST_CLOSED, RST, 1)
SEGMENT(half_open_ack, ST_HALF_OPEN, ACK, 1, 1, NULL, ST_ESTABLISHED)
SEGMENT(half_open_ack_above, ST_HALF_OPEN, ACK, 1, 2, NULL, ST_HALF_OPEN, RST, 2)
SEGMENT(half_open_ack_below, ST_HALF_OPEN, ACK, 1, -5, NULL, ST_HALF_OPEN, RST, -5)
SEGMENT(half_open_text, ST_HALF_OPEN, ACK | PSH, 1, 1, "text", ST_ESTABLISHED, ACK, 1, 5)
SEGMENT(half_open_fin, ST_HALF_OPEN, FIN | ACK, 1, 1, NULL, ST_CLOSE_WAIT, ACK, 1, 2)
SEGMENT(half_open_text_ahead, ST_HALF_OPEN, ACK | PSH, 100, 1, "text", ST_ESTABLISHED,
	ACK, 1, 1)
SEGMENT(half_open_fin_without_ack, ST_HALF_OPEN, FIN, 1, 0, NULL, ST_HALF_OPEN)
SEGMENT(half_open_no_flags, ST_HALF_OPEN, 0, 1, 0, NULL, ST_HALF_OPEN)
SEGMENT(half_open_outside, ST_HALF_OPEN, ACK | PSH, -5000, 1, "text", ST_HALF_OPEN, ACK, 1, 1)
/* A byte before the window, as a probe of keepalive may have. */
SEGMENT(half_open_byte_below, ST_HALF_OPEN, ACK, 0, 1, "x", ST_HALF_OPEN, ACK, 1, 1)
SEGMENT(half_open_rst, ST_HALF_OPEN, RST, 1, 0, NULL, ST_CLOSED)
/* Linux accepts any RST in the window. */
SEGMENT(half_open_rst_in_window, ST_HALF_OPEN, RST, 100, 0, NULL, ST_HALF_OPEN, ACK, 1, 1)
SEGMENT(half_open_rst_outside, ST_HALF_OPEN, RST, 10000000, 0, NULL, ST_HALF_OPEN)

/* --- ICMP and user timeout */

struct icmp_cell {
	enum conn_state from;
	int code;
	enum conn_state to;
	int err;
};

static void icmp_check(struct __test_metadata *_metadata, struct peer *p,
		       struct icmp_cell cell)
{
	const char *event = cell.code == ICMP_FRAG_NEEDED ? "ICMP-too-big" :
			    cell.code == ICMP_PORT_UNREACH ? "ICMP-hard-error" :
							     "ICMP-soft-error";
	const char *row = cell.from == ST_SYN_SENT ? "SYN-SENT" : "SYN-RECEIVED";
	struct conn c;

	conn_to_state(p, &c, cell.from);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = cell.code,
		       .rest = cell.code == ICMP_FRAG_NEEDED ? 1300 : 0);
	peer_expect_silence(p, 20);
	conn_expect_state(&c, cell.to);
	/* It was not ignored. */
	if (!stock_mode() && cell.to == cell.from)
		EXPECT_EQ(1, lifecycle_count(row, event, row));
	if (c.fd >= 0)
		EXPECT_EQ(cell.err, socket_error(c.fd));
}

#define ICMP(name, ...) \
	TEST_F(states, sm_##name) \
	{ \
		icmp_check(_metadata, &self->peer, (struct icmp_cell){ __VA_ARGS__ }); \
	}

ICMP(syn_sent_icmp_hard, ST_SYN_SENT, ICMP_PORT_UNREACH, ST_CLOSED, ECONNREFUSED)
ICMP(syn_sent_icmp_soft, ST_SYN_SENT, ICMP_HOST_UNREACH, ST_CLOSED, EHOSTUNREACH)
ICMP(syn_sent_icmp_too_big, ST_SYN_SENT, ICMP_FRAG_NEEDED, ST_SYN_SENT, 0)
ICMP(syn_received_icmp_hard, ST_SYN_RECEIVED, ICMP_PORT_UNREACH, ST_CLOSED, ECONNREFUSED)
ICMP(syn_received_icmp_too_big, ST_SYN_RECEIVED, ICMP_FRAG_NEEDED, ST_SYN_RECEIVED, 0)
ICMP(half_open_icmp_hard, ST_HALF_OPEN, ICMP_PORT_UNREACH, ST_HALF_OPEN)
ICMP(half_open_icmp_soft, ST_HALF_OPEN, ICMP_HOST_UNREACH, ST_CLOSED)
ICMP(half_open_icmp_too_big, ST_HALF_OPEN, ICMP_FRAG_NEEDED, ST_HALF_OPEN)

/* Linux gives up; a router's error may be temporary. */
TEST_F(states, sm_syn_received_icmp_soft)
{
	struct icmp_cell cell = {
		ST_SYN_RECEIVED, ICMP_HOST_UNREACH, ST_SYN_RECEIVED, EHOSTUNREACH,
	};

	NOT_ON_STOCK();
	icmp_check(_metadata, &self->peer, cell);
}

/* ICMP errors do not affect a port that listens. */
TEST_F(states, sm_listen_icmp)
{
	struct peer *p = &self->peer;
	struct conn gone, c;

	conn_to_state(p, &gone, ST_HALF_OPEN);
	conn_send(&gone, .flags = RST);
	conn_expect_state(&gone, ST_CLOSED);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH);
	peer_send_icmp(p, .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED,
		       .rest = 1200);
	EXPECT_EQ(0, socket_error(gone.lfd));
	conn_open(p, &c, .lfd = gone.lfd);
}

static void two_seconds(int fd)
{
	socket_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 2000);
}

static void user_timeout(struct __test_metadata *_metadata, struct peer *p,
			 enum conn_state st, int flags)
{
	struct conn c;

	peer_mark(p);
	conn_to_state(p, &c, st, .prepare = two_seconds);
	conn_expect(&c, .flags = flags, .at_ms = 1000);
	peer_expect_poll(p, c.fd, POLLOUT | POLLERR | POLLHUP, 2000);
	EXPECT_EQ(ETIMEDOUT, socket_error(c.fd));
	conn_expect_state(&c, ST_CLOSED);
	peer_expect_silence(p, 130000);
}

TEST_F(states, sm_syn_sent_user_timeout)
{
	user_timeout(_metadata, &self->peer, ST_SYN_SENT, SYN);
}

TEST_F(states, sm_syn_received_user_timeout)
{
	user_timeout(_metadata, &self->peer, ST_SYN_RECEIVED, SYN | ACK);
}

/* Data and FIN that came too early were dropped, to be sent again; here they are. */
TEST_F(states, sm_half_open_text_ahead_completes)
{
	struct peer *p = &self->peer;
	char buf[16];
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN);
	conn_send(&c, .flags = ACK | PSH, .seq = 6, .data = "after");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "first");
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 11);
	conn_accept(&c);
	ASSERT_EQ(10, recv(c.fd, buf, sizeof(buf), 0));
	EXPECT_EQ(0, memcmp(buf, "firstafter", 10));
}

/*
 * RFC 7323 4.3: the third segment comes with text ahead, whose timestamp does not count, because
 * what fills the hole was sent before it.
 */
TEST_F(states, rfc7323_4_3_half_open_text_ahead_brings_no_timestamp)
{
	struct peer *p = &self->peer;
	struct counters before;
	uint32_t stamp;
	struct conn c;

	conn_to_state(p, &c, ST_HALF_OPEN, .opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0)));
	stamp = c.tsval_base + 1000;
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 6, .data = "after",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(stamp + 20, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "first",
		  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(stamp, c.ts_recent)));
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 11, .tsecr = stamp);
	EXPECT_EQ(0, counter_moved(&before, "PAWSEstab"));
	conn_accept(&c);
	program_reads(_metadata, c.fd, "firstafter");
}

TEST_HARNESS_MAIN
