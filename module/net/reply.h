/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reply.h - a segment that no socket sends
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
 * struct xtcp_reply - how a segment leaves that no socket sends
 * @key: the connection as seen from here: laddr and lport are the source
 * @sk: listener whose owner, TTL, priority and path MTU policy apply,
 *	or NULL
 * @owned: the segment carries @sk, for rules that ask whose it is (skuid,
 *	cgroups)
 * @spare: segment that has been judged and nobody wants any more, or NULL;
 *	xtcp_reply_send() eats it, and where it may, makes the answer of it
 * @dst: route, or NULL: xtcp_reply_send() looks for one
 * @dst_held: @dst has a reference; else it lives as long as the caller's RCU
 *	section
 * @oif: device that it has to leave by, because its connection is bound to it,
 *	or it answers what came in on a VRF; 0: any
 * @mark: skb and flow mark
 * @tos: DSCP and ECN octet
 */
struct xtcp_reply {
	struct xtcp_key		key;
	const struct sock	*sk;
	struct sk_buff		*spare;
	struct dst_entry	*dst;
	bool			dst_held;
	bool			owned;
	int			oif;
	u32			mark;
	u8			tos;
};

/**
 * struct xtcp_bare - the header of such a segment
 * @seq: SEG.SEQ
 * @ack: SEG.ACK, valid with XTCP_ACK in @flags
 * @wnd: window field, as in the header: unscaled
 * @flags: XTCP_FIN .. XTCP_CWR
 * @opt: options; must not point into the spare segment
 */
struct xtcp_bare {
	seq_t			seq;
	seq_t			ack;
	u16			wnd;
	u8			flags;
	struct xtcp_options	opt;
};

bool xtcp_reply_turn(struct sk_buff *spare, unsigned int octets);
int xtcp_reply_send(struct net *net, struct xtcp_reply *reply,
		    const struct xtcp_bare *bare);
void xtcp_reply_init(struct net *net, struct xtcp_reply *reply,
		     const struct sk_buff *skb, const struct xtcp_key *key,
		     int bound);

#endif /* XTCP_NET_REPLY_H */
