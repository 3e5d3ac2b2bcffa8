// SPDX-License-Identifier: GPL-2.0
/*
 * states: every event of a synchronized connection, in each of its states; also in
 * TIME-WAIT, and in the FIN-WAIT-2 record of a program that has closed. RFC 9293
 * 3.10.4 to 3.10.7; RFC 5961 3-5; RFC 1337 and 6191 for TIME-WAIT.
 *
 * An event is a function and a column of cells. Each cell is a test of its own,
 * sm_<state>_<event>. It asserts the next state, the answering segment and that
 * there is no other, the row of the lifecycle table that was taken, the counters
 * that moved and that no others did, and the program's error.
 *
 *	es ESTABLISHED	f1 FIN-WAIT-1	f2 FIN-WAIT-2	cw CLOSE-WAIT
 *	cg CLOSING	la LAST-ACK	tw TIME-WAIT	fo orphan in FIN-WAIT-2
 */
/* vm: wires v6 families */
#include "cells.h"

/* --- SYN ---------------------------------------------------------------- */

#define CHALLENGE COUNTS({ "TCPChallengeACK", 1 })
#define SYN_CHALLENGE COUNTS({ "TCPChallengeACK", 1 }, { "TCPSYNChallenge", 1 })
/* Linux calls it an error in this state alone. */
#define SYN_ERROR \
	COUNTS({ "TCPChallengeACK", 1 }, { "TCPSYNChallenge", 1 }, { "InErrs", 1 })
#define CHALLENGED(event) \
	SYNC = STAYS(AN_ACK, event, SYN_CHALLENGE), \
	ES = STAYS(AN_ACK, event, SYN_ERROR)

static int64_t send_syn(struct conn *c, int flags, int64_t offset)
{
	int64_t seq = conn_peer_nxt(c) + offset;

	conn_send(c, .flags = flags, .seq = seq);
	return flags & ACK ? conn_kern_nxt(c) : seq + 1 + (flags & FIN ? 1 : 0);
}

/* RFC 5961 4: wherever the number lies. */
HAPPEN(syn) { return send_syn(c, SYN, 0); }
EVENT(syn,
	CHALLENGED("rcv-SYN"),
	TW = STAYS(AN_ACK, "rcv-SYN-in-window"),
	FO = STAYS(AN_ACK, "rcv-SYN-in-window", SYN_CHALLENGE, .not_stock = true));
CELLS(syn)

HAPPEN(syn_left) { return send_syn(c, SYN, -100000); }
EVENT(syn_left,
	CHALLENGED("rcv-SYN"),
	TW = STAYS(AN_ACK, "rcv-SYN-in-window"),
	FO = STAYS(AN_ACK, "rcv-outside-window"));
CELLS(syn_left)

/* In TIME-WAIT it opens a new connection: MAY-2. */
HAPPEN(syn_right) { return send_syn(c, SYN, 100000); }
EVENT(syn_right,
	CHALLENGED("rcv-SYN"),
	TW = GOES(HALF_OPEN, A_SYN_ACK),
	FO = STAYS(AN_ACK, "rcv-outside-window"));
CELLS(syn_right)

HAPPEN(syn_fin) { return send_syn(c, SYN | FIN, 0); }
EVENT(syn_fin,
	CHALLENGED("rcv-SYN"),
	TW = STAYS(AN_ACK, "rcv-SYN-in-window"),
	FO = STAYS(AN_ACK, "rcv-SYN-in-window", SYN_CHALLENGE, .not_stock = true));
CELLS(syn_fin)

HAPPEN(syn_ack) { return send_syn(c, SYN | ACK, 0); }
EVENT(syn_ack,
	CHALLENGED("rcv-SYN,ACK"),
	TW = STAYS(AN_ACK, "rcv-SYN,ACK"),
	FO = STAYS(AN_ACK, "rcv-SYN-in-window", SYN_CHALLENGE, .not_stock = true));
CELLS(syn_ack)

/* --- neither SYN, RST nor ACK ------------------------------------------- */

static int64_t send_flags(struct conn *c, int flags)
{
	conn_send(c, .flags = flags, .seq = conn_peer_nxt(c));
	return 0;
}

HAPPEN(no_flags) { return send_flags(c, 0); }
EVENT(no_flags,
	SYNC = STAYS(SILENCE, "rcv-bad-flags"),
	TW = STAYS(SILENCE, "rcv-bad-flags"),
	FO = STAYS(SILENCE, "rcv-bad-flags"));
CELLS(no_flags)

/* The kernel's TCP answers it in TIME-WAIT. */
HAPPEN(fin_without_ack) { return send_flags(c, FIN); }
EVENT(fin_without_ack,
	SYNC = STAYS(SILENCE, "rcv-bad-flags"),
	TW = STAYS(SILENCE, "rcv-bad-flags", .not_stock = true),
	FO = STAYS(SILENCE, "rcv-bad-flags"));
CELLS(fin_without_ack)

/* --- ACK ---------------------------------------------------------------- */

static int64_t send_ack(struct conn *c, int64_t ack)
{
	conn_send(c, .flags = ACK, .ack = ack);
	return ack;
}

HAPPEN(ack) { return send_ack(c, conn_kern_nxt(c)); }
EVENT(ack,
	ES = STAYS(SILENCE, "rcv-ACK"),
	F1 = GOES(FIN_WAIT_2, SILENCE, "rcv-ACK-of-FIN"),
	F2 = STAYS(SILENCE, "rcv-ACK"),
	CW = STAYS(SILENCE, "rcv-ACK"),
	CG = GOES(TIME_WAIT, SILENCE, "rcv-ACK-of-FIN"),
	LA = GOES(CLOSED, SILENCE, "rcv-ACK-of-FIN"),
	TW = STAYS(SILENCE, "rcv-ACK"),
	FO = STAYS(SILENCE, "rcv-ACK"));
CELLS(ack)

/*
 * An ACK of what was never sent. The kernel's TCP does not answer, or counts a
 * challenge.
 */
HAPPEN(ack_above) { return send_ack(c, conn_kern_nxt(c) + 100); }
EVENT(ack_above,
	SYNC = STAYS(AN_ACK, "rcv-ACK-above-SND.NXT", .not_stock = true),
	TW = STAYS(AN_ACK, "rcv-ACK-above-SND.NXT", .not_stock = true),
	FO = STAYS(AN_ACK, "rcv-ACK-above-SND.NXT", .not_stock = true));
CELLS(ack_above)

/* RFC 5961 5.2: older than the largest window. */
HAPPEN(ack_below) { return send_ack(c, conn_kern_nxt(c) - 200000); }
EVENT(ack_below,
	SYNC = STAYS(AN_ACK, "rcv-ACK-below-window", CHALLENGE),
	TW = STAYS(SILENCE, "rcv-ACK"),
	FO = STAYS(SILENCE, "rcv-ACK"));
CELLS(ack_below)

/* --- text --------------------------------------------------------------- */

#define OUR_ACK_WAS_LOST COUNTS({ "DelayedACKLost", 1 })
#define OUT_OF_ORDER COUNTS({ "TCPOFOQueue", 1 })

static int64_t send_text(struct conn *c, enum conn_state st, int64_t offset)
{
	int64_t ack = una(c, st);

	conn_send(c, .flags = PSH | ACK, .seq = conn_peer_nxt(c) + offset,
		  .len = 10, .ack = ack);
	return ack;
}

/*
 * There is no data beyond a FIN: it is dropped without an answer.
 */
HAPPEN(text) { return send_text(c, st, 0); }
EVENT(text,
	ES = STAYS(AN_ACK, "rcv-text", .taken = true),
	F1 = STAYS(AN_ACK, "rcv-text", .taken = true),
	F2 = STAYS(AN_ACK, "rcv-text", .taken = true),
	CW = STAYS(SILENCE, "rcv-text"),
	CG = STAYS(SILENCE, "rcv-text"),
	LA = STAYS(SILENCE, "rcv-text"),
	TW = STAYS(AN_ACK, "rcv-text"),
	FO = GOES(CLOSED, A_RST, "rcv-text-after-CLOSE"));
CELLS(text)

/* All of it is a duplicate. */
HAPPEN(text_again) { return send_text(c, st, -10); }
EVENT(text_again,
	SYNC = STAYS(AN_ACK, NULL, OUR_ACK_WAS_LOST),
	TW = STAYS(AN_ACK, "rcv-text"),
	FO = STAYS(AN_ACK, "rcv-outside-window"));
CELLS(text_again)

HAPPEN(text_left) { return send_text(c, st, -100); }
EVENT(text_left,
	SYNC = STAYS(AN_ACK, "rcv-outside-window", OUR_ACK_WAS_LOST),
	TW = STAYS(AN_ACK, "rcv-text"),
	FO = STAYS(AN_ACK, "rcv-outside-window"));
CELLS(text_left)

HAPPEN(text_right) { return send_text(c, st, 100000); }
EVENT(text_right,
	SYNC = STAYS(AN_ACK, "rcv-outside-window"),
	TW = STAYS(AN_ACK, "rcv-text"),
	FO = STAYS(AN_ACK, "rcv-outside-window"));
CELLS(text_right)

HAPPEN(text_ahead) { return send_text(c, st, 100); }
EVENT(text_ahead,
	ES = STAYS(AN_ACK, "rcv-text-out-of-order", OUT_OF_ORDER),
	F1 = STAYS(AN_ACK, "rcv-text-out-of-order", OUT_OF_ORDER),
	F2 = STAYS(AN_ACK, "rcv-text-out-of-order", OUT_OF_ORDER),
	CW = STAYS(SILENCE, "rcv-text"),
	CG = STAYS(SILENCE, "rcv-text"),
	LA = STAYS(SILENCE, "rcv-text"),
	TW = STAYS(AN_ACK, "rcv-text"),
	FO = GOES(CLOSED, A_RST, "rcv-text-after-CLOSE"));
CELLS(text_ahead)

/* --- FIN ---------------------------------------------------------------- */

static int64_t send_fin(struct conn *c, enum conn_state st, int64_t offset)
{
	int64_t ack = una(c, st);

	conn_send(c, .flags = FIN | ACK, .seq = conn_peer_nxt(c) + offset, .ack = ack);
	return ack;
}

HAPPEN(fin) { return send_fin(c, st, 0); }
EVENT(fin,
	ES = GOES(CLOSE_WAIT, AN_ACK, "rcv-FIN", .taken = true),
	F1 = GOES(CLOSING, AN_ACK, "rcv-FIN", .taken = true),
	F2 = GOES(TIME_WAIT, AN_ACK, "rcv-FIN", .taken = true),
	FO = GOES(TIME_WAIT, AN_ACK, "rcv-FIN", .taken = true));
CELL(es, fin) CELL(f1, fin) CELL(f2, fin) CELL(fo, fin)

/* Our ACK of it was lost. */
HAPPEN(fin_again) { return send_fin(c, st, -1); }
EVENT(fin_again,
	CW = STAYS(AN_ACK, "rcv-FIN", OUR_ACK_WAS_LOST),
	CG = STAYS(AN_ACK, "rcv-FIN", OUR_ACK_WAS_LOST),
	LA = STAYS(AN_ACK, "rcv-FIN", OUR_ACK_WAS_LOST),
	TW = STAYS(AN_ACK, "rcv-FIN"));
CELL(cw, fin_again) CELL(cg, fin_again) CELL(la, fin_again) CELL(tw, fin_again)

/* Kept until the hole is filled. A record keeps nothing. */
HAPPEN(fin_ahead) { return send_fin(c, st, 10); }
EVENT(fin_ahead,
	ES = STAYS(AN_ACK, "rcv-FIN-out-of-order", OUT_OF_ORDER),
	F1 = STAYS(AN_ACK, "rcv-FIN-out-of-order", OUT_OF_ORDER),
	F2 = STAYS(AN_ACK, "rcv-FIN-out-of-order", OUT_OF_ORDER),
	FO = GOES(CLOSED, A_RST, "rcv-text-after-CLOSE"));
CELL(es, fin_ahead) CELL(f1, fin_ahead) CELL(f2, fin_ahead) CELL(fo, fin_ahead)

/* The kept FIN counts now. */
HAPPEN(fin_after_gap)
{
	int64_t nxt = conn_peer_nxt(c), ack = una(c, st);

	send_fin(c, st, 10);
	conn_expect(c, .flags = ACK, .ack = nxt);
	conn_send(c, .flags = PSH | ACK, .len = 10, .ack = ack);
	c->peer_nxt++;
	return ack;
}
EVENT(fin_after_gap,
	ES = GOES(CLOSE_WAIT, AN_ACK, "rcv-FIN", .taken = true, OUT_OF_ORDER),
	F1 = GOES(CLOSING, AN_ACK, "rcv-FIN", .taken = true, OUT_OF_ORDER),
	F2 = GOES(TIME_WAIT, AN_ACK, "rcv-FIN", .taken = true, OUT_OF_ORDER));
CELL(es, fin_after_gap) CELL(f1, fin_after_gap) CELL(f2, fin_after_gap)

/* --- RST ---------------------------------------------------------------- */

static int64_t send_rst(struct conn *c, int64_t offset, int len)
{
	conn_send(c, .flags = RST, .seq = conn_peer_nxt(c) + offset, .len = len);
	return 0;
}

#define RESET(...) \
	ES = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET), \
	F1 = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET), \
	F2 = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET), \
	CW = GOES(CLOSED, SILENCE, "rcv-RST", .err = EPIPE), \
	CG = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET), \
	LA = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET)

HAPPEN(rst) { return send_rst(c, 0, 0); }
EVENT(rst, RESET(),
	TW = GOES(CLOSED, SILENCE, "rcv-RST"),
	FO = GOES(CLOSED, SILENCE, "rcv-RST"));
CELLS(rst)

/* SHLD-2: it may carry a reason. */
HAPPEN(rst_with_text) { return send_rst(c, 0, 20); }
EVENT(rst_with_text, RESET(),
	TW = GOES(CLOSED, SILENCE, "rcv-RST"),
	FO = GOES(CLOSED, SILENCE, "rcv-RST"));
CELLS(rst_with_text)

/* RFC 5961 3.2. The kernel's TCP ends an orphan by any RST in its window. */
HAPPEN(rst_near) { return send_rst(c, 1, 0); }
EVENT(rst_near,
	SYNC = STAYS(AN_ACK, "rcv-RST-in-window", CHALLENGE),
	TW = STAYS(SILENCE, "rcv-RST-outside-window"),
	FO = STAYS(AN_ACK, "rcv-RST-in-window", CHALLENGE, .not_stock = true));
CELLS(rst_near)

/* The kernel's record of an orphan even answers these. */
HAPPEN(rst_left) { return send_rst(c, -100, 0); }
EVENT(rst_left,
	SYNC = STAYS(SILENCE, "rcv-RST-outside-window"),
	TW = STAYS(SILENCE, "rcv-RST-outside-window"),
	FO = STAYS(SILENCE, "rcv-RST-outside-window", .not_stock = true));
CELLS(rst_left)

HAPPEN(rst_right) { return send_rst(c, 100000, 0); }
EVENT(rst_right,
	SYNC = STAYS(SILENCE, "rcv-RST-outside-window"),
	TW = STAYS(SILENCE, "rcv-RST-outside-window"),
	FO = STAYS(SILENCE, "rcv-RST-outside-window", .not_stock = true));
CELLS(rst_right)

/* A peer that closed may reset from the number of its FIN, as in Linux. */
HAPPEN(rst_at_fin) { return send_rst(c, -1, 0); }
EVENT(rst_at_fin,
	CW = GOES(CLOSED, SILENCE, "rcv-RST", .err = EPIPE),
	CG = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET),
	LA = GOES(CLOSED, SILENCE, "rcv-RST", .err = ECONNRESET));
CELL(cw, rst_at_fin) CELL(cg, rst_at_fin) CELL(la, rst_at_fin)

/* --- the program's calls ------------------------------------------------ */

/* In TIME-WAIT the program's socket is closed already; the record stays. */
HAPPEN(send)
{
	EXPECT_EQ(is_open(st) ? 0 : EPIPE, socket_send(c->fd));
	return 0;
}
EVENT(send,
	ES = STAYS(SOME_TEXT, "SEND"),
	F1 = STAYS(SILENCE, "SEND"),
	F2 = STAYS(SILENCE, "SEND"),
	CW = STAYS(SOME_TEXT, "SEND"),
	CG = STAYS(SILENCE, "SEND"),
	LA = STAYS(SILENCE, "SEND"),
	TW = STAYS(SILENCE));
CELLS_SOCKET(send)

static bool takes_text(enum conn_state st)
{
	return st == ST_ESTABLISHED || st == ST_FIN_WAIT_1 || st == ST_FIN_WAIT_2;
}

HAPPEN(recv)
{
	char byte;
	int n = recv(c->fd, &byte, 1, MSG_DONTWAIT);

	if (takes_text(st)) {
		EXPECT_EQ(-1, n);
		EXPECT_EQ(EAGAIN, errno);
	} else {
		EXPECT_EQ(0, n);
	}
	return 0;
}
EVENT(recv,
	SYNC = STAYS(SILENCE, "RECEIVE"),
	TW = STAYS(SILENCE));
CELLS_SOCKET(recv)

HAPPEN(shutdown_wr)
{
	EXPECT_EQ(st == ST_TIME_WAIT ? ENOTCONN : 0, socket_shutdown(c->fd, SHUT_WR));
	EXPECT_EQ(EPIPE, socket_send(c->fd));
	return 0;
}
EVENT(shutdown_wr,
	ES = GOES(FIN_WAIT_1, A_FIN, "SHUTDOWN-SEND"),
	F1 = STAYS(SILENCE, "SHUTDOWN-SEND"),
	F2 = STAYS(SILENCE, "SHUTDOWN-SEND"),
	CW = GOES(LAST_ACK, A_FIN, "SHUTDOWN-SEND"),
	CG = STAYS(SILENCE, "SHUTDOWN-SEND"),
	LA = STAYS(SILENCE, "SHUTDOWN-SEND"),
	TW = STAYS(SILENCE));
CELLS_SOCKET(shutdown_wr)

HAPPEN(shutdown_rd)
{
	EXPECT_EQ(st == ST_TIME_WAIT ? ENOTCONN : 0, socket_shutdown(c->fd, SHUT_RD));
	program_reads_end(_metadata, c->fd);
	EXPECT_TRUE(socket_poll(c->fd) & POLLRDHUP);
	return 0;
}
EVENT(shutdown_rd,
	SYNC = STAYS(SILENCE, "SHUTDOWN-RECEIVE"),
	TW = STAYS(SILENCE));
CELLS_SOCKET(shutdown_rd)

static int64_t close_fd(struct conn *c, bool abort)
{
	if (abort)
		socket_abort(c->fd);
	else
		close(c->fd);
	c->fd = -1;
	return 0;
}

HAPPEN(close) { return close_fd(c, false); }
EVENT(close,
	ES = GOES(FIN_WAIT_1, A_FIN, "CLOSE"),
	F1 = STAYS(SILENCE, "CLOSE"),
	F2 = GOES(ORPHAN_FIN_WAIT_2, SILENCE, "CLOSE"),
	CW = GOES(LAST_ACK, A_FIN, "CLOSE"),
	CG = STAYS(SILENCE, "CLOSE"),
	LA = STAYS(SILENCE, "CLOSE"),
	TW = STAYS(SILENCE));
CELLS_SOCKET(close)

#define LINGER_0 COUNTS({ "TCPAbortOnData", 1 })

HAPPEN(abort) { return close_fd(c, true); }
EVENT(abort,
	ES = GOES(CLOSED, A_RST_OF_OURS, "ABORT", LINGER_0),
	F1 = GOES(CLOSED, A_RST_OF_OURS, "ABORT", LINGER_0),
	F2 = GOES(CLOSED, A_RST_OF_OURS, "ABORT", LINGER_0),
	CW = GOES(CLOSED, A_RST_OF_OURS, "ABORT", LINGER_0),
	CG = GOES(CLOSED, SILENCE, "ABORT", LINGER_0),
	LA = GOES(CLOSED, SILENCE, "ABORT", LINGER_0),
	TW = STAYS(SILENCE));
CELLS_SOCKET(abort)

HAPPEN(disconnect)
{
	EXPECT_EQ(0, socket_disconnect(c->fd));
	return 0;
}
EVENT(disconnect,
	ES = GOES(CLOSED, A_RST_OF_OURS, "ABORT", .err = ECONNRESET),
	F1 = GOES(CLOSED, A_RST_OF_OURS, "ABORT", .err = ECONNRESET),
	F2 = GOES(CLOSED, A_RST_OF_OURS, "ABORT", .err = ECONNRESET),
	CW = GOES(CLOSED, A_RST_OF_OURS, "ABORT", .err = ECONNRESET),
	CG = GOES(CLOSED, SILENCE, "ABORT"),
	LA = GOES(CLOSED, SILENCE, "ABORT"),
	TW = STAYS(SILENCE));
CELLS_SOCKET(disconnect)

/* An accepted socket has its connection, and neither connects nor listens. */
HAPPEN(connect)
{
	EXPECT_EQ(EISCONN, socket_connect(c->fd, "10.0.0.2", 99));
	return 0;
}
EVENT(connect, SYNC = STAYS(SILENCE), TW = STAYS(SILENCE));
CELLS_SOCKET(connect)

HAPPEN(listen)
{
	EXPECT_EQ(EINVAL, socket_listen(c->fd, 1));
	return 0;
}
EVENT(listen, SYNC = STAYS(SILENCE), TW = STAYS(SILENCE));
CELLS_SOCKET(listen)

/* --- timers ------------------------------------------------------------- */

/* A segment of ours that the peer does not acknowledge. */
static bool leave_unacked(struct __test_metadata *_metadata, struct conn *c,
			  enum conn_state st)
{
	if (!is_open(st))
		return false;
	EXPECT_EQ(0, socket_send(c->fd));
	conn_expect(c, .flags = PSH | ACK, .data = "x");
	return true;
}

/* The kernel's TCP sends a loss probe before. */
HAPPEN(rto)
{
	if (leave_unacked(_metadata, c, st))
		conn_expect(c, .flags = PSH | ACK, .seq = conn_kern_nxt(c) - 1,
			    .data = "x", .within_ms = 210);
	else
		conn_expect(c, .flags = FIN | ACK, .seq = conn_kern_nxt(c) - 1,
			    .within_ms = 210);
	return 0;
}
#define RESENT \
	STAYS(SILENCE, "RETRANSMISSION-TIMEOUT", .not_stock = true, \
	      COUNTS({ "RetransSegs", 1 }, { "TCPTimeouts", 1 }))
EVENT(rto, ES = RESENT, F1 = RESENT, CW = RESENT, CG = RESENT, LA = RESENT);
CELL(es, rto) CELL(f1, rto) CELL(cw, rto) CELL(cg, rto) CELL(la, rto)

HAPPEN(user_timeout)
{
	peer_mark(c->peer);
	EXPECT_EQ(0, socket_set(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000));
	leave_unacked(_metadata, c, st);
	peer_sleep_until(c->peer, 990);
	EXPECT_FALSE(socket_poll(c->fd) & POLLERR);
	peer_sleep_until(c->peer, 1002);
	EXPECT_TRUE(socket_poll(c->fd) & POLLERR);
	while (peer_read(c->peer, now_ns()))
		EXPECT_EQ(conn_kern_nxt(c) - 1, c->peer->last.seq - c->kern_iss);
	return 0;
}
#define GIVEN_UP \
	GOES(CLOSED, SILENCE, "USER-TIMEOUT", .not_stock = true, .err = ETIMEDOUT, \
	     COUNTS({ "RetransSegs", MOVED }, { "TCPTimeouts", MOVED }, \
		    { "TCPLostRetransmit", MOVED }, { "TCPAbortOnTimeout", 1 }))
EVENT(user_timeout,
	ES = GIVEN_UP, F1 = GIVEN_UP, CW = GIVEN_UP, CG = GIVEN_UP, LA = GIVEN_UP);
CELL(es, user_timeout) CELL(f1, user_timeout) CELL(cw, user_timeout)
CELL(cg, user_timeout) CELL(la, user_timeout)

static void keep_alive(struct conn *c, int probes)
{
	socket_set(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	socket_set(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	socket_set(c->fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
	socket_set(c->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	conn_expect(c, .flags = ACK, .seq = conn_kern_nxt(c) - 1,
		    .ack = conn_peer_nxt(c), .within_ms = stock_mode() ? 1300 : 1010);
}

HAPPEN(keepalive)
{
	keep_alive(c, 9);
	/* A segment of a living peer ends the probing. */
	conn_send(c, .flags = ACK);
	return 0;
}
#define PROBED STAYS(SILENCE, "KEEPALIVE-TIMEOUT", COUNTS({ "TCPKeepAlive", 1 }))
EVENT(keepalive, ES = PROBED, F2 = PROBED, CW = PROBED);
CELL(es, keepalive) CELL(f2, keepalive) CELL(cw, keepalive)

HAPPEN(keepalive_give_up)
{
	keep_alive(c, 1);
	sleep_ms(995);
	return 0;
}
#define UNANSWERED \
	GOES(CLOSED, A_RST_OF_OURS, "KEEPALIVE-GIVE-UP", .not_stock = true, \
	     .err = ETIMEDOUT, COUNTS({ "TCPKeepAlive", 1 }, { "TCPAbortOnTimeout", 1 }))
EVENT(keepalive_give_up, ES = UNANSWERED, F2 = UNANSWERED, CW = UNANSWERED);
CELL(es, keepalive_give_up) CELL(f2, keepalive_give_up) CELL(cw, keepalive_give_up)

/* Data that the program does not answer: its ACK is delayed. */
HAPPEN(delayed_ack)
{
	int64_t ack = una(c, st);

	for (int i = 0; i < 100; i++) {
		conn_send(c, .flags = PSH | ACK, .len = 1, .ack = ack);
		if (!peer_read(c->peer, now_ns() + 5 * NSEC_PER_MSEC))
			break;
	}
	conn_expect(c, .flags = ACK, .ack = conn_peer_nxt(c), .within_ms = 210);
	return ack;
}
#define WAITED STAYS(SILENCE, "DELAYED-ACK-TIMEOUT", .taken = true)
EVENT(delayed_ack, ES = WAITED, F1 = WAITED, F2 = WAITED);
CELL(es, delayed_ack) CELL(f1, delayed_ack) CELL(f2, delayed_ack)

/*
 * A closed window with data, and with a FIN behind it where the state has one: probed,
 * and sent when the window opens.
 */
static void probe_window(struct __test_metadata *_metadata, struct peer *p,
			 enum conn_state st)
{
	struct counters before;
	long long taken;
	struct conn c;
	int fin = is_open(st) ? 0 : FIN;

	conn_open(p, &c);
	if (st == ST_CLOSE_WAIT || st == ST_LAST_ACK)
		conn_advance(&c, ST_CLOSE_WAIT, false);
	c.wnd = 0;
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, socket_send(c.fd));
	if (fin) {
		close(c.fd);
		c.fd = -1;
	}
	if (st == ST_CLOSING) {
		conn_send(&c, .flags = FIN | ACK);
		conn_expect(&c, .flags = ACK, .seq = 1, .ack = 2);
	}
	conn_expect_state(&c, st);
	counters_begin(&before);
	taken = lifecycle_count(row_name(st), "PERSIST-TIMEOUT", row_name(st));
	conn_expect(&c, .flags = ACK, .seq = 0, .ack = conn_peer_nxt(&c), .within_ms = 300);
	counters_expect(_metadata, &before, "TCPWinProbe", 1, NULL);
	if (!stock_mode())
		EXPECT_EQ(taken + 1, lifecycle_count(row_name(st), "PERSIST-TIMEOUT",
						     row_name(st)));
	c.wnd = 5000;
	conn_send(&c, .flags = ACK);
	conn_expect(&c, .flags = fin | PSH | ACK, .seq = 1, .ack = conn_peer_nxt(&c),
		    .data = "x");
	conn_send(&c, .flags = ACK);
	conn_expect_state(&c, st == ST_FIN_WAIT_1 ? ST_ORPHAN_FIN_WAIT_2 :
			      st == ST_CLOSING ? ST_TIME_WAIT :
			      st == ST_LAST_ACK ? ST_CLOSED : st);
}

#define PERSIST(st) \
	TEST_F(cell, sm_##st##_persist) \
	{ \
		probe_window(_metadata, &self->peer, STATE_##st); \
	}

PERSIST(es) PERSIST(f1) PERSIST(cw) PERSIST(cg) PERSIST(la)

/* --- how often an invalid segment is answered --------------------------- */

#define MANY 5

static void invalid_ones(struct __test_metadata *_metadata, struct peer *p,
			 enum conn_state st, bool paws)
{
	struct optbytes opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(1, 0));
	struct counters before;
	struct conn c;
	uint32_t old;

	/* Pure ACKs are not answered: two ends would answer each other for ever. */
	if (paws)
		conn_to_state(p, &c, st, .opt = opt, .kport = 6000 + st);
	else
		conn_to_state(p, &c, st, .kport = 6000 + st);
	sleep_ms(10);
	old = c.tsval_base - 100000;
	counters_begin(&before);
	for (int i = 0; i < MANY; i++) {
		if (paws)
			conn_send(&c, .flags = ACK, .ack = una(&c, st),
				  .opt = OPT(OPT_NOP, OPT_NOP, OPT_TS(old, 0)));
		else
			conn_send(&c, .flags = ACK, .seq = -1000, .ack = una(&c, st));
	}
	conn_expect(&c, .flags = ACK, .seq = conn_kern_nxt(&c), .ack = conn_peer_nxt(&c));
	peer_expect_silence(p, 100);
	if (paws)
		counters_expect(_metadata, &before, "PAWSEstab", MANY,
				"TCPACKSkippedPAWS", MANY - 1, NULL);
	else
		counters_expect(_metadata, &before, "TCPACKSkippedSeq", MANY - 1, NULL);
	conn_expect_state(&c, st);
	socket_abort(c.fd);
	peer_drain(p, 5);
}

TEST_F(cell, ctr_TCPACKSkippedSeq)
{
	invalid_ones(_metadata, &self->peer, ST_ESTABLISHED, false);
	invalid_ones(_metadata, &self->peer, ST_CLOSE_WAIT, false);
	invalid_ones(_metadata, &self->peer, ST_FIN_WAIT_1, false);
}

TEST_F(cell, ctr_TCPACKSkippedPAWS)
{
	invalid_ones(_metadata, &self->peer, ST_ESTABLISHED, true);
	invalid_ones(_metadata, &self->peer, ST_CLOSE_WAIT, true);
	invalid_ones(_metadata, &self->peer, ST_FIN_WAIT_2, true);
}

/* RFC 5961 7: payload earns a forged RST no answer of its own. */
TEST_F(cell, rfc5961_7_payload_of_a_rst_is_no_exemption)
{
	static const enum conn_state states[] = {
		ST_HALF_OPEN, ST_ESTABLISHED, ST_ORPHAN_FIN_WAIT_2,
	};
	struct peer *p = &self->peer;

	for (int n = 0; n < ARRAY_SIZE(states); n++) {
		struct counters before;
		struct conn c;

		conn_to_state(p, &c, states[n], .kport = 6000 + n);
		sleep_ms(1);
		counters_begin(&before);
		for (int i = 0; i < MANY; i++)
			conn_send(&c, .flags = RST, .seq = conn_peer_nxt(&c) + 1, .len = 1);
		conn_expect(&c, .flags = ACK, .seq = conn_kern_nxt(&c));
		peer_expect_silence(p, 20);
		counters_expect(_metadata, &before, "TCPChallengeACK", 1,
				"TCPACKSkippedChallenge", MANY - 1, NULL);
		if (c.fd >= 0)
			socket_abort(c.fd);
		if (c.lfd >= 0)
			close(c.lfd);
		peer_drain(p, 5);
	}
}

TEST_F(cell, ctr_TCPACKSkippedChallenge)
{
	struct peer *p = &self->peer;

	for (enum conn_state st = ST_ESTABLISHED; st <= ST_LAST_ACK; st++) {
		struct counters before;
		struct conn c;

		conn_to_state(p, &c, st, .kport = 6000 + st);
		counters_begin(&before);
		for (int i = 0; i < MANY; i++)
			conn_send(&c, .flags = RST, .seq = conn_peer_nxt(&c) + 1);
		conn_expect(&c, .flags = ACK, .seq = conn_kern_nxt(&c));
		peer_expect_silence(p, 20);
		counters_expect(_metadata, &before, "TCPChallengeACK", 1,
				"TCPACKSkippedChallenge", MANY - 1, NULL);
		socket_abort(c.fd);
		peer_drain(p, 5);
	}
}

TEST_HARNESS_MAIN
