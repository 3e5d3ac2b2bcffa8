// SPDX-License-Identifier: GPL-2.0
/*
 * memcg: socket memory is charged to the memory cgroup of the process that called socket() or
 * accept(), and is uncharged when data is read.
 */
/* vm: wires families mem=1G short */
#include "lib/xtcp_test.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

PAIR_FIXTURE(memcg);

#define MOUNT "/tmp/memcg"
#define GROUP MOUNT "/xtcp"
#define ACCEPTOR MOUNT "/acceptor"
#define TEXT (200 << 10)
/* Connections that wait in an accept queue. */
#define ACCEPTED 200
/* A transfer in whose middle the group's memory ends. */
#define BULK (32 << 20)
/* Left to the group then. */
#define SPARE (64 << 10)

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? errno : 0;
}

/* The number behind @key in a file of the group; -1: there is none. */
static long group_value(struct __test_metadata *_metadata, const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	long value = -1;
	char name[64];

	ASSERT_NE(NULL, f);
	while (value < 0 && fscanf(f, "%63s %ld", name, &value) == 2)
		if (strcmp(name, key))
			value = -1;
	fclose(f);
	return value;
}

/* Bytes of that kind in a group. */
static long charged_in(struct __test_metadata *_metadata, const char *group, const char *kind)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/memory.stat", group);
	return group_value(_metadata, path, kind);
}

static long charged_as(struct __test_metadata *_metadata, const char *kind)
{
	return charged_in(_metadata, GROUP, kind);
}

/* Of socket memory. */
static long charged(struct __test_metadata *_metadata)
{
	return charged_as(_metadata, "sock");
}

/* The kernel sums its statistics up every two seconds, but not while it is idle. */
static void sum_up(void)
{
	for (int i = 0; i < 30; i++)
		sleep_ms(100);
}

static void join(struct __test_metadata *_metadata, const char *group)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	ASSERT_EQ(0, write_file(path, "0"));
}

static void enter_group(struct __test_metadata *_metadata)
{
	mkdir(MOUNT, 0755);
	if (mount("none", MOUNT, "cgroup2", 0, NULL))
		SKIP(exit(KSFT_SKIP), "no cgroup2: %s", strerror(errno));
	if (write_file(MOUNT "/cgroup.subtree_control", "+memory"))
		SKIP(exit(KSFT_SKIP), "no memory controller in cgroup2");
	mkdir(GROUP, 0755);
	ASSERT_EQ(0, write_file(GROUP "/cgroup.procs", "0"));
}

/* No socket memory is left in it. */
static void remove_group(struct __test_metadata *_metadata, const char *group)
{
	/* Charges are taken back in batches, later. */
	for (int i = 0; charged_in(_metadata, group, "sock") && i < 100; i++)
		sleep_ms(100);
	EXPECT_EQ(0, charged_in(_metadata, group, "sock"));
	join(_metadata, MOUNT);
	EXPECT_EQ(0, rmdir(group));
}

static void leave_group(struct __test_metadata *_metadata)
{
	remove_group(_metadata, GROUP);
	umount(MOUNT);
}

/* After so many times before. */
static void fill_more(struct __test_metadata *_metadata, int from, int to, int times)
{
	static char buf[TEXT];
	int queued = 0;

	socket_set(from, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	ASSERT_EQ(TEXT, send(from, buf, TEXT, MSG_DONTWAIT));
	for (int i = 0; queued < (times + 1) * TEXT && i < 100; i++) {
		sleep_ms(10);
		ioctl(to, FIONREAD, &queued);
	}
	ASSERT_EQ((times + 1) * TEXT, queued);
}

static void fill(struct __test_metadata *_metadata, int from, int to)
{
	fill_more(_metadata, from, to, 0);
}

static void empty(struct __test_metadata *_metadata, int fd)
{
	static char buf[TEXT];

	for (int got = 0; got < TEXT; ) {
		int n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		ASSERT_LT(0, n);
		got += n;
	}
}

static void big_buffer(int fd)
{
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20);
}

static void one_way(struct __test_metadata *_metadata, struct pair *pr, bool to_accepted)
{
	int client, server, from, to;

	enter_group(_metadata);
	pair_connected(pr, 5000, &client, &server);
	from = to_accepted ? client : server;
	to = to_accepted ? server : client;
	big_buffer(to);
	EXPECT_GT(TEXT / 2, charged(_metadata));
	fill(_metadata, from, to);
	/* Whatever the overhead, it is more than the data. */
	EXPECT_LE(TEXT, charged(_metadata));
	empty(_metadata, to);
	sleep_ms(50);
	EXPECT_GT(TEXT / 2, charged(_metadata));
	close(client);
	close(server);
	leave_group(_metadata);
}

/*
 * The per-CPU counters of a namespace: a process that makes many namespaces pays for
 * them.
 */
#define COUNTERS_MIN 4000

TEST_F(memcg, counters_of_a_namespace)
{
	long before, after;

	NOT_ON_STOCK();
	enter_group(_metadata);
	/* The kernel sums its statistics up every two seconds. */
	sleep_ms(3000);
	before = charged_as(_metadata, "percpu");
	ASSERT_LE(0, before);
	netns_new(WHERE(_metadata));
	sleep_ms(3000);
	after = charged_as(_metadata, "percpu");
	EXPECT_LE(COUNTERS_MIN, after - before);
	pair_enter(&self->pair, CLIENT);
	leave_group(_metadata);
}

/* --- what else a namespace has: anybody may make many of them ------------- */

#define NAMESPACES 50

static void first_socket(void)
{
	close(socket(AF_INET, SOCK_STREAM, stream_proto()));
}

static void obituaries(void)
{
	knob_set("recorder", 1);
}

static void syn_sources(void)
{
	knob_set("syn_per_source_limit", 1);
}

/* What a namespace gets, one after the other, and the bytes of it at least. */
static const struct {
	const char *what;
	void (*get)(void);
	long min;
} steps[] = {
	{ "ports, listeners and other tables", first_socket, 156600 },
	{ "obituaries", obituaries, 128 << 10 },
	{ "sources of SYNs", syn_sources, 32 << 10 },
};

TEST_F(memcg, tables_of_a_namespace_are_charged)
{
	int ns[NAMESPACES];
	long before, each;

	NOT_ON_STOCK();
	enter_group(_metadata);
	for (int i = 0; i < NAMESPACES; i++)
		ns[i] = netns_new(WHERE(_metadata));
	for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
		sum_up();
		before = charged_as(_metadata, "kernel");
		ASSERT_LE(0, before);
		for (int i = 0; i < NAMESPACES; i++) {
			netns_enter(WHERE(_metadata), ns[i]);
			steps[k].get();
		}
		sum_up();
		each = (charged_as(_metadata, "kernel") - before) / NAMESPACES;
		EXPECT_LE(steps[k].min, each)
			TH_LOG("%s", steps[k].what);
	}
	pair_enter(&self->pair, CLIENT);
	for (int i = 0; i < NAMESPACES; i++)
		close(ns[i]);
	leave_group(_metadata);
}

/* A port, on the TCP wire with what holds it in the kernel's TCP, and a listener. */
#define PORTS 1000
#define PORT_MIN (stream_wire() == XTCP_WIRE_TCP ? 360 : 36)
#define LISTENER_MIN 300

TEST_F(memcg, ports_and_listeners_are_charged)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	static int fds[PORTS];
	long charged[3];

	NOT_ON_STOCK();
	enter_group(_metadata);
	for (int i = 0; i < PORTS; i++)
		ASSERT_LE(0, fds[i] = socket(AF_INET, SOCK_STREAM, stream_proto()));
	sum_up();
	charged[0] = charged_as(_metadata, "kernel");
	ASSERT_LE(0, charged[0]);
	for (int i = 0; i < PORTS; i++) {
		at.sin_port = htons(10000 + i);
		ASSERT_EQ(0, bind(fds[i], (struct sockaddr *)&at, sizeof(at)));
	}
	sum_up();
	charged[1] = charged_as(_metadata, "kernel");
	for (int i = 0; i < PORTS; i++)
		ASSERT_EQ(0, listen(fds[i], 1));
	sum_up();
	charged[2] = charged_as(_metadata, "kernel");
	EXPECT_LE(PORT_MIN, (charged[1] - charged[0]) / PORTS);
	EXPECT_LE(LISTENER_MIN, (charged[2] - charged[1]) / PORTS);
	for (int i = 0; i < PORTS; i++)
		close(fds[i]);
	leave_group(_metadata);
}

/* Connections to as many peers, one after the other, each closed in order. */
static void meet(struct __test_metadata *_metadata, int peers)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(7000) };
	int lfd = socket(AF_INET, SOCK_STREAM, stream_proto());
	char byte;

	ASSERT_EQ(0, bind(lfd, (struct sockaddr *)&at, sizeof(at)));
	ASSERT_EQ(0, listen(lfd, 1));
	for (int i = 0; i < peers; i++) {
		int client = socket(AF_INET, SOCK_STREAM, stream_proto()), server;

		at.sin_addr.s_addr = htonl(0x7f010001 + i);
		ASSERT_EQ(0, connect(client, (struct sockaddr *)&at, sizeof(at)));
		server = accept(lfd, NULL, NULL);
		ASSERT_LE(0, server);
		close(client);
		ASSERT_EQ(0, read(server, &byte, 1));
		close(server);
	}
	close(lfd);
}

/*
 * What a namespace remembers of its peers (/proc/net/xtcp_hostcache) is memory of the group,
 * or a process could fill the kernel's memory with namespaces. Two entries a connection, in
 * 1,024 chains of at most six; an entry has 64 bytes and more.
 */
#define PEERS 2000
#define ENTRIES_MIN 3000
#define ENTRY_MIN 64

TEST_F(memcg, what_is_remembered_of_peers)
{
	long full, empty;

	NOT_ON_STOCK();
	enter_group(_metadata);
	netns_new(WHERE(_metadata));
	ASSERT_EQ(0, knob_set("tw_timeout", 1));
	meet(_metadata, PEERS);
	/* TIME-WAIT ends, and the kernel sums its statistics up. */
	sleep_ms(6000);
	full = charged_as(_metadata, "slab");
	ASSERT_EQ(0, write_file("/proc/net/xtcp_hostcache", "flush"));
	sleep_ms(6000);
	empty = charged_as(_metadata, "slab");
	EXPECT_LE(ENTRIES_MIN * ENTRY_MIN, full - empty);
	pair_enter(&self->pair, CLIENT);
	leave_group(_metadata);
}

TEST_F(memcg, what_the_accepted_holds)
{
	one_way(_metadata, &self->pair, true);
}

TEST_F(memcg, what_the_connected_holds)
{
	one_way(_metadata, &self->pair, false);
}

TEST_F(memcg, unread_when_it_is_closed)
{
	int client, server;

	enter_group(_metadata);
	pair_connected(&self->pair, 5000, &client, &server);
	big_buffer(server);
	fill(_metadata, client, server);
	close(server);
	close(client);
	leave_group(_metadata);
}

/* --- who accepts, pays ---------------------------------------------------- */

/* A listener made in one group; the process then is in another one, from which it accepts. */
static int listener_of_another(struct __test_metadata *_metadata, struct pair *pr)
{
	int lfd;

	enter_group(_metadata);
	lfd = pair_listen(pr, 5000, ACCEPTED);
	big_buffer(lfd);
	mkdir(ACCEPTOR, 0755);
	join(_metadata, MOUNT);
	return lfd;
}

static void leave_both(struct __test_metadata *_metadata)
{
	remove_group(_metadata, ACCEPTOR);
	leave_group(_metadata);
}

/* Nothing is charged to the listener's group; to the acceptor's, @acceptor bytes and overhead. */
static void expect_charged(struct __test_metadata *_metadata, long acceptor)
{
	long charged_there;

	sum_up();
	EXPECT_EQ(0, charged(_metadata));
	charged_there = charged_in(_metadata, ACCEPTOR, "sock");
	EXPECT_LE(acceptor, charged_there);
	EXPECT_GE(4 * acceptor, charged_there);
}

TEST_F(memcg, what_comes_after_accept)
{
	struct pair *pr = &self->pair;
	int lfd, client, server;

	lfd = listener_of_another(_metadata, pr);
	client = pair_connect(pr, 5000);
	join(_metadata, ACCEPTOR);
	server = accept(lfd, NULL, NULL);
	ASSERT_LE(0, server);
	expect_charged(_metadata, 0);
	fill(_metadata, client, server);
	expect_charged(_metadata, TEXT);
	empty(_metadata, server);
	close(client);
	close(server);
	close(lfd);
	leave_both(_metadata);
}

/* Until accept() it is nobody's. */
TEST_F(memcg, what_came_before_accept)
{
	struct pair *pr = &self->pair;
	static char text[TEXT];
	int lfd, client, server;

	lfd = listener_of_another(_metadata, pr);
	client = pair_connect(pr, 5000);
	socket_set(client, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	ASSERT_EQ(TEXT, send(client, text, TEXT, MSG_DONTWAIT));
	for (int i = 0; socket_count(client, TIOCOUTQ) && i < 100; i++)
		sleep_ms(10);
	ASSERT_EQ(0, socket_count(client, TIOCOUTQ));
	expect_charged(_metadata, 0);
	join(_metadata, ACCEPTOR);
	server = accept(lfd, NULL, NULL);
	ASSERT_LE(0, server);
	expect_charged(_metadata, TEXT);
	/* Nobody reads it. */
	close(server);
	close(client);
	close(lfd);
	leave_both(_metadata);
}

/*
 * The accepted socket itself is charged to the process that accepts it: as much as a socket of
 * socket(), with inode and file. Before Linux 6.12 only inode and file are charged.
 */
TEST_F(memcg, the_accepted_socket_itself)
{
	int lfd, client[ACCEPTED], server[ACCEPTED], made[ACCEPTED];
	struct pair *pr = &self->pair;
	long slab[3];

	lfd = listener_of_another(_metadata, pr);
	for (int i = 0; i < ACCEPTED; i++)
		client[i] = pair_connect(pr, 5000);
	join(_metadata, ACCEPTOR);
	sum_up();
	slab[0] = charged_in(_metadata, ACCEPTOR, "slab");
	for (int i = 0; i < ACCEPTED; i++)
		ASSERT_LE(0, server[i] = accept(lfd, NULL, NULL));
	sum_up();
	slab[1] = charged_in(_metadata, ACCEPTOR, "slab");
	for (int i = 0; i < ACCEPTED; i++)
		ASSERT_LE(0, made[i] = stream_socket(pr->family));
	sum_up();
	slab[2] = charged_in(_metadata, ACCEPTOR, "slab");
	EXPECT_EQ(kernel_is_since(6, 12),
		  slab[1] - slab[0] >= (slab[2] - slab[1]) * 9 / 10);
	for (int i = 0; i < ACCEPTED; i++) {
		close(client[i]);
		close(server[i]);
		close(made[i]);
	}
	close(lfd);
	leave_both(_metadata);
}

/* What an algorithm keeps of a connection is allocated before accept(): the listener pays. */
TEST_F(memcg, what_an_algorithm_keeps_of_the_accepted)
{
	struct pair *pr = &self->pair;
	int lfd, client[ACCEPTED];
	long slab;

	if (stock_mode())
		SKIP(return, "in the kernel's TCP it is in the socket");
	lfd = listener_of_another(_metadata, pr);
	/* Not before: without cgroups the test ends in there, and would leave the module. */
	ASSERT_EQ(0, module_load_other("xtcp_cc_bbr", ""));
	ASSERT_EQ(0, setsockopt(lfd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3));
	sum_up();
	slab = charged_as(_metadata, "slab");
	for (int i = 0; i < ACCEPTED; i++)
		client[i] = pair_connect(pr, 5000);
	sum_up();
	/* Some 1,800 bytes each: its state and the samples of the rate. */
	EXPECT_LE(ACCEPTED * 1800L, charged_as(_metadata, "slab") - slab);
	for (int i = 0; i < ACCEPTED; i++)
		close(client[i]);
	close(lfd);
	leave_both(_metadata);
	EXPECT_EQ(0, module_unload_patiently("xtcp_cc_bbr"));
}

/* --- the limit is reached in the middle of a transfer -------------------- */

static long group_number(struct __test_metadata *_metadata, const char *file)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), GROUP "/%s", file);
	ASSERT_EQ(0, sysctl_read(path, text, sizeof(text)));
	return atol(text);
}

/* How often the group was at its limit. */
static long times_beyond(struct __test_metadata *_metadata)
{
	return group_value(_metadata, GROUP "/memory.events", "max");
}

struct transfer {
	int from, to;
	uint64_t sent, got;
};

/* Sends what the socket takes; then reads, if @reads. */
static void transfer_go(struct __test_metadata *_metadata, struct transfer *t, int ms,
			bool reads)
{
	static uint8_t buf[65536];

	for (int i = 0; i < ms; i++) {
		ssize_t n = BULK - t->sent < sizeof(buf) ? BULK - t->sent : sizeof(buf);

		pattern_fill(buf, n, t->sent);
		n = n ? send(t->from, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
		ASSERT_TRUE(n >= 0 || errno == EAGAIN);
		t->sent += n > 0 ? n : 0;
		sleep_ms(1);
		while (reads && (n = recv(t->to, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
			ASSERT_EQ(-1, pattern_check(buf, n, t->got));
			t->got += n;
		}
		ASSERT_TRUE(!reads || (n < 0 && errno == EAGAIN));
	}
}

/*
 * The memory of all sockets is used up. A connection of which nothing is unread takes a segment
 * all the same, and its group is charged for that.
 */
TEST_F(memcg, what_is_had_by_force)
{
	struct pair *pr = &self->pair;
	int hoard[2], client, server, unread = 0;
	static char text[4000];
	char usual[64];
	long before;

	NOT_ON_STOCK();
	/* Each CPU may use a mebibyte before the limit applies. */
	pair_connected(pr, 5001, &hoard[0], &hoard[1]);
	big_buffer(hoard[1]);
	for (int i = 0; i < 8; i++)
		fill_more(_metadata, hoard[0], hoard[1], i);
	enter_group(_metadata);
	pair_connected(pr, 5000, &client, &server);
	knob_mem_set(WHERE(_metadata), "1 1 1", usual);
	before = charged(_metadata);
	ASSERT_EQ(sizeof(text), send(client, text, sizeof(text), MSG_DONTWAIT));
	for (int i = 0; !unread && i < 100; i++) {
		sleep_ms(10);
		unread = socket_count(server, FIONREAD);
	}
	EXPECT_LT(0, unread);
	sum_up();
	EXPECT_LE(before + unread, charged(_metadata));
	knob_mem_set(WHERE(_metadata), usual, NULL);
	close(client);
	close(server);
	close(hoard[0]);
	close(hoard[1]);
	sleep_ms(1000);
	leave_group(_metadata);
}

/*
 * The process is in the group only while it accepts: without a process, the group's memory
 * ends without anybody being killed for it.
 */
TEST_F(memcg, limit_reached_by_a_receiver)
{
	struct pair *pr = &self->pair;
	struct transfer t = {};
	struct counters before;
	uint64_t got_before;
	char limit[32];
	int lfd;

	lfd = pair_listen(pr, 5000, 8);
	t.from = pair_connect(pr, 5000);
	ASSERT_EQ(0, socket_set(t.from, SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20));
	enter_group(_metadata);
	t.to = accept(lfd, NULL, NULL);
	ASSERT_LE(0, t.to);
	join(_metadata, MOUNT);
	big_buffer(t.to);
	pair_enter(pr, SERVER);
	transfer_go(_metadata, &t, 10, true);
	EXPECT_LT(0, t.got);
	EXPECT_GT(BULK / 2, t.got);
	counters_take(&before);
	snprintf(limit, sizeof(limit), "%ld", group_number(_metadata, "memory.current") + SPARE);
	ASSERT_EQ(0, write_file(GROUP "/memory.max", limit));
	/*
	 * Nobody reads. Linux 6.1 refuses memory in softirq; later ones grant it and count
	 * the group as beyond its limit.
	 */
	transfer_go(_metadata, &t, 500, false);
	EXPECT_LE(1, times_beyond(_metadata) + counter_moved(&before, "TCPRcvQDrop"));
	/* It only gets slower: behind what was queued, more arrives. */
	transfer_go(_metadata, &t, 1, true);
	got_before = t.got;
	transfer_go(_metadata, &t, 2000, true);
	EXPECT_LT(got_before, t.got);
	ASSERT_EQ(0, write_file(GROUP "/memory.max", "max"));
	for (int i = 0; i < 50 && t.got < BULK; i++)
		transfer_go(_metadata, &t, 100, true);
	EXPECT_EQ(BULK, t.got);
	close(t.from);
	close(t.to);
	close(lfd);
	leave_group(_metadata);
}

TEST_HARNESS_MAIN
