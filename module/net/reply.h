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
 * struct xtcp_origin - for whom a segment is answered that no connection takes
 * @sk: socket or listener, whose user, IPsec policy and priority apply; NULL: none, or a record
 * @bound: device that it is bound to, 0 for any
 * @mark: its fwmark (SO_MARK)
 * @transparent: the local address need not be one of this host (IP_TRANSPARENT)
 */
struct xtcp_origin {
	const struct sock	*sk;
	int			bound;
	u32			mark;
	bool			transparent;
};

/**
 * struct xtcp_reply - addresses and route of a segment without a socket
 * @key: the connection as seen from this host: laddr and lport are the source
 * @sk: socket or listener whose user, IPsec policy and priority apply, or NULL
 * @formed: TTL, flow label and path MTU policy are those of @sk, too. A RST has the
 *	defaults, as in Linux
 * @owned: attach @sk to the segment, for rules that ask for its owner (skuid,
 *	cgroups)
 * @transparent: without @sk: the source need not be an address of this host
 * @extended: IPv6: the extension headers of @sk go with the segment
 * @has_iss: @iss is valid
 * @iss: ISS of a half-open connection, from which its flow hash follows
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
	bool			formed;
	bool			owned;
	bool			transparent;
	bool			extended;
	bool			has_iss;
	seq_t			iss;
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
		     const struct xtcp_origin *origin);
void xtcp_reply_reflect_mark(const struct net *net, struct xtcp_reply *reply,
			     const struct sk_buff *skb);
struct xtcp_origin xtcp_origin_of(const struct sock *sk);

/* The socket that forms the IP header, or NULL. */
static inline const struct sock *xtcp_reply_former(const struct xtcp_reply *reply)
{
	return reply->formed ? reply->sk : NULL;
}

#endif /* XTCP_NET_REPLY_H */
