/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xtcp_congestion.h - a congestion control of xtcp in a module of its own
 *
 * A module fills a struct xtcp_congestion_ops and registers it. All that it may know
 * of a connection is in struct xtcp_congestion_view and struct xtcp_congestion_sample;
 * all that it may change, by the functions below. struct xtcp_sock is opaque: a module
 * does not depend on the layout of the TCB.
 *
 * The module is called xtcp_cc_NAME, so that TCP_CONGESTION and
 * xtcp_congestion_control can load it. Documentation/congestion.rst explains the
 * contract; Documentation/examples/xtcp_cc_scalable.c is a complete module.
 *
 * Windows, losses and deliveries count segments.
 *
 * Context: each function of the ops is called with the socket locked, in softirq or
 * process context, and may not sleep. So are the functions below, except for
 * xtcp_congestion_register() and xtcp_congestion_unregister().
 */
#ifndef _LINUX_XTCP_CONGESTION_H
#define _LINUX_XTCP_CONGESTION_H

#include <linux/bits.h>
#include <linux/inet_diag.h>
#include <linux/types.h>

struct module;
struct xtcp_sock;

/*
 * Version of this header, in xtcp_congestion_ops.abi. It changes with each
 * incompatible change of a struct or of a function's meaning.
 */
#define XTCP_CONGESTION_ABI		2

#define XTCP_CONGESTION_NAME_MAX	16	/* with the final 0; as in Linux */

/* Largest xtcp_congestion_ops.state_size, bytes. */
#define XTCP_CONGESTION_STATE_MAX	1024

/* State up to this size is in the TCB; for more, each connection has an allocation. */
#define XTCP_CONGESTION_STATE_INLINE	40

/* Bits of xtcp_congestion_ops.flags. */

/* Users without CAP_NET_ADMIN may choose it, until the administrator says otherwise. */
#define XTCP_CONGESTION_UNRESTRICTED	BIT(0)
/*
 * acked() sets the window by xtcp_congestion_set_window(), in recovery, too. Neither
 * grow() nor ssthresh() is called, and no reduction is spread over a round trip.
 */
#define XTCP_CONGESTION_CONTROLS	BIT(1)
/* Samples have a delivery rate: the part of them from @interval_us on is filled. */
#define XTCP_CONGESTION_RATES		BIT(2)
/*
 * The rule sets the pacing rate by xtcp_congestion_set_pacing(). xtcp itself paces,
 * unless the qdisc fq does.
 */
#define XTCP_CONGESTION_PACES		BIT(3)
/*
 * The connection asks for and accepts ECN, whatever xtcp_ecn says, and as a receiver
 * echoes each CE mark exactly (RFC 8257 3.2), not until CWR. All its segments are ECT (3.6).
 */
#define XTCP_CONGESTION_ECN		BIT(4)
/*
 * The rule is scalable (RFC 9331 4.3): the segments of a connection with Accurate ECN are sent
 * as ECT(1), which asks routers for the queue of L4S. Without Accurate ECN payload is ECT(0),
 * because the peer does not tell how many segments were marked (4.2), and the rule has to react
 * as RFC 3168 says. Together with XTCP_CONGESTION_ECN the connection asks for and accepts
 * Accurate ECN, whatever xtcp_ecn says.
 */
#define XTCP_CONGESTION_ECT1		BIT(5)

/**
 * enum xtcp_congestion_phase - phase of loss recovery of a connection
 * @XTCP_CONGESTION_OPEN: nothing is wrong
 * @XTCP_CONGESTION_DISORDER: something is missing, and may still come
 * @XTCP_CONGESTION_REDUCTION: CE mark, or a full queue of this host
 * @XTCP_CONGESTION_FAST: fast recovery: ACKs have shown a loss
 * @XTCP_CONGESTION_LOSS: the retransmission timer has fired
 */
enum xtcp_congestion_phase {
	XTCP_CONGESTION_OPEN,
	XTCP_CONGESTION_DISORDER,
	XTCP_CONGESTION_REDUCTION,
	XTCP_CONGESTION_FAST,
	XTCP_CONGESTION_LOSS,
};

/**
 * struct xtcp_congestion_view - a connection as a rule may see it
 * @cwnd: congestion window, segments, at least 1
 * @cwnd_max: largest window: 2^20, or what the route locks
 * @ssthresh: slow start threshold, segments; U32_MAX: none yet
 * @pipe: segments in the network (RFC 6675)
 * @lost_out: segments in flight that are believed lost. 0 in ssthresh() if the
 *	reduction is for a CE mark or a full queue of this host
 * @mss: payload of a full segment, bytes
 * @srtt_us: smoothed round trip time, microseconds; 0: not measured yet
 * @min_rtt_us: least round trip time of the last minutes, microseconds; U32_MAX: not measured yet
 * @delivered: segments delivered since the connection opened; wraps
 * @delivered_ce: of them, acknowledged with ECE; wraps
 * @lost: losses since the connection opened, of retransmissions, too; wraps
 * @snd_una: oldest unacknowledged sequence number
 * @snd_nxt: next sequence number to be sent; compare by (s32)(a - b)
 * @phase: phase of loss recovery
 * @sack_ok: the peer reports arrivals by SACK
 * @echoing_ce: as a receiver: the last payload had a CE mark
 * @ecn_ok: ECN was negotiated
 * @ecn_accurate: it is Accurate ECN (RFC 9768): samples count each mark
 */
struct xtcp_congestion_view {
	u32	cwnd;
	u32	cwnd_max;
	u32	ssthresh;
	u32	pipe;
	u32	lost_out;
	u32	mss;
	u32	srtt_us;
	u32	min_rtt_us;
	u32	delivered;
	u32	delivered_ce;
	u32	lost;
	u32	snd_una;
	u32	snd_nxt;
	enum xtcp_congestion_phase phase;
	bool	sack_ok;
	bool	echoing_ce;
	bool	ecn_ok;
	bool	ecn_accurate;
};

/**
 * struct xtcp_congestion_sample - what one ACK says
 * @now_ns: when it arrived, CLOCK_MONOTONIC
 * @delivered: segments newly delivered
 * @marked: of them, with CE; without Accurate ECN all if the ACK has ECE, else none
 * @lost: segments that it showed to be lost
 * @prior_pipe: segments in the network before it
 * @rtt_us: round trip time of the segment sent last among those delivered; 0:
 *	none was delivered
 * @interval_us: time in which @rate_delivered segments were delivered; 0: the ACK
 *	gives no rate. The longer one of the time in which they were sent and the time
 *	in which they were acknowledged (draft-cheng-iccrg-delivery-rate-estimation)
 * @rate_delivered: segments delivered between the sending of that segment and now
 * @rate_marked: of them, with CE, counted as @marked
 * @rate_lost: losses found in that time
 * @prior_delivered: xtcp_congestion_view.delivered when that segment was sent
 * @tx_pipe: segments in the network right after it was sent
 * @app_limited: the program had no more data when that segment was sent
 * @window_full: with XTCP_CONGESTION_CONTROLS: segments up to SND.UNA were in flight
 *	together with a full window
 */
struct xtcp_congestion_sample {
	u64	now_ns;
	u32	delivered;
	u32	marked;
	u32	lost;
	u32	prior_pipe;
	u32	rtt_us;
	u32	interval_us;
	u32	rate_delivered;
	u32	rate_marked;
	u32	rate_lost;
	u32	prior_delivered;
	u32	tx_pipe;
	bool	app_limited;
	bool	window_full;
};

/**
 * struct xtcp_congestion_loss - segments that are believed lost from now on
 * @seq: first sequence number
 * @end: sequence number behind the last one
 * @segs: how many they are; they were sent together
 * @tx_pipe: segments in the network right after they were sent, with them; of a retransmission,
 *	with those that followed before the next ACK. 0: unknown, because it was too long ago
 *	or before the rule was chosen, and so are the following
 * @lost: losses found since they were sent, these included
 * @marked: segments delivered with CE since then, as @rate_marked of a sample
 * @app_limited: the program had no more data when they were sent
 */
struct xtcp_congestion_loss {
	u32	seq;
	u32	end;
	u32	segs;
	u32	tx_pipe;
	u32	lost;
	u32	marked;
	bool	app_limited;
};

/**
 * struct xtcp_congestion_ops - a congestion control
 * @abi: XTCP_CONGESTION_ABI
 * @flags: XTCP_CONGESTION_*
 * @grow: @segs segments were newly delivered, the window was in use, and no reduction
 *	is in progress. Required without XTCP_CONGESTION_CONTROLS
 * @rtt: a round trip was measured, in microseconds; NULL if not needed
 * @acked: an ACK has delivered or lost something; recovery has dealt with it, and the
 *	window has not moved. Required with XTCP_CONGESTION_CONTROLS or
 *	XTCP_CONGESTION_RATES, else NULL if not needed
 * @ssthresh: the window is to be reduced: return the new one. Called once for each
 *	reduction, with the window not reduced yet. @flight: segments in flight before.
 *	May not change the window. Less than 2 counts as 2, and more than the window as
 *	the window. Required without XTCP_CONGESTION_CONTROLS
 * @state_size: size of the state of a connection, bytes
 * @name: for TCP_CONGESTION: no blanks, and ends within the array
 * @owner: THIS_MODULE; each socket that uses the rule, and each namespace whose
 *	default it is, holds a reference
 * @init: a connection begins, or an open one changes to this rule; its state is
 *	zeroed. NULL if there is nothing to do
 * @resumed: segments are sent again, with nothing in flight, @idle_ns after the last ones.
 *	NULL if not needed
 * @timed_out: a retransmission timeout, the threshold is reduced; the window will be what
 *	counts as in flight and one segment. NULL if not needed
 * @restored: nothing was lost: the window is @cwnd again, or what it is now if that
 *	is more. NULL if not needed
 * @lost: segments are believed lost, or their retransmission is: before recovery reacts to it
 *	and before acked(). xtcp_congestion_view.delivered counts what this ACK delivers,
 *	but for the duplicate ACK of a peer without SACK. NULL if not needed; needs
 *	XTCP_CONGESTION_RATES
 * @info: fill @info for TCP_CC_INFO and return its size; *@attr: INET_DIAG_VEGASINFO,
 *	INET_DIAG_DCTCPINFO or INET_DIAG_BBRINFO, which tells what it is. NULL if there
 *	is none
 *
 * The state is plain data: a rule owns no memory and no timer, and is not told of the
 * end of a connection. It may be in use as soon as it is registered.
 */
struct xtcp_congestion_ops {
	u32		abi;
	u32		flags;
	void		(*grow)(struct xtcp_sock *xs, u32 segs);
	void		(*rtt)(struct xtcp_sock *xs, u32 rtt_us);
	void		(*acked)(struct xtcp_sock *xs,
				 const struct xtcp_congestion_sample *sample);
	u32		(*ssthresh)(struct xtcp_sock *xs, u32 flight);
	u32		state_size;
	char		name[XTCP_CONGESTION_NAME_MAX];
	struct module	*owner;
	void		(*init)(struct xtcp_sock *xs);
	void		(*resumed)(struct xtcp_sock *xs, u64 idle_ns);
	void		(*timed_out)(struct xtcp_sock *xs);
	void		(*restored)(struct xtcp_sock *xs, u32 cwnd);
	size_t		(*info)(struct xtcp_sock *xs, union tcp_cc_info *info,
				int *attr);
	void		(*lost)(struct xtcp_sock *xs,
				const struct xtcp_congestion_loss *loss);
};

/* A round in which all segments were marked; unit of the knob xtcp_plb_cong_thresh. */
#define XTCP_PLB_ONE		256U

/**
 * struct xtcp_plb - Protective Load Balancing of a connection; part of an algorithm's state
 * @pause_until: jiffies, low 32 bits, if @paused
 * @congested: congested rounds in a row
 * @paused: a timeout has stopped it
 */
struct xtcp_plb {
	u32	pause_until;
	u8	congested;
	bool	paused;
};

/* Context: process, may sleep. */
int xtcp_congestion_register(const struct xtcp_congestion_ops *ops);
void xtcp_congestion_unregister(const struct xtcp_congestion_ops *ops);

/* A connection, for the functions of the ops. */
void *xtcp_congestion_state(struct xtcp_sock *xs);
const struct xtcp_congestion_ops *xtcp_congestion_rule(const struct xtcp_sock *xs);
void xtcp_congestion_look(const struct xtcp_sock *xs,
			  struct xtcp_congestion_view *view);

/* For grow(). */
u32 xtcp_congestion_slow_start(struct xtcp_sock *xs, u32 segs);
void xtcp_congestion_avoidance(struct xtcp_sock *xs, u32 per_segment, u32 segs);
void xtcp_congestion_open_to(struct xtcp_sock *xs, u32 cwnd);
void xtcp_congestion_end_slow_start(struct xtcp_sock *xs);

/* For acked() and the others, with XTCP_CONGESTION_CONTROLS or _PACES. */
void xtcp_congestion_set_window(struct xtcp_sock *xs, u32 cwnd);
void xtcp_congestion_set_pacing(struct xtcp_sock *xs, u64 bytes_per_s);

/* Load balancing, for an algorithm that knows which segments were marked. */
void xtcp_plb_round(struct xtcp_sock *xs, struct xtcp_plb *plb, u32 delivered, u32 marked);
void xtcp_plb_try(struct xtcp_sock *xs, struct xtcp_plb *plb);
void xtcp_plb_timed_out(struct xtcp_sock *xs, struct xtcp_plb *plb);

#endif /* _LINUX_XTCP_CONGESTION_H */
