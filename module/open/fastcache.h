/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fastcache.h - cookies that servers have given us, for fast open
 */
#ifndef XTCP_OPEN_FASTCACHE_H
#define XTCP_OPEN_FASTCACHE_H

#include <linux/types.h>

struct sock;
struct xtcp_fastcookie;

u16 xtcp_fastcache_get(struct sock *sk, struct xtcp_fastcookie *cookie);
void xtcp_fastcache_set(struct sock *sk, u16 mss, const struct xtcp_fastcookie *cookie);

#endif /* XTCP_OPEN_FASTCACHE_H */
