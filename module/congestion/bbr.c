// SPDX-License-Identifier: GPL-2.0
/*
 * bbr.c - module xtcp_cc_bbr: BBR version 3, draft-ietf-ccwg-bbr-06
 *
 * A model of the path instead of a reaction to losses: the largest delivery rate
 * (max_bw) of the last two probing cycles and the least round trip time (min_rtt) of ten
 * seconds; their product, the BDP, is what the path holds without a queue. The sender
 * paces at a gain times the rate, and its window is a gain times the BDP:
 *
 *   state	pacing	window	until
 *   STARTUP	2.77	2	the rate grows by less than 25 % in three rounds, or losses
 *   DRAIN	0.5	2	the BDP is in flight
 *   DOWN	0.9	2	the BDP is in flight, and headroom is left
 *   CRUISE	1	2	2 to 3 s, or as many rounds as the window has segments (63)
 *   REFILL	1	2	a round
 *   UP		1.25	2.25	the rate no longer grows, or more than 2 % are lost
 *   PROBE_RTT	1	0.5	200 ms; each 5 s without a new least round trip time
 *
 * Losses bound the model. While probing, each lost segment is judged when it is marked as lost
 * (5.5.10.2): if more than 2 % of what was in flight when it was sent are lost,
 * inflight_longterm becomes the part of it up to which they were not. It then grows slowly
 * while UP. Otherwise each round with a loss reduces bw_shortterm and inflight_shortterm to
 * what was delivered, at least to 0.7 of their former value; REFILL forgets them. A recovery
 * that turns out to be spurious restores the bounds, and the state that it has ended (5.5.11).
 *
 * CE marks: the draft specifies no response and says only that they must be treated as
 * congestion (3.7). Here a segment with CE counts as a lost one, in each of the rates above and
 * in STARTUP. An ACK tells how many were marked, not which, so that they are judged by the
 * segment sent last among those delivered.
 *
 * Differences from the draft: volumes are segments. The state to restore is saved once for each
 * recovery, before the first loss has changed it. The draft's pseudocode saves it again with
 * the first loss of each round, and start_down() begins a round, so that a second segment lost
 * together with the first would make the first one's consequences permanent. Samples of
 * PROBE_RTT are not marked as application-limited but ignored in STARTUP's detector (5.3.4.3).
 * skbs are sized by transfer/burst.c.
 *
 * Section numbers are the draft's. Context: socket lock.
 */
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/stringify.h>
#include <linux/xtcp_congestion.h>

/* Rates are segments per 2^24 microseconds: 1 is 0.06 segments per second. */
#define BW_SHIFT	24
#define INFINITE_BW	U64_MAX
#define BW_MAX		((u64)U32_MAX << 10)	/* times an MSS it fits in 64 bits */
#define INFINITE	U32_MAX

/* Gains times 256. */
#define GAIN_SHIFT	8
#define GAIN(hundredths) (((hundredths) << GAIN_SHIFT) / 100)

#define MIN_PIPE	4U			/* BBR.MinPipeCwnd */
#define FULL_BW_ROUNDS	3			/* 5.3.1.2 */
#define STARTUP_LOSSES	6			/* BBRStartupFullLossCnt */
#define LOSS_DIVISOR	50U			/* 1 / BBR.LossThresh */
#define EXTRA_ROUNDS	5			/* half of BBR.ExtraAckedFilterLen */
#define RENO_ROUNDS	63U			/* T_reno_bound */
#define MIN_RTT_NS	(10ULL * NSEC_PER_SEC)	/* BBR.MinRTTFilterLen */
#define PROBE_RTT_INTERVAL_NS (5ULL * NSEC_PER_SEC)
#define PROBE_RTT_NS	(200ULL * NSEC_PER_MSEC)
#define QUANTUM_MAX	65536U			/* bytes, 5.6.3 */

enum bbr_state { STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT, NO_STATE };

/* What the ACKs mean that arrive, 2.14. */
enum bbr_acks { ACKS_INIT, ACKS_REFILLING, ACKS_STARTING, ACKS_FEEDBACK, ACKS_STOPPING };

static const u16 pacing_gain[] = {
	[STARTUP] = GAIN(277), [DRAIN] = GAIN(50), [DOWN] = GAIN(90),
	[CRUISE] = GAIN(100), [REFILL] = GAIN(100), [UP] = GAIN(125),
	[PROBE_RTT] = GAIN(100),
};

static const u16 cwnd_gain[] = {
	[STARTUP] = GAIN(200), [DRAIN] = GAIN(200), [DOWN] = GAIN(200),
	[CRUISE] = GAIN(200), [REFILL] = GAIN(200), [UP] = GAIN(225),
	[PROBE_RTT] = GAIN(50),
};

/**
 * struct bbr - BBR's state of a connection; names as in the draft
 * @max_bw: largest rate of this probing cycle and of the one before
 * @bw_shortterm: bound by recent losses
 * @bw_latest: largest rate of this loss round
 * @full_bw: baseline of the full pipe detector
 * @rate: of the current sample; 0: none
 * @pacing: bytes per second
 * @cycle_ns: when the probing cycle began
 * @wait_ns: how long it waits with the next probe
 * @min_rtt_ns: when @min_rtt_us was measured
 * @probe_min_ns: when @probe_min_us was measured
 * @probe_done_ns: end of PROBE_RTT; 0: the flight has not shrunk yet
 * @extra_ns: start of the interval for @extra_delivered
 * @undo_bw: @bw_shortterm before the losses
 * @min_rtt_us: least round trip time; INFINITE: none yet
 * @probe_min_us: the same, for scheduling PROBE_RTT
 * @inflight_longterm: bound by losses while probing
 * @inflight_shortterm: bound by recent losses
 * @inflight_latest: largest volume delivered in this loss round
 * @next_round: xtcp_congestion_view.delivered at which the round ends
 * @loss_round: the same for the round of losses
 * @rounds: round trips
 * @rounds_since_up: round trips since the last UP
 * @drain_round: @rounds when DRAIN began
 * @extra_delivered: segments delivered since @extra_ns
 * @extra: largest excess of ACKs over the rate: newest rounds, and those before
 * @extra_round: @rounds at the start of the newest ones
 * @up_acked: segments acknowledged towards the next step of @inflight_longterm
 * @up_per_inc: how many a step needs
 * @prior_cwnd: last good window
 * @recovery_round: xtcp_congestion_view.delivered when fast recovery, or that after a
 *	timeout, began
 * @lost_seq: where the last segments that were lost begin
 * @lost_end: behind the last range that was lost
 * @undo_shortterm: @inflight_shortterm before the losses
 * @undo_longterm: @inflight_longterm before the losses
 * @state: enum bbr_state
 * @undo_state: state that the losses have ended, or NO_STATE
 * @ack_phase: enum bbr_acks
 * @up_rounds: rounds of steps of @inflight_longterm
 * @full_bw_count: rounds in which the rate did not grow
 * @lost_ranges: discontiguous ranges lost in this loss round
 * @full_bw_now: the rate does not grow any more
 * @full_bw_reached: that was so once
 * @round_start: this ACK begins a round
 * @loss_round_start: this ACK begins a loss round
 * @loss_in_round: something was lost or marked in the loss round
 * @loss_is_new: the first loss or mark of the loss round was found since the last ACK
 * @mark_in_round: something was marked in the loss round
 * @saved: the state before this recovery was saved
 * @probe_sample: this ACK may be for segments sent while probing
 * @probe_too_high: the last probe lost too much
 * @precautionary: the last probe ended early, at @inflight_longterm
 * @probe_rtt_expired: @probe_min_us is older than 5 s
 * @probe_rtt_round_done: PROBE_RTT has lasted a round
 * @idle_restart: the connection was idle
 * @recovering: in fast recovery, or after a timeout
 */
struct bbr {
	u64	max_bw[2];
	u64	bw_shortterm;
	u64	bw_latest;
	u64	full_bw;
	u64	rate;
	u64	pacing;
	u64	cycle_ns;
	u64	wait_ns;
	u64	min_rtt_ns;
	u64	probe_min_ns;
	u64	probe_done_ns;
	u64	extra_ns;
	u64	undo_bw;
	u32	min_rtt_us;
	u32	probe_min_us;
	u32	inflight_longterm;
	u32	inflight_shortterm;
	u32	inflight_latest;
	u32	next_round;
	u32	loss_round;
	u32	rounds;
	u32	rounds_since_up;
	u32	drain_round;
	u32	extra_delivered;
	u32	extra[2];
	u32	extra_round;
	u32	up_acked;
	u32	up_per_inc;
	u32	prior_cwnd;
	u32	recovery_round;
	u32	lost_seq;
	u32	lost_end;
	u32	undo_shortterm;
	u32	undo_longterm;
	u8	state;
	u8	undo_state;
	u8	ack_phase;
	u8	up_rounds;
	u8	full_bw_count;
	u8	lost_ranges;
	bool	full_bw_now;
	bool	full_bw_reached;
	bool	round_start;
	bool	loss_round_start;
	bool	loss_in_round;
	bool	loss_is_new;
	bool	mark_in_round;
	bool	saved;
	bool	probe_sample;
	bool	probe_too_high;
	bool	precautionary;
	bool	probe_rtt_expired;
	bool	probe_rtt_round_done;
	bool	idle_restart;
	bool	recovering;
};

static_assert(sizeof(struct bbr) <= XTCP_CONGESTION_STATE_MAX);

/* An ACK being processed; or a loss, of whose sample the part that handle_too_high() reads. */
struct ack {
	struct xtcp_congestion_view view;
	const struct xtcp_congestion_sample *s;
	u32	window;		/* to be set at the end */
};

/* --- the model -------------------------------------------------------------- */

static u64 max_bw(const struct bbr *b)
{
	return max(b->max_bw[0], b->max_bw[1]);
}

static u64 bound_bw(const struct bbr *b)
{
	return min(max_bw(b), b->bw_shortterm);
}

/* 5.6.4.2: a gain times the BDP of @bw. Without a round trip time the window stays. */
static u32 bdp_multiple(const struct bbr *b, const struct ack *ack, u64 bw, u32 gain)
{
	u64 bdp;

	if (b->min_rtt_us == INFINITE || !bw)
		return ack->view.cwnd;
	bdp = mul_u64_u64_shr(bw, b->min_rtt_us, BW_SHIFT - GAIN_SHIFT);
	bdp = min_t(u64, bdp, (u64)ack->view.cwnd_max << GAIN_SHIFT);
	return DIV_ROUND_UP_ULL(bdp * gain, 1U << (2 * GAIN_SHIFT));
}

/* 5.5.8, 5.6.3: what offloads need, segments. */
static u32 offload_budget(const struct bbr *b, const struct ack *ack)
{
	u32 mss = max(ack->view.mss, 1U);
	u64 quantum = min_t(u64, div_u64(b->pacing, MSEC_PER_SEC), QUANTUM_MAX);

	return 3 * max_t(u32, div_u64(quantum, mss), 2);
}

static u32 quantization_budget(const struct bbr *b, const struct ack *ack, u32 cap)
{
	cap = max3(cap, offload_budget(b, ack), MIN_PIPE);
	return b->state == UP ? cap + 2 : cap;
}

static u32 inflight(const struct bbr *b, const struct ack *ack, u64 bw)
{
	return quantization_budget(b, ack, bdp_multiple(b, ack, bw, GAIN(100)));
}

/* 5.3.3.9: leaves 15 % of what the path was found to take. */
static u32 inflight_with_headroom(const struct bbr *b)
{
	u32 headroom;

	if (b->inflight_longterm == INFINITE)
		return INFINITE;
	headroom = max(b->inflight_longterm * 15ULL / 100, 1ULL);
	return max(b->inflight_longterm - min(headroom, b->inflight_longterm), MIN_PIPE);
}

static u32 target_inflight(const struct bbr *b, const struct ack *ack)
{
	return min(bdp_multiple(b, ack, bound_bw(b), GAIN(100)), ack->window);
}

static bool probes_bw(const struct bbr *b)
{
	return b->state == STARTUP || b->state == REFILL || b->state == UP;
}

static bool in_probe_bw(const struct bbr *b)
{
	return b->state >= DOWN && b->state <= UP;
}

static void start_round(struct bbr *b, u32 delivered)
{
	b->next_round = delivered;
}

static void reset_shortterm(struct bbr *b)
{
	b->bw_shortterm = INFINITE_BW;
	b->inflight_shortterm = INFINITE;
}

static void start_loss_round(struct bbr *b)
{
	b->loss_in_round = false;
	b->mark_in_round = false;
	b->lost_ranges = 0;
}

static void reset_congestion_signals(struct bbr *b)
{
	start_loss_round(b);
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

static void reset_full_bw(struct bbr *b)
{
	b->full_bw = 0;
	b->full_bw_count = 0;
	b->full_bw_now = false;
}

/* --- entering states ---------------------------------------------------------- */

static u32 random_below(u32 ceiling)
{
	return ((u64)get_random_u32() * ceiling) >> 32;
}

static void start_down(struct bbr *b, u64 now_ns, u32 delivered)
{
	reset_congestion_signals(b);
	b->up_per_inc = INFINITE;
	b->rounds_since_up = random_below(2);
	b->wait_ns = 2 * NSEC_PER_SEC + random_below(NSEC_PER_SEC);
	b->cycle_ns = now_ns;
	b->ack_phase = ACKS_STOPPING;
	start_round(b, delivered);
	b->state = DOWN;
}

static void start_refill(struct bbr *b, u32 delivered)
{
	reset_shortterm(b);
	b->up_rounds = 0;
	b->up_acked = 0;
	b->precautionary = false;
	b->ack_phase = ACKS_REFILLING;
	start_round(b, delivered);
	b->state = REFILL;
}

static void raise_longterm_slope(struct bbr *b, const struct ack *ack)
{
	u32 growth = 1U << min_t(u32, b->up_rounds, 30);

	b->up_rounds = min(b->up_rounds + 1, 30);
	b->up_per_inc = max(ack->window / growth, 1U);
}

static void start_up(struct bbr *b, const struct ack *ack)
{
	b->ack_phase = ACKS_STARTING;
	start_round(b, ack->view.delivered);
	reset_full_bw(b);
	b->full_bw = b->rate;
	b->state = UP;
	raise_longterm_slope(b, ack);
}

/* --- losses, 5.5.10 ----------------------------------------------------------- */

static void save_cwnd(struct bbr *b, u32 cwnd)
{
	if (!b->recovering && b->state != PROBE_RTT)
		b->prior_cwnd = cwnd;
	else
		b->prior_cwnd = max(b->prior_cwnd, cwnd);
}

static void save_state(struct bbr *b, u32 cwnd)
{
	save_cwnd(b, cwnd);
	b->undo_state = NO_STATE;
	b->undo_bw = b->bw_shortterm;
	b->undo_shortterm = b->inflight_shortterm;
	b->undo_longterm = b->inflight_longterm;
}

/* More than 2 % of what was in flight with the segment of the sample were lost. */
static bool inflight_is_too_high(const struct ack *ack)
{
	u64 lost = (u64)ack->s->rate_lost + ack->s->rate_marked;

	return lost * LOSS_DIVISOR > ack->s->tx_pipe || (lost && !ack->view.sack_ok);
}

static void handle_too_high(struct bbr *b, const struct ack *ack)
{
	b->probe_too_high = true;
	b->probe_sample = false;
	if (!ack->s->app_limited)
		b->inflight_longterm = max_t(u32, ack->s->tx_pipe,
					     target_inflight(b, ack) * 7ULL / 10);
	if (b->state == UP) {
		b->undo_state = UP;
		start_down(b, ack->s->now_ns, ack->view.delivered);
	}
}

/* Before anything reacts to a loss or a mark: the window is @cwnd. */
static void note_loss(struct bbr *b, u32 cwnd)
{
	if (!b->saved)
		save_state(b, cwnd);
	b->saved = true;
	b->loss_is_new |= !b->loss_in_round;
	b->loss_in_round = true;
}

static void note_range(struct bbr *b)
{
	b->lost_ranges = min(b->lost_ranges + 1, U8_MAX);
}

static void note_marks(struct bbr *b, const struct ack *ack)
{
	if (!ack->s->marked)
		return;
	note_loss(b, ack->view.cwnd);
	note_range(b);
	b->mark_in_round = true;
	if (b->probe_sample && ack->s->rtt_us && inflight_is_too_high(ack))
		handle_too_high(b, ack);
}

/*
 * 5.5.10.2: the volume in flight at which losses have exceeded 2 %, somewhere in the segments
 * that were sent together and are lost.
 */
static u32 inflight_at_loss(const struct xtcp_congestion_loss *loss)
{
	u32 before = loss->tx_pipe - min(loss->segs, loss->tx_pipe);
	u32 lost = loss->lost + loss->marked;
	u64 lost_before = (u64)LOSS_DIVISOR * (lost - min(loss->segs, lost));

	if (lost_before >= before)
		return before;
	return min(before + DIV_ROUND_UP(before - (u32)lost_before, LOSS_DIVISOR - 1),
		   loss->tx_pipe);
}

static void update_latest(struct bbr *b, const struct ack *ack)
{
	/* This ACK's deliveries were in flight with what is lost. */
	if (b->loss_is_new)
		b->loss_round = ack->view.delivered;
	b->loss_is_new = false;
	b->loss_round_start = false;
	b->bw_latest = max(b->bw_latest, b->rate);
	b->inflight_latest = max(b->inflight_latest, ack->s->rate_delivered);
	if (ack->s->rtt_us && (s32)(ack->s->prior_delivered - b->loss_round) >= 0) {
		b->loss_round = ack->view.delivered;
		b->loss_round_start = true;
	}
}

static void update_round(struct bbr *b, const struct ack *ack)
{
	b->round_start = ack->s->rtt_us &&
			 (s32)(ack->s->prior_delivered - b->next_round) >= 0;
	if (!b->round_start)
		return;
	start_round(b, ack->view.delivered);
	b->rounds++;
	b->rounds_since_up++;
}

/* Once a round with losses, unless probing. */
static void adapt_lower_bounds(struct bbr *b, const struct ack *ack)
{
	if (probes_bw(b) || !b->loss_in_round)
		return;
	if (b->bw_shortterm == INFINITE_BW)
		b->bw_shortterm = max_bw(b);
	if (b->inflight_shortterm == INFINITE)
		b->inflight_shortterm = ack->view.cwnd;
	b->bw_shortterm = max(b->bw_latest, div_u64(b->bw_shortterm * 7, 10));
	b->inflight_shortterm = max_t(u32, b->inflight_latest,
				      b->inflight_shortterm * 7ULL / 10);
}

static void update_congestion(struct bbr *b, const struct ack *ack)
{
	update_round(b, ack);
	if (b->rate && (b->rate >= max_bw(b) || !ack->s->app_limited))
		b->max_bw[0] = max(b->max_bw[0], b->rate);
	if (b->loss_round_start)
		adapt_lower_bounds(b, ack);
}

/* 5.5.9: ACKs that come in bursts. */
static void update_aggregation(struct bbr *b, const struct ack *ack)
{
	u64 span_us = div_u64(ack->s->now_ns - b->extra_ns, NSEC_PER_USEC);
	u64 expected = mul_u64_u64_shr(bound_bw(b), span_us, BW_SHIFT);
	u32 extra;

	if (b->extra_delivered <= expected) {
		b->extra_delivered = 0;
		b->extra_ns = ack->s->now_ns;
		expected = 0;
	}
	b->extra_delivered += ack->s->delivered;
	extra = min_t(u64, b->extra_delivered - expected, ack->view.cwnd);
	if (b->rounds - b->extra_round >= (b->full_bw_reached ? EXTRA_ROUNDS : 1)) {
		b->extra[1] = b->full_bw_reached ? b->extra[0] : 0;
		b->extra[0] = 0;
		b->extra_round = b->rounds;
	}
	b->extra[0] = max(b->extra[0], extra);
}

/* --- states, 5.3 ---------------------------------------------------------------- */

static void check_full_bw(struct bbr *b, const struct ack *ack)
{
	if (b->full_bw_now || !b->round_start || ack->s->app_limited || !b->rate ||
	    b->state == PROBE_RTT)
		return;
	if (b->rate >= b->full_bw + b->full_bw / 4) {
		reset_full_bw(b);
		b->full_bw = b->rate;
		return;
	}
	b->full_bw_now = ++b->full_bw_count >= FULL_BW_ROUNDS;
	b->full_bw_reached |= b->full_bw_now;
}

/* 5.3.1.3; a full round with marks counts as one in fast recovery. */
static bool startup_is_lossy(const struct bbr *b, const struct ack *ack)
{
	bool fast = ack->view.phase == XTCP_CONGESTION_FAST;

	if (!ack->view.sack_ok)
		return b->loss_in_round && (fast || b->mark_in_round);
	if (!b->loss_round_start || b->lost_ranges < STARTUP_LOSSES ||
	    !inflight_is_too_high(ack))
		return false;
	return b->mark_in_round ||
	       (fast && (s32)(ack->s->prior_delivered - b->recovery_round) >= 0);
}

static void check_startup_losses(struct bbr *b, const struct ack *ack)
{
	if (b->state != STARTUP || b->full_bw_reached || !startup_is_lossy(b, ack))
		return;
	b->undo_state = STARTUP;
	b->full_bw_reached = true;
	b->inflight_longterm = max(bdp_multiple(b, ack, bound_bw(b), GAIN(100)),
				   b->inflight_latest);
}

static void check_startup_and_drain(struct bbr *b, const struct ack *ack)
{
	check_startup_losses(b, ack);
	if (b->state == STARTUP && b->full_bw_reached) {
		b->state = DRAIN;
		b->drain_round = b->rounds;
	}
	if (b->state == DRAIN &&
	    (ack->view.pipe <= inflight(b, ack, bound_bw(b)) ||
	     b->rounds > b->drain_round + 3))
		start_down(b, ack->s->now_ns, ack->view.delivered);
}

static bool is_time_to_probe(const struct bbr *b, const struct ack *ack)
{
	return ack->s->now_ns > b->cycle_ns + b->wait_ns ||
	       b->rounds_since_up >= min(target_inflight(b, ack), RENO_ROUNDS);
}

static bool is_time_to_cruise(const struct bbr *b, const struct ack *ack)
{
	return ack->view.pipe <= inflight_with_headroom(b) &&
	       ack->view.pipe <= inflight(b, ack, max_bw(b));
}

static bool is_time_to_go_down(struct bbr *b, const struct ack *ack)
{
	/*
	 * The flight before this ACK counts, as in Google's code: cwnd is at most the bound, so
	 * less than that is in flight after an ACK.
	 */
	if (b->probe_too_high && ack->s->prior_pipe >= b->inflight_longterm) {
		b->precautionary = true;
		return true;
	}
	if (ack->s->window_full && ack->view.cwnd >= b->inflight_longterm) {
		/* Not the path but this bound limits the rate. */
		reset_full_bw(b);
		b->full_bw = b->rate;
		return false;
	}
	return b->full_bw_now;
}

static void probe_longterm_upward(struct bbr *b, const struct ack *ack)
{
	u32 steps;

	if (!ack->s->window_full || ack->view.cwnd < b->inflight_longterm)
		return;
	b->up_acked += ack->s->delivered;
	steps = b->up_acked / b->up_per_inc;
	b->up_acked -= steps * b->up_per_inc;
	b->inflight_longterm = min(b->inflight_longterm + steps, ack->view.cwnd_max);
	if (b->round_start)
		raise_longterm_slope(b, ack);
}

/* Returns true if it decided on the next state. */
static bool adapt_longterm(struct bbr *b, const struct ack *ack)
{
	if (b->ack_phase == ACKS_STARTING && b->round_start)
		b->ack_phase = ACKS_FEEDBACK;
	if (b->ack_phase == ACKS_STOPPING && b->round_start) {
		b->probe_sample = false;
		b->ack_phase = ACKS_INIT;
		if (in_probe_bw(b) && !ack->s->app_limited) {
			b->max_bw[1] = b->max_bw[0];
			b->max_bw[0] = 0;
		}
		if (in_probe_bw(b) && b->precautionary && !b->probe_too_high) {
			start_refill(b, ack->view.delivered);
			return true;
		}
	}
	if (inflight_is_too_high(ack) || b->inflight_longterm == INFINITE)
		return false;
	b->inflight_longterm = max(b->inflight_longterm, ack->s->tx_pipe);
	if (b->state == UP)
		probe_longterm_upward(b, ack);
	return false;
}

static void update_cycle(struct bbr *b, const struct ack *ack)
{
	if (!b->full_bw_reached || adapt_longterm(b, ack))
		return;
	switch (b->state) {
	case DOWN:
	case CRUISE:
		if (is_time_to_probe(b, ack))
			start_refill(b, ack->view.delivered);
		else if (b->state == DOWN && is_time_to_cruise(b, ack))
			b->state = CRUISE;
		break;
	case REFILL:
		if (b->round_start) {
			b->probe_sample = true;
			start_up(b, ack);
		}
		break;
	case UP:
		if (is_time_to_go_down(b, ack)) {
			b->probe_too_high = false;
			start_down(b, ack->s->now_ns, ack->view.delivered);
		}
		break;
	}
}

/* --- round trip times, 5.3.4 ------------------------------------------------------ */

static void update_min_rtt(struct bbr *b, const struct ack *ack)
{
	u64 now_ns = ack->s->now_ns;

	b->probe_rtt_expired = now_ns > b->probe_min_ns + PROBE_RTT_INTERVAL_NS;
	if (ack->s->rtt_us &&
	    (ack->s->rtt_us < b->probe_min_us || b->probe_rtt_expired)) {
		b->probe_min_us = ack->s->rtt_us;
		b->probe_min_ns = now_ns;
	}
	if (b->probe_min_us < b->min_rtt_us || now_ns > b->min_rtt_ns + MIN_RTT_NS) {
		b->min_rtt_us = b->probe_min_us;
		b->min_rtt_ns = b->probe_min_ns;
	}
}

static u32 probe_rtt_cwnd(const struct bbr *b, const struct ack *ack)
{
	return max(bdp_multiple(b, ack, bound_bw(b), cwnd_gain[PROBE_RTT]), MIN_PIPE);
}

/* Returns true if PROBE_RTT has ended. */
static bool check_probe_rtt_done(struct bbr *b, u64 now_ns, u32 delivered)
{
	if (!b->probe_done_ns || now_ns <= b->probe_done_ns)
		return false;
	b->probe_min_ns = now_ns;
	reset_shortterm(b);
	if (b->full_bw_reached) {
		start_down(b, now_ns, delivered);
		b->state = CRUISE;
	} else {
		b->state = STARTUP;
	}
	return true;
}

static void handle_probe_rtt(struct bbr *b, struct ack *ack)
{
	if (!b->probe_done_ns) {
		if (ack->view.pipe > probe_rtt_cwnd(b, ack))
			return;
		b->probe_done_ns = ack->s->now_ns + PROBE_RTT_NS;
		b->probe_rtt_round_done = false;
		start_round(b, ack->view.delivered);
		return;
	}
	if (b->round_start)
		b->probe_rtt_round_done = true;
	if (b->probe_rtt_round_done &&
	    check_probe_rtt_done(b, ack->s->now_ns, ack->view.delivered))
		ack->window = max(ack->window, b->prior_cwnd);
}

static void check_probe_rtt(struct bbr *b, struct ack *ack)
{
	if (b->state != PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
		save_cwnd(b, ack->view.cwnd);
		b->state = PROBE_RTT;
		b->probe_done_ns = 0;
		b->ack_phase = ACKS_STOPPING;
		start_round(b, ack->view.delivered);
	}
	if (b->state == PROBE_RTT)
		handle_probe_rtt(b, ack);
	if (ack->s->delivered)
		b->idle_restart = false;
}

/* --- what is sent, 5.6 -------------------------------------------------------------- */

/* Bytes per second of a gain times @bw, less 1 %. */
static u64 pacing_of(u64 bw, u32 gain, u32 mss)
{
	u64 rate = mul_u64_u64_shr(bw * mss, USEC_PER_SEC, BW_SHIFT);

	return div_u64(mul_u64_u64_shr(rate, gain, GAIN_SHIFT) * 99, 100);
}

static void set_pacing(struct bbr *b, struct xtcp_sock *xs, u32 gain, u32 mss)
{
	u64 bw = min(bound_bw(b), BW_MAX);
	u64 rate = pacing_of(bw, gain, mss);

	if (!bw)
		return;
	/* Set again even so: SO_MAX_PACING_RATE may have been raised. */
	b->pacing = b->full_bw_reached ? rate : max(rate, b->pacing);
	xtcp_congestion_set_pacing(xs, b->pacing);
}

static u32 bound_cwnd(const struct bbr *b, u32 cwnd)
{
	u32 cap = INFINITE;

	if (b->state == PROBE_RTT || b->state == CRUISE)
		cap = inflight_with_headroom(b);
	else if (in_probe_bw(b))
		cap = b->inflight_longterm;
	cap = max(min(cap, b->inflight_shortterm), MIN_PIPE);
	return min(cwnd, cap);
}

static void set_cwnd(struct bbr *b, struct xtcp_sock *xs, const struct ack *ack)
{
	u32 limit = bdp_multiple(b, ack, bound_bw(b), cwnd_gain[b->state]);
	u32 cwnd = ack->window;

	limit = quantization_budget(b, ack, limit + max(b->extra[0], b->extra[1]));
	if (b->full_bw_reached)
		cwnd = min(cwnd + ack->s->delivered, limit);
	else if (cwnd < limit || ack->view.delivered < 2 * MIN_PIPE)
		cwnd += ack->s->delivered;
	cwnd = max(cwnd, MIN_PIPE);
	if (b->state == PROBE_RTT)
		cwnd = min(cwnd, probe_rtt_cwnd(b, ack));
	xtcp_congestion_set_window(xs, bound_cwnd(b, cwnd));
}

/* --- events --------------------------------------------------------------------------- */

static void check_recovered(struct bbr *b, struct ack *ack)
{
	bool recovering = ack->view.phase >= XTCP_CONGESTION_FAST;

	if (b->recovering && !recovering) {
		ack->window = max(ack->window, b->prior_cwnd);
	} else if (!b->recovering && recovering) {
		/* The loss that began it has saved the window before it was reduced. */
		if (!b->saved)
			save_cwnd(b, ack->view.cwnd);
		b->recovery_round = ack->view.delivered;
	}
	b->recovering = recovering;
	b->saved &= recovering;
}

/* 5.2.3 */
static void bbr_acked(struct xtcp_sock *xs,
		      const struct xtcp_congestion_sample *sample)
{
	struct bbr *b = xtcp_congestion_state(xs);
	struct ack ack = { .s = sample };

	xtcp_congestion_look(xs, &ack.view);
	ack.window = ack.view.cwnd;
	b->rate = sample->interval_us ?
		  div_u64((u64)sample->rate_delivered << BW_SHIFT, sample->interval_us) : 0;

	check_recovered(b, &ack);
	note_marks(b, &ack);
	update_latest(b, &ack);
	update_congestion(b, &ack);
	update_aggregation(b, &ack);
	check_full_bw(b, &ack);
	check_startup_and_drain(b, &ack);
	update_cycle(b, &ack);
	update_min_rtt(b, &ack);
	check_probe_rtt(b, &ack);
	if (b->loss_round_start) {
		start_loss_round(b);
		b->bw_latest = b->rate;
		b->inflight_latest = sample->rate_delivered;
	}
	set_pacing(b, xs, pacing_gain[b->state], ack.view.mss);
	set_cwnd(b, xs, &ack);
}

/*
 * An ACK may end a recovery and find the loss that begins the next one: acked() is called after
 * both. The state saved for an undo is that from before the recovery that ends here: discard it.
 */
static void end_recovery(struct xtcp_sock *xs, struct bbr *b, struct ack *ack)
{
	xtcp_congestion_set_window(xs, max(ack->view.cwnd, b->prior_cwnd));
	b->recovering = false;
	b->saved = false;
	xtcp_congestion_look(xs, &ack->view);
}

/* The scoreboard marks segments upwards, or holes from the last one down (without RACK). */
static bool is_next_to_last_loss(const struct bbr *b, const struct xtcp_congestion_loss *loss)
{
	return loss->seq == b->lost_end || loss->end == b->lost_seq;
}

/* 5.5.10.2 */
static void bbr_lost(struct xtcp_sock *xs, const struct xtcp_congestion_loss *loss)
{
	struct xtcp_congestion_sample sample = {
		.now_ns		= ktime_get_ns(),
		.rate_lost	= loss->lost,
		.rate_marked	= loss->marked,
		.tx_pipe	= loss->tx_pipe,
		.app_limited	= loss->app_limited,
	};
	struct bbr *b = xtcp_congestion_state(xs);
	struct ack ack = { .s = &sample };

	xtcp_congestion_look(xs, &ack.view);
	if (b->recovering && ack.view.phase < XTCP_CONGESTION_FAST)
		end_recovery(xs, b, &ack);
	ack.window = ack.view.cwnd;
	note_loss(b, ack.view.cwnd);
	if (!b->lost_ranges || !is_next_to_last_loss(b, loss))
		note_range(b);
	b->lost_seq = loss->seq;
	b->lost_end = loss->end;
	if (!b->probe_sample || !loss->tx_pipe || !inflight_is_too_high(&ack))
		return;
	sample.tx_pipe = inflight_at_loss(loss);
	handle_too_high(b, &ack);
}

/* 5.4: at the rate itself. */
static void bbr_resumed(struct xtcp_sock *xs, u64 idle_ns)
{
	struct bbr *b = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;
	u64 now_ns = ktime_get_ns();

	xtcp_congestion_look(xs, &view);
	b->idle_restart = true;
	b->extra_ns = now_ns;
	b->extra_delivered = 0;
	if (in_probe_bw(b))
		set_pacing(b, xs, GAIN(100), view.mss);
	else if (b->state == PROBE_RTT &&
		 check_probe_rtt_done(b, now_ns, view.delivered))
		xtcp_congestion_set_window(xs, max(view.cwnd, b->prior_cwnd));
}

/* What was in flight is lost already; the window is still what it was. */
static void bbr_timed_out(struct xtcp_sock *xs)
{
	struct bbr *b = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	save_cwnd(b, view.cwnd);
	if (!b->recovering)
		b->recovery_round = view.delivered;
	b->recovering = true;
}

/* 5.5.11 */
static void bbr_restored(struct xtcp_sock *xs, u32 cwnd)
{
	struct bbr *b = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;

	xtcp_congestion_look(xs, &view);
	b->loss_in_round = false;
	b->loss_is_new = false;
	b->lost_ranges = 0;
	b->saved = false;
	reset_full_bw(b);
	b->bw_shortterm = max(b->bw_shortterm, b->undo_bw);
	b->inflight_shortterm = max(b->inflight_shortterm, b->undo_shortterm);
	b->inflight_longterm = max(b->inflight_longterm, b->undo_longterm);
	if (b->undo_state == STARTUP && b->state != STARTUP) {
		b->full_bw_reached = false;
		if (b->state != PROBE_RTT)
			b->state = STARTUP;
	} else if (b->undo_state == UP && b->state != UP && b->state != PROBE_RTT) {
		start_refill(b, view.delivered);
	}
	b->undo_state = NO_STATE;
	xtcp_congestion_set_window(xs, max(view.cwnd, b->prior_cwnd));
}

/* 5.2.1 */
static void bbr_init(struct xtcp_sock *xs)
{
	struct bbr *b = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;
	u64 now_ns = ktime_get_ns();

	xtcp_congestion_look(xs, &view);
	b->min_rtt_us = view.srtt_us ?: INFINITE;
	b->min_rtt_ns = now_ns;
	b->probe_min_us = b->min_rtt_us;
	b->probe_min_ns = now_ns;
	b->extra_ns = now_ns;
	b->inflight_longterm = INFINITE;
	b->up_per_inc = INFINITE;
	b->undo_state = NO_STATE;
	b->next_round = view.delivered;
	b->loss_round = view.delivered;
	reset_shortterm(b);
	b->state = STARTUP;
	b->pacing = div_u64(mul_u64_u64_shr((u64)view.cwnd * view.mss * USEC_PER_SEC,
					    pacing_gain[STARTUP], GAIN_SHIFT),
			    view.srtt_us ?: USEC_PER_MSEC);
	xtcp_congestion_set_pacing(xs, b->pacing);
}

static size_t bbr_info(struct xtcp_sock *xs, union tcp_cc_info *info, int *attr)
{
	const struct bbr *b = xtcp_congestion_state(xs);
	struct xtcp_congestion_view view;
	u64 bw = min(bound_bw(b), BW_MAX);

	xtcp_congestion_look(xs, &view);
	bw = mul_u64_u64_shr(bw * view.mss, USEC_PER_SEC, BW_SHIFT);
	info->bbr.bbr_bw_lo = lower_32_bits(bw);
	info->bbr.bbr_bw_hi = upper_32_bits(bw);
	info->bbr.bbr_min_rtt = b->min_rtt_us;
	info->bbr.bbr_pacing_gain = pacing_gain[b->state];
	info->bbr.bbr_cwnd_gain = cwnd_gain[b->state];
	*attr = INET_DIAG_BBRINFO;
	return sizeof(info->bbr);
}

static const struct xtcp_congestion_ops bbr = {
	.abi		= XTCP_CONGESTION_ABI,
	.flags		= XTCP_CONGESTION_UNRESTRICTED | XTCP_CONGESTION_CONTROLS |
			  XTCP_CONGESTION_RATES | XTCP_CONGESTION_PACES,
	.name		= "bbr",
	.owner		= THIS_MODULE,
	.state_size	= sizeof(struct bbr),
	.init		= bbr_init,
	.acked		= bbr_acked,
	.resumed	= bbr_resumed,
	.timed_out	= bbr_timed_out,
	.restored	= bbr_restored,
	.lost		= bbr_lost,
	.info		= bbr_info,
};

static int __init bbr_load(void)
{
	return xtcp_congestion_register(&bbr);
}

static void __exit bbr_unload(void)
{
	xtcp_congestion_unregister(&bbr);
}

module_init(bbr_load);
module_exit(bbr_unload);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("xtcp: BBR version 3");
MODULE_VERSION(__stringify(XTCP_VERSION));
