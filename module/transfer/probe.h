/* SPDX-License-Identifier: GPL-2.0 */
/*
 * probe.h - asking a silent peer: zero window and keepalive
 */
#ifndef XTCP_TRANSFER_PROBE_H
#define XTCP_TRANSFER_PROBE_H

#include <linux/types.h>

struct sock;

void xtcp_probe_window_check(struct sock *sk);
void xtcp_probe_window_timeout(struct sock *sk);
void xtcp_probe_answered(struct sock *sk);
void xtcp_probe_keepalive_set(struct sock *sk, int on);
void xtcp_probe_keepalive_start(struct sock *sk);
void xtcp_probe_keepalive_timeout(struct sock *sk);

#endif /* XTCP_TRANSFER_PROBE_H */
