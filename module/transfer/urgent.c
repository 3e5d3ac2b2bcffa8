// SPDX-License-Identifier: GPL-2.0
/*
 * urgent.c - urgent data, sent and received
 *
 * RFC 9293 3.8.5, RFC 6093. The urgent pointer gives the end of the urgent
 * data; programs know one urgent byte, the last before it, as on every system
 * with sockets. Unless SO_OOBINLINE is set it is taken out of the stream and
 * read with MSG_OOB; its position remains a mark, at which reading stops.
 *
 * The pointer is the byte's sequence number plus one (RFC 9293 MUST-62, RFC
 * 6093 5). A received pointer is read the same way, unless the knob xtcp_stdurg
 * says that peers follow RFC 1122, in which it was the byte's own number.
 *
 * A newer pointer replaces an older one. The older byte becomes part of the stream again, unless
 * the reader has reached it already: then it is skipped.
 *
 * Context: socket lock; softirq, or process for send(), recv() and the backlog.
 */
#include "transfer/urgent.h"

#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "net/wire.h"
#include "netns.h"

#define POINTER_MAX	0xffffU	/* bytes: 16 bits of header */

/* --- receiving ---------------------------------------------------------- */

/*
 * The reader stands at the last urgent byte: skip the byte now, whether MSG_OOB has read it or not,
 * before it becomes part of the stream again.
 */
static void skip_read_mark(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb = skb_peek(&sk->sk_receive_queue);

	if (!xs->urgent.state || xs->urgent.seq != xs->copied_seq ||
	    xs->copied_seq == xs->rcv_nxt || sock_flag(sk, SOCK_URGINLINE))
		return;
	WRITE_ONCE(xs->copied_seq, seq_add(xs->copied_seq, 1));
	if (skb && !seq_before(xs->copied_seq, xtcp_cb(skb)->end)) {
		__skb_unlink(skb, &sk->sk_receive_queue);
		consume_skb(skb);
	}
}

/*
 * Process an urgent pointer (MUST-32). One to data that was received already,
 * or not beyond the known mark, is ignored.
 */
static void pointer_received(struct sock *sk, const struct xtcp_seg *seg)
{
	bool is_last = XTCP_KNOB(sock_net(sk), stdurg);
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t mark = seq_add(seg->seq, seg->up - (seg->up && !is_last));

	if (seq_after(xs->copied_seq, mark) || seq_before(mark, xs->rcv_nxt))
		return;
	if (xs->urgent.state && !seq_after(mark, xs->urgent.seq))
		return;

	sk_send_sigurg(sk);
	skip_read_mark(sk);
	WRITE_ONCE(xs->urgent.seq, mark);
	WRITE_ONCE(xs->urgent.state, XTCP_URGENT_AWAITED);
}

/**
 * xtcp_urgent_received - process URG, and the urgent byte if the segment has it
 * @sk: the socket, locked, in a state that accepts payload
 * @skb: the segment, which ends with its payload; not read if that has no byte
 * @seg: its header; acceptable, not yet trimmed to the window
 *
 * RFC 9293 3.10.7.4, sixth. The byte is copied when it arrives, even above a
 * hole, because it is urgent.
 */
void xtcp_urgent_received(struct sock *sk, const struct sk_buff *skb,
			  const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	s32 at;

	xtcp_assert_owned(sk);
	if (seg->flags & XTCP_URG)
		pointer_received(sk, seg);
	if (xs->urgent.state != XTCP_URGENT_AWAITED)
		return;
	at = seq_dist(seg->seq, xs->urgent.seq);
	if (at < 0 || at >= (s32)seg->len ||
	    skb_copy_bits(skb, skb->len - seg->len + at, &xs->urgent.byte, 1))
		return;
	WRITE_ONCE(xs->urgent.state, XTCP_URGENT_HERE);
	if (!sock_flag(sk, SOCK_DEAD))
		sk->sk_data_ready(sk);
}

/**
 * xtcp_urgent_read - read the urgent byte: recv() with MSG_OOB
 * @sk: the socket, locked, not a listener
 * @msg: destination; MSG_OOB is set
 * @len: size of the user's buffer, bytes
 * @flags: with MSG_PEEK the byte can be read again, with MSG_TRUNC it is not
 *	copied
 *
 * Never waits.
 *
 * Return: 1, or 0 with @len 0; 0 at the end of the stream; -EINVAL when there
 * is none, it was read, or it is inline; -EAGAIN while only the pointer has
 * arrived; -ENOTCONN, -EFAULT
 */
int xtcp_urgent_read(struct sock *sk, struct msghdr *msg, size_t len,
		     int flags)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u8 byte = xs->urgent.byte;

	xtcp_assert_owned(sk);
	if (sock_flag(sk, SOCK_URGINLINE) || !xs->urgent.state ||
	    xs->urgent.state == XTCP_URGENT_READ)
		return -EINVAL;
	if (sk->sk_state == XTCP_CLOSED && !sock_flag(sk, SOCK_DONE))
		return -ENOTCONN;
	if (xs->urgent.state == XTCP_URGENT_AWAITED)
		return sk->sk_state == XTCP_CLOSED ||
		       (sk->sk_shutdown & RCV_SHUTDOWN) ? 0 : -EAGAIN;

	if (!(flags & MSG_PEEK))
		WRITE_ONCE(xs->urgent.state, XTCP_URGENT_READ);
	msg->msg_flags |= MSG_OOB;
	if (!len) {
		msg->msg_flags |= MSG_TRUNC;
		return 0;
	}
	/* A copy: hardened usercopy lets none of the memory of sockets go to programs. */
	if (!(flags & MSG_TRUNC) && memcpy_to_msg(msg, &byte, 1))
		return -EFAULT;
	return 1;
}

/**
 * xtcp_urgent_readable - bytes that may be read before the urgent mark
 * @sk: the socket, locked, with xs->urgent.state
 * @seq: sequence number of the next byte
 * @len: bytes that are there and wanted
 * @skip: set if the next byte is the urgent one and not part of the stream
 *
 * Return: bytes up to the mark, at most @len
 */
u32 xtcp_urgent_readable(const struct sock *sk, seq_t seq, u32 len, bool *skip)
{
	u32 ahead = seq_dist(seq, xtcp_sk(sk)->urgent.seq);

	xtcp_assert_owned(sk);
	*skip = len && !ahead && !sock_flag(sk, SOCK_URGINLINE);
	return ahead && ahead < len ? ahead : len;
}

/**
 * xtcp_urgent_passed - drop the mark if the reader is beyond it
 * @xs: the connection, locked
 */
void xtcp_urgent_passed(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->urgent.state && seq_after(xs->copied_seq, xs->urgent.seq))
		WRITE_ONCE(xs->urgent.state, XTCP_URGENT_NONE);
}

/* --- sending ------------------------------------------------------------ */

/**
 * xtcp_urgent_mark - make the byte queued last urgent (MUST-30)
 * @xs: the connection, locked
 *
 * Until it is acknowledged, each segment before it has URG. A later mark
 * replaces it (MUST-31: as far as the user likes).
 */
void xtcp_urgent_mark(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->urgent.snd_up = xs->write_seq;
	xs->urgent.sending = 1;
}

/**
 * xtcp_urgent_point - put the urgent pointer into a header
 * @xs: the connection, locked, with xs->urgent.sending
 * @th: header of a segment to be sent
 * @seq: its SEG.SEQ
 *
 * If the byte is too far away for 16 bits the pointer has its maximum, so that
 * the peer knows of urgent data; but only if that lies beyond all that was
 * sent, otherwise the peer would take a byte of the stream for it.
 */
void xtcp_urgent_point(const struct xtcp_sock *xs, struct tcphdr *th,
		       seq_t seq)
{
	u32 ahead = seq_dist(seq, xs->urgent.snd_up);

	xtcp_assert_owned(&xs->inet.sk);
	if (!seq_before(seq, xs->urgent.snd_up))
		return;
	if (ahead > POINTER_MAX &&
	    !seq_after(seq_add(seq, POINTER_MAX), xs->snd_nxt))
		return;
	th->urg = 1;
	th->urg_ptr = htons(min(ahead, POINTER_MAX));
}

/**
 * xtcp_urgent_acked - SND.UNA has advanced: stop setting URG beyond the mark
 * @xs: the connection, locked
 */
void xtcp_urgent_acked(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (!seq_before(xs->snd_una, xs->urgent.snd_up))
		xs->urgent.sending = 0;
}
