// SPDX-License-Identifier: GPL-2.0
/* vm: short */
/*
 * vanish: between the hook and the protocol's handler. A queue to user space,
 * behind the hook, holds a segment there: its header has the native wire's
 * number, and its owner may go before it goes on. LC-116.
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <netinet/ip.h>

#define QUEUE 5

FIXTURE(vanish) {
	struct peer peer;
	int queue;			/* netlink */
	uint32_t id;			/* of the packet that is held */
	uint8_t packet[256];		/* and its beginning */
};

static void put(struct nlmsghdr *nlh, int type, const void *data, int len)
{
	struct nlattr *a = (void *)nlh + NLMSG_ALIGN(nlh->nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy((void *)a + NLA_HDRLEN, data, len);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + NLA_ALIGN(a->nla_len);
}

/* One message about the queue, with one attribute. */
static void tell(struct __test_metadata *_metadata, int nl, int msg, int type,
		 const void *data, int len)
{
	char buf[256] = { };
	struct nlmsghdr *nlh = (void *)buf;
	struct nfgenmsg *nfg = NLMSG_DATA(nlh);

	nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | msg;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(QUEUE);
	put(nlh, type, data, len);
	ASSERT_EQ((ssize_t)nlh->nlmsg_len, send(nl, buf, nlh->nlmsg_len, 0));
}

static int queue_open(struct __test_metadata *_metadata)
{
	struct nfqnl_msg_config_cmd bind = { .command = NFQNL_CFG_CMD_BIND };
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(sizeof(((FIXTURE_DATA(vanish) *)0)->packet)),
		.copy_mode = NFQNL_COPY_PACKET,
	};
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	ASSERT_LE(0, nl);
	tell(_metadata, nl, NFQNL_MSG_CONFIG, NFQA_CFG_CMD, &bind, sizeof(bind));
	tell(_metadata, nl, NFQNL_MSG_CONFIG, NFQA_CFG_PARAMS, &params, sizeof(params));
	return nl;
}

FIXTURE_SETUP(vanish)
{
	peer_open_at(WHERE(_metadata), &self->peer, &(struct peer_setup){ .wire = XTCP_WIRE_TCP });
	self->queue = queue_open(_metadata);
	/*
	 * Behind the hook; what is for port 5001 waits there. No set of protocols:
	 * nf_tables looks for its sets in a way that lockdep complains about.
	 */
	ASSERT_EQ(0, system("nft 'table ip t { chain in { type filter hook input priority "
			    "2147483647; ip protocol 6 th dport 5001 queue num 5; "
			    "ip protocol 253 th dport 5001 queue num 5; }; }'"));
}

FIXTURE_TEARDOWN(vanish)
{
	close(self->queue);
	peer_close_at(WHERE(_metadata), &self->peer);
}

/* The next packet that is held. */
static void held(struct __test_metadata *_metadata, FIXTURE_DATA(vanish) *self)
{
	struct pollfd pfd = { .fd = self->queue, .events = POLLIN };
	uint8_t buf[2048];
	struct nlmsghdr *nlh = (void *)buf;
	struct nlattr *a;
	ssize_t n, at;

	ASSERT_EQ(1, poll(&pfd, 1, 1000));
	n = recv(self->queue, buf, sizeof(buf), 0);
	ASSERT_LT(0, n);
	ASSERT_EQ(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, nlh->nlmsg_type);
	for (at = NLMSG_LENGTH(sizeof(struct nfgenmsg)); at < n; at += NLA_ALIGN(a->nla_len)) {
		a = (void *)buf + at;
		if ((a->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR)
			self->id = ntohl(((struct nfqnl_msg_packet_hdr *)(a + 1))->packet_id);
		if ((a->nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD)
			memcpy(self->packet, a + 1, a->nla_len - NLA_HDRLEN);
	}
}

static void let_go(struct __test_metadata *_metadata, FIXTURE_DATA(vanish) *self)
{
	struct nfqnl_msg_verdict_hdr verdict = {
		.verdict = htonl(NF_ACCEPT), .id = htonl(self->id),
	};

	tell(_metadata, self->queue, NFQNL_MSG_VERDICT, NFQA_VERDICT_HDR, &verdict,
	     sizeof(verdict));
}

static void wire_tcp(int fd)
{
	socket_set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_TCP);
}

/* A listener of ours on the port that is watched, and a SYN held on its way. */
static int syn_held(struct __test_metadata *_metadata, FIXTURE_DATA(vanish) *self)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&p->kernel, 5001, &ss);
	int lfd = stream_socket(p->family);

	wire_tcp(lfd);
	ASSERT_EQ(0, bind(lfd, (struct sockaddr *)&ss, len));
	ASSERT_EQ(0, listen(lfd, 4));
	peer_send(p, .flags = SYN, .seq = 1000, .dport = 5001, .opt = OPT(OPT_MSS(1460)));
	held(_metadata, self);
	return lfd;
}

/* It says 253 there, and is a TCP segment again when it is looked at. */
TEST_F(vanish, the_number_is_changed_and_restored)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	EXPECT_EQ(XTCP_WIRE_NATIVE, ((struct iphdr *)self->packet)->protocol);
	peer_expect_silence(p, 100);
	let_go(_metadata, self);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	close(lfd);
}

/* The port is xtcp's no more: the kernel's TCP takes it, and says that nobody listens. */
TEST_F(vanish, lc_116_a_syn_whose_listener_has_gone)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	close(lfd);
	p->stock_may_speak = true;
	let_go(_metadata, self);
	peer_expect(p, .flags = RST | ACK, .ack = 1001, .sport = 5001);
}

/* Now the port is the kernel's TCP's: it gets the segment whole. */
TEST_F(vanish, lc_116_a_syn_whose_port_has_a_new_owner)
{
	struct peer *p = &self->peer;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_sockaddr(&p->kernel, 5001, &ss);
	int lfd, stock;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	close(lfd);
	stock = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	ASSERT_EQ(0, bind(stock, (struct sockaddr *)&ss, len));
	ASSERT_EQ(0, listen(stock, 4));
	p->stock_may_speak = true;
	let_go(_metadata, self);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	close(stock);
}

/* Still ours, but not that connection's: xtcp answers as for any stranger. */
TEST_F(vanish, lc_116_text_whose_connection_has_gone)
{
	struct peer *p = &self->peer;
	int lfd;

	NOT_ON_STOCK();
	lfd = syn_held(_metadata, self);
	let_go(_metadata, self);
	peer_expect(p, .flags = SYN | ACK, .ack = 1001, .sport = 5001);
	/* The third ACK is held, and the record ended by a RST that is let go first. */
	peer_send(p, .flags = ACK, .seq = 1001, .ack = p->last.seq + 1, .dport = 5001);
	held(_metadata, self);
	close(lfd);
	p->stock_may_speak = true;
	let_go(_metadata, self);
	peer_expect(p, .flags = RST, .seq = p->last.seq + 1, .sport = 5001);
}

TEST_HARNESS_MAIN
