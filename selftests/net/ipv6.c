// SPDX-License-Identifier: GPL-2.0
/*
 * ipv6: IPv6 alone: both families on one listener, scopes, flow labels, and invalid
 * addresses. net/ipv6* has the rest, and most programs run over IPv6 as well. RFC
 * 4007, RFC 4291, RFC 6437.
 */
/* vm: short wires */
#include "lib/xtcp_test.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


PEER_FIXTURE(ipv6);

FIXTURE_VARIANT_ADD(ipv6, native) { .setup = { .family = AF_INET6 } };

static struct sockaddr_in6 at(const char *addr, int port, int scope)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6, .sin6_port = htons(port),
		.sin6_scope_id = scope, .sin6_addr = ipaddr(addr).v6,
	};

	return sa;
}

static struct sockaddr_in at4(in_addr_t addr, int port)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(addr),
	};

	return sa;
}

static int do_bind(int fd, struct sockaddr_in6 sa)
{
	return errno_of(bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int do_bind4(int fd, struct sockaddr_in sa)
{
	return errno_of(bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int do_connect(int fd, struct sockaddr_in6 sa)
{
	return errno_of(connect(fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int do_connect4(int fd, struct sockaddr_in sa)
{
	return errno_of(connect(fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int tcp6(void)
{
	return socket(AF_INET6, SOCK_STREAM, stream_proto());
}

static int tcp4(void)
{
	return socket(AF_INET, SOCK_STREAM, stream_proto());
}

static int option_set(int fd, int option, int value)
{
	return errno_of(setsockopt(fd, IPPROTO_IPV6, option, &value, sizeof(value)));
}

static uint32_t label_of(const struct segment *s)
{
	return (s->packet[1] & 15) << 16 | s->packet[2] << 8 | s->packet[3];
}

/* --- both families ---------------------------------------------------------- */

TEST_F(ipv6, dual_stack_listener_takes_both)
{
	int lfd = tcp6(), c4 = tcp4(), c6 = tcp6(), fd;
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);

	ASSERT_EQ(0, do_bind(lfd, at("::", 7000, 0)));
	ASSERT_EQ(0, listen(lfd, 4));
	ASSERT_EQ(0, do_connect4(c4, at4(INADDR_LOOPBACK, 7000)));
	fd = accept(lfd, (struct sockaddr *)&from, &len);
	ASSERT_LE(0, fd);
	EXPECT_EQ(AF_INET6, from.sin6_family);
	EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
	EXPECT_EQ(htonl(INADDR_LOOPBACK), from.sin6_addr.s6_addr32[3]);
	ASSERT_EQ(2, write(c4, "hi", 2));
	ASSERT_EQ(2, read(fd, &(char[2]){ 0 }, 2));
	close(fd);

	ASSERT_EQ(0, do_connect(c6, at("::1", 7000, 0)));
	len = sizeof(from);
	fd = accept(lfd, (struct sockaddr *)&from, &len);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&from.sin6_addr));
	ASSERT_EQ(2, write(fd, "ho", 2));
	ASSERT_EQ(2, read(c6, &(char[2]){ 0 }, 2));
}

TEST_F(ipv6, v6only_listener_leaves_ipv4_alone)
{
	int lfd = tcp6(), c4 = tcp4(), other = tcp4();

	ASSERT_EQ(0, option_set(lfd, IPV6_V6ONLY, 1));
	ASSERT_EQ(0, do_bind(lfd, at("::", 7000, 0)));
	EXPECT_EQ(EINVAL, option_set(lfd, IPV6_V6ONLY, 0));
	ASSERT_EQ(0, listen(lfd, 4));
	EXPECT_EQ(ECONNREFUSED, do_connect4(c4, at4(INADDR_LOOPBACK, 7000)));
	ASSERT_EQ(0, do_bind4(other, at4(INADDR_ANY, 7000)));
	ASSERT_EQ(0, listen(other, 4));
	close(c4);
	c4 = tcp4();
	EXPECT_EQ(0, do_connect4(c4, at4(INADDR_LOOPBACK, 7000)));
}

TEST_F(ipv6, bind_conflicts_across_families)
{
	static const struct {
		const char *v6;
		in_addr_t v4;
		int only, error;
	} cases[] = {
		{ "::", INADDR_ANY, 0, EADDRINUSE },
		{ "::", INADDR_LOOPBACK, 0, EADDRINUSE },
		{ "::", INADDR_ANY, 1, 0 },
		{ "::1", INADDR_ANY, 0, 0 },
		{ "::1", INADDR_LOOPBACK, 0, 0 },
		{ "::ffff:127.0.0.1", INADDR_ANY, 0, EADDRINUSE },
		{ "::ffff:127.0.0.1", INADDR_LOOPBACK, 0, EADDRINUSE },
	};

	for (int i = 0; i < (int)(sizeof(cases) / sizeof(cases[0])); i++) {
		for (int order = 0; order < 2; order++) {
			int s6 = tcp6(), s4 = tcp4(), first, second;

			ASSERT_EQ(0, option_set(s6, IPV6_V6ONLY, cases[i].only));
			if (order) {
				first = do_bind(s6, at(cases[i].v6, 7000, 0));
				second = do_bind4(s4, at4(cases[i].v4, 7000));
			} else {
				first = do_bind4(s4, at4(cases[i].v4, 7000));
				second = do_bind(s6, at(cases[i].v6, 7000, 0));
			}
			EXPECT_EQ(0, first);
			EXPECT_EQ(cases[i].error, second)
				TH_LOG("%s, case %d, order %d", cases[i].v6, i, order);
			close(s6);
			close(s4);
		}
	}
}

/* A port at one address and at others that differ from it in 32 bits of the 128. */
TEST_F(ipv6, bind_to_addresses_that_differ_anywhere)
{
	static const char *const addrs[] = {
		"fd00:a:1:2:3:4:5:6", "fd00:b:1:2:3:4:5:6", "fd00:a:1:3:3:4:5:6",
		"fd00:a:1:2:3:7:5:6", "fd00:a:1:2:3:4:5:7",
	};
	int fds[ARRAY_SIZE(addrs)];

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1"));
	for (unsigned int i = 0; i < ARRAY_SIZE(addrs); i++) {
		fds[i] = tcp6();
		EXPECT_EQ(0, do_bind(fds[i], at(addrs[i], 7000, 0))) TH_LOG("%s", addrs[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(addrs); i++)
		close(fds[i]);
}

TEST_F(ipv6, connect_to_a_mapped_address_is_ipv4)
{
	int lfd = tcp4(), fd = tcp6(), only = tcp6();
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);

	ASSERT_EQ(0, do_bind4(lfd, at4(INADDR_LOOPBACK, 7000)));
	ASSERT_EQ(0, listen(lfd, 4));
	ASSERT_EQ(0, do_connect(fd, at("::ffff:127.0.0.1", 7000, 0)));
	ASSERT_EQ(0, getsockname(fd, (struct sockaddr *)&name, &len));
	EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&name.sin6_addr));
	ASSERT_EQ(0, getpeername(fd, (struct sockaddr *)&name, &len));
	EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&name.sin6_addr));
	ASSERT_EQ(0, option_set(only, IPV6_V6ONLY, 1));
	EXPECT_EQ(ENETUNREACH, do_connect(only, at("::ffff:127.0.0.1", 7000, 0)));
}

/* Also if a route to the peer is cached. */
TEST_F(ipv6, connect_from_a_mapped_address_to_ipv6_is_refused)
{
	int fd = tcp6(), first = tcp6();
	struct peer *p = &self->peer;

	/* ::c8 is a multiple of eight: both attempts have the same entry of the cache. */
	fd_nonblock(first);
	ASSERT_EQ(EINPROGRESS, do_connect(first, at("fd00:a::c8", 80, 0)));
	peer_expect(p, .flags = SYN, .dst = ipaddr("fd00:a::c8"), .sport = ANYWHERE, .dport = 80);
	ASSERT_EQ(0, do_bind(fd, at("::ffff:127.0.0.1", 0, 0)));
	EXPECT_EQ(EAFNOSUPPORT, do_connect(fd, at("fd00:a::c8", 80, 0)));
	peer_expect_silence(p, 10);
	socket_abort(first);
	p->leave_unread = true;
}

TEST_F(ipv6, connect_to_any_is_loopback)
{
	int lfd = tcp6(), fd = tcp6();

	ASSERT_EQ(0, do_bind(lfd, at("::1", 7000, 0)));
	ASSERT_EQ(0, listen(lfd, 4));
	EXPECT_EQ(0, do_connect(fd, at("::", 7000, 0)));
}

/* --- scopes --------------------------------------------------------------- */

TEST_F(ipv6, rfc4007_link_local_needs_its_link)
{
	struct peer *p = &self->peer;
	int tun = if_nametoindex("tun0");
	int fd = tcp6();

	EXPECT_EQ(EINVAL, do_connect(fd, at("fe80::2", 7000, 0)));
	EXPECT_EQ(EINVAL, do_bind(fd, at("fe80::1", 7000, 0)));
	fd_nonblock(fd);
	EXPECT_EQ(EINPROGRESS, do_connect(fd, at("fe80::2", 7000, tun)));
	peer_expect(p, .flags = SYN, .src = p->kernel, .dst = ipaddr("fe80::2"),
		    .sport = ANYWHERE, .dport = 7000);
	close(fd);
}

/* The link of a peer on a VRF is the slave, whatever the listener is bound to. */
static void link_local_peer(struct __test_metadata *_metadata, struct peer *p, const char *dev)
{
	struct ipaddr here = ipaddr("fe80::a"), there = ipaddr("fe80::2");
	int lfd = tcp6(), fd;
	char bound[IFNAMSIZ] = "";
	socklen_t len = sizeof(bound);
	uint32_t nxt;

	if (dev)
		ASSERT_EQ(0, setsockopt(lfd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)));
	ASSERT_EQ(0, do_bind(lfd, at("::", KERNEL_PORT, 0)));
	ASSERT_EQ(0, listen(lfd, 4));
	peer_send(p, .flags = SYN, .seq = 100, .src = there, .dst = here);
	nxt = peer_expect(p, .flags = SYN | ACK, .ack = 101, .src = here, .dst = there)->seq + 1;
	peer_send(p, .flags = ACK, .seq = 101, .ack = nxt, .src = there, .dst = here);
	fd = accept(lfd, NULL, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bound, &len));
	EXPECT_STREQ("tun1", bound);
	ASSERT_EQ(4, send(fd, "text", 4, 0));
	peer_expect(p, .flags = ACK | PSH, .seq = nxt, .ack = 101, .data = "text", .src = here,
		    .dst = there);
	peer_send(p, .flags = RST, .seq = 101, .src = there, .dst = here);
	close(fd);
	close(lfd);
	/* A closed port: no socket has a part in the answer, which stock TCP gives on its wire. */
	p->stock_may_speak = stream_wire() == XTCP_WIRE_TCP;
	peer_send(p, .flags = SYN, .seq = 200, .src = there, .dst = here);
	peer_expect(p, .flags = RST | ACK, .ack = 201, .src = here, .dst = there);
}

TEST_F(ipv6, rfc4007_link_local_peers_of_a_vrf)
{
	struct peer *p = &self->peer;
	int usual = p->tun;

	p->tun = tun_new(WHERE(_metadata), "tun1");
	shell_run(WHERE(_metadata), "ip link add red type vrf table 10 && ip link set red up && "
		  "ip link set tun1 master red && ip addr add fe80::a/64 dev tun1 nodad");
	link_local_peer(_metadata, p, "red");
	link_local_peer(_metadata, p, "tun1");
	ASSERT_EQ(0, knob_set("l3mdev_accept", 1));
	sysctl_write("/proc/sys/net/ipv4/tcp_l3mdev_accept", "1");
	link_local_peer(_metadata, p, NULL);
	close(p->tun);
	p->tun = usual;
}

/* The same as in net/demux, over IPv6. */
TEST_F(ipv6, netfilter_queue_an_address_that_returns)
{
	struct peer *p = &self->peer;
	struct nfqueue q;
	struct conn c;

	conn_open(p, &c);
	nfqueue_open(WHERE(_metadata), &q);
	nfqueue_fill(WHERE(_metadata), AF_INET6, "input");
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	nfqueue_take(WHERE(_metadata), &q);
	address_renew(WHERE(_metadata), "tun0", &p->kernel, 64);
	nfqueue_accept(WHERE(_metadata), &q);
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	close(q.nl);
}

TEST_F(ipv6, netfilter_queue_a_verdict_that_skips_the_hook)
{
	struct peer *p = &self->peer;
	struct nfqueue q;
	struct conn c;

	conn_open(p, &c);
	for (int i = 0; i < 2; i++) {
		conn_send(&c, .flags = ACK | PSH, .data = "word");
		conn_expect(&c, .flags = ACK, .within_ms = 210);
	}
	nfqueue_open(WHERE(_metadata), &q);
	nfqueue_fill(WHERE(_metadata), AF_INET6, "input");
	p->stock_may_speak = true;
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	nfqueue_stop(WHERE(_metadata), &q);
	if (stream_wire() == XTCP_WIRE_TCP && !stock_mode())
		conn_expect(&c, .flags = RST, .seq = 1);
	else
		conn_expect(&c, .flags = ACK, .within_ms = 210);
	close(q.nl);
}

TEST_F(ipv6, connect_to_a_group_is_refused)
{
	EXPECT_EQ(ENETUNREACH, do_connect(tcp6(), at("ff02::1", 7000, 0)));
}

/* --- what the header says ---------------------------------------------------- */

TEST_F(ipv6, rfc9293_must_15_default_mss_is_1220)
{
	struct peer *p = &self->peer;
	char text[4000] = { 0 };
	struct conn c;

	conn_open(p, &c, .no_opt = true);
	ASSERT_EQ(sizeof(text), write(c.fd, text, sizeof(text)));
	conn_expect(&c, .seq = 1, .len = 1220);
	p->leave_unread = true;
}

TEST_F(ipv6, rfc6437_label_is_the_connections)
{
	struct peer *p = &self->peer;
	uint32_t label;
	struct conn c;
	int lfd;

	lfd = peer_listen(p, KERNEL_PORT, 4);
	conn_open(p, &c, .lfd = lfd);
	label = label_of(&p->last);
	EXPECT_NE(0, label);
	ASSERT_EQ(1, write(c.fd, "a", 1));
	conn_expect(&c, .seq = 1, .data = "a");
	EXPECT_EQ(label, label_of(&p->last));
	/* A loss: the path may be the reason. */
	conn_expect(&c, .seq = 1, .data = "a", .within_ms = 1000);
	if (label == label_of(&p->last))	/* of tail loss probes, and one in 2^19 */
		conn_expect(&c, .seq = 1, .data = "a", .within_ms = 3000);
	EXPECT_NE(label, label_of(&p->last));
	p->leave_unread = true;
}

/* The label of an answer of no connection. */
static uint32_t label_of_rst(struct peer *p)
{
	peer_hold(p, 9);
	peer_send(p, .flags = ACK, .ack = 7, .dport = 9);
	return label_of(peer_expect(p, .flags = RST, .seq = 7, .sport = 9));
}

/* Nobody can compute it: each namespace has a key of its own. By chance 1 in 2^19 is equal. */
TEST_F(ipv6, rfc6437_label_is_of_a_key)
{
	struct peer other;
	uint32_t label;

	NOT_ON_STOCK();
	label = label_of_rst(&self->peer);
	EXPECT_EQ(label, label_of_rst(&self->peer));
	peer_open_at(WHERE(_metadata), &other, &(struct peer_setup){ .family = AF_INET6 });
	EXPECT_NE(label, label_of_rst(&other));
	peer_close_at(WHERE(_metadata), &other);
}

TEST_F(ipv6, opt_hops_and_class)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(0, option_set(c.fd, IPV6_UNICAST_HOPS, 7));
	ASSERT_EQ(0, option_set(c.fd, IPV6_TCLASS, 0xb8));
	ASSERT_EQ(1, write(c.fd, "a", 1));
	conn_expect(&c, .seq = 1, .data = "a", .ttl = 7, .tos = 0xb8);
	p->leave_unread = true;
}

/* --- bad input ------------------------------------------------------------- */

TEST_F(ipv6, rfc4291_invalid_sources)
{
	static const char *const bad[] = {
		"::", "ff02::1", "ff0e::1234", "::ffff:10.0.0.2", "::1",
	};
	struct peer *p = &self->peer;

	peer_listen(p, KERNEL_PORT, 4);
	for (int i = 0; i < (int)(sizeof(bad) / sizeof(bad[0])); i++) {
		struct ipaddr src = { .family = AF_INET6, .v6 = at(bad[i], 0, 0).sin6_addr };

		peer_send(p, .src = src, .flags = SYN, .seq = 1000);
		peer_send(p, .src = src, .flags = ACK, .seq = 1, .ack = 1);
		/* On the TCP wire this port would belong to the kernel's TCP. */
		if (p->wire == XTCP_WIRE_NATIVE)
			peer_send(p, .src = src, .flags = SYN, .seq = 1000, .dport = 9);
	}
	peer_expect_silence(p, 100);
	EXPECT_EQ(0, proc_rows(AF_INET6, ROW_SYN_RECEIVED));
}

TEST_F(ipv6, rfc9293_must_57_not_to_a_group)
{
	struct peer *p = &self->peer;

	/* The hook leaves it to the kernel's TCP, which counts and drops it. */
	p->stock_may_speak = true;
	peer_listen(p, KERNEL_PORT, 4);
	peer_send(p, .dst = ipaddr("ff02::1"), .flags = SYN, .seq = 1000);
	if (p->wire == XTCP_WIRE_NATIVE)
		peer_send(p, .dst = ipaddr("ff02::1"), .flags = SYN, .seq = 1000,
			  .dport = 9);
	peer_expect_silence(p, 100);
}

/* --- limits and counters ----------------------------------------------------- */

TEST_F(ipv6, knob_syn_per_source_prefix6)
{
	static const char *const near[] = {
		"fd00:a:0:0:1::1", "fd00:a::ffff:0:0:2", "fd00:a::3",
	};
	struct peer *p = &self->peer;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("syn_per_source_limit", 2));
	ASSERT_EQ(0, knob_set("syncookies", 0));
	peer_listen(p, KERNEL_PORT, 64);
	for (int i = 0; i < 2; i++) {
		peer_send(p, .src = ipaddr(near[i]), .flags = SYN, .seq = 1000);
		peer_expect(p, .flags = SYN | ACK, .dst = ipaddr(near[i]));
	}
	peer_send(p, .src = ipaddr(near[2]), .flags = SYN, .seq = 1000);
	peer_expect_silence(p, 100);
	/* Segments of the next link come from another source address. */
	peer_send(p, .src = ipaddr("fd00:a:0:1::1"), .flags = SYN, .seq = 1000);
	peer_expect(p, .flags = SYN | ACK, .dst = ipaddr("fd00:a:0:1::1"));
}

/*
 * No peer can know the key of the address digest (net/ipv6.c). If it were zero, these five
 * addresses would have one digest, and four connections with the same ports would keep the fifth
 * one out (ALIKE_MAX). They were found by computing hsiphash_4u32() of 2^28 addresses of
 * fd00:d::/96, in the words of a little-endian machine of 64 bits, and sorting the results.
 */
TEST_F(ipv6, addresses_are_digested_by_a_secret)
{
	static const char *const peers[] = {
		"fd00:d::4ac:b1f", "fd00:d::4c3:eb3d", "fd00:d::4c5:a896",
		"fd00:d::5a2:186b", "fd00:d::9fd:c0b7",
	};
	struct peer *p = &self->peer;
	int lfd;

	route_add_default(WHERE(_metadata), "tun0", AF_INET6);
	lfd = peer_listen(p, KERNEL_PORT, 64);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		peer_send(p, .src = ipaddr(peers[i]), .flags = SYN, .seq = 1000);
		peer_expect(p, .flags = SYN | ACK, .dst = ipaddr(peers[i]), .ack = 1001);
	}
	EXPECT_EQ((int)ARRAY_SIZE(peers), proc_rows(AF_INET6, ROW_SYN_RECEIVED));
	close(lfd);
}

TEST_F(ipv6, kill_takes_brackets)
{
	struct peer *p = &self->peer;
	int fd = open("/proc/net/xtcp_kill", O_WRONLY);
	const char *line = "[fd00:a::1]:5000 [fd00:a::2]:40000\n";
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_LE(0, fd);
	conn_open(p, &c);
	ASSERT_EQ((ssize_t)strlen(line), write(fd, line, strlen(line)));
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_EQ(ECONNABORTED, socket_error(c.fd));
}

TEST_F(ipv6, proc_tcp6_format)
{
	struct peer *p = &self->peer;
	char line[256] = "", want[128];
	struct proc_row row;
	struct conn c;
	FILE *f;

	conn_open(p, &c);
	ASSERT_TRUE(proc_row_find(&row, AF_INET6, KERNEL_PORT, c.pport, NULL));
	EXPECT_TRUE(ipaddr_equal(&p->kernel, &row.local));
	EXPECT_TRUE(ipaddr_equal(&p->addr, &row.remote));
	f = fopen(proc_path(AF_INET6), "re");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("  sl  local_address                         "
		     "remote_address                        "
		     "st tx_queue rx_queue tr tm->when retrnsmt"
		     "   uid  timeout inode\n", line);
	fclose(f);
	snprintf(want, sizeof(want), ": 0A0000FD000000000000000001000000:1388");
	EXPECT_NE(NULL, strstr(row.line, "0000000001000000:1388 "))
		TH_LOG("%s", row.line);
	EXPECT_EQ(0, proc_rows(AF_INET, 0));
}

TEST_HARNESS_MAIN
