/* SPDX-License-Identifier: GPL-2.0 */
/*
 * window.h - the window that is offered to the peer
 *
 * Context: socket lock, unless said otherwise.
 */
#ifndef XTCP_TRANSFER_WINDOW_H
#define XTCP_TRANSFER_WINDOW_H

#include <linux/minmax.h>
#include <linux/types.h>

#include "tcb.h"

struct dst_entry;
struct sock;
struct xtcp_sock;

u32 xtcp_window_limit(const struct sock *sk);
u32 xtcp_window_select(struct sock *sk);
bool xtcp_window_holds(const struct sock *sk);
u32 xtcp_window_offer(const struct dst_entry *dst, u32 mss, u32 wnd);
void xtcp_window_route(struct sock *sk);
u32 xtcp_window_syn_ack(const struct sock *sk, const struct dst_entry *dst,
			u32 mss, bool ts, u32 wnd);
void xtcp_window_init(const struct sock *sk, u32 mss, bool scaling, u32 *wnd,
		      u8 *wscale);
void xtcp_window_consumed(struct sock *sk, u32 copied);

/**
 * xtcp_window_left - RCV.WND: what the peer may still send
 * @xs: the connection; without the socket lock the result is an estimate
 *
 * Return: bytes from RCV.NXT to the edge that was announced last
 */
static inline u32 xtcp_window_left(const struct xtcp_sock *xs)
{
	s32 left = seq_dist(READ_ONCE(xs->rcv_nxt),
			    seq_add(READ_ONCE(xs->rcv_wup),
				    READ_ONCE(xs->rcv_wnd)));

	return max(left, 0);
}

/**
 * xtcp_window_edge - the farthest right edge that was ever announced
 * @xs: the connection, locked
 *
 * What lies before it was once offered, so it is acceptable even if the window
 * was taken back since (RFC 7323 2.4).
 *
 * Return: the sequence number after the last one that is acceptable; before
 * RCV.NXT if more than that was received
 */
static inline seq_t xtcp_window_edge(const struct xtcp_sock *xs)
{
	return seq_add(xs->rcv_wup, xs->rcv_wnd + xs->rcv_taken_back);
}

#endif /* XTCP_TRANSFER_WINDOW_H */
