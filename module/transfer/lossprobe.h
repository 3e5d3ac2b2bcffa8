/* SPDX-License-Identifier: GPL-2.0 */
/* lossprobe.h - tail loss probe, RFC 8985 7 */
#ifndef XTCP_TRANSFER_LOSSPROBE_H
#define XTCP_TRANSFER_LOSSPROBE_H

#include <linux/types.h>

struct sock;
struct xtcp_acked;
struct xtcp_sock;

void xtcp_lossprobe_init(struct xtcp_sock *xs);
bool xtcp_lossprobe_schedule(struct sock *sk, u64 now_ns, bool from_now);
void xtcp_lossprobe_timeout(struct sock *sk);
void xtcp_lossprobe_acked(struct sock *sk, const struct xtcp_acked *a);

#endif /* XTCP_TRANSFER_LOSSPROBE_H */
