/* SPDX-License-Identifier: GPL-2.0 */
/*
 * info.h - what TCP_INFO returns
 */
#ifndef XTCP_USER_INFO_H
#define XTCP_USER_INFO_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/tcp.h>
#include <linux/types.h>

struct sock;

/**
 * union xtcp_info - struct tcp_info of Linux 7.2, on all kernels
 * @info: the part that the running kernel's header knows
 * @newer: what Linux has added since 6.1, by the names of its fields without tcpi_. A program
 *	asks for as many bytes as its own header has
 */
union xtcp_info {
	struct tcp_info	info;
	struct {
		u8	older[232];
		/* since 6.2 */
		u32	rcv_wnd;
		u32	rehash;
		/* since 6.7 */
		u16	total_rto;
		u16	total_rto_recoveries;
		u32	total_rto_time;
		/* since 7.0 */
		u32	received_ce;
		u32	delivered_e1_bytes;
		u32	delivered_e0_bytes;
		u32	delivered_ce_bytes;
		u32	received_e1_bytes;
		u32	received_e0_bytes;
		u32	received_ce_bytes;
		u32	ecn_mode:2,
			accecn_opt_seen:2,
			accecn_fail_mode:4,
			options2:24;
	} newer;
};

static_assert(offsetofend(struct tcp_info, tcpi_snd_wnd) == 232);
static_assert(sizeof(union xtcp_info) == 280);
static_assert(sizeof(struct tcp_info) <= sizeof(union xtcp_info));

void xtcp_info_fill_locked(struct sock *sk, union xtcp_info *all);
void xtcp_info_fill(struct sock *sk, union xtcp_info *info);

#endif /* XTCP_USER_INFO_H */
