// SPDX-License-Identifier: GPL-2.0
/*
 * sendmsg.c - sendmsg()
 *
 * RFC 9293 3.9.1.2 (SEND), with the blocking, flags and errors that Linux programs know
 * from TCP. Data is copied into page fragments of the last unsent segment. transfer/
 * decides when it is sent, and in which segments.
 *
 * Context: process; takes the socket lock, and releases it while it waits.
 */
#include "clock.h"
#include "user/stream.h"

#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/inet_common.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "lifecycle.h"
#include "net/wire.h"
#include "netns.h"
#include "open/fastconnect.h"
#include "tcb.h"
#include "transfer/burst.h"
#include "transfer/congestion.h"
#include "transfer/meter.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "transfer/txstamp.h"
#include "transfer/urgent.h"
#include "user/zerocopy.h"

/*
 * Writes up to this size use no page fragment: they are copied into the skb's
 * linear part, and checksummed together with the header.
 */
#define LINEAR_MAX	256U

/* Segments that make a large write; XTCP_NAGLE_LARGE. */
#define LARGE_SEGS	10

/* A write processes the ACKs in the backlog each time it has filled so many skbs, as in Linux. */
#define FILLED_BEFORE_ACKS	16

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

/* A segment of the user's write has become full: send. A partial last one waits for more. */
static void push_filled(struct sock *sk)
{
	if (xtcp_sendq_wants_push(xtcp_sk(sk)))
		xtcp_sendq_mark_push(sk);
	xtcp_send_push(sk, XTCP_NAGLE_CORK);
}

/*
 * The buffer is full: sleep. @copied: the call has queued data. With @urgent its last byte is the
 * urgent one as long as nothing follows. Returns 0 when there is space.
 */
static int wait_for_space(struct sock *sk, bool copied, bool urgent, long *timeo)
{
	xtcp_sendq_drop_empty(sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	if (copied) {
		if (unlikely(urgent) && xtcp_sendq_has_unsent(sk))
			xtcp_urgent_mark(xtcp_sk(sk));
		/*
		 * The partial last segment, too, also with MSG_MORE: nothing is added to it before
		 * some data is acknowledged.
		 */
		xtcp_sendq_mark_push(sk);
		xtcp_send_push(sk, XTCP_NAGLE_PUSH);
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
	unsigned int filled = 0;
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
			n = wait_for_space(sk, *copied > 0, msg->msg_flags & MSG_OOB, timeo);
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
		/* Each segment of urgent data has URG, so none leaves before the end is known. */
		if (skb->len < goal || !msg_data_left(msg) || unlikely(msg->msg_flags & MSG_OOB))
			continue;
		push_filled(sk);
		/* ACKs wait in the backlog: what they allow should not wait for the whole write. */
		if (++filled % FILLED_BEFORE_ACKS == 0 && sk_flush_backlog(sk))
			goal = xtcp_burst_goal(sk);
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
	int err;

	sockcm_init(&sockc, sk);
	err = sock_cmsg_send(sk, msg, &sockc);
	if (err)
		return err;
	/*
	 * A byte's key is its place in the stream, and can't be chosen. Payload in the memory of a
	 * device has no address that could be copied from.
	 */
	if (XTCP_CMSG_HAS_KEY(sockc) || XTCP_CMSG_HAS_DMABUF(sockc))
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
static int connect_first(struct sock *sk, struct msghdr *msg, int *copied)
{
	int flags = msg->msg_flags & MSG_DONTWAIT ? O_NONBLOCK : 0;
	struct xtcp_fastconnect fast = { .msg = msg };
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
static int await_open(struct sock *sk, struct msghdr *msg, long *timeo, int *copied)
{
	if (sk->sk_state == XTCP_SYN_RECEIVED && xtcp_sk(sk)->fast_held)
		return 0;
	if (xtcp_fastconnect_is_deferred(sk))
		return connect_first(sk, msg, copied);
	return sk_stream_wait_connect(sk, timeo);
}

/* The call has queued @copied bytes: send what may be sent now. */
static void push_at_the_end(struct sock *sk, int flags, u32 tsflags, int copied)
{
	bool more = flags & XTCP_MSG_MORE;
	u8 nagle = more ? XTCP_NAGLE_CORK : 0;

	if (unlikely(tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK))
		xtcp_txstamp_request(sk, tsflags);
	/*
	 * If the call slept, the last byte may have been sent, or the
	 * connection ended.
	 */
	if ((flags & MSG_OOB) && xtcp_sendq_has_unsent(sk))
		xtcp_urgent_mark(xtcp_sk(sk));
	if (!more)
		xtcp_sendq_mark_push(sk);
	if (copied >= LARGE_SEGS * xtcp_sk(sk)->mss && !more)
		xtcp_sk(sk)->nagle |= XTCP_NAGLE_LARGE;
	/* The end of a large write is held back for a moment only. */
	if (((xtcp_sk(sk)->nagle & XTCP_NAGLE_LARGE) ||
	     !xtcp_send_waits_for_more(sk, nagle)) &&
	    !xtcp_smallqueue_corks(sk))
		xtcp_send_push(sk, nagle);
}

/* The call has queued nothing because of @err, which is returned as the program is told. */
static int send_failed(struct sock *sk, int flags, int err)
{
	err = sk_stream_error(sk, flags, err);
	/*
	 * Nothing is queued or in flight, so no ACK will come and wake the writer. A program
	 * that waits for an edge (EPOLLET) gets it here.
	 */
	if (err == -EAGAIN && xtcp_sendq_is_idle(sk))
		sk->sk_write_space(sk);
	return err;
}

static int sendmsg_locked(struct sock *sk, struct msghdr *msg)
{
	int flags = msg->msg_flags;
	u32 tsflags = READ_ONCE(sk->sk_tsflags);
	struct xtcp_zerocopy zc;
	int err, by_syn = 0, copied = 0;
	long timeo;

	err = xtcp_zerocopy_begin(sk, msg, &zc);
	if (err)
		return err;

	xtcp_sk(sk)->nagle &= xtcp_sendq_has_unsent(sk) ?
			      ~XTCP_NAGLE_LARGE :
			      ~(XTCP_NAGLE_LARGE | XTCP_NAGLE_TAIL);
	timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	if (unlikely(flags & MSG_FASTOPEN))
		err = connect_first(sk, msg, &by_syn);
	if (!err && !xtcp_state_in(sk, XTCP_STATEF(XTCP_ESTABLISHED) |
				       XTCP_STATEF(XTCP_CLOSE_WAIT)))
		err = await_open(sk, msg, &timeo, &by_syn);
	if (unlikely(by_syn))
		xtcp_zerocopy_copied(&zc);
	/*
	 * The SYN is on its way with some of the data: the rest is for another call. After a
	 * signal, too: the program would write the same bytes again. (Linux does not say
	 * then that it has taken them.) And if shutdown() came first, on another thread.
	 */
	if (unlikely(by_syn && (err == -EINPROGRESS || err == -EINTR ||
				err == -ERESTARTSYS || err == -EPIPE))) {
		xtcp_zerocopy_end(&zc, by_syn);
		return by_syn;
	}
	if (!err && msg->msg_controllen)
		err = control_read(sk, msg, &tsflags);
	if (unlikely(err))
		by_syn = 0;
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
	xtcp_zerocopy_end(&zc, by_syn + copied);

	xtcp_sendq_drop_empty(sk);
	/* What the SYN took is not in the queue, where its end might be another call's. */
	if (copied)
		push_at_the_end(sk, flags, tsflags, copied);
	if (by_syn + copied)
		return by_syn + copied;
	return err ? send_failed(sk, flags, err) : 0;
}

/* Without the lock: true for a short write with nothing in flight. */
static bool may_send_few(const struct sock *sk, const struct msghdr *msg,
			 size_t size)
{
	return size && size <= XTCP_BY_STACK_MAX && !msg->msg_controllen &&
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
	u8 few[XTCP_BY_STACK_MAX] __uninitialized;
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
