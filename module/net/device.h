/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device.h - which devices a socket's segments come in on
 *
 * A socket that is bound to a device gets what comes in there. A VRF has two
 * devices for a segment: its own and the slave's, and a socket may be bound to
 * either. A socket that is bound to none gets what comes in outside of all VRFs,
 * and with xtcp_l3mdev_accept everything.
 */
#ifndef XTCP_NET_DEVICE_H
#define XTCP_NET_DEVICE_H

#include <linux/netdevice.h>
#include <net/l3mdev.h>

#include "flow.h"
#include "netns.h"

/**
 * xtcp_key_came_in - where the segment of a key came in
 * @key: its devices are filled in
 * @net: namespace
 * @dif: device; the VRF's own, if it is one's slave
 * @sdif: the slave then, else 0
 *
 * Context: any.
 */
static __always_inline void xtcp_key_came_in(struct xtcp_key *key,
					     const struct net *net, int dif,
					     int sdif)
{
	key->dif = dif;
	key->sdif = sdif;
	key->bound_only = unlikely(sdif) && !XTCP_KNOB(net, l3mdev_accept);
}

/**
 * xtcp_key_is_bound - the same for a connection that is being made
 * @key: its devices are filled in
 * @net: namespace
 * @bound: device that the connection is bound to, or 0
 *
 * One that is bound to a VRF, or to a slave of it, is never the same as one that
 * is bound to no device.
 *
 * Context: any.
 */
static inline void xtcp_key_is_bound(struct xtcp_key *key, struct net *net,
				     int bound)
{
	xtcp_key_came_in(key, net, bound,
			 l3mdev_master_ifindex_by_index(net, bound));
}

/**
 * xtcp_device_overlaps - may two sockets get the same segment
 * @net: namespace
 * @a: device that one is bound to, or 0
 * @b: device that the other is bound to, or 0
 *
 * Context: any.
 * Return: true if there is a device whose segments both may get.
 */
static inline bool xtcp_device_overlaps(struct net *net, int a, int b)
{
	if (a == b)
		return true;
	if (a && b)
		return false;
	return XTCP_KNOB(net, l3mdev_accept) ||
	       !l3mdev_master_ifindex_by_index(net, a ?: b);
}

#endif /* XTCP_NET_DEVICE_H */
