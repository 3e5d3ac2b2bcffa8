/* SPDX-License-Identifier: GPL-2.0 */
/* port.h - local ports, as the rest of the module uses them */
#ifndef XTCP_PORT_H
#define XTCP_PORT_H

#include <linux/bitops.h>
#include <linux/skbuff.h>
#include <linux/types.h>

#include "netns.h"

struct net;
struct sock;
struct xtcp_timewait;

int xtcp_port_init(void);
void xtcp_port_exit(void);
int xtcp_port_net_init(struct net *net);
void xtcp_port_net_exit(struct net *net);

int xtcp_port_bind(struct sock *sk, unsigned short port);
int xtcp_port_prepare(struct sock *sk);
void xtcp_port_options_changed(struct sock *sk);
int xtcp_port_listen(struct sock *sk);
void xtcp_port_unlisten(struct sock *sk);
int xtcp_port_connect(struct sock *sk, struct xtcp_timewait **tw);
void xtcp_port_connected(struct net *net, struct xtcp_timewait *tw);
void xtcp_port_connect_undo(struct sock *sk, struct xtcp_timewait *tw);
void xtcp_port_disconnect(struct sock *sk);
void xtcp_port_inherit(struct sock *child, struct sock *listener);
void xtcp_port_release(struct sock *sk);
void xtcp_port_to_timewait(struct sock *sk, struct xtcp_timewait *tw);
void xtcp_port_timewait_release(struct net *net, struct xtcp_timewait *tw);

/**
 * xtcp_port_is_held - check whether a segment of the TCP wire may be for xtcp
 * @net: namespace
 * @num: port that it is sent to
 *
 * Context: any.
 * Return: true if a socket or record of the TCP wire holds that port, at any
 * address.
 */
static inline bool xtcp_port_is_held(const struct net *net, u16 num)
{
	const struct xtcp_net *xn = xtcp_net(net);

	return xtcp_net_is_ready(xn) && test_bit(num, xn->tcp_ports);
}

/**
 * xtcp_port_is_held_skb - like xtcp_port_is_held(), for the destination port of a segment
 * @net: namespace
 * @skb: a packet
 * @offset: where its TCP header begins, from skb->data
 *
 * Context: any.
 * Return: false also if the packet is shorter.
 */
static inline bool xtcp_port_is_held_skb(const struct net *net,
					 const struct sk_buff *skb, int offset)
{
	__be16 *ports, buffer[2];

	ports = skb_header_pointer(skb, offset, sizeof(buffer), buffer);
	return ports && xtcp_port_is_held(net, ntohs(ports[1]));
}

#endif /* XTCP_PORT_H */
