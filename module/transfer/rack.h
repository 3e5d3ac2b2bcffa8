/* SPDX-License-Identifier: GPL-2.0 */
/* rack.h - loss detection by time: RFC 8985, RACK */
#ifndef XTCP_TRANSFER_RACK_H
#define XTCP_TRANSFER_RACK_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_skb_cb;
struct xtcp_sock;

void xtcp_rack_init(struct xtcp_sock *xs);
bool xtcp_rack_is_on(const struct xtcp_sock *xs);
u32 xtcp_rack_delivered(struct xtcp_sock *xs, const struct xtcp_skb_cb *cb,
			u64 now_ns);
void xtcp_rack_window_adapt(struct xtcp_sock *xs);
u64 xtcp_rack_detect(struct sock *sk);
bool xtcp_rack_is_recent(const struct sock *sk, const struct sk_buff *skb);

#endif /* XTCP_TRANSFER_RACK_H */
