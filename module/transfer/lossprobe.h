/* SPDX-License-Identifier: GPL-2.0 */
/* lossprobe.h - tail loss probe, RFC 8985 7 */
#ifndef XTCP_TRANSFER_LOSSPROBE_H
#define XTCP_TRANSFER_LOSSPROBE_H

#include <linux/types.h>

#include "tcb.h"

struct sock;
struct xtcp_acked;

bool xtcp_lossprobe_schedule(struct sock *sk, u64 now_ns, bool from_now);
void xtcp_lossprobe_timeout(struct sock *sk);
void xtcp_lossprobe_acked(struct sock *sk, const struct xtcp_acked *a);

/* True if a loss probe is in flight. */
static inline bool xtcp_lossprobe_is_out(const struct xtcp_sock *xs)
{
	return xs->probe_out;
}

/* A recovery begins: what becomes of the probe says nothing more. */
static inline void xtcp_lossprobe_forget(struct xtcp_sock *xs)
{
	xs->probe_out = 0;
}

#endif /* XTCP_TRANSFER_LOSSPROBE_H */
