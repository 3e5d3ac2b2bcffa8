/* SPDX-License-Identifier: GPL-2.0 */
/* stream.h - sendmsg() and recvmsg() */
#ifndef XTCP_USER_STREAM_H
#define XTCP_USER_STREAM_H

#include <linux/types.h>

struct msghdr;
struct pipe_inode_info;
struct sock;
struct socket;

int xtcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size);
int xtcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags);
ssize_t xtcp_splice_read(struct socket *sock, loff_t *ppos,
			 struct pipe_inode_info *pipe, size_t len,
			 unsigned int flags);

#endif /* XTCP_USER_STREAM_H */
