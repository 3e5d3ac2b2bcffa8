/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prr.h - how a reduction of the window is spread over a round trip, RFC 6937
 */
#ifndef XTCP_TRANSFER_PRR_H
#define XTCP_TRANSFER_PRR_H

#include <linux/types.h>

struct xtcp_acked;
struct xtcp_sock;

void xtcp_prr_restart(struct xtcp_sock *xs, u32 flight);
void xtcp_prr_begin(struct xtcp_sock *xs, u32 flight);
void xtcp_prr_acked(struct xtcp_sock *xs, const struct xtcp_acked *a);
void xtcp_prr_end(struct xtcp_sock *xs);

#endif /* XTCP_TRANSFER_PRR_H */
