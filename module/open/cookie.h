/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cookie.h - SYN cookies: a half-open connection that nobody stores
 */
#ifndef XTCP_OPEN_COOKIE_H
#define XTCP_OPEN_COOKIE_H

#include <linux/types.h>

#include "net/seq.h"

struct net;
struct xtcp_family;
struct xtcp_key;
struct xtcp_options;
struct xtcp_seg;

seq_t xtcp_cookie_make(struct net *net, const struct xtcp_family *af,
		       const struct xtcp_key *key, seq_t irs, u16 *mss);
int xtcp_cookie_check(struct net *net, const struct xtcp_family *af,
		      const struct xtcp_key *key, seq_t irs, seq_t cookie);
u32 xtcp_cookie_ts_encode(u32 tsval, const struct xtcp_options *opt);
bool xtcp_cookie_ts_decode(struct net *net, u32 tsecr,
			   struct xtcp_options *opt);

#endif /* XTCP_OPEN_COOKIE_H */
