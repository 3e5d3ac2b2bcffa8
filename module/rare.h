/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rare.h - options that few sockets set, and saved SYNs
 */
#ifndef XTCP_RARE_H
#define XTCP_RARE_H

#include <linux/jump_label.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_sockopt_rare;
struct xtcp_timewait;

/**
 * struct xtcp_savedsyn - what a half-open record has no room for: rare fields, and the headers
 *	of its SYN for TCP_SAVED_SYN
 * @ref: holders: the half-open record, then the child
 * @ts_offset: of the half-open record, whose fields this pointer displaces
 * @mark: of the half-open record
 * @predecessor: of the half-open record; NULL: none
 * @len: bytes of @headers; 0: the listener saves no SYNs, and the other fields alone count
 * @headers: with TCP_SAVE_SYN 2 the link layer's header; IP's and TCP's
 *
 * Constant while the record is visible.
 */
struct xtcp_savedsyn {
	refcount_t		ref;
	u32			ts_offset;
	u32			mark;
	u32			len;
	struct xtcp_timewait	*predecessor;
	u8			headers[];
};

/*
 * Some socket has set TCP_RTO_MIN_US or TCP_DELACK_MAX_US since the module was loaded. Each
 * segment asks for these, so that without the key a round trip would take 28 instructions
 * more.
 */
DECLARE_STATIC_KEY_FALSE(xtcp_rare_limits);

struct xtcp_sockopt_rare *xtcp_rare_make(struct sock *sk, gfp_t gfp);
struct xtcp_sockopt_rare *xtcp_rare_of_child(const struct sock *lsk,
					     struct xtcp_savedsyn *saved);
void xtcp_rare_free(struct xtcp_sockopt_rare *rare);
void xtcp_rare_disconnected(struct sock *sk);

struct xtcp_savedsyn *xtcp_savedsyn_make(const struct sk_buff *skb, bool with_link);
struct xtcp_savedsyn *xtcp_savedsyn_make_empty(void);
void xtcp_savedsyn_put(struct xtcp_savedsyn *saved);

#endif /* XTCP_RARE_H */
