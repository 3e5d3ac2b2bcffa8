// SPDX-License-Identifier: GPL-2.0
/*
 * marks: what a socket's program, or a sender, asks of IP for each packet: fwmark,
 * priority, DSCP. Only rules on a packet's way out see the first two: nft's counters.
 * RFC 9293 3.9.2 (MUST-48, SHLD-22), RFC 2474.
 */
/* vm: wires families short */
#include "lib/bpf.h"
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>

#define MARK 7
#define PRIORITY 5
#define ACCEPT "/proc/sys/net/ipv4/tcp_fwmark_accept"

PEER_FIXTURE(marks);

/*
 * Counters of packets that leave: all, those with each fwmark, those with high
 * priority.
 */
static const char ruleset[] =
	"table inet t {\n"
	"counter left { }\n counter seven { }\n counter eleven { }\n counter five { }\n"
	"chain in { type filter hook prerouting priority filter; }\n"
	"chain out { type filter hook output priority filter;\n"
	"meta l4proto != $wire accept\n"
	"counter name left\n"
	"meta mark 7 counter name seven\n"
	"meta mark 11 counter name eleven\n"
	"meta priority 0:5 counter name five\n"
	"}\n}\n";

static void rules_load(struct __test_metadata *_metadata)
{
	FILE *nft = popen("nft -f -", "we");

	ASSERT_NE(NULL, nft);
	/* A set of protocols would upset lockdep, as in open/gate. */
	fprintf(nft, "define wire = %d\n", stream_wire());
	fputs(ruleset, nft);
	ASSERT_EQ(0, pclose(nft));
}

/* Arriving packets have this fwmark from now on. */
static void mark_arrivals(struct __test_metadata *_metadata, int mark)
{
	char command[100];

	snprintf(command, sizeof(command), "nft add rule inet t in meta mark set %d", mark);
	ASSERT_EQ(0, system(command));
}

static int counted(struct __test_metadata *_metadata, const char *name)
{
	char command[100], line[200];
	int n = -1;
	FILE *nft;

	snprintf(command, sizeof(command), "nft list counter inet t %s", name);
	nft = popen(command, "re");
	ASSERT_NE(NULL, nft);
	while (fgets(line, sizeof(line), nft))
		if (strstr(line, "packets"))
			n = atoi(strstr(line, "packets") + 8);
	pclose(nft);
	return n;
}

static void mark_and_priority(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_MARK, MARK);
	socket_set(fd, SOL_SOCKET, SO_PRIORITY, PRIORITY);
}

/* Data and its ACK, our FIN and the peer's, and that again in TIME-WAIT. */
static void rest_of_life(struct __test_metadata *_metadata, struct conn *c, int tos)
{
	ASSERT_EQ(1, send(c->fd, "x", 1, 0));
	conn_expect(c, .flags = ACK | PSH, .data = "x", .tos = tos);
	conn_send(c, .flags = ACK);
	close(c->fd);
	c->fd = -1;
	conn_expect(c, .flags = FIN | ACK, .tos = tos);
	conn_send(c, .flags = FIN | ACK);
	conn_expect(c, .flags = ACK, .tos = tos);
	sleep_ms(1000);
	conn_send(c, .flags = FIN | ACK, .seq = 1);
	conn_expect(c, .flags = ACK, .ack = 2, .tos = tos);
}

/*
 * SYN, ACK, data, FIN and the ACK of the answer; a record's ACK, which has no
 * priority.
 */
TEST_F(marks, lc_114_mark_and_priority_of_a_client)
{
	struct peer *p = &self->peer;
	struct conn c;

	rules_load(_metadata);
	conn_open(p, &c, .active = true, .prepare = mark_and_priority);
	rest_of_life(_metadata, &c, 0);
	EXPECT_EQ(6, counted(_metadata, "left"));
	EXPECT_EQ(6, counted(_metadata, "seven"));
	EXPECT_LE(5, counted(_metadata, "five"));
	if (!stock_mode())
		EXPECT_EQ(5, counted(_metadata, "five"));
}

/* SYN-ACK, data, FIN, and the two ACKs. */
TEST_F(marks, lc_114_mark_and_priority_of_a_listener)
{
	struct peer *p = &self->peer;
	struct conn c;

	rules_load(_metadata);
	conn_open(p, &c, .prepare = mark_and_priority);
	rest_of_life(_metadata, &c, 0);
	EXPECT_EQ(5, counted(_metadata, "left"));
	EXPECT_EQ(5, counted(_metadata, "seven"));
	/*
	 * A child of the kernel's TCP begins without a priority; its listener's
	 * SYN-ACK has it.
	 */
	EXPECT_LE(1, counted(_metadata, "five"));
}

/* A RST that answers a segment has the fwmark and priority of the socket that it is about. */
static void expect_marked_reset(struct __test_metadata *_metadata, struct conn *c)
{
	int left = counted(_metadata, "left"), seven = counted(_metadata, "seven");

	peer_expect(c->peer, .flags = RST, .sport = ANYWHERE, .dport = ANYWHERE);
	EXPECT_EQ(left, counted(_metadata, "left"));
	EXPECT_EQ(left, seven);
}

/* A connection with fwmark and priority whose program has called close(). */
static void close_marked(struct __test_metadata *_metadata, struct peer *p, struct conn *c)
{
	rules_load(_metadata);
	conn_open(p, c, .active = true, .prepare = mark_and_priority);
	close(c->fd);
	c->fd = -1;
	conn_expect(c, .flags = FIN | ACK);
}

TEST_F(marks, lc_114_mark_of_a_reset_after_close)
{
	struct conn c;

	close_marked(_metadata, &self->peer, &c);
	conn_send(&c, .flags = ACK, .ack = 0, .data = "late");
	expect_marked_reset(_metadata, &c);
}

TEST_F(marks, lc_114_mark_of_a_records_reset)
{
	struct conn c;

	close_marked(_metadata, &self->peer, &c);
	conn_send(&c, .flags = ACK);
	sleep_ms(10);
	conn_send(&c, .flags = ACK, .data = "late");
	expect_marked_reset(_metadata, &c);
}

TEST_F(marks, lc_114_mark_of_a_listeners_resets)
{
	struct peer *p = &self->peer;
	struct conn c;

	rules_load(_metadata);
	conn_to_state(p, &c, ST_HALF_OPEN, .prepare = mark_and_priority);
	conn_send(&c, .flags = ACK, .ack = 5);
	expect_marked_reset(_metadata, &c);
	peer_send(p, .flags = ACK, .sport = 999, .seq = 1, .ack = 1);
	expect_marked_reset(_metadata, &c);
	p->leave_unread = true;
}

/* net.ipv4.tcp_fwmark_accept: a connection has its SYN's fwmark, on both stacks. */
TEST_F(marks, knob_tcp_fwmark_accept)
{
	struct peer *p = &self->peer;
	struct conn c;

	rules_load(_metadata);
	mark_arrivals(_metadata, 11);
	conn_open(p, &c);
	EXPECT_EQ(1, counted(_metadata, "left"));
	EXPECT_EQ(0, counted(_metadata, "eleven"));
	ASSERT_EQ(0, sysctl_write(ACCEPT, "1"));
	close(c.lfd);
	conn_open(p, &c);
	rest_of_life(_metadata, &c, 0);
	EXPECT_EQ(6, counted(_metadata, "left"));
	EXPECT_EQ(5, counted(_metadata, "eleven"));
}

/* net.ipv4.fwmark_reflect, net.ipv6.fwmark_reflect: answers without a socket. */
TEST_F(marks, knob_fwmark_reflect)
{
	struct peer *p = &self->peer;
	char path[60];

	rules_load(_metadata);
	mark_arrivals(_metadata, 11);
	peer_hold(p, 1);
	peer_send(p, .flags = SYN, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 1);
	EXPECT_EQ(0, counted(_metadata, "eleven"));
	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/fwmark_reflect",
		 p->family == AF_INET6 ? 6 : 4);
	ASSERT_EQ(0, sysctl_write(path, "1"));
	peer_send(p, .flags = SYN, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 1);
	EXPECT_EQ(1, counted(_metadata, "eleven"));
	EXPECT_EQ(2, counted(_metadata, "left"));
}

/* One more answer to @c's connection left, and it had the segment's fwmark, 11. */
static void expect_reflected(struct __test_metadata *_metadata, struct conn *c, long long before)
{
	conn_expect(c, .flags = ACK, .within_ms = 2);
	EXPECT_EQ(before + 1, counted(_metadata, "eleven"));
}

/* Also of a connection that is a record only: TIME-WAIT, FIN-WAIT-2, half-open. */
TEST_F(marks, knob_fwmark_reflect_records)
{
	struct peer *p = &self->peer;
	long long before;
	struct conn c;
	char path[60];

	rules_load(_metadata);
	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/fwmark_reflect",
		 p->family == AF_INET6 ? 6 : 4);
	ASSERT_EQ(0, sysctl_write(path, "1"));
	mark_arrivals(_metadata, 11);

	conn_to_state(p, &c, ST_TIME_WAIT, .kport = 5001);
	before = counted(_metadata, "eleven");
	sleep_ms(1000);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	expect_reflected(_metadata, &c, before);

	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .kport = 5002);
	before = counted(_metadata, "eleven");
	conn_send(&c, .flags = ACK, .seq = -100, .data = "old");
	expect_reflected(_metadata, &c, before);
	conn_send(&c, .flags = RST);

	/* The answer also has the DSCP of the segment. */
	conn_to_state(p, &c, ST_HALF_OPEN, .kport = 5003);
	before = counted(_metadata, "eleven");
	conn_send(&c, .flags = ACK, .seq = 1 << 20, .data = "far", .tos = 0x28);
	conn_expect(&c, .flags = ACK, .ack = 1, .tos = 0x28);
	EXPECT_EQ(before + 1, counted(_metadata, "eleven"));
	conn_send(&c, .flags = RST, .seq = 1);
}

#define CLASS 7

/*
 * A filter for a packet socket: packets of this type (PACKET_*) with that class of tc. It takes no
 * reference to the others, so that they may be recycled.
 */
static int load_class_filter(struct __test_metadata *_metadata, int type)
{
	const struct bpf_insn code[] = {
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct __sk_buff, pkt_type)),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_2, type, 3),
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct __sk_buff, tc_index)),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_2, CLASS, 1),
		BPF_MOV64_IMM(BPF_REG_0, 0xffff),
		BPF_EXIT_INSN(),
	};

	return bpf_load(_metadata, BPF_PROG_TYPE_SOCKET_FILTER, 0, code, ARRAY_SIZE(code));
}

/* Sockets for one protocol see a packet behind tc, those for all in front of it. */
static int listen_for_class(struct __test_metadata *_metadata, int type, int protocol)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = if_nametoindex("tun0"),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int prog = load_class_filter(_metadata, type);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, SO_ATTACH_BPF, prog));
	close(prog);
	ASSERT_EQ(0, bind(fd, (void *)&sll, sizeof(sll)));
	return fd;
}

static void reset_by_closed_port(struct __test_metadata *_metadata, struct peer *p)
{
	peer_send(p, .flags = SYN, .dport = 1);
	peer_expect(p, .flags = RST | ACK, .sport = 1);
}

/* RST, SYN-ACK and ACKs are built in the skb of the segment that they answer. */
TEST_F(marks, an_answer_has_not_the_class_of_what_it_answers)
{
	struct peer *p = &self->peer;
	struct conn c;
	char byte;
	int fd;

	shell_run(WHERE(_metadata), "tc qdisc add dev tun0 clsact");
	shell_run(WHERE(_metadata),
		  "tc filter add dev tun0 ingress matchall classid :7 action ok");
	peer_hold(p, 1);
	fd = listen_for_class(_metadata, PACKET_HOST,
			      p->family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP);
	reset_by_closed_port(_metadata, p);
	EXPECT_EQ(1, recv(fd, &byte, 1, 0));
	close(fd);
	fd = listen_for_class(_metadata, PACKET_OUTGOING, ETH_P_ALL);
	reset_by_closed_port(_metadata, p);
	conn_open(p, &c);
	rest_of_life(_metadata, &c, 0);
	EXPECT_EQ(-1, recv(fd, &byte, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	close(fd);
}

static void expedited(int fd)
{
	/* For a mapped address IPv4's knob counts. */
	if (test_is_mapped())
		socket_set(fd, IPPROTO_IP, IP_TOS, 0xb8);
	else
		socket_set_ip(fd, IP_TOS, 0xb8);
}

/* From the SYN, or the SYN-ACK, to the last ACK of a record. */
TEST_F(marks, rfc9293_must_48_dscp_from_first_to_last)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c, .active = true, .prepare = expedited);
	rest_of_life(_metadata, &c, 0xb8);
	conn_start(p, &c, .prepare = expedited);
	conn_send(&c, .flags = SYN, .tos = 0x28);
	conn_learn(&c, conn_expect(&c, .flags = SYN | ACK, .ack = 1, .tos = 0xb8));
	conn_send(&c, .flags = ACK, .tos = 0x28);
	ASSERT_LE(0, conn_accept(&c));
	rest_of_life(_metadata, &c, 0xb8);
}

/*
 * As in Linux: without a socket the answer has the DSCP of the segment. No ECN,
 * though.
 */
TEST_F(marks, rfc9293_shld_22_resets_have_the_senders_dscp)
{
	static const int sent[] = { 0, 0x28, 0xb8 | 2, 0x03 };
	struct peer *p = &self->peer;

	peer_hold(p, 1);
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		peer_send(p, .flags = SYN, .dport = 1, .tos = sent[i]);
		peer_expect(p, .flags = RST | ACK, .sport = 1, .tos = sent[i] & ~3);
		peer_send(p, .flags = ACK, .dport = 1, .tos = sent[i]);
		peer_expect(p, .flags = RST, .sport = 1, .tos = sent[i] & ~3);
	}
}

/* The client's DSCP counts; its later changes have no effect. */
TEST_F(marks, knob_reflect_tos)
{
	struct peer *p = &self->peer;
	struct conn c;

	ASSERT_EQ(0, knob_set("reflect_tos", 1));
	conn_start(p, &c, .prepare = expedited);
	conn_send(&c, .flags = SYN, .tos = 0x28);
	conn_learn(&c, conn_expect(&c, .flags = SYN | ACK, .ack = 1, .tos = 0x28));
	conn_send(&c, .flags = ACK, .tos = 0x10);
	ASSERT_LE(0, conn_accept(&c));
	rest_of_life(_metadata, &c, 0x28);
}

TEST_HARNESS_MAIN
