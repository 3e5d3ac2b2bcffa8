/* SPDX-License-Identifier: GPL-2.0 */
/* meant_window: windows of either end, probes, urgent and held data; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_WINDOW_H
#define SELFTESTS_HOSTILE_MEANT_WINDOW_H

#include "meant.h"

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

/*
 * One stack has sent a part of a segment, up to the end of a small window, since all was
 * acknowledged.
 */
static bool has_small_window(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--) {
		if (i < d->scene && !d->is_counter && is_all_acked(e, stock, ours, i))
			break;
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

/*
 * The same of an ACK. That of the smaller number is below what was sent, as a probe is, so what it
 * echoes was not compared.
 */
static bool is_ack_beyond_window(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0 && is_recent(e, d, i); i--) {
		const struct scene *s = &stock->scene[i], *o = &ours->scene[i];
		const struct said *a = &s->said[s->said_n - 1], *b = &o->said[o->said_n - 1];

		if (s->said_n && o->said_n)
			return e->syn >= 2 && !a->len && !b->len && a->seq != b->seq &&
			       a->seq - b->seq < 128 && a->tsecr == b->tsecr;
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

	for (int i = 0; i <= d->scene; i++) {
		const struct act *a = &e->act[i];
		int before = i ? stock->scene[i - 1].state : ST_CLOSED;

		if (a->kind == ACT_SEGMENT && a->wnd >= 0 && before != ST_FIN_WAIT_2 &&
		    before != ST_ORPHAN_FIN_WAIT_2 && before != ST_TIME_WAIT)
			small = true;
		else if (act_is_plain(a))
			small = false;
		fin |= a->kind == ACT_CLOSE || (a->kind == ACT_SHUTDOWN && a->what);
		if (small && fin)
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

/* The first ACK of other data comes after such a write: one stack has sent that already. */
static bool delivers_held_data(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	struct difference first = *d;

	for (first.scene = 0; first.scene <= d->scene; first.scene++)
		if (stock->scene[first.scene].ack != ours->scene[first.scene].ack)
			return has_held_data(e, &first, stock, ours);
	return false;
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

/* The same of data that does not fit the window: an ACK has come while it waited. */
static bool is_restarted_by_ack(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	bool waits = false;

	if (!sends_earlier(d->scene, stock, ours) || !has_small_window(e, d, stock, ours))
		return false;
	for (int i = 0; i <= d->scene; i++) {
		if (waits && e->act[i].kind == ACT_SEGMENT && e->act[i].flags & ACK)
			return true;
		waits |= e->act[i].kind == ACT_WRITE || e->act[i].kind == ACT_WRITE_MORE ||
			 e->act[i].kind == ACT_WRITE_URGENT;
	}
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
	const enum act_kind kind = e->act[d->scene].kind;
	const struct scene *s = &stock->scene[d->scene], *o = &ours->scene[d->scene];

	return (kind == ACT_WRITE || kind == ACT_WRITE_MORE || kind == ACT_WRITE_URGENT) &&
	       (s->result > 0 || s->error == EAGAIN) && (o->result > 0 || o->error == EAGAIN) &&
	       last_setting(e, d->scene, "NOTSENT_LOWAT") > 0;
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
		if (e->act[i].kind == ACT_SEGMENT && !e->act[i].wnd && resends(ours, i, d->scene))
			return true;
	return false;
}

/* Linear timeouts of a thin stream, and the same. */
static bool is_thin_and_closed(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	return (episode_has_knob(e, "thin_linear_timeouts") ||
		has_setting(e, d->scene, "THIN_LINEAR_TIMEOUTS 1")) &&
	       has_closed_window(e, d, stock, ours);
}

/* Something was sent again behind a closed window, both before close() and after it. */
static bool is_closed_behind_window(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	int closed = -1;

	for (int i = 0; i <= d->scene; i++) {
		if (closed >= 0 && e->act[i].kind == ACT_CLOSE)
			return resends(stock, closed, i - 1) && resends(stock, i, d->scene);
		if (e->act[i].kind == ACT_SEGMENT)
			closed = e->act[i].wnd ? -1 : closed < 0 ? i : closed;
	}
	return false;
}

/*
 * A pure ACK is ahead of the payload that comes next, and a segment between these two announces
 * another window.
 */
static bool has_window_from_ahead(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	int ahead = -1;		/* of the peer's next number, which is 0 */

	for (int i = 1; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		if (a->kind != ACT_SEGMENT)
			continue;
		if (a->seq <= ahead && a->wnd >= 0)
			return true;
		if (!a->len && a->seq > ahead && a->seq > 0 && a->seq < 65536)
			ahead = a->seq;
		else if (!a->seq)
			ahead -= a->len;
	}
	return false;
}

/* The peer's window ends below what is in flight. A segment below ours acknowledges some of it. */
static bool is_ack_below_window(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 1 && is_recent(e, d, i); i--) {
		const struct act *a = &e->act[i];
		uint32_t acked = last_ack(ours, i - 1)->ack;

		if (a->kind == ACT_SEGMENT && (a->flags & (SYN | RST | ACK)) == ACK &&
		    a->ack > e->act[i - 1].ack && e->act[i - 1].wnd >= 0 &&
		    seq_before(ours->scene[i].seq + a->len, acked))
			return true;
	}
	return false;
}

/* An ACK of this stack has just left before a write. */
static bool has_write_after_ack(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--) {
		if (e->act[i].kind == ACT_WRITE)
			for (int j = i - 1; j >= 0 && !e->act[j].pause_ms; j--)
				if (e->act[j].kind == ACT_SEGMENT)
					return true;
		if (i < d->scene && is_all_acked(e, stock, ours, i))
			break;
	}
	return false;
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
	bool open = false;

	/* With a window of a byte the probe has that byte. A keepalive probe looks as others do. */
	for (int i = d->scene; i >= 0; i--) {
		/* One from ahead stays, whatever a segment before it announces. */
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].wnd >= 0 &&
		    (!open || e->act[i].seq > 0))
			return e->act[i].wnd == 1 || last_probe(ours, d->scene) ||
			       last_probe(stock, d->scene);
		/* A window that both take has opened it, and all has arrived. */
		open |= i < d->scene && !d->is_counter && act_is_plain(&e->act[i]) &&
			is_all_acked(e, stock, ours, i);
	}
	return false;
}

/* After close() xtcp_retries2 limits the number of Linux's probes, and the interval of xtcp's. */
static bool is_probed_after_close(const struct episode *e, const struct difference *d,
				  const struct transcript *stock, const struct transcript *ours)
{
	return episode_has_knob(e, "retries2") && is_orphan(e, ours, d->scene) &&
	       last_probe(ours, d->scene) && last_probe(stock, d->scene);
}

/*
 * The peer's window is one byte, by a segment from ahead, so that later ones do not open it. The
 * probe brings that byte, and an ACK of it opens the window in the stack that has sent it.
 */
static bool is_probed_by_a_byte(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 0; i < d->scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].wnd == 1 && e->act[i].seq > 0)
			return ours->scene[d->scene].outq < stock->scene[d->scene].outq;
	return false;
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

/* The last attempt is over in xtcp, because no ACK has put off its probes. */
static bool is_probe_in_time(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	const struct said *probe = last_probe(ours, d->scene);
	int from = d->scene;

	if (!probe || ours->scene[d->scene].state != ST_CLOSED ||
	    stock->scene[d->scene].state == ST_CLOSED)
		return false;
	while (from > 0 && e->act[from].kind != ACT_SEGMENT)
		from--;
	return last_probe(stock, from) || last_probe(ours, from);
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

/* One more in xtcp: payload came after a probe, and Linux has counted on. */
static bool is_probed_before_payload(const struct episode *e, const struct difference *d,
				     const struct transcript *stock, const struct transcript *ours)
{
	const long long more = counter_get(&ours->moved, d->what) - counter_get(&stock->moved, d->what);

	if (!has_setting(e, d->scene, "KEEPALIVE") || more <= 0)
		return false;
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].len && last_probe(stock, i - 1))
			return true;
	return false;
}

/* In seconds: what a call has set, or else the knob, which an episode sets to 1. */
static int keepalive_s(const struct episode *e, int scene, const char *option, const char *knob,
		       int usual)
{
	int set = last_setting(e, scene, option);

	if (set > 0)
		return set;
	return episode_has_knob(e, knob) ? 1 : usual;
}

/* One more in xtcp: a segment came after a probe, and Linux waits for the end of the interval. */
static bool is_probed_after_an_answer(const struct episode *e, const struct difference *d,
				      const struct transcript *stock,
				      const struct transcript *ours)
{
	const long long more = counter_get(&ours->moved, d->what) - counter_get(&stock->moved, d->what);

	if (!has_setting(e, d->scene, "KEEPALIVE") || more <= 0 ||
	    keepalive_s(e, d->scene, "KEEPIDLE", "keepalive_time", 7200) >=
	    keepalive_s(e, d->scene, "KEEPINTVL", "keepalive_intvl", 75))
		return false;
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && last_probe(stock, i - 1))
			return true;
	return false;
}

#endif
