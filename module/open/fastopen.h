/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fastopen.h - fast open at the server: keys, cookies, and the verdict on a SYN
 */
#ifndef XTCP_OPEN_FASTOPEN_H
#define XTCP_OPEN_FASTOPEN_H

#include <linux/types.h>

#include "fastq.h"

struct net;
struct sock;
struct xtcp_halfopen;
struct xtcp_key;
struct xtcp_listener;
struct xtcp_seg;

#define XTCP_FASTKEY_LEN	16	/* bytes of a key, as TCP_FASTOPEN_KEY has it */

void xtcp_fastopen_net_exit(struct net *net);
int xtcp_fastopen_keys_set(struct net *net, struct sock *sk, const u8 *keys,
			   unsigned int nr);
unsigned int xtcp_fastopen_keys_get(struct net *net, const struct sock *sk, u8 *keys);
int xtcp_fastopen_limit_set(struct sock *sk, u32 limit);
u32 xtcp_fastopen_limit(const struct sock *sk);
int xtcp_fastopen_listen(struct sock *sk, struct xtcp_listener *ls, int backlog);
struct xtcp_fastq *xtcp_fastopen_judge(const struct xtcp_halfopen *ho,
				       const struct xtcp_key *key,
				       const struct xtcp_seg *seg,
				       struct xtcp_fastcookie *answer);

#endif /* XTCP_OPEN_FASTOPEN_H */
