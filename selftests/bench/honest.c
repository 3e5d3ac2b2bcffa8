// SPDX-License-Identifier: GPL-2.0
/*
 * honest: honest connections during a flood. 100 SYNs from spoofed sources precede
 * each of them. None may need a second SYN, and each must have all options of a
 * connection without a flood.
 */
/* vm: mem=1G timeout=5000 */
#include "lib/flood.h"

#include <linux/tcp.h>
#include <sys/socket.h>

#define HONEST 10000
#define SPOOFED_EACH 100
#define PORT FLOOD_PORT
/* An MSS that no table of usual values has: a loss of it shows. */
#define MTU 1403

/* What the handshake agreed on, as one end sees it. */
struct agreed {
	int options, snd_wscale, rcv_wscale, snd_mss, rcv_mss;
};

static struct agreed agreed_get(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	must(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO: %s",
	     strerror(errno));
	return (struct agreed) {
		.options = info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK |
						TCPI_OPT_WSCALE | TCPI_OPT_ECN),
		.snd_wscale = info.tcpi_snd_wscale, .rcv_wscale = info.tcpi_rcv_wscale,
		.snd_mss = info.tcpi_snd_mss, .rcv_mss = info.tcpi_advmss,
	};
}

struct scene {
	struct flood *flood;
	struct pair pair;
	struct sockaddr_storage to;
	socklen_t len;
	int listener;
};

/* The flood arrives at the server's namespace too, through the tun device. */
static void scene_open(struct scene *s, int timestamps)
{
	struct ipaddr here;

	pair_open_at(HERE, &s->pair, NULL);
	netns_enter(HERE, s->pair.ns[CLIENT]);
	link_set_mtu(HERE, "veth0", MTU);
	must(!knob_set("timestamps", timestamps), "timestamps");
	netns_enter(HERE, s->pair.ns[SERVER]);
	here = s->pair.addr[SERVER];
	s->flood = flood_open_here(&here);
	s->listener = pair_listen_at(HERE, &s->pair, PORT, SOMAXCONN);
	s->len = ipaddr_sockaddr(&here, PORT, &s->to);
	netns_enter(HERE, s->pair.ns[CLIENT]);
}

static void spoofed(struct scene *s)
{
	if (s->flood->next + SPOOFED_EACH > FLOOD_BATCH)
		flood_load(s->flood);
	for (int i = 0; i < SPOOFED_EACH; i++)
		flood_inject(s->flood);
}

/* The server sends first; one byte proves that the connection works. */
static void honest(struct scene *s, struct agreed agreed[2])
{
	int client = socket(AF_INET, SOCK_STREAM, bench_proto()), server;
	char c = 'x';

	must(client >= 0 && !connect(client, (void *)&s->to, s->len), "connect: %s",
	     strerror(errno));
	server = accept(s->listener, NULL, NULL);
	must(server >= 0, "accept: %s", strerror(errno));
	must(send(server, &c, 1, 0) == 1 && recv(client, &c, 1, 0) == 1, "byte: %s",
	     strerror(errno));
	agreed[CLIENT] = agreed_get(client);
	agreed[SERVER] = agreed_get(server);
	close(client);
	close(server);
}

static void cookies_set(struct scene *s, int mode)
{
	netns_enter(HERE, s->pair.ns[SERVER]);
	must(!knob_set("syncookies", mode), "syncookies");
	netns_enter(HERE, s->pair.ns[CLIENT]);
}

static void measure(int cookies, int timestamps, const char *second_syns,
		    const char *less, const char *by_cookie)
{
	struct agreed peace[2], war[2];
	int all = bench_many(HONEST), n_less = 0;
	struct counters client, server;
	struct scene s;

	scene_open(&s, timestamps);
	/* Without a flood: the queue is not full, no cookies are sent. */
	cookies_set(&s, 0);
	honest(&s, peace);
	cookies_set(&s, cookies);
	flood_load(s.flood);
	for (int i = 0; i < all; i++) {
		spoofed(&s);
		honest(&s, war);
		n_less += !!memcmp(peace, war, sizeof(war));
	}
	counters_take(&client);
	netns_enter(HERE, s.pair.ns[SERVER]);
	counters_take(&server);
	bench_value(second_syns, counter_get(&client, "TCPSynRetrans"));
	bench_value(less, n_less);
	bench_value(by_cookie, counter_get(&server, "SyncookiesRecv"));
}

static void step_mode1(void)
{
	measure(1, 1, "mode1.second_syns", "mode1.less", "mode1.by_cookie");
}

static void step_mode2(void)
{
	measure(2, 1, "mode2.second_syns", "mode2.less", "mode2.by_cookie");
}

/* No timestamp can carry what a sequence number has no bits for. */
static void step_plain(void)
{
	measure(2, 0, "plain.second_syns", "plain.less", "plain.by_cookie");
}

static const struct bench_step steps[] = {
	{ "mode1", step_mode1, .xtcp_only = true },
	{ "mode2", step_mode2, .xtcp_only = true },
	{ "plain", step_plain, .xtcp_only = true },
};

static const struct bench_row rows[] = {
	{ "mode1.second_syns", "SYNs sent again, cookies if full", "times", "=0" },
	{ "mode1.less", "10,000 that lack what peace gives", "times", "=0" },
	{ "mode1.by_cookie", "of them by cookie", "times", NULL },
	{ "mode2.second_syns", "SYNs sent again, cookies always", "times", "=0" },
	{ "mode2.less", "10,000 that lack what peace gives", "times", "=0" },
	{ "mode2.by_cookie", "of them by cookie", "times", NULL },
	{ "plain.second_syns", "the same without timestamps", "times", "=0" },
	{ "plain.less", "10,000 that lack what peace gives", "times", "=0" },
	{ "plain.by_cookie", "of them by cookie", "times", NULL },
};

BENCH_MAIN("honest", steps, rows)
