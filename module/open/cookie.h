/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cookie.h - SYN cookies: answer a SYN without storing a half-open record
 */
#ifndef XTCP_OPEN_COOKIE_H
#define XTCP_OPEN_COOKIE_H

#include <linux/types.h>
#include <net/sock.h>

#include "net/seq.h"
#include "net/wire.h"
#include "netns.h"
#include "tcb.h"

struct net;
struct xtcp_halfopen;

/**
 * struct xtcp_cookie - a SYN-ACK's cookies, except for its sequence number
 * @tsval: TSval, with the connection's offset; sent if the client sends
 *	timestamps
 * @option: payload of the lossless cookie's option, after the ExID
 */
struct xtcp_cookie {
	u32	tsval;
	u8	option[XTCP_COOKIE_LEN];
};

/**
 * xtcp_cookie_mode - when a listener sends cookies
 * @lsk: listener
 *
 * Return: the listener's XTCP_SYNCOOKIES if set, else the knob xtcp_syncookies:
 * 0 never, 1 while its SYN queue is full, 2 or more always.
 */
static inline unsigned int xtcp_cookie_mode(const struct sock *lsk)
{
	u8 own = XTCP_SOCKOPT_RARE(xtcp_sk(lsk), syncookies);

	return own ? own - 1U : XTCP_KNOB(sock_net(lsk), syncookies);
}

void xtcp_cookie_make(const struct net *net, u64 identity,
		      const u16 *mss_table, u32 now_ms,
		      struct xtcp_halfopen *ho, struct xtcp_cookie *cookie);
int xtcp_cookie_check(const struct net *net, u64 identity,
		      const u16 *mss_table, seq_t irs, seq_t cookie);
bool xtcp_cookie_check_option(const struct net *net, u64 identity,
			      const u16 *mss_table, const u8 *option,
			      seq_t iss, struct xtcp_halfopen *ho);
bool xtcp_cookie_ts_decode(struct net *net, u32 tsecr,
			   struct xtcp_options *opt);
void xtcp_cookie_read(struct xtcp_options *opt);

#endif /* XTCP_OPEN_COOKIE_H */
