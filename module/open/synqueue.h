/* SPDX-License-Identifier: GPL-2.0 */
/*
 * synqueue.h - half-open records
 */
#ifndef XTCP_OPEN_SYNQUEUE_H
#define XTCP_OPEN_SYNQUEUE_H

#include <linux/types.h>
#include <net/inet_ecn.h>

#include "delayline.h"
#include "flow.h"
#include "lifecycle.h"
#include "net/seq.h"
#include "observe/stats.h"
#include "rare.h"

struct sk_buff;
struct sock;
struct xtcp_seg;
struct xtcp_sock;
struct xtcp_timewait;

/**
 * struct xtcp_halfopen - half-open record, 96 bytes (IPv6: 128)
 * @flow: head
 * @delay: entry in the listener's delay lines
 * @ls: queues of its listener; never changes. A closing listener drops its
 *	records, and frees the queues after two grace periods
 * @iss: our initial sequence number
 * @irs: the peer's initial sequence number
 * @ts_recent: TSval of the SYN
 * @answered_ms: last answer that the rate limit of segment/oow.h counts, after
 *	the first SYN-ACK; xtcp_now_ms(), 0: none
 * @mss: the peer's MSS option or the default, bytes
 * @rcv_wnd: window of our SYN-ACK, bytes; before the first one what the buffer takes
 * @snd_wscale, @rcv_wscale: shifts, valid with @wscale_ok
 * @wscale_ok, @ts_ok, @sack_ok: option negotiated; @ecn_ok: ECN; @accecn_ok: it is Accurate
 *	ECN
 * @acked: the third segment arrived, but the accept queue was full, or the
 *	listener has TCP_DEFER_ACCEPT and no data has arrived. The only bit of its
 *	byte that changes while the record is visible
 * @has_predecessor: there is a predecessor: @predecessor is valid, in place of
 *	@ts_offset and @mark, which are its own; with @syn_saved, @saved has all three
 * @syn_saved: @saved is valid, in place of @ts_offset, @mark and @predecessor
 * @timeouts: timeouts so far, also those that sent no SYN-ACK; 0 becomes 1 when the record leaves
 *	its listener
 * @tos: DSCP of our segments; with @accecn_ok, in its ECN bits: the codepoint of the SYN
 * @mark: fwmark of our segments: the SYN's or the listener's
 * @ts_offset: added to the clock in TSval
 * @predecessor: the TIME-WAIT record over which the SYN was
 *	accepted, with a reference. It does not change, because it returns if the SYN
 *	was an old one (MAY-2)
 * @saved: headers of the SYN, for TCP_SAVED_SYN, with a reference; without headers if
 *	@ts_offset or @mark are not those of the predecessor
 */
struct xtcp_halfopen {
	struct xtcp_flow	flow;
	struct xtcp_delay	delay;
	struct xtcp_listener	*ls;
	seq_t			iss;
	seq_t			irs;
	u32			ts_recent;
	u32			answered_ms;
	union {
		struct {
			u32	ts_offset;
			u32	mark;
		};
		struct xtcp_timewait *predecessor;
		struct xtcp_savedsyn *saved;
	};
	u16			mss;
	u16			rcv_wnd;
	u8			snd_wscale:4,
				rcv_wscale:4;
	u8			wscale_ok:1,
				ts_ok:1,
				sack_ok:1,
				ecn_ok:1,
				acked:1,
				has_predecessor:1,
				syn_saved:1,
				accecn_ok:1;
	u8			timeouts;
	u8			tos;
};

/**
 * struct xtcp_halfopen6 - half-open record of an IPv6 connection
 * @ho: record
 * @addrs: found by xtcp_flow_addrs6()
 */
struct xtcp_halfopen6 {
	struct xtcp_halfopen	ho;
	struct xtcp_addrs6	addrs;
};

/* The TIME-WAIT record over which the SYN was accepted, or NULL. */
static inline struct xtcp_timewait *
xtcp_synqueue_predecessor(const struct xtcp_halfopen *ho)
{
	if (!ho->has_predecessor)
		return NULL;
	return ho->syn_saved ? ho->saved->predecessor : ho->predecessor;
}

/* The headers of the SYN, if the listener saves them, or NULL. */
static inline struct xtcp_savedsyn *xtcp_synqueue_saved_syn(const struct xtcp_halfopen *ho)
{
	return unlikely(ho->syn_saved) && ho->saved->len ? ho->saved : NULL;
}

/**
 * xtcp_synqueue_was_acked - has the client acknowledged our SYN-ACK?
 * @ho: the record, maybe visible
 *
 * Such a record stays if the accept queue is full, or if the listener waits for data
 * (TCP_DEFER_ACCEPT). The bit is set once. The other bits of its byte do not change in a visible
 * record.
 *
 * Return: true if it has
 */
static inline bool xtcp_synqueue_was_acked(const struct xtcp_halfopen *ho)
{
	/* Another CPU may be setting it. */
	return data_race((bool)ho->acked);
}

/* With accecn_ok: the ECN field of the SYN's IP header. */
static inline u8 xtcp_synqueue_codepoint(const struct xtcp_halfopen *ho)
{
	return READ_ONCE(ho->tos) & INET_ECN_MASK;
}

/* The record may be visible: the last SYN counts. */
static inline void xtcp_synqueue_set_codepoint(struct xtcp_halfopen *ho, u8 codepoint)
{
	WRITE_ONCE(ho->tos, (READ_ONCE(ho->tos) & ~INET_ECN_MASK) | codepoint);
}

/*
 * Accurate ECN: have SYN-ACKs with its flags been lost twice? Later ones have none (RFC 9768
 * 3.1.4.2). Once the client has answered one, timeouts count for other reasons.
 */
static inline bool xtcp_synqueue_is_bare_again(const struct xtcp_halfopen *ho)
{
	return READ_ONCE(ho->timeouts) > 1 && !xtcp_synqueue_was_acked(ho);
}

u32 xtcp_synqueue_delay_ms(const struct xtcp_sock *xs, unsigned int timeouts);

int xtcp_synqueue_init(void);
void xtcp_synqueue_exit(void);

struct xtcp_halfopen *xtcp_synqueue_alloc(u8 family);
void xtcp_synqueue_save_syn(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			    bool with_link);
bool xtcp_synqueue_insert(struct xtcp_listener *ls, struct xtcp_halfopen *ho,
			  struct xtcp_timewait *tw);
u32 xtcp_synqueue_ts_offset(const struct xtcp_halfopen *ho);
u32 xtcp_synqueue_mark(const struct xtcp_halfopen *ho);
u64 xtcp_synqueue_created_ns(const struct xtcp_halfopen *ho);
u32 xtcp_synqueue_age_ms(const struct xtcp_halfopen *ho);
bool xtcp_synqueue_is_deferred(const struct xtcp_halfopen *ho);
u32 xtcp_synqueue_rtt_us(const struct xtcp_halfopen *ho, u64 acked_ns);
void xtcp_synqueue_detach(struct xtcp_halfopen *ho);
bool xtcp_synqueue_end(struct xtcp_halfopen *ho, enum xtcp_event event);
void xtcp_synqueue_no_child(struct xtcp_halfopen *ho, const struct sk_buff *skb,
			    const struct xtcp_seg *seg, enum xtcp_event event,
			    enum xtcp_mib_item reason);
void xtcp_synqueue_stop(struct xtcp_listener *ls);
struct sock *xtcp_synqueue_rcv(struct xtcp_halfopen *ho, struct sk_buff *skb,
			       const struct xtcp_key *key,
			       const struct xtcp_seg *seg);
void xtcp_synqueue_expire(struct xtcp_delayset *set, struct xtcp_delay *delay);

#endif /* XTCP_OPEN_SYNQUEUE_H */
