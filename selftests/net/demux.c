// SPDX-License-Identifier: GPL-2.0
/*
 * demux: a segment of an open connection is not routed again; one of an unknown peer
 * is, until the input route cache has its route. The kernel traces its lookups
 * (fib:fib_table_lookup); those for arriving packets name the device. (inroute.c tests
 * which are refused.)
 */
/* vm: wires short */
/* vm: still=netfilter_queue_unknown_peers_are_routed_each */
/* vm: still=failed_calls_register_no_hook */
#include "lib/xtcp_test.h"

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define TRACING "/tmp/xtcp-fib"
#define BUFFER TRACING "/instances/demux"

FIXTURE(demux) {
	struct peer peer;
};

/* Lookups for outgoing packets name device 1, loopback, as the origin. */
FIXTURE_SETUP(demux)
{
	peer_open_at(WHERE(_metadata), &self->peer, NULL);
	mkdir(TRACING, 0700);
	if (mount("tracefs", TRACING, "tracefs", 0, NULL))
		ASSERT_EQ(EBUSY, errno);
	rmdir(BUFFER);
	ASSERT_EQ(0, mkdir(BUFFER, 0700)) TH_LOG("%s", strerror(errno));
	file_write(_metadata, BUFFER "/events/fib/fib_table_lookup/filter", "iif > 1");
	file_write(_metadata, BUFFER "/events/fib/fib_table_lookup/enable", "1");
}

FIXTURE_TEARDOWN(demux)
{
	file_write(_metadata, BUFFER "/events/fib/fib_table_lookup/enable", "0");
	EXPECT_EQ(0, rmdir(BUFFER));
	EXPECT_EQ(0, umount(TRACING));
	peer_close_at(WHERE(_metadata), &self->peer);
}

/* The number of lines of the trace with @word; empties the trace. */
static int traced(struct __test_metadata *_metadata, const char *word)
{
	char line[512];
	FILE *f = fopen(BUFFER "/trace", "r");
	int n = 0;

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, word);
	fclose(f);
	file_write(_metadata, BUFFER "/trace", "");
	return n;
}

/* Packets routed on their way in since the last call. */
static int routed(struct __test_metadata *_metadata)
{
	return traced(_metadata, ": fib_table_lookup: ");
}

/* One segment each way. */
static void exchange(struct conn *c)
{
	char buf[16];

	conn_send(c, .flags = ACK | PSH, .data = "word");
	conn_expect(c, .flags = ACK, .within_ms = 210);
	check(recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT) == 4, WHERE(c->peer->test),
	      "text came in");
}

static void exchanges(struct conn *c, int n)
{
	while (n--)
		exchange(c);
}

TEST_F(demux, open_connection_is_not_routed)
{
	struct conn c;

	conn_open(&self->peer, &c);
	exchange(&c);
	routed(_metadata);
	exchanges(&c, 10);
	EXPECT_EQ(0, routed(_metadata));
}

TEST_F(demux, active_side_too)
{
	struct conn c;

	conn_open(&self->peer, &c, .active = true);
	routed(_metadata);
	exchanges(&c, 10);
	EXPECT_EQ(0, routed(_metadata));
}

TEST_F(demux, knob_early_demux_off)
{
	struct conn c;

	conn_open(&self->peer, &c);
	exchange(&c);
	routed(_metadata);
	EXPECT_EQ(0, knob_set("early_demux", 0));
	exchanges(&c, 10);
	EXPECT_EQ(10, routed(_metadata));
	EXPECT_EQ(0, knob_set("early_demux", 1));
	exchanges(&c, 10);
	EXPECT_EQ(0, routed(_metadata));
}

/* As in the kernel's TCP: IP's switch and TCP's both enable it. */
TEST_F(demux, knob_ip_early_demux_off)
{
	const char *knob = "/proc/sys/net/ipv4/ip_early_demux";
	struct conn c;

	conn_open(&self->peer, &c);
	exchange(&c);
	routed(_metadata);
	ASSERT_EQ(0, sysctl_write(knob, "0"));
	exchanges(&c, 10);
	EXPECT_EQ(10, routed(_metadata));
	ASSERT_EQ(0, sysctl_write(knob, "1"));
	exchanges(&c, 10);
	EXPECT_EQ(0, routed(_metadata));
}

/*
 * One lookup for all segments to an address, and one check of each source. On the TCP
 * wire the first segment starts early demux, in a work item.
 */
TEST_F(demux, unknown_peers_are_routed_once)
{
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);

	peer_hold(p, 1);
	peer_send(p, .flags = ACK, .dport = 1, .ack = 1);
	peer_expect(p, .flags = RST, .sport = 1, .seq = 1);
	sleep_ms(10);
	EXPECT_EQ(1, routed(_metadata));
	for (int i = 0; i < 5; i++) {
		peer_send(p, .flags = ACK, .sport = 1000 + i, .dport = 1, .ack = 1);
		peer_expect(p, .flags = RST, .sport = 1, .dport = 1000 + i, .seq = 1);
		peer_send(p, .flags = SYN, .sport = 1000 + i, .seq = 1);
		peer_expect(p, .flags = SYN | ACK, .dport = 1000 + i, .ack = 2);
	}
	EXPECT_EQ(stream_wire() == XTCP_WIRE_TCP, routed(_metadata));
	EXPECT_EQ(0, knob_set("early_demux", 0));
	peer_send(p, .flags = ACK, .dport = 1, .ack = 1);
	peer_expect(p, .flags = RST, .sport = 1, .seq = 1);
	EXPECT_EQ(1, routed(_metadata));
	close(lfd);
}

/*
 * Rules send packets to user space and back, before routing and at local delivery. The
 * program that gives the verdict runs the hooks behind: in a task, with softirqs
 * enabled. A CPU's cache must not be used there.
 */
static void queue_begin(struct __test_metadata *_metadata, struct nfqueue *q)
{
	nfqueue_open(WHERE(_metadata), q);
	nfqueue_fill(WHERE(_metadata), AF_INET, "prerouting");
	nfqueue_fill(WHERE(_metadata), AF_INET, "input");
}

/* Each packet waits twice. */
static void queue_pass(struct __test_metadata *_metadata, struct nfqueue *q)
{
	nfqueue_pass(WHERE(_metadata), q);
	nfqueue_pass(WHERE(_metadata), q);
}

TEST_F(demux, netfilter_queue_unknown_peers_are_routed_each)
{
	struct peer *p = &self->peer;
	int lfd = peer_listen(p, KERNEL_PORT, 16);
	struct nfqueue q;

	peer_send(p, .flags = SYN, .sport = 999, .seq = 1);
	peer_expect(p, .flags = SYN | ACK, .dport = 999, .ack = 2);
	queue_begin(_metadata, &q);
	routed(_metadata);
	for (int i = 0; i < 5; i++) {
		peer_send(p, .flags = SYN, .sport = 1000 + i, .seq = 1);
		queue_pass(_metadata, &q);
		peer_expect(p, .flags = SYN | ACK, .dport = 1000 + i, .ack = 2);
	}
	EXPECT_EQ(5, routed(_metadata));
	close(q.nl);
	close(lfd);
}

TEST_F(demux, netfilter_queue_an_open_connection_is_not_routed)
{
	struct peer *p = &self->peer;
	struct nfqueue q;
	struct conn c;

	conn_open(p, &c);
	exchange(&c);
	queue_begin(_metadata, &q);
	routed(_metadata);
	for (int i = 0; i < 5; i++) {
		conn_send(&c, .flags = ACK | PSH, .data = "word");
		queue_pass(_metadata, &q);
		conn_expect(&c, .flags = ACK, .within_ms = 210);
	}
	EXPECT_EQ(0, routed(_metadata));
	close(q.nl);
	/* Nobody gives verdicts any more: nothing arrives. */
	system("nft delete table ip t");
}

/*
 * A program lets a segment of an open connection pass by the hook of the TCP wire (NF_STOP). So the
 * kernel's TCP gets it, which knows no such connection, and must not find xtcp's socket with it.
 */
TEST_F(demux, netfilter_queue_a_verdict_that_skips_the_hook)
{
	struct peer *p = &self->peer;
	struct nfqueue q;
	struct conn c;

	conn_open(p, &c);
	exchange(&c);
	nfqueue_open(WHERE(_metadata), &q);
	nfqueue_fill(WHERE(_metadata), AF_INET, "input");
	p->stock_may_speak = true;
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	nfqueue_stop(WHERE(_metadata), &q);
	if (stream_wire() == XTCP_WIRE_TCP && !stock_mode())
		conn_expect(&c, .flags = RST, .seq = 1);
	else
		conn_expect(&c, .flags = ACK, .within_ms = 210);
	close(q.nl);
}

/*
 * A rule makes the kernel's TCP get the native wire's segments: their sums are wrong there. New
 * kernels ignore such a rule.
 */
TEST_F(demux, stock_drops_what_a_rule_makes_tcp)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c);
	exchange(&c);
	shell_run(WHERE(_metadata), "nft 'table ip t { chain c { type filter hook input priority 0; "
		  "ip protocol 253 ip protocol set 6; ip protocol 6 counter; }; }'");
	p->stock_may_speak = true;
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	if (stream_wire() == XTCP_WIRE_TCP ||
	    !system("nft list table ip t | grep -q 'counter packets 0 '"))
		conn_expect(&c, .flags = ACK, .within_ms = 210);
	peer_expect_silence(p, 300);
	shell_run(WHERE(_metadata), "nft delete table ip t");
}

/*
 * While a segment waits, its route ends with the address: the kernel gives the route a device
 * of the first namespace, blackhole_netdev.
 */
TEST_F(demux, netfilter_queue_an_address_that_returns)
{
	struct peer *p = &self->peer;
	struct nfqueue q;
	struct conn c;

	conn_open(p, &c);
	exchange(&c);
	queue_begin(_metadata, &q);
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	nfqueue_pass(WHERE(_metadata), &q);
	nfqueue_take(WHERE(_metadata), &q);
	address_renew(WHERE(_metadata), "tun0", &p->kernel, 24);
	nfqueue_accept(WHERE(_metadata), &q);
	conn_expect(&c, .flags = ACK, .within_ms = 210);
	close(q.nl);
}

/* The route may have changed: it is looked up once more. */
TEST_F(demux, lc_110_changed_routes_are_looked_at)
{
	struct ipaddr far = ipaddr("192.0.2.2");
	struct conn c;

	conn_open(&self->peer, &c);
	exchange(&c);
	route_add(WHERE(_metadata), &far, 32, NULL, "lo");
	routed(_metadata);
	exchanges(&c, 10);
	EXPECT_EQ(1, routed(_metadata));
}

/*
 * A segment of a connection whose address this host has lost may be another host's: it is routed,
 * and forwarded.
 */
TEST_F(demux, an_address_that_is_gone_is_forwarded_to)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();		/* it drops the packet, to which early demux gave the socket */
	conn_open(p, &c);
	exchange(&c);
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/all/forwarding", "1"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/all/send_redirects", "0"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/tun0/send_redirects", "0"));
	address_del(WHERE(_metadata), "tun0", &p->kernel, 24);
	route_add(WHERE(_metadata), &p->kernel, 32, NULL, "tun0");
	route_add(WHERE(_metadata), &p->addr, 32, NULL, "tun0");
	conn_send(&c, .flags = ACK | PSH, .data = "far");
	peer_expect(p, .flags = ACK | PSH, .src = p->addr, .dst = p->kernel,
		    .sport = c.pport, .dport = c.kport, .data = "far");
	p->leave_unread = true;
}

/*
 * The route that a connection has stored is for one device. A segment that comes by another one
 * is routed, and the reverse path filter drops it.
 */
TEST_F(demux, a_segment_by_another_device_is_routed)
{
	struct peer *p = &self->peer;
	int tun0 = p->tun, tun1 = tun_new(WHERE(_metadata), "tun1");
	struct counters before;
	struct conn c;

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/tun1/rp_filter", "1"));
	conn_open(p, &c);
	exchange(&c);
	counters_take(&before);
	p->tun = tun1;
	conn_send(&c, .flags = ACK | PSH, .data = "word");
	p->tun = tun0;
	peer_expect_silence(p, 300);
	if (stock_mode())
		counters_expect(_metadata, &before, "IPReversePathFilter", 1, NULL);
	else
		counters_expect(_metadata, &before, NULL);
	c.peer_nxt -= 4;
	exchange(&c);
	close(tun1);
}

/* A check of one peer's route does not count for another peer. */
TEST_F(demux, next_connection_of_a_socket_is_routed)
{
	struct ipaddr far = ipaddr("192.0.2.7");
	struct peer *p = &self->peer;
	int tun0 = p->tun, tun1 = tun_new(WHERE(_metadata), "tun1");
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&far, 41000, &sa);
	const struct segment *syn;
	uint16_t sport;
	struct conn c;

	route_add(WHERE(_metadata), &far, 32, NULL, "tun1");
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/tun0/rp_filter", "1"));
	conn_open(p, &c);
	exchange(&c);
	ASSERT_EQ(0, connect(c.fd, &nobody, sizeof(nobody)));
	conn_expect(&c, .flags = RST | ACK);
	EXPECT_EQ(-1, connect(c.fd, (struct sockaddr *)&sa, len));
	EXPECT_EQ(EINPROGRESS, errno);
	p->tun = tun1;
	syn = peer_expect(p, .flags = SYN, .dst = far, .dport = 41000, .sport = ANYWHERE);
	sport = syn->sport;
	p->tun = tun0;
	peer_send(p, .flags = ACK, .seq = 1, .ack = 7, .src = far, .sport = 41000,
		  .dport = sport);
	peer_expect_silence(p, 10);
	p->tun = tun1;
	peer_send(p, .flags = ACK, .seq = 1, .ack = 7, .src = far, .sport = 41000,
		  .dport = sport);
	peer_expect(p, .flags = RST, .seq = 7, .dst = far, .dport = 41000, .sport = ANYWHERE);
	/* It would send its SYN again soon. */
	close(c.fd);
	close(tun1);
	p->tun = tun0;
}

/* All packets of a namespace pay for the hook: a call that failed leaves none. */
TEST_F(demux, failed_calls_register_no_hook)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1);

	if (access(TRACING "/kprobe_events", W_OK)) {
		/* It was built without a way to see it. */
		EXPECT_FALSE(kernel_is_debians());
		return;
	}
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000"));
	ASSERT_EQ(0, socket_bind(fd, "", 40000));
	file_write(_metadata, TRACING "/kprobe_events", "p:xtcp_demux nf_register_net_hook");
	file_write(_metadata, BUFFER "/events/kprobes/xtcp_demux/enable", "1");
	EXPECT_EQ(EADDRINUSE, socket_listen(socket_new(-1), 1));
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(socket_new(-1), "10.0.0.2", 80));
	EXPECT_EQ(0, traced(_metadata, "xtcp_demux: "));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
	EXPECT_LT(0, traced(_metadata, "xtcp_demux: "));
	file_write(_metadata, BUFFER "/events/kprobes/xtcp_demux/enable", "0");
	file_write(_metadata, TRACING "/kprobe_events", "");
	peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80);
}

TEST_HARNESS_MAIN
