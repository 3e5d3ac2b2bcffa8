/* SPDX-License-Identifier: GPL-2.0 */
/*
 * echo.h - the client's part of lossless cookies
 */
#ifndef XTCP_OPEN_ECHO_H
#define XTCP_OPEN_ECHO_H

struct sock;
struct xtcp_options;
struct xtcp_sock;

void xtcp_echo_init(struct xtcp_sock *xs);
void xtcp_echo_keep(struct sock *sk, struct xtcp_options *opt);
void xtcp_echo_start(struct sock *sk);
void xtcp_echo_heard(struct sock *sk);
void xtcp_echo_timeout(struct sock *sk);

#endif /* XTCP_OPEN_ECHO_H */
