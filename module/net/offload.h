/* SPDX-License-Identifier: GPL-2.0 */
/*
 * offload.h - GSO and checksums of outgoing segments
 */
#ifndef XTCP_NET_OFFLOAD_H
#define XTCP_NET_OFFLOAD_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_key;

void xtcp_offload_prepare(const struct sock *sk, struct sk_buff *skb,
			  const struct xtcp_key *key, u32 segs, u32 seg_size);
void xtcp_offload_own(struct sk_buff *skb, struct sock *sk);

int xtcp_offload_init(void);
void xtcp_offload_exit(void);

#endif /* XTCP_NET_OFFLOAD_H */
