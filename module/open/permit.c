// SPDX-License-Identifier: GPL-2.0
/*
 * permit.c - do security modules allow an incoming connection?
 *
 * The kernel's TCP asks them by the hook inet_conn_request for each SYN that it answers, and
 * again for the ACK that returns a SYN cookie. BPF programs, Smack and AppArmor may refuse. The
 * hook wants a request of the kernel's TCP, so one is filled in on the stack. What a module stores
 * there (labels, IP options) is lost: the hook that copies it into a child is not for modules.
 *
 * Context: softirq, RCU read-side section; the listener is not locked.
 */
#include "open/permit.h"

#include <linux/security.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>
#include <net/request_sock.h>
#include <net/tcp_states.h>

#include "flow.h"
#include "net/family.h"

#ifdef CONFIG_SECURITY_NETWORK
static void permit_fill(struct inet_request_sock *ireq, struct sock *lsk,
			struct sk_buff *skb, const struct xtcp_key *key)
{
	const struct xtcp_family *af = xtcp_family_get(key->family);

	ireq->ireq_family = lsk->sk_family;
	ireq->ireq_state = TCP_NEW_SYN_RECV;
	ireq->ireq_net = lsk->__sk_common.skc_net;
	ireq->req.__req_common.skc_prot = READ_ONCE(lsk->sk_prot);
	ireq->req.rsk_listener = lsk;
	ireq->ir_num = ntohs(key->lport);
	ireq->ir_rmt_port = key->rport;
	ireq->ir_mark = inet_request_mark(lsk, skb);
	/* By the knob xtcp_l3mdev_accept, as for the connection. */
	ireq->ir_iif = af->addr->device(key, READ_ONCE(lsk->sk_bound_dev_if));
	af->kernel_tcp->request_fill(ireq, key);
}
#endif

/**
 * xtcp_permit_request - ask security modules about a connection to a listener
 * @lsk: listener, not locked
 * @skb: SYN, or ACK with a valid cookie; not consumed
 * @key: its connection
 *
 * Context: softirq, RCU read-side section.
 * Return: false if one of them refuses it: the caller drops the segment.
 */
bool xtcp_permit_request(struct sock *lsk, struct sk_buff *skb, const struct xtcp_key *key)
{
#ifdef CONFIG_SECURITY_NETWORK
	struct tcp_request_sock treq = {};
	struct inet_request_sock *ireq = &treq.req;
	int err;

	permit_fill(ireq, lsk, skb, key);
	err = security_inet_conn_request(lsk, skb, &ireq->req);
	xtcp_family_get(key->family)->kernel_tcp->request_free(ireq, lsk);
	return !err;
#else
	return true;
#endif
}
