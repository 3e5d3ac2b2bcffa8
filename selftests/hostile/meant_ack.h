/* SPDX-License-Identifier: GPL-2.0 */
/* meant_ack: what is acknowledged when, and SACK blocks; meant.h has the rules. */
#ifndef SELFTESTS_HOSTILE_MEANT_ACK_H
#define SELFTESTS_HOSTILE_MEANT_ACK_H

#include "meant.h"

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

static bool act_acks_unsent(const struct act *a)
{
	return a->ack > 0 && (a->flags & (ACK | RST | SYN)) == ACK;
}

static bool acks_the_unsent(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	/* xtcp drops it, and so never acknowledges more than Linux. */
	if (!strcmp(d->what, "acknowledgement number") &&
	    !seq_before(last_ack(ours, d->scene)->ack, last_ack(stock, d->scene)->ack))
		return false;
	/* Its timestamp is what the peer echoes from then on. */
	if (!strcmp(d->what, "time") && is_stamped(e))
		for (int i = 0; i < d->scene; i++)
			if (e->act[i].kind == ACT_SEGMENT && act_acks_unsent(&e->act[i]))
				return true;
	return strcmp(d->what, "time") && any_recent(e, d, act_acks_unsent);
}

/* After close() Linux's records look at no ACK, and take the segment, or restart 2MSL. */
static bool acks_the_unsent_of_record(const struct episode *e, const struct difference *d,
				      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i > 0; i--)
		if (e->act[i].kind == ACT_SEGMENT && act_acks_unsent(&e->act[i]) &&
		    (stock->scene[i - 1].state == ST_ORPHAN_FIN_WAIT_2 ||
		     stock->scene[i - 1].state == ST_TIME_WAIT))
			return acks_the_unsent(e, d, stock, ours) ||
			       (!strcmp(d->what, "state") &&
				stock->scene[d->scene].state == ST_TIME_WAIT &&
				ours->scene[d->scene].state == ST_CLOSED);
	return false;
}

/* Behind both FINs: Linux has restarted 2MSL, which is over in xtcp. */
static bool restarts_time_wait_by_unsent(const struct episode *e, const struct difference *d,
					 const struct transcript *stock,
					 const struct transcript *ours)
{
	for (int i = 1; i < d->scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && act_acks_unsent(&e->act[i]) &&
		    has_fin(e, i - 1) && stock->scene[i - 1].state == ST_CLOSED &&
		    ours->scene[i - 1].state == ST_CLOSED)
			return true;
	return false;
}

/* The peer echoes the timestamp of xtcp's answer, and so the next timeouts differ. */
static bool is_timed_by_answer(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 0; i < d->scene && is_stamped(e); i++)
		if (e->act[i].kind == ACT_SEGMENT && act_acks_unsent(&e->act[i]))
			return resends(stock, i, d->scene) && resends(ours, i, d->scene);
	return false;
}

static int most_blocks(const struct scene *scene)
{
	int most = 0;

	for (int i = 0; i < scene->said_n; i++)
		most = scene->said[i].sacks > most ? scene->said[i].sacks : most;
	return most;
}

/* A segment begins a third block while the ACK of the one before waits. */
static bool has_third_block(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	int mine = 0, theirs = 0;

	for (int i = d->scene; i >= 0 && is_recent(e, d, i) && has_sack(e); i--) {
		int a = most_blocks(&stock->scene[i]), b = most_blocks(&ours->scene[i]);

		theirs = a > theirs ? a : theirs;
		mine = b > mine ? b : mine;
	}
	return mine > theirs && theirs >= 2;
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

/* It had no payload and no FIN: Linux has restarted 2MSL, which is over in xtcp. */
static bool restarts_time_wait(const struct episode *e, const struct difference *d,
			       const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i < d->scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && act_has_no_flag(&e->act[i]) &&
		    !e->act[i].len && !(e->act[i].flags & FIN) && has_fin(e, i - 1) &&
		    stock->scene[i - 1].state == ST_CLOSED && ours->scene[i - 1].state == ST_CLOSED)
			return e->act[d->scene].kind == ACT_SEGMENT ||
			       !strcmp(d->what, "echoed timestamp");
	return false;
}

/* For the same reason only Linux still waits. */
static bool is_time_wait_longer(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	if (stock->scene[d->scene].state != ST_TIME_WAIT || ours->scene[d->scene].state != ST_CLOSED)
		return false;
	for (int i = 1; i <= d->scene; i++)
		if (e->act[i].kind == ACT_SEGMENT && act_has_no_flag(&e->act[i]) &&
		    !e->act[i].len && !(e->act[i].flags & FIN) && has_fin(e, i - 1))
			return true;
	return false;
}

/* An ACK that was overtaken, as far as it tells, brings SACK blocks. */
static bool has_old_sack(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && has_sack(e); i--) {
		if (e->act[i].kind != ACT_SEGMENT || !e->act[i].sacks || e->act[i].ack >= 0)
			continue;
		for (int j = 0; j < i; j++)
			if (e->act[j].kind == ACT_SEGMENT && e->act[j].flags & ACK &&
			    (seq_before(ours->scene[i].ack, ours->scene[j].ack) ||
			     seq_before(stock->scene[i].ack, stock->scene[j].ack)))
				return true;
	}
	return false;
}

/* By what they report first xtcp has measured a round trip: the next timeouts differ. */
static bool is_timed_by_old_sack(const struct episode *e, const struct difference *d,
				 const struct transcript *stock, const struct transcript *ours)
{
	return has_old_sack(e, d, stock, ours) && ends_with_retransmission(stock, d->scene) &&
	       ends_with_retransmission(ours, d->scene);
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

static bool lies_within(const struct sack_block *inner, const struct sack_block *outer)
{
	return outer->left <= inner->left && inner->right <= outer->right;
}

/* It may have displaced the last block. */
static bool is_one_dsack_more(const struct said *more, const struct said *less)
{
	const struct sack_block *b = more->sack;
	int n = more->sacks - 1;

	if (n < 0 || (n != less->sacks && !(n + 1 == less->sacks && n >= 2)) ||
	    memcmp(b + 1, less->sack, n * sizeof(*b)))
		return false;
	return !seq_before(more->ack, b->right) || (n && lies_within(b, b + 1));
}

/* In a scene, has an ACK of one stack a D-SACK more than one of the other? Probes may follow. */
static bool has_one_dsack_more(const struct transcript *stock, const struct transcript *ours,
			       int scene)
{
	const struct said *a = last_ack(stock, scene), *b = last_ack(ours, scene);

	if (is_one_dsack_more(a, b) || is_one_dsack_more(b, a))
		return true;
	for (int i = 0; i < stock->scene[scene].said_n; i++)
		for (int j = 0; j < ours->scene[scene].said_n; j++) {
			a = &stock->scene[scene].said[i];
			b = &ours->scene[scene].said[j];
			if (!a->icmp && !b->icmp && a->ack == b->ack &&
			    (is_one_dsack_more(a, b) || is_one_dsack_more(b, a)))
				return true;
		}
	return false;
}

/* The same, and one stack still has to report it. Two such blocks may differ altogether. */
static bool has_other_dsack(const struct episode *e, const struct difference *d,
			    const struct transcript *stock, const struct transcript *ours)
{
	int n = 0;

	for (int i = d->scene; i > 0 && is_recent(e, d, i); i--)
		n += e->act[i].kind == ACT_SEGMENT && e->act[i].len &&
		     (seq_before(ours->scene[i].seq, last_ack(ours, i - 1)->ack) ||
		      repeats_payload(e, ours, i));
	return n > 1 || (n && (!strcmp(d->what, "an ACK") ||
			       has_one_dsack_more(stock, ours, d->scene)));
}

/* Payload that was received before brings the ACK of our FIN after close(). */
static bool is_old_payload_then(const struct episode *e, const struct difference *d,
				const struct transcript *stock, const struct transcript *ours)
{
	int i = d->scene;

	/* Another segment may have ended it since. */
	while (i && is_recent(e, d, i - 1) && ours->scene[i].state != ST_ORPHAN_FIN_WAIT_2)
		i--;
	return ours->scene[i].state == ST_ORPHAN_FIN_WAIT_2 &&
	       has_old_payload(e, d, stock, ours);
}

static bool act_is_fin(const struct act *a)
{
	return a->flags & FIN;
}

static bool act_is_old(const struct act *a)
{
	return a->seq < 0;
}

/*
 * Old payload that acknowledges what was never sent comes at the same time as payload. What lies
 * below the number that the last ACK had is reported by a D-SACK; what does not, is not, for its
 * acknowledgement number.
 */
static bool is_unsent_before_the_ack(const struct episode *e, const struct difference *d,
				     const struct transcript *stock,
				     const struct transcript *ours)
{
	bool behind = false;

	for (int i = 0; i <= d->scene; i++) {
		const struct act *a = &e->act[i];

		if (a->kind == ACT_SEGMENT && a->len) {
			if (behind && a->ack > 0 && act_is_old(a))
				return true;
			behind = true;
		}
		behind &= !a->pause_ms;
	}
	return false;
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

	for (int i = 0; i <= scene && is_stamped(e); i++) {
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
	int64_t first_us = -1000000;	/* none */
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

/* How many milliseconds are between two acts? */
static int pause_between(const struct episode *e, int first, int last)
{
	int ms = 0;

	for (int i = first; i < last; i++)
		ms += e->act[i].pause_ms;
	return ms;
}

/* Has the connection ended so soon behind payload or a FIN that an ACK of this may have waited? */
static bool has_end_behind(const struct episode *e, const struct difference *d)
{
	for (int i = d->scene; i > 0; i--) {
		for (int j = i - 1; act_may_end(&e->act[i]) && j >= 0; j--)
			if (e->act[j].kind == ACT_SEGMENT && pause_between(e, j, i) <= 200 &&
			    (e->act[j].len || act_is_fin(&e->act[j])))
				return true;
		if (!is_recent(e, d, i))
			break;
	}
	return false;
}

/*
 * A RST has come before the ACK was due; or another segment has come before Linux acknowledged a
 * FIN, and was too far ahead to give its timestamp; or before xtcp acknowledged payload, and so
 * was not old yet, or gave no timestamp. Or an ICMP error has come before xtcp acknowledged
 * payload, and so quotes an older segment.
 */
static bool is_before_the_ack(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	/* Which timestamp is echoed stays so until another segment brings one. */
	for (int i = d->scene; i > 0 && !strcmp(d->what, "echoed timestamp"); i--) {
		if (e->act[i].kind == ACT_SEGMENT && act_is_fin(&e->act[i]))
			return true;
		if (i < d->scene && act_is_plain(&e->act[i]) && e->act[i - 1].pause_ms >= 250)
			break;
	}
	if (!strcmp(d->what, "echoed timestamp") && has_other_stamp_behind(e, d->scene))
		return true;
	if ((!strcmp(d->what, "an ACK") || !strcmp(d->what, "echoed timestamp")) &&
	    has_two_old_ones(e, stock, d->scene))
		return true;
	if (!strcmp(d->what, "acknowledgement number") && has_other_stamp_behind(e, d->scene))
		return true;
	if (!strcmp(d->what, "DelayedACKLost") && any_recent(e, d, act_is_old))
		return true;
	/* CWR came behind it, which ends ECE. */
	if (!strcmp(d->what, "ECE") && any_recent(e, d, act_is_fin))
		return true;
	if (!strcmp(d->what, "TCPChallengeACK") && any_recent(e, d, act_is_old))
		return true;
	for (int i = d->scene; !strcmp(d->what, "OutOfWindowIcmps") && i > 0; i--)
		if (e->act[i].kind == ACT_ICMP && e->act[i - 1].kind == ACT_SEGMENT &&
		    e->act[i - 1].len && !e->act[i - 1].pause_ms)
			return true;
	return stock->scene[d->scene].state == ST_CLOSED &&
	       ours->scene[d->scene].state == ST_CLOSED && has_end_behind(e, d);
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
 * The next segment acknowledges what was sent again, and echoes the timestamp of Linux's ACK, or
 * of an earlier segment of xtcp, whose ACK still waits: another round trip time.
 */
static bool is_timed_before_the_ack(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i < d->scene && is_stamped(e); i++) {
		if (e->act[i].kind != ACT_SEGMENT || !e->act[i].len ||
		    !says_ack(&stock->scene[i]) || says_ack(&ours->scene[i]))
			continue;
		for (int j = i + 1; j <= d->scene && !pause_between(e, i, j); j++)
			if (e->act[j].kind == ACT_SEGMENT &&
			    seq_before(ours->scene[i].ack, ours->scene[j].ack))
				return resends(stock, 0, i) && resends(ours, 0, i);
	}
	return false;
}

/*
 * A timestamp ahead in the segment behind one with payload: Linux takes it, because it has
 * acknowledged the payload, and what follows is old.
 */
static bool is_ahead_before_the_ack(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = 1; i <= d->scene && is_stamped(e); i++) {
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

/* Linux makes room for SACK blocks beside payload. */
static bool has_sack_beside_payload(const struct episode *e, const struct difference *d,
				    const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--) {
		for (int j = 0; j < stock->scene[i].said_n; j++)
			if (stock->scene[i].said[j].sacks && stock->scene[i].said[j].len)
				return true;
		if (i < d->scene && !d->is_counter && is_all_acked(e, stock, ours, i))
			break;
	}
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
	if (has_fin(e, d->scene) && a->sacks > b->sacks &&
	    !memcmp(a->sack, b->sack, b->sacks * sizeof(a->sack[0])) &&
	    (!b->sacks || !seq_before(a->ack, a->sack[a->sacks - 1].right)))
		return true;
	return b->sacks > 1 && b->sacks == a->sacks + 1 && lies_within(&b->sack[0], &b->sack[1]) &&
	       !memcmp(&b->sack[1], a->sack, a->sacks * sizeof(a->sack[0]));
}

/* A timestamp ahead, and so the next segment's is old. */
static bool has_overtaken_ack(const struct episode *e, const struct difference *d,
			      const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0 && is_stamped(e); i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].stamp == STAMP_AHEAD)
			return true;
	return false;
}

/* Less than 1,000 ms ago a segment had a timestamp that lies so far ahead. */
static bool is_behind_stamp_ahead(const struct episode *e, int scene)
{
	for (int i = scene - 1; i >= 0 && pause_between(e, i, scene) < 1000; i--)
		if (e->act[i].kind == ACT_SEGMENT && e->act[i].stamp == STAMP_AHEAD)
			return true;
	return false;
}

/* Below what the peer has sent, or at least below what was acknowledged. Linux answers it. */
static bool has_late_ack(const struct episode *e, const struct difference *d,
			 const struct transcript *stock, const struct transcript *ours)
{
	for (int i = d->scene; i >= 0; i--) {
		const struct act *a = &e->act[i];

		/* Or one of now, behind one of the future. */
		if (a->kind == ACT_SEGMENT && !a->len &&
		    (a->stamp == STAMP_OLD || is_behind_stamp_ahead(e, i)) &&
		    (a->flags & (SYN | FIN | RST | ACK)) == ACK &&
		    (a->seq < 0 || seq_before(stock->scene[i].seq, last_ack(stock, i)->ack)))
			return true;
		if (!is_recent(e, d, i))
			break;
	}
	return false;
}

/* Some time ago, so that Linux's answer gave the next round trip time another length. */
static bool has_had_late_ack(const struct episode *e, const struct difference *d,
			     const struct transcript *stock, const struct transcript *ours)
{
	struct difference then = { .what = d->what };

	for (then.scene = d->scene; then.scene >= 0; then.scene--)
		if (has_late_ack(e, &then, stock, ours))
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
