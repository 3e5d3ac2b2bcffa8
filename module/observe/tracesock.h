/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tracesock.h - tracepoints of what a socket sends again and hears acknowledged
 *
 * For code that has a socket and no key. A disabled tracepoint costs one
 * instruction that does nothing.
 *
 * Context: the socket is locked.
 */
#ifndef XTCP_OBSERVE_TRACESOCK_H
#define XTCP_OBSERVE_TRACESOCK_H

#include "net/seq.h"
#include "observe/trace.h"

struct sock;

/**
 * enum xtcp_resent - why a segment was sent again
 * @XTCP_RESENT_SYN: our SYN's timer expired, or its data was too big for the path
 * @XTCP_RESENT_SYN_ACK: that of the SYN-ACK of a socket did, or the peer's SYN came again
 * @XTCP_RESENT_RTO: the retransmission timeout, RFC 6298 5.4
 * @XTCP_RESENT_LOSS_PROBE: RFC 8985 7
 * @XTCP_RESENT_RACK: fast recovery; a later segment arrived first, RFC 8985 6.2
 * @XTCP_RESENT_DUPLICATE_ACKS: fast recovery; counted, RFC 5681 3.2, RFC 6675
 * @XTCP_RESENT_SLOW_START: lost with the whole flight: a timeout, or ICMP's "too big"
 * @XTCP_RESENT_WINDOW_PROBE: the peer's window is 0, RFC 9293 3.8.6.1. No payload
 * @XTCP_RESENT_KEEPALIVE: RFC 9293 3.8.4. No payload
 */
enum xtcp_resent {
	XTCP_RESENT_SYN,
	XTCP_RESENT_SYN_ACK,
	XTCP_RESENT_RTO,
	XTCP_RESENT_LOSS_PROBE,
	XTCP_RESENT_RACK,
	XTCP_RESENT_DUPLICATE_ACKS,
	XTCP_RESENT_SLOW_START,
	XTCP_RESENT_WINDOW_PROBE,
	XTCP_RESENT_KEEPALIVE,
};

void xtcp_trace_ack_write(const struct sock *sk, seq_t ack);
void xtcp_trace_retransmit_write(const struct sock *sk, seq_t seq, u32 len,
				 u8 times, u64 waited_ns, enum xtcp_resent why);

/**
 * xtcp_trace_ack - an ACK was processed
 * @sk: the socket, locked; its window and scoreboard are up to date
 * @ack: SEG.ACK
 */
static inline void xtcp_trace_ack(const struct sock *sk, seq_t ack)
{
	if (trace_xtcp_ack_enabled())
		xtcp_trace_ack_write(sk, ack);
}

/**
 * xtcp_trace_retransmit - a segment was sent again, or a probe
 * @sk: the socket, locked
 * @seq: SEG.SEQ
 * @len: bytes of payload
 * @times: how often it was sent again, this time included
 * @waited_ns: time since it was sent last; for a probe, since the peer's last segment
 * @why: the timer or the rule that caused it
 */
static inline void xtcp_trace_retransmit(const struct sock *sk, seq_t seq, u32 len,
					 u8 times, u64 waited_ns,
					 enum xtcp_resent why)
{
	if (trace_xtcp_retransmit_enabled())
		xtcp_trace_retransmit_write(sk, seq, len, times, waited_ns, why);
}

#endif /* XTCP_OBSERVE_TRACESOCK_H */
