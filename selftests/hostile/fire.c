// SPDX-License-Identifier: GPL-2.0
/* vm: smp=2 mem=2G timeout=900 grows=XTCP_STRESS_S:1 */
/*
 * fire: connections over both wires and both families carry data between two
 * namespaces, and everything around them goes away. The device between them is
 * deleted and made anew, addresses and routes vanish, every knob is swept across its
 * range and beyond, programs are killed, the administrator ends connections, whole
 * namespaces die, those of both ends or that of one, and a process tries to unload
 * the module all the while.
 *
 * No byte may be wrong, nothing may hang, nothing may be left; the module stays
 * while a socket exists and goes when none does, and its caches with it. A debug
 * kernel reports internal errors.
 *
 * Real time: XTCP_STRESS_S seconds, the first third without disturbance.
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define KNOBS "/proc/sys/net/ipv4"
#define KNOBS_MAX 128
#define KNOB_VALUES 32
/* A prime, so that it has no factor in common with the number of knobs. */
#define KNOB_STRIDE 7919
/* Within so many seconds each knob has had each value, on the slowest kernel. */
#define ROUND_S 120
#define TALKS 400
/* Connections at a time, for each second of the run. */
#define LIVE_PER_S 25
#define LIVE_MIN_MAX 1000

/* Both ends of the device between the namespaces. */
static int ns_client, ns_server;

static struct __test_metadata *test;

static struct ipaddr address_of(bool v6, int net, int host)
{
	char text[40];

	snprintf(text, sizeof(text), v6 ? "fd0%d::%d" : "10.%d.0.%d", net, host);
	return ipaddr(text);
}

FIXTURE(fire) {
	struct crowd *c;	/* connections from one namespace to the other */
	struct crowd *doomed;	/* connections within a namespace, which do not get old */
	struct crowd *left;	/* clients whose servers do not answer */
	int home;
};

/* Four ways to one server: two families, two wires. */
static void ways_to(struct crowd *c, const char *v4, const char *v6)
{
	static const int wires[] = { XTCP_WIRE_NATIVE, XTCP_WIRE_TCP };

	c->ways = 4;
	for (int i = 0; i < c->ways; i++) {
		struct way *way = &c->way[i];

		way->family = i < 2 ? AF_INET : AF_INET6;
		way->wire = wires[i % 2];
		strcpy(way->server, i < 2 ? v4 : v6);
	}
	c->ports = 2;
	c->talks = TALKS;
}

/* --- the ground ------------------------------------------------------------- */

static void addresses_give(const char *v4, const char *v6, bool give)
{
	struct ipaddr addr[] = { ipaddr(v4), ipaddr(v6) };

	for (int i = 0; i < 2; i++) {
		if (give)
			address_add(WHERE(test), "veth0", &addr[i], i ? 64 : 24);
		else
			address_del(WHERE(test), "veth0", &addr[i], i ? 64 : 24);
	}
}

static void at_both_ends(void (*end)(const char *v4, const char *v6, bool yes), bool yes)
{
	netns_enter(WHERE(test), ns_server);
	end("10.0.0.2", "fd00::2", yes);
	netns_enter(WHERE(test), ns_client);
	end("10.0.0.1", "fd00::1", yes);
}

static void end_up(const char *v4, const char *v6, bool yes)
{
	link_up(WHERE(test), "veth0");
	addresses_give(v4, v6, true);
}

/* Done at the client's side; the server's end goes and comes with it. */
static void ground_make(void)
{
	veth_new(WHERE(test), "veth0", ns_server, "veth0");
	at_both_ends(end_up, true);
}

static void ground_route_elsewhere(bool elsewhere)
{
	struct ipaddr to[] = { ipaddr("10.0.0.2"), ipaddr("fd00::2") };

	for (int i = 0; i < 2; i++)
		route_add(WHERE(test), &to[i], i ? 128 : 32, NULL,
			  elsewhere ? "dummy0" : "veth0");
}

/* One process alone does this: each step relies on the one before. */
static void role_quake(struct crowd *c)
{
	netns_enter(WHERE(test), ns_client);
	while (!crowd_is_over(c)) {
		switch (draw(6)) {
		case 0:
			link_del(WHERE(test), "veth0");
			rest_us(draw(50000));
			ground_make();
			break;
		case 1:
			addresses_give("10.0.0.1", "fd00::1", false);
			rest_us(draw(50000));
			addresses_give("10.0.0.1", "fd00::1", true);
			break;
		case 2:
			at_both_ends(addresses_give, false);
			rest_us(draw(50000));
			at_both_ends(addresses_give, true);
			break;
		case 3:
			ground_route_elsewhere(true);
			rest_us(draw(50000));
			ground_route_elsewhere(false);
			break;
		case 4:
			link_set_mtu(WHERE(test), "veth0", 1280 + draw(9000));
			break;
		case 5:
			sysctl_write("/proc/sys/net/ipv4/route/flush", "1");
			sysctl_write("/proc/sys/net/ipv6/route/flush", "1");
			break;
		}
		rest_us(100000 + draw(300000));
	}
}

/* --- the knobs ---------------------------------------------------------------- */

struct knobs {
	int nr;
	char name[KNOBS_MAX][64];
	char value[KNOBS_MAX][128];
};

static void knobs_read(struct knobs *k)
{
	struct dirent *entry;
	DIR *dir = opendir(KNOBS);

	while (dir && (entry = readdir(dir)) && k->nr < KNOBS_MAX) {
		if (strncmp(entry->d_name, "xtcp_", 5))
			continue;
		strcpy(k->name[k->nr], entry->d_name + 5);
		if (!knob_get_text(k->name[k->nr], k->value[k->nr], sizeof(k->value[0])))
			k->nr++;
	}
	if (dir)
		closedir(dir);
}

static void knobs_restore(const struct knobs *k)
{
	for (int i = 0; i < k->nr; i++)
		knob_set_text(k->name[i], k->value[i]);
}

/* The next pair of a knob and a value: each comes once in a round, in no order. */
static void knob_turn(const struct knobs *k, int turn)
{
	static const char * const value[KNOB_VALUES] = {
		"-1", "0", "1", "2", "3", "5", "10", "47", "100", "127", "128", "255", "256",
		"1000", "4096", "65535", "65536", "1048576", "2147483647", "4294967295",
		"99999999999999999999", "reno", "cubic", "x", "253", "6", "0 0 0", "1 1 1",
		"4096 8192 16384", "4096 131072 6291456", "100 200 300", "2000 4000 8000",
	};

	turn = (int64_t)turn * KNOB_STRIDE % (k->nr * KNOB_VALUES);
	knob_set_text(k->name[turn / KNOB_VALUES], value[turn % KNOB_VALUES]);
}

static void sweep_in(struct crowd *c, int ns)
{
	int64_t began_ns = now_ns();
	static struct knobs before;
	int turns = 0, round;

	netns_enter(WHERE(test), ns);
	knobs_read(&before);
	round = before.nr * KNOB_VALUES;
	while (!crowd_is_over(c)) {
		knob_turn(&before, turns++ % round);
		rest_us(draw(3000));
	}
	printf("# %d knobs of %d values each, turned %d times\n", before.nr, KNOB_VALUES, turns);
	check(turns >= round || now_ns() - began_ns < ROUND_S * NSEC_PER_SEC, WHERE(test),
	      "%d knobs were turned %d times only", before.nr, turns);
	knobs_restore(&before);
}

static void role_client_sweeper(struct crowd *c)
{
	sweep_in(c, ns_client);
}

static void role_server_sweeper(struct crowd *c)
{
	sweep_in(c, ns_server);
}

/* The knobs of the whole machine, which only its first namespace may set. */
static void role_machine_sweeper(struct crowd *c)
{
	int ns = open("/proc/1/ns/net", O_RDONLY);

	sweep_in(c, ns);
}

/* --- death -------------------------------------------------------------------- */

/* A program that is killed while it sends, and the next one, and so on. */
static void die_again(struct crowd *c, role play, int most_us)
{
	while (!crowd_is_over(c)) {
		pid_t pid = role_fork(c, play, draw(1 << 20));

		setpgid(pid, pid);
		rest_us(100000 + draw(most_us));
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void role_victim(struct crowd *c)
{
	die_again(c, role_clients, 400000);
}

/* A namespace of its own, with all that is in it. */
static void world_of_talk(struct crowd *c)
{
	setpgid(0, 0);
	netns_new(WHERE(test));
	role_fork(c, role_server, draw(1 << 20));
	role_fork(c, role_restless_server, draw(1 << 20));
	role_fork(c, role_restless_server, draw(1 << 20));
	role_clients(c);
}

/* Long enough for a connection to be made, on the slowest kernel as well. */
static void worlds_die(struct crowd *c, role world)
{
	die_again(c, world, kernel_is_debug() ? 20000000 : 2000000);
}

static void role_destroyer(struct crowd *doomed)
{
	worlds_die(doomed, world_of_talk);
}

/*
 * From this namespace, a new one, to that of @peer_ns: a device between 10.@net.0.1
 * and 10.@net.0.2, fd0@net::1 and fd0@net::2. It goes with this namespace, some time
 * after.
 */
static void path_to(int own_ns, int peer_ns, int net)
{
	static const int prefix[] = { 24, 64 };
	char name[16];

	snprintf(name, sizeof(name), "world%d", getpid());
	veth_new(WHERE(test), "veth0", peer_ns, name);
	for (int peer = 0; peer < 2; peer++) {
		const char *dev = peer ? name : "veth0";

		netns_enter(WHERE(test), peer ? peer_ns : own_ns);
		link_up(WHERE(test), dev);
		for (int v6 = 0; v6 < 2; v6++) {
			struct ipaddr addr = address_of(v6, net, 1 + peer);

			address_add(WHERE(test), dev, &addr, prefix[v6]);
		}
	}
}

/* Clients whose namespace dies while their server's lives on. */
static void world_of_clients(struct crowd *c)
{
	int ns;

	setpgid(0, 0);
	ns = netns_new(WHERE(test));
	path_to(ns, ns_server, 1);
	netns_enter(WHERE(test), ns);
	for (int v6 = 0; v6 < 2; v6++) {
		struct ipaddr server = ipaddr(c->way[2 * v6].server);
		struct ipaddr gateway = address_of(v6, 1, 2);

		route_add(WHERE(test), &server, v6 ? 128 : 32, &gateway, "veth0");
	}
	role_clients(c);
}

static void role_client_destroyer(struct crowd *c)
{
	worlds_die(c, world_of_clients);
}

/* Servers whose namespace dies while their clients' lives on. */
static void world_of_servers(struct crowd *c)
{
	int ns;

	setpgid(0, 0);
	ns = netns_new(WHERE(test));
	knobs_for_haste();
	path_to(ns, ns_client, 2);
	netns_enter(WHERE(test), ns);
	for (int i = 1; i < c->ways; i++)
		role_fork(c, role_server, draw(1 << 20));
	role_server(c);
}

static void role_server_destroyer(struct crowd *c)
{
	worlds_die(c, world_of_servers);
}

/* The administrator, in both namespaces. */
static void role_executioner(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		netns_enter(WHERE(test), chance(50) ? ns_client : ns_server);
		crowd_kill_rows(draw(10));
		rest_us(draw(200000));
	}
}

/* The largest number of connections that existed at a time. */
static void role_census(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		int live = proc_rows(AF_INET, ROW_ESTABLISHED) +
			   proc_rows(AF_INET6, ROW_ESTABLISHED);

		if (live > c->live_max)
			c->live_max = live;
		rest_us(50000);
	}
}

/* --- the test -------------------------------------------------------------------- */

FIXTURE_SETUP(fire)
{
	struct ipaddr any[] = { ipaddr("192.0.2.1"), ipaddr("2001:db8::1") };

	test = _metadata;
	self->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ns_server = netns_new(WHERE(test));
	knobs_for_haste();
	ns_client = netns_new(WHERE(test));
	knobs_for_haste();
	ground_make();
	dummy_new(WHERE(test), "dummy0");
	address_add(WHERE(test), "dummy0", &any[0], 24);
	address_add(WHERE(test), "dummy0", &any[1], 64);
	self->c = crowd_new();
	ways_to(self->c, "10.0.0.2", "fd00::2");
	self->doomed = crowd_new();
	ways_to(self->doomed, "127.0.0.1", "::1");
	self->left = crowd_new();
	ways_to(self->left, "10.2.0.1", "fd02::1");
	self->left->talks = 100;
}

FIXTURE_TEARDOWN(fire)
{
}

static bool caches_are_gone(void)
{
	char line[256];
	bool gone = true;
	FILE *f = fopen("/proc/slabinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "xtcp", 4))
			gone = false;
	if (f)
		fclose(f);
	return gone;
}

/* No orphan has to wait for an hour because of a knob. */
static void settle(int ns)
{
	netns_enter(WHERE(test), ns);
	crowd_kill_rows(100);
	crowd_expect_settled(WHERE(test), AF_INET);
	crowd_expect_settled(WHERE(test), AF_INET6);
}

TEST_F_TIMEOUT(fire, everything_goes_under_thousands_of_connections, 1000000)
{
	struct crowd *c = self->c, *doomed = self->doomed, *left = self->left;
	int64_t peace_ns = (c->until_ns - now_ns()) / 3;
	int live_min = peace_ns * LIVE_PER_S / NSEC_PER_SEC;
	int held;

	NOT_ON_STOCK();
	/* Even if all others close theirs before the unloader's last try, the module is in use. */
	held = socket_new(-1);
	ASSERT_LE(0, held);
	c->stays_open = true;
	netns_enter(WHERE(test), ns_server);
	for (int i = 0; i < c->ways; i++)
		role_start(c, role_server);
	role_start(c, role_restless_server);
	netns_enter(WHERE(test), ns_client);
	for (int i = 0; i < 4; i++)
		role_start(c, role_clients);
	role_start(c, role_census);
	role_start(c, role_unloader);
	rest_us(peace_ns / 1000);
	c->stays_open = false;

	role_start(c, role_onlooker);
	role_start(c, role_quake);
	role_start(c, role_client_sweeper);
	role_start(c, role_server_sweeper);
	role_start(c, role_machine_sweeper);
	role_start(c, role_victim);
	role_start(c, role_executioner);
	role_start(c, role_client_destroyer);
	role_start(doomed, role_destroyer);
	role_start(left, role_clients);
	role_start(left, role_server_destroyer);
	crowd_wait(WHERE(test), c);
	crowd_wait(WHERE(test), doomed);
	crowd_wait(WHERE(test), left);
	TH_LOG("%d connections at a time", c->live_max);
	/* Some namespaces live for fifteen seconds, which is less on a debug kernel. */
	if (peace_ns > 15 * NSEC_PER_SEC) {
		EXPECT_LT(0, doomed->accepted);
		EXPECT_LT(0, left->accepted);
	}
	EXPECT_EQ(0, c->unloaded);
	/* How long a debug kernel takes, depends on the host. */
	if (kernel_is_debug())
		live_min = 1;
	EXPECT_LT(live_min < LIVE_MIN_MAX ? live_min : LIVE_MIN_MAX, c->live_max);

	settle(ns_client);
	settle(ns_server);
	netns_enter(WHERE(test), self->home);
	close(ns_client);
	close(ns_server);
	close(held);
	EXPECT_EQ(0, crowd_unload()) TH_LOG("still in use");
	for (int i = 0; i < 100 && !caches_are_gone(); i++)
		sleep_ms(100);
	EXPECT_TRUE(caches_are_gone());
	EXPECT_EQ(0, module_load());
}

TEST_HARNESS_MAIN
