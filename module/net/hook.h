/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook.h - netfilter hook that receives the segments of the TCP wire
 */
#ifndef XTCP_NET_HOOK_H
#define XTCP_NET_HOOK_H

#include <linux/bits.h>
#include <linux/bottom_half.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/preempt.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/net_namespace.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "net/seq.h"

struct net;
struct sk_buff;
struct xtcp_family;
struct xtcp_found;
struct xtcp_key;

/*
 * Bit in the IP layer's flags (IPCB, IP6CB) of a packet to which the hook has
 * given the native wire's protocol number. A packet from outside never has it,
 * because ip_rcv() and ipv6_rcv() clear all flags.
 */
#define XTCP_IPSKB_BROUGHT	BIT(15)
/* Such a bit of a SYN that has ended a TIME-WAIT of the kernel's TCP: skb->cb has the ISN. */
#define XTCP_IPSKB_SUCCESSOR	BIT(14)

int xtcp_hook_add(struct net *net);
void xtcp_hook_del(struct net *net);
void xtcp_hook_close(void);
bool xtcp_hook_is_open(void);
bool xtcp_hook_holds(struct net *net, const struct sk_buff *skb);
bool xtcp_hook_owns(struct net *net, struct sk_buff *skb,
		    const struct xtcp_family *af, unsigned int offset,
		    bool cut, struct xtcp_found *found);
bool xtcp_hook_successor_isn(const struct sk_buff *skb, u8 family, seq_t *iss);
bool xtcp_hook_is_steered(struct net *net, const struct xtcp_key *key);
bool xtcp_hook_kernel_tcp_connected(struct net *net, const struct xtcp_key *key);
bool xtcp_hook_kernel_tcp_keeps(struct net *net, const struct xtcp_key *key);
bool xtcp_hook_owns_quoted(struct net *net, const struct xtcp_key *key);

extern const struct nf_hook_ops xtcp_hookv4_ops;

/*
 * Is a packet at LOCAL_IN for the namespace @net? Not if it is for a slave of ipvlan in mode
 * l3s: the hooks that see it are those of the master's namespace, and IP then delivers it in the
 * slave's. The packet's route shows the slave's namespace, before and behind ipvlan's own hook. If
 * a packet waited in a queue, its route may have ended with the address: then the route has a
 * device of the first namespace.
 */
static __always_inline bool xtcp_hook_is_for(const struct net *net,
					     const struct sk_buff *skb)
{
	const struct net_device *dev = dst_dev(skb_dst(skb));

	if (likely(net_eq(dev_net(dev), net)))
		return true;
	return dev == blackhole_netdev && net_eq(dev_net(skb->dev), net);
}

/**
 * xtcp_hook_run - call a hook's function with softirqs off
 * @packet_in: function of the family; inlined
 * @net: namespace whose hook it is
 * @skb: packet
 *
 * Context: RCU; softirq, or the task that gives a netfilter queue's verdict.
 * Return: the verdict of @packet_in; NF_ACCEPT if the packet is for another namespace.
 */
static __always_inline unsigned int
xtcp_hook_run(unsigned int (*packet_in)(struct net *net, struct sk_buff *skb),
	      struct net *net, struct sk_buff *skb)
{
	unsigned int verdict;

	if (unlikely(!xtcp_hook_is_for(net, skb)))
		return NF_ACCEPT;
	if (likely(in_softirq()))
		return packet_in(net, skb);
	local_bh_disable();
	verdict = packet_in(net, skb);
	local_bh_enable();
	return verdict;
}

/**
 * xtcp_hook_is_last - does no other hook follow a hook of ours
 * @hooks: the hooks at LOCAL_IN, or NULL
 * @ours: function of our hook
 *
 * Context: RCU.
 * Return: true if a packet that our hook accepts goes to IP's protocols at once.
 */
static inline bool xtcp_hook_is_last(const struct nf_hook_entries *hooks,
				     nf_hookfn *ours)
{
	return hooks && hooks->hooks[hooks->num_hook_entries - 1].hook == ours;
}

/* Read the wire from IP's flags, and clear the bit. */
static inline u8 xtcp_hook_wire(u16 *flags)
{
	if (likely(!(*flags & XTCP_IPSKB_BROUGHT)))
		return XTCP_WIRE_NATIVE;
	*flags &= ~XTCP_IPSKB_BROUGHT;
	return XTCP_WIRE_TCP;
}

/**
 * xtcp_hookv4_wire - get the wire on which an IPv4 packet arrived
 * @skb: packet that IP passes to xtcp's protocol or error handler
 *
 * Context: any.
 * Return: XTCP_WIRE_TCP if the hook has rewritten the packet, at the first call
 * only; the caller restores the protocol number. Else XTCP_WIRE_NATIVE.
 */
static inline u8 xtcp_hookv4_wire(struct sk_buff *skb)
{
	return xtcp_hook_wire(&IPCB(skb)->flags);
}

void xtcp_hookv4_quote_restore(struct sk_buff *skb);

#if IS_ENABLED(CONFIG_IPV6)
extern const struct nf_hook_ops xtcp_hookv6_ops;

void xtcp_hookv6_quote_restore(struct sk_buff *skb);

/**
 * xtcp_hookv6_wire - get the wire on which an IPv6 packet arrived
 * @skb: packet that IPv6 passes to xtcp's protocol or error handler
 *
 * Context: any.
 * Return: as xtcp_hookv4_wire().
 */
static inline u8 xtcp_hookv6_wire(struct sk_buff *skb)
{
	return xtcp_hook_wire(&IP6CB(skb)->flags);
}
#endif

#endif /* XTCP_NET_HOOK_H */
