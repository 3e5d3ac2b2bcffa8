// SPDX-License-Identifier: GPL-2.0
/*
 * zerocopy.c - send from the user's pages: MSG_ZEROCOPY
 *
 * Data is not copied: skbs refer to the user's pages, and when the last of them
 * is freed, because the peer has acknowledged it, a notification is put into
 * the socket's error queue. The socket layer tracks the pages and makes the
 * notification (msg_zerocopy_realloc() and what follows); this file is xtcp's
 * part.
 *
 * The socket layer allows SO_ZEROCOPY for protocols that it knows. Since 6.8 a
 * socket may handle options of SOL_SOCKET itself (SOCK_CUSTOM_SOCKOPT): xtcp
 * handles SO_ZEROCOPY, and passes the others back. On 6.1 SO_ZEROCOPY is
 * EOPNOTSUPP, and MSG_ZEROCOPY without it copies, as in Linux.
 *
 * Context: process, socket lock.
 */
#include "user/zerocopy.h"

#include <linux/errno.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "compat.h"
#include "transfer/sendqueue.h"

/**
 * xtcp_zerocopy_claim - handle SO_ZEROCOPY of a socket here
 * @sk: new, or just accepted; with its struct socket
 */
void xtcp_zerocopy_claim(struct sock *sk)
{
#ifdef XTCP_HAS_ZEROCOPY
	if (!sk->sk_socket)
		return;
	set_bit(SOCK_SUPPORT_ZC, &sk->sk_socket->flags);
	set_bit(SOCK_CUSTOM_SOCKOPT, &sk->sk_socket->flags);
#endif
}

/**
 * xtcp_zerocopy_begin - decide whether a sendmsg() uses the user's pages
 * @sk: the socket, locked
 * @msg: the user's message
 * @zc: filled, for xtcp_zerocopy_end()
 *
 * Return: 0; -ENOBUFS when too many notifications are outstanding
 */
int xtcp_zerocopy_begin(struct sock *sk, struct msghdr *msg,
			struct xtcp_zerocopy *zc)
{
	xtcp_assert_owned(sk);
	*zc = (struct xtcp_zerocopy) { };
#ifdef XTCP_HAS_ZEROCOPY
	if (likely(!(msg->msg_flags & MSG_ZEROCOPY)) || !msg_data_left(msg))
		return 0;
	if (msg->msg_ubuf) {
		zc->notice = msg->msg_ubuf;
		zc->pages = sk->sk_route_caps & NETIF_F_SG;
	} else if (sock_flag(sk, SOCK_ZEROCOPY)) {
		struct sk_buff *tail = skb_peek_tail(&sk->sk_write_queue);

		zc->notice = xtcp_zerocopy_notice(sk, msg_data_left(msg),
						  skb_zcopy(tail));
		if (!zc->notice)
			return -ENOBUFS;
		zc->owned = true;
		zc->pages = sk->sk_route_caps & NETIF_F_SG;
		if (!zc->pages)
			uarg_to_msgzc(zc->notice)->zerocopy = 0;
	}
#endif
	return 0;
}

/**
 * xtcp_zerocopy_fill - let an skb refer to the user's pages
 * @sk: the socket, locked
 * @skb: last of the send queue
 * @bytes: maximum of payload; its memory is reserved
 * @msg: the pages
 * @zc: with pages
 *
 * Return: bytes; -EMSGSIZE if @skb takes no more, but another skb may; -EFAULT
 */
int xtcp_zerocopy_fill(struct sock *sk, struct sk_buff *skb, u32 bytes,
		       struct msghdr *msg, const struct xtcp_zerocopy *zc)
{
#ifdef XTCP_HAS_ZEROCOPY
	int n = xtcp_zerocopy_iter(sk, skb, msg, bytes, zc->notice);

	/* It has another call's pages, or no further fragment fits. */
	if (n == -EEXIST || n == -EMSGSIZE)
		return -EMSGSIZE;
	if (n > 0)
		xtcp_sendq_grown(sk, skb, n);
	return n;
#else
	return -EOPNOTSUPP;
#endif
}

/**
 * xtcp_zerocopy_copied - a SYN has taken a copy of the first bytes
 * @zc: from xtcp_zerocopy_begin(); the notification says so
 */
void xtcp_zerocopy_copied(const struct xtcp_zerocopy *zc)
{
#ifdef XTCP_HAS_ZEROCOPY
	if (zc->owned)
		uarg_to_msgzc(zc->notice)->zerocopy = 0;
#endif
}

/**
 * xtcp_zerocopy_end - end of the sendmsg()
 * @zc: from xtcp_zerocopy_begin()
 * @queued: data was queued; otherwise there will be no notification
 */
void xtcp_zerocopy_end(const struct xtcp_zerocopy *zc, bool queued)
{
	if (likely(!zc->owned))
		return;
	if (queued)
		net_zcopy_put(zc->notice);
	else
		net_zcopy_put_abort(zc->notice, true);
}
