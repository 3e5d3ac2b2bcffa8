// SPDX-License-Identifier: GPL-2.0
/*
 * stream.c - the user's octets in and out: bodies of sendmsg and recvmsg
 *
 * RFC 9293 3.9.1.2 (SEND), 3.9.1.3 (RECEIVE), with the blocking, flags and
 * errors that Linux programs know from TCP. What is sent is copied into page
 * fragments of the last queued segment; what is received is copied out of
 * the receive queue. When and in which pieces it travels is transfer/'s.
 *
 * Process context; takes the socket lock, and lets go of it while it waits.
 */
#include "user/stream.h"

#include <linux/fs.h>
#include <linux/net.h>
#include <linux/net_tstamp.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/busy_poll.h>
#include <net/inet_common.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "lifecycle.h"
#include "net/wire.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/acked.h"
#include "transfer/burst.h"
#include "transfer/memory.h"
#include "transfer/meter.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "transfer/urgent.h"
#include "transfer/window.h"
#include "user/zerocopy.h"

/* --- SEND -------------------------------------------------------------- */

/*
 * Text of so many octets is worth no page fragment: it is copied into the skb's
 * linear part, and summed in one go with the header.
 */
#define LINEAR_MAX	256U

/*
 * So few octets take a step on the stack. Before the kernel copies from or to a
 * user it looks up what it is about to touch (hardened usercopy), which for
 * memory of a slab costs more than the copy does.
 */
#define BY_STACK_MAX	128U

/* A write of so many segments is a large one; XTCP_NAGLE_LARGE. */
#define LARGE_SEGS	10

/* Has @skb room for text up to @goal, and a place for the next fragment? */
static bool skb_takes_more(struct sock *sk, struct sk_buff *skb, u32 goal)
{
	const struct page_frag *pfrag = sk_page_frag(sk);
	int nr = skb_shinfo(skb)->nr_frags;

	return skb->len < goal &&
	       (nr < MAX_SKB_FRAGS ||
		skb_can_coalesce(skb, nr, pfrag->page, pfrag->offset));
}

/*
 * The skb to which text can be added: the last one that was never sent,
 * or a new one (@another: in any case), which has room in its linear part if
 * @left octets are few. NULL: no room in the buffer.
 */
static struct sk_buff *stream_open_skb(struct sock *sk, u32 goal, size_t left,
				       bool another)
{
	struct sk_buff *skb = skb_peek_tail(&sk->sk_write_queue);

	if (skb && !another && skb_takes_more(sk, skb, goal))
		return skb;
	if (!sk_stream_memory_free(sk))
		return NULL;
	skb = xtcp_sendq_alloc_reserved(sk, left <= LINEAR_MAX ? left : 0,
					sk->sk_allocation);
	if (skb)
		xtcp_sendq_append(sk, skb);
	return skb;
}

/* Copy all of @msg into the linear part of @skb, which is empty. */
static int fill_linear(struct sock *sk, struct sk_buff *skb,
		       struct msghdr *msg)
{
	u32 copy = msg_data_left(msg);

	if (!copy_from_iter_full(skb->data, copy, &msg->msg_iter))
		return -EFAULT;
	__skb_put(skb, copy);
	xtcp_sendq_grown(sk, skb, copy);
	return copy;
}

/*
 * Let @skb refer to the pages of @msg. Who owns them may still write to them:
 * then sums that were made in advance are wrong.
 */
static int fill_spliced(struct sock *sk, struct sk_buff *skb, u32 goal,
			struct msghdr *msg)
{
	u32 room = min_t(size_t, goal - skb->len, msg_data_left(msg));
	int n;

	if (!sk_wmem_schedule(sk, room))
		return -ENOBUFS;
	n = XTCP_SPLICE_FROM_ITER(skb, &msg->msg_iter, room, sk->sk_allocation);
	if (n < 0)
		return n;
	if (!(msg->msg_flags & MSG_NO_SHARED_FRAGS))
		skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG;
	xtcp_sendq_charge(sk, n);
	xtcp_sendq_grown(sk, skb, n);
	return n;
}

/*
 * Copy text from @msg into @skb: as much as fits in one fragment and the size
 * goal. Return: octets; 0: @skb takes no more after all, the page is another;
 * -ENOBUFS: wait for memory; other errors are the copy's.
 */
static int fill_skb(struct sock *sk, struct sk_buff *skb, u32 goal,
		    struct msghdr *msg)
{
	struct page_frag *pfrag = sk_page_frag(sk);
	int nr = skb_shinfo(skb)->nr_frags;
	u32 copy;
	int err;

	if (!skb->len && msg_data_left(msg) <= LINEAR_MAX &&
	    msg_data_left(msg) <= skb_tailroom(skb))
		return fill_linear(sk, skb, msg);
	if (msg->msg_flags & MSG_SPLICE_PAGES) {
		err = fill_spliced(sk, skb, goal, msg);
		/* No place for one more page: but text can be copied. */
		if (err != -EMSGSIZE)
			return err;
	}
	if (!sk_page_frag_refill(sk, pfrag))
		return -ENOBUFS;
	if (unlikely(nr == MAX_SKB_FRAGS) &&
	    !skb_can_coalesce(skb, nr, pfrag->page, pfrag->offset))
		return 0;
	copy = min_t(size_t, goal - skb->len, msg_data_left(msg));
	copy = min_t(u32, copy, pfrag->size - pfrag->offset);
	if (!sk_wmem_schedule(sk, copy))
		return -ENOBUFS;
	/* This page gets a reference; io_uring's registered pages have none. */
	skb_zcopy_downgrade_managed(skb);
	err = skb_copy_to_page_nocache(sk, &msg->msg_iter, skb, pfrag->page,
				       pfrag->offset, copy);
	if (err)
		return err;

	if (skb_can_coalesce(skb, nr, pfrag->page, pfrag->offset)) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[nr - 1], copy);
	} else {
		skb_fill_page_desc(skb, nr, pfrag->page, pfrag->offset, copy);
		get_page(pfrag->page);
	}
	pfrag->offset += copy;
	xtcp_sendq_grown(sk, skb, copy);
	return copy;
}

/* The same with the user's pages; -EMSGSIZE: another skb is needed. */
static int fill_pages(struct sock *sk, struct sk_buff *skb, u32 goal,
		      struct msghdr *msg, const struct xtcp_zerocopy *zc)
{
	u32 bytes = min_t(size_t, goal - skb->len, msg_data_left(msg));

	if (!sk_wmem_schedule(sk, bytes))
		return -ENOBUFS;
	return xtcp_zerocopy_fill(sk, skb, bytes, msg, zc);
}

/*
 * Send what is queued while the user fills on. Full segments go as they
 * become full; a partial last one only when the user waits (@wait), since
 * nothing would be added to it before some of this is acknowledged.
 */
static void push_on_the_way(struct sock *sk, int flags, bool wait)
{
	if (wait && !(flags & MSG_MORE)) {
		xtcp_sendq_mark_push(sk);
		xtcp_send_push(sk, XTCP_NAGLE_PUSH);
	} else if (xtcp_sendq_wants_push(xtcp_sk(sk))) {
		xtcp_sendq_mark_push(sk);
		xtcp_send_push(sk, XTCP_NAGLE_CORK);
	} else {
		xtcp_send_push(sk, XTCP_NAGLE_CORK);
	}
}

/* The buffer is full. 0: there is room now. */
static int wait_for_space(struct sock *sk, int flags, bool copied, long *timeo)
{
	xtcp_sendq_drop_empty(sk);
	if (copied)
		push_on_the_way(sk, flags, true);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	xtcp_meter_pushed(sk, xtcp_now_ns(), false);
	return sk_stream_wait_memory(sk, timeo);
}

/* Queue all of @msg; *copied says how much of it was, on errors, too. */
static int queue_data(struct sock *sk, struct msghdr *msg, long *timeo,
		      const struct xtcp_zerocopy *zc, int *copied)
{
	u32 goal = xtcp_burst_goal(sk);
	int flags = msg->msg_flags;
	bool another = false;

	while (msg_data_left(msg)) {
		struct sk_buff *skb;
		int n;

		/* While we slept, the connection may have ended. */
		if (sk->sk_err || (sk->sk_shutdown & SEND_SHUTDOWN))
			return -EPIPE;
		skb = stream_open_skb(sk, goal, zc->pages ? SIZE_MAX :
				      msg_data_left(msg), another);
		another = false;
		if (!skb)
			n = -ENOBUFS;
		else if (unlikely(zc->pages))
			n = fill_pages(sk, skb, goal, msg, zc);
		else
			n = fill_skb(sk, skb, goal, msg);
		if (n == -EMSGSIZE) {
			another = true;
			continue;
		}
		if (n == -ENOBUFS) {
			n = wait_for_space(sk, flags, *copied > 0, timeo);
			if (n)
				return n;
			/* The MSS, or the route, may be another one now. */
			goal = xtcp_burst_goal(sk);
			continue;
		}
		if (n < 0)
			return n;
		*copied += n;
		if (skb->len >= goal && msg_data_left(msg))
			push_on_the_way(sk, flags, false);
	}
	return 0;
}

/* What comes along is understood, or refused; none of it means anything here. */
static int control_check(struct sock *sk, struct msghdr *msg)
{
	struct sockcm_cookie sockc;

	sockcm_init(&sockc, sk);
	if (sock_cmsg_send(sk, msg, &sockc))
		return -EINVAL;
	/* Nobody would be told when it leaves. */
	return sockc.tsflags & ~READ_ONCE(sk->sk_tsflags) &
	       SOF_TIMESTAMPING_TX_RECORD_MASK ? -EOPNOTSUPP : 0;
}

/*
 * MSG_FASTOPEN: connect(), then send. The SYN carries no text, as that of Linux's TCP
 * doesn't while it has no cookie of the peer; nor is one asked for.
 */
static int connect_first(struct sock *sk, struct msghdr *msg)
{
	int flags = msg->msg_flags & MSG_DONTWAIT ? O_NONBLOCK : 0;

	if (!(READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_fastopen) &
	      TFO_CLIENT_ENABLE) ||
	    (msg->msg_name && msg->msg_namelen >= (int)sizeof(sa_family_t) &&
	     ((struct sockaddr *)msg->msg_name)->sa_family == AF_UNSPEC))
		return -EOPNOTSUPP;
	return __inet_stream_connect(sk->sk_socket, msg->msg_name,
				     msg->msg_namelen, flags, 1);
}

static int sendmsg_locked(struct sock *sk, struct msghdr *msg)
{
	int flags = msg->msg_flags;
	u8 nagle = flags & MSG_MORE ? XTCP_NAGLE_CORK : 0;
	int err = 0, copied = 0;
	struct xtcp_zerocopy zc;
	long timeo;

	err = xtcp_zerocopy_begin(sk, msg, &zc);
	if (err)
		return err;

	xtcp_sk(sk)->nagle &= ~XTCP_NAGLE_LARGE;
	timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	if (unlikely(flags & MSG_FASTOPEN))
		err = connect_first(sk, msg);
	if (!err && !xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) |
				       XTCP_STATEF(XTCP_CLOSE_WAIT)))
		err = sk_stream_wait_connect(sk, &timeo);
	if (!err && msg->msg_controllen)
		err = control_check(sk, msg);
	if (!err) {
		/* A wake-up from here on is about this call's wait. */
		sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		if (sk->sk_err || (sk->sk_shutdown & SEND_SHUTDOWN))
			err = -EPIPE;
	}
	if (!err)
		err = queue_data(sk, msg, &timeo, &zc, &copied);
	xtcp_zerocopy_end(&zc, copied);

	xtcp_sendq_drop_empty(sk);
	if (copied) {
		/* If it waited, the last of it may be gone, or its connection. */
		if ((flags & MSG_OOB) && xtcp_sendq_has_unsent(sk))
			xtcp_urgent_mark(xtcp_sk(sk));
		if (!(flags & MSG_MORE))
			xtcp_sendq_mark_push(sk);
		if (copied >= LARGE_SEGS * xtcp_sk(sk)->mss)
			xtcp_sk(sk)->nagle |= XTCP_NAGLE_LARGE;
		if (!xtcp_send_waits_for_more(sk, nagle) &&
		    !xtcp_smallqueue_corks(sk))
			xtcp_send_push(sk, nagle);
		return copied;
	}
	if (!err)
		return 0;

	err = sk_stream_error(sk, flags, err);
	/* Whoever waits for an edge must see it, though nothing is queued. */
	if (err == -EAGAIN && !xtcp_sendq_has_unsent(sk))
		sk->sk_write_space(sk);
	return err;
}

/* A short write, and it seems that nothing is on its way: without the lock. */
static bool may_send_few(const struct sock *sk, const struct msghdr *msg,
			 size_t size)
{
	return size && size <= BY_STACK_MAX && !msg->msg_controllen &&
	       !(msg->msg_flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) &&
	       !READ_ONCE(xtcp_sk(sk)->in_flight);
}

/* With the lock: will it leave at once? */
static bool few_may_go(struct sock *sk, const struct sk_buff *skb)
{
	return sk->sk_state == XTCP_ESTABLISHED && !sk->sk_err &&
	       !(sk->sk_shutdown & SEND_SHUTDOWN) &&
	       xtcp_send_may_go_alone(sk, skb->len) &&
	       sk_wmem_schedule(sk, skb->truesize);
}

/*
 * Such a write is a segment of its own. It is made before the lock is taken,
 * which then need not be one that lets its holder sleep.
 * Return: octets; 0: it has to go the long way, and nothing has happened.
 */
static int send_few(struct sock *sk, struct msghdr *msg, u32 size)
{
	u8 few[BY_STACK_MAX] __uninitialized;
	struct sk_buff *skb;
	bool slow;

	if (!copy_from_iter_full(few, size, &msg->msg_iter))
		return 0;
	skb = xtcp_sendq_alloc(size, sk->sk_allocation);
	if (!skb)
		goto revert;
	memcpy(__skb_put(skb, size), few, size);

	slow = lock_sock_fast(sk);
	if (unlikely(!few_may_go(sk, skb))) {
		unlock_sock_fast(sk, slow);
		consume_skb(skb);
		goto revert;
	}
	xtcp_lifecycle_usual(sk, XTCP_EV_SEND);
	sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	xtcp_send_alone(sk, skb);
	unlock_sock_fast(sk, slow);
	return size;
revert:
	iov_iter_revert(&msg->msg_iter, size);
	return 0;
}

/**
 * xtcp_sendmsg - SEND
 * @sk: the socket, not locked
 * @msg: what; MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE and MSG_OOB as for TCP;
 *	MSG_FASTOPEN connects first; MSG_SPLICE_PAGES from within the kernel
 * @size: octets in @msg, which says the same
 *
 * With MSG_OOB the last octet of what is queued is the urgent one.
 *
 * Return: octets queued; -EAGAIN, -EPIPE (with SIGPIPE), the socket's pending
 * error, -EINTR or -ERESTARTSYS, -EFAULT
 */
int xtcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size)
{
	int ret;

	if (may_send_few(sk, msg, size)) {
		ret = send_few(sk, msg, size);
		if (likely(ret))
			return ret;
	}
	lock_sock(sk);
	xtcp_lifecycle_usual(sk, XTCP_EV_SEND);
	ret = sendmsg_locked(sk, msg);
	release_sock(sk);
	return ret;
}

/* --- RECEIVE ----------------------------------------------------------- */

/*
 * What a call to recvmsg(), or with a @pipe to splice(), has done so far. @target:
 * octets that satisfy it. A call that peeks goes on at @peek_seq. All others go on
 * at copied_seq and keep no copy of it: while they sleep, another reader or an
 * urgent mark may move it, and the connection may only just begin.
 */
struct reader {
	struct msghdr	*msg;
	struct pipe_inode_info *pipe;
	unsigned int	splice_flags;
	int		flags;
	seq_t		peek_seq;
	size_t		left;
	int		copied;
	int		target;
	long		timeo;
	bool		fin;
	bool		stamped;
	ktime_t		stamp;
	ktime_t		hw_stamp;
};

/* Has the user asked when segments arrive (SO_TIMESTAMP, SO_TIMESTAMPING)? */
static bool wants_stamps(const struct sock *sk)
{
	return sock_flag(sk, SOCK_RCVTSTAMP) ||
	       (READ_ONCE(sk->sk_tsflags) & (SOF_TIMESTAMPING_SOFTWARE |
					     SOF_TIMESTAMPING_RAW_HARDWARE));
}

/* Text of @skb was read: the last segment's arrival is the call's. */
static void keep_stamp(struct reader *rd, struct sk_buff *skb)
{
	rd->stamp = skb->tstamp;
	rd->hw_stamp = skb_hwtstamps(skb)->hwtstamp;
}

/* SO_TIMESTAMP, SO_TIMESTAMPNS, and their _NEW forms for 64-bit times. */
static void put_stamp(const struct sock *sk, struct msghdr *msg, ktime_t stamp)
{
	bool is_64bit = sock_flag(sk, SOCK_TSTAMP_NEW);
	struct timespec64 ts = ktime_to_timespec64(stamp);
	struct __kernel_timespec ns = {
		.tv_sec		= ts.tv_sec,
		.tv_nsec	= ts.tv_nsec,
	};
	struct __kernel_sock_timeval us = {
		.tv_sec		= ts.tv_sec,
		.tv_usec	= ts.tv_nsec / NSEC_PER_USEC,
	};

	/* The old forms are laid out alike, since a long has 64 bits. */
	BUILD_BUG_ON(sizeof(ns) != sizeof(struct __kernel_old_timespec));
	BUILD_BUG_ON(sizeof(us) != sizeof(struct __kernel_old_timeval));
	if (sock_flag(sk, SOCK_RCVTSTAMPNS))
		put_cmsg(msg, SOL_SOCKET, is_64bit ? SO_TIMESTAMPNS_NEW :
						 SO_TIMESTAMPNS_OLD,
			 sizeof(ns), &ns);
	else
		put_cmsg(msg, SOL_SOCKET, is_64bit ? SO_TIMESTAMP_NEW :
						 SO_TIMESTAMP_OLD,
			 sizeof(us), &us);
}

/* SO_TIMESTAMPING: of the times there are, those that were asked for. */
static void put_stamping(const struct sock *sk, struct msghdr *msg,
			 const struct reader *rd)
{
	u32 flags = READ_ONCE(sk->sk_tsflags);
	struct scm_timestamping_internal all = { };

	if (flags & SOF_TIMESTAMPING_SOFTWARE &&
	    XTCP_STAMP_IS_WANTED(flags, SOF_TIMESTAMPING_RX_SOFTWARE))
		all.ts[0] = ktime_to_timespec64(rd->stamp);
	if (flags & SOF_TIMESTAMPING_RAW_HARDWARE &&
	    XTCP_STAMP_IS_WANTED(flags, SOF_TIMESTAMPING_RX_HARDWARE))
		all.ts[2] = ktime_to_timespec64(rd->hw_stamp);
	if (!all.ts[0].tv_sec && !all.ts[0].tv_nsec &&
	    !all.ts[2].tv_sec && !all.ts[2].tv_nsec)
		return;
	if (sock_flag(sk, SOCK_TSTAMP_NEW))
		put_cmsg_scm_timestamping64(msg, &all);
	else
		put_cmsg_scm_timestamping(msg, &all);
}

static void put_stamps(const struct sock *sk, struct msghdr *msg,
		       const struct reader *rd)
{
	if (rd->stamp && sock_flag(sk, SOCK_RCVTSTAMP))
		put_stamp(sk, msg, rd->stamp);
	put_stamping(sk, msg, rd);
}

/* Where the call reads on. Good as long as the socket lock is held. */
static seq_t next_seq(const struct sock *sk, const struct reader *rd)
{
	return rd->flags & MSG_PEEK ? rd->peek_seq : xtcp_sk(sk)->copied_seq;
}

/* The segment that holds the next octet, NULL when it did not come yet. */
static struct sk_buff *find_data(struct sock *sk, const struct reader *rd,
				 u32 *offset)
{
	seq_t seq = next_seq(sk, rd);
	struct sk_buff *skb;

	skb_queue_walk(&sk->sk_receive_queue, skb) {
		s32 skip = seq_dist(xtcp_cb(skb)->seq, seq);

		if (skip < 0)
			return NULL;
		*offset = skip;
		if ((u32)skip < skb->len)
			return skb;
		if ((u32)skip == skb->len && (xtcp_cb(skb)->flags & XTCP_FIN))
			return skb;
	}
	return NULL;
}

static void stream_advance(struct sock *sk, struct reader *rd, u32 bytes)
{
	seq_t seq = seq_add(next_seq(sk, rd), bytes);

	if (rd->flags & MSG_PEEK)
		rd->peek_seq = seq;
	else
		WRITE_ONCE(xtcp_sk(sk)->copied_seq, seq);
}

/* All segments up to @skb were read: free them. */
static void stream_consume(struct sock *sk, const struct reader *rd,
			   struct sk_buff *skb)
{
	struct sk_buff *head;

	if (rd->flags & MSG_PEEK)
		return;
	do {
		head = __skb_dequeue(&sk->sk_receive_queue);
		/* Compared before it is freed. */
		if (head == skb)
			skb = NULL;
		xtcp_memory_free_read(sk, head);
	} while (skb);
}

/* Copy a few octets of the linear part; all, or none and the error. */
static int stream_give_few(struct msghdr *msg, const struct sk_buff *skb,
			   u32 offset, u32 len)
{
	u8 few[BY_STACK_MAX] __uninitialized;
	size_t copied;

	memcpy(few, skb->data + offset, len);
	copied = copy_to_iter(few, len, &msg->msg_iter);
	if (likely(copied == len))
		return len;
	iov_iter_revert(&msg->msg_iter, copied);
	return -EFAULT;
}

/*
 * Give @len octets of @skb to the reader: by copy, or their pages to a pipe,
 * which may take fewer. Return: octets, or the error.
 */
static int stream_give(struct sock *sk, struct reader *rd, struct sk_buff *skb,
		       u32 offset, u32 len)
{
	if (!len || (rd->flags & MSG_TRUNC))
		return len;
	if (rd->pipe)
		return skb_splice_bits(skb, sk, offset, rd->pipe, len,
				       rd->splice_flags) ?: -EAGAIN;
	if (len <= BY_STACK_MAX && offset + len <= skb_headlen(skb))
		return stream_give_few(rd->msg, skb, offset, len);
	return skb_copy_datagram_msg(skb, offset, rd->msg, len) ?: len;
}

/*
 * Take from @skb, as far as the mark of an urgent octet. 0, or an error when
 * nothing was taken at all.
 */
static int copy_data(struct sock *sk, struct reader *rd, struct sk_buff *skb,
		     u32 offset)
{
	int used = min_t(size_t, skb->len - offset, rd->left);

	if (unlikely(xtcp_sk(sk)->urg_state)) {
		bool skip;

		used = xtcp_urgent_readable(sk, next_seq(sk, rd), used, &skip);
		if (skip) {
			stream_advance(sk, rd, 1);
			offset++;
			used--;
		}
	}
	used = stream_give(sk, rd, skb, offset, used);
	if (used < 0)
		return used;

	stream_advance(sk, rd, used);
	if (unlikely(xtcp_sk(sk)->urg_state))
		xtcp_urgent_passed(xtcp_sk(sk));
	rd->copied += used;
	rd->left -= used;
	if (unlikely(rd->stamped) && used)
		keep_stamp(rd, skb);
	if (offset + used < skb->len)
		return 0;
	if (xtcp_cb(skb)->flags & XTCP_FIN) {
		rd->fin = true;
		stream_advance(sk, rd, 1);
	}
	stream_consume(sk, rd, skb);
	return 0;
}

/*
 * Nothing more to copy now. 1: wait; 0: return what there is; negative: the
 * error for a call that has nothing.
 */
static int reader_may_wait(struct sock *sk, const struct reader *rd)
{
	if (rd->copied) {
		if (sk->sk_err || sk->sk_state == XTCP_CLOSED ||
		    (sk->sk_shutdown & RCV_SHUTDOWN) || !rd->timeo ||
		    signal_pending(current))
			return 0;
		return 1;
	}
	if (sock_flag(sk, SOCK_DONE))
		return 0;
	if (sk->sk_err)
		return sock_error(sk);
	if (sk->sk_shutdown & RCV_SHUTDOWN)
		return 0;
	if (sk->sk_state == XTCP_CLOSED)
		return -ENOTCONN;
	if (!rd->timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(rd->timeo);
	return 1;
}

/* Let the backlog in, or sleep until something comes. */
static int wait_for_data(struct sock *sk, struct reader *rd)
{
	if (rd->copied >= rd->target) {
		sk_flush_backlog(sk);
		return 0;
	}
	xtcp_window_consumed(sk, rd->copied);
	return sk_wait_data(sk, &rd->timeo,
			    skb_peek_tail(&sk->sk_receive_queue));
}

/* SO_PEEK_OFF counts from what was not read yet. */
static void peek_begin(struct sock *sk, struct reader *rd)
{
	rd->peek_seq = seq_add(xtcp_sk(sk)->copied_seq,
			       max(sk_peek_offset(sk, rd->flags), 0));
}

/*
 * The lock was released. A peek that has seen nothing yet begins anew: before
 * the SYN-ACK there was no sequence number to begin at, and others may have
 * read. One that has goes on, but not behind what another reader took.
 */
static void peek_again(struct sock *sk, struct reader *rd)
{
	seq_t copied_seq = xtcp_sk(sk)->copied_seq;

	if (!rd->copied)
		peek_begin(sk, rd);
	else if (seq_before(rd->peek_seq, copied_seq))
		rd->peek_seq = copied_seq;
}

/*
 * The reader stands at the urgent octet: what comes next is another call's.
 * One that begins here lets SIGURG be handled first.
 */
static bool stops_at_mark(const struct reader *rd, int *err)
{
	if (rd->copied)
		return true;
	if (!signal_pending(current))
		return false;
	*err = rd->timeo ? sock_intr_errno(rd->timeo) : -EAGAIN;
	return true;
}

static int recvmsg_locked(struct sock *sk, struct reader *rd)
{
	int err = 0;

	/* Once in any case: a read of nothing waits and tells errors, too. */
	do {
		struct sk_buff *skb;
		u32 offset;

		if (xtcp_urgent_is_at(xtcp_sk(sk), next_seq(sk, rd)) &&
		    stops_at_mark(rd, &err))
			break;
		skb = find_data(sk, rd, &offset);
		if (skb) {
			err = copy_data(sk, rd, skb, offset);
			if (err)
				break;
			continue;
		}
		if (rd->copied >= rd->target &&
		    !READ_ONCE(sk->sk_backlog.tail))
			break;
		err = reader_may_wait(sk, rd);
		if (err > 0 || err == -EAGAIN)
			xtcp_ack_reader_waits(sk);
		if (err <= 0)
			break;
		err = wait_for_data(sk, rd);
		if (err < 0)
			break;
		err = 0;
		if (rd->flags & MSG_PEEK)
			peek_again(sk, rd);
	} while (rd->left && !rd->fin);
	return rd->copied ? rd->copied : err;
}

/* Is there little to be read, and nothing said of how? Without the lock. */
static bool may_read_few(const struct sock *sk, int flags)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return !(flags & ~MSG_DONTWAIT) &&
	       (u32)seq_dist(READ_ONCE(xs->copied_seq),
			     READ_ONCE(xs->rcv_nxt)) - 1 < BY_STACK_MAX;
}

/*
 * All that there is to be read, if that is one small segment, wanted whole, and
 * as it is; NULL: recvmsg_locked() has to see.
 */
static struct sk_buff *small_segment(const struct sock *sk, size_t room)
{
	struct sk_buff *skb = skb_peek(&sk->sk_receive_queue);
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (!skb || !skb_queue_is_last(&sk->sk_receive_queue, skb) ||
	    skb->len > BY_STACK_MAX || skb_is_nonlinear(skb) ||
	    skb->len > room ||
	    (skb->len < room && skb->len < READ_ONCE(sk->sk_rcvlowat)) ||
	    xtcp_cb(skb)->seq != xs->copied_seq ||
	    (xtcp_cb(skb)->flags & XTCP_FIN) || xs->urg_state ||
	    xs->recv_inq || wants_stamps(sk) || READ_ONCE(sk->sk_backlog.tail))
		return NULL;
	return skb;
}

/* Copy so little that the page may not even be missing. */
static bool give_at_once(struct msghdr *msg, const struct sk_buff *skb)
{
	bool given;

	pagefault_disable();
	given = stream_give_few(msg, skb, 0, skb->len) > 0;
	pagefault_enable();
	return given;
}

/*
 * Give it to recv(), under a lock that doesn't let its holder sleep.
 * Return: octets; 0: it has to be read the long way, and nothing has happened.
 */
static int read_few(struct sock *sk, struct msghdr *msg, size_t room)
{
	bool slow = lock_sock_fast(sk);
	struct sk_buff *skb;
	int n = 0;

	skb = small_segment(sk, room);
	if (likely(skb && give_at_once(msg, skb))) {
		n = skb->len;
		xtcp_lifecycle_usual(sk, XTCP_EV_RECEIVE);
		WRITE_ONCE(xtcp_sk(sk)->copied_seq, xtcp_cb(skb)->end);
		__skb_unlink(skb, &sk->sk_receive_queue);
		xtcp_memory_free_read(sk, skb);
		sk_peek_offset_bwd(sk, n);
		xtcp_window_consumed(sk, n);
	}
	unlock_sock_fast(sk, slow);
	return n;
}

/* TCP_INQ: octets left to be read; after a FIN one, so that it is read for. */
static int stream_unread(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	int bytes = seq_dist(xs->copied_seq, xs->rcv_nxt);

	return bytes || !sock_flag(sk, SOCK_DONE) ? bytes : 1;
}

/**
 * xtcp_recvmsg - RECEIVE
 * @sk: the socket, not locked
 * @msg: where to
 * @len: octets of room
 * @flags: MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_OOB, MSG_ERRQUEUE
 *	as for TCP
 *
 * Return: octets; 0 after the peer's FIN or shutdown(SHUT_RD); -EAGAIN,
 * -ENOTCONN, the socket's pending error, -EINTR or -ERESTARTSYS, -EFAULT; with
 * MSG_OOB as xtcp_urgent_read() says
 */
int xtcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags)
{
	struct reader rd = {
		.msg = msg,
		.flags = flags,
		.left = len,
		.stamped = wants_stamps(sk),
	};
	int ret, inq = -1;

	if (may_read_few(sk, flags)) {
		ret = read_few(sk, msg, len);
		if (likely(ret))
			return ret;
	}
	if (unlikely(flags & MSG_ERRQUEUE))
		return xtcp_recv_error(sk, msg, len);
	if (sk_can_busy_loop(sk) && sk->sk_state == XTCP_ESTABLISHED &&
	    skb_queue_empty_lockless(&sk->sk_receive_queue))
		sk_busy_loop(sk, flags & MSG_DONTWAIT);
	lock_sock(sk);
	xtcp_lifecycle_usual(sk, XTCP_EV_RECEIVE);
	if (sk->sk_state == XTCP_LISTEN) {
		ret = -ENOTCONN;
	} else if (flags & MSG_OOB) {
		ret = xtcp_urgent_read(sk, msg, len, flags);
	} else {
		if (flags & MSG_PEEK)
			peek_begin(sk, &rd);
		rd.timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
		rd.target = sock_rcvlowat(sk, flags & MSG_WAITALL, len);
		ret = recvmsg_locked(sk, &rd);
		if (flags & MSG_PEEK) {
			sk_peek_offset_fwd(sk, rd.copied);
		} else {
			sk_peek_offset_bwd(sk, rd.copied);
			xtcp_window_consumed(sk, rd.copied);
		}
		if (unlikely(xtcp_sk(sk)->recv_inq) && ret >= 0)
			inq = stream_unread(sk);
	}
	release_sock(sk);
	if (unlikely(rd.stamped) && ret > 0)
		put_stamps(sk, msg, &rd);
	if (unlikely(inq >= 0))
		put_cmsg(msg, SOL_TCP, TCP_CM_INQ, sizeof(inq), &inq);
	return ret;
}

/**
 * xtcp_splice_read - proto_ops.splice_read: splice(), sendfile() from a socket
 * @sock: the socket, not locked
 * @ppos: a stream has no position
 * @pipe: where to; locked
 * @len: octets wanted
 * @flags: SPLICE_F_*; whether to wait is the socket's O_NONBLOCK to say
 *
 * Pages go into the pipe as they are. Returns as soon as there is something.
 *
 * Return: octets; 0 at the end of the stream; -ESPIPE with a position, and the
 * errors of recv()
 */
ssize_t xtcp_splice_read(struct socket *sock, loff_t *ppos,
			 struct pipe_inode_info *pipe, size_t len,
			 unsigned int flags)
{
	struct sock *sk = sock->sk;
	struct reader rd = {
		.pipe = pipe,
		.splice_flags = flags,
		.left = min_t(size_t, len, INT_MAX),
		.target = 1,
	};
	int ret = -ENOTCONN;

	if (unlikely(*ppos))
		return -ESPIPE;
	if (!len)
		return 0;
	lock_sock(sk);
	xtcp_lifecycle_usual(sk, XTCP_EV_RECEIVE);
	if (sk->sk_state != XTCP_LISTEN) {
		rd.timeo = sock_rcvtimeo(sk, sock->file->f_flags & O_NONBLOCK);
		ret = recvmsg_locked(sk, &rd);
		xtcp_window_consumed(sk, rd.copied);
	}
	release_sock(sk);
	return ret;
}
