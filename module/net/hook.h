/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook.h - segments of the TCP wire come in by a netfilter hook
 */
#ifndef XTCP_NET_HOOK_H
#define XTCP_NET_HOOK_H

#include <linux/bits.h>
#include <net/ip.h>
#include <uapi/linux/xtcp.h>

struct net;
struct sk_buff;

/*
 * In the IP layer's flags of a packet that the hook has handed to us: clear in
 * whatever comes from outside, for ip_rcv() clears them all.
 */
#define XTCP_IPSKB_BROUGHT	BIT(15)

int xtcp_hook_add(struct net *net);
void xtcp_hook_del(struct net *net);
void xtcp_hook_close(void);
bool xtcp_hook_holds(struct net *net, const struct sk_buff *skb);

/**
 * xtcp_hook_wire - which wire brought a packet
 * @skb: packet as IP hands it to xtcp's protocol or error handler
 *
 * Return: XTCP_WIRE_TCP once, when the hook has brought it; the caller restores
 * the protocol number. Else XTCP_WIRE_NATIVE.
 */
static inline u8 xtcp_hook_wire(struct sk_buff *skb)
{
	if (likely(!(IPCB(skb)->flags & XTCP_IPSKB_BROUGHT)))
		return XTCP_WIRE_NATIVE;
	IPCB(skb)->flags &= ~XTCP_IPSKB_BROUGHT;
	return XTCP_WIRE_TCP;
}

#endif /* XTCP_NET_HOOK_H */
