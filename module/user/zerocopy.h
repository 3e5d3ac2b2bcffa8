/* SPDX-License-Identifier: GPL-2.0 */
/*
 * zerocopy.h - send from the user's pages: MSG_ZEROCOPY
 */
#ifndef XTCP_USER_ZEROCOPY_H
#define XTCP_USER_ZEROCOPY_H

#include <linux/types.h>

struct msghdr;
struct sk_buff;
struct sock;
struct ubuf_info;

/**
 * struct xtcp_zerocopy - one call of sendmsg() with MSG_ZEROCOPY
 * @notice: called when the pages are no longer needed; NULL if there is no
 *	notification, and data is copied as usual
 * @pages: the device can send from the pages; otherwise data is copied, and the
 *	notification says so
 * @owned: this call has a reference to @notice
 */
struct xtcp_zerocopy {
	struct ubuf_info	*notice;
	bool			pages;
	bool			owned;
};

void xtcp_zerocopy_claim(struct sock *sk);
int xtcp_zerocopy_begin(struct sock *sk, struct msghdr *msg,
			struct xtcp_zerocopy *zc);
int xtcp_zerocopy_fill(struct sock *sk, struct sk_buff *skb, u32 bytes,
		       struct msghdr *msg, const struct xtcp_zerocopy *zc);
void xtcp_zerocopy_copied(const struct xtcp_zerocopy *zc);
void xtcp_zerocopy_end(const struct xtcp_zerocopy *zc, bool queued);

#endif /* XTCP_USER_ZEROCOPY_H */
