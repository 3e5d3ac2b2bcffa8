/* SPDX-License-Identifier: GPL-2.0 */
/*
 * synack.h - what a half-open record sends: SYN-ACKs and ACKs
 */
#ifndef XTCP_OPEN_SYNACK_H
#define XTCP_OPEN_SYNACK_H

struct sk_buff;
struct xtcp_cookie;
struct xtcp_fastcookie;
struct xtcp_halfopen;
struct xtcp_reply;

void xtcp_synack_reply(const struct xtcp_halfopen *ho, struct xtcp_reply *reply);
int xtcp_synack_send(struct xtcp_halfopen *ho, const struct xtcp_cookie *cookie,
		     const struct xtcp_fastcookie *answer, struct sk_buff *spare);
void xtcp_synack_resend(struct xtcp_halfopen *ho);
void xtcp_synack_send_ack(const struct xtcp_halfopen *ho, const struct sk_buff *skb);

#endif /* XTCP_OPEN_SYNACK_H */
