// SPDX-License-Identifier: GPL-2.0
/*
 * confirm: an ACK of new data proves that the neighbour that the data went through is
 * reachable, so that no probe of it is needed. LC-101, RFC 1122 2.3.2.1, RFC 4861
 * 7.3.1. Neighbour entries are valid for a second or so here, and then another second.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

PAIR_FIXTURE(confirm);

#define PORT 7000
#define RUN_MS 30000
#define EACH_MS 100
/* The time until an unconfirmed neighbour is probed: 1.5 s and 1 s, and some more. */
#define ASKED_AT_LEAST 5

unsigned int if_nametoindex(const char *name);

static void neighbour_knob(struct __test_metadata *_metadata, const char *dev,
			   const char *name, const char *value)
{
	static const char *const family[] = { "ipv4", "ipv6" };
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/%s/neigh/%s/%s", family[i], dev,
			 name);
		ASSERT_EQ(0, sysctl_write(path, value));
	}
}

/*
 * Captures what passes the device of that side, from now on, before it knows a
 * neighbour.
 */
static int listen_in(struct __test_metadata *_metadata, struct pair *pr, enum side side)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	int fd;

	pair_enter(pr, side);
	neighbour_knob(_metadata, pair_device[side], "base_reachable_time_ms", "1000");
	neighbour_knob(_metadata, pair_device[side], "delay_first_probe_time", "1");
	sll.sll_ifindex = if_nametoindex(pair_device[side]);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
	ASSERT_LE(0, fd);
	socket_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
	ASSERT_EQ(0, bind(fd, (void *)&sll, sizeof(sll)));
	return fd;
}

/* An ARP request, or a neighbour solicitation, for that address. */
static bool is_question(const uint8_t *packet, ssize_t n, int protocol,
			const struct ipaddr *whom)
{
	if (protocol == ETH_P_ARP)
		return n >= 28 && packet[7] == 1 && whom->family == AF_INET &&
		       !memcmp(packet + 24, &whom->v4, 4);
	return protocol == ETH_P_IPV6 && n >= 64 && packet[6] == IPPROTO_ICMPV6 &&
	       packet[40] == ND_NEIGHBOR_SOLICIT && whom->family == AF_INET6 &&
	       !memcmp(packet + 48, &whom->v6, 16);
}

/* How often that side has probed the other. */
static int questions(const struct pair *pr, int fd, enum side side)
{
	const struct ipaddr *other = &pr->addr[side == CLIENT ? SERVER : CLIENT];
	struct sockaddr_ll sll;
	socklen_t len = sizeof(sll);
	uint8_t packet[128];
	int asked = 0;
	ssize_t n;

	while ((n = recvfrom(fd, packet, sizeof(packet), 0, (void *)&sll, &len)) >= 0) {
		if (sll.sll_pkttype == PACKET_OUTGOING &&
		    is_question(packet, n, ntohs(sll.sll_protocol), other))
			asked++;
		len = sizeof(sll);
	}
	return asked;
}

static void pass(struct __test_metadata *_metadata, int from, int to)
{
	struct pollfd pfd = { .fd = to, .events = POLLIN };
	char byte = 'x';

	ASSERT_EQ(1, send(from, &byte, 1, 0));
	ASSERT_EQ(1, poll(&pfd, 1, 1000));
	ASSERT_EQ(1, recv(to, &byte, 1, 0));
}

/* Each write is acknowledged: by the other side's, and the last one alone. */
TEST_F(confirm, lc_101_question_and_answer)
{
	struct pair *pr = &self->pair;
	int client, server, seen[2];
	int64_t end_ms;

	for (enum side s = CLIENT; s <= SERVER; s++)
		seen[s] = listen_in(_metadata, pr, s);
	pair_connected(pr, PORT, &client, &server);
	for (enum side s = CLIENT; s <= SERVER; s++)
		questions(pr, seen[s], s);
	for (end_ms = now_ms() + RUN_MS; now_ms() < end_ms; sleep_ms(EACH_MS)) {
		pass(_metadata, client, server);
		pass(_metadata, server, client);
	}
	for (enum side s = CLIENT; s <= SERVER; s++)
		EXPECT_EQ(0, questions(pr, seen[s], s));
	close(client);
	close(server);
}

/* A side that only sends. */
TEST_F(confirm, lc_101_acks_alone)
{
	struct pair *pr = &self->pair;
	int client, server, seen;
	int64_t end_ms;

	seen = listen_in(_metadata, pr, CLIENT);
	pair_connected(pr, PORT, &client, &server);
	questions(pr, seen, CLIENT);
	for (end_ms = now_ms() + RUN_MS; now_ms() < end_ms; sleep_ms(EACH_MS)) {
		pass(_metadata, client, server);
		pass(_metadata, client, server);
	}
	EXPECT_EQ(0, questions(pr, seen, CLIENT));
	close(client);
	close(server);
}

/* A control: neighbours are probed for datagrams, which are not acknowledged. */
TEST_F(confirm, datagrams_prove_nothing)
{
	struct pair *pr = &self->pair;
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&pr->addr[SERVER], PORT, &sa);
	int client, server, from, to, seen;
	int64_t end_ms;

	seen = listen_in(_metadata, pr, CLIENT);
	/* Resolves the neighbour, however many tries that takes. */
	pair_connected(pr, PORT, &client, &server);
	pair_enter(pr, SERVER);
	to = socket(sa.ss_family, SOCK_DGRAM, 0);
	ASSERT_EQ(0, bind(to, (void *)&sa, len));
	pair_enter(pr, CLIENT);
	from = socket(sa.ss_family, SOCK_DGRAM, 0);
	ASSERT_EQ(0, connect(from, (void *)&sa, len));
	questions(pr, seen, CLIENT);
	for (end_ms = now_ms() + RUN_MS; now_ms() < end_ms; sleep_ms(EACH_MS))
		pass(_metadata, from, to);
	EXPECT_LE(ASKED_AT_LEAST, questions(pr, seen, CLIENT));
	close(from);
	close(to);
	close(client);
	close(server);
}

/* Seconds since the other side was confirmed to be reachable. */
static int confirmed_ago(struct __test_metadata *_metadata, struct pair *pr, enum side side)
{
	int used, confirmed = -1;
	char line[256], *at;
	FILE *ip;

	pair_enter(pr, side);
	ip = popen("ip -s neigh", "re");
	ASSERT_NE(NULL, ip);
	while (confirmed < 0 && fgets(line, sizeof(line), ip)) {
		at = strstr(line, " used ");
		if (at && strncmp(line, "fe80", 4))
			sscanf(at, " used %d/%d/", &used, &confirmed);
	}
	pclose(ip);
	ASSERT_LE(0, confirmed);
	return confirmed;
}

/* In the first half of the time a probe may still be sent. */
#define SILENCE_S 30

/*
 * The client's ACK tells the client's own IP layer that the server is reachable. The
 * server has no connection, and recycles the ACK's skb for its RST: that says nothing
 * of the client.
 */
TEST_F(confirm, an_answer_to_an_unknown_peer_confirms_no_neighbour)
{
	struct netem slow = { .delay_ms = 200 }, deaf = { .loss = 100 }, well = { };
	struct linger reset = { .l_onoff = 1 };
	struct pair *pr = &self->pair;
	int client, server;
	char byte = 'x';

	pair_connected(pr, PORT, &client, &server);
	pass(_metadata, server, client);
	pass(_metadata, client, server);
	sleep_ms(SILENCE_S * 1000);
	pair_netem(pr, CLIENT, &slow);
	pass(_metadata, client, server);
	ASSERT_EQ(1, send(server, &byte, 1, 0));
	sleep_ms(100);
	/* The ACK of that is in flight, and finds no socket. */
	pair_netem(pr, SERVER, &deaf);
	setsockopt(server, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(server);
	pair_netem(pr, SERVER, &well);
	EXPECT_LE(SILENCE_S / 2, confirmed_ago(_metadata, pr, SERVER));
	sleep_ms(300);
	/* The RST came. */
	EXPECT_EQ(-1, send(client, &byte, 1, MSG_NOSIGNAL));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_LE(SILENCE_S / 2, confirmed_ago(_metadata, pr, SERVER));
	close(client);
}

TEST_HARNESS_MAIN
