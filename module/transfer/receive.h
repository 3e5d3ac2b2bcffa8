/* SPDX-License-Identifier: GPL-2.0 */
/*
 * receive.h - text and FIN on their way in: window, reassembly
 *
 * All under the socket lock.
 */
#ifndef XTCP_TRANSFER_RECEIVE_H
#define XTCP_TRANSFER_RECEIVE_H

#include <linux/types.h>

#include "net/seq.h"

struct sk_buff;
struct sock;
struct xtcp_seg;
struct xtcp_sock;

u32 xtcp_receive_window(const struct xtcp_sock *xs);
u32 xtcp_receive_window_select(struct sock *sk);
void xtcp_receive_window_init(const struct sock *sk, u32 mss, bool scaling,
			      u32 *wnd, u8 *wscale);
void xtcp_receive_text(struct sock *sk, struct sk_buff *skb,
		       const struct xtcp_seg *seg);
void xtcp_receive_consumed(struct sock *sk, u32 copied);
void xtcp_receive_duplicate(struct sock *sk, seq_t start, seq_t end);
void xtcp_receive_purge(struct sock *sk);

#endif /* XTCP_TRANSFER_RECEIVE_H */
