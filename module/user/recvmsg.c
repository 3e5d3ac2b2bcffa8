// SPDX-License-Identifier: GPL-2.0
/*
 * recvmsg.c - recvmsg() and splice()
 *
 * RFC 9293 3.9.1.3 (RECEIVE), with the blocking, flags and errors that Linux programs know
 * from TCP. Data is copied, or spliced, out of the receive queue.
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
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "lifecycle.h"
#include "net/skb.h"
#include "net/wire.h"
#include "tcb.h"
#include "transfer/ack.h"
#include "transfer/memory.h"
#include "transfer/urgent.h"
#include "transfer/window.h"

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

/* Keep the timestamp of the last segment read that has one. */
static void keep_stamp(struct reader *rd, struct sk_buff *skb)
{
	if (!xtcp_skb_is_stamped(skb))
		return;
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
	u8 few[XTCP_BY_STACK_MAX] __uninitialized;
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
	if (len <= XTCP_BY_STACK_MAX && offset + len <= skb_headlen(skb))
		return stream_give_few(rd->msg, skb, offset, len);
	return skb_copy_datagram_msg(skb, offset, rd->msg, len) ?: len;
}

/*
 * SO_PEEK_OFF: a peek moves the offset, and a read moves the bytes before it. At once, because the
 * call may sleep afterwards while others peek or read. As in Linux splice() doesn't.
 */
static void peek_offset_move(struct sock *sk, const struct reader *rd, int used)
{
	if (rd->pipe)
		return;
	if (rd->flags & MSG_PEEK)
		sk_peek_offset_fwd(sk, used);
	else
		sk_peek_offset_bwd(sk, used);
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
	peek_offset_move(sk, rd, used);
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
			     READ_ONCE(xs->rcv_nxt)) - 1 < XTCP_BY_STACK_MAX;
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
	    skb->len > XTCP_BY_STACK_MAX || skb_is_nonlinear(skb) ||
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

/*
 * TCP_INQ, io_uring: unread bytes; after a FIN at least 1, to be read on. With or without the
 * lock, which a writer may hold for long. Without it another reader may move copied_seq
 * meanwhile; only then the lock is taken.
 */
static int stream_unread(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t copied_seq = READ_ONCE(xs->copied_seq);
	int bytes = seq_dist(copied_seq, READ_ONCE(xs->rcv_nxt));
	bool slow;

	if (unlikely(bytes < 0 || copied_seq != READ_ONCE(xs->copied_seq))) {
		slow = lock_sock_fast(sk);
		bytes = seq_dist(xs->copied_seq, xs->rcv_nxt);
		unlock_sock_fast(sk, slow);
	}
	return bytes || !sock_flag(sk, SOCK_DONE) ? bytes : 1;
}

/* After release_sock(), which has processed the backlog. @counts: the option TCP_INQ is set. */
static void put_unread(struct sock *sk, struct msghdr *msg, bool counts)
{
	int unread = stream_unread(sk);

	if (msg->msg_get_inq)
		msg->msg_inq = unread;
	if (counts)
		put_cmsg(msg, SOL_TCP, TCP_CM_INQ, sizeof(unread), &unread);
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
	bool counts;
	int ret;

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
		/* After a peek the rest of what the program looks for may need our ACK. */
		xtcp_window_consumed(sk, flags & MSG_PEEK ? 0 : rd.copied);
	}
	/* With MSG_OOB, too. */
	counts = xtcp_sk(sk)->sockopt.recv_inq;
	release_sock(sk);
	if (unlikely(rd.stamped) && ret > 0)
		put_stamps(sk, msg, &rd);
	if (unlikely(counts || msg->msg_get_inq) && ret >= 0)
		put_unread(sk, msg, counts);
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
