// SPDX-License-Identifier: GPL-2.0
/*
 * earlydrop: SYNs that xtcp drops before they are routed, while a flood lasts: which ones,
 * how they are counted, and the packets that are left to routing and to the firewall. RFC 4987.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"
#include "gate.h"

#include <sys/socket.h>

PEER_FIXTURE(earlydrop);

/* A full queue without cookies, and SYNs enough to register the hook. */
static int overrun(struct __test_metadata *_metadata, struct peer *p, struct conn *first)
{
	int lfd;

	anywhere_by_tun(p);
	ASSERT_EQ(0, knob_set("syncookies", 0));
	ASSERT_EQ(0, knob_set("synack_retries", 0));
	ASSERT_EQ(0, knob_set("invalid_ratelimit", 0));
	lfd = peer_listen(p, KERNEL_PORT, 0);
	second_begin();
	conn_to_state(p, first, ST_HALF_OPEN, .lfd = lfd);
	flood(p, 200, 999);
	peer_expect_silence(p, 20);
	return lfd;
}

TEST_F(earlydrop, ctr_XtcpSynEarlyDrop)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd = overrun(_metadata, p, &c);

	peer_hold(p, 9);
	counters_take(&before);
	flood(p, 100, 998);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 100, "ListenDrops", 100,
			"TCPReqQFullDrop", 100, "XtcpSynEarlyDrop", 100, NULL);

	/* Segments of a connection get through, and so do segments that are no SYN. */
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .seq = 0, .ack = 1);
	peer_send(p, .flags = ACK, .sport = 997, .seq = 1, .ack = 55);
	peer_expect(p, .flags = RST, .dport = 997, .seq = 55);
	peer_send(p, .flags = SYN, .dport = 9, .sport = 997, .seq = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 9, .dport = 997, .ack = 2);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
	conn_send(&c, .flags = RST);
	close(c.fd);
	close(lfd);
}

/* SYNs above the rate limit of SYN-ACKs are dropped early, too; those below it are answered. */
TEST_F(earlydrop, knob_synack_ratelimit_ctr_XtcpSynEarlyDrop)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	anywhere_by_tun(p);
	ASSERT_EQ(0, knob_set("synack_ratelimit", 3));
	ASSERT_EQ(0, knob_set("synack_retries", 0));
	lfd = peer_listen(p, KERNEL_PORT, 1000);
	second_begin();
	flood(p, 200, 999);
	EXPECT_EQ(3, peer_drain(p, 20));
	counters_take(&before);
	flood(p, 100, 998);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 100, "ListenDrops", 100,
			"XtcpSynAckRateDrop", 100, "XtcpSynEarlyDrop", 100, NULL);
	second_begin();
	counters_take(&before);
	flood(p, 5, 997);
	EXPECT_EQ(3, peer_drain(p, 20));
	EXPECT_EQ(2, counter_moved(&before, "XtcpSynAckRateDrop"));
	EXPECT_EQ(2, counter_moved(&before, "XtcpSynEarlyDrop"));
	EXPECT_EQ(2, counter_moved(&before, "ListenDrops"));
	close(lfd);
}

TEST_F(earlydrop, early_drops_end_with_the_flood)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd = overrun(_metadata, p, &c);

	peer_drain(p, 4000);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd);
	counters_take(&before);
	flood(p, 10, 998);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 10, "ListenDrops", 10,
			"TCPReqQFullDrop", 10, NULL);
	close(lfd);
}

/* The hook ignores packets that are not for this host. */
TEST_F(earlydrop, early_drops_spare_forwarded_packets)
{
	struct peer *p = &self->peer;
	struct counters before;
	bool v6 = p->family == AF_INET6;
	struct conn c;
	int lfd, any_fd;

	NOT_ON_STOCK();
	lfd = overrun(_metadata, p, &c);
	/* A listener on every address, whose queue is full, too. */
	any_fd = stream_socket(AF_INET);
	ASSERT_EQ(0, socket_bind(any_fd, "", 5001));
	ASSERT_EQ(0, listen(any_fd, 0));
	peer_send(p, .flags = SYN, .dport = 5001, .sport = 998, .seq = 5);
	peer_expect(p, .flags = SYN | ACK, .sport = 5001, .dport = 998, .ack = 6);
	ASSERT_EQ(0, sysctl_write(v6 ? "/proc/sys/net/ipv6/conf/all/forwarding" :
				  "/proc/sys/net/ipv4/conf/all/forwarding", "1"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/all/send_redirects", "0"));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/conf/tun0/send_redirects", "0"));
	counters_take(&before);
	peer_send(p, .flags = SYN, .src = ipaddr("192.0.2.1"), .dst = ipaddr("198.51.100.1"),
		  .sport = 998, .dport = 5001, .seq = 5);
	peer_expect(p, .flags = SYN, .src = ipaddr("192.0.2.1"), .dst = ipaddr("198.51.100.1"),
		    .sport = 998, .dport = 5001, .seq = 5);
	counters_expect(_metadata, &before, NULL);
	peer_send(p, .flags = SYN, .dport = 5001, .sport = 999, .seq = 5);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1,
			"TCPReqQFullDrop", 1, "XtcpSynEarlyDrop", 1, NULL);
	close(any_fd);
	close(lfd);
}

/* With policy rules only the routing tables know whom this host hears: nothing is dropped early. */
TEST_F(earlydrop, early_drops_leave_policy_rules_alone)
{
	struct ipaddr shunned = ipaddr("192.0.2.2");
	struct peer *p = &self->peer;
	bool v6 = p->family == AF_INET6;
	char commands[256], addr[64];
	struct counters before;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();
	lfd = overrun(_metadata, p, &c);
	counters_take(&before);
	syn_is_dropped(p, "192.0.2.2", 998);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1,
			"TCPReqQFullDrop", 1, "XtcpSynEarlyDrop", 1, NULL);
	/* The table of local addresses usually comes first. */
	snprintf(commands, sizeof(commands),
		 "r='ip %s rule'; $r add pref 2 table local && $r del pref 0 && "
		 "$r add pref 1 from %s/%d blackhole", v6 ? "-6" : "-4",
		 ipaddr_text(&shunned, addr, sizeof(addr)), v6 ? 128 : 32);
	shell_run(WHERE(_metadata), commands);
	counters_take(&before);
	syn_is_dropped(p, "192.0.2.2", 998);
	counters_expect(_metadata, &before, NULL);
	syn_is_dropped(p, "192.0.2.3", 998);
	counters_expect(_metadata, &before, "InSegs", 1, "ListenDrops", 1,
			"TCPReqQFullDrop", 1, NULL);
	close(lfd);
}

/* Nor does it drop for an address that is gone, however many SYNs came before. */
TEST_F(earlydrop, early_drops_end_with_the_address)
{
	struct peer *p = &self->peer;
	int bits = p->family == AF_INET6 ? 128 : 32;
	struct ipaddr second = ipaddr("203.0.113.9");
	struct counters before;
	struct conn c;
	int lfd, any_fd;

	NOT_ON_STOCK();
	address_add(WHERE(_metadata), "tun0", &second, bits);
	lfd = overrun(_metadata, p, &c);
	any_fd = stream_socket(AF_INET);
	ASSERT_EQ(0, socket_bind(any_fd, "", 5001));
	ASSERT_EQ(0, listen(any_fd, 0));
	peer_send(p, .flags = SYN, .dst = second, .dport = 5001, .sport = 998, .seq = 5);
	peer_expect(p, .flags = SYN | ACK, .src = second, .sport = 5001, .dport = 998, .ack = 6);
	counters_take(&before);
	for (int i = 0; i < 3; i++)
		peer_send(p, .flags = SYN, .dst = second, .dport = 5001, .sport = 999, .seq = 5);
	counters_expect(_metadata, &before, "InSegs", 3, "ListenDrops", 3,
			"TCPReqQFullDrop", 3, "XtcpSynEarlyDrop", 3, NULL);
	address_del(WHERE(_metadata), "tun0", &second, bits);
	counters_take(&before);
	for (int i = 0; i < 3; i++)
		peer_send(p, .flags = SYN, .dst = second, .dport = 5001, .sport = 999, .seq = 5);
	counters_expect(_metadata, &before, NULL);
	peer_expect_silence(p, 10);
	close(any_fd);
	close(lfd);
}

/*
 * The metadata of a tunnel stand where a packet's route would. Such a SYN is routed,
 * and so not dropped early, and does not use the input route cache.
 */
TEST_F(earlydrop, tunnel_metadata_is_no_route)
{
	struct ipaddr inner = ipaddr("10.9.0.1");
	struct peer *p = &self->peer;
	struct segment_spec syn;
	struct counters before;
	uint8_t packet[256];
	struct conn c;
	int lfd, len;

	NOT_ON_STOCK();
	if (system("ip link add gre1 type gre external && ip link set gre1 up"))
		SKIP(return, "no tunnels (ip_gre)");
	address_add(WHERE(_metadata), "gre1", &inner, 24);
	/* The tunnel itself is IPv4's, whatever it carries. */
	if (p->family == AF_INET6)
		ASSERT_EQ(0, system("ip addr add 10.0.0.1/24 dev tun0"));
	lfd = overrun(_metadata, p, &c);
	/* Without checksum, key and number; then the protocol inside. */
	memcpy(packet, (uint8_t[]){ 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0,
				    10, 0, 0, 2, 10, 0, 0, 1, 0, 0, 8, 0 }, 24);
	if (p->family == AF_INET6)
		memcpy(packet + 22, (uint8_t[]){ 0x86, 0xdd }, 2);
	syn = peer_spec(p, .flags = SYN, .src = ipaddr("10.9.0.2"), .seq = 7);
	len = 24 + segment_build(&syn, packet + 24);
	packet[3] = len;
	counters_take(&before);
	for (int i = 0; i < 3; i++) {
		uint16_t csum;

		packet[4] = i;
		packet[10] = packet[11] = 0;
		csum = ip_checksum(packet, 20, 0);
		packet[10] = csum >> 8;
		packet[11] = csum;
		peer_send_raw(p, packet, len);
	}
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 3, "ListenDrops", 3,
			"TCPReqQFullDrop", 3, NULL);
	close(lfd);
}

/* A namespace, and with it the module, may go while the hook is registered. */
TEST_F(earlydrop, the_hook_goes_with_its_namespace)
{
	struct conn c;

	NOT_ON_STOCK();
	close(overrun(_metadata, &self->peer, &c));
}

/* A packet comes back from user space in a task: the gate's verdict comes later. */
TEST_F(earlydrop, netfilter_queue_no_early_drop)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct nfqueue q;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();
	lfd = overrun(_metadata, p, &c);
	nfqueue_open(WHERE(_metadata), &q);
	nft(_metadata, "add table inet t;"
		       "add chain inet t p { type filter hook prerouting priority 0; };"
		       "add rule inet t p meta l4proto $wire queue num 5");
	counters_take(&before);
	for (int i = 0; i < 5; i++) {
		peer_send(p, .flags = SYN, .sport = 998, .seq = 1);
		nfqueue_pass(WHERE(_metadata), &q);
	}
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, "InSegs", 5, "ListenDrops", 5,
			"TCPReqQFullDrop", 5, NULL);
	close(q.nl);
	close(lfd);
}

/* A rule gives a proxy the SYNs for a listener of ours, also while its queue is full. */
TEST_F(earlydrop, early_drops_spare_what_a_rule_sends_elsewhere)
{
	struct peer *p = &self->peer;
	bool v6 = p->family == AF_INET6;
	struct counters before;
	struct conn c;
	int lfd, proxy;

	if (stock_mode() || p->wire != XTCP_WIRE_TCP)
		return;		/* tproxy knows no protocol 253 */
	lfd = overrun(_metadata, p, &c);
	proxy = socket_new(IPPROTO_TCP);
	ASSERT_EQ(0, socket_set(proxy, SOL_IP, IP_TRANSPARENT, 1));
	ASSERT_EQ(0, socket_bind(proxy, "", 6001));
	ASSERT_EQ(0, listen(proxy, 4));
	nft(_metadata, "add table inet t;"
		       "add chain inet t p { type filter hook prerouting priority -150; }");
	nft(_metadata, v6 ? "add rule inet t p tcp dport 5000 tproxy ip6 to :6001" :
			    "add rule inet t p tcp dport 5000 tproxy ip to :6001");
	p->stock_may_speak = true;
	counters_take(&before);
	peer_send(p, .flags = SYN, .sport = 998, .seq = 1);
	peer_expect(p, .flags = SYN | ACK, .dport = 998, .ack = 2);
	counters_expect(_metadata, &before, NULL);
	close(proxy);
	close(lfd);
}

/* Neither SYN-ACK nor cookie nor RST, and a flood does not change that. */
TEST_F(earlydrop, the_firewalls_input_rules_keep_it_silent)
{
	NOT_ON_STOCK();
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;
	int lfd = overrun(_metadata, p, &c);

	nft(_metadata, "add table inet t;"
		       "add chain inet t in { type filter hook input priority 0; };"
		       "add rule inet t in meta l4proto $wire counter drop");
	peer_hold(p, 9);
	counters_take(&before);
	peer_send(p, .flags = SYN, .dport = 9, .sport = 998, .seq = 1);
	peer_send(p, .flags = ACK, .sport = 998, .seq = 1, .ack = 5);
	conn_send(&c, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 10);
	counters_expect(_metadata, &before, NULL);
	nft_expect(_metadata, "in", "packets 3 ");
	ASSERT_EQ(0, knob_set("syncookies", 2));
	for (int i = 0; i < 5; i++)
		syn_is_dropped(p, "192.0.2.1", 1000 + i);
	counters_expect(_metadata, &before, NULL);
	nft_expect(_metadata, "in", "packets 8 ");
	close(lfd);
}

TEST_HARNESS_MAIN
