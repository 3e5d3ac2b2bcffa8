/* SPDX-License-Identifier: GPL-2.0 */
/* meant_opening: until a connection is open; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_OPENING_H
#define SELFTESTS_HOSTILE_MEANT_OPENING_H

#include "meant.h"

static const struct said *last_syn_ack(const struct transcript *t, int scene)
{
	static const struct said none = { .ack = 1 };

	for (; scene >= 0; scene--)
		for (int i = t->scene[scene].said_n - 1; i >= 0; i--)
			if ((t->scene[scene].said[i].flags & (SYN | ACK)) == (SYN | ACK))
				return &t->scene[scene].said[i];
	return &none;
}

/*
 * A segment for a half-open connection with two faults: its number has to be that of the SYN-ACK's
 * ACK, and its ACK's number 1. Or one that has headings of its own: a repeated SYN, no ACK, a RST
 * with an old timestamp.
 */
static bool has_two_faults(const struct episode *e, const struct transcript *t, int scene)
{
	const struct act *a = &e->act[scene];

	if (a->kind != ACT_SEGMENT)
		return false;
	if (a->flags & SYN || !(a->flags & (ACK | RST)) ||
	    (a->flags & RST && a->stamp == STAMP_OLD && is_stamped(e)))
		return true;
	return !(a->flags & RST) && t->scene[scene].ack != 1 &&
	       (t->scene[scene].seq != last_syn_ack(t, scene)->ack ||
		(a->stamp == STAMP_OLD && is_stamped(e)));
}

/* Beside the socket of an earlier connection, which has ended. */
static bool is_half_open_beside(const struct episode *e, const struct transcript *t, int scene)
{
	bool faults = false;

	if (e->active || t->scene[scene].state != ST_CLOSED)
		return false;
	for (int i = scene; i >= 0; i--) {
		for (int j = 0; j < t->scene[i].said_n; j++)
			if ((t->scene[i].said[j].flags & (SYN | ACK)) == (SYN | ACK) && i && faults)
				return true;
		faults |= has_two_faults(e, t, i);
	}
	return false;
}

static bool has_no_connection(const struct transcript *t, int scene)
{
	int state = t->scene[scene].state;

	return state == ST_CLOSED || state == ST_LISTEN || state == ST_HALF_OPEN;
}

/* A cookie comes back in a segment that does not follow the SYN, while there is no connection. */
static bool has_cookie_of_other_numbers(const struct episode *e, const struct difference *d,
					const struct transcript *stock,
					const struct transcript *ours)
{
	for (int i = d->scene; e->cookies && i > 0; i--) {
		const struct act *a = &e->act[i];

		if (a->kind == ACT_SEGMENT && (a->flags & (ACK | SYN | RST)) == ACK &&
		    has_no_connection(ours, i - 1) && has_no_connection(stock, i - 1) &&
		    (ours->scene[i].seq != last_syn_ack(ours, i)->ack || ours->scene[i].ack != 1))
			return true;
	}
	return false;
}

/* One came in HALF-OPEN, and may have ended that for one of the stacks. */
static bool has_icmpv6_error(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; test_family() == AF_INET6 && !e->active && i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && ours->scene[i - 1].state == ST_HALF_OPEN)
			return true;
	return false;
}

/* Linux's window is larger from the first ACK on of a connection that a cookie has opened. */
static bool has_cookie(const struct episode *e, const struct difference *d,
		       const struct transcript *stock, const struct transcript *ours)
{
	return e->cookies;
}

static bool is_half_open(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	if (is_half_open_beside(e, ours, d->scene))
		return true;
	/* It may have opened or ended since, without a settled pause. */
	for (int i = d->scene; i > 0; i--) {
		if (i < d->scene && !d->is_counter && e->act[i].pause_ms >= 250)
			break;
		if (has_two_faults(e, ours, i) &&
		    ((stock->scene[i - 1].state == ST_HALF_OPEN &&
		      ours->scene[i - 1].state == ST_HALF_OPEN) ||
		     (stock->scene[i].state == ST_HALF_OPEN &&
		      ours->scene[i].state == ST_HALF_OPEN)))
			return true;
	}
	return false;
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

/* The same beside the socket of an earlier connection, which the program has closed meanwhile. */
static bool is_opened_behind_socket(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	bool closed = false;

	for (int i = 1; i <= d->scene && !e->active; i++) {
		const struct act *a = &e->act[i];

		closed |= stock->scene[i - 1].state == ST_CLOSED;
		if (closed && a->kind == ACT_SEGMENT && (a->flags & (SYN | ACK)) == (SYN | ACK))
			return stock->scene[d->scene].state == ST_SYN_RECEIVED &&
			       ours->scene[d->scene].state == ST_ESTABLISHED;
	}
	return false;
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

/* The SYN was sent again, and is all that the peer has sent since. */
static bool is_syn_repeated(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT)
			return (e->act[i].flags & (SYN | ACK | RST)) == SYN &&
			       stock->scene[i - 1].state == ST_HALF_OPEN &&
			       stock->scene[d->scene].state == ST_HALF_OPEN &&
			       ours->scene[d->scene].state == ST_HALF_OPEN;
	return false;
}

static bool is_simultaneous(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	if (!strcmp(d->what, "errno") && (stock->scene[d->scene].error != ECONNRESET ||
					  ours->scene[d->scene].error != ECONNREFUSED))
		return false;
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
		    ((e->act[i].kind == ACT_SEGMENT &&
		      (e->act[i].ack == -1 || (e->act[i].flags & (SYN | ACK)) == SYN)) ||
		     e->act[i].kind == ACT_CLOSE ||
		     (e->act[i].kind == ACT_SHUTDOWN && e->act[i].what) ||
		     (e->act[i].kind == ACT_ICMP && !e->act[i].mtu)))
			return true;
	return false;
}

#endif
