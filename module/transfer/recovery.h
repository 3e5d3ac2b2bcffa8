/* SPDX-License-Identifier: GPL-2.0 */
/* recovery.h - the phases of loss recovery */
#ifndef XTCP_TRANSFER_RECOVERY_H
#define XTCP_TRANSFER_RECOVERY_H

#include <linux/types.h>

#include "net/seq.h"
#include "tcb.h"

struct sock;
struct xtcp_acked;

/* True if nothing in flight is known to be lost or late. */
static inline bool xtcp_recovery_is_idle(const struct xtcp_sock *xs)
{
	return xs->recovery == XTCP_RECOVERY_NONE;
}

/* True if xtcp_recovery_passed() has to be called when SND.UNA advances. */
static inline bool xtcp_recovery_follows_una(const struct xtcp_sock *xs)
{
	return !xs->sack_ok;
}

/* True while the window is being reduced: then prr.c sets cwnd. */
static inline bool xtcp_recovery_reduces(const struct xtcp_sock *xs)
{
	return xs->recovery == XTCP_RECOVERY_FAST ||
	       xs->recovery == XTCP_RECOVERY_REDUCTION;
}

/**
 * enum xtcp_resend - what an ACK allows to send for recovery
 * @XTCP_RESEND_NONE: nothing
 * @XTCP_RESEND_LOST: lost segments, as far as the window allows
 * @XTCP_RESEND_NEW: new segments, to test whether anything was lost (F-RTO)
 */
enum xtcp_resend {
	XTCP_RESEND_NONE,
	XTCP_RESEND_LOST,
	XTCP_RESEND_NEW,
};

enum xtcp_resend xtcp_recovery_acked(struct sock *sk, struct xtcp_acked *a);
void xtcp_recovery_resend(struct sock *sk, enum xtcp_resend what);
void xtcp_recovery_resume(struct sock *sk);
void xtcp_recovery_passed(struct xtcp_sock *xs);
void xtcp_recovery_settle(struct sock *sk);
void xtcp_recovery_timed_out(struct sock *sk);
void xtcp_recovery_reorder_timeout(struct sock *sk);
void xtcp_recovery_path_shrank(struct sock *sk);
void xtcp_recovery_go_on(struct sock *sk);
void xtcp_recovery_reduce(struct sock *sk, u32 flight);

/**
 * xtcp_recovery_begin - no recovery has sent anything yet
 * @xs: TCB of a new connection
 * @seq: SND.NXT
 */
static inline void xtcp_recovery_begin(struct xtcp_sock *xs, seq_t seq)
{
	xs->recover = seq;
}

#endif /* XTCP_TRANSFER_RECOVERY_H */
