// SPDX-License-Identifier: GPL-2.0
/*
 * meter.c - what a sender waited for, and its delivery rate
 *
 * For TCP_INFO: how long the path, the peer's window or the send buffer limited
 * a transfer, and the rate at which data was delivered last.
 *
 * The rate is measured once a round trip: the data delivered since the first
 * segment of a flight was sent, or since the last measurement. If the user had
 * no more data to send, the rate is only a lower bound and never replaces a
 * larger one (draft-cheng-iccrg-delivery-rate-estimation 3.3). Linux measures
 * from segment to segment, which needs three timestamps per segment.
 *
 * Times are counted in units of 2^20 ns (Linux: clock ticks), a round trip in
 * 2^10 ns, which needs no division. xs->measured.since has 29 bits of the former
 * units, 6.5 days. What holds the sender is noted when it sends something new and
 * when data is acknowledged, not when it sends again. So of a longer time without
 * either, which only a long TCP_USER_TIMEOUT allows, multiples of 6.5 days are
 * missing. Most fields share their memory with the accept queue's link and the
 * cookie; nothing is measured while either is in use.
 *
 * Context: socket lock; softirq or process.
 */
#include "transfer/meter.h"

#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/sock.h>

#include "clock.h"
#include "tcb.h"
#include "transfer/congestion.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"

#define SPAN_SHIFT	20	/* unit of xs->measured.since, xs->meter.spent */
#define SINCE_MASK	GENMASK(28, 0)
#define ROUND_SHIFT	10	/* unit of xs->measured.round */
#define RATE_BITS	11	/* mantissa of xs->meter.rate; then exponent */

/**
 * xtcp_meter_clear - initialize the fields that shared memory with the queue
 * link
 * @xs: just taken from an accept queue, or at its beginning. If from a queue, another CPU
 *	may hold its lock and process the segment that opened it: nothing else may be written
 */
void xtcp_meter_clear(struct xtcp_sock *xs)
{
	BUILD_BUG_ON(sizeof(xs->meter) > sizeof(xs->cookie));
	memset(&xs->meter, 0, sizeof(xs->meter));
}

/**
 * xtcp_meter_init - begin to measure a connection
 * @xs: locked or not visible yet; not in an accept queue, and without a cookie
 */
void xtcp_meter_init(struct xtcp_sock *xs)
{
	xtcp_meter_clear(xs);
	xs->measured.held = XTCP_HELD_NOT;
	xs->measured.limited = 0;
}

/*
 * Time that @held has limited the sender until now. After 52 days it stands still: a reader takes
 * differences, and if it began again at 0, one of them would be negative.
 */
static u32 spent_until(const struct xtcp_sock *xs, enum xtcp_held held, u64 now_ns)
{
	u32 span = ((now_ns >> SPAN_SHIFT) - xs->measured.since) & SINCE_MASK;
	u32 spent = xs->meter.spent[held - 1];

	if (xs->measured.held != held)
		return spent;
	return min(span, U32_MAX - spent) + spent;
}

static void held_by(struct xtcp_sock *xs, enum xtcp_held held, u64 now_ns)
{
	enum xtcp_held before = xs->measured.held;

	if (before != XTCP_HELD_NOT)
		xs->meter.spent[before - 1] = spent_until(xs, before, now_ns);
	xs->measured.since = (now_ns >> SPAN_SHIFT) & SINCE_MASK;
	xs->measured.held = held;
}

static enum xtcp_held what_holds(struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	bool open = xtcp_congestion_pipe(xs) < xs->cwnd;

	if (xtcp_sendq_has_unsent(sk))
		return open && !xtcp_send_has_room(sk) ? XTCP_HELD_PEER :
							 XTCP_HELD_PATH;
	if (open && sk->sk_socket &&
	    test_bit(SOCK_NOSPACE, &sk->sk_socket->flags))
		return XTCP_HELD_BUFFER;
	return xs->in_flight ? XTCP_HELD_PATH : XTCP_HELD_NOT;
}

static void round_begin(struct xtcp_sock *xs, u64 now_ns)
{
	xs->measured.round = now_ns >> ROUND_SHIFT;
	xs->meter.round_delivered = xs->delivered;
}

/**
 * xtcp_meter_pushed - note what limits the sender, after sending all that may
 * go
 * @sk: the socket, locked; or its user finds no buffer space
 * @now_ns: current time
 * @was_idle: nothing was in flight before
 */
void xtcp_meter_pushed(struct sock *sk, u64 now_ns, bool was_idle)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	xtcp_assert_owned(sk);
	if (unlikely(xs->cookie_held))
		return;
	held_by(xs, what_holds(sk), now_ns);
	if (was_idle)
		round_begin(xs, now_ns);
}

/**
 * xtcp_meter_started - like xtcp_meter_pushed(), for a segment sent alone
 * @xs: TCB, locked; nothing was in flight before, no data is left unsent, and
 *	no writer waits for buffer space
 * @now_ns: current time
 */
void xtcp_meter_started(struct xtcp_sock *xs, u64 now_ns)
{
	xtcp_assert_owned(&xs->inet.sk);
	if (unlikely(xs->cookie_held))
		return;
	held_by(xs, XTCP_HELD_PATH, now_ns);
	round_begin(xs, now_ns);
}

/* Rounded down, monotonic. Rates beyond 2^42 are cut to that. */
static u16 rate_pack(u64 rate)
{
	u32 shift;

	rate = min(rate, BIT_ULL(42) - 1);
	shift = fls64(rate >> RATE_BITS);
	return shift << RATE_BITS | rate >> shift;
}

static u64 rate_unpack(u16 rate)
{
	return (u64)(rate & (BIT(RATE_BITS) - 1)) << (rate >> RATE_BITS);
}

/* End of a round trip: compute the rate from what was delivered in it. */
static void rate_take(struct sock *sk, u32 prior_pipe, u32 span)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u16 segs = xs->delivered - xs->meter.round_delivered;
	bool limited = prior_pipe < xs->cwnd && !xtcp_sendq_has_unsent(sk);
	u64 bytes = (u64)segs * xs->mss;
	u16 rate = rate_pack(div_u64(bytes * (NSEC_PER_SEC >> ROUND_SHIFT),
				     max(span, 1U)));

	/* More may have been delivered than 16 bits count. */
	if (unlikely(prior_pipe > U16_MAX / 2) && rate < xs->meter.rate)
		return;
	if (limited && rate < xs->meter.rate)
		return;
	xs->meter.rate = rate;
	xs->measured.limited = limited;
}

/**
 * xtcp_meter_acked - data was acknowledged
 * @sk: the socket, locked; nothing new was sent yet
 * @now_ns: current time
 * @prior_pipe: segments in flight before the ACK
 */
void xtcp_meter_acked(struct sock *sk, u64 now_ns, u32 prior_pipe)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	u32 span = (u32)(now_ns >> ROUND_SHIFT) - xs->measured.round;
	u32 rtt = ((u64)(xs->rtt.srtt_us >> 3) * NSEC_PER_USEC) >> ROUND_SHIFT;

	xtcp_assert_owned(sk);
	if (unlikely(xs->cookie_held) || (xs->in_flight && span < rtt))
		return;
	rate_take(sk, prior_pipe, span);
	round_begin(xs, now_ns);
	if (!xs->in_flight && !xtcp_sendq_has_unsent(sk))
		held_by(xs, XTCP_HELD_NOT, now_ns);
}

static u64 spent_us(const struct xtcp_sock *xs, enum xtcp_held held)
{
	u64 spent = spent_until(xs, held, xtcp_now_ns());

	return div_u64(spent << SPAN_SHIFT, NSEC_PER_USEC);
}

/**
 * xtcp_meter_info - fill in the measurements
 * @xs: a connection, locked
 * @info: filled; not for a connection that uses the memory for something else, such as
 *	pointers of the accept queue, which no program may see
 */
void xtcp_meter_info(const struct xtcp_sock *xs, struct tcp_info *info)
{
	xtcp_assert_owned(&xs->inet.sk);
	/* As in Linux before the first round trip. */
	info->tcpi_delivery_rate_app_limited = 1;
	if (xs->cookie_held || xtcp_awaits_accept(&xs->inet.sk))
		return;
	info->tcpi_rwnd_limited = spent_us(xs, XTCP_HELD_PEER);
	info->tcpi_sndbuf_limited = spent_us(xs, XTCP_HELD_BUFFER);
	info->tcpi_busy_time = spent_us(xs, XTCP_HELD_PATH) +
			       info->tcpi_rwnd_limited +
			       info->tcpi_sndbuf_limited;
	info->tcpi_delivery_rate = rate_unpack(xs->meter.rate);
	if (xs->meter.rate)
		info->tcpi_delivery_rate_app_limited = xs->measured.limited;
}
