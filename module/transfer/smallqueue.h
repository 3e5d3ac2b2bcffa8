/* SPDX-License-Identifier: GPL-2.0 */
/* smallqueue.h - limit what a socket has in the queues of its own host */
#ifndef XTCP_TRANSFER_SMALLQUEUE_H
#define XTCP_TRANSFER_SMALLQUEUE_H

#include <linux/types.h>

struct sk_buff;
struct sock;

/* Socket lock. */
bool xtcp_smallqueue_holds_copy(struct sock *sk, const struct sk_buff *skb);
bool xtcp_smallqueue_is_full(struct sock *sk, u32 truesize, unsigned int shift);
bool xtcp_smallqueue_corks(struct sock *sk);
void xtcp_smallqueue_resume(struct sock *sk);

/* Any context. */
void xtcp_smallqueue_drained(struct sock *sk);

void xtcp_smallqueue_load(void);
void xtcp_smallqueue_unload(void);

#endif /* XTCP_TRANSFER_SMALLQUEUE_H */
