/* SPDX-License-Identifier: GPL-2.0 */
/* conflict.h - which sockets and records may share a port */
#ifndef XTCP_PORT_CONFLICT_H
#define XTCP_PORT_CONFLICT_H

#include <linux/types.h>
#include <linux/uidgid.h>

#include "port/bucket.h"

/**
 * struct xtcp_claim - a port as a socket wants to have it
 * @sk: socket; does not conflict with itself
 * @at: local address
 * @ifindex: device, 0 for any
 * @uid: owner of the socket
 * @wire: XTCP_PORT_TCP_WIRE or 0
 * @reuse: SO_REUSEADDR is set
 * @reuseport: SO_REUSEPORT is set, and the socket has no group of its own
 * @by_number: explicit bind, so that SO_REUSEPORT may share the port
 * @reuse_ok: SO_REUSEADDR may share the port
 * @listens: of listen(), not of bind()
 */
struct xtcp_claim {
	const struct sock	*sk;
	struct xtcp_bind_addr	at;
	int			ifindex;
	kuid_t			uid;
	u8			wire;
	bool			reuse;
	bool			reuseport;
	bool			by_number;
	bool			reuse_ok;
	bool			listens;
};

void xtcp_claim_init(struct xtcp_claim *claim, const struct sock *sk);
bool xtcp_claim_conflicts(const struct xtcp_claim *claim,
			  const struct xtcp_port_chain *chain, u16 num);

#endif /* XTCP_PORT_CONFLICT_H */
