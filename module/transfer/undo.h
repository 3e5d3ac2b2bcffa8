/* SPDX-License-Identifier: GPL-2.0 */
/* undo.h - detect needless retransmissions, and undo their reduction */
#ifndef XTCP_TRANSFER_UNDO_H
#define XTCP_TRANSFER_UNDO_H

#include <linux/types.h>

#include "net/seq.h"
#include "tcb.h"

struct sock;
struct xtcp_acked;
struct xtcp_seg;
struct xtcp_skb_cb;

void xtcp_undo_init(struct xtcp_sock *xs);
void xtcp_undo_prepare(struct xtcp_sock *xs);
void xtcp_undo_resent(struct sock *sk, u32 segs, u64 sent_ns);
bool xtcp_undo_dsack_received(struct sock *sk, const struct xtcp_seg *seg,
			      struct xtcp_acked *a);
bool xtcp_undo_is_echo_of_earlier(const struct xtcp_sock *xs,
				  const struct xtcp_acked *a,
				  const struct xtcp_skb_cb *cb);
bool xtcp_undo_was_delayed(const struct xtcp_sock *xs,
			   const struct xtcp_acked *a);
bool xtcp_undo_is_due(const struct xtcp_sock *xs, const struct xtcp_acked *a);
bool xtcp_undo_all_duplicate(const struct xtcp_sock *xs);
bool xtcp_undo_any_resent(struct sock *sk);
void xtcp_undo_forget_ts(struct sock *sk);
void xtcp_undo_restore(struct sock *sk, bool absolve);

/* SND.UNA has advanced, perhaps to the end of the flight whose losses a partial ACK has undone. */
static inline void xtcp_undo_una_advanced(struct xtcp_sock *xs)
{
	if (unlikely(xs->undo.absolved) && !seq_before(xs->snd_una, xs->recover))
		xs->undo.absolved = 0;
}

#endif /* XTCP_TRANSFER_UNDO_H */
