// SPDX-License-Identifier: GPL-2.0
/*
 * flooded: a hundred thousand half-open connections, and their listener closes, hands
 * them on, or dies with its namespace. All of them end with it at once; their memory
 * is freed as soon as no reader is left; and the module may go.
 *
 * Unloads the module and loads it again.
 */
/* vm: timeout=600 wires families heavy */
#include "lib/xtcp_test.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/wait.h>

PEER_FIXTURE(flooded);

/* The cache of half-open records of this family. */
static const char *cache(void)
{
	return test_family() == AF_INET6 ? "xtcp_halfopen6" : "xtcp_halfopen";
}

/* Guest time for freeing so many, after the grace period. */
#define FREED_MS 300

/* A debug kernel, recognized by its slack, takes twenty times as long for each. */
static int records(void)
{
	return peer_slack_ns() ? 3000 : 100000;
}

/* RFC 1624: adapts a checksum to a change of one of the words that it covers. */
static void change(uint8_t *sum, uint8_t *word, uint16_t to)
{
	uint32_t s = (uint16_t)~(sum[0] << 8 | sum[1]);

	s += (uint16_t)~(word[0] << 8 | word[1]);
	s += to;
	s = (s & 0xffff) + (s >> 16);
	s = ~(s + (s >> 16));
	sum[0] = s >> 8;
	sum[1] = s;
	word[0] = to >> 8;
	word[1] = to;
}

/*
 * SYNs from as many sources. One is built; the others differ in the end of their
 * source address and in their port. The device keeps some of the answers and loses the
 * rest.
 */
static void flood(struct peer *p, int n)
{
	bool v6 = test_family() == AF_INET6;
	static uint8_t syn[PACKET_MAX];
	uint8_t *source = &syn[v6 ? 22 : 14], *tcp = &syn[v6 ? 40 : 20];
	struct segment_spec spec = SEGMENT_SPEC(
		.src = ipaddr(v6 ? "fd00:f::" : "198.18.0.0"), .dst = p->kernel,
		.proto = stream_wire(), .sport = 1024, .dport = KERNEL_PORT,
		.flags = SYN, .seq = 1);
	int len = segment_build(&spec, syn);

	for (int i = 0; i < n; i++) {
		/* The address counts in the pseudo-header, too. */
		uint8_t old[2] = { source[0], source[1] };

		change(&tcp[16], old, i & 0xffff);
		if (v6)
			memcpy(source, (uint8_t[]){ i >> 8, i }, 2);
		else
			change(&syn[10], source, i & 0xffff);
		if (!(i & 0xffff))
			change(&tcp[16], tcp, 1024 + (i >> 16));
		check(write(p->tun, syn, len) == len, WHERE(p->test), "write: %s", strerror(errno));
	}
}

/*
 * A listener on a port of its own or one of a group, its SYN queue full of unknown
 * peers.
 */
static int listener(struct __test_metadata *_metadata, const struct peer *p, bool group)
{
	int fd = socket_new(-1);
	char text[64];

	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "1000000"));
	ASSERT_EQ(0, knob_set("syncookies", 0));
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1000000));
	ASSERT_EQ(0, socket_set(fd, SOL_SOCKET, SO_REUSEPORT, group));
	ASSERT_EQ(0, socket_bind(fd, ipaddr_text(&p->kernel, text, sizeof(text)),
				 KERNEL_PORT));
	ASSERT_EQ(0, socket_listen(fd, 1000000));
	return fd;
}

/* From now on every reader that may have seen a record is gone. */
static void await_grace_period(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
}

static void expect_freed(struct __test_metadata *_metadata)
{
	int64_t until = now_ms() + FREED_MS;

	await_grace_period(_metadata);
	while (cache_objects(cache()) && now_ms() < until)
		sleep_ms(10);
	EXPECT_EQ(0, cache_objects(cache()));
}

static void expect_unloads(struct __test_metadata *_metadata)
{
	int unloaded, left, loaded;
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s", cache());
	module_await_idle(WHERE(_metadata));
	unloaded = module_unload();
	left = access(path, F_OK);
	loaded = module_load();
	EXPECT_EQ(0, unloaded);
	EXPECT_EQ(-1, left);
	EXPECT_EQ(0, loaded);
}

TEST_F(flooded, lc_46_a_closing_listener_takes_them_along)
{
	struct peer *p = &self->peer;
	struct counters before;
	int lfd;

	NOT_ON_STOCK();
	lfd = listener(_metadata, p, false);
	flood(p, records());
	EXPECT_EQ(records(), cache_objects(cache()));
	close(lfd);
	counters_take(&before);
	EXPECT_EQ(0, proc_rows(p->family, 0));
	expect_freed(_metadata);
	peer_drain(p, 0);
	/* No peer is told, then or later. */
	peer_expect_silence(p, 130000);
	counters_expect(_metadata, &before, NULL);
	expect_unloads(_metadata);
}

TEST_F(flooded, lc_46_a_group_hands_them_on)
{
	struct peer *p = &self->peer;
	int fd[2];

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("migrate_req", 1));
	fd[0] = listener(_metadata, p, true);
	flood(p, records() / 10);
	fd[1] = listener(_metadata, p, true);
	peer_drain(p, 0);
	close(fd[0]);
	EXPECT_EQ(records() / 10, proc_rows(p->family, ROW_SYN_RECEIVED));
	/* One copy each; the originals are freed. */
	await_grace_period(_metadata);
	sleep_ms(FREED_MS);
	EXPECT_EQ(records() / 10, cache_objects(cache()));
	close(fd[1]);
	EXPECT_EQ(0, proc_rows(p->family, 0));
	expect_freed(_metadata);
	p->leave_unread = true;
}

/* A process in a namespace of its own is flooded. */
static void flood_a_namespace(struct __test_metadata *_metadata)
{
	static struct peer p;

	peer_open_at(WHERE(_metadata), &p, NULL);
	listener(_metadata, &p, false);
	flood(&p, records());
	EXPECT_LE(records(), cache_objects(cache()));
}

/* The process dies. */
TEST_F(flooded, a_namespace_takes_them_along)
{
	NOT_ON_STOCK();
	module_await_idle(WHERE(_metadata));
	child_run(_metadata, flood_a_namespace);
	expect_freed(_metadata);
	expect_unloads(_metadata);
}

TEST_HARNESS_MAIN
