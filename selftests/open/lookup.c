// SPDX-License-Identifier: GPL-2.0
/*
 * lookup: which of several listeners a SYN is for. RFC 9293 3.10.1: a passive OPEN may
 * name the local address or leave it open; the most specific one wins.
 */
/* vm: wires families short */
#include "lib/bpf.h"
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <sched.h>

PEER_FIXTURE(lookup);

static int listener(struct __test_metadata *_metadata, const char *addr,
		    const char *dev, int option)
{
	int fd = socket_new(-1);

	if (option)
		ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, option, 1));
	if (dev)
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)));
	ASSERT_EQ(0, socket_bind(fd, addr, KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 200));
	return fd;
}

/* One connection to that address; returns which of n has it, -1: refused. */
static int who_answers(struct peer *p, const char *addr, const int *fd, int n)
{
	struct ipaddr dst = ipaddr(addr);
	uint32_t ack;

	p->kernel = dst;
	peer_send(p, .flags = SYN, .seq = 1, .sport = ++p->port);
	peer_expect(p, .ack = 2);
	ack = p->last.seq + 1;
	if (p->last.flags & RST)
		return -1;
	peer_send(p, .flags = ACK, .seq = 2, .ack = ack);
	for (int i = 0; i < n; i++)
		if (fd[i] >= 0 && socket_poll(fd[i]) & POLLIN) {
			int child = accept(fd[i], NULL, NULL);

			/* It ends before the next is tried. */
			peer_send(p, .flags = RST, .seq = 2);
			close(child);
			return i;
		}
	peer_fail(WHERE(p->test), p, "no listener has the connection");
}

static void own_address(struct __test_metadata *_metadata, const char *text)
{
	struct ipaddr own = ipaddr(text);

	address_add(WHERE(_metadata), "tun0", &own, 24);
}

TEST_F(lookup, lc_02_named_address_before_any)
{
	struct peer *p = &self->peer;
	int fd[2];

	own_address(_metadata, "10.0.0.11");
	fd[0] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	fd[1] = listener(_metadata, "", NULL, SO_REUSEPORT);
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
	EXPECT_EQ(1, who_answers(p, "10.0.0.11", fd, 2));
	/* In any order of creation. */
	close(fd[0]);
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", &fd[0], 2));
	fd[0] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
	close(fd[1]);
	EXPECT_EQ(-1, who_answers(p, "10.0.0.11", fd, 1));
}

TEST_F(lookup, lc_02_named_device_before_any)
{
	struct peer *p = &self->peer;
	int fd[3];

	/* Among those of SO_REUSEPORT Linux takes the first that it finds. */
	NOT_ON_STOCK();
	tun_new(WHERE(_metadata), "tun1");
	fd[0] = listener(_metadata, "10.0.0.1", "tun1", SO_REUSEPORT);
	fd[1] = listener(_metadata, "10.0.0.1", "tun0", SO_REUSEPORT);
	fd[2] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, 3));
	close(fd[1]);
	fd[1] = -1;
	EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, 3));
	close(fd[2]);
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", fd, 1));
}

/* The address counts over the device, whatever the order. */
TEST_F(lookup, lc_02_named_address_before_named_device)
{
	struct peer *p = &self->peer;
	int fd[2];

	fd[0] = listener(_metadata, "", "tun0", SO_REUSEPORT);
	fd[1] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, 2));
	close(fd[1]);
	fd[1] = -1;
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
}

static void to_device(struct __test_metadata *_metadata, int fd, const char *dev)
{
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev)));
}

/* A listener that gets another device leaves its group, which goes on. */
TEST_F(lookup, reuseport_group_follows_the_device)
{
	enum { N = 3, TRIES = 60 };
	struct peer *p = &self->peer;
	int fd[N], got[N] = { 0 };

	/* On Linux it stays in the group, and gets what is another device's. */
	NOT_ON_STOCK();
	tun_new(WHERE(_metadata), "tun1");
	for (int i = 0; i < N; i++)
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	/* The device that it has already: each still gets its share. */
	to_device(_metadata, fd[0], "");
	for (int i = 0; i < TRIES; i++)
		got[who_answers(p, "10.0.0.1", fd, N)]++;
	for (int i = 0; i < N; i++) {
		EXPECT_LE(5, got[i]);
		got[i] = 0;
	}
	to_device(_metadata, fd[0], "tun1");
	for (int i = 0; i < TRIES; i++)
		EXPECT_LE(1, who_answers(p, "10.0.0.1", fd, N));
	to_device(_metadata, fd[2], "tun1");
	for (int i = 0; i < TRIES; i++)
		EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, N));
	/* Back again, each gets its share; by chance less than 5 in one of 10^6. */
	to_device(_metadata, fd[0], "");
	to_device(_metadata, fd[2], "");
	for (int i = 0; i < TRIES; i++)
		got[who_answers(p, "10.0.0.1", fd, N)]++;
	for (int i = 0; i < N; i++)
		EXPECT_LE(5, got[i]);
	/* One that closes is missed by none of the others. */
	to_device(_metadata, fd[1], "tun1");
	close(fd[0]);
	fd[0] = -1;
	EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, N));
	to_device(_metadata, fd[1], "tun0");
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, N));
	close(fd[1]);
	fd[1] = -1;
	EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, N));
}

/*
 * A listener whose place at its new device is taken gets no SYNs; not even when the other one
 * closes, until its device is set again.
 */
TEST_F(lookup, listener_gets_no_syns_beside_another_one)
{
	struct peer *p = &self->peer;
	int fd[2];

	NOT_ON_STOCK();		/* the one that listened last gets them */
	p->stock_may_speak = true;	/* it resets what has no listener on the TCP wire */
	tun_new(WHERE(_metadata), "tun1");
	fd[0] = listener(_metadata, "10.0.0.1", "tun0", 0);
	fd[1] = listener(_metadata, "10.0.0.1", "tun1", 0);
	to_device(_metadata, fd[1], "tun0");
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
	close(fd[0]);
	fd[0] = -1;
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", fd, 2));
	to_device(_metadata, fd[1], "tun0");
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, 2));
	/* It moves away and finds its place taken; then it has its old one again. */
	fd[0] = listener(_metadata, "10.0.0.1", "tun1", 0);
	to_device(_metadata, fd[1], "tun1");
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", fd, 2));
	to_device(_metadata, fd[1], "tun0");
	EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, 2));
	close(fd[1]);
	fd[1] = -1;
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", fd, 2));
}

/* A member of a group does so as well, and belongs to its group again when it moves back. */
TEST_F(lookup, reuseport_member_comes_back_from_a_place_that_is_taken)
{
	struct peer *p = &self->peer;
	int fd[3], got[3] = { };

	NOT_ON_STOCK();		/* it does not leave its group */
	tun_new(WHERE(_metadata), "tun1");
	fd[2] = listener(_metadata, "10.0.0.1", "tun1", 0);
	fd[0] = listener(_metadata, "10.0.0.1", "tun0", SO_REUSEPORT);
	fd[1] = listener(_metadata, "10.0.0.1", "tun0", SO_REUSEPORT);
	to_device(_metadata, fd[0], "tun1");
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(1, who_answers(p, "10.0.0.1", fd, 3));
	to_device(_metadata, fd[0], "tun0");
	for (int i = 0; i < 60; i++)
		got[who_answers(p, "10.0.0.1", fd, 3)]++;
	EXPECT_LT(0, got[0]);
	EXPECT_LT(0, got[1]);
}

TEST_F(lookup, lc_02_a_bound_socket_is_no_listener)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1);

	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(-1, who_answers(p, "10.0.0.1", &fd, 1));
	ASSERT_EQ(0, socket_listen(fd, 4));
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", &fd, 1));
}

/* SO_REUSEPORT: the 4-tuple decides, so that each gets its share. */
TEST_F(lookup, lc_02_reuseport_shares_connections_out)
{
	enum { N = 4, TRIES = 200 };
	struct peer *p = &self->peer;
	int fd[N], got[N] = { 0 };

	for (int i = 0; i < N; i++)
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	for (int i = 0; i < TRIES; i++)
		got[who_answers(p, "10.0.0.1", fd, N)]++;
	/* 50 each; by chance less than 20 in one of 10^7. */
	for (int i = 0; i < N; i++)
		EXPECT_LE(20, got[i]);
	/* The share of a listener goes to the others when it closes. */
	for (int i = 1; i < N; i++) {
		close(fd[i]);
		fd[i] = -1;
	}
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, N));
}

/* As in Linux the families form groups of their own, and IPv4 sockets go first. */
TEST_F(lookup, reuseport_group_has_one_family)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = htons(KERNEL_PORT) };
	struct peer *p = &self->peer;
	int fd[3];

	/* Of other variants all sockets are of AF_INET6. */
	if (p->family != AF_INET || socket_family(AF_INET) != AF_INET)
		return;
	ASSERT_EQ(1, inet_pton(AF_INET6, "::ffff:10.0.0.1", &mapped.sin6_addr));
	fd[0] = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, stream_proto());
	ASSERT_LE(0, fd[0]);
	ASSERT_EQ(0, socket_set(fd[0], SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, bind(fd[0], (struct sockaddr *)&mapped, sizeof(mapped)));
	ASSERT_EQ(0, socket_listen(fd[0], 200));
	fd[1] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	fd[2] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	for (int i = 0; i < 30; i++)
		EXPECT_LT(0, who_answers(p, "10.0.0.1", fd, 3));
	close(fd[1]);
	close(fd[2]);
	fd[1] = fd[2] = -1;
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 3));
}

/* Whichever of them closes first, the rest continues. */
TEST_F(lookup, reuseport_group_outlives_each_member)
{
	enum { N = 4 };
	struct peer *p = &self->peer;
	int fd[N], who;

	for (int first = 0; first < N; first++) {
		for (int i = 0; i < N; i++)
			fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
		for (int i = 0; i < N; i++) {
			for (int n = 0; n < 10; n++) {
				who = who_answers(p, "10.0.0.1", fd, N);
				ASSERT_LE(0, who);
				EXPECT_LE(0, fd[who]);
			}
			close(fd[(first + i) % N]);
			fd[(first + i) % N] = -1;
		}
	}
}

/* Which of four gets the connections of so many ports. */
static void choices(struct __test_metadata *_metadata, struct peer *p, int *who, int n)
{
	int fd[4];

	for (int i = 0; i < 4; i++)
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	for (int i = 0; i < n; i++)
		who[i] = who_answers(p, "10.0.0.1", fd, 4);
}

/* The hash has a key, and each namespace its own: no peer can choose. */
TEST_F(lookup, reuseport_choice_is_by_a_secret)
{
	enum { N = 64 };
	int here[N], there[N], same = 0;
	struct peer other;

	NOT_ON_STOCK();
	choices(_metadata, &self->peer, here, N);
	peer_open_at(WHERE(_metadata), &other, NULL);
	choices(_metadata, &other, there, N);
	peer_close_at(WHERE(_metadata), &other);
	for (int i = 0; i < N; i++)
		same += here[i] == there[i];
	/* By chance 16; 40 in one of 10^9. */
	EXPECT_GE(40, same);
}

/* Of a group, the listener meant for the CPU on which a SYN arrived. */
TEST_F(lookup, reuseport_incoming_cpu)
{
	enum { N = 4 };
	struct peer *p = &self->peer;
	cpu_set_t here;
	int fd[N];

	CPU_ZERO(&here);
	CPU_SET(0, &here);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(here), &here));
	for (int i = 0; i < N; i++)
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	ASSERT_EQ(0, socket_set(fd[2], SOL_SOCKET, SO_INCOMING_CPU, 0));
	for (int i = 0; i < 30; i++)
		EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, N));
	ASSERT_EQ(0, socket_set(fd[2], SOL_SOCKET, SO_INCOMING_CPU, 1));
	ASSERT_EQ(0, socket_set(fd[3], SOL_SOCKET, SO_INCOMING_CPU, 0));
	for (int i = 0; i < 30; i++)
		EXPECT_EQ(3, who_answers(p, "10.0.0.1", fd, N));
	close(fd[3]);
	fd[3] = -1;
	/* None is meant for it: they share as always. */
	for (int i = 0; i < 30; i++)
		EXPECT_LE(0, who_answers(p, "10.0.0.1", fd, N));
}

/* A more specific address counts over the CPU. */
TEST_F(lookup, incoming_cpu_counts_less_than_the_address)
{
	struct peer *p = &self->peer;
	int fd[2];

	fd[0] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	fd[1] = listener(_metadata, "", NULL, SO_REUSEPORT);
	ASSERT_EQ(0, socket_set(fd[1], SOL_SOCKET, SO_INCOMING_CPU, 0));
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
}

/* Where a program finds the TCP header; at 0 it finds the payload. */
#define TCP_AT(offset) (SKF_NET_OFF + (test_family() == AF_INET6 ? 40 : 20) + (offset))

static int attach(int fd, struct sock_filter *code, unsigned short len)
{
	struct sock_fprog prog = { .len = len, .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) ?
	       errno : 0;
}

static void group(struct __test_metadata *_metadata, int *fd, int n)
{
	for (int i = 0; i < n; i++)
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
}

TEST_F(lookup, reuseport_cbpf_chooses)
{
	struct sock_filter by_port[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, TCP_AT(0)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct peer *p = &self->peer;
	int fd[3], only = 0;

	group(_metadata, fd, 3);
	ASSERT_EQ(0, attach(fd[1], by_port, ARRAY_SIZE(by_port)));
	for (int i = 0; i < 30; i++)
		EXPECT_EQ((p->port + 1) % 3, who_answers(p, "10.0.0.1", fd, 3));
	/* When it is detached, the hash decides again. */
	ASSERT_EQ(0, setsockopt(fd[0], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &only, sizeof(only)));
	for (int i = 0; i < 30; i++)
		only += (p->port + 1) % 3 == who_answers(p, "10.0.0.1", fd, 3);
	EXPECT_GT(30, only);
}

/* Numbers are the group's: the last one moves to the place of one that closes. */
TEST_F(lookup, reuseport_cbpf_numbers_follow_the_group)
{
	struct sock_filter first[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct peer *p = &self->peer;
	int fd[4];

	group(_metadata, fd, 3);
	ASSERT_EQ(0, attach(fd[0], first, 1));
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 3));
	close(fd[0]);
	fd[0] = -1;
	EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, 3));
	/* A new one is the last, and one of another address is not a member. */
	fd[0] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	fd[3] = listener(_metadata, "", NULL, SO_REUSEPORT);
	EXPECT_EQ(2, who_answers(p, "10.0.0.1", fd, 4));
	/* A socket that has stopped listening is no longer a member. */
	ASSERT_EQ(0, socket_shutdown(fd[2], SHUT_RD));
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 4));
	ASSERT_EQ(0, socket_listen(fd[2], 10));
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 4));
}

TEST_F(lookup, reuseport_cbpf_number_too_high_is_chance)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 2) };
	struct peer *p = &self->peer;
	int fd[2], got[2] = { 0 };

	group(_metadata, fd, 2);
	ASSERT_EQ(0, attach(fd[0], none, 1));
	for (int i = 0; i < 40; i++)
		got[who_answers(p, "10.0.0.1", fd, 2)]++;
	EXPECT_LT(0, got[0]);
	EXPECT_LT(0, got[1]);
}

/* The first bytes that it sees are the SYN's payload. */
TEST_F(lookup, reuseport_cbpf_sees_the_text)
{
	struct sock_filter text[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct peer *p = &self->peer;
	struct conn c;
	int fd[3];

	group(_metadata, fd, 3);
	ASSERT_EQ(0, attach(fd[0], text, ARRAY_SIZE(text)));
	for (char i = 2; i >= 1; i--) {
		const char data[] = { i, 0 };

		conn_start(p, &c, .lfd = fd[(int)i]);
		conn_send(&c, .flags = SYN, .data = data);
		conn_expect(&c, .flags = SYN | ACK, .ack = 1);
		conn_send(&c, .flags = ACK, .seq = 1);
		conn_accept(&c);
		conn_send(&c, .flags = RST, .seq = 1);
	}
	/* Beyond the packet's end a load ends the program with 0. */
	EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 3));
}

/*
 * SYN to one, ACK to another: the cookie is accepted, because the group has
 * overflowed.
 */
TEST_F(lookup, reuseport_cookie_comes_back_to_another)
{
	struct sock_filter by_flag[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_AT(13)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 2 /* SYN */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 1),
	};
	struct peer *p = &self->peer;
	struct conn full, c;
	int fd[2];

	group(_metadata, fd, 2);
	ASSERT_EQ(0, attach(fd[0], by_flag, ARRAY_SIZE(by_flag)));
	ASSERT_EQ(0, socket_listen(fd[0], 0));
	conn_to_state(p, &full, ST_HALF_OPEN, .lfd = fd[0]);
	conn_start(p, &c, .lfd = fd[1]);
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	conn_accept(&c);
	conn_expect_state(&c, ST_ESTABLISHED);
}

/* A program that returns a constant. */
static int load(struct __test_metadata *_metadata, enum bpf_prog_type type, int result)
{
	const struct bpf_insn code[] = { BPF_MOV64_IMM(BPF_REG_0, result), BPF_EXIT_INSN() };

	return bpf_load(_metadata, type, 0, code, ARRAY_SIZE(code));
}

TEST_F(lookup, reuseport_ebpf_chooses)
{
	struct peer *p = &self->peer;
	int fd[3], prog;

	group(_metadata, fd, 3);
	for (int i = 0; i < 3; i++) {
		prog = load(_metadata, BPF_PROG_TYPE_SOCKET_FILTER, i);
		ASSERT_EQ(0, socket_set(fd[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog));
		close(prog);
		for (int n = 0; n < 4; n++)
			EXPECT_EQ(i, who_answers(p, "10.0.0.1", fd, 3));
	}
}

/* The kernel reserves this type to protocols that it knows: 524 is ENOTSUPP. */
TEST_F(lookup, reuseport_ebpf_of_its_own_type_is_refused)
{
	int fd, prog;

	NOT_ON_STOCK();
	fd = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	prog = load(_metadata, BPF_PROG_TYPE_SK_REUSEPORT, 1);
	EXPECT_EQ(524, socket_set(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog));
	close(prog);
}

TEST_F(lookup, reuseport_program_needs_the_option)
{
	struct sock_filter first[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct peer *p = &self->peer;
	int fd[2], lone;

	lone = socket_new(-1);
	EXPECT_EQ(EINVAL, attach(lone, first, 1));
	ASSERT_EQ(0, socket_bind(lone, "10.0.0.1", 9));
	ASSERT_EQ(0, socket_listen(lone, 1));
	EXPECT_EQ(EINVAL, attach(lone, first, 1));
	/* Attached before listen(), to the first of a group, it counts for all. */
	fd[0] = socket_new(-1);
	ASSERT_EQ(0, socket_set(fd[0], SOL_SOCKET, SO_REUSEPORT, 1));
	EXPECT_EQ(0, attach(fd[0], first, 1));
	ASSERT_EQ(0, socket_bind(fd[0], "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd[0], 10));
	fd[1] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, who_answers(p, "10.0.0.1", fd, 2));
}

/* Groups of one whose members have cleared the option are one group when they get one device. */
static void meet_on_a_device(struct __test_metadata *_metadata, struct peer *p, bool one_stays)
{
	int stays = one_stays ? listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT) : -1;
	int fd[3], got[3] = { };

	for (int i = 0; i < 3; i++) {
		fd[i] = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
		ASSERT_EQ(0, socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 0));
		ASSERT_EQ(0, setsockopt(fd[i], SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5));
	}
	for (int i = 0; i < 60; i++) {
		int who = who_answers(p, "10.0.0.1", fd, 3);

		ASSERT_LE(0, who);
		got[who]++;
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_LT(0, got[i]);
		close(fd[i]);
	}
	close(stays);
}

TEST_F(lookup, reuseport_groups_meet_on_a_device)
{
	NOT_ON_STOCK();
	meet_on_a_device(_metadata, &self->peer, false);
	/* They leave the group of a member that has no device. */
	meet_on_a_device(_metadata, &self->peer, true);
}

/*
 * No user can know the multipliers of the hash (lookup.c). If they were zero, it would depend on
 * the sum of address and port, as in open/gate. While a chain is full in the old table and in the
 * new one, listen() fails for all whose place it is.
 */
TEST_F(lookup, listeners_are_hashed_by_a_secret)
{
	enum { N = 48 };
	char addr[32];
	int fd[N], err[N];

	/* IPv6 has one local address here, and its digest is secret besides. */
	if (self->peer.family != AF_INET)
		return;
	for (int i = 0; i < N; i++) {
		fd[i] = socket_new(-1);
		snprintf(addr, sizeof(addr), "127.1.%d.1", i);
		ASSERT_EQ(0, socket_bind(fd[i], addr, 0x2000 + 255 - i));
	}
	alone_begin(WHERE(_metadata));
	for (int i = 0; i < N; i++)
		err[i] = socket_listen(fd[i], 4);
	alone_end(WHERE(_metadata));
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(0, err[i]) TH_LOG("the listener %d", i);
		close(fd[i]);
	}
}

/* A third segment belongs to the listener that answered the SYN. */
TEST_F(lookup, lc_03_half_open_stays_with_its_listener)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd, any;

	any = listener(_metadata, "", NULL, SO_REUSEPORT);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = any);
	fd = listener(_metadata, "10.0.0.1", NULL, SO_REUSEPORT);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(POLLIN, socket_poll(any));
	EXPECT_EQ(0, socket_poll(fd));
}

/* A connection takes precedence over any listener. */
TEST_F(lookup, lc_12_connection_before_listener)
{
	struct peer *p = &self->peer;
	struct conn c;

	conn_open(p, &c);
	conn_send(&c, .flags = SYN, .seq = 70000);
	conn_expect(&c, .flags = ACK, .seq = 1, .ack = 1);
	EXPECT_EQ(0, socket_poll(c.lfd));
	EXPECT_EQ(0, proc_rows(p->family, ROW_SYN_RECEIVED));
}

TEST_HARNESS_MAIN
