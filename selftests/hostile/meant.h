/* SPDX-License-Identifier: GPL-2.0 */
/*
 * meant: what has to be so in an episode for a difference between the stacks to be one on
 * purpose: a function for each row of hostile/differ's table, which has the reasons by
 * headings of wire.rst. Each looks at the episode @e, the difference @d that was found,
 * and what the kernel's TCP (@stock) and xtcp (@ours) did up to it. The functions are in
 * meant_THEME.h; here is what several themes need.
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

static bool is_stamped(const struct episode *e)
{
	return e->syn >= 2 && !episode_has_knob(e, "timestamps");
}

/*
 * Does the peer offer SACK, and the kernel accept it? Rows of episode_syn_options(). A cookie keeps
 * it in a timestamp only.
 */
static bool has_sack(const struct episode *e)
{
	return (e->syn == 1 || e->syn == 2) && !episode_has_knob(e, "sack") &&
	       (!e->cookies || is_stamped(e));
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

/* Did the peer acknowledge other data, because other data was in flight then? */
static bool acks_other_data(const struct difference *d, const struct transcript *stock,
			    const struct transcript *ours)
{
	for (int i = 0; i <= d->scene; i++)
		if (stock->scene[i].ack != ours->scene[i].ack)
			return true;
	return false;
}

/* The last segment with payload, SYN or FIN before the @said of @scene; or NULL. */
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

/* Has the program closed the socket, which it had before? */
static bool is_orphan(const struct episode *e, const struct transcript *t, int scene)
{
	bool open = e->active;

	for (int i = 0; i < scene; i++)
		open |= t->scene[i].accepted;
	return open && !t->scene[scene].accepted;
}

/* After a settled pause nothing is in flight or held back in either. */
static bool is_all_acked(const struct episode *e, const struct transcript *stock,
			 const struct transcript *ours, int scene)
{
	return e->act[scene].pause_ms >= 250 && stock->scene[scene].accepted && ours->scene[scene].accepted &&
	       !stock->scene[scene].outq && !ours->scene[scene].outq;
}

/* An ACK of all that was sent, at the peer's next number, with its usual window: both take it. */
static bool act_is_plain(const struct act *a)
{
	return a->kind == ACT_SEGMENT && (a->flags & (FIN | SYN | RST | ACK)) == ACK &&
	       !a->seq && !a->ack && a->stamp == STAMP_NOW && a->wnd < 0;
}

static bool has_small_mtu(const struct episode *e, int scene)
{
	return e->act[scene].kind == ACT_ICMP && e->act[scene].mtu && e->act[scene].mtu < 1500;
}

/* What may end a connection without a timer. */
static bool act_may_end(const struct act *a)
{
	return (a->kind == ACT_SEGMENT && a->flags & (RST | SYN)) || a->kind == ACT_ICMP ||
	       a->kind == ACT_CLOSE || a->kind == ACT_CONNECT_NONE ||
	       (a->kind == ACT_SHUTDOWN && a->what != SHUT_WR);
}

static bool has_fin(const struct episode *e, int scene)
{
	for (int i = 0; i <= scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].flags & FIN)
			return true;
	return false;
}

#endif
