/* SPDX-License-Identifier: GPL-2.0 */
/* meant_icmp: ICMP errors, which may change the MTU; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_ICMP_H
#define SELFTESTS_HOSTILE_MEANT_ICMP_H

#include "meant.h"

/* Bytes of payload of the last segment before a scene. */
static int last_len(const struct transcript *t, int scene)
{
	while (--scene >= 0)
		if (t->scene[scene].said_n)
			return t->scene[scene].said[t->scene[scene].said_n - 1].len;
	return 0;
}

/* Nothing was in flight that the ICMP error could be about, or what it quotes was small. */
static bool quotes_what_has_arrived(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_ICMP &&
		    (!ours->scene[i - 1].outq ||
		     (e->act[i].mtu && last_len(ours, i) + 40 + 12 * is_stamped(e) <= e->act[i].mtu)))
			return true;
	return false;
}

static int largest_len(const struct scene *s)
{
	int largest = 0;

	for (int i = 0; i < s->said_n; i++)
		largest = s->said[i].len > largest ? s->said[i].len : largest;
	return largest;
}

/* All is acknowledged, and both have sent segments of one size, more than the small MTU lets go. */
static bool sends_alike(const struct episode *e, const struct transcript *stock,
			const struct transcript *ours, int scene)
{
	return is_all_acked(e, stock, ours, scene) && largest_len(&stock->scene[scene]) > 760 &&
	       largest_len(&stock->scene[scene]) == largest_len(&ours->scene[scene]);
}

/*
 * The same of an MTU, which so stays as it was. An orphan does not tell what is in flight; an error
 * may shorten its timeout.
 */
static bool keeps_mtu(const struct episode *e, const struct difference *d,
		      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--) {
		if (i < d->scene && !d->is_counter && sends_alike(e, stock, ours, i))
			break;
		if (has_small_mtu(e, i) &&
		    (!ours->scene[i - 1].outq ||
		     last_len(ours, i) + 40 + 12 * is_stamped(e) <= e->act[i].mtu))
			return true;
		if ((!strcmp(d->what, "time") || !strcmp(d->what, "number of segments")) &&
		    e->act[i].kind == ACT_ICMP && !e->act[i].mtu && is_orphan(e, ours, i - 1) &&
		    resends(stock, i, i))
			return true;
	}
	return false;
}

/*
 * So an ACK acknowledges a whole segment of Linux, which measures a round trip by it, and a part
 * of one here.
 */
static bool is_timed_by_part(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].ack < 0 &&
		    seq_before(0, ours->scene[i].ack))
			return keeps_mtu(e, d, stock, ours) &&
			       ends_with_retransmission(stock, d->scene) &&
			       ends_with_retransmission(ours, d->scene);
	return false;
}

/* A packet was too big, for Linux at least, which has sent at once. */
static bool has_too_big(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (has_small_mtu(e, i) && resends(stock, i, i))
			return true;
	return false;
}

/* An ICMP error is remembered, in Linux only, or longer than here. */
static const struct said *last_segment(const struct transcript *t, int scene)
{
	static const struct said none;

	while (--scene >= 0)
		for (int i = t->scene[scene].said_n - 1; i >= 0; i--)
			if (!t->scene[scene].said[i].icmp)
				return &t->scene[scene].said[i];
	return &none;
}

/* One stack has answered a segment, and the router quotes its answer, whose number is SND.NXT. */
static bool quotes_an_answer(const struct episode *e, const struct transcript *stock,
			     const struct transcript *ours, int scene)
{
	for (int i = scene; i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu)
			return last_segment(stock, i)->seq != last_segment(ours, i)->seq;
	return false;
}

/* One of the ICMP errors quotes xtcp's answer to an ACK of what was never sent. */
static bool has_quoted_answer(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	bool unsent = false;

	for (int i = 0; i <= d->scene; i++) {
		unsent |= e->act[i].kind == ACT_SEGMENT && act_acks_unsent(&e->act[i]);
		if (unsent && e->act[i].kind == ACT_ICMP && !e->act[i].mtu &&
		    last_segment(stock, i)->seq != last_segment(ours, i)->seq)
			return true;
	}
	return false;
}

/* Only the one that quotes SND.UNA shortens a timeout (RFC 6069). */
static bool is_timed_by_quote(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	return has_quoted_answer(e, d, stock, ours) && resends(stock, 0, d->scene) &&
	       resends(ours, 0, d->scene);
}

/* After a timeout, Linux takes what it resends for a smaller MTU for another timeout, too. */
static bool has_smaller_mtu_after_timeout(const struct episode *e, const struct difference *d,
					  const struct transcript *stock,
					  const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (has_small_mtu(e, i) && resends(stock, i, i) && resends(ours, i, i))
			return resends(stock, 0, i - 1) && resends(ours, 0, i - 1);
	return false;
}

static bool has_temporary_error(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	const struct scene *s = &stock->scene[d->scene], *o = &ours->scene[d->scene];

	/* With the last timeout, which the error has shortened, Linux ends before it keeps it. */
	for (int i = d->scene - 1; i > 0 && s->error == ETIMEDOUT; i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu &&
		    stock->scene[i - 1].state != ST_CLOSED && stock->scene[i].state == ST_CLOSED)
			return true;
	/* It shows in SO_ERROR, or in a call that fails in both. */
	if (quotes_an_answer(e, stock, ours, d->scene) || has_quoted_answer(e, d, stock, ours))
		return true;
	if (e->act[d->scene].kind == ACT_GET_ERROR ? o->result && o->result != ETIMEDOUT :
	    s->result >= 0 || o->result >= 0 || (o->error != ETIMEDOUT && o->error != EAGAIN))
		return false;
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu)
			return true;
	return false;
}

/*
 * An error that shortens the timeout, and a D-SACK at the same time: Linux has sent again before it
 * arrives, and so believes it.
 */
static bool has_dsack_beside_icmp(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene - 1; i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu && !e->act[i].pause_ms &&
		    e->act[i + 1].kind == ACT_SEGMENT && e->act[i + 1].sacks)
			return resends(stock, i, i) && !resends(ours, i, i);
	return false;
}

/*
 * The same, and at the same time a second such error, which finds other segments in flight, or an
 * option for timeouts.
 */
static bool has_two_errors(const struct episode *e, const struct difference *d,
			   const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene - 1; i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu && !e->act[i].pause_ms &&
		    ((e->act[i + 1].kind == ACT_ICMP && !e->act[i + 1].mtu) ||
		     e->act[i + 1].kind == ACT_SET))
			return resends(stock, i, i) && !resends(ours, i, i);
	return false;
}

/* The same, but the error has ended connect(). */
static bool has_end_of_connect(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu &&
		    stock->scene[i - 1].state == ST_SYN_SENT &&
		    stock->scene[i].state == ST_CLOSED && ours->scene[i].state == ST_CLOSED)
			return resends(stock, i, i) && !resends(ours, i, i);
	return false;
}

/* The same, and at the same time a segment that acknowledges what Linux has sent again before. */
static bool has_ack_beside_icmp(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene - 1; i > 0 && is_recent(e, d, i); i--)
		if (e->act[i].kind == ACT_ICMP && !e->act[i].mtu && !e->act[i].pause_ms &&
		    e->act[i + 1].kind == ACT_SEGMENT && e->act[i + 1].flags & ACK)
			return resends(stock, i, i) && !resends(ours, i, i);
	return false;
}

/* Linux has measured a longer round trip by what it has sent for a smaller MTU. */
static bool has_other_timeout(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (has_small_mtu(e, i))
			return is_stamped(e) && ends_with_retransmission(stock, d->scene) &&
			       ends_with_retransmission(ours, d->scene);
	return false;
}

#endif
