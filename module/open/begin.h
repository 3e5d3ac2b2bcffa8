/* SPDX-License-Identifier: GPL-2.0 */
/*
 * begin.h - initialise a socket's TCB for a new connection
 */
#ifndef XTCP_OPEN_BEGIN_H
#define XTCP_OPEN_BEGIN_H

#include "net/seq.h"

struct xtcp_sock;

void xtcp_begin(struct xtcp_sock *xs);
void xtcp_begin_send(struct xtcp_sock *xs, seq_t seq);
void xtcp_begin_receive(struct xtcp_sock *xs, seq_t seq);

#endif /* XTCP_OPEN_BEGIN_H */
