// SPDX-License-Identifier: GPL-2.0
/* vm: wires v6 families smp=2 mem=2G timeout=600 grows=XTCP_STRESS_S:8 */
/*
 * stampede: many connections at once, on two CPUs: thousands of them, listeners that
 * close while SYNs and third segments arrive on both CPUs, namespaces that die
 * meanwhile, changing devices and routes, and a process that tries to unload the
 * module all the while. Bytes that arrive must be right, nothing may hang, and
 * nothing may be left in the end. A debug kernel reports internal errors.
 */
#include "lib/xtcp_test.h"

#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static struct __test_metadata *test;

/* --- short connections ---------------------------------------------------- */

/* One byte each way, then close: the next connection reuses the memory. */
static void brief_talk(struct crowd *c, int lfd, const struct sockaddr_storage *to, socklen_t len)
{
	char said = draw(256), heard = ~said;
	int fd = stream_socket(AF_INET), at, n;

	if (connect(fd, (const struct sockaddr *)to, len)) {
		crowd_note_refusal(c);
		close(fd);
		return;
	}
	c->opened++;
	at = accept(lfd, NULL, NULL);
	c->accepted++;
	if (write(fd, &said, 1) != 1 || read(at, &heard, 1) != 1 || heard != said)
		c->wrong++;
	said = ~said;
	if (write(at, &said, 1) != 1 || read(fd, &heard, 1) != 1 || heard != said)
		c->wrong++;
	c->bytes += 2;
	/* Either end may be the first to close. */
	n = chance(50);
	close(n ? fd : at);
	close(n ? at : fd);
}

static void brief_at(struct crowd *c, const char *server)
{
	int lfd = stream_socket(AF_INET);
	struct sockaddr_storage to;
	socklen_t len = sizeof(to);

	if (socket_bind(lfd, server, 0) || listen(lfd, 8) ||
	    getsockname(lfd, (struct sockaddr *)&to, &len))
		_exit(1);
	while (!crowd_is_over(c))
		brief_talk(c, lfd, &to, len);
}

/* Either namespace's own address. */
#define HERE_ADDR	"127.0.1.1"
#define THERE_ADDR	"127.0.2.1"

static void role_brief_here(struct crowd *c)
{
	brief_at(c, HERE_ADDR);
}

static void role_brief_there(struct crowd *c)
{
	brief_at(c, THERE_ADDR);
}

/*
 * As in a row: each word of the address is a number of this host. A mapped address
 * ends so.
 */
static void row_address(const char *addr, char *text)
{
	struct ipaddr a = ipaddr(addr);
	int words = a.family == AF_INET ? 1 : 4;
	uint32_t word;

	for (int i = 0; i < words; i++) {
		memcpy(&word, (char *)&a.v6 + 4 * i, sizeof(word));
		sprintf(text + 8 * i, "%08X:", word);
	}
}

/* A reader sees only connections of its own namespace, however they change. */
static void guard_against(struct crowd *c, const char *addr)
{
	char line[256], foreign[40];

	row_address(addr, foreign);
	while (!crowd_is_over(c)) {
		FILE *f = fopen(proc_path(AF_INET), "r");

		while (f && fgets(line, sizeof(line), f))
			if (strstr(line, foreign))
				c->wrong++;
		if (f)
			fclose(f);
	}
}

static void role_guard_here(struct crowd *c)
{
	guard_against(c, THERE_ADDR);
}

static void role_guard_there(struct crowd *c)
{
	guard_against(c, HERE_ADDR);
}

/* --- segments from nowhere ------------------------------------------------ */

static void inject(struct crowd *c, const struct segment_spec *spec)
{
	uint8_t buf[2048];

	if (write(c->tun, buf, segment_build(spec, buf)) < 0)
		rest_us(100);
}

static struct segment_spec from_nowhere(const struct crowd *c)
{
	struct segment_spec spec = SEGMENT_SPEC(.proto = stream_wire(), .wnd = 20000);
	char text[16];

	snprintf(text, sizeof(text), "10.1.%u.%u", draw(4), 1 + draw(200));
	spec.src = ipaddr(text);
	spec.dst = ipaddr("10.0.0.1");
	spec.sport = 1024 + draw(60000);
	spec.dport = CROWD_PORT + draw(c->ports);
	return spec;
}

static void inject_syn(struct crowd *c)
{
	struct segment_spec spec = from_nowhere(c);

	spec.flags = SYN;
	spec.seq = draw(UINT32_MAX);
	spec.opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_NOP, OPT_WSCALE(7));
	inject(c, &spec);
	if (chance(20))
		inject(c, &spec);
}

/* Continues, or does not, a handshake that either injector has seen. */
static void inject_next(struct crowd *c)
{
	static const int flags[] = {
		ACK, ACK, ACK, ACK, ACK, ACK | PSH, RST, RST | ACK, FIN | ACK, SYN,
	};
	struct segment_spec spec = from_nowhere(c);
	unsigned int nr = c->heard_nr;
	const struct heard *h;

	if (!nr)
		return;
	h = &c->heard[(nr - 1 - draw(nr < 8 ? nr : 8)) % CROWD_HEARD];
	spec.src = h->addr;
	spec.sport = h->pport;
	spec.dport = h->kport;
	spec.flags = flags[draw(ARRAY_SIZE(flags))];
	spec.seq = spec.flags & SYN ? h->ack - 1 : h->ack;
	spec.ack = h->seq + 1;
	if (spec.flags & PSH)
		spec.len = 1 + draw(1000);
	if (chance(5))
		spec.ack += draw(100);
	inject(c, &spec);
}

static void listen_in(struct crowd *c, struct segment *seg)
{
	struct heard *h;

	seg->packet_len = read(c->tun, seg->packet, sizeof(seg->packet));
	if (seg->packet_len <= 0)
		return;
	segment_parse(seg, stream_wire());
	if (!seg->is_tcp || (seg->flags & (SYN | ACK)) != (SYN | ACK))
		return;
	h = &c->heard[c->heard_nr % CROWD_HEARD];
	*h = (struct heard){
		.addr = seg->dst, .pport = seg->dport, .kport = seg->sport,
		.seq = seg->seq, .ack = seg->ack,
	};
	c->heard_nr++;
	c->opened++;
}

static void role_injector(struct crowd *c)
{
	static struct segment seg;

	while (!crowd_is_over(c)) {
		for (int i = 0; i < 4; i++)
			listen_in(c, &seg);
		if (chance(40))
			inject_syn(c);
		else
			inject_next(c);
	}
}

/* Accepts a few connections and closes; opens again. It neither reads nor writes. */
static void role_fickle_listener(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		int lfd = listener_new(c, draw(64));
		int rounds = draw(200);

		while (lfd >= 0 && rounds--) {
			int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);

			if (fd >= 0) {
				c->accepted++;
				socket_abort(fd);
			} else {
				rest_us(draw(100));
			}
		}
		if (lfd >= 0)
			listener_end(lfd);
	}
}

/* The same few SYNs again and again: lookups of a few records while these change. */
static void role_repeater(struct crowd *c)
{
	struct segment_spec spec = SEGMENT_SPEC(.proto = stream_wire(), .flags = SYN, .wnd = 20000);
	static struct segment seg;

	spec.src = ipaddr("10.1.0.1");
	spec.dst = ipaddr("10.0.0.1");
	spec.dport = CROWD_PORT;
	spec.seq = 1;
	while (!crowd_is_over(c)) {
		for (int i = 0; i < 8; i++) {
			spec.sport = 1024 + i;
			inject(c, &spec);
		}
		listen_in(c, &seg);
	}
}

static int listener_of_group(void)
{
	int fd = stream_socket(AF_INET);

	if (socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) ||
	    socket_bind(fd, "10.0.0.1", CROWD_PORT) || listen(fd, 16))
		_exit(1);
	return fd;
}

/* Two listeners of a group: each in turn hands its records on, and opens again. */
static void role_changing_guard(struct crowd *c)
{
	int fd[] = { listener_of_group(), listener_of_group() };

	for (int i = 0; !crowd_is_over(c); i ^= 1) {
		close(fd[i]);
		fd[i] = listener_of_group();
		rest_us(draw(3000));
	}
}

/* --- ground that shakes ----------------------------------------------------- */

#define CLIENT_ADDR	"10.0.0.1"
#define SERVER_ADDR	"10.0.0.2"
/* With a smaller MTU a device has no IPv6. */
#define MTU_MIN		(test_family() == AF_INET6 ? 1280 : 576)
#define MTU_MAX		1500

static int device_ioctl(int request, struct ifreq *ifr, const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err;

	strcpy(ifr->ifr_name, name);
	err = ioctl(fd, request, ifr) ? errno : 0;
	close(fd);
	return err;
}

static void device_up(const char *name, bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	device_ioctl(SIOCSIFFLAGS, &ifr, name);
}

/* IPv6 addresses go with the device, too. */
static void client_address(bool there)
{
	struct ipaddr addr = ipaddr(CLIENT_ADDR);

	address_set(WHERE(test), "veth0", &addr, 24, there);
}

static void device_mtu(const char *name, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	device_ioctl(SIOCSIFMTU, &ifr, name);
}

/*
 * Any value of any knob, refused ones included; but an orphan keeps the fin_timeout of
 * its beginning, and no test waits an hour for it.
 */
static void knob_sweep(void)
{
	static const char * const name[] = {
		"syncookies", "max_syn_backlog", "synack_retries", "syn_retries",
		"abort_on_overflow", "tw_reuse", "max_tw_buckets",
		"retries1", "retries2", "orphan_retries", "keepalive_time",
		"keepalive_intvl", "keepalive_probes", "timestamps",
		"window_scaling", "sack", "migrate_req",
	};
	static const long long value[] = { -1, 0, 1, 2, 3, 5, 127, 255, 256, 4096, 1 << 20 };
	char text[64];

	if (chance(20)) {
		snprintf(text, sizeof(text), "%u %u %u", 1 + draw(8192), 4096 + draw(100000),
			 4096 + draw(4000000));
		knob_set_text(chance(50) ? "rmem" : "wmem", text);
		return;
	}
	if (chance(10))
		knob_set("fin_timeout", draw(4));
	else
		knob_set(name[draw(ARRAY_SIZE(name))], value[draw(ARRAY_SIZE(value))]);
}

static void role_shaker(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		switch (draw(6)) {
		case 0:
			device_up("veth0", false);
			rest_us(draw(20000));
			device_up("veth0", true);
			client_address(true);
			break;
		case 1:
			client_address(false);
			rest_us(draw(20000));
			client_address(true);
			break;
		case 2:
			device_mtu("veth0", MTU_MIN + draw(MTU_MAX + 1 - MTU_MIN));
			break;
		case 3:
			sysctl_write("/proc/sys/net/ipv4/route/flush", "1");
			sysctl_write("/proc/sys/net/ipv6/route/flush", "1");
			break;
		default:
			knob_sweep();
		}
		rest_us(draw(30000));
	}
	device_mtu("veth0", MTU_MAX);
	device_up("veth0", true);
	client_address(true);
}

/* --- what they come for ------------------------------------------------------ */

static bool has_talked(const struct crowd *c)
{
	return c->accepted > 20 && c->bytes > 10000;
}

static bool has_accepted(const struct crowd *c)
{
	return c->accepted > 10;
}

static bool has_accepted_many(const struct crowd *c)
{
	return c->accepted > 100;
}

/*
 * Some listeners shared their port when they closed, and others inherited their
 * queues.
 */
static bool has_migrated(const struct crowd *c)
{
	struct counters now;

	counters_take(&now);
	return c->opened > 100 && has_accepted(c) &&
	       counter_get(&now, "TCPMigrateReqSuccess") > 0;
}

static bool has_migrated_much(const struct crowd *c)
{
	struct counters now;

	counters_take(&now);
	return counter_get(&now, "TCPMigrateReqSuccess") > 100;
}

/* --- the tests ----------------------------------------------------------------- */

FIXTURE(stampede) {
	struct crowd *c;
	int ns;
};

FIXTURE_SETUP(stampede)
{
	test = _metadata;
	self->ns = netns_new(WHERE(_metadata));
	knobs_for_haste();
	self->c = crowd_new();
}

FIXTURE_TEARDOWN(stampede)
{
	/* On the TCP wire a freed port, with its late segments, is the kernel's. */
	if (stream_wire() != XTCP_WIRE_TCP)
		stock_expect_silent(_metadata);
	close(self->ns);
}

TEST_F_TIMEOUT(stampede, connections_come_and_go, 1000000)
{
	struct crowd *c = self->c;

	c->purpose = has_talked;
	role_start(c, role_server);
	role_start(c, role_server);
	role_start(c, role_clients);
	role_start(c, role_clients);
	role_start(c, role_onlooker);
	crowd_wait(WHERE(_metadata), c);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
}

TEST_F_TIMEOUT(stampede, listeners_come_and_go, 1000000)
{
	struct crowd *c = self->c;

	c->purpose = has_accepted;
	role_start(c, role_restless_server);
	role_start(c, role_restless_server);
	role_start(c, role_restless_server);
	role_start(c, role_clients);
	role_start(c, role_clients);
	role_start(c, role_onlooker);
	crowd_wait(WHERE(_metadata), c);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
}

TEST_F_TIMEOUT(stampede, listeners_close_under_syns, 1000000)
{
	struct ipaddr addr = ipaddr("10.0.0.1");
	struct crowd *c = self->c;

	c->purpose = has_migrated;
	c->tun = tun_new(WHERE(_metadata), "tun0");
	address_add(WHERE(_metadata), "tun0", &addr, 24);
	route_add_default(WHERE(_metadata), "tun0", test_family());
	/* More than the readers can take: a full queue is intended. */
	knob_set("max_syn_backlog", 4096);
	role_start(c, role_fickle_listener);
	role_start(c, role_fickle_listener);
	role_start(c, role_injector);
	role_start(c, role_injector);
	role_start(c, role_onlooker);
	crowd_wait(WHERE(_metadata), c);
	/* RSTs to a peer that never answered; removing the device loses the rest. */
	close(c->tun);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
}

/*
 * A record's memory is reused at once: a reader that finds one may count the next one.
 */
TEST_F_TIMEOUT(stampede, records_move_under_their_syns, 1000000)
{
	struct ipaddr addr = ipaddr("10.0.0.1");
	struct crowd *c = self->c;

	c->purpose = has_migrated_much;
	c->tun = tun_new(WHERE(_metadata), "tun0");
	address_add(WHERE(_metadata), "tun0", &addr, 24);
	route_add_default(WHERE(_metadata), "tun0", test_family());
	ASSERT_EQ(0, knob_set("migrate_req", 1));
	role_start(c, role_changing_guard);
	role_start(c, role_repeater);
	role_start(c, role_repeater);
	crowd_wait(WHERE(_metadata), c);
	close(c->tun);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
}

TEST_F_TIMEOUT(stampede, ground_shakes, 1000000)
{
	struct ipaddr client = ipaddr(CLIENT_ADDR), server = ipaddr(SERVER_ADDR);
	struct crowd *c = self->c;
	int there = netns_new(WHERE(_metadata));

	veth_new(WHERE(_metadata), "veth0", self->ns, "veth0");
	address_add(WHERE(_metadata), "veth0", &server, 24);
	link_up(WHERE(_metadata), "veth0");
	knobs_for_haste();
	c->purpose = has_accepted;
	strcpy(c->way[0].server, SERVER_ADDR);
	role_start(c, role_server);
	role_start(c, role_restless_server);
	role_start(c, role_onlooker);
	netns_enter(WHERE(_metadata), self->ns);
	address_add(WHERE(_metadata), "veth0", &client, 24);
	link_up(WHERE(_metadata), "veth0");
	role_start(c, role_clients);
	role_start(c, role_clients);
	role_start(c, role_shaker);
	role_start(c, role_shaker);
	crowd_wait(WHERE(_metadata), c);
	/* Both ends can reach each other again, and all timeouts are short. */
	knobs_for_haste();
	crowd_expect_settled(WHERE(_metadata), AF_INET);
	netns_enter(WHERE(_metadata), there);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
	netns_enter(WHERE(_metadata), self->ns);
	close(there);
}

/*
 * Sockets of two namespaces come and go at once, on two CPUs, in the same memory;
 * segments find the right one, and readers of the tables see only their own namespace.
 */
TEST_F_TIMEOUT(stampede, freed_sockets_are_reused, 1000000)
{
	struct ipaddr addr[] = { ipaddr(HERE_ADDR), ipaddr(THERE_ADDR) };
	struct crowd *c = self->c;
	int there = netns_new(WHERE(_metadata));

	address_add(WHERE(_metadata), "lo", &addr[1], 32);
	knobs_for_haste();
	c->purpose = has_accepted_many;
	role_start(c, role_brief_there);
	role_start(c, role_brief_there);
	role_start(c, role_guard_there);
	netns_enter(WHERE(_metadata), self->ns);
	address_add(WHERE(_metadata), "lo", &addr[0], 32);
	role_start(c, role_brief_here);
	role_start(c, role_brief_here);
	role_start(c, role_guard_here);
	crowd_wait(WHERE(_metadata), c);
	EXPECT_EQ(0, c->refused);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
	netns_enter(WHERE(_metadata), there);
	crowd_expect_settled(WHERE(_metadata), AF_INET);
	netns_enter(WHERE(_metadata), self->ns);
	close(there);
}

/* One of two owners of a port listens while the other one connects. */
struct owners {
	struct crowd *c;
	int listener;
	_Atomic int round, listened;
};

static void *owner_listens(void *arg)
{
	struct owners *o = arg;

	for (int round = 1; !crowd_is_over(o->c); round++) {
		while (o->round < round && !crowd_is_over(o->c))
			;
		for (int i = draw(100000); i; i--)
			__asm__ volatile("");
		listen(o->listener, 1);
		o->listened = round;
	}
	return NULL;
}

/*
 * Both have cleared SO_REUSEPORT, and the first one that listens ends the sharing. The other
 * one's next bucket is chosen before or after that, not half of it: buckets have two sizes.
 */
TEST_F_TIMEOUT(stampede, sharing_of_a_port_ends_under_a_connect, 1000000)
{
	struct owners o = { .c = self->c };
	pthread_t thread;
	int fd[2];

	ASSERT_EQ(0, pthread_create(&thread, NULL, owner_listens, &o));
	for (int n = 0; !crowd_is_over(o.c); n++) {
		for (int i = 0; i < 2; i++) {
			fd[i] = stream_socket(AF_INET);
			socket_set(fd[i], SOL_SOCKET, SO_REUSEADDR, 1);
			socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 1);
			ASSERT_EQ(0, socket_bind(fd[i], "", 9000));
		}
		for (int i = 0; i < 2; i++)
			socket_set(fd[i], SOL_SOCKET, SO_REUSEPORT, 0);
		fd_nonblock(fd[0]);
		o.listener = fd[1];
		o.round++;
		socket_connect(fd[0], "127.0.0.1", 9001);
		while (o.listened < o.round && !crowd_is_over(o.c))
			;
		close(fd[0]);
		close(fd[1]);
	}
	ASSERT_EQ(0, pthread_join(thread, NULL));
	crowd_expect_settled(WHERE(_metadata), AF_INET);
}

/* A namespace of busy connections, whose last process is killed. */
static void namespace_full_of_talk(struct crowd *c)
{
	setpgid(0, 0);
	netns_new(WHERE(test));
	knobs_for_haste();
	role_fork(c, role_server, draw(1 << 20));
	role_fork(c, role_restless_server, draw(1 << 20));
	role_fork(c, role_clients, draw(1 << 20));
	role_clients(c);
}

static void role_destroyer(struct crowd *c)
{
	while (!crowd_is_over(c)) {
		pid_t pid = role_fork(c, namespace_full_of_talk, draw(1 << 20));

		setpgid(pid, pid);
		rest_us(50000 + draw(300000));
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

TEST_F_TIMEOUT(stampede, namespaces_die_and_the_module_stays_until_it_may_go, 1000000)
{
	struct crowd *c = self->c;
	int fd;

	NOT_ON_STOCK();
	fd = socket_new(-1);
	ASSERT_LE(0, fd);
	c->purpose = has_accepted;
	role_start(c, role_destroyer);
	role_start(c, role_destroyer);
	role_start(c, role_server);
	role_start(c, role_clients);
	role_start(c, role_unloader);
	crowd_wait(WHERE(_metadata), c);
	EXPECT_EQ(0, c->unloaded);
	close(fd);
	EXPECT_EQ(0, crowd_unload()) { TH_LOG("still in use"); }
	EXPECT_EQ(0, module_load());
}

TEST_HARNESS_MAIN
