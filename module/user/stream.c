// SPDX-License-Identifier: GPL-2.0
/*
 * stream.c - sendmsg() and recvmsg()
 *
 * RFC 9293 3.9.1.2 (SEND), 3.9.1.3 (RECEIVE), with the blocking, flags and
 * errors that Linux programs know from TCP. Data to be sent is copied into page
 * fragments of the last unsent segment; received data is copied out of the
 * receive queue. transfer/ decides when data is sent, and in which segments.
 *
 * Context: process; takes the socket lock, and releases it while it waits.
 */
#include "user/stream.h"

#include <linux/fs.h>
#include <linux/net.h>
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
#include "open/fastconnect.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/acked.h"
#include "transfer/burst.h"
#include "transfer/congestion.h"
#include "transfer/memory.h"
#include "transfer/meter.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "transfer/txstamp.h"
#include "transfer/urgent.h"
#include "transfer/window.h"
#include "user/zerocopy.h"

/* --- SEND -------------------------------------------------------------- */

/*
 * Writes up to this size use no page fragment: they are copied into the skb's
 * linear part, and checksummed together with the header.
 */
#define LINEAR_MAX	256U

/*
 * Up to this size data is copied by way of the stack. Before each copy from or
 * to the user the kernel checks the kernel address (hardened usercopy), which
 * for slab memory costs more than the copy.
 */
#define BY_STACK_MAX	128U

/* Segments that make a large write; XTCP_NAGLE_LARGE. */
#define LARGE_SEGS	10

/* True if @skb can take data up to @goal, and another fragment. */
static bool skb_takes_more(struct sock *sk, struct sk_buff *skb, u32 goal)
{
	const struct page_frag *pfrag = sk_page_frag(sk);
	int nr = skb_shinfo(skb)->nr_frags;

	return skb->len < goal && !(xtcp_cb(skb)->marks & XTCP_MARK_EOR) &&
	       (nr < MAX_SKB_FRAGS ||
		skb_can_coalesce(skb, nr, pfrag->page, pfrag->offset));
}

/*
 * The skb to which data can be added: the last unsent one, or a new one (always
 * with @another), with space in its linear part if @left is small. NULL without
 * buffer space.
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
 * Let @skb refer to the pages of @msg. Their owner may still write to them, so
 * that a checksum computed before may be wrong.
 */
static int fill_spliced(struct sock *sk, struct sk_buff *skb, u32 goal,
			struct msghdr *msg)
{
	u32 room = min_t(size_t, goal - skb->len, msg_data_left(msg));
	int n;

	room = xtcp_sendq_reserve(sk, room);
	if (!room)
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
 * Copy data from @msg into @skb: as much as fits in one fragment and the goal.
 * Returns bytes; 0 if @skb takes no more, because the page has changed;
 * -ENOBUFS to wait for memory; other errors of the copy.
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
		/* No further page fits, but data can be copied. */
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
	copy = xtcp_sendq_reserve(sk, copy);
	if (!copy)
		return -ENOBUFS;
	/*
	 * The new fragment takes a reference; registered pages of io_uring have
	 * none.
	 */
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

/* fill_skb() with the user's pages; -EMSGSIZE: another skb is needed. */
static int fill_pages(struct sock *sk, struct sk_buff *skb, u32 goal,
		      struct msghdr *msg, const struct xtcp_zerocopy *zc)
{
	u32 bytes = min_t(size_t, goal - skb->len, msg_data_left(msg));

	bytes = xtcp_sendq_reserve(sk, bytes);
	if (!bytes)
		return -ENOBUFS;
	return xtcp_zerocopy_fill(sk, skb, bytes, msg, zc);
}

/*
 * Send queued data while the user's write goes on. Full segments are sent when
 * they become full; a partial last one only when the write sleeps (@wait), also
 * with MSG_MORE, because nothing is added to it before some data is acknowledged.
 */
static void push_on_the_way(struct sock *sk, bool wait)
{
	if (wait) {
		xtcp_sendq_mark_push(sk);
		xtcp_send_push(sk, XTCP_NAGLE_PUSH);
	} else if (xtcp_sendq_wants_push(xtcp_sk(sk))) {
		xtcp_sendq_mark_push(sk);
		xtcp_send_push(sk, XTCP_NAGLE_CORK);
	} else {
		xtcp_send_push(sk, XTCP_NAGLE_CORK);
	}
}

/* The buffer is full: sleep. Returns 0 when there is space. */
static int wait_for_space(struct sock *sk, bool copied, long *timeo)
{
	xtcp_sendq_drop_empty(sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	if (copied) {
		push_on_the_way(sk, true);
		/*
		 * What is sent is no longer unsent (TCP_NOTSENT_LOWAT). Nobody else may say
		 * so to a program that waits for an edge, until an ACK arrives.
		 */
		sk->sk_write_space(sk);
	}
	xtcp_meter_pushed(sk, xtcp_now_ns(), false);
	return sk_stream_wait_memory(sk, timeo);
}

/* Queue all of @msg; *copied is the amount queued, on errors, too. */
static int queue_data(struct sock *sk, struct msghdr *msg, long *timeo,
		      const struct xtcp_zerocopy *zc, int *copied)
{
	u32 goal = xtcp_burst_goal(sk);
	bool another = false;

	while (msg_data_left(msg)) {
		struct sk_buff *skb;
		int n;

		/* The connection may have ended while we slept. */
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
			n = wait_for_space(sk, *copied > 0, timeo);
			if (n)
				return n;
			/* The MSS or the route may have changed. */
			goal = xtcp_burst_goal(sk);
			continue;
		}
		if (n < 0)
			return n;
		*copied += n;
		/* As in Linux, an skb that takes no more pages ends with PSH. */
		if (unlikely(zc->pages) && skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS)
			xtcp_sendq_mark_push(sk);
		if (skb->len >= goal && msg_data_left(msg))
			push_on_the_way(sk, false);
	}
	return 0;
}

/*
 * Validate control messages. They affect a stream only by requesting timestamps:
 * @tsflags is replaced by the flags for this call.
 */
static int control_read(struct sock *sk, struct msghdr *msg, u32 *tsflags)
{
	struct sockcm_cookie sockc;

	sockcm_init(&sockc, sk);
	/* A byte's key is its place in the stream, and can't be chosen. */
	if (sock_cmsg_send(sk, msg, &sockc) || XTCP_CMSG_HAS_KEY(sockc))
		return -EINVAL;
	*tsflags = sockc.tsflags;
	return 0;
}

/*
 * MSG_FASTOPEN, or the first write after a connect() with TCP_FASTOPEN_CONNECT: the SYN takes
 * as much of @msg as it may. Waits for the connection unless MSG_DONTWAIT. *copied: bytes that
 * the SYN took, also of a call that fails. One such call at a time: a second one, which has
 * no SYN to go with, must not wait for the connection that the first one makes.
 */
static int connect_first(struct sock *sk, struct msghdr *msg, bool pages, int *copied)
{
	int flags = msg->msg_flags & MSG_DONTWAIT ? O_NONBLOCK : 0;
	struct xtcp_fastconnect fast = { .msg = pages ? NULL : msg };
	bool deferred = xtcp_fastconnect_is_deferred(sk);
	struct xtcp_sock *xs = xtcp_sk(sk);
	int err;

	if (!(XTCP_KNOB(sock_net(sk), fastopen) & TFO_CLIENT_ENABLE) ||
	    (msg->msg_name && msg->msg_namelen >= (int)sizeof(sa_family_t) &&
	     ((struct sockaddr *)msg->msg_name)->sa_family == AF_UNSPEC))
		return -EOPNOTSUPP;
	if (test_and_set_bit(XTCP_FAST_WRITING, &xs->deferred))
		return -EALREADY;
	if (deferred) {
		xtcp_fastconnect_go(sk, &fast);
	} else if (sk->sk_state == XTCP_CLOSED &&
		   sk->sk_socket->state == SS_UNCONNECTED) {
		/* connect() runs before the socket is unlocked, or not at all. */
		xs->fast_request = &fast;
		xs->fast_sending = 1;
	}
	err = __inet_stream_connect(sk->sk_socket, msg->msg_name,
				    msg->msg_namelen, flags, 1);
	xs->fast_sending = 0;
	clear_bit(XTCP_FAST_WRITING, &xs->deferred);
	*copied = fast.copied;
	return deferred && err == -EALREADY ? -EINPROGRESS : err;
}

/* Sleep until the connection is open. A child of a fast open may send before. */
static int await_open(struct sock *sk, struct msghdr *msg, bool pages, long *timeo,
		      int *copied)
{
	if (sk->sk_state == XTCP_SYN_RECEIVED && xtcp_sk(sk)->fast_held)
		return 0;
	if (xtcp_fastconnect_is_deferred(sk))
		return connect_first(sk, msg, pages, copied);
	return sk_stream_wait_connect(sk, timeo);
}

static int sendmsg_locked(struct sock *sk, struct msghdr *msg)
{
	int flags = msg->msg_flags;
	u8 nagle = flags & MSG_MORE ? XTCP_NAGLE_CORK : 0;
	u32 tsflags = READ_ONCE(sk->sk_tsflags);
	int err = 0, copied = 0;
	struct xtcp_zerocopy zc;
	long timeo;

	err = xtcp_zerocopy_begin(sk, msg, &zc);
	if (err)
		return err;

	xtcp_sk(sk)->nagle &= xtcp_sendq_has_unsent(sk) ?
			      ~XTCP_NAGLE_LARGE :
			      ~(XTCP_NAGLE_LARGE | XTCP_NAGLE_TAIL);
	timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	if (unlikely(flags & MSG_FASTOPEN))
		err = connect_first(sk, msg, zc.pages, &copied);
	if (!err && !xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) |
				       XTCP_STATEF(XTCP_CLOSE_WAIT)))
		err = await_open(sk, msg, zc.pages, &timeo, &copied);
	/*
	 * The SYN is on its way with some of the data: the rest is for another call. After a
	 * signal, too: the program would write the same bytes again. (Linux does not say
	 * then that it has taken them.)
	 */
	if (unlikely(copied && (err == -EINPROGRESS || err == -EINTR ||
				err == -ERESTARTSYS))) {
		xtcp_zerocopy_end(&zc, copied);
		return copied;
	}
	if (unlikely(err))
		copied = 0;
	if (!err && msg->msg_controllen)
		err = control_read(sk, msg, &tsflags);
	if (unlikely(tsflags & XTCP_TXSTAMP_FLAGS) && !err)
		xtcp_txstamp_begin(sk);
	if (!err) {
		/* A wake-up from here on belongs to this call's wait. */
		sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		if (sk->sk_err || (sk->sk_shutdown & SEND_SHUTDOWN))
			err = -EPIPE;
	}
	if (!err)
		err = queue_data(sk, msg, &timeo, &zc, &copied);
	if (unlikely(flags & MSG_EOR) && !err && copied)
		xtcp_sendq_mark_eor(sk);
	xtcp_zerocopy_end(&zc, copied);

	xtcp_sendq_drop_empty(sk);
	if (copied) {
		if (unlikely(tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK))
			xtcp_txstamp_request(sk, tsflags);
		/*
		 * If the call slept, the last byte may have been sent, or the
		 * connection ended.
		 */
		if ((flags & MSG_OOB) && xtcp_sendq_has_unsent(sk))
			xtcp_urgent_mark(xtcp_sk(sk));
		if (!(flags & MSG_MORE))
			xtcp_sendq_mark_push(sk);
		if (copied >= LARGE_SEGS * xtcp_sk(sk)->mss &&
		    !(flags & MSG_MORE))
			xtcp_sk(sk)->nagle |= XTCP_NAGLE_LARGE;
		/* The end of a large write is held back for a moment only. */
		if (((xtcp_sk(sk)->nagle & XTCP_NAGLE_LARGE) ||
		     !xtcp_send_waits_for_more(sk, nagle)) &&
		    !xtcp_smallqueue_corks(sk))
			xtcp_send_push(sk, nagle);
		return copied;
	}
	if (!err)
		return 0;

	err = sk_stream_error(sk, flags, err);
	/*
	 * A program that waits for an edge must see one, although nothing is
	 * queued.
	 */
	if (err == -EAGAIN && !xtcp_sendq_has_unsent(sk))
		sk->sk_write_space(sk);
	return err;
}

/* Without the lock: true for a short write with nothing in flight. */
static bool may_send_few(const struct sock *sk, const struct msghdr *msg,
			 size_t size)
{
	return size && size <= BY_STACK_MAX && !msg->msg_controllen &&
	       !(msg->msg_flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) &&
	       !READ_ONCE(xtcp_sk(sk)->in_flight) && !xtcp_txstamp_is_wanted(sk);
}

/* With the lock: true if it can be sent at once. */
static bool few_may_go(struct sock *sk, const struct sk_buff *skb)
{
	return sk->sk_state == XTCP_ESTABLISHED && !sk->sk_err &&
	       !(sk->sk_shutdown & SEND_SHUTDOWN) &&
	       xtcp_send_may_go_alone(sk, skb->len) &&
	       sk_wmem_schedule(sk, skb->truesize);
}

/*
 * Fast path of a short write, which becomes a segment of its own. It is built
 * before the lock is taken, so that the lock need not allow sleeping.
 *
 * Return: bytes; 0 if the slow path is needed, and nothing has changed.
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
	xtcp_congestion_wrote(sk);
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
 * @msg: data; MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE and MSG_OOB as for TCP;
 *	MSG_FASTOPEN connects first, with data in the SYN; MSG_SPLICE_PAGES from within the kernel
 * @size: bytes in @msg
 *
 * With MSG_OOB the last byte queued is the urgent one.
 *
 * Return: bytes queued; -EAGAIN, -EPIPE (with SIGPIPE), the socket's pending
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
	xtcp_congestion_wrote(sk);
	ret = sendmsg_locked(sk, msg);
	release_sock(sk);
	return ret;
}

/* --- RECEIVE ----------------------------------------------------------- */

/*
 * State of a call of recvmsg(), or of splice() with a @pipe. @target: bytes
 * that satisfy it. A peek continues at @peek_seq. All other calls continue at
 * copied_seq and keep no copy of it: while they sleep, another reader or an
 * urgent mark may move it, or the connection may open.
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

/* True if the user wants receive timestamps (SO_TIMESTAMP, SO_TIMESTAMPING). */
static bool wants_stamps(const struct sock *sk)
{
	return sock_flag(sk, SOCK_RCVTSTAMP) ||
	       (READ_ONCE(sk->sk_tsflags) & (SOF_TIMESTAMPING_SOFTWARE |
					     SOF_TIMESTAMPING_RAW_HARDWARE));
}

/* Keep the timestamp of the last segment read. */
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

	/* With a 64-bit long the old forms have the same layout. */
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

/* SO_TIMESTAMPING: pass on the timestamps that were requested. */
static void put_stamping(const struct sock *sk, struct msghdr *msg,
			 const struct reader *rd)
{
	u32 flags = READ_ONCE(sk->sk_tsflags);
	struct scm_timestamping_internal all = { };
	ktime_t software = 0, hardware = 0;

	if (flags & SOF_TIMESTAMPING_SOFTWARE &&
	    XTCP_STAMP_IS_WANTED(flags, SOF_TIMESTAMPING_RX_SOFTWARE))
		software = rd->stamp;
	if (flags & SOF_TIMESTAMPING_RAW_HARDWARE &&
	    XTCP_STAMP_IS_WANTED(flags, SOF_TIMESTAMPING_RX_HARDWARE))
		hardware = rd->hw_stamp;
	if (!software && !hardware)
		return;
	all.ts[0] = xtcp_scm_stamp(software);
	all.ts[2] = xtcp_scm_stamp(hardware);
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

/* Where the call continues to read. Valid while the socket lock is held. */
static seq_t next_seq(const struct sock *sk, const struct reader *rd)
{
	return rd->flags & MSG_PEEK ? rd->peek_seq : xtcp_sk(sk)->copied_seq;
}

/* The segment with the next byte; NULL if it has not arrived yet. */
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

/* Free all segments up to @skb; they were read. */
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

/* Copy a few bytes of the linear part; all, or none with an error. */
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
 * Give @len bytes of @skb to the reader: copied, or as pages to a pipe, which
 * may take fewer. Returns bytes, or the error.
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
 * Read from @skb, up to an urgent mark. Returns 0, or an error if nothing was
 * read.
 */
static int copy_data(struct sock *sk, struct reader *rd, struct sk_buff *skb,
		     u32 offset)
{
	int used = min_t(size_t, skb->len - offset, rd->left);

	if (unlikely(xtcp_sk(sk)->urgent.state)) {
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
	if (unlikely(xtcp_sk(sk)->urgent.state))
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
 * There is no more data. Returns 1 to wait; 0 to return what was read; or the
 * error for a call that has read nothing.
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

/* Process the backlog, or sleep until data arrives. */
static int wait_for_data(struct sock *sk, struct reader *rd)
{
	if (rd->copied >= rd->target || READ_ONCE(sk->sk_backlog.tail)) {
		sk_flush_backlog(sk);
		return 0;
	}
	/* A peek has freed no memory. */
	xtcp_window_consumed(sk, rd->flags & MSG_PEEK ? 0 : rd->copied);
	return sk_wait_data(sk, &rd->timeo,
			    skb_peek_tail(&sk->sk_receive_queue));
}

/* SO_PEEK_OFF counts from the first unread byte. */
static void peek_begin(struct sock *sk, struct reader *rd)
{
	rd->peek_seq = seq_add(xtcp_sk(sk)->copied_seq,
			       max(sk_peek_offset(sk, rd->flags), 0));
}

/*
 * The lock was released. A peek that has read nothing begins again: before the
 * SYN-ACK there was no sequence number, and others may have read. Otherwise it
 * continues, but not before what another reader has consumed.
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
 * The reader is at the urgent mark: the data behind it is for the next call. A
 * call that begins here lets SIGURG be handled first.
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

	/* At least once: a read of 0 bytes waits and reports errors, too. */
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

/* Without the lock: true if there is little to read, and no special flag. */
static bool may_read_few(const struct sock *sk, int flags)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	return !(flags & ~MSG_DONTWAIT) &&
	       (u32)seq_dist(READ_ONCE(xs->copied_seq),
			     READ_ONCE(xs->rcv_nxt)) - 1 < BY_STACK_MAX;
}

/*
 * All data there is, if it is one small segment, wanted as a whole and without
 * special treatment; NULL if recvmsg_locked() is needed.
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
	    (xtcp_cb(skb)->flags & XTCP_FIN) || xs->urgent.state ||
	    xs->sockopt.recv_inq || wants_stamps(sk) ||
	    READ_ONCE(sk->sk_backlog.tail))
		return NULL;
	return skb;
}

/* Copy a small segment, unless the user's page is missing. */
static bool give_at_once(struct msghdr *msg, const struct sk_buff *skb)
{
	bool given;

	pagefault_disable();
	given = stream_give_few(msg, skb, 0, skb->len) > 0;
	pagefault_enable();
	return given;
}

/* TCP_INQ, io_uring: unread bytes; after a FIN at least 1, to be read on. */
static int stream_unread(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	int bytes = seq_dist(xs->copied_seq, xs->rcv_nxt);

	return bytes || !sock_flag(sk, SOCK_DONE) ? bytes : 1;
}

/*
 * Fast path of recv() for a small segment, under a lock that does not allow
 * sleeping.
 *
 * Return: bytes; 0 if the slow path is needed, and nothing has changed.
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
		if (unlikely(msg->msg_get_inq))
			msg->msg_inq = stream_unread(sk);
	}
	unlock_sock_fast(sk, slow);
	return n;
}

/**
 * xtcp_recvmsg - RECEIVE
 * @sk: the socket, not locked
 * @msg: destination
 * @len: size of the user's buffer, bytes
 * @flags: MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_OOB, MSG_ERRQUEUE
 *	as for TCP
 *
 * Return: bytes; 0 after the peer's FIN or shutdown(SHUT_RD); -EAGAIN,
 * -ENOTCONN, the socket's pending error, -EINTR or -ERESTARTSYS, -EFAULT; with
 * MSG_OOB as xtcp_urgent_read()
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
			/* The rest of what the program looks for may need our ACK. */
			xtcp_window_consumed(sk, 0);
		} else {
			sk_peek_offset_bwd(sk, rd.copied);
			xtcp_window_consumed(sk, rd.copied);
		}
	}
	/* With MSG_OOB, too. */
	if (unlikely(xtcp_sk(sk)->sockopt.recv_inq) && ret >= 0)
		inq = stream_unread(sk);
	if (unlikely(msg->msg_get_inq) && ret >= 0)
		msg->msg_inq = stream_unread(sk);
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
 * @ppos: must be 0, because a stream has no position
 * @pipe: destination; locked
 * @len: bytes wanted
 * @flags: SPLICE_F_*; O_NONBLOCK of the socket decides whether to wait
 *
 * Moves pages into the pipe without a copy. Returns as soon as there is some
 * data.
 *
 * Return: bytes; 0 at the end of the stream; -ESPIPE with a position, and the
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
	sock_rps_record_flow(sk);
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
