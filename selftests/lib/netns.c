// SPDX-License-Identifier: GPL-2.0
/*
 * netns: see netns.h. Builds its rtnetlink messages, so that a static test program
 * needs no tool in the guest.
 */
#define _GNU_SOURCE
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "context.h"

unsigned int if_nametoindex(const char *name);

bool stock_mode(void)
{
	const char *env = getenv("XTCP_TEST_STOCK");

	return env && *env && strcmp(env, "0");
}

int stream_proto(void)
{
	return stock_mode() ? IPPROTO_TCP : IPPROTO_XTCP;
}

int stream_wire(void)
{
	const char *env = getenv("XTCP_TEST_WIRE");

	if (stock_mode() || (env && atoi(env) == XTCP_WIRE_TCP))
		return XTCP_WIRE_TCP;
	return XTCP_WIRE_NATIVE;
}

int stream_socket(int family)
{
	int fd = socket(socket_family(family), SOCK_STREAM | SOCK_CLOEXEC, stream_proto());

	context_apply_to_socket(fd);
	return fd;
}

void file_write_at(struct where at, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	check(fd >= 0, at, "%s: %s", path, strerror(errno));
	check(write(fd, text, strlen(text)) == (ssize_t)strlen(text), at, "%s: %s", path,
	      strerror(errno));
	close(fd);
}

int sysctl_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, value, strlen(value)) < 0)
		err = errno;
	close(fd);
	return err;
}

int sysctl_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return errno;
	n = read(fd, buf, size - 1);
	err = n < 0 ? errno : 0;
	close(fd);
	if (err)
		return err;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* A netlink request under construction. */
struct request {
	struct nlmsghdr nlh;
	char body[1024];
};

static void *request_start(struct request *rq, int type, int flags, int size)
{
	memset(rq, 0, sizeof(*rq));
	rq->nlh.nlmsg_type = type;
	rq->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	rq->nlh.nlmsg_len = NLMSG_LENGTH(size);
	return NLMSG_DATA(&rq->nlh);
}

static struct rtattr *request_attr(struct request *rq, int type,
				   const void *data, int len)
{
	struct rtattr *rta = (struct rtattr *)((char *)rq +
					       NLMSG_ALIGN(rq->nlh.nlmsg_len));

	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(rta), data, len);
	rq->nlh.nlmsg_len = NLMSG_ALIGN(rq->nlh.nlmsg_len) + RTA_ALIGN(rta->rta_len);
	return rta;
}

static void request_nest_end(struct request *rq, struct rtattr *rta)
{
	rta->rta_len = (char *)rq + rq->nlh.nlmsg_len - (char *)rta;
}

/* The kernel's answer: 0 or an errno. */
static int request_try(struct where at, struct request *rq, const char *what)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr err;
		char rest[1024];
	} answer;

	check(fd >= 0 && send(fd, rq, rq->nlh.nlmsg_len, 0) >= 0 &&
	      recv(fd, &answer, sizeof(answer), 0) >= 0,
	      at, "%s: netlink: %s", what, strerror(errno));
	close(fd);
	check(answer.nlh.nlmsg_type == NLMSG_ERROR, at, "%s: no answer", what);
	return -answer.err.error;
}

static void request_send(struct where at, struct request *rq, const char *what)
{
	int err = request_try(at, rq, what);

	check(!err, at, "%s: %s", what, strerror(err));
}

void link_up(struct where at, const char *name)
{
	struct ifinfomsg *ifi;
	struct request rq;

	ifi = request_start(&rq, RTM_NEWLINK, 0, sizeof(*ifi));
	ifi->ifi_index = if_nametoindex(name);
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	request_send(at, &rq, "link up");
}

/* RFC 2863's state, IF_OPER_*. */
static int link_state(struct where at, const char *name)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
		char attrs[8192];
	} answer;
	struct ifinfomsg *ifi;
	struct rtattr *rta;
	struct request rq;
	int len;

	ifi = request_start(&rq, RTM_GETLINK, 0, sizeof(*ifi));
	rq.nlh.nlmsg_flags &= ~NLM_F_ACK;
	ifi->ifi_index = if_nametoindex(name);
	check(fd >= 0 && send(fd, &rq, rq.nlh.nlmsg_len, 0) >= 0 &&
	      recv(fd, &answer, sizeof(answer), 0) >= 0 &&
	      answer.nlh.nlmsg_type == RTM_NEWLINK,
	      at, "%s: netlink: %s", name, strerror(errno));
	close(fd);
	len = answer.nlh.nlmsg_len - NLMSG_LENGTH(sizeof(answer.ifi));
	for (rta = IFLA_RTA(&answer.ifi); RTA_OK(rta, len); rta = RTA_NEXT(rta, len))
		if (rta->rta_type == IFLA_OPERSTATE)
			return *(uint8_t *)RTA_DATA(rta);
	return IF_OPER_UNKNOWN;
}

void link_await(struct where at, const char *name)
{
	int64_t until_ns = now_ns() + 5 * NSEC_PER_SEC;

	while (link_state(at, name) != IF_OPER_UP && now_ns() < until_ns)
		sleep_ms(1);
	check(link_state(at, name) == IF_OPER_UP, at, "%s does not come up", name);
}

int mtu_of(int ipv4_mtu)
{
	return ipv4_mtu + (test_family() == AF_INET6 ? 20 : 0);
}

int default_ttl_set(int ttl)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", ttl);
	return sysctl_write(test_family() == AF_INET6 ?
			    "/proc/sys/net/ipv6/conf/tun0/hop_limit" :
			    "/proc/sys/net/ipv4/ip_default_ttl", text);
}

int nonlocal_bind_allow(void)
{
	int err = sysctl_write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1");

	if (!err && test_family() == AF_INET6)
		err = sysctl_write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
	return err;
}

void link_set_mtu(struct where at, const char *name, int mtu)
{
	struct ifinfomsg *ifi;
	struct request rq;

	/* So that segments have the same size over both families. */
	mtu = mtu_of(mtu);
	ifi = request_start(&rq, RTM_NEWLINK, 0, sizeof(*ifi));
	ifi->ifi_index = if_nametoindex(name);
	request_attr(&rq, IFLA_MTU, &mtu, sizeof(mtu));
	request_send(at, &rq, "link mtu");
}

static void gso_limit_set(struct where at, const char *name, int limit, uint32_t value)
{
	struct ifinfomsg *ifi;
	struct request rq;

	ifi = request_start(&rq, RTM_NEWLINK, 0, sizeof(*ifi));
	ifi->ifi_index = if_nametoindex(name);
	request_attr(&rq, limit, &value, sizeof(value));
	request_send(at, &rq, "GSO limit of a link");
}

void link_set_single_segments(struct where at, const char *name)
{
	gso_limit_set(at, name, IFLA_GSO_MAX_SEGS, 1);
}

void link_set_gso(struct where at, const char *name, uint32_t max_segs, uint32_t max_size)
{
	gso_limit_set(at, name, IFLA_GSO_MAX_SEGS, max_segs);
	gso_limit_set(at, name, IFLA_GSO_MAX_SIZE, max_size);
}

void link_set_offload(struct where at, const char *name, uint32_t which, bool on)
{
	struct ethtool_value value = { .cmd = which, .data = on };
	struct ifreq ifr = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	check(fd >= 0 && !ioctl(fd, SIOCETHTOOL, &ifr), at, "ethtool %u on %s: %s", which, name,
	      strerror(errno));
	close(fd);
}

int netns_new(struct where at)
{
	int fd;

	check(!unshare(CLONE_NEWNET), at, "unshare: %s", strerror(errno));
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	check(fd >= 0, at, "/proc/self/ns/net: %s", strerror(errno));
	link_up(at, "lo");
	if (!stock_mode() && stream_wire() == XTCP_WIRE_TCP)
		check(!sysctl_write("/proc/sys/net/ipv4/xtcp_wire", "6"), at,
		      "xtcp_wire=6 is refused");
	context_apply_to_netns(at);
	return fd;
}

void user_namespace_enter(struct where at)
{
	int fd;

	check(!unshare(CLONE_NEWUSER), at, "unshare: %s", strerror(errno));
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	check(fd >= 0 && write(fd, "0 0 1", 5) == 5, at, "uid_map: %s", strerror(errno));
	close(fd);
}

void shell_run(struct where at, const char *commands)
{
	check(!system(commands), at, "failed: %s", commands);
}

void netns_enter(struct where at, int ns_fd)
{
	check(!setns(ns_fd, CLONE_NEWNET), at, "setns: %s", strerror(errno));
}

void netns_enter_first(struct where at)
{
	int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);

	check(fd >= 0, at, "namespace of process 1: %s", strerror(errno));
	netns_enter(at, fd);
	close(fd);
}

static int tun_make(struct where at, const char *name, int flags, unsigned int offload)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | flags };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	check(fd >= 0, at, "/dev/net/tun: %s", strerror(errno));
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	check(!ioctl(fd, TUNSETIFF, &ifr), at, "TUNSETIFF: %s", strerror(errno));
	check(!offload || !ioctl(fd, TUNSETOFFLOAD, offload), at, "TUNSETOFFLOAD: %s",
	      strerror(errno));
	link_up(at, name);
	return fd;
}

int tun_new(struct where at, const char *name)
{
	return tun_make(at, name, 0, 0);
}

int tun_new_offload(struct where at, const char *name)
{
	return tun_make(at, name, IFF_VNET_HDR,
			TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN);
}

void veth_new(struct where at, const char *name, int peer_ns,
	      const char *peer_name)
{
	struct rtattr *info, *data, *peer;
	struct ifinfomsg ifi = { 0 };
	struct request rq;

	request_start(&rq, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifi));
	request_attr(&rq, IFLA_IFNAME, name, strlen(name) + 1);
	info = request_attr(&rq, IFLA_LINKINFO, NULL, 0);
	request_attr(&rq, IFLA_INFO_KIND, "veth", 4);
	data = request_attr(&rq, IFLA_INFO_DATA, NULL, 0);
	peer = request_attr(&rq, VETH_INFO_PEER, &ifi, sizeof(ifi));
	request_attr(&rq, IFLA_IFNAME, peer_name, strlen(peer_name) + 1);
	request_attr(&rq, IFLA_NET_NS_FD, &peer_ns, sizeof(peer_ns));
	request_nest_end(&rq, peer);
	request_nest_end(&rq, data);
	request_nest_end(&rq, info);
	request_send(at, &rq, "veth");
}

void link_del(struct where at, const char *name)
{
	struct ifinfomsg *ifi;
	struct request rq;

	ifi = request_start(&rq, RTM_DELLINK, 0, sizeof(*ifi));
	ifi->ifi_index = if_nametoindex(name);
	request_send(at, &rq, "link del");
}

/* A device of that kind, up; @type: an attribute of it, if not 0. */
static void link_new(struct where at, const char *name, const char *kind, int type,
		     uint32_t value)
{
	struct ifinfomsg ifi = { 0 };
	struct rtattr *info, *data;
	struct request rq;

	request_start(&rq, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifi));
	request_attr(&rq, IFLA_IFNAME, name, strlen(name) + 1);
	info = request_attr(&rq, IFLA_LINKINFO, NULL, 0);
	request_attr(&rq, IFLA_INFO_KIND, kind, strlen(kind));
	if (type) {
		data = request_attr(&rq, IFLA_INFO_DATA, NULL, 0);
		request_attr(&rq, type, &value, sizeof(value));
		request_nest_end(&rq, data);
	}
	request_nest_end(&rq, info);
	request_send(at, &rq, kind);
	link_up(at, name);
}

void vrf_new(struct where at, const char *name, uint32_t table)
{
	link_new(at, name, "vrf", IFLA_VRF_TABLE, table);
}

void bridge_new(struct where at, const char *name)
{
	link_new(at, name, "bridge", 0, 0);
}

void dummy_new(struct where at, const char *name)
{
	link_new(at, name, "dummy", 0, 0);
}

void link_set_master(struct where at, const char *name, const char *master)
{
	int index = if_nametoindex(master);
	struct ifinfomsg *ifi;
	struct request rq;

	ifi = request_start(&rq, RTM_NEWLINK, 0, sizeof(*ifi));
	ifi->ifi_index = if_nametoindex(name);
	request_attr(&rq, IFLA_MASTER, &index, sizeof(index));
	request_send(at, &rq, "master");
}

/* A /24 of an address that ipaddr() has mapped to IPv6 is a /64. */
static int prefix_bits(const struct ipaddr *a, int len)
{
	if (a->family == AF_INET || len > 32 || test_family() == AF_INET || !len)
		return len;
	return len == 32 ? 128 : 16 + 2 * len;
}

/* The IP layer's route for a packet to @dst; false: none. */
static bool route_ask(const struct ipaddr *dst, struct request *answer)
{
	int size = dst->family == AF_INET ? 4 : 16;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int oif = context_route_device();
	struct request rq;
	struct rtmsg *rtm;
	bool known;

	rtm = request_start(&rq, RTM_GETROUTE, 0, sizeof(*rtm));
	rq.nlh.nlmsg_flags &= ~NLM_F_ACK;
	rtm->rtm_family = dst->family;
	rtm->rtm_dst_len = size * 8;
	request_attr(&rq, RTA_DST, &dst->v6, size);
	if (oif)
		request_attr(&rq, RTA_OIF, &oif, sizeof(oif));
	known = fd >= 0 && send(fd, &rq, rq.nlh.nlmsg_len, 0) >= 0 &&
		recv(fd, answer, sizeof(*answer), 0) >= 0 &&
		answer->nlh.nlmsg_type == RTM_NEWROUTE;
	close(fd);
	return known;
}

/*
 * An IPv6 address becomes the host's own a moment after it was added, in a work item
 * of the kernel.
 */
static void address_wait(struct where at, const struct ipaddr *addr)
{
	struct request answer;
	const struct rtmsg *rtm = NLMSG_DATA(&answer.nlh);

	for (int tries = 0; tries < 1000; tries++) {
		if (route_ask(addr, &answer) && rtm->rtm_type == RTN_LOCAL)
			return;
		sleep_ms(1);
	}
	check(false, at, "the address does not become the host's");
}

static int address_ask(struct where at, int type, int flags, const char *dev,
		       const struct ipaddr *addr, int prefix_len)
{
	int size = addr->family == AF_INET ? 4 : 16;
	struct ifaddrmsg *ifa;
	struct request rq;

	ifa = request_start(&rq, type, flags, sizeof(*ifa));
	ifa->ifa_family = addr->family;
	ifa->ifa_prefixlen = prefix_bits(addr, prefix_len);
	ifa->ifa_index = if_nametoindex(dev);
	if (addr->family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	request_attr(&rq, IFA_LOCAL, &addr->v6, size);
	request_attr(&rq, IFA_ADDRESS, &addr->v6, size);
	return request_try(at, &rq, "address");
}

void address_add(struct where at, const char *dev, const struct ipaddr *addr,
		 int prefix_len)
{
	int err = address_ask(at, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, dev, addr, prefix_len);

	check(!err, at, "address on %s: %s", dev, strerror(err));
	if (addr->family == AF_INET6)
		address_wait(at, addr);
}

void address_del(struct where at, const char *dev, const struct ipaddr *addr, int prefix_len)
{
	int err = address_ask(at, RTM_DELADDR, 0, dev, addr, prefix_len);

	check(!err, at, "no address on %s: %s", dev, strerror(err));
}

int address_set(struct where at, const char *dev, const struct ipaddr *addr, int prefix_len,
		bool there)
{
	return there ?
	       address_ask(at, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, dev, addr, prefix_len) :
	       address_ask(at, RTM_DELADDR, 0, dev, addr, prefix_len);
}

void address_renew(struct where at, const char *dev, const struct ipaddr *addr, int prefix_len)
{
	address_del(at, dev, addr, prefix_len);
	address_add(at, dev, addr, prefix_len);
	sleep_ms(1000);
}

/* The metrics that were given, by their number. */
static void metrics_put(struct request *rq, const struct route_metrics *m)
{
	struct rtattr *nest = request_attr(rq, RTA_METRICS, NULL, 0);

	for (int i = 1; i <= RTAX_MAX; i++)
		if (m->value[i])
			request_attr(rq, i, &m->value[i], sizeof(m->value[i]));
	if (m->congctl)
		request_attr(rq, RTAX_CC_ALGO, m->congctl, strlen(m->congctl) + 1);
	request_nest_end(rq, nest);
}

static void route_put(struct where at, const struct ipaddr *dst, int prefix_len,
		      const struct ipaddr *gw, const char *dev,
		      const struct route_metrics *metrics)
{
	int size = dst->family == AF_INET ? 4 : 16;
	int index = if_nametoindex(dev);
	struct request rq;
	struct rtmsg *rtm;

	rtm = request_start(&rq, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
			    sizeof(*rtm));
	rtm->rtm_family = dst->family;
	rtm->rtm_dst_len = prefix_bits(dst, prefix_len);
	rtm->rtm_table = context_route_table();
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = dst->family == AF_INET && !gw ? RT_SCOPE_LINK :
			 RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	if (prefix_len)
		request_attr(&rq, RTA_DST, &dst->v6, size);
	if (gw)
		request_attr(&rq, RTA_GATEWAY, &gw->v6, size);
	request_attr(&rq, RTA_OIF, &index, sizeof(index));
	if (metrics)
		metrics_put(&rq, metrics);
	request_send(at, &rq, "route");
}

void route_add(struct where at, const struct ipaddr *dst, int prefix_len,
	       const struct ipaddr *gw, const char *dev)
{
	route_put(at, dst, prefix_len, gw, dev, NULL);
}

void route_add_metrics(struct where at, const struct ipaddr *dst, int prefix_len,
		       const char *dev, const struct route_metrics *metrics)
{
	route_put(at, dst, prefix_len, NULL, dev, metrics);
}

void route_add_default(struct where at, const char *dev, int family)
{
	struct ipaddr any = { .family = family };

	route_add(at, &any, 0, NULL, dev);
}

struct ipaddr route_gateway(struct where at, const struct ipaddr *dst)
{
	int size = dst->family == AF_INET ? 4 : 16;
	struct ipaddr gw = { 0 };
	struct request answer;
	struct rtmsg *rtm;
	struct rtattr *rta;
	int len;

	check(route_ask(dst, &answer), at, "no route");
	rtm = NLMSG_DATA(&answer.nlh);
	len = RTM_PAYLOAD(&answer.nlh);
	for (rta = RTM_RTA(rtm); RTA_OK(rta, len); rta = RTA_NEXT(rta, len)) {
		if (rta->rta_type != RTA_GATEWAY)
			continue;
		gw.family = dst->family;
		memcpy(&gw.v6, RTA_DATA(rta), size);
	}
	return gw;
}

/* netem's probabilities are 32-bit fractions. */
static uint32_t netem_fraction(double percent)
{
	return percent / 100 * UINT32_MAX;
}

/* TCA_NETEM_PRNG_SEED, which older headers lack. */
#define NETEM_SEED (TCA_NETEM_JITTER64 + 3)

/* The queue of all packets that leave through @dev; its options follow. */
static void request_qdisc(struct request *rq, const char *dev, const char *kind)
{
	struct tcmsg *tcm;

	tcm = request_start(rq, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = if_nametoindex(dev);
	tcm->tcm_parent = TC_H_ROOT;
	request_attr(rq, TCA_KIND, kind, strlen(kind) + 1);
}

void shaper_set(struct where at, const char *dev, uint32_t bytes_per_s, uint32_t limit)
{
	struct tc_tbf_qopt qopt = {
		.rate = { .rate = bytes_per_s, .linklayer = TC_LINKLAYER_ETHERNET },
		.limit = limit,
	};
	uint32_t burst = 1600;		/* a packet */
	struct request rq;
	struct rtattr *opt;

	request_qdisc(&rq, dev, "tbf");
	opt = request_attr(&rq, TCA_OPTIONS, NULL, 0);
	request_attr(&rq, TCA_TBF_PARMS, &qopt, sizeof(qopt));
	request_attr(&rq, TCA_TBF_BURST, &burst, sizeof(burst));
	request_nest_end(&rq, opt);
	request_send(at, &rq, "tbf");
}

void netem_set(struct where at, const char *dev, const struct netem *netem)
{
	struct tc_netem_qopt qopt = {
		.limit = netem->limit ?: 1000,
		.loss = netem_fraction(netem->loss),
		.duplicate = netem_fraction(netem->duplicate),
		.gap = netem->reorder ? 1 : 0,
	};
	struct tc_netem_reorder reorder = {
		.probability = netem_fraction(netem->reorder),
	};
	struct tc_netem_corrupt corrupt = {
		.probability = netem_fraction(netem->corrupt),
	};
	uint64_t rate = netem->rate_mbit * 1e6 / 8;	/* bytes/s */
	struct tc_netem_rate link = { .rate = rate < UINT32_MAX ? rate : UINT32_MAX };
	int64_t delay_ns = netem->delay_ms * 1e6, jitter_ns = netem->jitter_ms * 1e6;
	struct request rq;
	struct rtattr *opt;

	request_qdisc(&rq, dev, "netem");
	opt = request_attr(&rq, TCA_OPTIONS, &qopt, sizeof(qopt));
	request_attr(&rq, TCA_NETEM_LATENCY64, &delay_ns, sizeof(delay_ns));
	request_attr(&rq, TCA_NETEM_JITTER64, &jitter_ns, sizeof(jitter_ns));
	if (netem->reorder)
		request_attr(&rq, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	if (netem->corrupt)
		request_attr(&rq, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
	if (netem->ecn)
		request_attr(&rq, TCA_NETEM_ECN, &(uint32_t){ 1 }, sizeof(uint32_t));
	if (netem->rate_mbit)
		request_attr(&rq, TCA_NETEM_RATE, &link, sizeof(link));
	if (netem->seed)
		request_attr(&rq, NETEM_SEED, &netem->seed, sizeof(netem->seed));
	request_nest_end(&rq, opt);
	request_send(at, &rq, "netem");
}

void fq_set(struct where at, const char *dev)
{
	struct request rq;

	request_qdisc(&rq, dev, "fq");
	request_send(at, &rq, "fq");
}

void pfifo_set(struct where at, const char *dev, uint32_t limit)
{
	struct tc_fifo_qopt qopt = { .limit = limit };
	struct request rq;

	request_qdisc(&rq, dev, "pfifo");
	request_attr(&rq, TCA_OPTIONS, &qopt, sizeof(qopt));
	request_send(at, &rq, "pfifo");
}
