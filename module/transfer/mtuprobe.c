// SPDX-License-Identifier: GPL-2.0
/*
 * mtuprobe.c - find the path's MTU by probing
 *
 * RFC 4821, Packetization Layer Path MTU Discovery: for paths on which routers
 * drop packets that are too big and their ICMP errors are lost as well (a black
 * hole). Between a size that is known to pass and the largest possible one, a
 * segment of the size in the middle is sent as a probe:
 *
 *   low ........... probe ........... high
 *
 *   acknowledged:  low = probe, and the MSS grows to it
 *   lost alone:    high = probe - 1; it is sent again in smaller segments, and
 *		 is no sign of congestion (RFC 4821 7.6.2)
 *
 * until they are closer than xtcp_probe_threshold. After xtcp_probe_interval
 * the search begins again, because the path may have changed. With
 * xtcp_mtu_probing = 1 it begins only when timeouts suggest a black hole (7.7).
 *
 * Sizes are bytes of a segment without its fixed header: payload and options,
 * as in the MSS option.
 *
 * Context: socket lock.
 */
#include "transfer/mtuprobe.h"

#include <linux/minmax.h>
#include <net/sock.h>

#include "clock.h"
#include "net/family.h"
#include "net/seq.h"
#include "netns.h"
#include "observe/stats.h"
#include "segment/output.h"
#include "tcb.h"
#include "transfer/congestion.h"
#include "transfer/sendqueue.h"

/*
 * Least window for a probe, in segments: fast recovery can repair its loss, and
 * the window that the probe takes does not matter much. As in Linux.
 */
#define PROBE_CWND_MIN	11U

static struct net *net_of(const struct xtcp_sock *xs)
{
	return sock_net(&xs->inet.sk);
}

/**
 * xtcp_mtuprobe_init - initialize the search of a new connection
 * @sk: the socket; the peer's MSS and the options agreed are known
 *
 * With xtcp_mtu_probing = 2 it begins with segments of xtcp_base_mss.
 */
void xtcp_mtuprobe_init(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 base = clamp(XTCP_KNOB(net, base_mss), 0, (int)XTCP_MSS_MOST);

	xs->mtu.searched = XTCP_KNOB(net, mtu_probing) > 1;
	xs->mtu.high = xs->peer_mss;
	xs->mtu.low = min(base + xtcp_output_option_size(sk), XTCP_MSS_MOST);
	xs->mtu.probe = 0;
	xs->mtu_searched_s = xtcp_now_s();
	if (xs->mtu.searched)
		xtcp_output_mss_sync(sk, xs->pmtu);
}

/**
 * xtcp_mtuprobe_bound - limit the MSS by the search
 * @xs: the connection, locked
 * @most: MSS by the route's MTU
 *
 * Return: @most, or less while the search has not shown that size to pass
 */
u32 xtcp_mtuprobe_bound(struct xtcp_sock *xs, u32 most)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (xs->mtu.high > most)
		xs->mtu.high = most;
	return xs->mtu.searched ? min_t(u32, most, xs->mtu.low) : most;
}

/**
 * xtcp_mtuprobe_black_hole - R1 is reached: nothing gets through
 * @sk: the socket, locked
 *
 * The first time the search begins, with xtcp_base_mss. Each further time the
 * size assumed to pass is halved, down to xtcp_mtu_probe_floor.
 */
void xtcp_mtuprobe_black_hole(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct net *net = sock_net(sk);
	u32 options = xtcp_output_option_size(sk);
	int mss;

	xtcp_assert_owned(sk);
	if (!XTCP_KNOB(net, mtu_probing))
		return;
	if (xs->mtu.searched) {
		/* The peer may take less than is assumed to pass. */
		mss = ((int)min_t(u32, xs->mtu.low, xs->peer_mss) - (int)options) / 2;
		mss = min(mss, XTCP_KNOB(net, base_mss));
		mss = max3(mss, XTCP_KNOB(net, mtu_probe_floor),
			   XTCP_KNOB(net, min_snd_mss));
		xs->mtu.low = min_t(u32, mss + options, XTCP_MSS_MOST);
	} else {
		xs->mtu.searched = 1;
		xs->mtu_searched_s = xtcp_now_s();
	}
	xtcp_output_mss_sync(sk, xs->pmtu);
}

/* The search is complete: begin again after a while, as the path may change. */
static void search_again(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 interval = XTCP_KNOB(net_of(xs), probe_interval);

	if (xtcp_now_s() - xs->mtu_searched_s < interval)
		return;
	xs->mtu.high = xs->peer_mss;
	xs->mtu.low = xs->mss + xtcp_output_option_size(sk);
	xs->mtu_searched_s = xtcp_now_s();
	/* The route's MTU is the limit. */
	xtcp_output_mss_sync(sk, xs->pmtu);
}

/**
 * xtcp_mtuprobe_size - decide whether to send a probe now
 * @sk: the socket, locked, with data that was never sent
 * @wait: set if a probe is to be sent as soon as the window allows it; then
 *	nothing else may be sent before
 *
 * Enough data must follow the probe for duplicate ACKs to show its loss.
 *
 * Return: bytes of its payload; 0 for no probe
 */
u32 xtcp_mtuprobe_size(struct sock *sk, bool *wait)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 options, payload, pipe;
	u64 need;

	xtcp_assert_owned(sk);
	*wait = false;
	if (likely(!xs->mtu.searched) || xs->mtu.probe ||
	    xs->recovery != XTCP_RECOVERY_NONE || xs->cwnd < PROBE_CWND_MIN ||
	    xs->nr_sacks || xs->dsack_pending)
		return 0;
	options = xtcp_output_option_size(sk);
	/* Such segments are sent anyway: xtcp_min_snd_mss is a lower limit of the MSS. */
	xs->mtu.low = clamp_t(u32, xs->mss + options, xs->mtu.low, U16_MAX);
	/* The program may have set IP options since mtu.low was computed. */
	if (unlikely((xs->mtu.high + xs->mtu.low) / 2 <= options))
		return 0;
	payload = (xs->mtu.high + xs->mtu.low) / 2 - options;
	if (xs->mtu.high < xs->mtu.low || payload <= xs->mss ||
	    xs->mtu.high - xs->mtu.low < XTCP_KNOB(sock_net(sk),
						   probe_threshold)) {
		search_again(sk);
		return 0;
	}
	need = payload + (xs->reordering + 1ULL) * xs->mss;
	if (seq_dist(xs->snd_nxt, xs->write_seq) < (s64)need ||
	    xs->snd_wnd < need)
		return 0;
	pipe = xtcp_congestion_pipe(xs);
	*wait = seq_after(seq_add(xs->snd_nxt, need),
			  seq_add(xs->snd_una, xs->snd_wnd)) ||
		(pipe && pipe + 2 > xs->cwnd);
	return *wait ? 0 : payload;
}

/**
 * xtcp_mtuprobe_sent - a probe was sent
 * @xs: the connection, locked; SND.NXT is behind it
 * @payload_len: bytes of its payload
 *
 * It counts as two segments until its fate is known.
 */
void xtcp_mtuprobe_sent(struct xtcp_sock *xs, u32 payload_len)
{
	xtcp_assert_owned(&xs->inet.sk);
	xs->mtu.probe = payload_len + xtcp_output_option_size(xtcp_to_sk(xs));
	xs->mtu.probe_end = xs->snd_nxt;
	xtcp_congestion_probe_sent(xs);
}

/**
 * xtcp_mtuprobe_acked - SND.UNA has advanced while a probe is in flight
 * @sk: the socket, locked
 *
 * If the probe has arrived, the window keeps its bytes in fewer, larger
 * segments.
 */
void xtcp_mtuprobe_acked(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 header = xs->af->ip_hdr_len + XTCP_HDR_LEN;
	u32 options = xtcp_output_option_size(sk);

	xtcp_assert_owned(sk);
	if (seq_before(xs->snd_una, xs->mtu.probe_end))
		return;
	xtcp_congestion_resize(xs, xs->mss + options + header,
			       xs->mtu.probe + header);
	xs->mtu.low = xs->mtu.probe;
	xs->mtu.probe = 0;
	xtcp_output_mss_sync(sk, xs->pmtu);
	XTCP_INC(sock_net(sk), MTUP_SUCCESS);
}

/**
 * xtcp_mtuprobe_is_lost - check whether the first loss found is the probe
 * @xs: the connection, locked
 *
 * Return: true if it is
 */
bool xtcp_mtuprobe_is_lost(const struct xtcp_sock *xs)
{
	u32 options = xtcp_output_option_size(&xs->inet.sk);

	xtcp_assert_owned(&xs->inet.sk);
	return unlikely(xs->mtu.probe) && xs->recovery <= XTCP_RECOVERY_DISORDER &&
	       seq_add(xs->snd_una, xs->mtu.probe - options) ==
	       xs->mtu.probe_end;
}

/**
 * xtcp_mtuprobe_failed - the probe was lost
 * @sk: the socket, locked
 *
 * The window gets back what the probe took, and is not reduced.
 */
void xtcp_mtuprobe_failed(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	xs->mtu.high = xs->mtu.probe - 1;
	xs->mtu.probe = 0;
	xtcp_congestion_probe_failed(xs);
	XTCP_INC(sock_net(sk), MTUP_FAIL);
}
