/* SPDX-License-Identifier: GPL-2.0 */
/* meant_end: FIN, RST, giving up, and what comes after; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_END_H
#define SELFTESTS_HOSTILE_MEANT_END_H

#include "meant.h"
#include "meant_ack.h"

/* May a segment of the peer bring its FIN? */
static bool brings_fin(const struct episode *e, const struct transcript *t, int scene)
{
	const struct act *a = &e->act[scene];
	int before = scene ? t->scene[scene - 1].state : ST_CLOSED;
	uint32_t ahead = t->scene[scene].seq + a->len - (scene ? last_ack(t, scene - 1)->ack : 0);

	return a->kind == ACT_SEGMENT && (a->flags & (FIN | SYN | RST | ACK)) == (FIN | ACK) &&
	       before != ST_CLOSED && before != ST_LISTEN && before != ST_SYN_SENT &&
	       ahead < 1 << 20;
}

/*
 * After its FIN the peer goes on, perhaps with other bytes for the FIN's number. What it sends
 * again of the numbers before, and the FIN itself, excuses nothing.
 */
static bool goes_on_after_fin(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	bool fin = false;
	uint32_t number = 0;

	for (int i = 0; i <= d->scene; i++) {
		const struct act *a = &e->act[i];
		uint32_t end = ours->scene[i].seq + a->len;

		if (fin && a->kind == ACT_SEGMENT && (a->flags & URG || seq_before(number, end)) &&
		    (a->len || a->flags & (FIN | URG)))
			return true;
		/* One that lay ahead may be overtaken by another one. */
		if (brings_fin(e, ours, i) && (!fin || seq_before(end, number))) {
			fin = true;
			number = end;
		}
	}
	return false;
}

/* A RST or SYN for FIN-WAIT-2 after close(); a RST at RCV.NXT ends it in both. */
static bool is_reset_beside(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		if (a->kind == ACT_SEGMENT && a->flags & (RST | SYN) &&
		    ours->scene[i - 1].state == ST_ORPHAN_FIN_WAIT_2 &&
		    !(a->flags & RST && ours->scene[i].seq == last_ack(ours, i - 1)->ack))
			return true;
	}
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
	return has_setting(e, d->scene, "LINGER2 -1") &&
	       ours->scene[d->scene].state == ST_CLOSED && is_orphan(e, ours, d->scene);
}

/* A FIN that lies below RCV.NXT, after close(). */
static bool has_old_fin(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & FIN &&
		    e->act[i].seq + e->act[i].len < 0 && i && is_orphan(e, ours, i - 1))
			return true;
	return false;
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

/* With a TCP_USER_TIMEOUT one stack has given up before a call. */
static bool has_given_up(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	return last_setting(e, d->scene, "USER_TIMEOUT") > 0 &&
	       (stock->scene[d->scene].state == ST_CLOSED ||
		ours->scene[d->scene].state == ST_CLOSED);
}

/* Linux gives up at its next timeout only, and by then the program has called close(). */
static bool gives_up_before_close(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	long long mine = counter_get(&ours->moved, d->what);
	long long theirs = counter_get(&stock->moved, d->what);

	for (int i = d->scene; i > 0 && mine == theirs + 1; i--)
		if (e->act[i].kind == ACT_CLOSE)
			return has_given_up(e, d, stock, ours);
	return false;
}

/* Has nothing come or been called since a stack's last segment that might have ended it? */
static bool ends_by_timer(const struct episode *e, const struct transcript *t, int scene)
{
	for (int i = scene; i >= 0; i--) {
		if (t->scene[i].said_n)
			return ends_with_retransmission(t, scene);
		if (act_may_end(&e->act[i]))
			return false;
	}
	return false;
}

/* One stack has given up, and the other would at its next timeout. */
static bool gives_up_earlier(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	const struct scene *a = &stock->scene[d->scene], *b = &ours->scene[d->scene];

	if (b->state == ST_CLOSED && last_setting(e, d->scene, "USER_TIMEOUT") > 0)
		return true;
	return (a->state == ST_CLOSED || b->state == ST_CLOSED) &&
	       (ends_by_timer(e, stock, d->scene) || ends_by_timer(e, ours, d->scene));
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

/* It has ended before it opened, and TIME-WAIT answers: its numbers are below the SYN-ACK's. */
static bool answers_from_time_wait(const struct episode *e, const struct difference *d,
				   const struct transcript *stock, const struct transcript *ours)
{
	uint32_t number = 0;

	for (int i = 0; i <= d->scene; i++) {
		for (int j = 0; j < ours->scene[i].said_n; j++) {
			const struct said *h = &ours->scene[i].said[j];

			if ((h->flags & (SYN | ACK)) == (SYN | ACK))
				number = h->seq;
			if (has_fin(e, i) && (h->flags & (SYN | ACK | RST)) == ACK &&
			    seq_before(h->seq, number))
				return true;
		}
	}
	return false;
}

/* Both FINs have been acknowledged, and the socket is CLOSED, when a segment has SYN and FIN. */
static bool has_syn_fin_in_time_wait(const struct episode *e, const struct difference *d,
				     const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i <= d->scene; i++) {
		const struct act *a = &e->act[i];
		int before = ours->scene[i - 1].state;

		if (a->kind == ACT_SEGMENT && (a->flags & (SYN | FIN | RST | ACK)) == (SYN | FIN) &&
		    has_fin(e, i - 1) && e->still_listens && stock->scene[i - 1].state == before &&
		    (before == ST_CLOSED || before == ST_TIME_WAIT))
			return true;
	}
	return false;
}

static bool has_syn_after_fin(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & SYN && has_fin(e, i - 1) &&
		    (stock->scene[i - 1].state == ST_TIME_WAIT ||
		     stock->scene[i - 1].state == ST_CLOSED))
			return true;
	return false;
}

/* Both stacks ask these for a good timestamp first. */
static bool is_synchronized(int state)
{
	return state == ST_ESTABLISHED || state == ST_CLOSE_WAIT || state == ST_FIN_WAIT_1 ||
	       state == ST_FIN_WAIT_2 || state == ST_CLOSING || state == ST_LAST_ACK;
}

/* A RST whose timestamp is old. */
static bool has_old_rst(const struct episode *e, const struct difference *d,
			const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0 && is_stamped(e); i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & RST &&
		    e->act[i].stamp == STAMP_OLD && !is_synchronized(ours->scene[i - 1].state))
			return true;
	return false;
}

/* Payload came just before this act. */
static bool follows_payload(const struct episode *e, int act)
{
	for (int i = act - 1; i >= 0 && pause_between(e, i, act) < 250; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].len)
			return true;
	return false;
}

/* So it came before close(), which left a record. */
static bool is_closed_while_ack_waits(const struct episode *e, const struct difference *d,
				      const struct transcript *stock, const struct transcript *ours)
{
	if (ours->scene[d->scene].state != ST_ORPHAN_FIN_WAIT_2)
		return false;
	for (int i = d->scene; i > 0; i--) {
		if (e->act[i].kind == ACT_CLOSE && follows_payload(e, i))
			return true;
		if (!is_recent(e, d, i))
			break;
	}
	return false;
}

#endif
