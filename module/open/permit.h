/* SPDX-License-Identifier: GPL-2.0 */
/* permit.h - do security modules allow an incoming connection? */
#ifndef XTCP_OPEN_PERMIT_H
#define XTCP_OPEN_PERMIT_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct xtcp_key;

bool xtcp_permit_request(struct sock *lsk, struct sk_buff *skb, const struct xtcp_key *key);

#endif /* XTCP_OPEN_PERMIT_H */
