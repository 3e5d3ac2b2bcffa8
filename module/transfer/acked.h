/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acked.h - what an ACK does to the send queue
 */
#ifndef XTCP_TRANSFER_ACKED_H
#define XTCP_TRANSFER_ACKED_H

#include <linux/types.h>

struct sock;
struct xtcp_seg;

bool xtcp_send_acked(struct sock *sk, const struct xtcp_seg *seg);
void xtcp_send_buffer_grow(struct sock *sk);

#endif /* XTCP_TRANSFER_ACKED_H */
