/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cells: tests made of a table of events and states, for states.c. EVENT() declares an
 * event with a cell for each state, CELLS() makes a test of each cell.
 */
#ifndef SELFTESTS_CLOSE_CELLS_H
#define SELFTESTS_CLOSE_CELLS_H

#include "lib/xtcp_test.h"

#include <netinet/tcp.h>

PEER_FIXTURE(cell);

/* The peer sees this at once. */
enum reply {
	SILENCE,
	AN_ACK,			/* acknowledges all that was received */
	A_RST,			/* at the number of the segment's ACK */
	A_RST_ACK,		/* of a segment without ACK */
	A_RST_OF_OURS,		/* SND.NXT: sent at the program's request, not as an answer */
	A_FIN,
	A_SYN_ACK,		/* of a new connection */
	SOME_TEXT,
};

#define COUNTS_MAX 4

struct count {
	const char *name;
	int by;
};

struct cell {
	bool is_there;
	enum conn_state to;	/* ST_COUNT: stays */
	enum reply reply;
	const char *event;	/* row of the lifecycle table, NULL: none */
	bool taken;		/* the segment's data or FIN is acknowledged */
	bool not_stock;		/* Linux differs */
	int err;		/* SO_ERROR afterwards */
	struct count count[COUNTS_MAX];
};

/* STAYS(reply, row's event, others by name) */
#define STAYS(...) { .is_there = true, .to = ST_COUNT, .reply = __VA_ARGS__ }
#define GOES(state, ...) { .is_there = true, .to = ST_##state, .reply = __VA_ARGS__ }
#define COUNTS(...) .count = { __VA_ARGS__ }

struct event {
	const char *name;
	/*
	 * Causes the event. Returns the relative number that the answer must carry:
	 * SEG.ACK for a RST, the end of a segment without ACK for its acknowledgement.
	 */
	int64_t (*happen)(struct __test_metadata *_metadata, struct conn *c,
			  enum conn_state st);
	struct cell cell[ST_COUNT];
};

/* The six states that RFC 9293 calls synchronized and that are sockets. */
#define SYNC [ST_ESTABLISHED ... ST_LAST_ACK]
#define ES [ST_ESTABLISHED]
#define F1 [ST_FIN_WAIT_1]
#define F2 [ST_FIN_WAIT_2]
#define CW [ST_CLOSE_WAIT]
#define CG [ST_CLOSING]
#define LA [ST_LAST_ACK]
#define TW [ST_TIME_WAIT]
#define FO [ST_ORPHAN_FIN_WAIT_2]

static bool is_open(enum conn_state st)
{
	return st == ST_ESTABLISHED || st == ST_CLOSE_WAIT;
}

static bool is_record(enum conn_state st)
{
	return st == ST_TIME_WAIT || st == ST_ORPHAN_FIN_WAIT_2;
}

/* All that the kernel has sent, without a FIN that must stay unacknowledged. */
static int64_t una(const struct conn *c, enum conn_state st)
{
	bool fin = st == ST_FIN_WAIT_1 || st == ST_CLOSING || st == ST_LAST_ACK;

	return conn_kern_nxt(c) - fin;
}

static const char *row_name(enum conn_state st)
{
	switch (st) {
	case ST_HALF_OPEN:
		return "SYN-RECEIVED";
	case ST_ORPHAN_FIN_WAIT_2:
		return "FIN-WAIT-2";
	default:
		return conn_state_name(st);
	}
}

static void expect_reply(struct conn *c, enum reply reply, int64_t number)
{
	int64_t nxt = conn_kern_nxt(c), ack = conn_peer_nxt(c);

	switch (reply) {
	case SILENCE:
		break;
	case AN_ACK:
		conn_expect(c, .flags = ACK, .seq = nxt, .ack = ack);
		break;
	case A_RST:
		conn_expect(c, .flags = RST, .seq = number);
		break;
	case A_RST_ACK:
		conn_expect(c, .flags = RST | ACK, .seq = -(int64_t)c->kern_iss,
			    .ack = number);
		break;
	case A_RST_OF_OURS:
		conn_expect(c, .flags = RST | ACK, .seq = nxt, .ack = ack);
		break;
	case A_FIN:
		conn_expect(c, .flags = FIN | ACK, .seq = nxt, .ack = ack);
		break;
	case A_SYN_ACK:
		conn_expect(c, .flags = SYN | ACK, .seq = nxt + 65537, .ack = number);
		break;
	case SOME_TEXT:
		conn_expect(c, .flags = PSH | ACK, .seq = nxt, .ack = ack, .data = "x");
		break;
	}
	peer_expect_silence(c->peer, 20);
}

/* The counters that follow from the transition itself. */
static int transition_counts(struct count *n, enum conn_state from, enum conn_state to)
{
	int i = 0;

	if (is_open(from) && !is_open(to))
		n[i++] = (struct count){ "CurrEstab", -1 };
	if (is_open(from) && to == ST_CLOSED)
		n[i++] = (struct count){ "EstabResets", 1 };
	if (is_record(to) && !is_record(from))
		n[i++] = (struct count){ "TW", 1 };
	return i;
}

static void expect_counts(struct __test_metadata *_metadata,
			  const struct counters *before, const struct cell *cell,
			  enum conn_state from, enum conn_state to)
{
	struct count n[9] = { 0 };
	int i = transition_counts(n, from, to);

	if (cell->reply == A_RST || cell->reply == A_RST_ACK ||
	    cell->reply == A_RST_OF_OURS)
		n[i++] = (struct count){ "OutRsts", 1 };
	for (int k = 0; k < COUNTS_MAX && cell->count[k].name; k++)
		n[i++] = cell->count[k];
	/* The first entry without a name ends the list. */
	counters_expect(_metadata, before, n[0].name, n[0].by, n[1].name, n[1].by,
			n[2].name, n[2].by, n[3].name, n[3].by, n[4].name, n[4].by,
			n[5].name, n[5].by, n[6].name, n[6].by, n[7].name, n[7].by, NULL);
}

static void run(struct __test_metadata *_metadata, struct peer *p,
		const struct event *ev, enum conn_state st)
{
	const struct cell *cell = &ev->cell[st];
	enum conn_state to = cell->to == ST_COUNT ? st : cell->to;
	struct counters before;
	long long taken = 0;
	uint32_t peer_nxt;
	int64_t number;
	struct conn c;

	ASSERT_TRUE(cell->is_there);
	if (cell->not_stock)
		NOT_ON_STOCK();
	conn_to_state(p, &c, st);
	counters_begin(&before);
	if (cell->event)
		taken = lifecycle_count(row_name(st), cell->event, row_name(to));
	peer_nxt = c.peer_nxt;
	number = ev->happen(_metadata, &c, st);
	if (!cell->taken)
		c.peer_nxt = peer_nxt;
	expect_reply(&c, cell->reply, number);
	conn_expect_state(&c, to);
	if (cell->event && !stock_mode()) {
		EXPECT_EQ(taken + 1, lifecycle_count(row_name(st), cell->event,
						     row_name(to)));
	}
	expect_counts(_metadata, &before, cell, st, to);
	if (c.fd >= 0)
		EXPECT_EQ(cell->err, socket_error(c.fd));
}

#define CELL(st, ev) \
	TEST_F(cell, sm_##st##_##ev) \
	{ \
		run(_metadata, &self->peer, &event_##ev, STATE_##st); \
	}

#define STATE_es ST_ESTABLISHED
#define STATE_f1 ST_FIN_WAIT_1
#define STATE_f2 ST_FIN_WAIT_2
#define STATE_cw ST_CLOSE_WAIT
#define STATE_cg ST_CLOSING
#define STATE_la ST_LAST_ACK
#define STATE_tw ST_TIME_WAIT
#define STATE_fo ST_ORPHAN_FIN_WAIT_2

#define CELLS_SYNC(ev) \
	CELL(es, ev) CELL(f1, ev) CELL(f2, ev) CELL(cw, ev) CELL(cg, ev) CELL(la, ev)
#define CELLS_SOCKET(ev) CELLS_SYNC(ev) CELL(tw, ev)
#define CELLS(ev) CELLS_SYNC(ev) CELL(tw, ev) CELL(fo, ev)

#define HAPPEN(name) \
	static int64_t name##_happens(struct __test_metadata *_metadata, \
				      struct conn *c, enum conn_state st)
#define EVENT(name, ...) \
	static const struct event event_##name = { #name, name##_happens, { __VA_ARGS__ } }

#endif
