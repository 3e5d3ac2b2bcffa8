/* SPDX-License-Identifier: GPL-2.0 */
/* stream.h - the stream of a connection: sendmsg.c and recvmsg.c */
#ifndef XTCP_USER_STREAM_H
#define XTCP_USER_STREAM_H

#include <linux/types.h>

struct msghdr;
struct pipe_inode_info;
struct sock;
struct socket;

/*
 * Up to this size data is copied by way of the stack. Before each copy from or
 * to the user the kernel checks the kernel address (hardened usercopy), which
 * for slab memory costs more than the copy.
 */
#define XTCP_BY_STACK_MAX	128U

int xtcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size);
int xtcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags);
ssize_t xtcp_splice_read(struct socket *sock, loff_t *ppos,
			 struct pipe_inode_info *pipe, size_t len,
			 unsigned int flags);

#endif /* XTCP_USER_STREAM_H */
