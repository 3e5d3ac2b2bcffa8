// SPDX-License-Identifier: GPL-2.0
/*
 * rules: what the system may put between a segment and a socket: socket filters
 * (SO_ATTACH_FILTER) and the inbound policies of IPsec. A segment that they forbid does nothing
 * and is not answered, in any state. The kernel's TCP passes this, too.
 */
/* vm: wires families short */
#include "lib/xtcp_test.h"

#include <linux/filter.h>
#include <linux/xfrm.h>

PEER_FIXTURE(rules);

/* A filter that keeps so many bytes of each segment, header included; 0: drops it. */
static void filter_keeps(struct __test_metadata *_metadata, int fd, uint32_t bytes)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, bytes) };
	struct sock_fprog prog = { .len = 1, .filter = code };

	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

static void filter_ends(struct __test_metadata *_metadata, int fd)
{
	ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, SO_DETACH_FILTER, 0));
}

TEST_F(rules, filter_drops)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	filter_keeps(_metadata, c.fd, 0);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "no");
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_send(&c, .flags = RST, .seq = 1);
	peer_expect_silence(p, 300);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	counters_expect(_metadata, &before, "InSegs", 3, NULL);
	filter_ends(_metadata, c.fd);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "yes");
	conn_expect(&c, .flags = ACK, .ack = 4, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "yes");
}

/* The rest of the text is as if it had not come: neither acknowledged nor read. */
TEST_F(rules, filter_trims_text)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	filter_keeps(_metadata, c.fd, TCP_HEADER_MIN + 4);
	conn_send(&c, .flags = ACK | PSH, .data = "abcdefgh");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "abcd");
	filter_ends(_metadata, c.fd);
	conn_send(&c, .flags = ACK | PSH, .seq = 5, .data = "efgh");
	conn_expect(&c, .flags = ACK, .ack = 9, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "efgh");
}

/* The header stays, whatever the filter says, and its ACK counts. */
TEST_F(rules, filter_spares_the_header)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ASSERT_EQ(1, send(c.fd, "x", 1, 0));
	conn_expect(&c, .flags = ACK | PSH, .seq = 1, .data = "x");
	filter_keeps(_metadata, c.fd, 1);
	conn_send(&c, .flags = ACK | PSH, .data = "text", .ack = 2);
	peer_expect_silence(p, 500);
	EXPECT_EQ(0, (int)conn_info(&c).unacked);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
}

/* A listener's is asked for the SYN and for the third segment, and its children have it, too. */
TEST_F(rules, filter_of_a_listener)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_start(p, &c);
	filter_keeps(_metadata, c.lfd, 0);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .seq = 0);
	peer_expect_silence(p, 100);
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
	counters_expect(_metadata, &before, "InSegs", 1, NULL);
	filter_ends(_metadata, c.lfd);
	conn_send(&c, .flags = SYN, .seq = 0);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	filter_keeps(_metadata, c.lfd, 0);
	conn_send(&c, .flags = ACK, .seq = 1);
	conn_send(&c, .flags = RST, .seq = 1);
	peer_expect_silence(p, 100);
	conn_expect_state(&c, ST_HALF_OPEN);
	filter_ends(_metadata, c.lfd);
	filter_keeps(_metadata, c.lfd, TCP_HEADER_MIN + 4);
	conn_send(&c, .flags = ACK, .seq = 1);
	conn_accept(&c);
	conn_send(&c, .flags = ACK | PSH, .data = "abcdefgh");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "abcd");
}

/* The host sends its answers itself: at POSTROUTING they have come in by no device. */
TEST_F(rules, answers_have_no_input_device)
{
	bool v6 = test_family() == AF_INET6;
	struct peer *p = &self->peer;
	struct conn c;

	shell_run(WHERE(_metadata), v6 ?
		  "nft 'table ip6 t { chain p { type filter hook postrouting priority 0;"
		  "iifname \"tun0\" drop; }; }'" :
		  "nft 'table ip t { chain p { type filter hook postrouting priority 0;"
		  "iifname \"tun0\" drop; }; }'");
	conn_open(p, &c);
	/* Of a record, of a listener, and of nobody. */
	conn_to_state(p, &c, ST_HALF_OPEN, .kport = 6001);
	conn_send(&c, .flags = ACK, .seq = 1, .ack = 99);
	conn_expect(&c, .flags = RST, .seq = 99);
	peer_send(p, .flags = ACK, .ack = 7, .dport = 6001, .sport = 99);
	peer_expect(p, .flags = RST, .seq = 7, .sport = 6001, .dport = 99);
	/* On the TCP wire the kernel's TCP answers there. */
	if (p->wire == IPPROTO_TCP && !stock_mode())
		return;
	peer_send(p, .flags = SYN, .seq = 99, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .ack = 100, .sport = 1);
}

/* A policy by which nothing of the peer may come in, as if it had to be protected. */
static void ipsec_forbids(struct peer *p, bool on)
{
	char from[64], to[64], cmd[256];

	ipaddr_text(&p->addr, from, sizeof(from));
	ipaddr_text(&p->kernel, to, sizeof(to));
	if (on)
		snprintf(cmd, sizeof(cmd),
			 "ip xfrm policy add src %s dst %s dir in action block", from, to);
	else
		snprintf(cmd, sizeof(cmd), "ip xfrm policy flush");
	shell_run(WHERE(p->test), cmd);
}

/* Who cannot protect his segments must not end a connection, or write into it. */
TEST_F(rules, ipsec_keeps_forgeries_out)
{
	struct peer *p = &self->peer;
	struct counters before;
	struct conn c;

	conn_open(p, &c);
	ipsec_forbids(p, true);
	counters_take(&before);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "forged");
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_send(&c, .flags = RST, .seq = 100);
	conn_send(&c, .flags = RST, .seq = 1);
	peer_expect_silence(p, 300);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	counters_expect(_metadata, &before, "InSegs", 4, NULL);
	ipsec_forbids(p, false);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "true");
	conn_expect(&c, .flags = ACK, .ack = 5, .within_ms = DELAYED_ACK_MS);
	program_reads(_metadata, c.fd, "true");
}

/* Records have no socket with a policy: that of the namespace is asked. */
TEST_F(rules, ipsec_and_records)
{
	struct peer *p = &self->peer;
	struct conn tw, ho;

	conn_to_state(p, &tw, ST_TIME_WAIT, .kport = 6000);
	conn_to_state(p, &ho, ST_HALF_OPEN, .kport = 6001);
	ipsec_forbids(p, true);
	conn_send(&tw, .flags = FIN | ACK, .seq = 1);
	conn_send(&tw, .flags = SYN, .seq = 100000);
	conn_send(&tw, .flags = RST, .seq = 2);
	conn_send(&ho, .flags = RST, .seq = 1);
	conn_send(&ho, .flags = ACK, .seq = 1);
	peer_expect_silence(p, 100);
	conn_expect_state(&tw, ST_TIME_WAIT);
	conn_expect_state(&ho, ST_HALF_OPEN);
	ipsec_forbids(p, false);
	conn_send(&tw, .flags = FIN | ACK, .seq = 1);
	conn_expect(&tw, .flags = ACK, .seq = 2, .ack = 2);
	conn_send(&ho, .flags = ACK, .seq = 1);
	conn_expect_state(&ho, ST_ESTABLISHED);
}

/* Nobody listens: no RST tells so. */
TEST_F(rules, ipsec_and_a_closed_port)
{
	struct peer *p = &self->peer;
	struct counters before;

	peer_hold(p, 1);
	ipsec_forbids(p, true);
	counters_take(&before);
	peer_send(p, .flags = SYN, .seq = 99, .dport = 1);
	peer_send(p, .flags = ACK, .ack = 7, .dport = 1);
	peer_expect_silence(p, 100);
	counters_expect(_metadata, &before, "InSegs", 2, NULL);
	ipsec_forbids(p, false);
	peer_send(p, .flags = SYN, .seq = 99, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .ack = 100, .sport = 1);
}

/* A policy of a socket's own, as daemons of IPsec have one: nothing may pass. */
static void ipsec_forbids_socket(struct __test_metadata *_metadata, struct peer *p, int fd,
				 int dir)
{
	bool v6 = socket_family(AF_INET) == AF_INET6;
	struct xfrm_userpolicy_info policy = {
		.sel.family = p->family, .dir = dir, .action = XFRM_POLICY_BLOCK,
		.lft = { XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF },
	};

	/* Until "ip xfrm" has run, no module may be there that understands a policy. */
	ipsec_forbids(p, false);
	ASSERT_EQ(0, setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_XFRM_POLICY : IP_XFRM_POLICY,
				&policy, sizeof(policy)));
}

/*
 * A connection before it has left its route with the next hop, where it is cached: the policy
 * counts all the same.
 */
TEST_F(rules, ipsec_policy_of_a_socket_stops_connect)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	conn_open(p, &c, .active = true);
	fd = socket_new(-1);
	ipsec_forbids_socket(_metadata, p, fd, XFRM_POLICY_OUT);
	EXPECT_EQ(EPERM, socket_connect(fd, "10.0.0.2", 80));
	peer_expect_silence(p, 1500);
	close(fd);
	/* It is about that socket alone. */
	conn_open(p, &c, .active = true);
}

TEST_F(rules, ipsec_policy_of_a_socket_stops_segments)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	ipsec_forbids_socket(_metadata, p, c.fd, XFRM_POLICY_IN);
	conn_send(&c, .flags = ACK | PSH, .seq = 1, .data = "forged");
	conn_send(&c, .flags = RST, .seq = 1);
	peer_expect_silence(p, 300);
	conn_expect_state(&c, ST_ESTABLISHED);
	EXPECT_EQ(POLLOUT, socket_poll(c.fd));
	conn_open(p, &c, .lfd = c.lfd);
}

TEST_F(rules, ipsec_policy_of_a_socket_stops_the_answer_to_a_syn)
{
	struct peer *p = &self->peer;
	struct conn c, d;

	conn_open(p, &c);
	conn_start(p, &d, .kport = 6000);
	ipsec_forbids_socket(_metadata, p, d.lfd, XFRM_POLICY_OUT);
	conn_send(&d, .flags = SYN);
	peer_expect_silence(p, 1500);
}

/*
 * "ip xfrm policy setdefault": what no policy allows may not leave. It makes cached routes stale,
 * and over IPv6 none gets into the cache then; over IPv4 the next hop has one.
 */
TEST_F(rules, ipsec_default_policy)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd;

	conn_open(p, &c, .active = true);
	conn_open(p, &c);
	shell_run(WHERE(_metadata), "ip xfrm policy setdefault out block");
	peer_send(p, .flags = SYN, .sport = 99);
	fd = socket_new(-1);
	EXPECT_EQ(EPERM, socket_connect(fd, "10.0.0.2", 80));
	close(fd);
	peer_expect_silence(p, 1500);
	shell_run(WHERE(_metadata), "ip xfrm policy setdefault out accept");
	conn_open(p, &c, .active = true);
	p->leave_unread = true;
}

TEST_HARNESS_MAIN
