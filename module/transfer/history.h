/* SPDX-License-Identifier: GPL-2.0 */
/*
 * history.h - metrics of former connections to the same peer, RFC 9040
 */
#ifndef XTCP_TRANSFER_HISTORY_H
#define XTCP_TRANSFER_HISTORY_H

struct sock;
struct xtcp_host_metrics;

void xtcp_history_get(struct sock *sk, struct xtcp_host_metrics *known);
void xtcp_history_save(struct sock *sk);

#endif /* XTCP_TRANSFER_HISTORY_H */
