/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stream.h - the user's octets in and out
 */
#ifndef XTCP_USER_STREAM_H
#define XTCP_USER_STREAM_H

#include <linux/types.h>

struct msghdr;
struct sock;

int xtcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size);
int xtcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags);

#endif /* XTCP_USER_STREAM_H */
