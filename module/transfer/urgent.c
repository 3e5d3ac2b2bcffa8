// SPDX-License-Identifier: GPL-2.0
/*
 * urgent.c - the urgent octet of either direction
 *
 * RFC 9293 3.8.5, RFC 6093. On the wire the urgent pointer says how far
 * urgent text goes; programs know one urgent octet, the last before it, as
 * they do on every system with sockets. Unless SO_OOBINLINE is set it is
 * taken out of the stream and read with MSG_OOB; where it stood remains a
 * mark, at which reading stops.
 *
 * The pointer is the octet's number plus one (RFC 9293 MUST-62, RFC 6093 5);
 * what comes in is read so too unless the knob xtcp_stdurg says that peers
 * follow RFC 1122, in which it was the octet's number.
 *
 * A newer pointer takes the place of an older one. The octet that nobody has
 * read yet then stays where it was, in the text.
 *
 * Socket lock; softirq, or process context from send(), recv() and the
 * backlog.
 */
#include "transfer/urgent.h"

#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "net/wire.h"
#include "netns.h"

#define POINTER_MAX	0xffffU	/* octets: 16 bits of header */

/* --- inwards ------------------------------------------------------------ */

/*
 * The last urgent octet was the last that was read, and nobody asked for it:
 * it is skipped now, before it could become text again.
 */
static void skip_read_mark(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb = skb_peek(&sk->sk_receive_queue);

	if (!xs->urg_state || xs->urg_seq != xs->copied_seq ||
	    xs->copied_seq == xs->rcv_nxt || sock_flag(sk, SOCK_URGINLINE))
		return;
	WRITE_ONCE(xs->copied_seq, seq_add(xs->copied_seq, 1));
	if (skb && !seq_before(xs->copied_seq, xtcp_cb(skb)->end)) {
		__skb_unlink(skb, &sk->sk_receive_queue);
		consume_skb(skb);
	}
}

/*
 * A pointer came (MUST-32). Not news: what was received already, or is not
 * beyond the mark that we know.
 */
static void pointer_received(struct sock *sk, const struct xtcp_seg *seg)
{
	bool is_last = XTCP_KNOB(sock_net(sk), stdurg);
	struct xtcp_sock *xs = xtcp_sk(sk);
	seq_t mark = seq_add(seg->seq, seg->up - (seg->up && !is_last));

	if (seq_after(xs->copied_seq, mark) || seq_before(mark, xs->rcv_nxt))
		return;
	if (xs->urg_state && !seq_after(mark, xs->urg_seq))
		return;

	sk_send_sigurg(sk);
	skip_read_mark(sk);
	WRITE_ONCE(xs->urg_seq, mark);
	WRITE_ONCE(xs->urg_state, XTCP_URGENT_AWAITED);
}

/**
 * xtcp_urgent_init - no urgent data in either direction
 * @xs: a connection that begins
 */
void xtcp_urgent_init(struct xtcp_sock *xs)
{
	xs->snd_urgent = 0;
	xs->urg_state = XTCP_URGENT_NONE;
}

/**
 * xtcp_urgent_received - a segment has URG, or may bring the urgent octet
 * @sk: the socket, locked, in a state that takes text
 * @skb: the segment; the text is its end
 * @seg: its header; acceptable, not yet cut to the window
 *
 * RFC 9293 3.10.7.4, sixth. The octet is copied as soon as it comes, ahead
 * of a hole or not: it is urgent.
 */
void xtcp_urgent_received(struct sock *sk, const struct sk_buff *skb,
			  const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	s32 at;

	if (seg->flags & XTCP_URG)
		pointer_received(sk, seg);
	if (xs->urg_state != XTCP_URGENT_AWAITED)
		return;
	at = seq_dist(seg->seq, xs->urg_seq);
	if (at < 0 || at >= (s32)seg->len ||
	    skb_copy_bits(skb, skb->len - seg->len + at, &xs->urg_byte, 1))
		return;
	WRITE_ONCE(xs->urg_state, XTCP_URGENT_HERE);
	if (!sock_flag(sk, SOCK_DEAD))
		sk->sk_data_ready(sk);
}

/**
 * xtcp_urgent_read - recv() with MSG_OOB
 * @sk: the socket, locked, not a listener
 * @msg: where to; gets MSG_OOB
 * @len: octets of room
 * @flags: MSG_PEEK leaves it to be read again, MSG_TRUNC doesn't copy
 *
 * Never waits.
 *
 * Return: octets, 1 or, with no room, 0; 0 when the stream has ended; -EINVAL
 * when there is none, it was read, or it is in line; -EAGAIN while only the
 * pointer has come; -ENOTCONN, -EFAULT
 */
int xtcp_urgent_read(struct sock *sk, struct msghdr *msg, size_t len,
		     int flags)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (sock_flag(sk, SOCK_URGINLINE) || !xs->urg_state ||
	    xs->urg_state == XTCP_URGENT_READ)
		return -EINVAL;
	if (sk->sk_state == XTCP_CLOSED && !sock_flag(sk, SOCK_DONE))
		return -ENOTCONN;
	if (xs->urg_state == XTCP_URGENT_AWAITED)
		return sk->sk_state == XTCP_CLOSED ||
		       (sk->sk_shutdown & RCV_SHUTDOWN) ? 0 : -EAGAIN;

	if (!(flags & MSG_PEEK))
		WRITE_ONCE(xs->urg_state, XTCP_URGENT_READ);
	msg->msg_flags |= MSG_OOB;
	if (!len) {
		msg->msg_flags |= MSG_TRUNC;
		return 0;
	}
	if (!(flags & MSG_TRUNC) && memcpy_to_msg(msg, &xs->urg_byte, 1))
		return -EFAULT;
	return 1;
}

/**
 * xtcp_urgent_readable - how much may be read in one go
 * @sk: the socket, locked, with xs->urg_state
 * @seq: number of the next octet
 * @len: octets there and wanted
 * @skip: set when the next octet is the urgent one and no text
 *
 * Return: octets up to the mark, at most @len
 */
u32 xtcp_urgent_readable(const struct sock *sk, seq_t seq, u32 len, bool *skip)
{
	u32 ahead = seq_dist(seq, xtcp_sk(sk)->urg_seq);

	*skip = len && !ahead && !sock_flag(sk, SOCK_URGINLINE);
	return ahead && ahead < len ? ahead : len;
}

/**
 * xtcp_urgent_passed - the reader went on: is the mark behind it
 * @xs: the connection
 */
void xtcp_urgent_passed(struct xtcp_sock *xs)
{
	if (xs->urg_state && seq_after(xs->copied_seq, xs->urg_seq))
		WRITE_ONCE(xs->urg_state, XTCP_URGENT_NONE);
}

/* --- outwards ----------------------------------------------------------- */

/**
 * xtcp_urgent_mark - the octet queued last is urgent (MUST-30)
 * @xs: the connection
 *
 * Until it is acknowledged, each segment before it says so. A later mark takes
 * its place (MUST-31: as far as the user likes to go).
 */
void xtcp_urgent_mark(struct xtcp_sock *xs)
{
	xs->snd_up = xs->write_seq;
	xs->snd_urgent = 1;
}

/**
 * xtcp_urgent_point - put the urgent pointer into a header
 * @xs: the connection, with @snd_urgent
 * @th: header of a segment that leaves
 * @seq: its SEG.SEQ
 *
 * An octet too far away for 16 bits: as far as they reach, so that the peer
 * knows that there is one; but only beyond all that was sent, or it would take
 * an octet of text for it.
 */
void xtcp_urgent_point(const struct xtcp_sock *xs, struct tcphdr *th,
		       seq_t seq)
{
	u32 ahead = seq_dist(seq, xs->snd_up);

	if (!seq_before(seq, xs->snd_up))
		return;
	if (ahead > POINTER_MAX &&
	    !seq_after(seq_add(seq, POINTER_MAX), xs->snd_nxt))
		return;
	th->urg = 1;
	th->urg_ptr = htons(min(ahead, POINTER_MAX));
}

/**
 * xtcp_urgent_acked - SND.UNA moved: has the peer the urgent octet
 * @xs: the connection
 */
void xtcp_urgent_acked(struct xtcp_sock *xs)
{
	if (!seq_before(xs->snd_una, xs->snd_up))
		xs->snd_urgent = 0;
}
