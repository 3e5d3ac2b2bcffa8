// SPDX-License-Identifier: GPL-2.0
/*
 * fastconnect.c - fast open at the client: a SYN with data
 *
 * RFC 7413 4.1.3, 4.2.1 (client) and 4.1.3.1 (paths that lose such SYNs). With a cookie of the
 * server the first bytes of a write go with the SYN, else the SYN asks for a cookie. Behind
 * the SYN the data is in flight as a segment of its own. A SYN that is sent again has neither
 * option nor data. What of the data the SYN-ACK does not acknowledge is sent again at once,
 * and is no sign of congestion.
 *
 * A middlebox may let the handshake pass and drop what follows. Three timeouts in a row, or a
 * FIN or RST above data that never came, make fast open pause in the whole namespace: for
 * xtcp_fastopen_blackhole_timeout_sec, and twice as long each time it happens again, up to 64
 * times as long. Data that arrives after a pause shows that all is well. Unlike in Linux, only
 * one such FIN or RST counts for each connection, so that one server can't make the pause longer.
 *
 * Context: socket lock; process or softirq.
 */
#include "open/fastconnect.h"

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/netdevice.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/dst.h>
#include <net/tcp.h>

#include "clock.h"
#include "close/close.h"
#include "compat.h"
#include "fastq.h"
#include "lifecycle.h"
#include "net/family.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "open/fastcache.h"
#include "transfer/recovery.h"
#include "transfer/scoreboard.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"

#define PAUSE_DOUBLINGS	6

/* --- a path that drops such SYNs, or what follows them --- */

static void fast_pause(struct sock *sk)
{
	struct xtcp_net *xn = xtcp_net(sock_net(sk));

	if (!XTCP_KNOB(sock_net(sk), fastopen_blackhole_timeout_sec))
		return;
	WRITE_ONCE(xn->fast_paused, jiffies);
	/* Pairs with fast_check_pause(): a CPU that sees the number sees the time. */
	smp_mb__before_atomic();
	atomic_add_unless(&xn->fast_pauses, 1, PAUSE_DOUBLINGS + 1);
	XTCP_INC(sock_net(sk), FAST_OPEN_BLACKHOLE);
}

/* Returns true during a pause. After one it asks for the check that is to follow. */
static bool fast_check_pause(struct sock *sk)
{
	unsigned int timeout_s = XTCP_KNOB(sock_net(sk), fastopen_blackhole_timeout_sec);
	struct xtcp_net *xn = xtcp_net(sock_net(sk));
	int pauses = atomic_read(&xn->fast_pauses);
	u64 length;

	if (!timeout_s || !pauses)
		return false;
	smp_rmb();	/* pairs with fast_pause() */
	length = (u64)timeout_s << (pauses - 1);
	if (jiffies - READ_ONCE(xn->fast_paused) < length * HZ)
		return true;
	xtcp_sk(sk)->fast_checks = 1;
	return false;
}

/**
 * xtcp_fastconnect_blocked - a RST or FIN arrived, but the data before it did not
 * @sk: locked, with @fast_tried, which is cleared
 */
void xtcp_fastconnect_blocked(struct sock *sk)
{
	xtcp_assert_owned(sk);
	fast_pause(sk);
	xtcp_sk(sk)->fast_tried = 0;
}

/**
 * xtcp_fastconnect_timed_out - the SYN, or a segment after it, was not acknowledged
 * @sk: locked, with @fast_tried
 * @before: timeouts in a row before this one
 * @over: the connection is given up
 */
void xtcp_fastconnect_timed_out(struct sock *sk, unsigned int before, bool over)
{
	bool third = before == 2;

	xtcp_assert_owned(sk);
	if (!third && !(over && before < 2))
		return;
	fast_pause(sk);
	XTCP_INC(sock_net(sk), FAST_OPEN_ACTIVE_FAIL);
}

/* Is a FIN all that has arrived? */
static bool got_fin_alone(const struct sock *sk)
{
	struct sk_buff *skb = skb_rb_first(&xtcp_sk(sk)->ofo_queue);

	return skb && !skb_rb_next(skb) && (xtcp_cb(skb)->flags & XTCP_FIN);
}

static bool leaves_by_loopback(const struct sock *sk)
{
	const struct dst_entry *dst = __sk_dst_get((struct sock *)sk);

	return dst && (dst_dev(dst)->flags & IFF_LOOPBACK);
}

/**
 * xtcp_fastconnect_ends - a connection that has tried fast open ends
 * @sk: with @fast_tried or @fast_checks, locked or not visible any more; its queues are
 *	not purged yet
 *
 * Context: softirq or process; takes the RCU read lock itself.
 */
void xtcp_fastconnect_ends(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	atomic_t *pauses = &xtcp_net(sock_net(sk))->fast_pauses;

	if (!xs->data_segs_in) {
		if (xs->fast_tried && got_fin_alone(sk))
			fast_pause(sk);
	} else if (xs->fast_checks && atomic_read(pauses)) {
		rcu_read_lock();
		if (!leaves_by_loopback(sk))
			atomic_set(pauses, 0);
		rcu_read_unlock();
	}
	xs->fast_tried = 0;
	xs->fast_checks = 0;
}

/* --- the SYN --- */

static bool needs_no_cookie(struct sock *sk)
{
	const struct dst_entry *dst = __sk_dst_get(sk);

	return (XTCP_KNOB(sock_net(sk), fastopen) & TFO_CLIENT_NO_COOKIE) ||
	       xtcp_sk(sk)->sockopt.fastopen_no_cookie ||
	       (dst && dst_metric(dst, RTAX_FASTOPEN_NO_COOKIE));
}

/*
 * May the SYN have data? @cookie: set to its option; length -1: none. @mss: set to the
 * server's if it is known, else to ours.
 */
static bool may_send_data(struct sock *sk, struct xtcp_fastcookie *cookie, u16 *mss)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	*mss = xtcp_fastcache_get(sk, cookie) ?: xs->advmss;
	if (fast_check_pause(sk)) {
		cookie->len = -1;
		return false;
	}
	if (needs_no_cookie(sk)) {
		cookie->len = -1;
		return true;
	}
	if (cookie->len)
		return true;
	xs->fast_fail = TFO_COOKIE_UNAVAILABLE;
	return false;
}

/* Bytes that fit beside any options, so that a middlebox may add some. */
static u32 syn_room(struct sock *sk, u16 mss)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	u32 header = xs->af->ip_hdr_len + XTCP_HDR_LEN;
	u32 room = min_t(u32, mss, xs->pmtu > header ? xs->pmtu - header : 0);
	u32 used = XTCP_OPT_MAX + xs->af->packet->options_len(sk);

	room = xtcp_maxseg_limit(xs, room);
	return room > used ? room - used : 0;
}

#define SYN_DATA_MAX	(8 << 10)	/* bytes */

/* A segment with the first bytes of a write; NULL if none can be sent with the SYN. */
static struct sk_buff *syn_payload(struct sock *sk, const struct xtcp_fastconnect *fast,
				   u16 mss)
{
	/* In one piece, so not more than the allocator gives easily. */
	u32 room = min_t(u32, syn_room(sk, mss), SYN_DATA_MAX);
	u32 len = min_t(size_t, room, msg_data_left(fast->msg));
	struct sk_buff *skb;

	if (!len)
		return NULL;
	skb = xtcp_sendq_alloc_reserved(sk, len, sk->sk_allocation);
	if (!skb)
		return NULL;
	len = copy_from_iter(skb->data, len, &fast->msg->msg_iter);
	if (!len) {
		consume_skb(skb);
		return NULL;
	}
	__skb_put(skb, len);
	return skb;
}

static void syn_send(struct sock *sk, struct xtcp_fastconnect *fast,
		     struct xtcp_fastcookie *cookie, bool with_data, u16 mss)
{
	bool wants_data = with_data && fast->msg && msg_data_left(fast->msg);
	struct xtcp_fastcookie request = { .len = 0, .exp = cookie->exp };
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb = NULL;
	u32 len;

	xs->last_snd_ns = xtcp_now_ns();
	if (wants_data)
		skb = syn_payload(sk, fast, mss);
	/* Without data, or memory for it, ask for a cookie. */
	if (cookie->len > 0 && (!with_data || (wants_data && !skb)))
		cookie->len = 0;
	xs->fast_option = cookie;
	xs->fast_sending = cookie->len >= 0;
	len = skb ? skb->len : 0;
	if (skb && xtcp_send_syn_data(sk, skb, cookie->len > 0 ? &request : cookie)) {
		fast->copied = len;
	} else {
		if (skb)
			iov_iter_revert(&fast->msg->msg_iter, len);
		xtcp_send_syn(sk);
	}
	xs->fast_sending = 0;
	/* A plain SYN tests nothing. */
	xs->fast_tried = cookie->len >= 0 || seq_dist(xs->iss, xs->snd_nxt) > 1;
	if (!xs->fast_tried)
		xs->fast_checks = 0;
}

/**
 * xtcp_fastconnect_start - send the SYN of a connect() that may use fast open
 * @sk: just entered SYN-SENT, locked; nothing was sent
 * @fast: the write that connects; NULL for TCP_FASTOPEN_CONNECT, which leaves the SYN to
 *	the first write if it can have data
 */
void xtcp_fastconnect_start(struct sock *sk, struct xtcp_fastconnect *fast)
{
	struct xtcp_fastconnect none = { .msg = NULL };
	struct xtcp_fastcookie cookie;
	bool with_data;
	u16 mss;

	xtcp_assert_owned(sk);
	with_data = may_send_data(sk, &cookie, &mss);
	if (with_data && !fast)
		inet_set_bit(DEFER_CONNECT, sk);
	else
		syn_send(sk, fast ?: &none, &cookie, with_data, mss);
}

/**
 * xtcp_fastconnect_go - send the SYN that connect() has left to the first write
 * @sk: xtcp_fastconnect_is_deferred(), locked; in CLOSED afterwards if no route leads to the
 *	peer any more. As in Linux the caller then fails at once, and not by a timeout
 * @fast: the write
 */
void xtcp_fastconnect_go(struct sock *sk, struct xtcp_fastconnect *fast)
{
	struct xtcp_fastcookie cookie;
	bool with_data;
	u16 mss;

	xtcp_assert_owned(sk);
	inet_clear_bit(DEFER_CONNECT, sk);
	if (IS_ERR(xtcp_sk(sk)->af->route->find(sk))) {
		xtcp_lifecycle_sk(sk, XTCP_EV_ABORT);
		xtcp_close_done(sk);
		return;
	}
	with_data = may_send_data(sk, &cookie, &mss);
	syn_send(sk, fast, &cookie, with_data, mss);
}

/**
 * xtcp_fastconnect_too_big - the path's MTU has become less before the SYN was answered
 * @sk: in SYN-SENT with @fast_tried, locked; its MSS follows the MTU
 *
 * A router has dropped the SYN for its data, so the SYN goes again at once, without data. The
 * timeout goes on. Nothing is sent again if the SYN had no data.
 */
void xtcp_fastconnect_too_big(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (seq_dist(xs->iss, xs->snd_nxt) > 1)
		xtcp_send_retransmit(sk, xtcp_sendq_oldest(sk), 1, XTCP_RESENT_SYN);
}

/* --- the SYN-ACK --- */

/* What the SYN-ACK teaches about the server. */
static void server_note(struct sock *sk, const struct xtcp_options *opt, bool syn_data)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_fastcookie cookie = { .len = -1, .exp = opt->fastopen_exp };
	/* Data without the option asks for no cookie: as in Linux none is kept. */
	bool asked = !syn_data || !needs_no_cookie(sk);

	if (asked && opt->has_fastopen && opt->fastopen_len) {
		cookie.len = opt->fastopen_len;
		memcpy(cookie.cookie, opt->fastopen, opt->fastopen_len);
	} else if (!xs->total_retrans && !syn_data) {
		cookie.len = 0;	/* it has seen our request */
	}
	xtcp_fastcache_set(sk, opt->mss, &cookie);
}

/**
 * xtcp_fastconnect_answered - evaluate the SYN-ACK of a connection that has tried fast open
 * @sk: with @fast_tried, locked; SND.UNA has advanced to SEG.ACK
 * @seg: SYN-ACK
 * @syn_data: the SYN had data
 *
 * Return: true if data of the SYN is not acknowledged: the caller calls
 * xtcp_fastconnect_resend() once the connection is ESTABLISHED.
 */
bool xtcp_fastconnect_answered(struct sock *sk, const struct xtcp_seg *seg, bool syn_data)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	server_note(sk, &seg->opt, syn_data);
	if (!syn_data)
		return false;
	if (xs->in_flight) {
		xs->fast_fail = xs->total_retrans ? TFO_SYN_RETRANSMITTED :
						    TFO_DATA_NOT_ACKED;
		XTCP_INC(sock_net(sk), FAST_OPEN_ACTIVE_FAIL);
		return true;
	}
	xs->fast_taken = 1;
	/* As in Linux the SYN and its data count as one segment. */
	xs->delivered--;
	XTCP_INC(sock_net(sk), FAST_OPEN_ACTIVE);
	return false;
}

/**
 * xtcp_fastconnect_resend - send the data again that the SYN-ACK did not acknowledge
 * @sk: just became ESTABLISHED, locked; all in flight is that data
 *
 * Return: true if a segment was sent: it is the third one of the handshake
 */
bool xtcp_fastconnect_resend(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct sk_buff *skb;

	xtcp_assert_owned(sk);
	for (skb = xtcp_sendq_oldest(sk); skb; skb = skb_rb_next(skb))
		xtcp_scoreboard_lose(sk, skb);
	xtcp_recovery_path_shrank(sk);
	xtcp_recovery_resend(sk, XTCP_RESEND_LOST);
	return xs->retrans_out;
}
