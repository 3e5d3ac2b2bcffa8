/* SPDX-License-Identifier: GPL-2.0 */
/*
 * window.h - what the peer may send: the window that is offered to it
 *
 * All under the socket lock unless said otherwise.
 */
#ifndef XTCP_TRANSFER_WINDOW_H
#define XTCP_TRANSFER_WINDOW_H

#include <linux/types.h>

struct dst_entry;
struct sock;
struct xtcp_sock;

u32 xtcp_window_left(const struct xtcp_sock *xs);
u32 xtcp_window_select(struct sock *sk);
bool xtcp_window_holds(const struct sock *sk);
u32 xtcp_window_offer(const struct dst_entry *dst, u32 mss, u32 wnd);
void xtcp_window_route(struct sock *sk);
void xtcp_window_init(const struct sock *sk, u32 mss, bool scaling, u32 *wnd,
		      u8 *wscale);
void xtcp_window_consumed(struct sock *sk, u32 copied);

#endif /* XTCP_TRANSFER_WINDOW_H */
