// SPDX-License-Identifier: GPL-2.0
/* pair: see pair.h. */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "context.h"
#include "proc.h"
#include "stream.h"

const char *const pair_side[] = { [CLIENT] = "client", [SERVER] = "server" };
const char *const pair_device[] = { [CLIENT] = "veth0", [SERVER] = "veth1" };

static void prepare_side(struct where at, struct pair *pr, enum side side)
{
	bool v6 = pr->family == AF_INET6;

	netns_enter(at, pr->ns[side]);
	if (!v6)
		sysctl_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	if (test_family() == AF_INET6)
		link_set_mtu(at, pair_device[side], 1500);
	context_apply_to_link(at, pair_device[side]);
	link_up(at, pair_device[side]);
	address_add(at, pair_device[side], &pr->addr[side], v6 ? 64 : 24);
	if (stock_mode())
		knob_set("syn_linear_timeouts", 0);
}

/*
 * The server's device is a bridge with two ports: one leads to the client; what is flooded
 * also leaves by the other one, and comes back by a device that is not meant.
 */
static void prepare_bridge(struct where at, struct pair *pr)
{
	static const char *const up[] = { "port0", "port1", "port1.far" };

	netns_enter(at, pr->ns[SERVER]);
	bridge_new(at, pair_device[SERVER]);
	veth_new(at, "port1", pr->ns[SERVER], "port1.far");
	for (int i = 0; i < 3; i++) {
		if (i < 2)
			link_set_master(at, up[i], pair_device[SERVER]);
		if (test_family() == AF_INET6)
			link_set_mtu(at, up[i], 1500);
		link_up(at, up[i]);
	}
	netns_enter(at, pr->ns[CLIENT]);
}

void pair_open_at(struct where at, struct pair *pr, const struct peer_setup *setup)
{
	int family = setup && setup->family ? setup->family : test_family();
	bool v6 = family == AF_INET6;

	memset(pr, 0, sizeof(*pr));
	pr->test = at.test;
	pr->family = family;
	pr->addr[CLIENT] = ipaddr(v6 ? "fd00:a::1" : "10.0.0.1");
	pr->addr[SERVER] = ipaddr(v6 ? "fd00:a::2" : "10.0.0.2");
	pr->ns[SERVER] = netns_new(at);
	pr->ns[CLIENT] = netns_new(at);
	if (context_of_run(at) == CONTEXT_BRIDGE) {
		veth_new(at, pair_device[CLIENT], pr->ns[SERVER], "port0");
		prepare_bridge(at, pr);
	} else {
		veth_new(at, pair_device[CLIENT], pr->ns[SERVER], pair_device[SERVER]);
	}
	prepare_side(at, pr, SERVER);
	prepare_side(at, pr, CLIENT);
	for (enum side s = CLIENT; s <= SERVER; s++) {
		netns_enter(at, pr->ns[s]);
		link_await(at, pair_device[s]);
	}
	/* The other port alone makes the bridge ready, and the first frame would be lost. */
	if (context_of_run(at) == CONTEXT_BRIDGE)
		link_await(at, "port0");
}

void pair_close_at(struct where at, struct pair *pr)
{
	if (check_is_over(pr->test))
		return;
	for (enum side s = CLIENT; s <= SERVER; s++) {
		netns_enter(at, pr->ns[s]);
		if (!pr->stock_may_speak)
			stock_expect_silent_at(at);
		lifecycle_expect_known_at(at);
		context_expect_whole_at(at);
		lifecycle_log(at);
	}
}

void pair_enter(struct pair *pr, enum side side)
{
	netns_enter(WHERE(pr->test), pr->ns[side]);
}

void pair_device_restore(struct pair *pr, enum side side)
{
	struct where at = WHERE(pr->test);

	pair_enter(pr, side);
	link_set_mtu(at, pair_device[side], 1500);
	link_set_gso(at, pair_device[side], 65535, 65536);
	pfifo_set(at, pair_device[side], 1000);
}

/* So that no connect() ends because some questions for a neighbour's address are lost. */
static void neighbours_ask_often(struct pair *pr)
{
	char path[64];

	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(pr, s);
		for (int ip = 4; ip <= 6; ip += 2) {
			snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/neigh/%s/mcast_solicit",
				 ip, pair_device[s]);
			sysctl_write(path, "100");
		}
	}
}

void pair_netem(struct pair *pr, enum side side, const struct netem *netem)
{
	if (netem->loss || netem->corrupt)
		neighbours_ask_often(pr);
	pair_enter(pr, side);
	netem_set(WHERE(pr->test), pair_device[side], netem);
	/*
	 * On the TCP wire a damaged port number makes a segment the kernel's, whose
	 * TCP finds a wrong checksum; so does a late segment of a connection that is
	 * over.
	 */
	if ((netem->corrupt || netem->duplicate || netem->reorder || netem->loss) &&
	    stream_wire() == XTCP_WIRE_TCP)
		pr->stock_may_speak = true;
}

static void file_print(const char *path, enum side side)
{
	FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		printf("#   %s: %s", pair_side[side], line);
	if (f)
		fclose(f);
}

void pair_print(struct pair *pr)
{
	for (enum side s = CLIENT; s <= SERVER; s++) {
		pair_enter(pr, s);
		file_print(proc_path(pr->family), s);
		if (!stock_mode())
			file_print("/proc/net/xtcp_age", s);
	}
}

void pair_expect_gone_at(struct where at, struct pair *pr, int64_t within_ms)
{
	for (enum side s = CLIENT; s <= SERVER; s++) {
		int64_t until_ms = now_ms() + within_ms;

		pair_enter(pr, s);
		while (proc_rows(pr->family, 0) && now_ms() < until_ms)
			sleep_ms(1000);
		if (proc_rows(pr->family, 0)) {
			pair_print(pr);
			check_fail(at, "%s: connections are left", pair_side[s]);
		}
	}
}

int pair_listen_at(struct where at, struct pair *pr, int port, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], port, &sa);
	int fd;

	pair_enter(pr, SERVER);
	fd = stream_socket(pr->family);
	check(fd >= 0, at, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	check(!bind(fd, (struct sockaddr *)&sa, len) && !listen(fd, backlog), at,
	      "bind and listen: %s", strerror(errno));
	return fd;
}

int pair_connect_at(struct where at, struct pair *pr, int port)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], port, &sa);
	int fd;

	pair_enter(pr, CLIENT);
	fd = stream_socket(pr->family);
	check(fd >= 0, at, "socket: %s", strerror(errno));
	check(!connect(fd, (struct sockaddr *)&sa, len), at, "connect: %s",
	      strerror(errno));
	fd_nonblock(fd);
	return fd;
}

void pair_connected_at(struct where at, struct pair *pr, int port,
		       int *client, int *server)
{
	int lfd = pair_listen_at(at, pr, port, 16);

	*client = pair_connect_at(at, pr, port);
	pair_enter(pr, SERVER);
	*server = accept(lfd, NULL, NULL);
	check(*server >= 0, at, "accept: %s", strerror(errno));
	fd_nonblock(*server);
	close(lfd);
}

static void number_pass(struct where at, int from, int to, uint32_t number)
{
	uint32_t said;

	check(send(from, &number, sizeof(number), 0) == sizeof(number), at, "send: %s",
	      strerror(errno));
	sleep_ms(1);
	check(recv(to, &said, sizeof(said), 0) == sizeof(said), at, "recv: %s", strerror(errno));
	check(said == number, at, "%u has arrived as %u", number, said);
}

void pair_talk_at(struct where at, struct pair *pr, int lfd, int port, uint32_t number)
{
	int client = pair_connect_at(at, pr, port), server = accept(lfd, NULL, NULL);
	char byte;

	check(server >= 0, at, "accept: %s", strerror(errno));
	number_pass(at, client, server, number);
	number_pass(at, server, client, ~number);
	close(client);
	sleep_ms(1);
	check(!recv(server, &byte, 1, 0), at, "the stream does not end");
	close(server);
	sleep_ms(1);
}
