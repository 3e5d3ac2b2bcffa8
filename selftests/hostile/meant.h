/* SPDX-License-Identifier: GPL-2.0 */
/*
 * meant: what has to be so in an episode for a difference between the stacks to be one on
 * purpose: a function for each row of hostile/differ's table, which has the reasons by
 * headings of wire.rst. Each looks at the episode @e, the difference @d that was found,
 * and what the kernel's TCP (@stock) and xtcp (@ours) did up to it.
 */
#ifndef SELFTESTS_HOSTILE_MEANT_H
#define SELFTESTS_HOSTILE_MEANT_H

#include "lib/episode.h"
#include "lib/transcript.h"

/* Is the scene one of those that were compared last? After it there was no settled pause. */
static bool is_recent(const struct episode *e, const struct difference *d, int scene)
{
	for (; scene < d->scene; scene++)
		if (e->act[scene].pause_ms >= 250 && !d->is_counter)
			return false;
	return true;
}

/* The same, or the one before them. */
static bool any_recent(const struct episode *e, const struct difference *d,
		       bool (*is)(const struct act *a))
{
	for (int i = d->scene; i >= 0; i--) {
		if (e->act[i].kind == ACT_SEGMENT && is(&e->act[i]))
			return true;
		if (!is_recent(e, d, i))
			break;
	}
	return false;
}

/* Does the peer offer SACK, and the kernel accept it? Rows of episode_syn_options(). */
static bool has_sack(const struct episode *e)
{
	return (e->syn == 1 || e->syn == 2) && !episode_has_knob(e, "sack");
}

static bool is_stamped(const struct episode *e)
{
	return e->syn >= 2 && !episode_has_knob(e, "timestamps");
}

static bool act_acks_unsent(const struct act *a)
{
	return a->ack > 0;
}

static bool acks_the_unsent(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	/* Its timestamp is what the peer echoes from then on. */
	if (!strcmp(d->what, "time"))
		for (int i = 0; i < d->scene; i++)
			if (e->act[i].kind == ACT_SEGMENT && act_acks_unsent(&e->act[i]))
				return true;
	return any_recent(e, d, act_acks_unsent);
}

static bool act_has_no_flag(const struct act *a)
{
	return !(a->flags & (ACK | RST | SYN));
}

static bool is_without_ack(const struct episode *e, const struct difference *d,
			   const struct transcript *stock, const struct transcript *ours)
{
	/* The peer echoes the timestamp of the answer from then on: another round trip time. */
	if (!strcmp(d->what, "time") && is_stamped(e))
		for (int i = 0; i <= d->scene; i++)
			if (e->act[i].kind == ACT_SEGMENT && act_has_no_flag(&e->act[i]))
				return true;
	return any_recent(e, d, act_has_no_flag);
}

/* After its FIN the peer goes on, perhaps with other bytes for the FIN's number. */
static bool goes_on_after_fin(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	bool fin = false;

	for (int i = 0; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		if (fin && a->kind == ACT_SEGMENT && (a->len || a->flags & (FIN | URG)))
			return true;
		fin |= a->kind == ACT_SEGMENT && a->flags & FIN;
	}
	return false;
}

static bool is_reset_beside(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	bool closed = false;

	for (int i = 0; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		if (closed && a->kind == ACT_SEGMENT && a->flags & RST)
			return true;
		closed |= !ours->scene[i].accepted;
	}
	return false;
}

static bool window_differs(const struct episode *e, const struct difference *d,
			   const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (ours->scene[i].cwnd != stock->scene[i].cwnd)
			return true;
	return false;
}

/* Has the program set an option, as episode_act_text() says it, before the end of a scene? */
static bool has_setting(const struct episode *e, int scene, const char *option)
{
	char text[64];

	for (int i = 0; i <= scene; i++)
		if (e->act[i].kind == ACT_SET &&
		    strstr(episode_act_text(&e->act[i], text, sizeof(text)), option))
			return true;
	return false;
}

/* The peer's FIN has come with its ACK of ours. */
static bool is_linger2_and_fin(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	return has_setting(e, d->scene, "LINGER2 -1") &&
	       stock->scene[d->scene].state == ST_CLOSED &&
	       ours->scene[d->scene].state == ST_TIME_WAIT;
}

static bool is_linger2(const struct episode *e, const struct difference *d,
		       const struct transcript *stock, const struct transcript *ours)
{
	return ours->scene[d->scene].state == ST_CLOSED && !ours->scene[d->scene].accepted;
}

static bool is_half_open(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	/* Beside the socket of an earlier connection, which has ended. */
	if (ours->scene[d->scene].state == ST_CLOSED)
		for (int i = d->scene; i >= 0; i--)
			for (int j = 0; j < ours->scene[i].said_n; j++)
				if ((ours->scene[i].said[j].flags & (SYN | ACK)) == (SYN | ACK))
					return !e->active && i > 0;
	/* It may have opened since, without a settled pause. */
	for (int i = d->scene; i >= 0; i--) {
		if (i < d->scene && e->act[i].pause_ms >= 250)
			break;
		if (i && stock->scene[i - 1].state == ST_HALF_OPEN && ours->scene[i - 1].state == ST_HALF_OPEN)
			return true;
	}
	return stock->scene[d->scene].state == ST_HALF_OPEN &&
	       ours->scene[d->scene].state == ST_HALF_OPEN;
}

/* An ACK has come to the half-open connection, and another segment has opened it. */
static bool is_opened_later(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i < d->scene; i++) {
		const struct act *a = &e->act[i];

		if (!e->active && a->kind == ACT_SEGMENT && a->flags & ACK &&
		    ours->scene[i - 1].state == ST_HALF_OPEN &&
		    ours->scene[i].state == ST_HALF_OPEN)
			return ours->scene[d->scene].state != ST_HALF_OPEN;
	}
	return false;
}

/* An ACK that was overtaken, as far as it tells, brings SACK blocks. */
static bool has_old_sack(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].sacks && e->act[i].ack < 0)
			return true;
	return false;
}

/* Has the peer sent some of the payload of an act before? */
static bool repeats_payload(const struct episode *e, const struct transcript *t, int scene)
{
	uint32_t seq = t->scene[scene].seq, end = seq + e->act[scene].len;

	for (int i = 0; i < scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && seq_before(t->scene[i].seq, end) &&
		    seq_before(seq, t->scene[i].seq + e->act[i].len))
			return true;
	return false;
}

/* The last ACK up to a scene; one that says nothing if there is none. */
static const struct said *last_ack(const struct transcript *t, int scene)
{
	static const struct said none;

	for (; scene >= 0; scene--)
		for (int i = t->scene[scene].said_n - 1; i >= 0; i--)
			if ((t->scene[scene].said[i].flags & (ACK | RST)) == ACK)
				return &t->scene[scene].said[i];
	return &none;
}

/* Payload that was received before, or lies before all, comes: the next ACK reports it. */
static bool has_old_payload(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0 && is_recent(e, d, i); i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].len &&
		    (seq_before(ours->scene[i].seq, last_ack(ours, i - 1)->ack) ||
		     repeats_payload(e, ours, i)))
			return true;
	return false;
}

/* A FIN that lies below RCV.NXT. */
static bool has_old_fin(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].seq < 0 && e->act[i].flags & FIN)
			return true;
	return false;
}

/* Did the peer acknowledge other data, because other data was in flight then? */
static bool acks_other_data(const struct difference *d, const struct transcript *stock,
			    const struct transcript *ours)
{
	for (int i = 0; i <= d->scene; i++)
		if (stock->scene[i].ack != ours->scene[i].ack)
			return true;
	return false;
}

/* Payload that was received before brings the ACK of our FIN after close(). */
static bool is_old_payload_then(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	return ours->scene[d->scene].state == ST_ORPHAN_FIN_WAIT_2 &&
	       has_old_payload(e, d, stock, ours);
}

/* The number behind the window of a peer's segment. */
static uint32_t window_end(const struct episode *e, const struct transcript *t, int scene)
{
	const struct act *a = &e->act[scene];
	bool scaled = e->syn == 2 && !(a->flags & SYN) && !episode_has_knob(e, "window_scaling");

	return t->scene[scene].ack + (a->wnd << (scaled ? 4 : 0));
}

static bool fills_window(const struct episode *e, const struct transcript *t, int scene,
			 const struct said *h)
{
	int mss = 1000 - 12 * is_stamped(e);

	for (int i = 0; i <= scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].wnd > 0 && h->len && h->len < mss &&
		    h->seq + h->len == window_end(e, t, i))
			return true;
	return false;
}

/* One stack has sent a part of a segment, up to the end of a small window. */
static bool has_small_window(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 0; i <= d->scene; i++) {
		for (int j = 0; j < stock->scene[i].said_n; j++)
			if (fills_window(e, stock, i, &stock->scene[i].said[j]))
				return true;
		for (int j = 0; j < ours->scene[i].said_n; j++)
			if (fills_window(e, ours, i, &ours->scene[i].said[j]))
				return true;
	}
	return false;
}

static const struct said *first_reset(const struct transcript *t, int scene)
{
	for (int i = 0; i < t->scene[scene].said_n; i++)
		if (t->scene[scene].said[i].flags & RST)
			return &t->scene[scene].said[i];
	return NULL;
}

/* A RST, and the peer's window ends less than one unit of its scale before what was sent. */
static bool is_reset_beyond_window(const struct episode *e, const struct difference *d,
				   const struct transcript *stock, const struct transcript *ours)
{
	bool small = false;

	for (int i = 0; i <= d->scene && e->syn >= 2; i++) {
		const struct said *a = first_reset(stock, i), *b = first_reset(ours, i);

		small |= e->act[i].kind == ACT_SEGMENT && e->act[i].wnd >= 0;
		if (small && a && b && a->seq != b->seq && a->seq - b->seq < 128)
			return true;
	}
	return false;
}

static bool delivers_by_small_window(const struct episode *e, const struct difference *d,
				     const struct transcript *stock, const struct transcript *ours)
{
	return has_small_window(e, d, stock, ours) && acks_other_data(d, stock, ours);
}

/* The peer's window is small, and a FIN is to be sent. */
static bool has_fin_beyond_window(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	bool small = false, fin = false;

	for (int i = d->scene; i >= 0; i--) {
		const struct act *a = &e->act[i];

		small |= a->kind == ACT_SEGMENT && a->wnd >= 0;
		fin |= a->kind == ACT_CLOSE || (a->kind == ACT_SHUTDOWN && a->what);
	}
	return small && fin;
}

/* Urgent data came in a segment that ended the connection. */
static bool is_urgent_at_the_end(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	if (!strcmp(d->what, "errno") && e->act[d->scene].kind != ACT_READ_URGENT)
		return false;
	if (stock->scene[d->scene].state != ST_CLOSED ||
	    (stock->scene[d->scene].poll ^ ours->scene[d->scene].poll) & ~(POLLPRI | POLLOUT))
		return false;
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & URG)
			return true;
	return false;
}

/* The last segment with payload, SYN or FIN before the @said of @scene that is left out; or NULL. */
static const struct said *last_text(const struct transcript *t, int *scene, int *said)
{
	for (; *scene >= 0; --*scene, *said = *scene < 0 ? 0 : t->scene[*scene].said_n)
		while (--*said >= 0) {
			const struct said *h = &t->scene[*scene].said[*said];

			if (h->len || h->flags & (SYN | FIN))
				return h;
		}
	return NULL;
}

/* Is the last segment with payload, SYN or FIN up to a scene one that was sent before? */
static bool ends_with_retransmission(const struct transcript *t, int scene)
{
	int said = t->scene[scene].said_n;
	const struct said *last = last_text(t, &scene, &said), *before;

	before = last ? last_text(t, &scene, &said) : NULL;
	return before && before->seq == last->seq && before->flags == last->flags;
}

/* Does a stack send something again in those scenes? */
static bool resends(const struct transcript *t, int first, int last)
{
	uint32_t nxt = 0;

	for (int i = 0; i <= last; i++) {
		for (int j = 0; j < t->scene[i].said_n; j++) {
			const struct said *h = &t->scene[i].said[j];
			uint32_t len = h->len + !!(h->flags & (SYN | FIN));

			if (h->icmp || h->flags & RST)
				continue;
			if (i >= first && len && seq_before(h->seq, nxt))
				return true;
			if (seq_before(nxt, h->seq + len))
				nxt = h->seq + len;
		}
	}
	return false;
}

/* With a TCP_USER_TIMEOUT one stack has given up before a call. */
static bool has_given_up(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	return has_setting(e, d->scene, "USER_TIMEOUT") &&
	       (stock->scene[d->scene].state == ST_CLOSED ||
		ours->scene[d->scene].state == ST_CLOSED);
}

/* One stack has given up, and the other would at its next timeout. */
static bool gives_up_earlier(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	const struct scene *a = &stock->scene[d->scene], *b = &ours->scene[d->scene];

	if (b->state == ST_CLOSED && has_setting(e, d->scene, "USER_TIMEOUT"))
		return true;
	return (a->state == ST_CLOSED || b->state == ST_CLOSED) &&
	       (ends_with_retransmission(stock, d->scene) || ends_with_retransmission(ours, d->scene));
}

static bool act_is_fin(const struct act *a)
{
	return a->flags & FIN;
}

static bool act_is_old(const struct act *a)
{
	return a->seq < 0;
}

/* An urgent pointer below RCV.NXT comes at the same time as payload. */
static bool has_old_urgent_behind(const struct episode *e, int scene)
{
	bool behind = false;

	for (int i = 0; i <= scene; i++) {
		const struct act *a = &e->act[i];

		if (a->kind == ACT_SEGMENT) {
			if (behind && act_is_old(a) && a->flags & URG)
				return true;
			behind |= a->len;
		}
		behind &= !a->pause_ms;
	}
	return false;
}

/* Another timestamp, or none, comes at the same time as payload, before xtcp acknowledges this. */
static bool has_other_stamp_behind(const struct episode *e, int scene)
{
	const struct act *payload = NULL;

	for (int i = 0; i <= scene; i++) {
		const struct act *a = &e->act[i];

		if (a->kind == ACT_SEGMENT && payload && payload->stamp != a->stamp)
			return true;
		if (a->kind == ACT_SEGMENT && a->len)
			payload = a;
		if (a->pause_ms)
			payload = NULL;
	}
	return false;
}

/*
 * Two segments that lie below RCV.NXT, the first of them just behind payload or a FIN: a stack
 * that has not acknowledged this yet accepts it. To the second, soon after, the other one says
 * nothing.
 */
static bool has_two_old_ones(const struct episode *e, const struct transcript *t, int scene)
{
	const struct act *a = e->act;
	int64_t first_us = INT64_MIN;
	bool behind = false;

	for (int i = 0; i <= scene; i++) {
		bool old = a[i].kind == ACT_SEGMENT && act_is_old(&a[i]);

		if (old && t->scene[i].begin_us - first_us <= 500000)
			return true;
		if (old && behind)
			first_us = t->scene[i].begin_us;
		if (a[i].kind == ACT_SEGMENT)
			behind = a[i].len || a[i].flags & FIN;
		behind &= !a[i].pause_ms;
	}
	return false;
}

/*
 * A RST has come before the ACK was due; or another segment has come before Linux acknowledged a
 * FIN, and was too far ahead to give its timestamp; or before xtcp acknowledged payload, and so
 * was not old yet, or gave no timestamp.
 */
static bool is_before_the_ack(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	/* Which timestamp is echoed stays so until another segment brings one. */
	if (!strcmp(d->what, "echoed timestamp"))
		for (int i = 0; i <= d->scene; i++)
			if (e->act[i].kind == ACT_SEGMENT && act_is_fin(&e->act[i]))
				return true;
	if (!strcmp(d->what, "echoed timestamp") && has_other_stamp_behind(e, d->scene))
		return true;
	if ((!strcmp(d->what, "an ACK") || !strcmp(d->what, "echoed timestamp")) &&
	    has_two_old_ones(e, stock, d->scene))
		return true;
	if (!strcmp(d->what, "acknowledgement number") && has_other_stamp_behind(e, d->scene))
		return true;
	if (!strcmp(d->what, "DelayedACKLost") && any_recent(e, d, act_is_old))
		return true;
	if (!strcmp(d->what, "TCPChallengeACK") && any_recent(e, d, act_is_old))
		return true;
	return stock->scene[d->scene].state == ST_CLOSED && ours->scene[d->scene].state == ST_CLOSED;
}

/* How many milliseconds are between two acts? */
static int pause_between(const struct episode *e, int first, int last)
{
	int ms = 0;

	for (int i = first; i < last; i++)
		ms += e->act[i].pause_ms;
	return ms;
}

/* An act that brings nothing, and may be answered; no more than one in half a second is. */
static bool act_asks_for_ack(const struct act *a)
{
	return a->kind == ACT_SEGMENT && ((a->seq < 0 && !a->len) || a->ack < 0 || a->flags & SYN);
}

/*
 * A segment from before the last payload or FIN is old for the stack that has acknowledged that,
 * and its answer forbids the next one.
 */
static bool is_old_after_the_ack(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i < d->scene; i++) {
		bool text = false, next = false;

		if (e->act[i].kind != ACT_SEGMENT || e->act[i].seq >= 0 || e->act[i].len)
			continue;
		for (int j = 0; j < i; j++)
			text |= e->act[j].kind == ACT_SEGMENT && pause_between(e, j, i) <= 60 &&
				(e->act[j].len || e->act[j].flags & FIN);
		for (int j = i + 1; j <= d->scene; j++)
			next |= act_asks_for_ack(&e->act[j]) && pause_between(e, i, j) <= 500;
		if (text && next)
			return true;
	}
	return false;
}

static bool says_ack(const struct scene *s)
{
	for (int i = 0; i < s->said_n; i++)
		if ((s->said[i].flags & (ACK | RST)) == ACK)
			return true;
	return false;
}

/*
 * A timestamp ahead in the segment behind one with payload: Linux takes it, because it has
 * acknowledged the payload, and what follows is old.
 */
static bool is_ahead_before_the_ack(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i <= d->scene; i++) {
		if (e->act[i].kind != ACT_SEGMENT || e->act[i].stamp != STAMP_AHEAD)
			continue;
		for (int j = 0; j < i; j++)
			if (e->act[j].kind == ACT_SEGMENT && e->act[j].len &&
			    !pause_between(e, j, i))
				return true;
	}
	return false;
}

/*
 * Linux has acknowledged payload at once, because its window has grown. To xtcp the next segment
 * is not the first one after an ACK, which gives the timestamp.
 */
static bool acks_payload_later(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene - 1; i >= 0 && is_recent(e, d, i); i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].len &&
		    says_ack(&stock->scene[i]) && !says_ack(&ours->scene[i]))
			return true;
	return false;
}

/* So the urgent pointer counts in xtcp only. */
static bool is_urgent_before_the_ack(const struct episode *e, const struct difference *d,
				     const struct transcript *stock, const struct transcript *ours)
{
	return has_old_urgent_behind(e, d->scene);
}

static bool is_opened_by_syn_ack(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 0; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		/* With payload, accept() has returned it. */
		if (!e->active && a->kind == ACT_SEGMENT && (a->flags & (SYN | ACK)) == (SYN | ACK) &&
		    (stock->scene[i].state == ST_HALF_OPEN ||
		     stock->scene[i].state == ST_SYN_RECEIVED))
			return true;
	}
	return false;
}

/* The SYN-ACK was sent more than once: Linux remembers that until a recovery. */
static bool is_syn_ack_repeated(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	int n = 0;

	for (int i = 0; i < d->scene; i++)
		for (int j = 0; j < stock->scene[i].said_n; j++)
			n += (stock->scene[i].said[j].flags & (SYN | ACK)) == (SYN | ACK);
	return !e->active && n > 1;
}

/* The same, or beside the socket of an earlier connection, which has ended. */
static bool is_opened_beside(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	bool answered = false;

	if (is_opened_by_syn_ack(e, d, stock, ours))
		return true;
	for (int i = 1; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		if (stock->scene[i].state != ST_CLOSED)
			continue;
		if (answered && a->kind == ACT_SEGMENT && (a->flags & (SYN | ACK)) == (SYN | ACK))
			return !e->active;
		for (int j = 0; j < stock->scene[i].said_n; j++)
			answered |= (stock->scene[i].said[j].flags & (SYN | ACK)) == (SYN | ACK);
	}
	return false;
}

static bool is_simultaneous(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 0; e->active && i <= d->scene; i++) {
		if (stock->scene[i].state == ST_SYN_RECEIVED)
			return true;
		/* Or until it has given up. */
		for (int j = 0; j < stock->scene[i].said_n; j++)
			if ((stock->scene[i].said[j].flags & (SYN | ACK)) == (SYN | ACK))
				return true;
	}
	return false;
}

static bool acts_in_syn_received(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i <= d->scene; i++)
		if (e->active && stock->scene[i - 1].state == ST_SYN_RECEIVED &&
		    ((e->act[i].kind == ACT_SEGMENT && e->act[i].ack == -1) ||
		     e->act[i].kind == ACT_CLOSE ||
		     (e->act[i].kind == ACT_SHUTDOWN && e->act[i].what) ||
		     (e->act[i].kind == ACT_ICMP && !e->act[i].mtu)))
			return true;
	return false;
}

/* A new connection over TIME-WAIT has ended before it opened. */
static bool is_time_wait_again(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	if (stock->scene[d->scene].state != ST_CLOSED ||
	    ours->scene[d->scene].state != ST_TIME_WAIT)
		return false;
	for (int i = d->scene; i >= 0; i--)
		if (stock->scene[i].state == ST_HALF_OPEN && ours->scene[i].state == ST_HALF_OPEN)
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

static bool has_small_mtu(const struct episode *e, int scene)
{
	return e->act[scene].kind == ACT_ICMP && e->act[scene].mtu && e->act[scene].mtu < 1500;
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

/* So that a segment waits for an ACK. */
static bool has_smaller_window(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	return ours->scene[d->scene].cwnd < stock->scene[d->scene].cwnd &&
	       has_lower_threshold(e, d, stock, ours);
}

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

/* The same of an MTU, which so stays as it was. */
static bool keeps_mtu(const struct episode *e, const struct difference *d,
		      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (has_small_mtu(e, i) &&
		    (!ours->scene[i - 1].outq ||
		     last_len(ours, i) + 40 + 12 * is_stamped(e) <= e->act[i].mtu))
			return true;
	return false;
}

/* Linux makes room for SACK blocks beside payload. */
static bool has_sack_beside_payload(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		for (int j = 0; j < stock->scene[i].said_n; j++)
			if (stock->scene[i].said[j].sacks && stock->scene[i].said[j].len)
				return true;
	return false;
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

/* A write that more should follow, and since then no pause after which it was acknowledged. */
static bool has_held_data(const struct episode *e, const struct difference *d,
			  const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--) {
		if (e->act[i].kind == ACT_WRITE_MORE)
			return true;
		if (i < d->scene && e->act[i].pause_ms >= 250 && !stock->scene[i].outq)
			break;
	}
	return false;
}

/* The last value that an option was given, or 0. */
static int last_setting(const struct episode *e, int scene, const char *name)
{
	char text[64];

	for (; scene >= 0; scene--)
		if (e->act[scene].kind == ACT_SET &&
		    strstr(episode_act_text(&e->act[scene], text, sizeof(text)), name))
			return e->act[scene].value;
	return 0;
}

/* When the first segment with payload, SYN or FIN of a scene was sent; INT64_MAX if none was. */
static int64_t first_text_us(const struct scene *s)
{
	for (int i = 0; i < s->said_n; i++)
		if (s->said[i].len || s->said[i].flags & (SYN | FIN))
			return s->said[i].at_us;
	return INT64_MAX;
}

/* By more than a clock tick. */
static bool sends_earlier(int scene, const struct transcript *stock, const struct transcript *ours)
{
	return first_text_us(&ours->scene[scene]) + 10000 < first_text_us(&stock->scene[scene]);
}

/* ACKs have come while TCP_CORK held data back; timeouts count from when it was sent. */
static bool is_corked(const struct episode *e, const struct difference *d,
		      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (last_setting(e, i, "TCP_CORK") && sends_earlier(i, stock, ours))
			return true;
	return false;
}

static bool lies_within(const struct sack_block *inner, const struct sack_block *outer)
{
	return outer->left <= inner->left && inner->right <= outer->right;
}

static bool has_fin(const struct episode *e, int scene)
{
	for (int i = 0; i <= scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & FIN)
			return true;
	return false;
}

/* Only xtcp reports an overlap, or only Linux still has blocks beside the ACK of a FIN. */
static bool reports_overlap(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	const struct said *a = last_ack(stock, d->scene), *b = last_ack(ours, d->scene);

	if (d->is_counter) {
		for (int i = d->scene; i >= 0; i--)
			if (e->act[i].kind == ACT_SEGMENT && e->act[i].seq &&
			    (e->act[i].len || act_is_fin(&e->act[i])))
				return true;
		return false;
	}
	if (!b->sacks && has_fin(e, d->scene))
		return true;
	return b->sacks > 1 && b->sacks == a->sacks + 1 && lies_within(&b->sack[0], &b->sack[1]) &&
	       !memcmp(&b->sack[1], a->sack, a->sacks * sizeof(a->sack[0]));
}

static bool has_syn_after_fin(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & SYN && has_fin(e, i - 1))
			return true;
	return false;
}

/* Does an ACK end within a segment and report what is behind, or before, as a block? */
static bool acks_a_part(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
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
	return any_recent(e, d, act_acks_a_part);
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

/* A RST whose timestamp is old. */
static bool has_old_rst(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & RST && e->act[i].stamp == STAMP_OLD)
			return true;
	return false;
}

/* A timestamp ahead, and so the next segment's is old. */
static bool has_overtaken_ack(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].stamp == STAMP_AHEAD)
			return true;
	return false;
}

static bool says_urgent(const struct scene *s)
{
	for (int i = 0; i < s->said_n; i++)
		if (s->said[i].flags & URG)
			return true;
	return false;
}

/* Urgent data was sent, and there was no pause after which all was acknowledged. */
static bool has_urgent_write(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--) {
		if (i < d->scene && ours->scene[i].accepted && !ours->scene[i].outq &&
		    !stock->scene[i].outq)
			break;
		if (says_urgent(&stock->scene[i]) || says_urgent(&ours->scene[i]))
			return true;
	}
	return false;
}

static bool has_notsent_limit(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	return has_setting(e, d->scene, "NOTSENT_LOWAT");
}

/* A packet was too big, for Linux at least, which has sent at once. */
static bool has_too_big(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (has_small_mtu(e, i))
			return true;
	return false;
}

/* An ICMP error is remembered. */
static bool has_temporary_error(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
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

/* The urgent byte is behind the segment that announced it. */
static bool is_urgent_ahead(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	if ((stock->scene[d->scene].poll ^ ours->scene[d->scene].poll) != POLLPRI)
		return false;
	for (int i = d->scene; i >= 0; i--) {
		const struct act *a = &e->act[i];
		bool next = a->urg && !episode_has_knob(e, "stdurg");

		if (a->kind == ACT_SEGMENT && a->flags & URG && a->urg - next >= a->len)
			return true;
	}
	return false;
}

/* Something was sent again after the peer had closed its window. */
static bool has_closed_window(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && !e->act[i].wnd)
			return resends(ours, i, d->scene);
	return false;
}

/* Something was sent again behind a closed window, both before close() and after it. */
static bool is_closed_behind_window(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	bool closed = false;

	for (int i = 0; i <= d->scene; i++) {
		if (closed && e->act[i].kind == ACT_CLOSE)
			return resends(stock, i, d->scene);
		closed |= e->act[i].kind == ACT_SEGMENT && !e->act[i].wnd &&
			  resends(stock, i, i);
	}
	return false;
}

/* An ACK of this stack has just left before a write. */
static bool has_write_after_ack(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_WRITE)
			for (int j = i - 1; j >= 0 && !e->act[j].pause_ms; j--)
				if (e->act[j].kind == ACT_SEGMENT)
					return true;
	return false;
}

/* The number of a FIN is a part of what Linux reports. */
static bool is_fin_dsack(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	const struct said *a = last_ack(stock, d->scene), *b = last_ack(ours, d->scene);

	if (!has_fin(e, d->scene) || a->sacks != b->sacks)
		return false;
	for (int i = 0; i < a->sacks; i++)
		if (a->sack[i].left != b->sack[i].left ||
		    a->sack[i].right - b->sack[i].right > 1)
			return false;
	return true;
}

/*
 * The last segment of no length just before all that was sent: it probes a closed window. NULL if
 * there is none.
 */
static const struct said *last_probe(const struct transcript *t, int last)
{
	const struct said *probe = NULL;
	uint32_t nxt = 0;

	for (int i = 0; i <= last; i++) {
		for (int j = 0; j < t->scene[i].said_n; j++) {
			const struct said *h = &t->scene[i].said[j];

			if (!h->icmp && !h->len && !(h->flags & (SYN | FIN | RST)) &&
			    h->seq + 1 == nxt)
				probe = h;
			if (!h->icmp && !(h->flags & RST) &&
			    seq_before(nxt, h->seq + h->len + !!(h->flags & (SYN | FIN))))
				nxt = h->seq + h->len + !!(h->flags & (SYN | FIN));
		}
	}
	return probe;
}

static bool is_probed(const struct episode *e, const struct difference *d,
		      const struct transcript *stock, const struct transcript *ours)
{
	/* With a window of a byte the probe has that byte. */
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].wnd == 1)
			return true;
	return last_probe(ours, d->scene) || last_probe(stock, d->scene);
}

/*
 * A segment has come since the last probe: Linux counts from there when its timer is due, and at
 * once looks at TCP_USER_TIMEOUT, which has ended the connection.
 */
static bool is_probe_put_off(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	const struct said *probe = last_probe(ours, d->scene);

	if (!probe || stock->scene[d->scene].state != ST_CLOSED ||
	    !has_setting(e, d->scene, "USER_TIMEOUT"))
		return false;
	for (int i = d->scene; i >= 0 && ours->scene[i].begin_us > probe->at_us; i--)
		if (e->act[i].kind == ACT_SEGMENT)
			return true;
	return false;
}

/* A probe for an urgent pointer is a segment with SND.NXT, beside the other one. */
static bool is_urgent_probe(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	const struct said *a = last_probe(stock, d->scene), *b = last_probe(ours, d->scene);

	return (a && a->flags & URG) || (b && b->flags & URG);
}

/* A window that is open, but too small, after a timeout: Linux's first probe is later. */
static bool is_probe_after_timeout(const struct episode *e, const struct difference *d,
				   const struct transcript *stock, const struct transcript *ours)
{
	if (is_stamped(e) || !sends_earlier(d->scene, stock, ours) ||
	    !has_small_window(e, d, stock, ours))
		return false;
	for (int i = d->scene - 1; i >= 0; i--)
		if (ends_with_retransmission(stock, i))
			return true;
	return false;
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

/*
 * What Linux has just sent with SACK blocks is more segments than here: more of cwnd, and an ACK of
 * a part may be one of a whole one.
 */
static bool has_more_segments(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && is_recent(e, d, i); i--)
		for (int j = 0; j < stock->scene[i].said_n; j++)
			if (stock->scene[i].said[j].sacks && stock->scene[i].said[j].len)
				return true;
	return false;
}

#endif
