// SPDX-License-Identifier: GPL-2.0
/*
 * nfqueue: see nfqueue.h.
 */
#define _GNU_SOURCE
#include "nfqueue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static void put(struct nlmsghdr *nlh, int type, const void *data, int len)
{
	struct nlattr *a = (void *)nlh + NLMSG_ALIGN(nlh->nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy((void *)a + NLA_HDRLEN, data, len);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + NLA_ALIGN(a->nla_len);
}

/* One message about the queue, with one attribute. */
static void tell(struct where at, struct nfqueue *q, int msg, int type, const void *data,
		 int len)
{
	char buf[256] = { };
	struct nlmsghdr *nlh = (void *)buf;
	struct nfgenmsg *nfg = NLMSG_DATA(nlh);

	nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | msg;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(NFQUEUE_NUM);
	put(nlh, type, data, len);
	check(send(q->nl, buf, nlh->nlmsg_len, 0) == (ssize_t)nlh->nlmsg_len, at,
	      "netfilter queue: %s", strerror(errno));
}

void nfqueue_open(struct where at, struct nfqueue *q)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(sizeof(q->packet)),
		.copy_mode = NFQNL_COPY_PACKET,
	};

	q->nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	check(q->nl >= 0, at, "netlink: %s", strerror(errno));
	tell(at, q, NFQNL_MSG_CONFIG, NFQA_CFG_CMD, &bind, sizeof(bind));
	tell(at, q, NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS, &params, sizeof(params));
}

void nfqueue_take(struct where at, struct nfqueue *q)
{
	struct pollfd pfd = { .fd = q->nl, .events = POLLIN };
	uint8_t buf[2048];
	struct nlmsghdr *nlh = (void *)buf;
	struct nlattr *a;
	ssize_t n, pos;

	check(poll(&pfd, 1, 1000) == 1, at, "netfilter queue: no packet");
	n = recv(q->nl, buf, sizeof(buf), 0);
	check(n > 0 && nlh->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET), at,
	      "netfilter queue: no packet, but a message");
	for (pos = NLMSG_LENGTH(sizeof(struct nfgenmsg)); pos < n;
	     pos += NLA_ALIGN(a->nla_len)) {
		a = (void *)buf + pos;
		if ((a->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR)
			q->id = ntohl(((struct nfqnl_msg_packet_hdr *)(a + 1))->packet_id);
		if ((a->nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD)
			memcpy(q->packet, a + 1, a->nla_len - NLA_HDRLEN);
	}
}

void nfqueue_accept(struct where at, struct nfqueue *q)
{
	struct nfqnl_msg_verdict_hdr verdict = {
		.verdict = htonl(NF_ACCEPT), .id = htonl(q->id),
	};

	tell(at, q, NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR, &verdict, sizeof(verdict));
}

void nfqueue_pass(struct where at, struct nfqueue *q)
{
	nfqueue_take(at, q);
	nfqueue_accept(at, q);
}
