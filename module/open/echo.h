/* SPDX-License-Identifier: GPL-2.0 */
/*
 * echo.h - the client's part of lossless cookies
 */
#ifndef XTCP_OPEN_ECHO_H
#define XTCP_OPEN_ECHO_H

#include "tcb.h"

struct sock;
struct xtcp_options;

void xtcp_echo_keep(struct sock *sk, struct xtcp_options *opt);
void xtcp_echo_start(struct sock *sk);
void xtcp_echo_heard(struct sock *sk);
void xtcp_echo_timeout(struct sock *sk);

/* True if our segments repeat a cookie, because none has been answered. */
static inline bool xtcp_echo_is_active(const struct xtcp_sock *xs)
{
	return xs->cookie_held;
}

#endif /* XTCP_OPEN_ECHO_H */
