/* SPDX-License-Identifier: GPL-2.0 */
/* meter.h - what a sender waited for, and its delivery rate */
#ifndef XTCP_TRANSFER_METER_H
#define XTCP_TRANSFER_METER_H

#include <linux/types.h>

struct sock;
struct tcp_info;
struct xtcp_sock;

/**
 * enum xtcp_held - what limits a sender
 * @XTCP_HELD_NOT: it has nothing to send, and nothing is in flight
 * @XTCP_HELD_PATH: congestion window, pacing, the round trip itself
 * @XTCP_HELD_PEER: the peer's window
 * @XTCP_HELD_BUFFER: its send buffer: all data is in flight, and the user waits
 */
enum xtcp_held {
	XTCP_HELD_NOT,
	XTCP_HELD_PATH,
	XTCP_HELD_PEER,
	XTCP_HELD_BUFFER,
};

void xtcp_meter_clear(struct xtcp_sock *xs);
void xtcp_meter_init(struct xtcp_sock *xs);
void xtcp_meter_pushed(struct sock *sk, u64 now_ns, bool was_idle);
void xtcp_meter_started(struct xtcp_sock *xs, u64 now_ns);
void xtcp_meter_acked(struct sock *sk, u64 now_ns, u32 prior_pipe);
void xtcp_meter_info(const struct xtcp_sock *xs, struct tcp_info *info);

#endif /* XTCP_TRANSFER_METER_H */
