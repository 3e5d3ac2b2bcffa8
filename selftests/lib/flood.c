// SPDX-License-Identifier: GPL-2.0
/* flood: see flood.h. */
#include "flood.h"

#include <sys/socket.h>

static struct flood flood;

struct ipaddr flood_source(uint32_t n)
{
	uint32_t word = htonl(0x14000000 + (n * 2654435761u & 0x3fffffff));
	struct ipaddr a = { .family = test_family() };

	if (a.family == AF_INET) {
		a.v4.s_addr = word;
		return a;
	}
	/* Each from a network of its own, 2001:db8:14xx:xxxx::1. */
	memcpy(a.v6.s6_addr, (uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8 }, 4);
	memcpy(a.v6.s6_addr + 4, &word, 4);
	a.v6.s6_addr[15] = 1;
	return a;
}

/* A SYN with the options of Linux and others, or a bare ACK. */
static void packet_make(struct flood *f, uint8_t *packet)
{
	static uint8_t buf[PACKET_MAX];
	uint32_t n = f->count++;
	struct segment_spec s = SEGMENT_SPEC(
		.src = flood_source(n), .dst = f->dst, .proto = f->proto,
		.sport = 1024 + n % 60000, .dport = f->port, .flags = f->flags,
		.seq = n * 1000003u, .ack = f->flags & ACK ? n * 777767777u : 0,
		.wnd = 64240, .bad_csum = f->wrong == BAD_TCP_CSUM);

	if (f->flags & SYN)
		s.opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(n, 0), OPT_NOP, OPT_WSCALE(7));
	f->len = segment_build(&s, buf);
	must(f->len <= (int)sizeof(f->packet[0]), "a segment of %d", f->len);
	/*
	 * IPv6 has no header checksum; a packet shorter than it says is dropped at
	 * that point.
	 */
	if (f->wrong == BAD_IP_CSUM)
		buf[test_family() == AF_INET6 ? 4 : 10] ^= 0x55;
	memcpy(packet, buf, f->len);
}

static int answers_take(struct flood *f, int flags)
{
	int flags_at = (test_family() == AF_INET6 ? 40 : 20) + 13;
	uint8_t buf[256];
	int n = 0;

	while (read(f->tun, buf, sizeof(buf)) > 0) {
		must(!flags || (buf[flags_at] & (SYN | ACK | RST)) == flags,
		     "an answer with flags %#x", buf[flags_at]);
		n++;
	}
	return n;
}

void flood_load(struct flood *f)
{
	for (int i = 0; i < FLOOD_BATCH; i++)
		packet_make(f, f->packet[i]);
	f->next = 0;
}

/* Makes the next batch ready, and takes the answers out of the device. */
static void reload(void *arg)
{
	answers_take(arg, 0);
	flood_load(arg);
}

void flood_inject(void *arg)
{
	struct flood *f = arg;

	must(write(f->tun, f->packet[f->next], f->len) == f->len, "write: %s",
	     strerror(errno));
	f->next++;
}

static void inject_all(struct flood *f)
{
	flood_load(f);
	while (f->next < FLOOD_BATCH)
		flood_inject(f);
}

void flood_batch(struct flood *f)
{
	inject_all(f);
	answers_take(f, 0);
}

void flood_expect(struct flood *f, int flags)
{
	int n;

	answers_take(f, 0);
	inject_all(f);
	n = answers_take(f, flags);
	must(n == (flags ? FLOOD_BATCH : 0), "%d answers to %d segments", n, FLOOD_BATCH);
}

void flood_sink(void)
{
	struct ipaddr any = { .family = test_family() };
	struct ipaddr here = ipaddr("10.1.0.1"), gateway = ipaddr("10.1.0.2");

	dummy_new(HERE, "sink0");
	address_add(HERE, "sink0", &here, 24);
	/* So that not each of them becomes a neighbour. */
	route_add(HERE, &any, 0, &gateway, "sink0");
}

struct flood *flood_open_here(const struct ipaddr *dst)
{
	struct flood *f = &flood;
	struct ipaddr here = ipaddr("10.7.0.1"), gateway = ipaddr("10.7.0.2");
	struct ipaddr any = { .family = test_family() };

	f->tun = tun_new(HERE, "tun0");
	address_add(HERE, "tun0", &here, 24);
	/* Over IPv6 each of them would be a neighbour, made and announced. */
	if (test_family() == AF_INET6)
		route_add(HERE, &any, 0, &gateway, "tun0");
	else
		route_add_default(HERE, "tun0", AF_INET);
	f->dst = *dst;
	f->proto = bench_proto();
	f->flags = SYN;
	f->port = FLOOD_PORT;
	return f;
}

struct flood *flood_open(void)
{
	struct ipaddr dst = ipaddr("10.7.0.1");

	netns_new(HERE);
	if (test_family() == AF_INET)
		sysctl_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	else
		sysctl_write("/proc/sys/net/ipv6/conf/default/router_solicitations", "0");
	return flood_open_here(&dst);
}

void flood_go_tcp(struct flood *f)
{
	f->proto = IPPROTO_TCP;
	must(bench_is_stock() || !knob_set("wire", XTCP_WIRE_TCP), "wire");
}

static int socket_at(int port)
{
	struct ipaddr any = { .family = test_family() };
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&any, port, &sa);
	int fd = socket(test_family(), SOCK_STREAM, bench_proto());

	must(fd >= 0 && !bind(fd, (void *)&sa, len), "bind: %s", strerror(errno));
	return fd;
}

void flood_bind(int port)
{
	socket_at(port);
}

int flood_listen(int backlog, int max_syn_backlog, int cookies)
{
	int fd;

	must(!sysctl_write("/proc/sys/net/core/somaxconn", "4194304"), "somaxconn");
	must(!knob_set("max_syn_backlog", max_syn_backlog), "max_syn_backlog");
	must(!knob_set("syncookies", cookies), "syncookies");
	fd = socket_at(FLOOD_PORT);
	must(!listen(fd, backlog), "listen: %s", strerror(errno));
	return fd;
}

double flood_injector_cost(struct flood *f)
{
	enum flood_wrong wrong = f->wrong;
	double cost;

	f->wrong = BAD_IP_CSUM;
	reload(f);
	bench_profile_off(true);
	cost = bench_cost_between(flood_inject, reload, f, FLOOD_BATCH);
	bench_profile_off(false);
	f->wrong = wrong;
	return cost;
}

double flood_cost(struct flood *f)
{
	double injector = flood_injector_cost(f);

	reload(f);
	return bench_cost_between(flood_inject, reload, f, FLOOD_BATCH) - injector;
}
