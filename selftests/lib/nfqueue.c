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
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "draw.h"
#include "netns.h"

static void put(struct nlmsghdr *nlh, int type, const void *data, int len)
{
	struct nlattr *a = (void *)nlh + NLMSG_ALIGN(nlh->nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy((void *)a + NLA_HDRLEN, data, len);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + NLA_ALIGN(a->nla_len);
}

/* One message about the queue, with one attribute. Return: it was sent. */
static bool try_tell(const struct nfqueue *q, int msg, int type, const void *data, int len)
{
	char buf[256] = { };
	struct nlmsghdr *nlh = (void *)buf;
	struct nfgenmsg *nfg = NLMSG_DATA(nlh);

	nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | msg;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(q->num);
	put(nlh, type, data, len);
	if (type == NFQA_CFG_FLAGS && msg == NFQNL_MSG_CONFIG)
		put(nlh, NFQA_CFG_MASK, data, len);
	return send(q->nl, buf, nlh->nlmsg_len, 0) == (ssize_t)nlh->nlmsg_len;
}

static void tell(struct where at, const struct nfqueue *q, int msg, int type, const void *data,
		 int len)
{
	check(try_tell(q, msg, type, data, len), at, "netfilter queue: %s", strerror(errno));
}

/* @bytes: of each packet that the program gets to see. */
static void open_queue(struct where at, struct nfqueue *q, int num, int bytes)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(bytes),
		.copy_mode = bytes ? NFQNL_COPY_PACKET : NFQNL_COPY_META,
	};

	q->num = num;
	q->nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	check(q->nl >= 0, at, "netlink: %s", strerror(errno));
	tell(at, q, NFQNL_MSG_CONFIG, NFQA_CFG_CMD, &bind, sizeof(bind));
	tell(at, q, NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS, &params, sizeof(params));
}

void nfqueue_open(struct where at, struct nfqueue *q)
{
	open_queue(at, q, NFQUEUE_NUM, sizeof(q->packet));
}

/* The id of the packet that a message has, and its beginning. */
static void parse(struct nfqueue *q, const void *msg, ssize_t n)
{
	const struct nfqnl_msg_packet_hdr *hdr;
	const struct nlattr *a;

	for (ssize_t pos = NLMSG_LENGTH(sizeof(struct nfgenmsg)); pos < n;
	     pos += NLA_ALIGN(a->nla_len)) {
		a = msg + pos;
		hdr = (const void *)(a + 1);
		if ((a->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR)
			q->id = ntohl(hdr->packet_id);
		if ((a->nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD)
			memcpy(q->packet, a + 1, a->nla_len - NLA_HDRLEN);
	}
}

void nfqueue_fill(struct where at, int family, const char *hook)
{
	char rules[256];

	/* No set of protocols: lockdep complains of the way in which nf_tables looks up sets. */
	snprintf(rules, sizeof(rules), "nft 'table %s queue_%s { chain c {"
		 "type filter hook %s priority 0;"
		 "meta l4proto 6 queue num 5; meta l4proto 253 queue num 5; }; }'",
		 family == AF_INET6 ? "ip6" : "ip", hook, hook);
	shell_run(at, rules);
}

void nfqueue_take(struct where at, struct nfqueue *q)
{
	struct pollfd pfd = { .fd = q->nl, .events = POLLIN };
	uint8_t buf[2048];
	struct nlmsghdr *nlh = (void *)buf;
	ssize_t n;

	check(poll(&pfd, 1, 1000) == 1, at, "netfilter queue: no packet");
	n = recv(q->nl, buf, sizeof(buf), 0);
	check(n > 0 && nlh->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET), at,
	      "netfilter queue: no packet, but a message");
	parse(q, buf, n);
}

static bool try_answer(const struct nfqueue *q, uint32_t id, uint32_t verdict)
{
	struct nfqnl_msg_verdict_hdr hdr = { .verdict = htonl(verdict), .id = htonl(id) };

	return try_tell(q, NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR, &hdr, sizeof(hdr));
}

static bool try_accept(const struct nfqueue *q, uint32_t id)
{
	return try_answer(q, id, NF_ACCEPT);
}

void nfqueue_accept(struct where at, struct nfqueue *q)
{
	check(try_accept(q, q->id), at, "netfilter queue: %s", strerror(errno));
}

void nfqueue_stop(struct where at, struct nfqueue *q)
{
	nfqueue_take(at, q);
	check(try_answer(q, q->id, NF_STOP), at, "netfilter queue: %s", strerror(errno));
}

void nfqueue_pass(struct where at, struct nfqueue *q)
{
	nfqueue_take(at, q);
	nfqueue_accept(at, q);
}

#define LATE_MAX_NS (5 * NSEC_PER_MSEC)
#define WAITING_MAX 4096

/* Packets that wait for a late verdict. */
struct waiting {
	int n;
	struct {
		uint32_t id;
		int64_t due_ns;
	} packet[WAITING_MAX];
};

/* Accepts what is due. Return: when the next one is; 0: none waits. */
static int64_t accept_due(const struct nfqueue *q, struct waiting *w)
{
	int64_t next_ns = 0, now = now_ns();

	for (int i = 0; i < w->n;) {
		if (w->packet[i].due_ns <= now) {
			try_accept(q, w->packet[i].id);
			w->packet[i] = w->packet[--w->n];
			continue;
		}
		if (!next_ns || w->packet[i].due_ns < next_ns)
			next_ns = w->packet[i].due_ns;
		i++;
	}
	return next_ns;
}

/* Without an end: the kernel kills this process when its parent ends. */
static void serve(struct nfqueue *q, bool late)
{
	static struct waiting w;
	struct pollfd pfd = { .fd = q->nl, .events = POLLIN };
	uint8_t buf[2048];
	ssize_t n;

	draw_seed(q->num);
	for (;;) {
		int64_t next_ns = accept_due(q, &w), left_ns = next_ns - now_ns();
		struct timespec ts = { 0, left_ns > 0 ? left_ns : 0 };

		if (ppoll(&pfd, 1, next_ns ? &ts : NULL, NULL) <= 0)
			continue;
		n = recv(q->nl, buf, sizeof(buf), 0);
		if (n <= 0 || ((struct nlmsghdr *)buf)->nlmsg_type !=
			      (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
			continue;
		parse(q, buf, n);
		if (late && w.n < WAITING_MAX) {
			w.packet[w.n].id = q->id;
			w.packet[w.n++].due_ns = now_ns() + draw(LATE_MAX_NS);
		} else {
			try_accept(q, q->id);
		}
	}
}

void nfqueue_serve(struct where at, int num, bool late)
{
	uint32_t flags = NFQA_CFG_F_FAIL_OPEN | (late ? 0 : NFQA_CFG_F_GSO);
	struct sched_param first = { .sched_priority = 2 }, second = { .sched_priority = 1 };
	struct nfqueue q = { };

	flags = htonl(flags);
	open_queue(at, &q, num, late ? sizeof(q.packet) : 0);
	setsockopt(q.nl, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ 16 << 20 }, sizeof(int));
	tell(at, &q, NFQNL_MSG_CONFIG, NFQA_CFG_QUEUE_MAXLEN, &(uint32_t){ htonl(WAITING_MAX) },
	     sizeof(uint32_t));
	tell(at, &q, NFQNL_MSG_CONFIG, NFQA_CFG_FLAGS, &flags, sizeof(flags));
	/* A child that wait() does not see, and that ends without a signal. */
	switch (syscall(SYS_clone, 0, NULL, NULL, NULL, NULL)) {
	case -1:
		check(false, at, "clone: %s", strerror(errno));
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* What the test closes must be closed. */
		dup2(q.nl, 0);
		q.nl = 0;
		syscall(SYS_close_range, 1, ~0U, 0);
		sched_setscheduler(0, SCHED_FIFO, &first);
		serve(&q, late);
	}
	/*
	 * The test is second, and not an ordinary process: since 6.12 the kernel lets those run
	 * before real-time ones for a while if they have waited for long.
	 */
	sched_setscheduler(0, SCHED_RR, &second);
	close(q.nl);
}
