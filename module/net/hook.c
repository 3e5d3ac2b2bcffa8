// SPDX-License-Identifier: GPL-2.0
/*
 * hook.c - segments of the TCP wire come in by a netfilter hook
 *
 * IP hands protocol 6 to the kernel's own TCP. This hook stands at LOCAL_IN,
 * behind all the rules there: what the firewall drops never comes here, and NAT
 * has been done. Behind it comes only conntrack's confirmation, which packets
 * that are stolen would miss. So a segment that is xtcp's isn't stolen: its IP
 * header gets the native wire's protocol number, by which IP finds ipv4.c or
 * ipv6.c, which put the 6 back first. Nobody looks at the header in between.
 *
 *	wire -> ip_rcv -> PRE_ROUTING -> LOCAL_IN: rules, [hook], confirm
 *	     -> IP's table of protocols: 253 -> xtcp_input: 6 again
 *
 * An ICMP error that quotes a segment of ours goes the same way: the quoted
 * protocol number is rewritten, and the message's checksum with it, so that a
 * wrong one stays wrong.
 *
 * Whose is a segment? A connection of ours: ours. A SYN for a listener of ours:
 * ours, unless the kernel's TCP has a connection with these addresses and ports;
 * a server that moves to xtcp with SO_REUSEADDR leaves connections of the
 * kernel's TCP behind on its port. Else, if a socket of the kernel's TCP wants
 * it: not ours. Else nobody wants it; on a port that xtcp holds, xtcp says so.
 * Where all this stands in a packet, hookv4.c and hookv6.c know, each a hook of
 * its own.
 *
 * Each packet to this host pays for the hook. So it is registered when xtcp
 * first holds a port of the TCP wire in the namespace (shadow.c), and the hook
 * looks at a bit for each port before anything else. It stays registered until
 * the namespace ends: nf_unregister_net_hook() drops the packets of all queues to
 * user space (NFQUEUE) in the namespace, and programs without privileges bind and
 * close ports. A packet that waits in such a queue meanwhile goes on behind the hook
 * that queued it: ours is registered behind that one, so the packet's place in
 * the kernel's array of hooks stays the same.
 *
 * Context: the hooks run under RCU, mostly in softirq. A packet that has waited in
 * a netfilter queue comes with the task that gives the verdict, and softirqs on:
 * the hook turns them off meanwhile. Adding and deleting: process.
 */
#include "net/hook.h"

#include <linux/tcp.h>
#include <net/inet_timewait_sock.h>
#include <net/request_sock.h>
#include <net/sock.h>

#include "flow.h"
#include "lookup.h"
#include "net/family.h"
#include "net/wire.h"
#include "paws.h"
#include "port/port.h"
#include "proto.h"
#include "tcb.h"

/* The module is going: nobody is there any more to bring a segment to. */
static bool closed __read_mostly;

/*
 * Does the kernel's TCP give a segment to @sk, which it found by addresses and
 * ports? A half-open connection ends where its listener no longer listens: the
 * kernel's TCP drops it then, and looks for another listener. A SYN may end a
 * TIME-WAIT; others decide.
 */
static bool stock_keeps(const struct sock *sk)
{
	switch (READ_ONCE(sk->sk_state)) {
	case TCP_TIME_WAIT:
		return false;
	case TCP_NEW_SYN_RECV:
		sk = inet_reqsk(sk)->rsk_listener;
		return sk && READ_ONCE(sk->sk_state) == TCP_LISTEN;
	}
	return true;
}

/* Early demultiplexing knows the socket of many segments already. */
static bool found_by_stock(const struct sk_buff *skb)
{
	return skb->sk && !xtcp_socket_is_ours(skb->sk) && stock_keeps(skb->sk);
}

static bool is_opening(const struct tcphdr *th)
{
	return th->syn && !th->ack && !th->rst;
}

/*
 * RFC 6191 by the rules of the kernel's TCP: does a SYN end this TIME-WAIT? Only
 * an intact one does. The first fragment of a packet is not intact.
 */
static bool timewait_gives_way(struct sock *sk, struct sk_buff *skb,
			       const struct xtcp_family *af,
			       unsigned int offset)
{
	const struct tcp_timewait_sock *tw = tcp_twsk(sk);
	u32 stamp = READ_ONCE(tw->tw_ts_recent_stamp);
	u32 len = __tcp_hdrlen(tcp_hdr(skb));
	struct xtcp_seg seg;

	if (READ_ONCE(inet_twsk(sk)->tw_substate) != TCP_TIME_WAIT ||
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

/*
 * A SYN has a listener of ours. Has the kernel's TCP a connection with the same
 * addresses and ports? That connection answers it (RFC 5961 4), and may be what
 * somebody forged the SYN for. A TIME-WAIT that the SYN may end, ends.
 */
static bool syn_is_stocks(struct net *net, struct sk_buff *skb,
			  const struct xtcp_family *af, unsigned int offset,
			  const struct xtcp_key *key)
{
	struct sock *sk = af->stock_connection(net, key);
	bool waits, keeps;

	if (likely(!sk))
		return false;
	waits = READ_ONCE(sk->sk_state) == TCP_TIME_WAIT;
	keeps = waits ? !timewait_gives_way(sk, skb, af, offset) :
			stock_keeps(sk);
	if (!keeps)
		skb_orphan(skb);
	if (waits && !keeps)
		inet_twsk_deschedule_put(inet_twsk(sk));
	else
		sock_gen_put(sk);
	return keeps;
}

/* The socket goes along with its reference, as in net/demux.c. */
static void attach(struct sk_buff *skb, struct xtcp_flow *flow)
{
	if (flow->kind != XTCP_KIND_SOCKET || skb->sk) {
		xtcp_flow_put(flow);
		return;
	}
	skb->sk = xtcp_flow_sk(flow);
	skb->destructor = sock_edemux;
}

/**
 * xtcp_hook_owns - is a segment xtcp's
 * @net: namespace
 * @skb: packet that bears it, the transport header set to the TCP header; may
 *	get the socket along
 * @af: which IP
 * @offset: of the TCP header in @skb->data
 *
 * One too short to be judged is for whoever holds the port.
 *
 * Context: RCU, softirqs off: BPF programs may choose listeners.
 */
bool xtcp_hook_owns(struct net *net, struct sk_buff *skb,
		    const struct xtcp_family *af, unsigned int offset)
{
	struct xtcp_flow *flow;
	struct xtcp_key key;

	if (skb->sk && xtcp_socket_is_ours(skb->sk))
		return true;
	if (!pskb_may_pull(skb, offset + XTCP_HDR_LEN))
		return true;
	if (found_by_stock(skb))
		return false;
	af->key_read(skb, XTCP_WIRE_TCP, &key);
	xtcp_key_digest(&key);
	flow = xtcp_flow_lookup_rcu(net, &key);
	if (flow) {
		attach(skb, flow);
		return true;
	}
	if (is_opening(tcp_hdr(skb)) &&
	    xtcp_lookup_rcu(net, &key, NULL))
		return !syn_is_stocks(net, skb, af, offset, &key);
	return !af->stock_wants(net, skb, offset + __tcp_hdrlen(tcp_hdr(skb)),
				&key);
}

/**
 * xtcp_hook_stock_connected - has the kernel's own TCP that connection
 * @net: namespace
 * @key: as seen from this end
 *
 * Context: RCU. Return: true for one that is half-open or in TIME-WAIT, too.
 */
bool xtcp_hook_stock_connected(struct net *net, const struct xtcp_key *key)
{
	struct sock *sk;

	sk = xtcp_family_get(key->family)->stock_connection(net, key);
	if (sk)
		sock_gen_put(sk);
	return sk;
}

/**
 * xtcp_hook_owns_quoted - is a segment xtcp's that an ICMP error quotes
 * @net: namespace
 * @key: of the segment, as seen from here, where it came from
 */
bool xtcp_hook_owns_quoted(struct net *net, const struct xtcp_key *key)
{
	return xtcp_port_is_held(net, ntohs(key->lport)) &&
	       xtcp_flow_find_rcu(net, key);
}

/**
 * xtcp_hook_is_open - may segments be brought at all
 */
bool xtcp_hook_is_open(void)
{
	return !READ_ONCE(closed);
}

/**
 * xtcp_hook_add - segments of the TCP wire come in from now on
 * @net: namespace, where they don't yet
 *
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
 * @net: namespace; the hook may run for a grace period yet
 */
void xtcp_hook_del(struct net *net)
{
#if IS_ENABLED(CONFIG_IPV6)
	nf_unregister_net_hook(net, &xtcp_hookv6_ops);
#endif
	nf_unregister_net_hook(net, &xtcp_hookv4_ops);
}

/**
 * xtcp_hook_holds - is a segment still for one of xtcp's ports
 * @net: namespace
 * @skb: segment, at its TCP header, that the hook has brought
 *
 * A packet may have waited in a netfilter queue behind the hook.
 */
bool xtcp_hook_holds(struct net *net, const struct sk_buff *skb)
{
	__be16 *ports, buffer[2];

	ports = skb_header_pointer(skb, 0, sizeof(buffer), buffer);
	return ports && xtcp_port_is_held(net, ntohs(ports[1]));
}

/**
 * xtcp_hook_close - the module goes: all segments are the kernel's again
 *
 * When it returns, no packet is on its way from the hook to xtcp_input(), so
 * that this may be taken from IP's table.
 */
void xtcp_hook_close(void)
{
	WRITE_ONCE(closed, true);
	synchronize_net();
}
