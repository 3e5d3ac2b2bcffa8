/* SPDX-License-Identifier: GPL-2.0 */
/*
 * isn.h - keyed hashes: initial sequence numbers, timestamp and port offsets
 */
#ifndef XTCP_ISN_H
#define XTCP_ISN_H

#include <linux/types.h>

#include "net/seq.h"
#include "netns.h"

struct net;
struct sock;
struct xtcp_family;
struct xtcp_key;

void xtcp_isn_net_init(struct net *net);

u64 xtcp_isn_hash(const struct net *net, const struct xtcp_family *af,
		  const struct xtcp_key *key, enum xtcp_secret secret);
u64 xtcp_isn_identity(const struct net *net, const struct xtcp_family *af,
		      const struct xtcp_key *key);
seq_t xtcp_isn(u64 identity);
seq_t xtcp_isn_above(seq_t snd_nxt);
bool xtcp_isn_is_behind(u64 identity, seq_t seq);
u32 xtcp_isn_ts_offset(u64 identity);
u32 xtcp_isn_path_hash(const struct net *net, seq_t iss);
void xtcp_isn_flow_hash(struct sock *sk);
u64 xtcp_isn_source(const struct net *net, const struct xtcp_family *af,
		    const struct xtcp_key *key, unsigned int bits);
u64 xtcp_isn_port_offset(const struct net *net, const struct xtcp_family *af,
			 const struct xtcp_key *key);

#endif /* XTCP_ISN_H */
