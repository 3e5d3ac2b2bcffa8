/* SPDX-License-Identifier: GPL-2.0 */
/* meant_loss: losses, recoveries and the congestion window; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_LOSS_H
#define SELFTESTS_HOSTILE_MEANT_LOSS_H

#include "meant.h"

static bool window_differs(const struct episode *e, const struct difference *d,
			   const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (ours->scene[i].cwnd != stock->scene[i].cwnd)
			return true;
	return false;
}

static bool has_lower_threshold(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (ours->scene[i].ssthresh < stock->scene[i].ssthresh ||
		    /* An orphan does not tell. */
		    (!stock->scene[i].accepted && resends(stock, i, i)))
			return true;
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
		if (ours->scene[i].recovery < stock->scene[i].recovery)
			return true;
		if (!strcmp(d->what, "TCPLossFailures") && resends(stock, i, i))
			return true;
	}
	return false;
}

/* Does an ACK end within a segment and report what is behind, or before, as a block? */
static bool acks_a_part(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && has_sack(e); i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].ack < 0 &&
		    (e->act[i].sacks || !strcmp(d->what, "TCPSACKReorder")))
			return true;
	return false;
}

static bool act_acks_a_part(const struct act *a)
{
	return a->ack < 0 && a->sacks;
}

static bool has_recent_part(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	return has_sack(e) && any_recent(e, d, act_acks_a_part);
}

/* Was a segment above an ACK sent later than one below it? */
static bool has_later_above(const struct transcript *t, int scene)
{
	const struct said *above, *below;
	int where = scene, said = 0;

	while ((above = last_text(t, &where, &said))) {
		int before = where, n = said;

		if (seq_before(above->seq, t->scene[scene].ack))
			continue;
		while ((below = last_text(t, &before, &n)))
			if (seq_before(below->seq, t->scene[scene].ack) &&
			    above->at_us - below->at_us >= 5000)
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
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].sacks && has_later_above(stock, i))
			return true;
	return false;
}

static bool act_is_ahead(const struct act *a)
{
	return a->seq > 0 && !a->len;
}

/* Linux takes an ACK with another sequence number for news of the window. */
static bool has_ack_ahead(const struct episode *e, const struct difference *d,
			  const struct transcript *stock, const struct transcript *ours)
{
	if (has_sack(e))
		return false;
	/* Or with the same one as the segment before, which brought payload, or was the SYN. */
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].ack < 0 && !e->act[i].len)
			return true;
	return any_recent(e, d, act_is_ahead);
}

static bool act_is_duplicate(const struct act *a)
{
	return a->ack < 0 && !a->len;
}

/* xtcp takes it for an arrival, which makes room for another segment. */
static bool has_recent_duplicate(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	return !has_sack(e) && any_recent(e, d, act_is_duplicate);
}

static bool act_tells_a_hole(const struct act *a)
{
	return a->ack < 0;
}

/* Segments sent at different times may be lost: each has its own timer in xtcp. */
static bool is_reordering_timer(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	if (!has_sack(e) || episode_has_knob(e, "recovery"))
		return false;
	for (int i = d->scene; i >= 0 && is_recent(e, d, i); i--)
		if (e->act[i].kind == ACT_SEGMENT && act_tells_a_hole(&e->act[i]))
			return resends(ours, i, d->scene);
	return false;
}

#endif
