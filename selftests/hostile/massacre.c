// SPDX-License-Identifier: GPL-2.0
/* vm: wires families mem=3G timeout=300 */
/*
 * massacre: ten thousand connections whose programs are killed at one moment: one
 * program that had all; hundreds that had some, with peers that are gone as well.
 * Nothing hangs, what is left is small, and it expires.
 */
#include "lib/xtcp_test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

PAIR_FIXTURE(massacre);

#define VICTIMS 10000
#define PROGRAMS 200
#define TIME_WAIT_MS 60000
/*
 * The most that a TIME-WAIT record, its port and its share of the table may take, over
 * IPv6.
 */
#define RECORD_BYTES 192
#define WIDE_BYTES 32
/* And on the TCP wire the shadow in the kernel's bind table, with the kernel's buckets. */
#define SHADOW_BYTES (256 + 2 * 128)
#define SLACK_KB 4096

struct shared {
	_Atomic int connected;
};

/* Kilobytes of the kernel's own memory. */
static long kernel_kb(void)
{
	char line[128];
	long kb = 0, n;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld", &n) == 1 || sscanf(line, "KernelStack: %ld", &n) == 1 ||
		    sscanf(line, "PageTables: %ld", &n) == 1)
			kb += n;
	if (f)
		fclose(f);
	return kb;
}

static void allow_files(struct __test_metadata *_metadata)
{
	struct rlimit limit = { 2 * VICTIMS + 100, 2 * VICTIMS + 100 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

/* A program that makes so many connections and holds them. */
static pid_t program(struct pair *pr, int connections, struct shared *shared)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int i = 0; i < connections; i++) {
		pair_connect(pr, 80);
		shared->connected++;
	}
	for (;;)
		pause();
}

/* Until all have connected: their other ends, in @fd. */
static void accept_all(struct __test_metadata *_metadata, int lfd, int *fd)
{
	int64_t until = now_ms() + 100000;

	for (int n = 0; n < VICTIMS; ) {
		fd[n] = accept(lfd, NULL, NULL);
		if (fd[n] >= 0) {
			n++;
			continue;
		}
		ASSERT_EQ(EAGAIN, errno);
		ASSERT_GT(until, now_ms());
		sleep_ms(1);
	}
}

struct scene {
	struct shared *shared;
	pid_t pid[PROGRAMS];
	int programs;
	int lfd;
	int fd[VICTIMS];
	long before_kb, before_sockets;
};

/* Sockets of xtcp, of all namespaces, that take memory. */
static long sockets(void)
{
	return cache_objects("XTCP") + cache_objects("XTCPv6");
}

static struct scene *scene_new(struct __test_metadata *_metadata, struct pair *pr, int programs)
{
	static struct scene scene;
	struct scene *s = &scene;

	allow_files(_metadata);
	s->shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, s->shared);
	s->programs = programs;
	pair_enter(pr, SERVER);
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "65535"));
	s->lfd = pair_listen(pr, 80, 1024);
	pair_enter(pr, CLIENT);
	ASSERT_EQ(0, knob_set("max_tw_buckets", 2 * VICTIMS));
	s->before_kb = kernel_kb();
	s->before_sockets = sockets();
	for (int i = 0; i < programs; i++) {
		s->pid[i] = program(pr, VICTIMS / programs, s->shared);
		ASSERT_LT(0, s->pid[i]);
	}
	accept_all(_metadata, s->lfd, s->fd);
	while (s->shared->connected < VICTIMS)
		sleep_ms(1);
	return s;
}

/* SIGKILL to all of them; returns when the last one is gone. */
static void strike(struct __test_metadata *_metadata, struct scene *s)
{
	int64_t start = now_ms();

	for (int i = 0; i < s->programs; i++)
		ASSERT_EQ(0, kill(s->pid[i], SIGKILL));
	for (int i = 0; i < s->programs; i++)
		ASSERT_EQ(s->pid[i], waitpid(s->pid[i], NULL, 0));
	EXPECT_GE(30000, now_ms() - start);
}

static void expect_ends(struct __test_metadata *_metadata, struct scene *s)
{
	int wrong = 0;
	char b;

	/* A device drops what comes in one burst: time for retransmissions. */
	sleep_ms(5000);
	for (int i = 0; i < VICTIMS; i++) {
		wrong += recv(s->fd[i], &b, 1, 0) != 0;
		close(s->fd[i]);
	}
	EXPECT_EQ(0, wrong);
	sleep_ms(5000);
}

/* What is left a moment later: one record for each, and no more. */
static void expect_records(struct __test_metadata *_metadata, struct pair *pr, struct scene *s)
{
	long record = RECORD_BYTES + (stream_wire() == XTCP_WIRE_TCP ? SHADOW_BYTES : 0) +
		      (pr->family == AF_INET6 ? WIDE_BYTES : 0);

	pair_enter(pr, SERVER);
	EXPECT_EQ(1, proc_rows(pr->family, 0));
	pair_enter(pr, CLIENT);
	EXPECT_EQ(VICTIMS, proc_rows(pr->family, ROW_TIME_WAIT));
	EXPECT_EQ(VICTIMS, proc_rows(pr->family, 0));
	/* A debug kernel keeps freed memory in quarantine. */
	if (!kernel_is_debug()) {
		/* Orphans of other tests may have ended meanwhile. */
		EXPECT_GE(s->before_sockets, sockets());
		EXPECT_GE(VICTIMS * record / 1024 + SLACK_KB,
			  kernel_kb() - s->before_kb);
	}
	sleep_ms(TIME_WAIT_MS + 5000);
	EXPECT_EQ(0, proc_rows(pr->family, 0));
}

/* The kernel's TCP counts its orphans late and resets many of these. */
TEST_F(massacre, one_owner_of_ten_thousand)
{
	struct scene *s;

	NOT_ON_STOCK();
	s = scene_new(_metadata, &self->pair, 1);
	strike(_metadata, s);
	expect_ends(_metadata, s);
	expect_records(_metadata, &self->pair, s);
}

/*
 * Two hundred owners of fifty connections each, and the network goes down first. Each
 * connection has unacknowledged data, so it becomes an orphan, up to xtcp_max_orphans;
 * the others are reset, but no RST arrives. No orphan outlives its retransmissions.
 */
TEST_F(massacre, many_owners_and_no_peer)
{
	struct pair *pr = &self->pair;
	struct counters before;
	long long orphans;
	struct scene *s;
	int rows;

	NOT_ON_STOCK();
	s = scene_new(_metadata, pr, PROGRAMS);
	orphans = knob_get("max_orphans");
	ASSERT_LT(0, orphans);
	pair_netem(pr, CLIENT, &(struct netem){ .loss = 100 });
	pair_netem(pr, SERVER, &(struct netem){ .loss = 100 });
	pair_enter(pr, CLIENT);
	counters_take(&before);
	strike(_metadata, s);
	sleep_ms(100);
	rows = proc_rows(pr->family, ROW_FIN_WAIT_1);
	EXPECT_EQ(rows, proc_rows(pr->family, 0));
	EXPECT_GE(orphans, rows);
	EXPECT_LE(orphans / 2 < VICTIMS / 2 ? orphans / 2 : VICTIMS / 2, rows);
	EXPECT_EQ(VICTIMS - rows, counter_moved(&before, "TCPAbortOnMemory"));
	/* 8 repetitions of the FIN: 200 ms and more, doubled. */
	sleep_ms(400000);
	EXPECT_EQ(0, proc_rows(pr->family, 0));
	/* The other side has noticed nothing. */
	pair_enter(pr, SERVER);
	EXPECT_EQ(VICTIMS + 1, proc_rows(pr->family, 0));
	for (int i = 0; i < VICTIMS; i++)
		socket_abort(s->fd[i]);
	EXPECT_EQ(1, proc_rows(pr->family, 0));
}

TEST_HARNESS_MAIN
