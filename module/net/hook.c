// SPDX-License-Identifier: GPL-2.0
/*
 * hook.c - netfilter hook that receives the segments of the TCP wire
 *
 * IP passes protocol 6 to the kernel's TCP. This hook is at LOCAL_IN, behind
 * all rules there: it never sees a packet that the firewall drops, and NAT has
 * been done. If no other hook follows, as without conntrack, it does what IP
 * would do and passes the segments of xtcp to net/input.c at once:
 *
 *	device -> ip_rcv -> PRE_ROUTING -> LOCAL_IN: rules, [hook] -> xtcp_input
 *
 * Otherwise the packet has to pass the other hooks: if ours stole it, conntrack
 * would not confirm it. Then the hook writes the native wire's protocol number
 * into the IP header. By that number IP calls net/handler.c, which restores the
 * 6 before anything else. In between only hooks of equal priority and raw sockets
 * of protocol 253 read the header.
 *
 *	... LOCAL_IN: rules, [hook], confirm -> IP's table of protocols: 253
 *	     -> handler: 6 again -> xtcp_input
 *
 * An ICMP error that quotes a segment of xtcp is handled the same way: the hook
 * rewrites the quoted protocol number, and updates the message's checksum, so
 * that a wrong checksum stays wrong.
 *
 * The hook decides whose a segment is. The first rule that fits counts:
 *	1. The kernel's early demux has found a socket that takes the segment (not a
 *	   TIME-WAIT, nor a half-open connection whose listener is gone): the kernel's.
 *	2. It belongs to a connection of xtcp: xtcp's.
 *	3. It is a SYN, xtcp has a listener for it, no BPF program of type sk_lookup
 *	   chooses a socket for it or refuses it, and the kernel's TCP has no
 *	   connection with these addresses and ports, except in a TIME-WAIT that the
 *	   SYN may end: xtcp's. (A server that moves to xtcp with SO_REUSEADDR
 *	   leaves connections of the kernel's TCP on its port.)
 *	4. A socket of the kernel's TCP would receive it: the kernel's. A half-open
 *	   connection receives nothing if its listener is closed and no other one takes
 *	   it over (tcp_migrate_req).
 *	5. Otherwise it is xtcp's, which holds the port: xtcp sends a RST.
 * hookv4.c and hookv6.c find the segment in the packet; each registers a hook.
 *
 * Each packet to this host pays for the hook. So it is registered when xtcp
 * first holds a port of the TCP wire in the namespace (shadow.c), and it tests
 * a bit for the port before anything else. It stays registered until the
 * namespace ends: nf_unregister_net_hook() drops the packets of all queues to
 * user space (NFQUEUE) in the namespace, and programs without privileges bind
 * and close ports. Registering is harmless: a packet that waits in such a queue
 * has an index into the kernel's array of hooks. Ours comes behind the hook that
 * queued it, so the index stays right.
 *
 * Context: the hooks run under RCU, mostly in softirq. A packet that has waited
 * in a netfilter queue comes with the task that gives the verdict, and softirqs
 * on: the hook turns them off meanwhile. Adding and deleting: process.
 */
#include "net/hook.h"

#include <linux/filter.h>
#include <linux/tcp.h>
#include <net/inet_timewait_sock.h>
#include <net/request_sock.h>
#include <net/sock.h>
#include <net/sock_reuseport.h>
#include <net/xfrm.h>

#include "flow.h"
#include "isn.h"
#include "lookup.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/input.h"
#include "net/ipv4.h"
#include "net/wire.h"
#include "paws.h"
#include "port/port.h"
#include "tcb.h"

/*
 * Set when the module is being unloaded: no segment belongs to xtcp any more.
 */
static bool hook_closed __read_mostly;

/*
 * A listener of the kernel's TCP: does another member of its SO_REUSEPORT group take its half-open
 * connections (tcp_migrate_req)? If not, close() has taken the group from it.
 */
static bool half_open_migrates(const struct sock *sk)
{
	const struct sock_reuseport *reuse = rcu_dereference(sk->sk_reuseport_cb);

	return reuse && READ_ONCE(reuse->num_socks);
}

/*
 * Does the kernel's TCP pass a segment to @sk, which it found by addresses and
 * ports? It drops a half-open connection whose listener has stopped listening,
 * and looks for another listener, if no other one takes it over. A SYN may end a
 * TIME-WAIT, so TIME-WAIT alone doesn't decide: false here, but
 * xtcp_hook_kernel_tcp_keeps() counts it.
 */
static bool kernel_tcp_takes_segment(const struct sock *sk)
{
	switch (READ_ONCE(sk->sk_state)) {
	case TCP_TIME_WAIT:
		return false;
	case TCP_NEW_SYN_RECV:
		sk = inet_reqsk(sk)->rsk_listener;
		return sk && (READ_ONCE(sk->sk_state) == TCP_LISTEN || half_open_migrates(sk));
	}
	return true;
}

/* Has the kernel's early demux found a socket of the kernel's TCP? */
static bool kernel_tcp_has_found(const struct sk_buff *skb)
{
	return skb->sk && kernel_tcp_takes_segment(skb->sk);
}

static bool hook_is_opening(const struct tcphdr *th)
{
	return th->syn && !th->ack && !th->rst;
}

/*
 * RFC 6191 by the rules of the kernel's TCP: does a SYN end this TIME-WAIT? The
 * SYN has to have a correct checksum.
 *
 * If IPsec's policy forbids the SYN, it ends nothing: the kernel's TCP asks the policy again and
 * drops it, so the error counter of IPsec moves twice.
 */
static bool hook_timewait_gives_way(struct sock *sk, struct sk_buff *skb,
				    const struct xtcp_family *af,
				    unsigned int offset)
{
	const struct tcp_timewait_sock *tw = tcp_twsk(sk);
	u32 stamp = READ_ONCE(tw->tw_ts_recent_stamp);
	u32 len = __tcp_hdrlen(tcp_hdr(skb));
	struct xtcp_seg seg;

	if (READ_ONCE(inet_twsk(sk)->tw_substate) != TCP_TIME_WAIT ||
	    !xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, af->family) ||
	    len < XTCP_HDR_LEN || !pskb_may_pull(skb, offset + len) ||
	    nf_checksum(skb, NF_INET_LOCAL_IN, offset, IPPROTO_TCP, af->family))
		return false;
	xtcp_options_parse(tcp_hdr(skb), &seg.opt);
	seg.seq = seq_get(&tcp_hdr(skb)->seq);
	seg.flags = XTCP_SYN;
	seg.opt.has_ts = seg.opt.has_ts && stamp;
	if (xtcp_paws_rejects(&seg, tw->tw_ts_recent, stamp))
		return false;
	return seq_after(seg.seq, SEQ(READ_ONCE(tw->tw_rcv_nxt))) ||
	       (seg.opt.has_ts &&
		(s32)(seg.opt.tsval - READ_ONCE(tw->tw_ts_recent)) > 0);
}

static u16 *hook_ip_flags(const struct sk_buff *skb, u8 family)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (xtcp_family_is_ipv6(family))
		return &IP6CB(skb)->flags;
#endif
	return &IPCB(skb)->flags;
}

/* @skb, a SYN, has ended the TIME-WAIT @sk: the next ISN is above the numbers of @sk. */
static void hook_note_successor(struct sk_buff *skb, u8 family, const struct sock *sk)
{
	xtcp_cb(skb)->iss = xtcp_isn_above(SEQ(READ_ONCE(tcp_twsk(sk)->tw_snd_nxt)));
	*hook_ip_flags(skb, family) |= XTCP_IPSKB_SUCCESSOR;
}

/**
 * xtcp_hook_successor_isn - ISN of a connection whose SYN ended a TIME-WAIT of the kernel's TCP
 * @skb: the SYN, as it came from IP
 * @family: its address family
 * @iss: set to the ISN
 *
 * Context: softirq.
 * Return: false if it did not end one.
 */
bool xtcp_hook_successor_isn(const struct sk_buff *skb, u8 family, seq_t *iss)
{
	if (likely(!(*hook_ip_flags(skb, family) & XTCP_IPSKB_SUCCESSOR)))
		return false;
	*iss = xtcp_cb(skb)->iss;
	return true;
}

/*
 * A SYN has a listener of ours. Take it, unless the kernel's TCP has a connection with the same
 * addresses and ports: then that connection answers the SYN (RFC 5961 4), because the SYN may be
 * forged. A TIME-WAIT that the SYN may end is ended, but not by the first fragment of a packet,
 * whose checksum can't be verified: the kernel's TCP gets the whole. Returns true if it is ours.
 */
static bool hook_take_syn(struct net *net, struct sk_buff *skb,
			  const struct xtcp_family *af, unsigned int offset,
			  const struct xtcp_key *key, bool cut)
{
	struct sock *sk = af->kernel_tcp->connection(net, key);
	bool waits, keeps;

	if (likely(!sk))
		return true;
	waits = READ_ONCE(sk->sk_state) == TCP_TIME_WAIT;
	keeps = waits ? cut || !hook_timewait_gives_way(sk, skb, af, offset) :
			kernel_tcp_takes_segment(sk);
	if (!keeps)
		skb_orphan(skb);
	if (waits && !keeps) {
		hook_note_successor(skb, key->family, sk);
		inet_twsk_deschedule_put(inet_twsk(sk));
	} else {
		sock_gen_put(sk);
	}
	return !keeps;
}

/**
 * xtcp_hook_owns - does a segment of protocol 6 belong to xtcp
 * @net: namespace
 * @skb: packet that contains it, the transport header set to the TCP header
 * @af: family of the packet
 * @offset: offset of the TCP header in @skb->data
 * @cut: it is the first of several fragments of a packet
 * @found: filled in, if it belongs to xtcp: what it belongs to
 *
 * A segment without a complete header belongs to xtcp, because xtcp holds the
 * port.
 *
 * Context: RCU, softirqs off, because BPF programs may choose listeners.
 * Return: true if it belongs to xtcp; false: to the kernel's TCP.
 */
bool xtcp_hook_owns(struct net *net, struct sk_buff *skb,
		    const struct xtcp_family *af, unsigned int offset,
		    bool cut, struct xtcp_found *found)
{
	struct xtcp_key *key = &found->key;

	found->flow = NULL;
	found->listener = NULL;
	found->complete = pskb_may_pull(skb, offset + XTCP_HDR_LEN);
	if (!found->complete)
		return true;
	if (kernel_tcp_has_found(skb))
		return false;
	xtcp_packet_key_read(af, skb, XTCP_WIRE_TCP, key);
	xtcp_key_digest(key);
	found->flow = xtcp_flow_lookup_rcu(net, key);
	if (found->flow)
		return true;
	if (hook_is_opening(tcp_hdr(skb)))
		found->listener = xtcp_lookup_rcu(net, key, NULL);
	if (found->listener)
		return !xtcp_hook_is_steered(net, key) &&
		       hook_take_syn(net, skb, af, offset, key, cut);
	if (af->kernel_tcp->wants(net, key))
		return false;
	/* The kernel's early demux may have found a half-open connection that it does not keep. */
	skb_orphan(skb);
	return true;
}

/**
 * xtcp_hook_is_steered - has a BPF program of type sk_lookup chosen or refused a SYN
 * @net: namespace
 * @key: the connection, as seen from this host
 *
 * Such a program decides before any listener does. The kernel's TCP asks it again.
 *
 * Context: RCU, softirqs off.
 * Return: true if the SYN is the kernel's TCP's, whoever listens.
 */
bool xtcp_hook_is_steered(struct net *net, const struct xtcp_key *key)
{
	return static_branch_unlikely(&bpf_sk_lookup_enabled) &&
	       xtcp_family_get(key->family)->kernel_tcp->steered(net, key);
}

/**
 * xtcp_hook_kernel_tcp_connected - does the kernel's TCP have a connection
 * @net: namespace
 * @key: the connection, as seen from this host
 *
 * Context: RCU.
 * Return: true if it has one; half-open and in TIME-WAIT included.
 */
bool xtcp_hook_kernel_tcp_connected(struct net *net, const struct xtcp_key *key)
{
	struct sock *sk;

	sk = xtcp_family_get(key->family)->kernel_tcp->connection(net, key);
	if (sk)
		sock_gen_put(sk);
	return sk;
}

/**
 * xtcp_hook_kernel_tcp_keeps - has the kernel's TCP a connection that takes a segment
 * @net: namespace
 * @key: the connection, as seen from this host
 *
 * The kernel's TCP drops a half-open connection when a segment comes, if its listener does not
 * listen any more and no other one takes it over. Such a segment may return a cookie of xtcp.
 *
 * Context: RCU.
 * Return: true if it has one; in TIME-WAIT included, but not one that it would drop.
 */
bool xtcp_hook_kernel_tcp_keeps(struct net *net, const struct xtcp_key *key)
{
	struct sock *sk = xtcp_family_get(key->family)->kernel_tcp->connection(net, key);
	bool keeps;

	if (!sk)
		return false;
	keeps = READ_ONCE(sk->sk_state) == TCP_TIME_WAIT || kernel_tcp_takes_segment(sk);
	sock_gen_put(sk);
	return keeps;
}

/**
 * xtcp_hook_owns_quoted - does a quoted segment belong to xtcp
 * @net: namespace
 * @key: key of the segment that an ICMP error quotes, as seen from this host,
 *	which sent it
 *
 * Context: RCU.
 * Return: true if it belongs to xtcp.
 */
bool xtcp_hook_owns_quoted(struct net *net, const struct xtcp_key *key)
{
	return xtcp_port_is_held(net, ntohs(key->lport)) &&
	       xtcp_flow_find_rcu(net, key);
}

/**
 * xtcp_hook_is_open - may segments belong to xtcp
 *
 * Context: any.
 * Return: false once the module is being unloaded.
 */
bool xtcp_hook_is_open(void)
{
	return !READ_ONCE(hook_closed);
}

/**
 * xtcp_hook_add - register the hooks of both families in a namespace
 * @net: namespace in which they are not registered
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int xtcp_hook_add(struct net *net)
{
	int err = nf_register_net_hook(net, &xtcp_hookv4_ops);

#if IS_ENABLED(CONFIG_IPV6)
	if (!err) {
		err = nf_register_net_hook(net, &xtcp_hookv6_ops);
		if (err)
			nf_unregister_net_hook(net, &xtcp_hookv4_ops);
	}
#endif
	return err;
}

/**
 * xtcp_hook_del - undo xtcp_hook_add()
 * @net: namespace; the hooks may still run for a grace period
 *
 * Context: process, may sleep.
 */
void xtcp_hook_del(struct net *net)
{
#if IS_ENABLED(CONFIG_IPV6)
	nf_unregister_net_hook(net, &xtcp_hookv6_ops);
#endif
	nf_unregister_net_hook(net, &xtcp_hookv4_ops);
}

/**
 * xtcp_hook_holds - does xtcp still hold the port of a segment
 * @net: namespace
 * @skb: segment from the hook, at its TCP header
 *
 * The port may have been released while the packet waited in a netfilter queue
 * behind the hook, or the packet moved to another namespace.
 *
 * Context: RCU.
 * Return: true if xtcp holds the port; false: the segment is for the kernel's
 * TCP.
 */
bool xtcp_hook_holds(struct net *net, const struct sk_buff *skb)
{
	return xtcp_port_is_held_skb(net, skb, 0);
}

/**
 * xtcp_hook_close - pass all segments to the kernel's TCP again
 *
 * When it returns, no CPU is between the hook and xtcp_input(), so that the handlers may be
 * unregistered. Only a packet that a queue of netfilter behind the hook holds may still come, with
 * protocol 253: the kernel refuses it like any protocol that it does not have.
 *
 * Context: process, may sleep; when the module is unloaded.
 */
void xtcp_hook_close(void)
{
	WRITE_ONCE(hook_closed, true);
	synchronize_net();
}
