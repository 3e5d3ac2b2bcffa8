// SPDX-License-Identifier: GPL-2.0
/* vm: smp=2 mem=2G timeout=900 */
/*
 * fire: connections over both wires and both families carry text between two
 * namespaces, and everything around them goes. The device between them is
 * deleted and made anew, addresses and routes vanish, every knob is swept across
 * its range and beyond, programs are killed, the administrator ends connections,
 * whole namespaces die, and somebody wants to unload the module all the while.
 *
 * What must hold: no octet is wrong, nobody hangs, nothing is left, the module
 * stays while a socket lives and goes when none does, and its caches with it.
 * What goes wrong inside, a debug kernel says.
 *
 * Real time: XTCP_STRESS_S seconds, the first third in peace.
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define KNOBS "/proc/sys/net/ipv4"
#define KNOBS_MAX 128
#define TALKS 400
/* Connections at a time, for each second that there is to make them in. */
#define LIVE_PER_S 25
#define LIVE_MIN_MAX 1000

/* Both ends of the device, whose ground they are. */
static int ns_client, ns_server;

static struct __test_metadata *test;

FIXTURE(fire) {
	struct crowd *c;	/* who talk from one namespace to the other */
	struct crowd *doomed;	/* who talk to themselves, and don't get old */
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

/* From the client's side; the server's end comes and goes with it. */
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

/* One alone shakes it: each step finds what the last one left. */
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

static void knob_turn(const struct knobs *k)
{
	static const char * const value[] = {
		"-1", "0", "1", "2", "3", "5", "10", "47", "100", "127", "128", "255", "256",
		"1000", "4096", "65535", "65536", "1048576", "2147483647", "4294967295",
		"99999999999999999999", "reno", "cubic", "x", "253", "6", "0 0 0", "1 1 1",
		"4096 8192 16384", "4096 131072 6291456", "100 200 300", "2000 4000 8000",
	};

	knob_set_text(k->name[draw(k->nr)], value[draw(ARRAY_SIZE(value))]);
}

static void sweep_in(struct crowd *c, int ns)
{
	static struct knobs before;

	netns_enter(WHERE(test), ns);
	knobs_read(&before);
	while (!crowd_is_over(c)) {
		knob_turn(&before);
		rest_us(draw(5000));
	}
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

/* The knobs of the whole machine, which only its first namespace may turn. */
static void role_machine_sweeper(struct crowd *c)
{
	int ns = open("/proc/1/ns/net", O_RDONLY);

	sweep_in(c, ns);
}

/* --- death -------------------------------------------------------------------- */

/* A program that is killed in mid-sentence, and the next, and the next. */
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

static void role_destroyer(struct crowd *doomed)
{
	die_again(doomed, world_of_talk, 2000000);
}

/* The administrator, here and there. */
static void role_executioner(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		netns_enter(WHERE(test), chance(50) ? ns_client : ns_server);
		crowd_kill_rows(draw(10));
		rest_us(draw(200000));
	}
}

/* The most connections that were alive at a time. */
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

/* Nobody has to wait for a FIN that an hour-long knob made patient. */
static void settle(int ns)
{
	netns_enter(WHERE(test), ns);
	crowd_kill_rows(100);
	crowd_expect_settled(WHERE(test), AF_INET);
	crowd_expect_settled(WHERE(test), AF_INET6);
}

TEST_F_TIMEOUT(fire, all_goes_while_thousands_talk, 2000)
{
	struct crowd *c = self->c, *doomed = self->doomed;
	int64_t peace_ns = (c->until_ns - now_ns()) / 3;
	int live_min = peace_ns * LIVE_PER_S / NSEC_PER_SEC;

	NOT_ON_STOCK();
	c->calm = true;
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
	c->calm = false;

	role_start(c, role_onlooker);
	role_start(c, role_quake);
	role_start(c, role_client_sweeper);
	role_start(c, role_server_sweeper);
	role_start(c, role_machine_sweeper);
	role_start(c, role_victim);
	role_start(c, role_executioner);
	role_start(doomed, role_destroyer);
	crowd_wait(WHERE(test), c);
	crowd_wait(WHERE(test), doomed);
	TH_LOG("%d connections at a time", c->live_max);
	EXPECT_EQ(0, c->unloaded);
	/* A debug kernel takes its time, how much the host alone knows. */
	if (kernel_is_debug())
		live_min = 1;
	EXPECT_LT(live_min < LIVE_MIN_MAX ? live_min : LIVE_MIN_MAX, c->live_max);

	settle(ns_client);
	settle(ns_server);
	netns_enter(WHERE(test), self->home);
	close(ns_client);
	close(ns_server);
	EXPECT_EQ(0, crowd_unload()) TH_LOG("still in use");
	for (int i = 0; i < 100 && !caches_are_gone(); i++)
		sleep_ms(100);
	EXPECT_TRUE(caches_are_gone());
	EXPECT_EQ(0, module_load());
}

TEST_HARNESS_MAIN
