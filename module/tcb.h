/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tcb.h - the connection record of a full socket
 *
 * RFC 9293 3.3.1 calls it the Transmission Control Block. Fields keep the
 * RFC's names: SND.UNA is snd_una. All are guarded by the socket lock unless
 * said otherwise; those that readers outside look at (poll, /proc, TCP_INFO)
 * are written with WRITE_ONCE().
 */
#ifndef XTCP_TCB_H
#define XTCP_TCB_H

#include <linux/ipv6.h>
#include <linux/llist.h>
#include <linux/rbtree.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>

#include "delayline.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"

struct xtcp_congestion_ops;
struct xtcp_family;
struct xtcp_listener;
struct xtcp_port;

/* Deadlines of a socket; timers.c owns them. */
enum xtcp_timer {
	XTCP_TIMER_RETRANSMIT,	/* RFC 6298: oldest unacknowledged segment */
	XTCP_TIMER_PERSIST,	/* RFC 9293 3.8.6.1: zero window */
	XTCP_TIMER_DELAYED_ACK,	/* RFC 9293 3.8.6.3 */
	XTCP_TIMER_KEEPALIVE,	/* RFC 9293 3.8.4 */
	XTCP_TIMER_FIN_WAIT_2,	/* only the peer's FIN is missing */
	XTCP_TIMER_PACE,	/* the next burst is due */
	XTCP_TIMERS
};

/* Phases of loss recovery, transfer/recovery.c; in the order of trouble. */
enum xtcp_recovery {
	XTCP_RECOVERY_NONE,	/* nothing is wrong */
	XTCP_RECOVERY_DISORDER,	/* something is missing, and may still come */
	XTCP_RECOVERY_REDUCTION, /* CE mark, or a full queue of this host */
	XTCP_RECOVERY_FAST,	/* ACKs showed a loss */
	XTCP_RECOVERY_LOSS,	/* the retransmission timer fired */
};

/* What XTCP_TIMER_RETRANSMIT stands for, transfer/retransmit.c. */
enum xtcp_wait {
	XTCP_WAIT_TIMEOUT,	/* RFC 6298 */
	XTCP_WAIT_LOSS_PROBE,	/* RFC 8985 7 */
	XTCP_WAIT_REORDER,	/* RFC 8985 6.2, step 5 */
};

/* Recoveries for which RACK's wider reordering window lasts, RFC 8985 6.2. */
#define XTCP_RACK_PERSIST	16U

/* The peer's urgent octet, transfer/urgent.c. */
enum xtcp_urgent {
	XTCP_URGENT_NONE,	/* none, or the reader is past it */
	XTCP_URGENT_AWAITED,	/* only the pointer has come */
	XTCP_URGENT_HERE,	/* to be read with MSG_OOB */
	XTCP_URGENT_READ,	/* read; where it stood is still ahead */
};

/* Why an ACK is owed. */
#define XTCP_ACK_PENDING	0x01	/* one is owed at all */
#define XTCP_ACK_NOW		0x02	/* it must not wait */
#define XTCP_ACK_SOON		0x04	/* it waits for the user's next call only */
#define XTCP_ACK_WHEN_READ	0x08	/* it waits until the user has read all */

/* Bits of struct xtcp_sock::deferred: work for release_cb. */
#define XTCP_DEFER_TIMERS	0	/* timers fired while the user held it */
#define XTCP_DEFER_MTU		1	/* a router announced a smaller MTU */
#define XTCP_DEFER_ACK		2	/* xtcp_ack_deferred() */
#define XTCP_DEFER_SEND		3	/* xtcp_smallqueue_resume() */
/* And of a socket whose skbs have not left the host, transfer/smallqueue.c. */
#define XTCP_THROTTLED		4
#define XTCP_RESUMING		5

#define XTCP_NAGLE_OFF		0x1	/* TCP_NODELAY */
#define XTCP_NAGLE_CORK		0x2	/* TCP_CORK */
#define XTCP_NAGLE_PUSH		0x4	/* what is queued goes out once */
#define XTCP_NAGLE_LARGE	0x8	/* the last SEND was of many segments */

/**
 * struct xtcp_meter - for TCP_INFO, transfer/meter.c
 * @spent: times past, by what held the sender back; in 2^22 ns
 * @since: until when they are counted, low 16 bits
 * @round_delivered: xs->delivered when the present round began, low 16 bits
 */
struct xtcp_meter {
	u32	spent[3];
	u16	since;
	u16	round_delivered;
};

/**
 * struct xtcp_sock - an xtcp socket
 * @inet: the kernel's part, first
 * @flow: its entry in the flow table
 * @af: address family operations
 * @listener: LISTEN: queues, owned by open/listen.c
 * @accept_link: before accept(): place in the listener's accept queue
 * @cookie: with @cookie_held: the peer's lossless cookie, open/echo.c
 * @meter: where neither is needed
 * @port: local port and address it holds, NULL for none; port/, chain lock
 * @port_listens: listen() has that port; port/, chain lock
 * @syncookies: XTCP_SYNCOOKIES + 1; 0: the knob's value
 * @echoes: times that @cookie was repeated for want of an answer
 *
 * Send sequence space, RFC 9293 3.3.1:
 * @snd_una: oldest unacknowledged
 * @snd_nxt: next to be sent
 * @write_seq: after the last octet (or FIN) queued by the user
 * @snd_wnd: octets the peer allows from @snd_una, scaled
 * @snd_wl1: SEG.SEQ of the segment that last updated @snd_wnd
 * @snd_wnd_max: largest @snd_wnd ever seen
 * @iss: initial send sequence number
 * @snd_sml: end of the last segment sent that was smaller than the MSS
 * @pushed_seq: what was last marked with PSH
 * @snd_up: after our urgent octet, if @snd_urgent
 *
 * Receive sequence space:
 * @rcv_nxt: next expected
 * @rcv_wup: @rcv_nxt when the window was last advertised
 * @rcv_wnd: octets advertised from @rcv_wup
 * @copied_seq: next octet the user reads
 * @irs: initial receive sequence number
 * @urg_seq: the peer's urgent octet, if @urg_state; RCV.UP less one
 * @urg_state: enum xtcp_urgent
 * @urg_byte: that octet itself, once it is here
 *
 * Receive buffer, transfer/autotune.c; times in 1024 ns:
 * @rcv_rtt: the receiver's round trip time, times 8; 0: no sample yet
 * @rcv_rtt_seq: the window will have come when RCV.NXT is there
 * @rcv_rtt_tick: when it was offered
 * @rcv_rtt_echo: timestamp that was timed last
 * @read_per_rtt: octets that the user read in a round trip; 0: nothing came yet
 * @read_seq, @read_tick: where and when that is counted from
 * @rcv_share: 256ths of a segment's memory that are text
 *
 * Negotiated at the opening:
 * @snd_wscale: shift of windows received, @rcv_wscale: of windows sent
 * @wscale_ok, @ts_ok, @sack_ok: both sides sent the option
 * @cookie_held: the server has not been heard since its SYN-ACK
 * @advmss: octets, the MSS we announced
 * @peer_mss: octets, the MSS the peer announced (or the default)
 * @user_mss: octets, TCP_MAXSEG; 0: none
 * @mss: octets of text a full segment carries now (effective send MSS less
 *	options, MUST-16)
 * @pmtu: octets, the path MTU that @mss was made from
 *
 * Timestamps, RFC 7323:
 * @ts_offset: added to the clock in TSval
 * @ts_recent: TS.Recent
 * @ts_recent_s: when it was set, seconds of CLOCK_MONOTONIC
 *
 * Round trip time, RFC 6298; microseconds:
 * @srtt_us: smoothed, times 8; 0: no sample yet
 * @rttvar_us: variance, times 4 (so that RTO = SRTT + this)
 * @rto_us: timeout in force, backed off
 *
 * Congestion control, RFC 5681; segments:
 * @cwnd, @ssthresh: window and threshold; ssthresh U32_MAX: none yet
 * @cwnd_cnt: ACKs counted towards the next segment in congestion avoidance
 * @congestion: the rule by which @cwnd moves, @congestion_state what it keeps
 * @congestion_chosen: by TCP_CONGESTION, not by the knob
 * @cwnd_full: SND.NXT when @cwnd was last used up
 * @in_flight: segments sent and not acknowledged cumulatively
 * @bare_out: that is one, our SYN or FIN by itself, and no skb stands for it
 * @sacked_out: of these, held by the peer: SACKed or, without SACK, as many
 *	as duplicate ACKs came
 * @lost_out: of these, believed lost; @retrans_out: sent again since
 * @recover: RFC 6582: highest sequence number sent when recovery began
 * @recovery: phase
 * @waiting: enum xtcp_wait
 *
 * Scoreboard, transfer/scoreboard.c:
 * @sent_order: segments on their way, by the time of their last sending
 * @sacked_end: after the highest SACKed segment, if @sacked_out
 * @resend_seq: below it nothing that is lost waits to be sent again
 * @holes_seq: below it all that did not arrive is known to be lost, where SACK
 *	blocks are counted
 * @lost: losses in all, retransmissions that were lost included
 * @reordering: segments above a hole that make a loss of it
 * @reord_seen: segments have come late
 *
 * Coming down and back up, transfer/prr.c and undo.c:
 * @prior_cwnd, @prior_ssthresh: before the reduction; segments
 * @prr_delivered, @prr_out: segments, since it began
 * @undo_seq: SND.UNA when it began; valid if @undo_armed
 * @undo_retrans: segments sent again and not reported as duplicates; -1: none
 *	was sent yet
 * @undo_ts: timestamp of the first of them, if @undo_ts_set
 * @dsack_segs: duplicates ever reported
 *
 * Explicit Congestion Notification, RFC 3168; transfer/ecn.c:
 * @ecn_ok: agreed, or in SYN-SENT: offered
 * @ecn_cwr: the window came down: new text says so
 * @ecn_echo: a mark came: our segments say so until the peer has slowed down
 * @ecn_seen: text came that could be marked
 *
 * Sending, transfer/pacing.c and user/sockopt.c:
 * @pace_us: when the next burst is due, low 32 bits of CLOCK_MONOTONIC us, where
 *	we pace, and once we have: @paced
 * @notsent_lowat: TCP_NOTSENT_LOWAT, octets; 0: the knob's value
 * @recv_inq: TCP_INQ: recvmsg() tells what is left
 *
 * Path MTU by trying, RFC 4821; transfer/mtuprobe.c, octets of text and options:
 * @mtu_searched: the search is on
 * @mtu_low: passes, @mtu_high: the most that may
 * @mtu_probe: of the segment that tries; 0: none is on its way
 * @mtu_probe_end: after its last octet
 * @mtu_probed_s: when the search began, seconds of CLOCK_MONOTONIC
 *
 * RACK and TLP, RFC 8985; transfer/rack.c and lossprobe.c:
 * @rack_sent_ns: RACK.xmit_ts; 0: nothing was delivered yet
 * @rack_end: RACK.end_seq
 * @rack_rtt_us: RACK.rtt
 * @rack_round: SND.NXT when the reordering window was last widened
 * @rack_steps: quarters of the least RTT in that window
 * @rack_persist: recoveries for which it keeps them
 * @rack_advanced: something was delivered since losses were looked for
 * @rack_dsack: a D-SACK calls for a wider window
 * @probe_seq: TLP.end_seq, if @probe_out; @probe_resent: it was a segment of
 *	before
 * @frto: RFC 5682 is looking whether the timeout was spurious
 *
 * @min_rtt_us: least RTT since @min_rtt_ms, @min_rtt_last_us: before; U32_MAX:
 *	none
 *
 * Timers; CLOCK_MONOTONIC ns, timers.c:
 * @turn: place in a wheel, at or before the earliest deadline
 * @turn_cpu: whose wheel
 * @deadline_ns: by enum xtcp_timer; 0: not set
 * @retransmits: timeouts in a row without progress
 * @probes_out: unanswered window or keepalive probes
 * @probe_backoff: doublings of the time to the next window probe
 * @retrans_stamp_ns: since when the peer owes an answer: the last ACK of new
 *	data, or the first send after nothing was in flight, or the first
 *	window probe; R2 and the user timeout count from here. 0: it owes none
 *
 * Acknowledging:
 * @ack: XTCP_ACK_*
 * @quickack: ACKs still to be sent at once
 * @pingpong: the user answers: ACKs ride on data
 * @ack_eager: TCP_QUICKACK was switched on: they don't wait for the user
 * @ato_ms: delayed ACK timeout
 * @rcv_mss: largest segment seen lately, octets
 * @acks_merged: duplicate ACKs that one will stand for
 * @dup_acks: of these that went by themselves, while RCV.NXT was @dup_ack_seq
 * @oow_ack_ms: last answer to an invalid segment, low 32 bits of ms; 0: none
 * @last_rcv_ns: last segment in that passed the checks of RFC 9293 3.10.7.4; of
 *	any, while it is handled
 * @last_payload_ms: last text in, low 32 bits of ms, for @ato_ms; unless that is 0
 * @last_snd_ns: last data out, for restart after idle
 *
 * Out of order, RFC 9293 SHLD-31:
 * @ofo_queue: skbs by sequence number
 * @sacks: blocks to report, latest first; @nr_sacks of them (RFC 2018 4)
 * @dsack: duplicate to report once; @dsack_pending (RFC 2883)
 * @rcv_collapsed: no memory can be saved by copying, prune.c; until the user reads
 * @ofo_collapsed: none in @ofo_queue, until an skb is added
 *
 * Options of the user; 0 means the knob's value where there is one:
 * @keep_idle_s, @keep_intvl_s: seconds; @keep_probes: count
 * @syn_retries: TCP_SYNCNT; of a listener, for SYN-ACKs
 * @defer_accept: TCP_DEFER_ACCEPT: a connection that has brought no text yet
 *	stays half-open until so many timeouts have passed; 0: none
 * @linger2_s: TCP_LINGER2 in seconds; -1: no FIN-WAIT-2 orphan at all
 * @tw_timeout_s: XTCP_TW_TIMEOUT, seconds
 * @user_timeout_ms: TCP_USER_TIMEOUT
 * @window_clamp: octets, largest receive window
 * @nagle: XTCP_NAGLE_*
 *
 * For TCP_INFO, as Linux counts:
 * @delivered, @delivered_ce: segments, our SYN included; of them marked (ECN)
 * @data_segs_in, @data_segs_out: segments with text; @rcv_ooo: out of order
 * @bytes_retrans: octets sent again
 *
 * And of these, what transfer/meter.c reckons:
 * @filtering: programs that may bind it are running in an RCU section
 * @held: enum xtcp_held
 * @rate: at which text was delivered last, octets a second: 11 bits, and above
 *	them 5 that tell how far to shift these left
 * @rate_limited: the user had no more to send then
 * @round: when the present round trip began, in 2^10 ns
 *
 * @timeouts, @timeout_runs: of the retransmission timer; first ones of a row
 * @rto_ms: milliseconds from such a first one until what it began was over, in
 *	all; while @rto_timed, less the time on the clock when it began
 * @rehashes: timeouts that gave the flow another hash
 *
 * @state_since: when the connection came into its state, jiffies
 * @deferred: XTCP_DEFER_*, XTCP_THROTTLED, XTCP_RESUMING, atomic bits
 * @resume_link: place in a list of smallqueue.c, with XTCP_RESUMING
 * @fin_queued: our FIN stands in the send queue or was sent
 */
struct xtcp_sock {
	union {
		struct inet_sock	inet;
		/*
		 * The kernel's part has flags and a timer, which are for the
		 * protocol to use, and a place where datagrams are built piece
		 * by piece and its TCP keeps a flow to look up routes by. None
		 * of this is done here: 192 octets of each socket would lie
		 * idle.
		 */
		struct {
			u8	flags_before[offsetof(struct inet_sock,
						      sk.sk_tsq_flags)];
			unsigned long deferred;
		};
		struct {
			u8	sk_before[offsetof(struct inet_sock,
						   sk.sk_timer)];
			struct xtcp_delay turn;
			struct llist_node resume_link;
			u16	turn_cpu;
			u16	mtu_low;
			u16	mtu_high;
			u16	mtu_probe;
		};
		struct {
			u8	inet_before[offsetof(struct inet_sock, cork)];

			u64	congestion_state[5];
			struct xtcp_sack_block sacks[XTCP_SACK_MAX];
			struct xtcp_sack_block dsack;
			u32	rcv_rtt;
			seq_t	rcv_rtt_seq;
			u32	rcv_rtt_tick;
			u32	rcv_rtt_echo;
			u32	read_per_rtt;
			seq_t	read_seq;
			u32	read_tick;
			seq_t	urg_seq;
			seq_t	dup_ack_seq;
			u32	prior_cwnd;
			u32	prior_ssthresh;
			u32	prr_delivered;
			u32	prr_out;
			u32	undo_ts;
			u32	rto_ms;
			u16	timeout_runs;
			u16	rehashes;
		};
	};
	struct xtcp_flow		flow;
	const struct xtcp_family	*af;
	struct xtcp_listener		*listener;
	union {
		struct list_head	accept_link;
		u8			cookie[XTCP_COOKIE_LEN];
		struct xtcp_meter	meter;
	};
	struct xtcp_port		*port;
	const struct xtcp_congestion_ops *congestion;
	bool				port_listens;
	u8				syncookies;
	u8				echoes;
	u8				nr_sacks;

	seq_t		snd_una;
	seq_t		snd_nxt;
	seq_t		write_seq;
	u32		snd_wnd;
	seq_t		snd_wl1;
	u32		snd_wnd_max;
	seq_t		iss;
	seq_t		snd_sml;
	seq_t		pushed_seq;
	seq_t		snd_up;

	seq_t		rcv_nxt;
	seq_t		rcv_wup;
	u32		rcv_wnd;
	seq_t		copied_seq;
	u8		urg_state;
	u8		urg_byte;
	u8		rcv_share;

	u8		snd_wscale:4,
			rcv_wscale:4;
	u8		wscale_ok:1,
			ts_ok:1,
			sack_ok:1,
			fin_queued:1,
			pingpong:1,
			ack_eager:1,
			dsack_pending:1,
			congestion_chosen:1,
			cookie_held:1,
			snd_urgent:1,
			rcv_collapsed:1,
			ofo_collapsed:1,
			rate_limited:1,
			paced:1,
			filtering:1,
			held:2;
	u16		advmss;
	u16		peer_mss;
	u16		user_mss;
	u32		mss;
	u32		pmtu;
	u32		last_payload_ms;
	seq_t		mtu_probe_end;
	u32		mtu_probed_s;
	u32		pace_us;
	u32		notsent_lowat;

	u32		ts_offset;
	u32		ts_recent;
	u32		ts_recent_s;

	u32		srtt_us;
	u32		mdev_us;
	u32		mdev_max_us;
	u32		rttvar_us;
	seq_t		rtt_seq;
	u32		rto_us;

	u32		cwnd;
	u32		ssthresh;
	u32		cwnd_cnt;
	seq_t		cwnd_full;
	u32		in_flight;
	u32		sacked_out;
	u32		lost_out;
	u32		retrans_out;
	seq_t		recover;
	u8		recovery;
	u8		waiting;
	u8		rack_steps;
	u8		rack_persist;
	u16		reord_seen:1,
			undo_armed:1,
			undo_ts_set:1,
			rack_advanced:1,
			rack_dsack:1,
			probe_out:1,
			probe_resent:1,
			frto:1,
			ecn_ok:1,
			ecn_cwr:1,
			ecn_echo:1,
			ecn_seen:1,
			mtu_searched:1,
			recv_inq:1,
			bare_out:1,
			rto_timed:1;
	u8		retransmits;
	u8		probes_out;

	union {
		seq_t	irs;
		seq_t	sacked_end;
	};
	seq_t		resend_seq;
	seq_t		holes_seq;
	u32		lost;
	u32		reordering;
	u32		dsack_segs;
	seq_t		undo_seq;
	s32		undo_retrans;
	seq_t		probe_seq;
	seq_t		rack_end;
	seq_t		rack_round;
	u32		rack_rtt_us;
	u32		min_rtt_us;
	u32		min_rtt_last_us;
	u32		min_rtt_ms;
	u64		rack_sent_ns;
	struct list_head sent_order;

	u64		retrans_stamp_ns;
	u64		deadline_ns[XTCP_TIMERS];

	u8		ack;
	u8		quickack;
	u16		ato_ms;
	u16		rcv_mss;
	u8		acks_merged;
	u8		dup_acks;
	u32		oow_ack_ms;
	unsigned long	state_since;
	u64		last_rcv_ns;
	u64		last_snd_ns;

	struct rb_root	ofo_queue;

	u8		keep_probes;
	u8		syn_retries;
	u8		defer_accept;
	u8		nagle;
	u8		probe_backoff;
	u16		keep_idle_s;
	u16		keep_intvl_s;
	u16		tw_timeout_s;
	s16		linger2_s;
	u16		rate;
	u16		timeouts;
	u16		mtu_pending;
	u32		rcv_ooo;
	u32		user_timeout_ms;
	u32		window_clamp;

	u64		bytes_acked;
	u64		bytes_received;
	u64		bytes_retrans;
	u32		delivered;
	u32		delivered_ce;
	u32		data_segs_in;
	u32		data_segs_out;
	u32		segs_in;
	u32		segs_out;
	u32		total_retrans;
	u32		round;
};

/* Nothing reaches beyond these places. */
static_assert(offsetofend(struct xtcp_sock, deferred) <=
	      offsetofend(struct inet_sock, sk.sk_tsq_flags));
static_assert(offsetofend(struct xtcp_sock, mtu_probe) <=
	      offsetofend(struct inet_sock, sk.sk_timer));
static_assert(offsetofend(struct xtcp_sock, rehashes) <=
	      offsetofend(struct inet_sock, cork));

#if IS_ENABLED(CONFIG_IPV6)
/**
 * struct xtcp_sock6 - an xtcp socket of AF_INET6
 * @xs: the socket
 * @pinfo: IPv6's part; kernels before 6.5 look for it at the end
 */
struct xtcp_sock6 {
	struct xtcp_sock	xs;
	struct ipv6_pinfo	pinfo;
};
#endif

static inline struct xtcp_sock *xtcp_sk(const struct sock *sk)
{
	return (struct xtcp_sock *)sk;
}

static inline struct sock *xtcp_to_sk(struct xtcp_sock *xs)
{
	return &xs->inet.sk;
}

/* TCP_USER_TIMEOUT in ms; where it is not set, xtcp_user_timeout; 0: none. */
static inline u32 xtcp_user_timeout_ms(const struct xtcp_sock *xs)
{
	return READ_ONCE(xs->user_timeout_ms) ?:
	       XTCP_KNOB(sock_net(&xs->inet.sk), user_timeout);
}

/* TCP_NOTSENT_LOWAT in octets; where it is not set, xtcp_notsent_lowat. */
static inline u32 xtcp_notsent_lowat(const struct xtcp_sock *xs)
{
	return READ_ONCE(xs->notsent_lowat) ?:
	       XTCP_KNOB(sock_net(&xs->inet.sk), notsent_lowat);
}

/**
 * xtcp_flow_sk - the socket of a flow
 * @flow: of kind XTCP_KIND_SOCKET
 *
 * Return: the socket; no reference is taken.
 */
static inline struct sock *xtcp_flow_sk(const struct xtcp_flow *flow)
{
	return (struct sock *)container_of(flow, struct xtcp_sock, flow);
}

/**
 * xtcp_flow_addrs6 - where the wide addresses of a connection stand
 * @flow: of a family whose addresses are wide
 *
 * A socket's are the kernel's sk_v6_daddr and sk_v6_rcv_saddr.
 */
static inline struct xtcp_addrs6 *
xtcp_flow_addrs6(const struct xtcp_flow *flow)
{
#if IS_ENABLED(CONFIG_IPV6)
	static_assert(offsetof(struct sock, sk_v6_rcv_saddr) -
		      offsetof(struct sock, sk_v6_daddr) ==
		      offsetof(struct xtcp_addrs6, laddr));

	if (flow->kind == XTCP_KIND_SOCKET)
		return (struct xtcp_addrs6 *)&xtcp_flow_sk(flow)->sk_v6_daddr;
#endif
	return (struct xtcp_addrs6 *)((u8 *)flow + XTCP_RECORD_LEN);
}

/**
 * xtcp_key_from_flow - the key under which a flow is found
 * @key: filled; @key->dif is the device the flow is bound to
 * @flow: connection
 *
 * Each segment that is sent needs one: so it is here, and field by field.
 */
static inline void xtcp_key_from_flow(struct xtcp_key *key,
				      const struct xtcp_flow *flow)
{
	key->addrs = flow->addrs;
	key->ports = flow->ports;
	key->dif = READ_ONCE(flow->ifindex);
	key->sdif = 0;
	key->bound_only = false;
	key->family = flow->family;
	key->wire = flow->wire;
	if (xtcp_family_is_wide(flow->family))
		key->v6 = *xtcp_flow_addrs6(flow);
}

/**
 * xtcp_flow_init - name a new connection
 * @flow: in no table; its state and references are left to others
 * @kind: which life
 * @key: identity; @key->dif is the device it is bound to, 0 for any
 */
static inline void xtcp_flow_init(struct xtcp_flow *flow, enum xtcp_kind kind,
				  const struct xtcp_key *key)
{
	flow->laddr = key->laddr;
	flow->raddr = key->raddr;
	flow->lport = key->lport;
	flow->rport = key->rport;
	flow->ifindex = key->dif;
	flow->kind = kind;
	flow->mapped = 0;
	flow->source_bits = 0;
	flow->family = key->family;
	flow->wire = key->wire;
	if (xtcp_family_is_wide(key->family))
		*xtcp_flow_addrs6(flow) = key->v6;
}

/**
 * xtcp_flow_is_named - is this the connection of a segment
 * @flow: connection
 * @key: of the segment; where its addresses are wide, their digests don't count
 *
 * To look at one connection: where the addresses decide at once, digests would
 * cost more than they save.
 */
static inline bool xtcp_flow_is_named(const struct xtcp_flow *flow,
				      const struct xtcp_key *key)
{
	const struct xtcp_addrs6 *addrs;

	if (flow->ports != key->ports || flow->wire != key->wire ||
	    flow->family != key->family ||
	    !xtcp_device_matches(READ_ONCE(flow->ifindex), key))
		return false;
	if (!xtcp_family_is_wide(flow->family))
		return flow->addrs == key->addrs;
	addrs = xtcp_flow_addrs6(flow);
	return ipv6_addr_equal(&addrs->raddr, &key->v6.raddr) &&
	       ipv6_addr_equal(&addrs->laddr, &key->v6.laddr);
}

/**
 * xtcp_flow_matches - is this the connection of a segment
 * @flow: connection
 * @key: of the segment
 *
 * To look through many.
 */
static inline bool xtcp_flow_matches(const struct xtcp_flow *flow,
				     const struct xtcp_key *key)
{
	return flow->addrs == key->addrs && xtcp_flow_is_named(flow, key);
}

/**
 * xtcp_flow_get - take a reference, unless the last one has gone
 * @flow: found under RCU
 *
 * What the caller reads of it from here on is no older than the count: so it can
 * tell whether the memory has become another one's.
 *
 * Return: false when it is being freed.
 */
static inline bool xtcp_flow_get(struct xtcp_flow *flow)
{
	refcount_t *ref = flow->kind == XTCP_KIND_SOCKET ?
			  &xtcp_flow_sk(flow)->sk_refcnt : &flow->ref;

	if (!refcount_inc_not_zero(ref))
		return false;
	/*
	 * Pairs with the barrier before the count is set: in sk_clone_lock() and
	 * sock_init_data(), or xtcp_flow_hold_new().
	 */
	smp_acquire__after_ctrl_dep();
	return true;
}

/* A socket's memory may have become another socket's, of any namespace. */
static inline bool xtcp_flow_is_of(const struct xtcp_flow *flow,
				   const struct net *net)
{
	return net_eq(sock_net(xtcp_flow_sk(flow)), net);
}

/**
 * xtcp_flow_is_still - is a socket what it was when it was found
 * @net: namespace
 * @flow: of a socket, referenced by the caller since
 * @key: by which it was found
 *
 * Return: false when a socket's memory has become another socket's meanwhile.
 */
static inline bool xtcp_flow_is_still(const struct net *net,
				      const struct xtcp_flow *flow,
				      const struct xtcp_key *key)
{
	return xtcp_flow_is_named(flow, key) && xtcp_flow_is_of(flow, net);
}

static inline bool xtcp_state_in(const struct sock *sk, u32 states)
{
	return XTCP_STATEF(READ_ONCE(sk->sk_state)) & states;
}

/**
 * xtcp_lifecycle_usual - something happened that as a rule changes no state
 * @sk: socket, locked
 * @event: what happened
 *
 * xtcp_lifecycle_sk() for what each call and each segment reports.
 */
static inline void xtcp_lifecycle_usual(struct sock *sk, enum xtcp_event event)
{
	u16 row = xtcp_lifecycle_stays[xtcp_sk(sk)->flow.state][event];

	if (likely(row))
		this_cpu_inc(xtcp_net(sock_net(sk))->lifecycle[row - 1]);
	else
		xtcp_lifecycle_sk(sk, event);
}

#endif /* XTCP_TCB_H */
