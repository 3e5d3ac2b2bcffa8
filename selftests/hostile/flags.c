// SPDX-License-Identifier: GPL-2.0
/*
 * flags: all 64 combinations of FIN SYN RST PSH ACK URG in every state, in and out
 * of sequence. RFC 9293 3.10.7; RFC 5961 3-5; RFC 1337 for TIME-WAIT.
 *
 * A small model, by the order of checks in 3.10.7, gives the states that a segment
 * may lead to and the answers that it may have; anything else fails. Where the RFC
 * leaves a choice, the model has both.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

PEER_FIXTURE(flags);

#define BIT(n) (1u << (n))

enum answer { NONE, PURE_ACK, RESET, SYN_ACK, ANSWERS };
static const char *const answer_names[] = { "nothing", "ACK", "RST", "SYN-ACK" };

/* The segment's sequence number, and other odd properties. */
enum shape {
	EXACT,		/* at RCV.NXT, acknowledging everything */
	TEXT,		/* the same with ten bytes */
	INSIDE,		/* in the window, not at its edge */
	LEFT,		/* long before it */
	RIGHT,		/* far beyond it */
	ACK_ABOVE,	/* at RCV.NXT, acknowledging what was never sent */
	SHAPES
};
static const char *const shape_names[] = {
	"exact", "text", "inside", "left", "right", "ack above",
};

struct verdict {
	unsigned int states, answers;
};

#define MAY(states, answers) ((struct verdict){ (states), (answers) })

/* 3.10.7.1, 3.10.7.2 */
static struct verdict verdict_closed(int flags)
{
	return MAY(BIT(ST_CLOSED), BIT(flags & RST ? NONE : RESET));
}

static struct verdict verdict_listen(int flags)
{
	if (flags & RST)
		return MAY(BIT(ST_LISTEN), BIT(NONE));
	if (flags & ACK)
		return MAY(BIT(ST_LISTEN), BIT(RESET));
	/* SYN with FIN is nonsense: dropped, as in Linux. */
	if ((flags & (SYN | FIN)) == SYN)
		return MAY(BIT(ST_HALF_OPEN), BIT(SYN_ACK));
	return MAY(BIT(ST_LISTEN), BIT(NONE));
}

/* 3.10.7.3: the sequence number does not count here. */
static struct verdict verdict_syn_sent(int flags, enum shape shape)
{
	if (shape == ACK_ABOVE && flags & ACK)
		return MAY(BIT(ST_SYN_SENT), BIT(flags & RST ? NONE : RESET));
	if (flags & RST)
		return MAY(BIT(flags & ACK ? ST_CLOSED : ST_SYN_SENT), BIT(NONE));
	if (!(flags & SYN))
		return MAY(BIT(ST_SYN_SENT), BIT(NONE));
	/* A FIN as well is ignored: the peer sends it again. */
	if (flags & ACK)
		return MAY(BIT(ST_ESTABLISHED), BIT(PURE_ACK));
	return MAY(BIT(ST_SYN_RECEIVED), BIT(SYN_ACK));
}

/* 3.10.7.4 first: a segment outside the window is answered by an ACK or not at all. */
static bool is_outside(enum shape shape)
{
	return shape == LEFT || shape == RIGHT;
}

static struct verdict verdict_half_open(enum conn_state st, int flags, enum shape shape)
{
	unsigned int stay = BIT(st);

	/*
	 * A SYN may be a repetition (SYN-ACK), and a new one may reset the connection.
	 */
	if (is_outside(shape))
		return MAY(stay, BIT(NONE) | BIT(PURE_ACK));
	if (flags & RST)
		return shape == INSIDE ? MAY(stay, BIT(NONE) | BIT(PURE_ACK)) :
					 MAY(BIT(ST_CLOSED), BIT(NONE));
	if (flags & SYN)
		return MAY(stay | BIT(ST_CLOSED), BIT(NONE) | BIT(PURE_ACK) | BIT(RESET));
	if (!(flags & ACK))
		return MAY(stay, BIT(NONE));
	if (shape == ACK_ABOVE)
		return MAY(stay, BIT(RESET));
	if (shape == INSIDE)
		return MAY(BIT(ST_ESTABLISHED), BIT(NONE) | BIT(PURE_ACK));
	return MAY(BIT(flags & FIN ? ST_CLOSE_WAIT : ST_ESTABLISHED),
		   BIT(NONE) | BIT(PURE_ACK));
}

/* Next state on an acceptable ACK of all that was sent, then on a FIN too. */
static const struct {
	enum conn_state ack, fin;
} moves[ST_COUNT] = {
	[ST_ESTABLISHED] = { ST_ESTABLISHED, ST_CLOSE_WAIT },
	[ST_FIN_WAIT_1] = { ST_FIN_WAIT_2, ST_TIME_WAIT },
	[ST_FIN_WAIT_2] = { ST_FIN_WAIT_2, ST_TIME_WAIT },
	[ST_CLOSE_WAIT] = { ST_CLOSE_WAIT, ST_CLOSE_WAIT },
	[ST_CLOSING] = { ST_TIME_WAIT, ST_TIME_WAIT },
	[ST_LAST_ACK] = { ST_CLOSED, ST_CLOSED },
};

static struct verdict verdict_synchronized(enum conn_state st, int flags,
					   enum shape shape)
{
	unsigned int stay = BIT(st), quiet = BIT(NONE) | BIT(PURE_ACK);

	if (is_outside(shape))
		return MAY(stay, quiet);
	/* Only the exact number resets; any other is challenged (RFC 5961 3.2). */
	if (flags & RST)
		return shape == INSIDE ? MAY(stay, quiet) : MAY(BIT(ST_CLOSED), BIT(NONE));
	if (flags & SYN)
		return MAY(stay, quiet);
	if (!(flags & ACK))
		return MAY(stay, BIT(NONE));
	if (shape == ACK_ABOVE)
		return MAY(stay, quiet);
	/* Ahead of RCV.NXT: the ACK counts, the FIN waits. */
	if (shape == INSIDE)
		return MAY(BIT(moves[st].ack), quiet);
	if (flags & FIN)
		return MAY(BIT(moves[st].fin), quiet);
	return MAY(BIT(moves[st].ack), quiet);
}

/* 3.10.7.4, with MAY-2 for a new SYN. */
static struct verdict verdict_time_wait(int flags, enum shape shape)
{
	unsigned int stay = BIT(ST_TIME_WAIT), quiet = BIT(NONE) | BIT(PURE_ACK);

	if (flags & RST)
		return is_outside(shape) || shape == INSIDE ? MAY(stay, quiet) :
						MAY(BIT(ST_CLOSED), BIT(NONE));
	/*
	 * The kernel's TCP gives up the record before it looks at the FIN beside the
	 * SYN.
	 */
	if ((flags & (SYN | ACK)) == SYN && shape != LEFT)
		return MAY(stay | (flags & FIN ? 0 : BIT(ST_HALF_OPEN)) |
			   (flags & FIN && stock_mode() ? BIT(ST_CLOSED) : 0),
			   quiet | BIT(SYN_ACK));
	return MAY(stay, quiet);
}

/* The program has closed: data and a new SYN find nobody. */
static struct verdict verdict_orphan(int flags, enum shape shape)
{
	unsigned int stay = BIT(ST_ORPHAN_FIN_WAIT_2), quiet = BIT(NONE) | BIT(PURE_ACK);

	if (is_outside(shape) && !(flags & SYN && shape == RIGHT))
		return MAY(stay, quiet);
	/* The kernel's TCP accepts any RST in the window. */
	if (flags & RST && shape == INSIDE)
		return MAY(stay | (stock_mode() ? BIT(ST_CLOSED) : 0), quiet);
	if (flags & RST)
		return is_outside(shape) ? MAY(stay, quiet) : MAY(BIT(ST_CLOSED), BIT(NONE));
	if (flags & SYN)
		return MAY(stay | BIT(ST_CLOSED) | BIT(ST_HALF_OPEN),
			   quiet | BIT(RESET) | BIT(SYN_ACK));
	if (!(flags & ACK))
		return MAY(stay, BIT(NONE));
	if (shape == TEXT)
		return MAY(BIT(ST_CLOSED), BIT(RESET));
	/* A record has no memory in which a FIN ahead of RCV.NXT could wait. */
	if (shape == INSIDE)
		return MAY(flags & FIN ? stay | BIT(ST_CLOSED) : stay, quiet | BIT(RESET));
	if (flags & FIN)
		return MAY(BIT(ST_TIME_WAIT) | (shape == ACK_ABOVE ? stay : 0), quiet);
	return MAY(stay, quiet);
}

static struct verdict verdict_of(enum conn_state st, int flags, enum shape shape)
{
	switch (st) {
	case ST_CLOSED:
		return verdict_closed(flags);
	case ST_LISTEN:
		return verdict_listen(flags);
	case ST_SYN_SENT:
		return verdict_syn_sent(flags, shape);
	case ST_SYN_RECEIVED:
	case ST_HALF_OPEN:
		return verdict_half_open(st, flags, shape);
	case ST_TIME_WAIT:
		return verdict_time_wait(flags, shape);
	case ST_ORPHAN_FIN_WAIT_2:
		return verdict_orphan(flags, shape);
	default:
		return verdict_synchronized(st, flags, shape);
	}
}

static enum answer classify(const struct segment *seg)
{
	if (!seg)
		return NONE;
	if (seg->flags & RST)
		return RESET;
	if ((seg->flags & (SYN | ACK)) == (SYN | ACK))
		return SYN_ACK;
	if (seg->flags == ACK && !seg->len)
		return PURE_ACK;
	return ANSWERS;
}

static void send_shape(struct conn *c, int flags, enum shape shape)
{
	static const int64_t offset[SHAPES] = {
		[INSIDE] = 100, [LEFT] = -100000, [RIGHT] = 10000000,
	};
	struct segment_spec spec = conn_spec(c, .flags = flags);

	spec.seq = (uint32_t)(spec.seq + offset[shape]);
	spec.ack = c->kern_nxt;
	if (shape == ACK_ABOVE)
		spec.ack += 1000;
	if (shape == TEXT)
		spec.len = 10;
	peer_send_at(WHERE(c->peer->test), c->peer, spec);
}

static void try_one(struct __test_metadata *_metadata, struct peer *p,
		    enum conn_state st, int flags, enum shape shape)
{
	struct linger abort_now = { .l_onoff = 1 };
	struct verdict v = verdict_of(st, flags, shape);
	const struct segment *seg;
	enum conn_state now;
	enum answer answer;
	struct conn c;

	p->trace_n = 0;
	peer_note(p, "%s, %s, flags %#x", conn_state_name(st), shape_names[shape], flags);
	conn_to_state(p, &c, st, .kport = 6000 + p->next_port - PEER_PORT);
	send_shape(&c, flags, shape);
	/* Less than any timer; a delayed ACK may come or not. */
	seg = peer_read(p, now_ns() + NSEC_PER_MSEC / 4);
	answer = classify(seg);
	if (answer == ANSWERS || !(v.answers & BIT(answer)) || (seg && !seg->csum_ok))
		peer_fail(WHERE(_metadata), p, "%s, %s, flags %#x: the answer is %s",
			  conn_state_name(st), shape_names[shape], flags,
			  answer < ANSWERS ? answer_names[answer] : "odd");
	/* In real time the first answer may be late. */
	if (peer_read(p, now_ns()) && (seg || !peer_real_time()))
		peer_fail(WHERE(_metadata), p, "a second answer");
	now = conn_state(&c);
	if (!(v.states & BIT(now)))
		peer_fail(WHERE(_metadata), p, "%s, %s, flags %#x: then in %s",
			  conn_state_name(st), shape_names[shape], flags,
			  conn_state_name(now));
	/* A segment that did not count left no trace: the next data fits. */
	if (st == ST_ESTABLISHED && now == st && shape != INSIDE &&
	    !(shape == TEXT && flags & ACK && !(flags & (SYN | RST)))) {
		conn_send(&c, .flags = ACK | PSH, .data = "fits");
		conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = 210);
	}
	if (c.fd >= 0)
		setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof(abort_now));
	close(c.fd);
	close(c.lfd);
	peer_drain(p, 0);
}

static void try_all(struct __test_metadata *_metadata, struct peer *p,
		    enum conn_state st)
{
	for (enum shape shape = 0; shape < SHAPES; shape++)
		for (int flags = 0; flags < 64; flags++)
			try_one(_metadata, p, st, flags, shape);
	/* Sockets of a case may still send segments. */
	p->leave_unread = true;
}

#define ALL_FLAGS_IN(state, name) \
	TEST_F(flags, sm_##name##_all_flags) \
	{ \
		try_all(_metadata, &self->peer, state); \
	}

ALL_FLAGS_IN(ST_CLOSED, closed)
ALL_FLAGS_IN(ST_LISTEN, listen)
ALL_FLAGS_IN(ST_SYN_SENT, syn_sent)
ALL_FLAGS_IN(ST_SYN_RECEIVED, syn_received)
ALL_FLAGS_IN(ST_HALF_OPEN, half_open)
ALL_FLAGS_IN(ST_ESTABLISHED, established)
ALL_FLAGS_IN(ST_FIN_WAIT_1, fin_wait_1)
ALL_FLAGS_IN(ST_FIN_WAIT_2, fin_wait_2)
ALL_FLAGS_IN(ST_CLOSE_WAIT, close_wait)
ALL_FLAGS_IN(ST_CLOSING, closing)
ALL_FLAGS_IN(ST_LAST_ACK, last_ack)
ALL_FLAGS_IN(ST_TIME_WAIT, time_wait)
ALL_FLAGS_IN(ST_ORPHAN_FIN_WAIT_2, orphan_fin_wait_2)

TEST_HARNESS_MAIN
