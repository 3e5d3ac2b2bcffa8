/* SPDX-License-Identifier: GPL-2.0 */
/*
 * listen.h - passive open: what a listener owns, and its answer to a SYN
 */
#ifndef XTCP_OPEN_LISTEN_H
#define XTCP_OPEN_LISTEN_H

#include <linux/types.h>

#include "listener.h"

struct sk_buff;
struct sock;
struct socket;
struct xtcp_key;
struct xtcp_seg;
struct xtcp_timewait;

bool xtcp_listen_is_reserved(const struct xtcp_listener *ls);
unsigned int xtcp_listen_syn_limit(const struct xtcp_listener *ls);
void xtcp_listen_counts_sum(const struct xtcp_listener *ls,
			    struct xtcp_listener_counts *sum);
void xtcp_listen_dropped(struct xtcp_listener *ls);
void xtcp_listen_overflowed(struct xtcp_listener *ls);

int xtcp_listen(struct socket *sock, int backlog);
void xtcp_listen_stop(struct sock *sk);
void xtcp_listen_syn(struct sock *lsk, struct sk_buff *skb,
		     const struct xtcp_key *key, const struct xtcp_seg *seg,
		     struct xtcp_timewait *tw);
bool xtcp_listen_sent_cookie(const struct sock *lsk, const struct sk_buff *skb,
			     const struct xtcp_key *key, const struct xtcp_seg *seg);
struct sock *xtcp_listen_rcv(struct sock *sk, struct sk_buff *skb,
			     const struct xtcp_key *key,
			     const struct xtcp_seg *seg);

#endif /* XTCP_OPEN_LISTEN_H */
