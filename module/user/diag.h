/* SPDX-License-Identifier: GPL-2.0 */
/*
 * diag.h - listeners and connections as messages of sock_diag
 */
#ifndef XTCP_USER_DIAG_H
#define XTCP_USER_DIAG_H

#include <linux/inet_diag.h>
#include <linux/jump_label.h>
#include <linux/types.h>

struct net;
struct sk_buff;
struct sock;
struct user_namespace;
struct xtcp_flow;

/* Bytes that suffice for one message with all attributes. */
#define XTCP_DIAG_MSG_MAX	1024

/**
 * struct xtcp_diag_row - a listener or a connection at one moment
 * @msg: the message's fixed part, without the cookie
 * @mark: its fwmark
 * @wire: IP protocol number of its segments
 */
struct xtcp_diag_row {
	struct inet_diag_msg	msg;
	u32			mark;
	u8			wire;
};

/**
 * struct xtcp_diag_reader - the reader of messages, and what it asks for
 * @user_ns: user namespace in which it sees owners
 * @portid: port of its netlink socket, 0 for a file
 * @seq: number of its request
 * @flags: NLM_F_MULTI in a dump
 * @ext: attributes that it asks for, 1 << (INET_DIAG_* - 1)
 * @net_admin: it has CAP_NET_ADMIN, and sees marks
 */
struct xtcp_diag_reader {
	struct user_namespace	*user_ns;
	u32			portid;
	u32			seq;
	u16			flags;
	u8			ext;
	bool			net_admin;
};

struct sock *xtcp_diag_sk(const struct xtcp_flow *flow);
extern const u32 xtcp_diag_headers;
bool xtcp_diag_row(struct xtcp_flow *flow, struct user_namespace *user_ns,
		   struct xtcp_diag_row *row);
int xtcp_diag_put(struct sk_buff *skb, struct xtcp_flow *flow,
		  const struct xtcp_diag_row *row,
		  const struct xtcp_diag_reader *reader);
struct xtcp_flow *xtcp_diag_find(struct net *net, u8 family,
				 const struct inet_diag_sockid *id);
void xtcp_diag_get_info(struct sock *sk, struct inet_diag_msg *msg,
			void *info);
void xtcp_diag_net_init(struct net *net);
void xtcp_diag_net_exit(struct net *net);
void xtcp_diag_ends_start(void);
void xtcp_diag_ends_stop(void);

extern struct static_key_false xtcp_diag_ends_key;
void __xtcp_diag_end_announce(struct sock *sk);

/* A socket has ended: __xtcp_diag_end_announce() while xtcp_diag is loaded. */
static inline void xtcp_diag_end_announce(struct sock *sk)
{
	if (static_branch_unlikely(&xtcp_diag_ends_key))
		__xtcp_diag_end_announce(sk);
}

#endif /* XTCP_USER_DIAG_H */
