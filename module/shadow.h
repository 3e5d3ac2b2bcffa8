/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shadow.h - hold ports of the TCP wire in the kernel's bind table, too
 */
#ifndef XTCP_SHADOW_H
#define XTCP_SHADOW_H

#include <linux/in6.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct net;
struct xtcp_shadow;

/**
 * struct xtcp_shadows - what the shadows of a namespace need
 * @lock: guards the registration of the hook
 * @hooked: the hook for protocol 6 is registered (net/hook.c); set until the
 *	namespace ends
 * @closed: the namespace ends: a kernel socket that is left there registers no hook
 */
struct xtcp_shadows {
	struct mutex		lock;	/* registration of the hook */
	bool			hooked;
	bool			closed;
};

/**
 * struct xtcp_shadow_place - the port, address and options that a shadow is to have
 * @family: address family; AF_UNSPEC: both, any address
 * @laddr: local IPv4 address, 0 for any
 * @laddr6: local IPv6 address, if @family is AF_INET6
 * @ifindex: device, 0 for any
 * @num: port number
 * @reuse: SO_REUSEADDR
 * @alone: the port was chosen, not named by a program: it is free only if no socket of the
 *	kernel's TCP has it, with SO_REUSEADDR or without
 */
struct xtcp_shadow_place {
	u8		family;
	__be32		laddr;
	struct in6_addr	laddr6;
	int		ifindex;
	u16		num;
	bool		reuse;
	bool		alone;
};

int xtcp_shadow_init(void);
void xtcp_shadow_exit(void);
int xtcp_shadow_net_init(struct net *net);
void xtcp_shadow_net_quiesce(struct net *net);
void xtcp_shadow_net_exit(struct net *net);

int xtcp_shadow_prepare(struct net *net);
struct xtcp_shadow *xtcp_shadow_open(struct net *net,
				     const struct xtcp_shadow_place *place);
struct xtcp_shadow *xtcp_shadow_get(struct xtcp_shadow *shadow);
void xtcp_shadow_put(struct xtcp_shadow *shadow);
void xtcp_shadow_hold(struct xtcp_shadow *shadow, bool reuse);
void xtcp_shadow_drop(struct xtcp_shadow *shadow, bool reuse);
bool xtcp_shadow_covers6(const struct xtcp_shadow *shadow, const struct in6_addr *laddr);
bool xtcp_shadow_excludes(const struct xtcp_shadow *shadow);
int xtcp_shadow_listen(struct xtcp_shadow *shadow);
void xtcp_shadow_unlisten(struct xtcp_shadow *shadow);

#endif /* XTCP_SHADOW_H */
