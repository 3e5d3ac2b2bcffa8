/* SPDX-License-Identifier: GPL-2.0 */
/*
 * receive.h - reassembly of received payload and FIN
 *
 * Context: socket lock.
 */
#ifndef XTCP_TRANSFER_RECEIVE_H
#define XTCP_TRANSFER_RECEIVE_H

#include <linux/types.h>

#include "net/seq.h"

struct sk_buff;
struct sock;
struct xtcp_seg;

bool __must_check xtcp_receive_payload(struct sock *sk, struct sk_buff **pskb,
				       const struct xtcp_seg *seg);
bool __must_check xtcp_receive_expected(struct sock *sk, struct sk_buff *skb,
					const struct xtcp_seg *seg);
void xtcp_receive_duplicate(struct sock *sk, seq_t start, seq_t end);
void xtcp_receive_purge(struct sock *sk);

#endif /* XTCP_TRANSFER_RECEIVE_H */
