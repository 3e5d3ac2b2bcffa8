/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reply.h - send segments without a socket
 */
#ifndef XTCP_NET_REPLY_H
#define XTCP_NET_REPLY_H

#include <linux/types.h>

#include "flow.h"
#include "net/seq.h"
#include "net/wire.h"

struct dst_entry;
struct net;
struct sk_buff;
struct sock;

/**
 * struct xtcp_reply - addresses and route of a segment without a socket
 * @key: the connection as seen from this host: laddr and lport are the source
 * @sk: listener whose owner, TTL, priority and path MTU policy apply, or NULL
 * @owned: attach @sk to the segment, for rules that ask for its owner (skuid,
 *	cgroups)
 * @extended: IPv6: the extension headers of @sk go with the segment
 * @spare: received segment that is not needed any more, or NULL;
 *	xtcp_reply_send() consumes it, and recycles it for the answer if it can
 * @dst: route, or NULL: xtcp_reply_send() looks it up
 * @dst_held: @dst has a reference; else it is valid within the caller's RCU
 *	section
 * @oif: device that the segment has to leave by, because its connection is
 *	bound to it, or because it answers a segment that arrived on a VRF; 0:
 *	any
 * @mark: fwmark of skb and flow
 * @tos: DSCP and ECN byte
 */
struct xtcp_reply {
	struct xtcp_key		key;
	const struct sock	*sk;
	struct sk_buff		*spare;
	struct dst_entry	*dst;
	bool			dst_held;
	bool			owned;
	bool			extended;
	int			oif;
	u32			mark;
	u8			tos;
};

/**
 * struct xtcp_bare - header of a segment without a socket
 * @seq: SEG.SEQ
 * @ack: SEG.ACK, valid with XTCP_ACK in @flags
 * @wnd: window field, as in the header: unscaled
 * @flags: XTCP_FIN .. XTCP_CWR
 * @offset: XTCP_OFFSET_AE or 0
 * @opt: options; must not point into the spare skb
 */
struct xtcp_bare {
	seq_t			seq;
	seq_t			ack;
	u16			wnd;
	u8			flags;
	u8			offset;
	struct xtcp_options	opt;
};

bool xtcp_reply_recycle(struct sk_buff *spare, unsigned int space);
int xtcp_reply_send(struct net *net, struct xtcp_reply *reply,
		    const struct xtcp_bare *bare);
void xtcp_reply_init(struct net *net, struct xtcp_reply *reply,
		     const struct sk_buff *skb, const struct xtcp_key *key,
		     int bound);

#endif /* XTCP_NET_REPLY_H */
