/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tcp.pml - two ends of a connection and the network between them, for spin
 *
 * scripts/model compiles this with the lifecycle table of module/lifecycle.c (lifecycle(), the
 * only place of the model that changes a state, too) and searches all executions of each
 * scenario. What an end does with a segment are the checks of RFC 9293 3.10.7, in the order of
 * module/segment/synchronized.c, open/synqueue.c, open/connect.c and close/timewait.c.
 *
 * The network loses, repeats and reorders segments: any of those that are in it may be the
 * next to arrive. Each kind of mischief has a budget, and so have retransmissions, so every
 * execution ends. What must hold:
 *
 *  - each pair of state and event that occurs is a row of the table;
 *  - when nothing can happen any more, each end is in CLOSED or, with a listener, in LISTEN;
 *  - the last timeout, an acceptable RST, abort(), the administrator, an ICMP error during the
 *    opening and a lack of memory end a connection at once;
 *  - payload and FIN of another connection are never accepted, nor another one's SYN
 *    acknowledged (each segment carries its connection's number, which no check looks at);
 *  - a connection that a cookie opens begins where its client's does.
 *
 * Numbers are small and never wrap. A SYN, each byte and a FIN take one. Timestamps, windows
 * that change, urgent data and what ICMP does besides are not modelled.
 *
 * A scenario sets these, for which scripts/model writes variables that are no part of a state, and
 * read_scenario(): OPENS_0, OPENS_1 (calls of connect() of each end), LISTENS (end 1 has a
 * listener), LOSSES, COPIES, TRIES (retransmissions in a row), ABORTS, LEAVES (of a state by what
 * else ends a connection, or by the end of the listener), VANISHES (ends that may stop without a
 * word), RESTARTS (of end 0, which forgets its connection), WAITS (end 1 closes only after end 0),
 * ONE_WAY (only end 0 sends payload), COOKIES (1: unrelated numbers, 2: the client's plus a
 * constant), REUSE, TOKENS, OLD (an old segment is in the network at first: 1 on its way to end 0,
 * 2 to end 1), FIRST_ISN, HASTE (TIME-WAIT ends although segments are in the network) and SAME_ISN,
 * which together with it lets payload of another connection in, to see that the search notices.
 */
#define SYN	1
#define FIN	2
#define RST	4
#define ACK	8

#define WINDOW	4
#define SLOTS	2		/* segments in the network, in each direction */
#define ANSWERS	3		/* to unacceptable segments; the module limits their rate */
#define GAP	6		/* numbers that a connection may use */
#define OLD_INC	200		/* the connection of the past */

typedef End {
	byte st;		/* state, a number of the table */
	bool lis;		/* a listener has the port */
	bool gone;		/* this end is silent for ever */
	byte opens;		/* calls of connect() left */
	byte iss, una, nxt;
	byte irs, rnxt;
	byte fin;		/* number of our FIN; 0: none yet */
	bool wrote;		/* the byte has been sent */
	bool closed;		/* the program has called close() */
	byte tries;		/* retransmissions in a row */
	byte answers;
	byte inc, pinc;		/* numbers of this end's connection and of its peer's */
};

typedef Segment {
	bool used;
	byte flags, seq, ack, text, inc;
};

End E[2];
Segment N[4];			/* SLOTS to end 0, then SLOTS to end 1 */
byte losses, copies, aborts, leaves, vanishes, restarts;
byte isn;			/* the next ISN: it only grows (RFC 6528) */
byte incs;			/* connections so far */
hidden byte cookie[32];		/* the number of a cookie for each of a client's */

/* Of the step that is being made; zero between steps. */
byte o_flags, o_seq, o_ack, o_text, o_inc;
byte me, ev, s_flags, s_seq, s_ack, s_text, s_inc, s_end, i;
bool todo;			/* the segment goes on to what the state is now */
bool content;			/* its payload and FIN are still to be looked at */

c_code {
	\#include "network.h"
}

/*
 * An event: the table says what comes after it. A pair without a row is a violation. A record or
 * socket that is gone leaves nothing but the listener.
 */
#define EVENT(event)	ev = event; c_code { LIFECYCLE_EVENT(); }; assert(ev != NO_ROW)
/* An event that ends the connection, whatever its state. */
#define END_EVENT(event) EVENT(event); assert(AT_REST(E[me]))
/* An event that takes the connection to another state. */
#define MOVE_EVENT(event) i = E[me].st; EVENT(event); assert(E[me].st != i)
#define AT_REST(e)	(e.st == (e.lis -> LISTEN : CLOSED))
#define gone_connection() c_code { LIFECYCLE_FORGET(); }

/* Our numbers. */
inline new_isn() {
	E[me].iss = isn;
	isn = isn + (SAME_ISN -> 0 : GAP);
	incs++;
	E[me].inc = incs;
	E[me].una = E[me].iss;
	E[me].nxt = E[me].iss + 1
}

/* Put a segment of connection @c into the network; without room it is lost. */
#define emit(f, s, a, l, c)						\
	o_flags = f; o_seq = s; o_ack = a; o_text = l; o_inc = c; c_code { NETWORK_PUT(); }

#define send_ack() emit(ACK, E[me].nxt, E[me].rnxt, 0, E[me].inc)

/* RFC 9293 3.5.2, group 1. A RST belongs to no connection of ours. */
inline send_reset() {
	if
	:: s_flags & RST
	:: !(s_flags & RST) && (s_flags & ACK) -> emit(RST, s_ack, 0, 0, 0)
	:: else -> emit(RST | ACK, 0, s_end, 0, 0)
	fi
}

/* An ACK to what is not acceptable, within the limit. */
inline answer() {
	if
	:: E[me].answers < ANSWERS -> E[me].answers++; send_ack()
	:: else
	fi
}

/* All that is in flight, as one segment. */
inline send_again() {
	if
	:: E[me].una == E[me].iss && E[me].st == SYN_SENT -> emit(SYN, E[me].iss, 0, 0, E[me].inc)
	:: E[me].una == E[me].iss && E[me].st != SYN_SENT ->
		emit(SYN | ACK, E[me].iss, E[me].rnxt, 0, E[me].inc)
	:: else ->
		if
		:: E[me].fin -> emit(ACK | FIN, E[me].una, E[me].rnxt, E[me].fin - E[me].una, E[me].inc)
		:: else -> emit(ACK, E[me].una, E[me].rnxt, E[me].nxt - E[me].una, E[me].inc)
		fi
	fi
}

/* CLOSE or SHUTDOWN have put a FIN behind the payload, if the state sends it. */
inline send_fin() {
	E[me].fin = E[me].nxt;
	E[me].nxt++;
	if
	:: E[me].una == E[me].iss
	:: else -> emit(ACK | FIN, E[me].fin, E[me].rnxt, 0, E[me].inc)
	fi
}

#define SYNCHRONIZED(e) (e.st == ESTABLISHED || e.st == FIN_WAIT_1 || e.st == FIN_WAIT_2 || \
	e.st == CLOSE_WAIT || e.st == CLOSING || e.st == LAST_ACK)
#define IN_FLIGHT(e)	(e.una != e.nxt && (SYNCHRONIZED(e) || e.st == SYN_SENT || \
	e.st == SYN_RECEIVED || e.st == HALF_OPEN))
#define EMPTY		(!N[0].used && !N[1].used && !N[2].used && !N[3].used)
#define WITHIN(e)	(s_end >= e.rnxt && s_seq < e.rnxt + WINDOW)
/* Segments of this connection that are still in the network. */
#define LINGERS(e)	((N[0].used && (N[0].inc == e.inc || N[0].inc == e.pinc)) || \
			 (N[1].used && (N[1].inc == e.inc || N[1].inc == e.pinc)) || \
			 (N[2].used && (N[2].inc == e.inc || N[2].inc == e.pinc)) || \
			 (N[3].used && (N[3].inc == e.inc || N[3].inc == e.pinc)))

/* RFC 9293 3.10.7.1 */
inline rcv_closed() {
	if
	:: s_flags & RST -> EVENT(RCV_RST_OUTSIDE)
	:: (s_flags & (RST | SYN | ACK)) == (SYN | ACK) -> EVENT(RCV_SYN_ACK); send_reset()
	:: (s_flags & (RST | SYN | ACK)) == SYN -> EVENT(RCV_SYN); send_reset()
	:: TOKENS && (s_flags & (RST | SYN | ACK | FIN)) == (ACK | FIN) ->
		EVENT(RCV_FIN); emit(ACK, s_ack, s_end, 0, 0)
	:: (s_flags & (RST | SYN | ACK)) == ACK && !(TOKENS && (s_flags & FIN)) ->
		EVENT(RCV_ACK); send_reset()
	:: else -> EVENT(RCV_BAD_FLAGS); send_reset()
	fi
}

/* The peer's SYN makes a half-open record. */
inline half_open(seq, c) {
	EVENT(RCV_SYN);
	E[me].irs = seq;
	E[me].rnxt = seq + 1;
	E[me].pinc = c
}

/*
 * 3.10.7.2; a cookie's number, and that of its connection, are functions of the SYN's. The ACK
 * that returns one says what the SYN's was: a sum of both fits in the midst of a stream, too, if
 * as many bytes were sent as received.
 */
#define COOKIE(seq) cookie[seq]
inline rcv_listen() {
	if
	:: s_flags & RST -> EVENT(RCV_RST_OUTSIDE)
	:: (s_flags & (RST | SYN | ACK)) == (SYN | ACK) -> EVENT(RCV_SYN_ACK); send_reset()
	:: COOKIES && (s_flags & (RST | SYN | ACK)) == ACK && s_ack == COOKIE(s_seq - 1) + 1 ->
		half_open(s_seq - 1, s_inc);
		E[me].inc = s_inc + 50;
		E[me].iss = COOKIE(s_seq - 1); E[me].una = E[me].iss; E[me].nxt = E[me].iss + 1;
		todo = 1
	:: (s_flags & (RST | SYN | ACK)) == ACK && !(COOKIES && s_ack == COOKIE(s_seq - 1) + 1) ->
		EVENT(RCV_ACK); send_reset()
	:: COOKIES && (s_flags & (RST | SYN | ACK | FIN)) == SYN ->
		EVENT(RCV_SYN_IN_WINDOW); emit(SYN | ACK, COOKIE(s_seq), s_seq + 1, 0, s_inc + 50)
	:: !COOKIES && (s_flags & (RST | SYN | ACK | FIN)) == SYN ->
		half_open(s_seq, s_inc);
		new_isn();
		emit(SYN | ACK, E[me].iss, E[me].rnxt, 0, E[me].inc)
	:: else -> EVENT(RCV_BAD_FLAGS)
	fi
}

/* 3.10.7.3 */
inline rcv_syn_sent() {
	if
	:: (s_flags & ACK) && s_ack != E[me].nxt -> EVENT(RCV_BAD_SYN_ACK); send_reset()
	:: !((s_flags & ACK) && s_ack != E[me].nxt) && (s_flags & RST) ->
		if
		:: s_flags & ACK -> END_EVENT(RCV_RST)
		:: else -> EVENT(RCV_RST_OUTSIDE)
		fi
	:: (s_flags & (ACK | RST | SYN)) == ACK && s_ack == E[me].nxt -> EVENT(RCV_ACK)
	:: (s_flags & (ACK | RST | SYN)) == (SYN | ACK) && s_ack == E[me].nxt ->
		EVENT(RCV_SYN_ACK);
		E[me].irs = s_seq; E[me].rnxt = s_seq + 1; E[me].pinc = s_inc;
		E[me].una = s_ack; E[me].tries = 0;
		send_ack()
	:: (s_flags & (ACK | RST | SYN)) == SYN ->
		EVENT(RCV_SYN);
		E[me].irs = s_seq; E[me].rnxt = s_seq + 1; E[me].pinc = s_inc;
		emit(SYN | ACK, E[me].iss, E[me].rnxt, 0, E[me].inc)
	:: else -> EVENT(RCV_BAD_FLAGS)
	fi
}

/* 3.10.7.4 for a record in SYN-RECEIVED */
inline rcv_half_open() {
	if
	:: (s_flags & (SYN | ACK | RST | FIN)) == SYN && s_seq == E[me].irs ->
		EVENT(RCV_SYN);
		emit(SYN | ACK, E[me].iss, E[me].rnxt, 0, E[me].inc)
	:: else ->
		if
		:: !WITHIN(E[me]) && (s_flags & RST) -> EVENT(RCV_RST_OUTSIDE)
		:: !WITHIN(E[me]) && !(s_flags & RST) -> EVENT(RCV_OUTSIDE); answer()
		:: WITHIN(E[me]) && (s_flags & RST) ->
			if
			:: s_seq == E[me].rnxt -> END_EVENT(RCV_RST)
			:: else -> EVENT(RCV_RST_IN_WINDOW); answer()
			fi
		:: WITHIN(E[me]) && !(s_flags & RST) && (s_flags & SYN) && s_seq != E[me].irs ->
			send_reset(); END_EVENT(RCV_SYN_IN_WINDOW)
		:: WITHIN(E[me]) && !(s_flags & RST) && !((s_flags & SYN) && s_seq != E[me].irs) ->
			if
			:: !(s_flags & ACK) -> EVENT(RCV_BAD_FLAGS)
			:: (s_flags & ACK) && s_ack > E[me].iss + 1 -> EVENT(RCV_ACK_ABOVE); send_reset()
			:: (s_flags & ACK) && s_ack < E[me].iss + 1 -> EVENT(RCV_ACK_BELOW); send_reset()
			:: else ->
				EVENT(RCV_ACK_OF_SYN);
				E[me].una = s_ack; E[me].tries = 0;
				content = 1
			fi
		fi
	fi
}

/*
 * What is accepted is of no other connection, nor of the midst of this one. While the listener
 * keeps nothing of a SYN, each ISN is one of end 0.
 */
#define ISN_OF(c)	(FIRST_ISN + GAP * (c - 1))
#define assert_own()	assert(s_inc == E[me].pinc &&				\
			       (!COOKIES || me == 0 || s_inc == OLD_INC ||	\
				E[me].irs == ISN_OF(s_inc)))

/* Seventh and eighth: payload and FIN. */
inline rcv_content() {
	if
	:: s_text && s_seq + s_text > E[me].rnxt && E[me].closed &&
	   (E[me].st == FIN_WAIT_1 || E[me].st == FIN_WAIT_2) ->
		send_reset(); END_EVENT(RCV_TEXT_AFTER_CLOSE)
	:: else ->
		if
		:: E[me].st == ESTABLISHED || E[me].st == FIN_WAIT_1 || E[me].st == FIN_WAIT_2 ->
			if
			:: s_seq > E[me].rnxt && s_text -> EVENT(RCV_TEXT_OUT_OF_ORDER); send_ack()
			:: s_seq > E[me].rnxt && !s_text && (s_flags & FIN) -> EVENT(RCV_FIN_OUT_OF_ORDER); send_ack()
			:: s_seq <= E[me].rnxt && s_end > E[me].rnxt ->
				assert_own();
				if
				:: s_seq + s_text > E[me].rnxt -> EVENT(RCV_TEXT); E[me].rnxt = s_seq + s_text
				:: else
				fi;
				if
				:: s_flags & FIN -> MOVE_EVENT(RCV_FIN); E[me].rnxt = s_end
				:: else
				fi;
				send_ack()
			:: s_end <= E[me].rnxt && s_end != s_seq -> send_ack()	/* again */
			:: else
			fi
		:: else ->
			if
			:: s_text -> EVENT(RCV_TEXT)
			:: else
			fi;
			if
			:: s_flags & FIN -> EVENT(RCV_FIN)
			:: else
			fi;
			if
			:: s_end != s_seq && E[me].st != CLOSED && E[me].st != LISTEN -> send_ack()
			:: else
			fi
		fi
	fi
}

/* Fifth: what is acknowledged. */
inline rcv_ack() {
	if
	:: s_ack > E[me].nxt -> EVENT(RCV_ACK_ABOVE); answer()
	:: s_ack <= E[me].nxt && s_ack <= E[me].iss && E[me].una > E[me].iss -> EVENT(RCV_ACK_BELOW); answer()
	:: else ->
		if
		:: s_ack > E[me].una -> E[me].una = s_ack; E[me].tries = 0
		:: else
		fi;
		if
		:: E[me].fin && s_ack == E[me].fin + 1 &&
		   (E[me].st == FIN_WAIT_1 || E[me].st == CLOSING || E[me].st == LAST_ACK) ->
			EVENT(RCV_ACK_OF_FIN)
		:: else -> EVENT(RCV_ACK)
		fi;
		if
		:: E[me].st == CLOSED || E[me].st == LISTEN || E[me].st == TIME_WAIT
		:: else -> content = 1
		fi
	fi
}

/* 3.10.7.4 for a socket */
inline rcv_synchronized() {
	if
	:: !WITHIN(E[me]) && (s_flags & RST) -> EVENT(RCV_RST_OUTSIDE)
	:: !WITHIN(E[me]) && !(s_flags & RST) && (s_flags & SYN) && E[me].st != SYN_RECEIVED ->
		if
		:: s_flags & ACK -> EVENT(RCV_SYN_ACK)
		:: else -> EVENT(RCV_SYN)
		fi;
		answer()
	:: !WITHIN(E[me]) && !(s_flags & RST) && !((s_flags & SYN) && E[me].st != SYN_RECEIVED) ->
		if
		:: E[me].st == SYN_RECEIVED && s_seq == E[me].irs && (s_flags & SYN) -> rcv_own_syn()
		:: else -> EVENT(RCV_OUTSIDE); answer()
		fi
	:: WITHIN(E[me]) && (s_flags & RST) ->
		if
		:: s_seq == E[me].rnxt -> END_EVENT(RCV_RST)
		:: else -> EVENT(RCV_RST_IN_WINDOW); answer()
		fi
	:: WITHIN(E[me]) && !(s_flags & RST) && (s_flags & SYN) ->
		if
		:: E[me].st == SYN_RECEIVED && s_seq == E[me].irs -> rcv_own_syn()
		:: E[me].st == SYN_RECEIVED && s_seq != E[me].irs -> EVENT(RCV_SYN); answer()
		:: E[me].st != SYN_RECEIVED && (s_flags & ACK) -> EVENT(RCV_SYN_ACK); answer()
		:: else -> EVENT(RCV_SYN); answer()
		fi
	:: else ->
		if
		:: !(s_flags & ACK) -> EVENT(RCV_BAD_FLAGS)
		:: (s_flags & ACK) && E[me].st == SYN_RECEIVED ->
			if
			:: s_ack > E[me].nxt -> EVENT(RCV_ACK_ABOVE); send_reset()
			:: s_ack <= E[me].una -> EVENT(RCV_ACK_BELOW); send_reset()
			:: else ->
				EVENT(RCV_ACK_OF_SYN);
				E[me].una = s_ack; E[me].tries = 0;
				content = 1
			fi
		:: else -> rcv_ack()
		fi
	fi
}

/* Simultaneous open: the peer's SYN again, or its SYN-ACK (figure 8 of 3.5). */
inline rcv_own_syn() {
	if
	:: !(s_flags & ACK) ->
		EVENT(RCV_SYN);
		emit(SYN | ACK, E[me].iss, E[me].rnxt, 0, E[me].inc)
	:: (s_flags & ACK) && s_ack == E[me].nxt ->
		MOVE_EVENT(RCV_SYN_ACK);
		E[me].una = s_ack; E[me].tries = 0;
		send_ack()
	:: else -> EVENT(RCV_OUTSIDE); answer()
	fi
}

/* A record of an orphan in FIN-WAIT-2 */
inline rcv_orphan() {
	if
	:: !WITHIN(E[me]) && (s_flags & RST) -> EVENT(RCV_RST_OUTSIDE)
	:: !WITHIN(E[me]) && !(s_flags & RST) -> EVENT(RCV_OUTSIDE); answer()
	:: WITHIN(E[me]) && (s_flags & RST) ->
		if
		:: s_seq == E[me].rnxt -> END_EVENT(RCV_RST)
		:: else -> EVENT(RCV_RST_IN_WINDOW); answer()
		fi
	:: WITHIN(E[me]) && (s_flags & (RST | SYN)) == SYN -> EVENT(RCV_SYN_IN_WINDOW); answer()
	:: else ->
		if
		:: !(s_flags & ACK) -> EVENT(RCV_BAD_FLAGS)
		:: (s_flags & ACK) && s_ack > E[me].nxt -> EVENT(RCV_ACK_ABOVE); answer()
		:: (s_flags & ACK) && s_ack <= E[me].nxt && (s_end <= E[me].rnxt || s_end == s_seq) ->
			EVENT(RCV_ACK)
		:: (s_flags & ACK) && s_ack <= E[me].nxt && (s_flags & FIN) && s_end == E[me].rnxt + 1 ->
			assert_own();
			MOVE_EVENT(RCV_FIN); E[me].rnxt = s_end; send_ack()
		:: else -> send_reset(); END_EVENT(RCV_TEXT_AFTER_CLOSE)
		fi
	fi
}

/* TIME-WAIT; a new SYN (RFC 6191) goes on to the listener. */
inline rcv_time_wait() {
	if
	:: (s_flags & (SYN | ACK | RST | FIN)) == SYN && s_seq > E[me].rnxt ->
		END_EVENT(RCV_SYN);
		todo = 1
	:: else ->
		if
		:: s_seq == E[me].rnxt && !(s_flags & (RST | SYN | ACK)) -> EVENT(RCV_BAD_FLAGS)
		:: (s_flags & (RST | SYN | ACK)) == ACK && s_ack > E[me].nxt -> EVENT(RCV_ACK_ABOVE); answer()
		:: s_seq == E[me].rnxt && (s_flags & RST) -> END_EVENT(RCV_RST)
		:: s_seq == E[me].rnxt && s_end == s_seq && (s_flags & (RST | SYN | ACK)) == ACK &&
		   s_ack <= E[me].nxt -> EVENT(RCV_ACK)
		:: else ->
			if
			:: s_flags & RST -> EVENT(RCV_RST_OUTSIDE)
			:: (s_flags & (RST | SYN | ACK)) == (SYN | ACK) -> EVENT(RCV_SYN_ACK); answer()
			:: (s_flags & (RST | SYN | ACK)) == SYN -> EVENT(RCV_SYN_IN_WINDOW); answer()
			:: (s_flags & (RST | SYN | FIN)) == FIN -> EVENT(RCV_FIN); answer()
			:: !(s_flags & (RST | SYN | FIN)) && s_text -> EVENT(RCV_TEXT); answer()
			:: else -> EVENT(RCV_OUTSIDE); answer()
			fi
		fi
	fi
}

/*
 * A record waits for the FIN of an orphan's peer: at once, or, if xtcp_fin_timeout is longer than a
 * minute, the socket first, which may then leave by NO_MEMORY.
 */
#define MAY_REST(e)	(E[e].st == FIN_WAIT_2 && E[e].closed && !E[e].gone)
#define SOCKET_FIRST	LEAVES

/* Segment @i arrives; a copy of it stays if @stays. */
inline arrive(stays) {
	me = i / SLOTS;
	s_flags = N[i].flags; s_seq = N[i].seq; s_ack = N[i].ack; s_text = N[i].text; s_inc = N[i].inc;
	s_end = s_seq + s_text + (s_flags & SYN -> 1 : 0) + (s_flags & FIN -> 1 : 0);
	if
	:: stays
	:: else -> c_code { NETWORK_TAKE(); }
	fi;
	todo = !E[me].gone;
	if
	:: todo && E[me].st == TIME_WAIT -> todo = 0; rcv_time_wait()
	:: else
	fi;
	if
	:: todo && E[me].st == LISTEN -> todo = 0; rcv_listen()
	:: else
	fi;
	if
	:: todo && E[me].st == CLOSED -> rcv_closed()
	:: todo && E[me].st == SYN_SENT -> rcv_syn_sent()
	:: todo && E[me].st == HALF_OPEN -> rcv_half_open()
	:: todo && E[me].st == ORPHAN_FIN_WAIT_2 -> rcv_orphan()
	:: todo && (E[me].st == SYN_RECEIVED || SYNCHRONIZED(E[me])) -> rcv_synchronized()
	:: else
	fi;
	if
	:: content -> rcv_content()
	:: else
	fi;
	/* An orphan's FIN is acknowledged, and the segment did not bring the peer's. */
	if
	:: MAY_REST(me) && !SOCKET_FIRST -> EVENT(ORPHAN_RECORD)
	:: else
	fi;
	/* xtcp_tw_stateless: the peer has a token and needs no record. */
	if
	:: TOKENS && E[me].st == TIME_WAIT -> END_EVENT(TIME_WAIT_TOKEN)
	:: else
	fi;
	s_flags = 0; s_seq = 0; s_ack = 0; s_text = 0; s_inc = 0; s_end = 0; me = 0; ev = 0; i = 0;
	todo = 0; content = 0
}

/* --- what the ends do by themselves; @e is the end */

inline open(e) {
	me = e;
	E[e].opens--;
	if
	:: E[e].st == TIME_WAIT -> EVENT(TIME_WAIT_REUSE)
	:: else
	fi;
	EVENT(ACTIVE_OPEN);
	new_isn();
	emit(SYN, E[e].iss, 0, 0, E[e].inc);
	me = 0; ev = 0
}

inline write(e) {
	me = e;
	EVENT(SEND);
	E[e].wrote = 1;
	emit(ACK, E[e].nxt, E[e].rnxt, 1, E[e].inc);
	E[e].nxt++;
	me = 0; ev = 0
}

inline shutdown(e) {
	me = e;
	EVENT(SHUTDOWN_SEND);
	send_fin();
	me = 0; ev = 0
}

inline close(e) {
	me = e;
	E[e].closed = 1;
	if
	:: E[e].st == LISTEN || E[e].st == HALF_OPEN -> E[e].lis = 0
	:: else
	fi;
	EVENT(CLOSE);
	if
	:: (E[e].st == FIN_WAIT_1 || E[e].st == LAST_ACK) && !E[e].fin -> send_fin()
	:: MAY_REST(e) && !SOCKET_FIRST -> EVENT(ORPHAN_RECORD)
	:: else
	fi;
	me = 0; ev = 0
}

/* The part of xtcp_fin_timeout that is beyond a minute is over. */
inline rest(e) {
	me = e;
	EVENT(ORPHAN_RECORD);
	me = 0; ev = 0
}

inline abort(e) {
	me = e;
	aborts--;
	if
	:: SYNCHRONIZED(E[e]) -> emit(RST, E[e].nxt, 0, 0, E[e].inc)
	:: else
	fi;
	END_EVENT(ABORT);
	me = 0; ev = 0
}

/* The listener may end as well: by itself, or when its program closes it. */
inline leave(e, event) {
	me = e;
	leaves--;
	if
	:: E[e].st == LISTEN || event == CLOSE -> E[e].lis = 0
	:: else
	fi;
	if
	:: (event == KILL || event == NO_MEMORY) && (E[e].st == SYN_RECEIVED || E[e].st == ESTABLISHED ||
	   E[e].st == CLOSE_WAIT || E[e].st == FIN_WAIT_1 || E[e].st == FIN_WAIT_2) ->
		emit(RST, E[e].nxt, 0, 0, E[e].inc)
	:: else
	fi;
	END_EVENT(event);
	me = 0; ev = 0
}

inline time_out(e) {
	me = e;
	if
	:: E[e].tries < TRIES -> E[e].tries++; EVENT(RETRANSMISSION_TIMEOUT); send_again()
	:: else -> END_EVENT(RETRANSMISSION_GIVE_UP)
	fi;
	me = 0; ev = 0
}

/* A probe brings nothing if the peer lives: so it is sent only if it does not. */
inline keepalive(e) {
	me = e;
	if
	:: E[e].tries < TRIES ->
		E[e].tries++; EVENT(KEEPALIVE_TIMEOUT); emit(ACK, E[e].nxt - 1, E[e].rnxt, 0, E[e].inc)
	:: else -> END_EVENT(KEEPALIVE_GIVE_UP)
	fi;
	me = 0; ev = 0
}

inline end_wait(e, event) {
	me = e;
	END_EVENT(event);
	me = 0; ev = 0
}

inline vanish(e) {
	me = e;
	gone_connection();
	E[e].st = CLOSED; E[e].lis = 0; E[e].opens = 0;
	me = 0
}

/* Which calls a program makes in which state. */
#define MAY_OPEN(e)	(E[e].opens && !E[e].gone && (E[e].st == CLOSED || \
			 (REUSE && E[e].st == TIME_WAIT)))
#define WRITES(e)	(!ONE_WAY || e == 0)
#define MAY_WRITE(e)	(WRITES(e) && !E[e].wrote && !E[e].fin && !E[e].closed && \
			 (E[e].st == ESTABLISHED || E[e].st == CLOSE_WAIT))
#define MAY_SHUT(e)	(!E[e].fin && !E[e].closed && (E[e].st == ESTABLISHED || \
			 E[e].st == CLOSE_WAIT || E[e].st == SYN_RECEIVED))
#define MAY_CLOSE(e)	(!E[e].closed && (SYNCHRONIZED(E[e]) || E[e].st == SYN_SENT || \
			 E[e].st == SYN_RECEIVED))
#define MAY_ABORT(e)	(aborts && !E[e].closed && (SYNCHRONIZED(E[e]) || \
			 E[e].st == SYN_SENT || E[e].st == SYN_RECEIVED))
#define WANTS(e)	(!WAITS || e == 0 || E[e].st == CLOSE_WAIT || E[e].fin)
#define IDLE(e)		(EMPTY && E[e].una == E[e].nxt && !SYNCHRONIZED(E[1 - e]) && \
			 E[1 - e].st != SYN_RECEIVED && E[1 - e].st != HALF_OPEN && \
			 E[1 - e].st != SYN_SENT && \
			 (E[e].st == ESTABLISHED || E[e].st == CLOSE_WAIT || E[e].st == FIN_WAIT_2))
#define QUIET(e)	(HASTE || !LINGERS(E[e]))

/* Which event may end what: KILL anything, CLOSE (here) and ABORT the listener, ABORT also a record. */
#define MAY_LEAVE(e)	(leaves && !E[e].gone && E[e].st != CLOSED)
#define LEAVES_BY(e)									\
	:: d_step { MAY_LEAVE(e) -> leave(e, KILL) }					\
	:: d_step { MAY_LEAVE(e) && (SYNCHRONIZED(E[e]) || E[e].st == SYN_SENT ||	\
		    E[e].st == SYN_RECEIVED) -> leave(e, USER_TIMEOUT) }		\
	:: d_step { MAY_LEAVE(e) && (E[e].st == SYN_SENT || E[e].st == SYN_RECEIVED) ->	\
		    leave(e, ICMP_HARD) }						\
	:: d_step { MAY_LEAVE(e) && (E[e].st == SYN_SENT || E[e].st == HALF_OPEN) ->	\
		    leave(e, ICMP_SOFT) }						\
	:: d_step { MAY_LEAVE(e) && E[e].closed && SYNCHRONIZED(E[e]) ->		\
		    leave(e, NO_MEMORY) }						\
	:: d_step { MAY_LEAVE(e) && (E[e].st == ORPHAN_FIN_WAIT_2 ||			\
		    E[e].st == TIME_WAIT) -> leave(e, TIME_WAIT_FULL) }			\
	:: d_step { MAY_LEAVE(e) && (E[e].st == LISTEN || E[e].st == HALF_OPEN ||	\
		    E[e].st == ORPHAN_FIN_WAIT_2 || E[e].st == TIME_WAIT) ->		\
		    leave(e, ABORT) }							\
	:: d_step { MAY_LEAVE(e) && (E[e].st == LISTEN || E[e].st == HALF_OPEN) ->	\
		    leave(e, CLOSE) }

/* An RTO is longer than the path; a timer that fires too early makes a copy (COPIES). */
#define OVERDUE		EMPTY

#define STEPS(e)								\
	:: d_step { MAY_OPEN(e) -> open(e) }					\
	:: d_step { MAY_WRITE(e) -> write(e) }					\
	:: d_step { MAY_SHUT(e) && WANTS(e) -> shutdown(e) }			\
	:: d_step { MAY_CLOSE(e) && WANTS(e) -> close(e) }			\
	:: d_step { MAY_ABORT(e) -> abort(e) }					\
	LEAVES_BY(e)								\
	:: d_step { IN_FLIGHT(E[e]) && !E[e].gone && OVERDUE -> time_out(e) }	\
	:: d_step { IDLE(e) && !E[e].gone -> keepalive(e) }			\
	:: d_step { E[e].st == TIME_WAIT && QUIET(e) ->				\
		    end_wait(e, TIME_WAIT_TIMEOUT) }				\
	:: d_step { MAY_REST(e) && SOCKET_FIRST -> rest(e) }			\
	:: d_step { E[e].st == ORPHAN_FIN_WAIT_2 ->				\
		    end_wait(e, FIN_WAIT_2_TIMEOUT) }				\
	:: d_step { vanishes && !E[e].gone && E[e].st != CLOSED &&		\
		    E[e].st != LISTEN -> vanishes--; vanish(e); E[e].gone = 1 }

#define NETWORK(n)								\
	:: d_step { N[n].used -> i = n; arrive(0) }				\
	:: d_step { N[n].used && copies -> copies--; i = n; arrive(1) }		\
	:: d_step { N[n].used && losses -> losses--; i = n; c_code { NETWORK_TAKE(); }; i = 0 }

/*
 * Of a connection of the past: below all numbers that are in use, if FIRST_ISN is 10. It may also
 * bring the cookie of that connection, which is valid for a while.
 */
#define OLD_SLOT	((OLD - 1) * SLOTS)
inline old_segment() {
	select (i : 1 .. 7);
	N[OLD_SLOT].seq = i;
	select (i : 0 .. 7 + (COOKIES -> 1 : 0));
	N[OLD_SLOT].ack = (i > 7 -> COOKIE(N[OLD_SLOT].seq - 1) + 1 : i);
	select (i : 0 .. 15);
	N[OLD_SLOT].flags = i;
	select (i : 0 .. 1);
	N[OLD_SLOT].text = i;
	N[OLD_SLOT].inc = OLD_INC;
	N[OLD_SLOT].used = 1;
	i = 0
}

init {
	d_step {
		read_scenario();
		c_code { NETWORK_COOKIES(); };
		losses = LOSSES; copies = COPIES; aborts = ABORTS; leaves = LEAVES;
		vanishes = VANISHES; restarts = RESTARTS;
		isn = FIRST_ISN;
		E[0].st = CLOSED; E[0].opens = OPENS_0;
		E[1].opens = OPENS_1; E[1].lis = LISTENS;
		if
		:: LISTENS -> E[1].st = LISTEN
		:: else -> E[1].st = CLOSED
		fi
	}
	if
	:: OLD -> old_segment()
	:: else
	fi;
	do
	STEPS(0)
	STEPS(1)
	NETWORK(0)
	NETWORK(1)
	NETWORK(2)
	NETWORK(3)
	:: d_step { restarts && E[0].st != CLOSED && !E[0].gone ->
		    restarts--; i = E[0].opens; vanish(0); E[0].opens = i + 1; i = 0 }
	:: else -> break
	od;
	assert(AT_REST(E[0]) && AT_REST(E[1]))
}
