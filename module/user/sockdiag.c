// SPDX-License-Identifier: GPL-2.0
/*
 * sockdiag.c - module xtcp_diag: sock_diag of protocol 253
 *
 * Programs ask by netlink (NETLINK_SOCK_DIAG) for listeners and connections, and
 * end them, as they do with the kernel's TCP, but for protocol 253. A module of
 * its own, as the kernel's tcp_diag is: inet_diag_register() is in the module
 * inet_diag, without which xtcp.ko must load. The kernel loads this one with the
 * first request, if xtcp is loaded.
 *
 * A dump walks as readers of /proc/net/xtcp do (user/walk.c): a connection that
 * exists the whole time has exactly one message. Between two parts of a dump it
 * keeps its position and nothing else.
 *
 * While it is loaded, ends of sockets are announced (user/diag.c).
 *
 * Context: process, may sleep.
 */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sock_diag.h>
#include <linux/stringify.h>
#include <net/inet_timewait_sock.h>
#include <net/netlink.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "compat.h"
#include "flow.h"
#include "lifecycle.h"
#include "user/diag.h"
#include "user/info.h"
#include "user/kill.h"
#include "user/walk.h"

/**
 * struct diag_dump - a dump that is going on
 * @request: inet_diag's part
 * @walk: position in the tables
 */
struct diag_dump {
	struct inet_diag_dump_data	request;
	struct xtcp_walk		walk;
};

static bool port_fits(__be16 wanted, __be16 port)
{
	return !wanted || wanted == port;
}

/* Returns true if the dump is for that state, family and ports. */
static bool row_is_asked(const struct inet_diag_msg *msg,
			 const struct inet_diag_req_v2 *req)
{
	u32 states = req->idiag_states;

	/* The kernel's TCP has two states for SYN-RECEIVED. */
	if (states & XTCP_STATEF(XTCP_HALF_OPEN))
		states |= XTCP_STATEF(XTCP_SYN_RECEIVED);
	return states & XTCP_STATEF(msg->idiag_state) &&
	       (req->sdiag_family == AF_UNSPEC ||
		req->sdiag_family == msg->idiag_family) &&
	       port_fits(req->id.idiag_sport, msg->id.idiag_sport) &&
	       port_fits(req->id.idiag_dport, msg->id.idiag_dport);
}

/*
 * Programs' filters run on struct sock. A record is shown to them as a socket in
 * TIME-WAIT of the kernel's TCP, of which they read addresses, ports, device and
 * mark only.
 */
static bool record_passes(const struct inet_diag_dump_data *request,
			  const struct xtcp_diag_row *row)
{
	const struct inet_diag_sockid *id = &row->msg.id;
	struct inet_timewait_sock tw;

	memset(&tw, 0, sizeof(tw));
	tw.tw_state = TCP_TIME_WAIT;
	tw.tw_family = row->msg.idiag_family;
	tw.tw_num = ntohs(id->idiag_sport);
	tw.tw_sport = id->idiag_sport;
	tw.tw_dport = id->idiag_dport;
	tw.tw_bound_dev_if = id->idiag_if;
	tw.tw_mark = row->mark;
	tw.tw_rcv_saddr = id->idiag_src[0];
	tw.tw_daddr = id->idiag_dst[0];
#if IS_ENABLED(CONFIG_IPV6)
	memcpy(&tw.tw_v6_rcv_saddr, id->idiag_src, sizeof(id->idiag_src));
	memcpy(&tw.tw_v6_daddr, id->idiag_dst, sizeof(id->idiag_dst));
#endif
	return XTCP_DIAG_FILTER(request, (struct sock *)&tw);
}

static bool flow_passes(const struct inet_diag_dump_data *request,
			struct xtcp_flow *flow,
			const struct xtcp_diag_row *row)
{
	struct sock *sk;

	if (!request->inet_diag_nla_bc)
		return true;
	sk = xtcp_diag_sk(flow);
	return sk ? XTCP_DIAG_FILTER(request, sk) : record_passes(request, row);
}

static struct xtcp_diag_reader reader_of(const struct netlink_callback *cb,
					 const struct inet_diag_req_v2 *req,
					 u16 flags)
{
	return (struct xtcp_diag_reader) {
		.user_ns	= sk_user_ns(NETLINK_CB(cb->skb).sk),
		.portid		= NETLINK_CB(cb->skb).portid,
		.seq		= cb->nlh->nlmsg_seq,
		.flags		= flags,
		.ext		= req->idiag_ext,
		.net_admin	= netlink_net_capable(cb->skb, CAP_NET_ADMIN),
	};
}

/* Tells the dumps of this load of the module from those of an earlier one; not 0. */
static long diag_stamp __ro_after_init;

/*
 * The position is behind inet_diag's data of the dump, which inet_diag frees
 * with kfree() when the dump ends or its reader goes away: a handler is not told
 * of that. Returns NULL if there is no memory, or if another load of this module began
 * the dump: nothing of it is in this one's format.
 */
static struct diag_dump *dump_of(struct netlink_callback *cb, struct net *net,
				 const struct inet_diag_req_v2 *req)
{
	struct diag_dump *dump = cb->data;

	if (cb->args[0])
		return cb->args[0] == diag_stamp ? dump : NULL;
	dump = krealloc(cb->data, sizeof(*dump), GFP_KERNEL_ACCOUNT);
	if (!dump)
		return NULL;
	xtcp_walk_begin(&dump->walk, net,
			!(req->idiag_states & ~XTCP_STATEF(XTCP_LISTEN)));
	cb->data = dump;
	cb->args[0] = diag_stamp;
	return dump;
}

/* Returns false if the message does not fit. */
static bool flow_dump(struct sk_buff *skb, const struct diag_dump *dump,
		      struct xtcp_flow *flow,
		      const struct inet_diag_req_v2 *req,
		      const struct xtcp_diag_reader *reader)
{
	struct xtcp_diag_row row;

	return !xtcp_diag_row(flow, reader->user_ns, &row) ||
	       !row_is_asked(&row.msg, req) ||
	       !flow_passes(&dump->request, flow, &row) ||
	       !xtcp_diag_put(skb, flow, &row, reader);
}

static void diag_dump(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct inet_diag_req_v2 *req)
{
	struct xtcp_diag_reader reader = reader_of(cb, req, NLM_F_MULTI);
	struct diag_dump *dump = dump_of(cb, sock_net(cb->skb->sk), req);
	struct xtcp_flow *flow;

	if (!dump) {
		/* The end of the dump tells that it is not complete. */
		cb->answer_flags |= NLM_F_DUMP_INTR;
		return;
	}
	flow = xtcp_walk_current(&dump->walk);
	while (!IS_ERR_OR_NULL(flow) &&
	       flow_dump(skb, dump, flow, req, &reader))
		flow = xtcp_walk_next(&dump->walk);
	xtcp_walk_pause(&dump->walk);
}

static int diag_dump_one(struct netlink_callback *cb,
			 const struct inet_diag_req_v2 *req)
{
	struct xtcp_diag_reader reader = reader_of(cb, req, 0);
	struct net *net = sock_net(cb->skb->sk);
	struct xtcp_diag_row row;
	struct xtcp_flow *flow;
	struct sk_buff *answer;
	int err = -ENOENT;

	flow = xtcp_diag_find(net, req->sdiag_family, &req->id);
	if (IS_ERR(flow))
		return PTR_ERR(flow);
	answer = nlmsg_new(XTCP_DIAG_MSG_MAX, GFP_KERNEL);
	if (!answer)
		err = -ENOMEM;
	else if (xtcp_diag_row(flow, reader.user_ns, &row))
		err = xtcp_diag_put(answer, flow, &row, &reader);
	xtcp_flow_put(flow);
	if (err) {
		nlmsg_free(answer);
		return err;
	}
	return nlmsg_unicast(net->diag_nlsk, answer, reader.portid);
}

/*
 * Does the request mean the one socket or record that has this cookie? Without a cookie it means
 * any connection with these ends.
 */
static bool has_cookie(const struct inet_diag_sockid *id)
{
	return id->idiag_cookie[0] != INET_DIAG_NOCOOKIE ||
	       id->idiag_cookie[1] != INET_DIAG_NOCOOKIE;
}

static int diag_destroy(struct sk_buff *skb, const struct inet_diag_req_v2 *req)
{
	struct net *net = sock_net(skb->sk);
	struct xtcp_flow *flow;

	if (!netlink_net_capable(skb, CAP_NET_ADMIN))
		return -EPERM;
	flow = xtcp_diag_find(net, req->sdiag_family, &req->id);
	if (IS_ERR(flow))
		return PTR_ERR(flow);
	return xtcp_kill_flow(net, flow, has_cookie(&req->id));
}

static const struct inet_diag_handler diag_handler = {
	XTCP_DIAG_OWNER
	.dump			= diag_dump,
	.dump_one		= diag_dump_one,
	.idiag_get_info		= xtcp_diag_get_info,
	.destroy		= diag_destroy,
	.idiag_type		= IPPROTO_XTCP,
	.idiag_info_size	= sizeof(union xtcp_info),
};

static int __init diag_init(void)
{
	int err;

	/* After an upgrade the old xtcp.ko may still be loaded: its structures are others. */
	if (xtcp_diag_headers != XTCP_HEADERS) {
		/* Each request of sock_diag tries to load this module again. */
		net_err_ratelimited("xtcp_diag: the loaded xtcp is of other sources\n");
		return -EINVAL;
	}
	diag_stamp = get_random_long() | 1;
	err = inet_diag_register(&diag_handler);
	if (!err)
		xtcp_diag_ends_start();
	return err;
}

static void __exit diag_exit(void)
{
	xtcp_diag_ends_stop();
	inet_diag_unregister(&diag_handler);
}

module_init(diag_init);
module_exit(diag_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("xtcp: sockets by sock_diag");
MODULE_VERSION(__stringify(XTCP_VERSION));
MODULE_ALIAS("net-pf-16-proto-4-type-2-253");
