// SPDX-License-Identifier: GPL-2.0
/*
 * tracesock.c - tracepoints of what a socket sends again and hears acknowledged
 *
 * Out of line, because the callers are hot and the tracepoints are rarely enabled.
 *
 * Context: the socket is locked.
 */
#include "observe/tracesock.h"

#include <linux/math64.h>

#include "tcb.h"

static const char *const resent_names[] = {
	[XTCP_RESENT_SYN]		= "SYN",
	[XTCP_RESENT_SYN_ACK]		= "SYN-ACK",
	[XTCP_RESENT_RTO]		= "RTO",
	[XTCP_RESENT_LOSS_PROBE]	= "loss-probe",
	[XTCP_RESENT_RACK]		= "RACK",
	[XTCP_RESENT_DUPLICATE_ACKS]	= "duplicate-ACKs",
	[XTCP_RESENT_SLOW_START]	= "slow-start",
	[XTCP_RESENT_WINDOW_PROBE]	= "window-probe",
	[XTCP_RESENT_KEEPALIVE]		= "keepalive",
};

/**
 * xtcp_trace_ack_write - xtcp_trace_ack() with the tracepoint enabled
 * @sk: as there
 * @ack: as there
 */
noinline void xtcp_trace_ack_write(const struct sock *sk, seq_t ack)
{
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	trace_xtcp_ack(sk, &key, seq_raw(ack));
}

/**
 * xtcp_trace_retransmit_write - xtcp_trace_retransmit() with the tracepoint enabled
 * @sk: as there
 * @seq: as there
 * @len: as there
 * @times: as there
 * @waited_ns: as there
 * @why: as there
 */
noinline void xtcp_trace_retransmit_write(const struct sock *sk, seq_t seq, u32 len,
					  u8 times, u64 waited_ns,
					  enum xtcp_resent why)
{
	struct xtcp_key key __uninitialized;

	xtcp_key_from_flow(&key, &xtcp_sk(sk)->flow);
	trace_xtcp_retransmit(sock_net(sk), &key, seq_raw(seq), len, times,
			      div_u64(waited_ns, NSEC_PER_USEC),
			      resent_names[why]);
}
