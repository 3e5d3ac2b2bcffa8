// SPDX-License-Identifier: GPL-2.0
/*
 * policy: what an administrator forbids or changes. A cgroup's BPF programs see each
 * bind(), connect(), name and packet of an xtcp socket as of any TCP socket. Landlock and
 * SELinux recognize TCP by its protocol number and don't see xtcp:
 * net.ipv4.xtcp_gid_range says who may open an xtcp socket. Security modules: lsm.c.
 */
/* vm: wires families */
#include "lib/bpf.h"
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MOUNT "/tmp/policy"
#define GROUP MOUNT "/test"
#define NOBODY 65534

#define PORT 7000		/* that the program under test asks for */
#define OTHER 7001		/* that a BPF program has it get */

PEER_FIXTURE(policy);

/* --- a cgroup with a program -------------------------------------------- */

static void group_enter(struct __test_metadata *_metadata)
{
	mkdir(MOUNT, 0755);
	ASSERT_EQ(0, mount("none", MOUNT, "cgroup2", 0, NULL));
	mkdir(GROUP, 0755);
	file_write(_metadata, GROUP "/cgroup.procs", "0");
}

/* The programs end with the group. */
static void group_leave(struct __test_metadata *_metadata)
{
	file_write(_metadata, MOUNT "/cgroup.procs", "0");
	EXPECT_EQ(0, rmdir(GROUP));
	umount(MOUNT);
}

/* A program of the family in which the test's sockets are. */
enum hook { CONNECT, BIND, POST_BIND, GETSOCKNAME, GETPEERNAME, CREATE, INGRESS, EGRESS };

static bool ipv6(void)
{
	return socket_family(AF_INET) == AF_INET6;
}

static int attach_type(enum hook hook)
{
	static const int types[][2] = {
		[CONNECT] = { BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT },
		[BIND] = { BPF_CGROUP_INET4_BIND, BPF_CGROUP_INET6_BIND },
		[POST_BIND] = { BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET6_POST_BIND },
		[GETSOCKNAME] = { BPF_CGROUP_INET4_GETSOCKNAME, BPF_CGROUP_INET6_GETSOCKNAME },
		[GETPEERNAME] = { BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME },
		[CREATE] = { BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_SOCK_CREATE },
		[INGRESS] = { BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_INGRESS },
		[EGRESS] = { BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET_EGRESS },
	};

	return types[hook][ipv6()];
}

static enum bpf_prog_type program_type(enum hook hook)
{
	switch (hook) {
	case CREATE:
	case POST_BIND:
		return BPF_PROG_TYPE_CGROUP_SOCK;
	case INGRESS:
	case EGRESS:
		return BPF_PROG_TYPE_CGROUP_SKB;
	default:
		return BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
	}
}

static void program_attach(struct __test_metadata *_metadata, enum hook hook,
			   const struct bpf_insn *insns, int count)
{
	int program = bpf_load(_metadata, program_type(hook), attach_type(hook), insns, count);
	union bpf_attr attach = {
		.target_fd = open(GROUP, O_RDONLY | O_DIRECTORY),
		.attach_bpf_fd = program,
		.attach_type = attach_type(hook),
	};

	ASSERT_EQ(0, syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)));
	close(attach.target_fd);
	close(program);
}

static void refuse(struct __test_metadata *_metadata, enum hook hook)
{
	const struct bpf_insn insns[] = { BPF_MOV64_IMM(0, 0), BPF_EXIT_INSN() };

	program_attach(_metadata, hook, insns, ARRAY_SIZE(insns));
}

/* The last 32 bits of an address, in network order. */
static uint32_t address_tail(const struct ipaddr *addr)
{
	return addr->family == AF_INET ? addr->v4.s_addr : addr->v6.s6_addr32[3];
}

/* The port becomes OTHER; and the address addr, if there is one. */
static void rewrite(struct __test_metadata *_metadata, enum hook hook, const char *addr)
{
	struct ipaddr to = ipaddr(addr ?: "10.0.0.1");
	int ip = ipv6() ? offsetof(struct bpf_sock_addr, user_ip6[3]) :
			  offsetof(struct bpf_sock_addr, user_ip4);
	const struct bpf_insn insns[] = {
		BPF_MOV64_IMM(2, htons(OTHER)),
		BPF_STX_MEM(BPF_W, 1, 2, offsetof(struct bpf_sock_addr, user_port)),
		BPF_MOV64_IMM(0, 1),
		addr ? BPF_MOV64_IMM(2, address_tail(&to)) : BPF_EXIT_INSN(),
		addr ? BPF_STX_MEM(BPF_W, 1, 2, ip) : BPF_MOV64_IMM(0, 1),
		BPF_EXIT_INSN(),
	};

	program_attach(_metadata, hook, insns, addr ? ARRAY_SIZE(insns) : 4);
}

/* connect() binds the socket there before; it fails if that does, or @refuses. */
static void bind_before(struct __test_metadata *_metadata, const char *addr, int port,
			bool refuses)
{
	struct ipaddr to = ipaddr(addr);
	struct bpf_insn insns[32];
	union {
		struct sockaddr_storage sa;
		uint64_t word[4];
	} name = { };
	int len = ipaddr_sockaddr(&to, port, &name.sa), n = 0;

	for (int i = 0; i < 4; i++) {
		const struct bpf_insn store[] = {
			BPF_LD_IMM64(3, name.word[i]),
			BPF_STX_MEM(BPF_DW, 10, 3, 8 * i - 32),
		};

		memcpy(insns + n, store, sizeof(store));
		n += ARRAY_SIZE(store);
	}
	insns[n++] = BPF_MOV64_REG(2, 10);
	insns[n++] = BPF_ADD64_IMM(2, -32);
	insns[n++] = BPF_MOV64_IMM(3, len);
	insns[n++] = BPF_EMIT_CALL(BPF_FUNC_bind);
	insns[n++] = BPF_MOV64_REG(6, 0);
	insns[n++] = BPF_MOV64_IMM(0, refuses ? 0 : 1);
	insns[n++] = BPF_JMP_IMM(BPF_JEQ, 6, 0, 1);
	insns[n++] = BPF_MOV64_IMM(0, 0);
	insns[n++] = BPF_EXIT_INSN();
	program_attach(_metadata, CONNECT, insns, n);
}

static void bind_first(struct __test_metadata *_metadata, const char *addr, int port)
{
	bind_before(_metadata, addr, port, false);
}

/* --- connect() ---------------------------------------------------------- */

TEST_F(policy, cgroup_connect_is_refused)
{
	int fd;

	group_enter(_metadata);
	fd = socket_new(-1);
	refuse(_metadata, CONNECT);
	EXPECT_EQ(EPERM, socket_connect(fd, "10.0.0.2", PORT));
	EXPECT_EQ(0, socket_port(fd));
	peer_expect_silence(&self->peer, 1500);
	close(fd);
	group_leave(_metadata);
	/* The refusal was about the group, and not about the socket's next user. */
	fd = socket_new(-1);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	peer_expect(&self->peer, .flags = SYN, .sport = ANYWHERE, .dport = PORT);
	socket_abort(fd);
}

TEST_F(policy, cgroup_connect_goes_elsewhere)
{
	int fd;

	group_enter(_metadata);
	fd = socket_new(-1);
	rewrite(_metadata, CONNECT, "10.0.0.3");
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	peer_expect(&self->peer, .flags = SYN, .sport = ANYWHERE, .dport = OTHER,
		    .dst = ipaddr("10.0.0.3"));
	socket_abort(fd);
	group_leave(_metadata);
}

/* An address that is too short for a program to see. */
TEST_F(policy, cgroup_connect_of_a_short_address)
{
	struct ipaddr to = ipaddr("10.0.0.2");
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&to, PORT, &sa);
	int fd;

	group_enter(_metadata);
	fd = socket_new(-1);
	rewrite(_metadata, CONNECT, NULL);
	EXPECT_EQ(EINVAL, errno_of(connect(fd, (struct sockaddr *)&sa, len / 2)));
	close(fd);
	group_leave(_metadata);
}

TEST_F(policy, cgroup_connect_binds_the_address)
{
	struct ipaddr other = ipaddr("10.0.0.11");
	int fd;

	address_add(WHERE(_metadata), "lo", &other, other.family == AF_INET ? 32 : 128);
	group_enter(_metadata);
	fd = socket_new(-1);
	bind_first(_metadata, "10.0.0.11", 0);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	peer_expect(&self->peer, .flags = SYN, .sport = ANYWHERE, .dport = PORT,
		    .src = ipaddr("10.0.0.11"));
	socket_abort(fd);
	group_leave(_metadata);
}

/* No program may sleep, whatever bind() on the TCP wire does. */
TEST_F(policy, cgroup_connect_binds_the_port)
{
	int fd;

	group_enter(_metadata);
	fd = socket_new(-1);
	bind_first(_metadata, "10.0.0.1", 5555);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	peer_expect(&self->peer, .flags = SYN, .sport = 5555, .dport = PORT);
	EXPECT_EQ(5555, socket_port(fd));
	socket_abort(fd);
	/* Which is free again. */
	fd = socket_new(-1);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	peer_expect(&self->peer, .flags = SYN, .sport = 5555, .dport = PORT);
	socket_abort(fd);
	group_leave(_metadata);
}

/*
 * On the TCP wire a port of the kernel's TCP is not available. The program's bind()
 * fails, and the program refuses the connection.
 */
TEST_F(policy, cgroup_connect_binds_a_port_of_stock)
{
	int fd, stock = socket_new(IPPROTO_TCP);
	bool shared = stream_wire() == XTCP_WIRE_TCP;

	NOT_ON_STOCK();
	ASSERT_EQ(0, socket_bind(stock, "10.0.0.1", 5555));
	ASSERT_EQ(0, socket_listen(stock, 1));
	group_enter(_metadata);
	fd = socket_new(-1);
	bind_first(_metadata, "10.0.0.1", 5555);
	EXPECT_EQ(shared ? EPERM : EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	EXPECT_EQ(shared ? 0 : 5555, socket_port(fd));
	if (!shared)
		peer_expect(&self->peer, .flags = SYN, .sport = 5555, .dport = PORT);
	socket_abort(fd);
	close(stock);
	group_leave(_metadata);
}

/* The port is the socket's, though its connection is refused: stock may not have it. */
TEST_F(policy, cgroup_connect_binds_the_port_and_refuses)
{
	int fd, stock = socket_new(IPPROTO_TCP);
	bool shared = stream_wire() == XTCP_WIRE_TCP;

	NOT_ON_STOCK();
	group_enter(_metadata);
	fd = socket_new(-1);
	bind_before(_metadata, "10.0.0.1", 5555, true);
	EXPECT_EQ(EPERM, socket_connect(fd, "10.0.0.2", PORT));
	EXPECT_EQ(5555, socket_port(fd));
	EXPECT_EQ(shared ? EADDRINUSE : 0, socket_bind(stock, "10.0.0.1", 5555));
	close(stock);
	close(fd);
	/* It is free again. */
	stock = socket_new(IPPROTO_TCP);
	EXPECT_EQ(0, socket_bind(stock, "10.0.0.1", 5555));
	close(stock);
	group_leave(_metadata);
}

/* --- bind() and names --------------------------------------------------- */

TEST_F(policy, cgroup_bind_is_refused)
{
	int fd;

	group_enter(_metadata);
	fd = socket_new(-1);
	refuse(_metadata, BIND);
	EXPECT_EQ(EPERM, socket_bind(fd, "10.0.0.1", PORT));
	EXPECT_EQ(0, socket_port(fd));
	close(fd);
	group_leave(_metadata);
}

TEST_F(policy, cgroup_bind_after_the_fact_is_refused)
{
	int fd;

	group_enter(_metadata);
	fd = socket_new(-1);
	refuse(_metadata, POST_BIND);
	EXPECT_EQ(EPERM, socket_bind(fd, "10.0.0.1", PORT));
	EXPECT_EQ(0, socket_port(fd));
	close(fd);
	group_leave(_metadata);
	fd = socket_new(-1);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", PORT));
	close(fd);
}

TEST_F(policy, cgroup_bind_goes_elsewhere)
{
	int fd, stock = socket_new(IPPROTO_TCP);
	bool shared = stream_wire() == XTCP_WIRE_TCP;

	group_enter(_metadata);
	fd = socket_new(-1);
	rewrite(_metadata, BIND, NULL);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", PORT));
	EXPECT_EQ(OTHER, socket_port(fd));
	group_leave(_metadata);
	/* That port is held against the kernel's TCP, too. */
	EXPECT_EQ(shared ? EADDRINUSE : 0, socket_bind(stock, "10.0.0.1", OTHER));
	close(stock);
	stock = socket_new(IPPROTO_TCP);
	EXPECT_EQ(0, socket_bind(stock, "10.0.0.1", PORT));
	close(stock);
	close(fd);
}

TEST_F(policy, cgroup_names_are_changed)
{
	struct ipaddr other = ipaddr("10.0.0.3");
	struct conn c;

	group_enter(_metadata);
	conn_open(&self->peer, &c, .active = true);
	rewrite(_metadata, GETSOCKNAME, NULL);
	EXPECT_EQ(OTHER, socket_port(c.fd));
	rewrite(_metadata, GETPEERNAME, "10.0.0.3");
	socket_expect_name(WHERE(_metadata), c.fd, getpeername, &other, OTHER);
	group_leave(_metadata);
}

TEST_F(policy, cgroup_socket_is_refused)
{
	int fd;

	group_enter(_metadata);
	refuse(_metadata, CREATE);
	fd = stream_socket(socket_family(AF_INET));
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(EPERM, errno);
	group_leave(_metadata);
}

/* --- packets ------------------------------------------------------------ */

/* As systemd's IPAddressDeny= does it: for each packet to a socket of the group. */
TEST_F(policy, cgroup_program_drops_what_comes_in)
{
	struct peer *p = &self->peer;
	struct conn open, half;

	group_enter(_metadata);
	conn_open(p, &open);
	conn_to_state(p, &half, ST_HALF_OPEN, .kport = PORT);
	refuse(_metadata, INGRESS);
	conn_send(&open, .flags = ACK | PSH, .seq = 1, .data = "no");
	conn_send(&open, .flags = FIN | ACK, .seq = 1);
	conn_send(&open, .flags = RST, .seq = 1);
	conn_send(&half, .flags = RST, .seq = 1);
	conn_send(&half, .flags = ACK, .seq = 1);
	peer_send(p, .flags = SYN, .sport = 99);
	peer_expect_silence(p, 300);
	conn_expect_state(&open, ST_ESTABLISHED);
	conn_expect_state(&half, ST_HALF_OPEN);
	EXPECT_EQ(POLLOUT, socket_poll(open.fd));
	group_leave(_metadata);
	p->leave_unread = true;
}

TEST_F(policy, cgroup_program_drops_what_leaves)
{
	struct peer *p = &self->peer;
	struct conn c;

	group_enter(_metadata);
	conn_open(p, &c);
	refuse(_metadata, EGRESS);
	EXPECT_EQ(1, send(c.fd, "y", 1, 0));
	peer_send(p, .flags = SYN, .sport = 99);
	peer_expect_silence(p, 1500);
	conn_expect_state(&c, ST_ESTABLISHED);
	group_leave(_metadata);
	p->leave_unread = true;
}

/* --- who may connect to this host --------------------------------------- */

/* A program of type sk_lookup; it ends with the returned file descriptor. */
static int steer(struct __test_metadata *_metadata, const struct bpf_insn *insns, int count)
{
	int program = bpf_load(_metadata, BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, insns, count);
	union bpf_attr attr = {
		.link_create.prog_fd = program,
		.link_create.target_fd = open("/proc/thread-self/ns/net", O_RDONLY),
		.link_create.attach_type = BPF_SK_LOOKUP,
	};
	int link = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	ASSERT_LE(0, link);
	close(attr.link_create.target_fd);
	close(program);
	return link;
}

/* The kernel knows no programs for protocol 253. */
static bool is_steered(void)
{
	return stock_mode() || stream_wire() == XTCP_WIRE_TCP;
}

TEST_F(policy, sk_lookup_refuses_a_syn)
{
	const struct bpf_insn insns[] = { BPF_MOV64_IMM(0, SK_DROP), BPF_EXIT_INSN() };
	struct conn c;
	int link;

	self->peer.stock_may_speak = is_steered();
	conn_start(&self->peer, &c);
	link = steer(_metadata, insns, ARRAY_SIZE(insns));
	conn_send(&c, .flags = SYN);
	if (is_steered()) {
		conn_expect(&c, .flags = RST | ACK, .ack = 1);
		close(link);
		conn_send(&c, .flags = SYN, .seq = 1000);
	}
	conn_expect(&c, .flags = SYN | ACK);
	close(link);
}

/* The SYN of a new connection over xtcp's TIME-WAIT is a SYN for a listener, too. */
TEST_F(policy, sk_lookup_refuses_a_syn_into_time_wait)
{
	const struct bpf_insn insns[] = { BPF_MOV64_IMM(0, SK_DROP), BPF_EXIT_INSN() };
	struct conn c;
	int link;

	if (stock_mode())
		SKIP(return, "TIME-WAIT of xtcp");
	conn_to_state(&self->peer, &c, ST_TIME_WAIT);
	link = steer(_metadata, insns, ARRAY_SIZE(insns));
	conn_send(&c, .flags = SYN, .seq = 100000);
	if (is_steered()) {
		conn_expect(&c, .flags = ACK, .seq = 2, .ack = 2);
		conn_expect_state(&c, ST_TIME_WAIT);
		close(link);
		/* The limit of answers. */
		sleep_ms(600);
		conn_send(&c, .flags = SYN, .seq = 100000);
	}
	peer_expect(&self->peer, .flags = SYN | ACK, .dport = c.pport);
	close(link);
}

/* A map with one socket, of the kernel's TCP. */
static int map_of(struct __test_metadata *_metadata, int fd)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = 4, .value_size = 4, .max_entries = 1,
	};
	uint32_t key = 0, value = fd;
	int map = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	union bpf_attr update = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&value,
	};

	ASSERT_LE(0, map);
	ASSERT_EQ(0, syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &update, sizeof(update)));
	return map;
}

/* All ports lead to one socket of the kernel's TCP, also a port at which xtcp listens. */
TEST_F(policy, sk_lookup_chooses_another_listener)
{
	int link, map, fd, stock = socket_new(IPPROTO_TCP);
	struct conn c;

	self->peer.stock_may_speak = is_steered();
	ASSERT_EQ(0, socket_bind(stock, "10.0.0.1", OTHER));
	ASSERT_EQ(0, socket_listen(stock, 1));
	map = map_of(_metadata, stock);
	const struct bpf_insn insns[] = {
		BPF_MOV64_REG(6, 1),
		BPF_MOV64_IMM(2, 0),
		BPF_STX_MEM(BPF_W, 10, 2, -4),
		BPF_MOV64_REG(2, 10),
		BPF_ADD64_IMM(2, -4),
		BPF_LD_MAP_FD(1, map),
		BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem),
		BPF_JMP_IMM(BPF_JEQ, 0, 0, 7),
		BPF_MOV64_REG(7, 0),
		BPF_MOV64_REG(1, 6),
		BPF_MOV64_REG(2, 0),
		BPF_MOV64_IMM(3, 0),
		BPF_EMIT_CALL(BPF_FUNC_sk_assign),
		BPF_MOV64_REG(1, 7),
		BPF_EMIT_CALL(BPF_FUNC_sk_release),
		BPF_MOV64_IMM(0, SK_PASS),
		BPF_EXIT_INSN(),
	};

	conn_start(&self->peer, &c);
	link = steer(_metadata, insns, ARRAY_SIZE(insns));
	conn_send(&c, .flags = SYN);
	conn_expect(&c, .flags = SYN | ACK, .ack = 1);
	conn_send(&c, .flags = ACK);
	peer_drain(&self->peer, 10);
	EXPECT_EQ(is_steered() ? 0 : POLLIN, socket_poll(c.lfd) & POLLIN);
	fd = accept(stock, NULL, NULL);
	EXPECT_EQ(is_steered(), fd >= 0);
	self->peer.leave_unread = true;
	close(fd);
	close(link);
	close(map);
	close(stock);
}

/* --- who may open one --------------------------------------------------- */

/* errno of socket() for a user with these groups, two more, and no capability. */
static int open_as(struct __test_metadata *_metadata, int family, gid_t gid, gid_t group)
{
	gid_t groups[] = { 98, 99, group };
	int fd, err;

	ASSERT_EQ(0, setgroups(ARRAY_SIZE(groups), groups));
	ASSERT_EQ(0, setegid(gid));
	ASSERT_EQ(0, seteuid(NOBODY));
	fd = stream_socket(family);
	err = errno_of(fd);
	close(fd);
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, setegid(0));
	ASSERT_EQ(0, setgroups(0, NULL));
	return err;
}

TEST_F(policy, gid_range_says_who_may_open)
{
	static const struct {
		const char *range;
		gid_t gid, group;
		int err;
	} rows[] = {
		{ NULL, 0, 0, EACCES },		/* the default */
		{ NULL, 1, 1, EACCES },
		{ "100 200", 99, 99, EACCES },
		{ "100 200", 201, 201, EACCES },
		{ "100 200", 100, 99, 0 },
		{ "100 200", 200, 99, 0 },
		{ "100 200", 99, 100, 0 },
		{ "100 200", 99, 200, 0 },
		{ "200 100", 150, 150, EACCES },
		{ "0 2147483647", NOBODY, NOBODY, 0 },
		{ "0 0", 0, 1, 0 },
		{ "1 0", 0, 1, EACCES },
	};
	int family = socket_family(AF_INET), fd;

	NOT_ON_STOCK();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].range)
			ASSERT_EQ(0, knob_set_text("gid_range", rows[i].range));
		EXPECT_EQ(rows[i].err,
			  open_as(_metadata, family, rows[i].gid, rows[i].group))
			TH_LOG("range %s, gid %u, group %u", rows[i].range ?: "as it was",
			       rows[i].gid, rows[i].group);
		/* CAP_NET_ADMIN needs no group. */
		fd = stream_socket(family);
		EXPECT_LE(0, fd);
		close(fd);
	}
}

/* The range limits socket() only: a program may use a socket that it was given. */
TEST_F(policy, gid_range_is_about_socket_alone)
{
	int lfd = socket_new(-1), fd = socket_new(-1);
	struct conn c;

	ASSERT_EQ(0, socket_bind(lfd, "10.0.0.1", KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	ASSERT_EQ(0, seteuid(NOBODY));
	conn_open(&self->peer, &c, .lfd = lfd);
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", PORT));
	peer_expect(&self->peer, .flags = SYN, .sport = ANYWHERE, .dport = PORT);
	ASSERT_EQ(0, seteuid(0));
	socket_abort(fd);
}

/* errno of socket() and connect() in a child that has done what @prepare does. */
static int connect_after(struct __test_metadata *_metadata, void (*prepare)(void))
{
	int family = socket_family(AF_INET), status;
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		int fd;

		prepare();
		fd = stream_socket(family);
		_exit(fd < 0 ? errno : socket_connect(fd, "10.0.0.2", PORT));
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define DO(call) \
	do { \
		if (call) \
			_exit(200); \
	} while (0)

/* Root without one capability is not the administrator of the network. */
static void without_net_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	DO(syscall(SYS_capget, &head, data));
	data[0].effective &= ~(1U << CAP_NET_ADMIN);
	data[0].permitted &= ~(1U << CAP_NET_ADMIN);
	DO(syscall(SYS_capset, &head, data));
}

/* Root of a user namespace has no rights in a network namespace older than it. */
static void root_elsewhere(void)
{
	DO(setgid(NOBODY));
	DO(setuid(NOBODY));
	DO(unshare(CLONE_NEWUSER));
}

/* But in one of its own. */
static void root_at_home(void)
{
	root_elsewhere();
	DO(unshare(CLONE_NEWNET));
}

TEST_F(policy, gid_range_asks_for_net_admin_of_the_namespace)
{
	NOT_ON_STOCK();
	EXPECT_EQ(EACCES, connect_after(_metadata, without_net_admin));
	EXPECT_EQ(EACCES, connect_after(_metadata, root_elsewhere));
	/* There it may, but there is no route. */
	EXPECT_NE(EACCES, connect_after(_metadata, root_at_home));
}

#define LANDLOCK_CONNECT_TCP 2ULL

/* From here on no connect() over TCP, where Landlock has such a rule (6.7). */
static bool sandbox(void)
{
	struct {
		uint64_t fs, net;
	} handled = { .net = LANDLOCK_CONNECT_TCP };
	int rules = syscall(444, &handled, sizeof(handled), 0);

	return rules >= 0 && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(446, rules, 0);
}

static void in_a_sandbox(void)
{
	DO(setgid(NOBODY));
	DO(setuid(NOBODY));
	if (!sandbox() && stock_mode())
		_exit(0);
}

/*
 * A sandboxed program gets no connection that the sandbox doesn't see: Landlock
 * refuses the kernel's TCP, and opening an xtcp socket fails.
 */
TEST_F(policy, landlock_is_not_passed_by)
{
	int err = connect_after(_metadata, in_a_sandbox);

	if (!err)
		SKIP(return, "Landlock has no rules for TCP here");
	EXPECT_EQ(EACCES, err);
}

TEST_HARNESS_MAIN
