/* SPDX-License-Identifier: GPL-2.0 */
/*
 * close.h - close(), shutdown(), aborts and orphans
 */
#ifndef XTCP_CLOSE_CLOSE_H
#define XTCP_CLOSE_CLOSE_H

#include <linux/types.h>

#include "ending.h"
#include "lifecycle.h"
#include "observe/stats.h"

struct sk_buff;
struct sock;

void xtcp_close(struct sock *sk, long timeout);
void xtcp_close_shutdown(struct sock *sk, int how);
int xtcp_close_disconnect(struct sock *sk, int flags);
void xtcp_close_fin_received(struct sock *sk, struct sk_buff *spare);
void xtcp_close_fin_acked(struct sock *sk);
void xtcp_close_fin_wait_2_timeout(struct sock *sk);
void xtcp_close_orphan(struct sock *sk);
void xtcp_close_destroy(struct sock *sk);
void xtcp_close_kill(struct sock *sk);
void xtcp_close_done(struct sock *sk);
void xtcp_close_error(struct sock *sk, int err);
void xtcp_close_end(struct sock *sk, enum xtcp_ending ending);

#endif /* XTCP_CLOSE_CLOSE_H */
