/* SPDX-License-Identifier: GPL-2.0 */
/* meant_loss: losses, recoveries and the congestion window; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_LOSS_H
#define SELFTESTS_HOSTILE_MEANT_LOSS_H

#include <linux/tcp.h>

#include "meant.h"

static bool act_sends(const struct act *a)
{
	return a->kind == ACT_WRITE || a->kind == ACT_WRITE_MORE || a->kind == ACT_WRITE_URGENT ||
	       a->kind == ACT_SHUTDOWN || a->kind == ACT_CLOSE;
}

/*
 * Since all was acknowledged, was there more to send than the smaller of two windows lets go? Each
 * write may be a segment of its own. An orphan does not tell its window.
 */
static bool uses_window(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	int first = d->scene, writes = 0;

	for (; first > 0; first--) {
		writes += act_sends(&e->act[first]);
		if (!d->is_counter && is_all_acked(e, stock, ours, first - 1))
			break;
	}
	for (int i = first; i <= d->scene; i++) {
		const struct scene *a = &stock->scene[i], *b = &ours->scene[i];
		int queued = (a->outq > b->outq ? a->outq : b->outq) / EPISODE_MSS + 1 + writes;
		uint32_t cwnd = a->cwnd < b->cwnd ? a->cwnd : b->cwnd;

		if (is_orphan(e, stock, i) || is_orphan(e, ours, i))
			return true;
		if (a->accepted && b->accepted && queued > (int)cwnd)
			return true;
	}
	return false;
}

/*
 * xtcp stops earlier to open a window that is not used up, from the first ACK of payload on.
 * After a loss, a window probe or a pause the windows may differ in either direction.
 */
static bool window_differs_once(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	bool acked = false, other = false;

	for (int i = 0; i <= d->scene; i++) {
		const struct scene *a = &stock->scene[i], *b = &ours->scene[i];
		const struct act *act = &e->act[i];

		if (act->kind == ACT_SEGMENT) {
			acked |= act->flags & ACK && seq_before(1, b->ack);
			other |= act->ack < 0 || act->wnd >= 0;
		}
		other |= act->pause_ms >= 200 || resends(stock, i, i) || resends(ours, i, i);
		/* An orphan does not tell its window. */
		if (acked && is_orphan(e, stock, i) && resends(stock, 0, i) && resends(ours, 0, i))
			return true;
		if (a->accepted && b->accepted &&
		    ((acked && b->cwnd < a->cwnd) || (other && b->cwnd != a->cwnd)))
			return true;
	}
	return false;
}

static bool window_differs(const struct episode *e, const struct difference *d,
			   const struct transcript *stock, const struct transcript *ours)
{
	return window_differs_once(e, d, stock, ours) && uses_window(e, d, stock, ours);
}

static bool delivers_by_growth(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	return window_differs(e, d, stock, ours) && acks_other_data(d, stock, ours);
}

#define NO_THRESHOLD 0x7fffffff		/* nothing was lost yet */

static uint32_t sent_end(const struct transcript *t, int scene)
{
	uint32_t end = 0;

	for (int i = 0; i <= scene; i++)
		for (int j = 0; j < t->scene[i].said_n; j++) {
			const struct said *h = &t->scene[i].said[j];

			if (h->len && seq_before(end, h->seq + h->len))
				end = h->seq + h->len;
		}
	return end;
}

/* Does the ACK of a scene acknowledge so much that the window passes this threshold? */
static bool passes(const struct transcript *t, int scene, uint32_t ssthresh)
{
	uint32_t before = scene ? t->scene[scene - 1].ack : 0;
	uint32_t after = t->scene[scene].ack;

	return seq_before(before, after) && (after - before) / 988 + 1 > ssthresh;
}

/* Have both left slow start at the same threshold? */
static bool follow_curves(const struct episode *e, const struct difference *d,
			  const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 0; i <= d->scene && e->cubic; i++) {
		const struct scene *a = &stock->scene[i], *b = &ours->scene[i];

		if (a->accepted && b->accepted && a->ssthresh == b->ssthresh &&
		    a->ssthresh < NO_THRESHOLD &&
		    (b->cwnd >= b->ssthresh || passes(ours, i, b->ssthresh)))
			return true;
	}
	return false;
}

/* Since then one has sent a segment more. */
static bool has_other_curve(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	uint32_t more = sent_end(ours, d->scene) - sent_end(stock, d->scene);

	return more && more + 1000 <= 2000 && follow_curves(e, d, stock, ours);
}

/*
 * An skb of one segment is not acknowledged in part; of a larger one, some segments are. Has an
 * ACK of a part come where cwnd differed, and so the skbs?
 */
static bool acks_a_part_of_others(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].ack < 0 &&
		    stock->scene[i - 1].accepted && ours->scene[i - 1].accepted &&
		    stock->scene[i - 1].cwnd != ours->scene[i - 1].cwnd)
			return true;
	return false;
}

static bool delivers_by_curve(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	return follow_curves(e, d, stock, ours) &&
	       (acks_other_data(d, stock, ours) || acks_a_part_of_others(e, d, stock, ours));
}

/* After a timeout an ACK ends within a segment. The window grows by what it acknowledges. */
static bool grows_by_part(const struct episode *e, const struct difference *d,
			  const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0 && is_recent(e, d, i); i--) {
		const struct act *a = &e->act[i];

		if (e->cubic && a->kind == ACT_SEGMENT && a->flags & ACK && a->ack < 0)
			return resends(stock, 0, i - 1) && resends(ours, 0, i - 1);
	}
	return false;
}

/* Both have reduced. An orphan does not tell. */
static bool has_lower_threshold(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && uses_window(e, d, stock, ours); i--) {
		const struct scene *a = &stock->scene[i], *b = &ours->scene[i];

		if (a->accepted && b->accepted ?
		    b->ssthresh < a->ssthresh && a->ssthresh < NO_THRESHOLD :
		    is_orphan(e, stock, i) && resends(stock, i, i))
			return true;
	}
	return false;
}

static bool has_other_window(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	return has_lower_threshold(e, d, stock, ours) && window_differs(e, d, stock, ours);
}

static bool delivers_by_window(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	if (!has_other_window(e, d, stock, ours))
		return false;
	/* An skb of one segment is not acknowledged in part; of a larger one, some segments are. */
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].ack < 0)
			return true;
	return acks_other_data(d, stock, ours);
}

/* Other skbs than those of the kernel's TCP were divided anew for a smaller MTU. */
static bool divides_others(const struct episode *e, const struct difference *d,
			   const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (has_small_mtu(e, i))
			return has_other_window(e, d, stock, ours);
	return false;
}

/* The path's MTU shrinks after a timeout. */
static bool shrinks_after_timeout(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	bool again = false;

	for (int i = 0; i <= d->scene; i++) {
		if (again && has_small_mtu(e, i))
			return !episode_has_knob(e, "frto");
		again |= resends(stock, i, i);
	}
	return false;
}

/* So that a segment waits for an ACK. An orphan does not tell its window. */
static bool has_smaller_window(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	return (ours->scene[d->scene].cwnd < stock->scene[d->scene].cwnd ||
		!stock->scene[d->scene].accepted) &&
	       has_lower_threshold(e, d, stock, ours);
}

/*
 * Linux leaves recovery only with an ACK beyond it, and does not wait for an ACK in it. After the
 * next timeout both stacks recover again, and nobody tells the phase before.
 */
static bool has_left_recovery(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	if (has_sack(e))
		return false;
	for (int i = d->scene; i >= 0; i--) {
		if (stock->scene[i].recovery >= TCP_CA_Recovery &&
		    ours->scene[i].recovery == TCP_CA_Open && resends(ours, 0, i))
			return true;
		if (!strcmp(d->what, "TCPLossFailures") && resends(stock, i, i))
			return true;
		/* The end of the recovery and the next timeout are in one scene. */
		if (i && stock->scene[i].ack == sent_end(stock, i - 1) && resends(stock, 0, i - 1) &&
		    resends(stock, i, i) && resends(ours, i, i))
			return true;
		/* Of an orphan nobody tells the phase. */
		if (d->is_counter && i && is_orphan(e, stock, i) &&
		    stock->scene[i].ack == sent_end(stock, i - 1) && resends(stock, 0, i - 1))
			return true;
	}
	return false;
}

/* The next timestamp comes after xtcp has sent a segment for which Linux waits. */
static bool has_left_and_sends(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && is_recent(e, d, i); i--)
		if (seq_before(sent_end(stock, i), sent_end(ours, i)))
			return has_left_recovery(e, d, stock, ours);
	return false;
}

static bool ends_within_segment(const struct transcript *t, int scene)
{
	uint32_t ack = t->scene[scene].ack;

	for (int i = 0; i <= scene; i++)
		for (int j = 0; j < t->scene[i].said_n; j++) {
			const struct said *h = &t->scene[i].said[j];

			if (h->len && seq_before(h->seq, ack) &&
			    seq_before(ack, h->seq + h->len + !!(h->flags & FIN)))
				return true;
		}
	return false;
}

/* Does an ACK end within a segment, or report as a duplicate what it acknowledges? */
static bool is_part(const struct episode *e, const struct transcript *stock,
		    const struct transcript *ours, int scene)
{
	const struct act *a = &e->act[scene];

	return a->kind == ACT_SEGMENT && a->ack < 0 &&
	       (ends_within_segment(stock, scene) || ends_within_segment(ours, scene) ||
		(a->sacks && a->sack[0].end <= a->ack));
}

static bool acks_a_part(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && has_sack(e); i--)
		if (is_part(e, stock, ours, i) &&
		    (e->act[i].sacks || !strcmp(d->what, "TCPSACKReorder")))
			return true;
	return false;
}

static bool has_recent_part(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && has_sack(e); i--) {
		if (is_part(e, stock, ours, i) && e->act[i].sacks)
			return true;
		if (!is_recent(e, d, i))
			break;
	}
	return false;
}

/* Was a segment above an ACK sent at another time than one below it? */
static bool has_other_time_above(const struct transcript *t, int scene)
{
	const struct said *above, *below;
	int where = scene, said = 0;

	while ((above = last_text(t, &where, &said))) {
		int before = where, n = said;

		if (seq_before(above->seq, t->scene[scene].ack))
			continue;
		while ((below = last_text(t, &before, &n)))
			if (seq_before(below->seq, t->scene[scene].ack) &&
			    llabs(above->at_us - below->at_us) >= 5000)
				return true;
	}
	return false;
}

/* An ACK with SACK blocks, which report segments of another time than it acknowledges. */
static bool has_two_round_trips(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	if (!has_sack(e))
		return false;
	for (int i = d->scene; i >= 0 && is_recent(e, d, i); i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].sacks && has_other_time_above(stock, i))
			return true;
	return false;
}

/*
 * Did the first segment with this acknowledgement advance it, and do all since then have the same
 * number and window, and nothing else? Then both stacks count the same duplicates.
 */
static bool is_plain_run(const struct episode *e, const struct transcript *t, int scene)
{
	const struct scene *s = &t->scene[scene];
	bool run = true;

	for (int i = scene - 1; i >= 0; i--) {
		const struct act *a = &e->act[i];

		if (a->kind != ACT_SEGMENT)
			continue;
		run &= t->scene[i].ack == s->ack;
		if (!run && !seq_before(t->scene[i].ack, s->ack))
			return false;
		if (run && ((a->flags & ~PSH) != ACK || a->len || a->stamp != STAMP_NOW ||
			    a->wnd != e->act[scene].wnd || t->scene[i].seq != s->seq))
			return false;
	}
	return true;
}

static bool act_is_ahead(const struct act *a)
{
	return a->seq > 0 && !a->len;
}

static bool act_is_duplicate(const struct act *a)
{
	return a->ack < 0 && !a->len;
}

/* Linux takes an ACK with another sequence number for news of the window. */
static bool has_ack_ahead(const struct episode *e, const struct difference *d,
			  const struct transcript *stock, const struct transcript *ours)
{
	if (has_sack(e))
		return false;
	/* Or with the same one as the segment before, which brought payload, or was the SYN. */
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && act_is_duplicate(&e->act[i]) &&
		    !is_plain_run(e, ours, i))
			return true;
	return any_recent(e, d, act_is_ahead);
}

/* xtcp takes it for an arrival, which makes room for another segment. */
static bool has_recent_duplicate(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && !has_sack(e); i--) {
		if (e->act[i].kind == ACT_SEGMENT && act_is_duplicate(&e->act[i]) &&
		    !is_plain_run(e, ours, i))
			return true;
		if (!is_recent(e, d, i))
			break;
	}
	return false;
}

static bool act_tells_a_hole(const struct act *a)
{
	return a->ack < 0;
}

/* Were segments that an ACK does not acknowledge, or only in part, sent at different times? */
static bool sent_apart(const struct transcript *t, int scene)
{
	int where = scene, said = 0;
	int64_t last_us = -1;
	const struct said *h;

	while ((h = last_text(t, &where, &said))) {
		if (!seq_before(t->scene[scene].ack, h->seq + h->len + !!(h->flags & (SYN | FIN))))
			continue;
		if (last_us >= 0 && h->at_us != last_us)
			return true;
		last_us = h->at_us;
	}
	return false;
}

/* Segments sent at different times may be lost: each has its own timer in xtcp. */
static bool is_reordering_timer(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	if (!has_sack(e) || episode_has_knob(e, "recovery"))
		return false;
	for (int i = d->scene; i >= 0 && is_recent(e, d, i); i--)
		if (e->act[i].kind == ACT_SEGMENT && act_tells_a_hole(&e->act[i]))
			return sent_apart(ours, i) && resends(ours, i, d->scene);
	return false;
}

#endif
