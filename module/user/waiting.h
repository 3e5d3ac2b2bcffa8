/* SPDX-License-Identifier: GPL-2.0 */
/*
 * waiting.h - what a connection is waiting for
 */
#ifndef XTCP_USER_WAITING_H
#define XTCP_USER_WAITING_H

#include <linux/types.h>

struct seq_file;
struct sock;
struct xtcp_halfopen;

void xtcp_waiting_sock_show(struct seq_file *m, const struct sock *sk, u8 state);
void xtcp_waiting_halfopen_show(struct seq_file *m,
				const struct xtcp_halfopen *ho, const struct sock *ls);
void xtcp_waiting_timewait_show(struct seq_file *m, u8 state, u64 deadline_ns);

#endif /* XTCP_USER_WAITING_H */
