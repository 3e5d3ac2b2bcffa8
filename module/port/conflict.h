/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conflict.h - who may share a port with whom
 */
#ifndef XTCP_PORT_CONFLICT_H
#define XTCP_PORT_CONFLICT_H

#include <linux/types.h>
#include <linux/uidgid.h>

#include "port/bucket.h"

/**
 * struct xtcp_claim - what a socket wants of a port
 * @sk: socket; doesn't conflict with itself
 * @at: local address
 * @ifindex: device, 0 for any
 * @uid: owner
 * @wire: XTCP_PORT_TCP_WIRE or 0
 * @reuse: SO_REUSEADDR
 * @reuseport: SO_REUSEPORT
 * @by_number: a certain port is wanted, so that SO_REUSEPORT may share it
 * @crowd: SO_REUSEADDR may share it
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
	bool			crowd;
};

void xtcp_claim_init(struct xtcp_claim *claim, const struct sock *sk);
bool xtcp_claim_conflicts(const struct xtcp_claim *claim,
			  const struct xtcp_port_chain *chain, u16 num);

#endif /* XTCP_PORT_CONFLICT_H */
