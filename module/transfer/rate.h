/* SPDX-License-Identifier: GPL-2.0 */
/* rate.h - delivery rate of each ACK, for the algorithms that want it */
#ifndef XTCP_TRANSFER_RATE_H
#define XTCP_TRANSFER_RATE_H

#include <linux/types.h>

#include "net/seq.h"

struct xtcp_congestion_loss;
struct xtcp_congestion_sample;
struct xtcp_skb_cb;
struct xtcp_sock;

#define XTCP_RATE_SNAPS	32U	/* see rate.c */

/**
 * struct xtcp_rate_snap - what was known when segments were sent
 * @sent_ns: first transmission to which it applies
 * @delivered_ns: C.delivered_time: time of the last delivery then
 * @first_ns: C.first_send_time: transmission of the segment sent last among those delivered by
 *	then; of the first segment of the flight, if none of it was delivered yet
 * @delivered: xs->delivered then
 * @delivered_ce: xs->delivered_ce then
 * @lost: xs->lost then
 * @pipe: segments in the network after the last transmission to which it applies
 * @end: xs->snd_nxt then
 * @app_limited: the program had no more data
 */
struct xtcp_rate_snap {
	u64	sent_ns;
	u64	delivered_ns;
	u64	first_ns;
	u32	delivered;
	u32	delivered_ce;
	u32	lost;
	seq_t	end;
	u32	pipe:31,
		app_limited:1;
};

/**
 * struct xtcp_rate - delivery rate estimation of a connection
 * @delivered_ns: time of the last delivery
 * @first_ns: transmission of the segment sent last among those delivered
 * @newest_ns: xs->rack.sent_ns at the last ACK
 * @newest_end: xs->rack.end at the last ACK
 * @limited_until: xs->delivered until which the program is what limits the rate, if
 *	@limited
 * @count: of @snap, oldest first
 * @limited: see @limited_until
 * @stale: something was delivered since the last of @snap
 * @snap: by @sent_ns
 */
struct xtcp_rate {
	u64	delivered_ns;
	u64	first_ns;
	u64	newest_ns;
	seq_t	newest_end;
	u32	limited_until;
	u8	count;
	bool	limited;
	bool	stale;
	struct xtcp_rate_snap snap[XTCP_RATE_SNAPS];
};

void xtcp_rate_sent(struct xtcp_rate *rate, const struct xtcp_sock *xs,
		    u64 sent_ns, u32 pipe, bool first);
void xtcp_rate_limited(struct xtcp_rate *rate, const struct xtcp_sock *xs, u32 pipe);
void xtcp_rate_acked(struct xtcp_rate *rate, const struct xtcp_sock *xs,
		     u64 last_sent_ns, u32 min_rtt_us,
		     struct xtcp_congestion_sample *sample);
void xtcp_rate_lost(const struct xtcp_rate *rate, const struct xtcp_sock *xs,
		    const struct xtcp_skb_cb *cb, struct xtcp_congestion_loss *loss);

#endif /* XTCP_TRANSFER_RATE_H */
