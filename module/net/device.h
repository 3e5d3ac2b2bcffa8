/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device.h - on which devices a socket receives segments
 *
 * A socket that is bound to a device receives the segments that arrive there. A
 * segment in a VRF has two devices, the VRF's and the slave's; a socket may be
 * bound to either. A socket that is bound to no device receives segments
 * outside of all VRFs, and with xtcp_l3mdev_accept all segments; on the TCP wire only with
 * tcp_l3mdev_accept, too. Without that, the kernel's TCP lets one socket have a port in a VRF and
 * another one have it outside, and the latter must not get the VRF's segments.
 */
#ifndef XTCP_NET_DEVICE_H
#define XTCP_NET_DEVICE_H

#include <linux/netdevice.h>
#include <net/inet_sock.h>
#include <net/l3mdev.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "netns.h"

/**
 * xtcp_device_vrf_is_open - check whether sockets without a device get what arrives on a VRF
 * @net: namespace
 * @wire: IP protocol of the segments
 *
 * Context: any.
 * Return: true if they do
 */
static inline bool xtcp_device_vrf_is_open(struct net *net, u8 wire)
{
	return XTCP_KNOB(net, l3mdev_accept) &&
	       (wire != XTCP_WIRE_TCP || inet_sk_bound_dev_eq(net, 0, 1, 1));
}

/**
 * xtcp_key_came_in - set the devices of a received segment's key
 * @key: its wire is set; its devices are filled in
 * @net: namespace
 * @dif: device; for a slave of a VRF the VRF's
 * @sdif: the slave in that case, else 0
 *
 * Context: any.
 */
static __always_inline void xtcp_key_came_in(struct xtcp_key *key,
					     struct net *net, int dif, int sdif)
{
	key->dif = dif;
	key->sdif = sdif;
	key->bound_only = unlikely(sdif) && !xtcp_device_vrf_is_open(net, key->wire);
}

/**
 * xtcp_key_set_bound - set the devices of a new connection's key
 * @key: its wire is set; its devices are filled in
 * @net: namespace
 * @bound: device that the connection is bound to, or 0
 *
 * A connection that is bound to a VRF, or to a slave of it, is never the same
 * as one that is bound to no device.
 *
 * Context: any.
 */
static inline void xtcp_key_set_bound(struct xtcp_key *key, struct net *net,
				      int bound)
{
	xtcp_key_came_in(key, net, bound,
			 l3mdev_master_ifindex_by_index(net, bound));
}

/**
 * xtcp_device_overlaps - may two sockets receive the same segment
 * @net: namespace
 * @wire: IP protocol of the segments
 * @a: device that the first socket is bound to, or 0
 * @b: device that the second socket is bound to, or 0
 *
 * Context: any.
 * Return: true if there is a device whose segments both may receive.
 */
static inline bool xtcp_device_overlaps(struct net *net, u8 wire, int a, int b)
{
	if (a == b)
		return true;
	if (a && b)
		return false;
	return xtcp_device_vrf_is_open(net, wire) ||
	       !l3mdev_master_ifindex_by_index(net, a ?: b);
}

#endif /* XTCP_NET_DEVICE_H */
