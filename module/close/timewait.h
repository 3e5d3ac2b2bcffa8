/* SPDX-License-Identifier: GPL-2.0 */
/*
 * timewait.h - TIME-WAIT and FIN-WAIT-2 records
 */
#ifndef XTCP_CLOSE_TIMEWAIT_H
#define XTCP_CLOSE_TIMEWAIT_H

#include <linux/types.h>

#include "delayline.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/seq.h"

struct net;
struct sk_buff;
struct sock;
struct xtcp_key;
struct xtcp_seg;
struct xtcp_sock;

#define XTCP_TIME_WAIT_S	60	/* 2 MSL, MSL 30 s as in Linux */
#define XTCP_TIME_WAIT_S_MAX	600	/* more than RFC 9293's 4 minutes */

/**
 * struct xtcp_timewait - TIME-WAIT or FIN-WAIT-2 record, 96 bytes (IPv6: 128)
 * @flow: head; state TIME-WAIT or, for an orphan, FIN-WAIT-2
 * @delay: entry in the namespace's delay lines
 * @rcv_nxt, @snd_nxt: as in the TCB
 * @ts_recent, @ts_recent_s, @ts_offset: as in the TCB
 * @oow_ack_ms: last answer to an invalid segment, for the rate limit
 * @mark, @tos: fwmark and DSCP of our segments
 * @wait_ms: length of TIME-WAIT, each time that it begins
 * @since_ms: when the state began, FIN-WAIT-2 perhaps as a socket's; low 32 bits of
 *	CLOCK_MONOTONIC in ms
 * @wnd: window field of our last segment, unscaled
 * @rcv_wscale: shift of the windows that we send
 * @ts_ok: timestamps were negotiated
 * @reuse: the socket had SO_REUSEADDR; set by xtcp_port_to_timewait()
 * @reuseport: its bucket has SO_REUSEPORT; set there, too
 * @port_held: the record is a holder of its port bucket
 */
struct xtcp_timewait {
	struct xtcp_flow	flow;
	struct xtcp_delay	delay;
	seq_t			rcv_nxt;
	seq_t			snd_nxt;
	u32			ts_recent;
	u32			ts_recent_s;
	u32			ts_offset;
	u32			oow_ack_ms;
	u32			mark;
	u32			wait_ms;
	u32			since_ms;
	u16			wnd;
	u8			tos;
	u8			rcv_wscale:4,
				ts_ok:1,
				reuse:1,
				reuseport:1,
				port_held:1;
};

/**
 * struct xtcp_timewait6 - TIME-WAIT record of an IPv6 connection
 * @tw: record
 * @addrs: found by xtcp_flow_addrs6()
 */
struct xtcp_timewait6 {
	struct xtcp_timewait	tw;
	struct xtcp_addrs6	addrs;
};

int xtcp_timewait_init(void);
void xtcp_timewait_exit(void);
int xtcp_timewait_net_init(struct net *net);
void xtcp_timewait_net_exit(struct net *net);

u32 xtcp_timewait_min_ms(const struct xtcp_sock *xs);
u32 xtcp_timewait_fin_timeout_ms(const struct net *net);
void xtcp_timewait_enter(struct sock *sk);
void xtcp_timewait_enter_fin_wait_2(struct sock *sk, u32 wait_ms);
bool xtcp_timewait_rcv(struct net *net, struct xtcp_timewait *tw,
		       struct sk_buff *skb, const struct xtcp_key *key,
		       const struct xtcp_seg *seg);
void xtcp_timewait_placed(struct net *net, struct xtcp_timewait *tw);
void xtcp_timewait_answer(struct net *net, struct xtcp_timewait *tw,
			  const struct sk_buff *skb, const struct xtcp_seg *seg);
void xtcp_timewait_replaced(struct net *net, struct xtcp_timewait *tw,
			    enum xtcp_event event);
void xtcp_timewait_hand_over(const struct xtcp_timewait *tw, struct sock *sk);
bool xtcp_timewait_reuse_is_allowed(struct net *net,
				    const struct xtcp_flow *flow);
bool xtcp_timewait_may_reuse(struct net *net, const struct xtcp_timewait *tw,
			     bool bound);
bool xtcp_timewait_end(struct net *net, struct xtcp_timewait *tw,
		       enum xtcp_event event);

#endif /* XTCP_CLOSE_TIMEWAIT_H */
