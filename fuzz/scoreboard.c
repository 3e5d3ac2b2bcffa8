// SPDX-License-Identifier: GPL-2.0
/*
 * scoreboard.c - ACKs, SACK blocks and losses, any of them, at any time
 *
 * module/transfer/scoreboard.c under libFuzzer, ASan and UBSan. The input is a
 * program: what is sent, what the peer claims to have, what is marked lost, sent
 * again and undone. The send queue is this file's, in its simplest form, and it may
 * fail to split a segment.
 *
 * The oracle keeps each segment by itself and looks at all of them each time, which
 * the module never does. After each step the scoreboard flags, their sums, and the
 * list by time of sending must agree with it.
 */
#include "kernel.h"

#include "net/wire.h"

/*
 * The send queue, the clock and what the congestion control hears of losses are defined here,
 * so their headers are not used.
 */
#define XTCP_TIMERS_H
#define XTCP_TRANSFER_CONGESTION_H
#define XTCP_TRANSFER_SENDQUEUE_H

static inline u32 xtcp_sendq_segs(const struct sk_buff *skb)
{
	return xtcp_cb(skb)->segs;
}

struct sk_buff *xtcp_sendq_oldest(struct sock *s);
struct sk_buff *xtcp_sendq_find(struct sock *s, seq_t seq);
bool xtcp_sendq_split_flight(struct sock *s, struct sk_buff *skb, u32 len);
bool xtcp_sendq_split_sacked(struct sock *s, struct sk_buff *skb, u32 len);
bool xtcp_sendq_merge(struct sock *s, struct sk_buff *skb, struct sk_buff *next);

#include "tcb.h"

static u32 told_lost;	/* segments */

static void xtcp_congestion_lost(struct xtcp_sock *xs, const struct sk_buff *skb)
{
	told_lost += xtcp_sendq_segs(skb);
}

#include "../module/transfer/scoreboard.c"

unsigned int xtcp_net_id;

static struct xtcp_mib mib;
static struct xtcp_net xn = { .mib = &mib };
static struct net_generic generic = { { &xn } };
static struct net net = { .gen = &generic };
static struct xtcp_sock tcb;
static struct sock *const sk = &tcb.inet.sk;

/* --- the input ---------------------------------------------------------- */

static const u8 *input, *input_end;

static u32 draw(u32 below)
{
	u32 x = 0;

	for (u32 size = 1; size && size < below && input < input_end; size <<= 8)
		x = x << 8 | *input++;
	return below ? x % below : 0;
}

/* --- the send queue ----------------------------------------------------- */

static bool out_of_memory;
static bool cut_failed;		/* some time: what arrived need not be known yet */
static u64 now;			/* counts steps */
static u64 recent_since;	/* a segment sent since then has not timed out */

struct sk_buff *xtcp_sendq_oldest(struct sock *s)
{
	return skb_rb_first(&s->tcp_rtx_queue);
}

struct sk_buff *xtcp_sendq_find(struct sock *s, seq_t seq)
{
	struct sk_buff *skb = xtcp_sendq_oldest(s);

	while (skb && seq_before_eq(xtcp_cb(skb)->end, seq))
		skb = skb_rb_next(skb);
	return skb;
}

static void fly(struct sk_buff *skb)
{
	struct rb_node **place = &sk->tcp_rtx_queue.rb_node, *parent = NULL;

	while (*place) {
		parent = *place;
		place = seq_before(xtcp_cb(skb)->seq, xtcp_cb(rb_to_skb(parent))->seq) ?
			&parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&skb->rbnode, parent, place);
}

/* Lost, and not sent again. */
static bool waits(u8 marks)
{
	return (marks & (XTCP_MARK_LOST | XTCP_MARK_RETRANS)) == XTCP_MARK_LOST;
}

static void recount(const struct xtcp_skb_cb *cb, int sign)
{
	u32 segs = sign * cb->segs;

	tcb.in_flight += segs;
	tcb.sacked_out += cb->marks & XTCP_MARK_SACKED ? segs : 0;
	tcb.lost_out += cb->marks & XTCP_MARK_LOST ? segs : 0;
	tcb.retrans_out += cb->marks & XTCP_MARK_RETRANS ? segs : 0;
	tcb.to_resend += waits(cb->marks) ? segs : 0;
}

static void measure(struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);

	cb->segs = skb->len > cb->seg_size ? DIV_ROUND_UP(skb->len, cb->seg_size) : 1;
}

bool xtcp_sendq_split_flight(struct sock *s, struct sk_buff *skb, u32 len)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	struct sk_buff *rest;

	MUST(len && len < skb->len && len % cb->seg_size == 0);
	if (out_of_memory) {
		cut_failed = true;
		return false;
	}
	rest = calloc(1, sizeof(*rest));
	recount(cb, -1);
	rest->len = skb->len - len;
	skb->len = len;
	*xtcp_cb(rest) = *cb;
	xtcp_cb(rest)->seq = seq_add(cb->seq, len);
	cb->end = xtcp_cb(rest)->seq;
	cb->flags &= ~XTCP_FIN;
	measure(skb);
	measure(rest);
	recount(cb, 1);
	recount(xtcp_cb(rest), 1);
	fly(rest);
	INIT_LIST_HEAD(&rest->tcp_tsorted_anchor);
	if (!list_empty(&skb->tcp_tsorted_anchor))
		list_add(&rest->tcp_tsorted_anchor, &skb->tcp_tsorted_anchor);
	return true;
}

bool xtcp_sendq_split_sacked(struct sock *s, struct sk_buff *skb, u32 len)
{
	return xtcp_sendq_split_flight(s, skb, len);
}

/* Both parts have arrived, and neither is in the list by time of sending. */
bool xtcp_sendq_merge(struct sock *s, struct sk_buff *skb, struct sk_buff *next)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb), *more = xtcp_cb(next);

	MUST(cb->marks == XTCP_MARK_SACKED && more->marks == XTCP_MARK_SACKED);
	MUST(list_empty(&skb->tcp_tsorted_anchor) && list_empty(&next->tcp_tsorted_anchor));
	MUST(skb_rb_next(skb) == next && cb->end == more->seq);
	if (out_of_memory || (more->flags & XTCP_FIN) || cb->seg_size != more->seg_size ||
	    skb->len % cb->seg_size || cb->segs + more->segs > 17)
		return false;
	skb->len += next->len;
	cb->end = more->end;
	cb->segs += more->segs;
	rb_erase(&next->rbnode, &sk->tcp_rtx_queue);
	free(next);
	return true;
}

static void land(struct sk_buff *skb)
{
	recount(xtcp_cb(skb), -1);
	rb_erase(&skb->rbnode, &sk->tcp_rtx_queue);
	list_del_init(&skb->tcp_tsorted_anchor);
	free(skb);
}

/* Removes what lies below SND.UNA. Return: the number of segments removed. */
static u32 trim_head(struct sk_buff *skb)
{
	struct xtcp_skb_cb *cb = xtcp_cb(skb);
	u32 eat = seq_dist(cb->seq, tcb.snd_una), segs = cb->segs;

	if (eat > skb->len)
		return 0;
	recount(cb, -1);
	skb->len -= eat;
	cb->seq = tcb.snd_una;
	measure(skb);
	recount(cb, 1);
	return segs - cb->segs;
}

/* --- what others know ------------------------------------------------------- */

u32 xtcp_rack_delivered(struct xtcp_sock *xs, const struct xtcp_skb_cb *cb, u64 now_ns)
{
	/*
	 * A segment that has arrived must not arrive again: its send time is no longer
	 * known.
	 */
	MUST(!(cb->marks & XTCP_MARK_SACKED));
	MUST(cb->sent_ns <= now);
	return 0;
}

bool xtcp_rack_is_recent(const struct sock *s, const struct sk_buff *skb)
{
	const struct xtcp_skb_cb *cb = xtcp_cb(skb);

	return !(cb->marks & XTCP_MARK_SACKED) && cb->sent_ns >= recent_since;
}

bool xtcp_undo_is_echo_of_earlier(const struct xtcp_sock *xs, const struct xtcp_acked *a,
				  const struct xtcp_skb_cb *cb)
{
	return false;
}

/* RFC 2883 4: D-SACK, a first block below SEG.ACK or inside the second block. */
static bool is_dsack(const struct xtcp_seg *seg)
{
	const struct xtcp_sack_block *b = seg->opt.sack;

	return seq_before(b[0].start, seg->ack) ||
	       (seg->opt.nr_sacks > 1 && seq_after_eq(b[0].start, b[1].start) &&
		seq_before_eq(b[0].end, b[1].end));
}

bool xtcp_undo_dsack_received(struct sock *s, const struct xtcp_seg *seg, struct xtcp_acked *a)
{
	return is_dsack(seg);
}

/* --- the oracle --------------------------------------------------------------- */

#define SEGS_MAX 400

/* The segments in flight, one entry for each, in order. */
static struct oracle {
	seq_t	start, end;
	u8	marks;
} seg[SEGS_MAX];
static u32 segs;

static u64 sent, delivered;	/* segments, in all */
static bool reneged;		/* then some segments were delivered twice */

static bool is_on_its_way(u8 marks)
{
	return !(marks & XTCP_MARK_SACKED) &&
	       (!(marks & XTCP_MARK_LOST) || (marks & XTCP_MARK_RETRANS));
}

static void must_stand_in_order(void)
{
	struct list_head *pos;
	u32 listed = 0, want = 0;

	for (struct sk_buff *skb = xtcp_sendq_oldest(sk); skb; skb = skb_rb_next(skb)) {
		MUST(is_on_its_way(xtcp_cb(skb)->marks) !=
		     list_empty(&skb->tcp_tsorted_anchor));
		want += is_on_its_way(xtcp_cb(skb)->marks);
	}
	for (pos = tcb.sent_order.next; pos != &tcb.sent_order; pos = pos->next)
		MUST(pos->next->prev == pos && ++listed <= want);
	MUST(listed == want);
}

/* The state of each segment, from the skbs, and the sums over all of them. */
static void look(void)
{
	u32 sacked = 0, lost = 0, retrans = 0, waiting = 0;
	seq_t next = tcb.snd_una;

	segs = 0;
	for (struct sk_buff *skb = xtcp_sendq_oldest(sk); skb; skb = skb_rb_next(skb)) {
		const struct xtcp_skb_cb *cb = xtcp_cb(skb);

		MUST(cb->seq == next || (segs == 0 && seq_before(cb->seq, next)));
		for (u32 i = 0; i < cb->segs; i++) {
			struct oracle *s = &seg[segs++];

			MUST(segs <= SEGS_MAX);
			s->start = seq_add(cb->seq, i * cb->seg_size);
			s->end = i + 1 == cb->segs ? cb->end : seq_add(s->start, cb->seg_size);
			s->marks = cb->marks;
			MUST(seq_before(s->start, s->end));
			sacked += !!(s->marks & XTCP_MARK_SACKED);
			lost += !!(s->marks & XTCP_MARK_LOST);
			retrans += !!(s->marks & XTCP_MARK_RETRANS);
			waiting += waits(s->marks);
			MUST(!(s->marks & XTCP_MARK_SACKED) || !(s->marks & XTCP_MARK_LOST));
		}
		if (cb->marks & XTCP_MARK_SACKED)
			MUST(seq_before_eq(cb->end, tcb.sacked_end));
		next = cb->end;
	}
	MUST(next == tcb.snd_nxt);
	MUST(tcb.in_flight == segs);
	MUST(tcb.lost_out == lost && tcb.retrans_out == retrans);
	MUST(tcb.to_resend == waiting);
	MUST(tcb.lost == told_lost);
	if (tcb.sack_ok)
		MUST(tcb.sacked_out == sacked);
	else
		MUST(tcb.sacked_out <= tcb.in_flight && sacked == 0);
	if (tcb.sack_ok && !reneged)
		MUST(delivered + segs - sacked == sent);
	must_stand_in_order();
}

/* The scoreboard flags that must result; the segments themselves are unchanged. */
static void must_be(const u8 *want, u32 n)
{
	look();
	MUST(segs == n);
	for (u32 i = 0; i < n; i++)
		MUST(seg[i].marks == want[i]);
}

/* --- the steps ------------------------------------------------------------------ */

static void send(void)
{
	struct sk_buff *skb;
	struct xtcp_skb_cb *cb;
	u32 n = 1 + draw(6);

	if (segs + n > SEGS_MAX / 2 || tcb.fin_queued)
		return;
	skb = calloc(1, sizeof(*skb));
	cb = xtcp_cb(skb);
	cb->seg_size = tcb.mss;
	skb->len = n * tcb.mss - draw(tcb.mss);
	cb->seq = tcb.snd_nxt;
	if (draw(64) == 63) {
		cb->flags = XTCP_FIN;
		tcb.fin_queued = 1;
		if (draw(2))
			skb->len = 0;
	}
	cb->end = seq_add(cb->seq, skb->len + !!(cb->flags & XTCP_FIN));
	cb->sent_ns = ++now;
	measure(skb);
	fly(skb);
	list_add_tail(&skb->tcp_tsorted_anchor, &tcb.sent_order);
	recount(cb, 1);
	sent += cb->segs;
	tcb.snd_nxt = cb->end;
}

static void take(struct sk_buff *skb, seq_t seq, u32 n, struct xtcp_acked *a)
{
	a->segs += n;
	xtcp_scoreboard_landed(sk, xtcp_cb(skb), seq, n, a);
}

/* The same steps as in transfer/acked.c. */
static void acknowledge(seq_t ack, struct xtcp_acked *a)
{
	struct sk_buff *skb;

	tcb.snd_una = ack;
	while ((skb = xtcp_sendq_oldest(sk))) {
		seq_t seq = xtcp_cb(skb)->seq;

		if (seq_after(xtcp_cb(skb)->end, ack)) {
			u32 n = seq_after(ack, seq) ? trim_head(skb) : 0;

			if (n)
				take(skb, seq, n, a);
			break;
		}
		take(skb, seq, xtcp_sendq_segs(skb), a);
		land(skb);
	}
	xtcp_scoreboard_swept(sk, a);
	if (!tcb.in_flight)
		tcb.sacked_out = 0;
}

/* A byte of the flight, often the first one of a segment. */
static seq_t some_place(void)
{
	u32 how = draw(8);

	if (how == 0 || !segs)
		return seq_add(tcb.snd_una, draw(65536) - 4096);
	if (how == 1)
		return seq_add(tcb.snd_una, draw(seq_dist(tcb.snd_una, tcb.snd_nxt)));
	if (how == 2)
		return tcb.snd_nxt;
	return seg[draw(segs)].start;
}

static bool is_sound(const struct xtcp_sack_block *b)
{
	return seq_before(b->start, b->end) && seq_after(b->start, tcb.snd_una) &&
	       seq_before_eq(b->end, tcb.snd_nxt);
}

/* Each segment that lies in a valid block has arrived, and no other segment. */
static void must_be_sacked(const struct xtcp_seg *ack)
{
	u8 want[SEGS_MAX];
	u32 n = segs;

	for (u32 i = 0; i < n; i++) {
		want[i] = seg[i].marks;
		for (u32 k = is_dsack(ack); k < ack->opt.nr_sacks; k++) {
			const struct xtcp_sack_block *b = &ack->opt.sack[k];

			if (want[i] & XTCP_MARK_SACKED || !is_sound(b) ||
			    seq_before(seg[i].start, b->start) || seq_after(seg[i].end, b->end))
				continue;
			if (want[i] & XTCP_MARK_LOST)
				want[i] = 0;
			want[i] |= XTCP_MARK_SACKED;
		}
	}
	if (!cut_failed) {
		must_be(want, n);
		return;
	}
	/* A D-SACK that is ambiguous may be missed, but none is invented. */
	look();
	for (u32 i = 0; i < n; i++)
		MUST(!(seg[i].marks & XTCP_MARK_SACKED) || want[i] & XTCP_MARK_SACKED);
}

static void ack(void)
{
	struct xtcp_acked a = { .now_ns = ++now, .prior_una = tcb.snd_una };
	struct xtcp_seg s = { .ack = tcb.snd_una };
	seq_t to = some_place();

	a.prior_highest = xtcp_scoreboard_highest(&tcb);
	if (draw(2) && seq_after(to, tcb.snd_una) && seq_before_eq(to, tcb.snd_nxt)) {
		s.ack = to;
		acknowledge(to, &a);
	} else if (!tcb.sack_ok && tcb.in_flight) {
		xtcp_scoreboard_duplicate(sk, &a);
	}
	delivered += a.delivered;
	a.delivered = 0;
	look();
	if (!tcb.sack_ok)
		return;
	s.opt.nr_sacks = draw(XTCP_SACK_MAX + 1);
	for (u32 i = 0; i < s.opt.nr_sacks; i++) {
		s.opt.sack[i].start = some_place();
		s.opt.sack[i].end = draw(4) ? seq_add(s.opt.sack[i].start, tcb.mss * draw(20)) :
					      some_place();
	}
	xtcp_scoreboard_sacked(sk, &s, &a);
	delivered += a.delivered;
	if (s.opt.nr_sacks)
		must_be_sacked(&s);
}

static void lose_oldest(void)
{
	if (tcb.in_flight)
		xtcp_scoreboard_lose_oldest(sk);
}

/* The first segment in flight, as RACK chooses it. */
static void lose_late(void)
{
	for (u32 n = draw(8); n && !list_empty(&tcb.sent_order); n--)
		xtcp_scoreboard_lose_copies(sk, container_of(tcb.sent_order.next, struct sk_buff,
							     tcp_tsorted_anchor));
}

/* RFC 6675 4: a segment is lost if enough segments above it have arrived. */
static void lose_holes(void)
{
	u8 want[SEGS_MAX];
	u32 above = 0, n = segs;

	for (u32 i = n; i-- > 0;) {
		want[i] = seg[i].marks;
		if (want[i] & XTCP_MARK_SACKED)
			above++;
		else if (above >= tcb.reordering)
			want[i] |= XTCP_MARK_LOST;
	}
	if (!tcb.sack_ok)
		return;
	xtcp_scoreboard_lose_holes(sk);
	must_be(want, n);
}

static void time_out(void)
{
	bool reneges;

	if (!tcb.in_flight)
		return;
	reneges = seg[0].marks & XTCP_MARK_SACKED;
	reneged |= reneges;
	recent_since = now + 1 - draw(32);
	xtcp_scoreboard_lose_flight(sk);
	look();
	MUST(tcb.sack_ok && !reneges ? seg[0].marks & XTCP_MARK_LOST : !tcb.sacked_out);
	for (u32 i = 0; reneges && i < segs; i++)
		MUST(seg[i].marks == XTCP_MARK_LOST);
}

/* Each segment of sent_order was sent at the time of its predecessor, or later. */
static void must_be_in_order(void)
{
	struct xtcp_skb_cb *last = NULL;

	for (struct list_head *pos = tcb.sent_order.next; pos != &tcb.sent_order; pos = pos->next) {
		struct xtcp_skb_cb *cb =
			xtcp_cb(list_entry(pos, struct sk_buff, tcp_tsorted_anchor));

		MUST(!last || last->sent_ns <= cb->sent_ns);
		last = cb;
	}
}

static void absolve(void)
{
	u8 want[SEGS_MAX];

	for (u32 i = 0; i < segs; i++)
		want[i] = seg[i].marks & ~XTCP_MARK_LOST;
	xtcp_scoreboard_absolve(sk);
	must_be(want, segs);
	must_be_in_order();
}

static void resend(void)
{
	struct sk_buff *skb, *want = xtcp_sendq_oldest(sk);

	while (want && !waits(xtcp_cb(want)->marks))
		want = skb_rb_next(want);
	skb = xtcp_scoreboard_next_lost(sk);
	MUST(skb == want);
	if (!skb)
		return;
	if (xtcp_sendq_segs(skb) > 1 && draw(2))
		xtcp_sendq_split_flight(sk, skb, xtcp_cb(skb)->seg_size);
	xtcp_cb(skb)->marks |= XTCP_MARK_RETRANS;
	tcb.retrans_out += xtcp_sendq_segs(skb);
	tcb.to_resend -= xtcp_sendq_segs(skb);
	xtcp_cb(skb)->retrans = 1;
	xtcp_cb(skb)->sent_ns = ++now;
	list_del_init(&skb->tcp_tsorted_anchor);
	list_add_tail(&skb->tcp_tsorted_anchor, &tcb.sent_order);
}

static void begin(void)
{
	memset(&tcb, 0, sizeof(tcb));
	told_lost = 0;
	memset(&mib, 0, sizeof(mib));
	tcb.inet.sk.sk_net = &net;
	xn.knobs.reordering = 1 + draw(4);
	xn.knobs.max_reordering = xn.knobs.reordering + draw(64);
	tcb.snd_una = SEQ(draw(2) ? draw(65536) - 4096 : draw(UINT32_MAX));
	tcb.snd_nxt = tcb.snd_una;
	tcb.recover = tcb.snd_una;
	tcb.resend_seq = tcb.snd_una;
	tcb.holes_seq = tcb.snd_una;
	tcb.mss = 1 + draw(1460);
	tcb.sack_ok = draw(8) != 7;
	xtcp_scoreboard_init(&tcb);
	now = 1;
	sent = 0;
	delivered = 0;
	reneged = false;
	cut_failed = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const steps[])(void) = {
		send, send, ack, ack, ack, ack, lose_oldest, lose_late, lose_holes, lose_holes,
		time_out, absolve, resend, resend, resend, send,
	};
	struct sk_buff *skb;

	input = data;
	input_end = data + len;
	begin();
	look();
	while (input < input_end) {
		u8 step = *input++;

		out_of_memory = step >> 4 == 15;
		steps[step % ARRAY_SIZE(steps)]();
		look();
	}
	while ((skb = xtcp_sendq_oldest(sk)))
		land(skb);
	return 0;
}
