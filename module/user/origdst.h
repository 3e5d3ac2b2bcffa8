/* SPDX-License-Identifier: GPL-2.0 */
/*
 * origdst.h - SO_ORIGINAL_DST: where a redirected connection was going
 */
#ifndef XTCP_USER_ORIGDST_H
#define XTCP_USER_ORIGDST_H

#include <linux/types.h>

struct sock;

bool xtcp_origdst_is_asked(const struct sock *sk, int level, int optname);
int xtcp_origdst_get(struct sock *sk, int level, int optname, char __user *optval,
		     int __user *optlen);

#endif /* XTCP_USER_ORIGDST_H */
