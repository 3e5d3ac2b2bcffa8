// SPDX-License-Identifier: GPL-2.0
/*
 * flood: what one segment of a flood costs. The flood is written to a tun
 * device, from sources that nobody has, each another one; the kernel's answers
 * lie in the device's queue and are taken out between batches. The price of
 * writing and of the way to the IP layer is measured with the same segments
 * under a wrong IP checksum, and subtracted.
 */
#include "lib/bench.h"

#include <sys/socket.h>

/* Fewer than the device's queue holds answers (500). */
#define BATCH 400
#define PORT 5000
#define CLOSED_PORT 5001
#define BIG 65535

enum { NOTHING_WRONG, BAD_IP_CSUM, BAD_TCP_CSUM };

struct flood {
	int tun;
	uint32_t count;			/* segments made so far */
	int next;			/* of the batch, to be written */
	int flags, port, wrong;
	int len;
	uint8_t packet[BATCH][128];
};

static struct flood flood;

/*
 * A source that changes in all its octets but stays in 20.0.0.0 to 83.255.255.255,
 * away from what has a meaning: a permutation of a counter.
 */
static struct ipaddr source(uint32_t n)
{
	struct ipaddr a = { .family = AF_INET };
	uint32_t mixed = n * 2654435761u;

	a.v4.s_addr = htonl(0x14000000 + (mixed >> 2));
	return a;
}

/* A SYN as Linux and others send it, or a bare ACK. */
static void packet_make(struct flood *f, uint8_t *packet)
{
	uint32_t n = f->count++;
	struct segment_spec s = SEGMENT_SPEC(
		.src = source(n), .dst = ipaddr("10.0.0.1"), .proto = bench_proto(),
		.sport = 1024 + n % 60000, .dport = f->port, .flags = f->flags,
		.seq = n * 1000003u, .ack = f->flags & ACK ? n * 777767777u : 0,
		.wnd = 64240, .bad_csum = f->wrong == BAD_TCP_CSUM);
	static uint8_t buf[PACKET_MAX];

	if (f->flags & SYN)
		s.opt = OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(n, 0), OPT_NOP, OPT_WSCALE(7));
	f->len = segment_build(&s, buf);
	must(f->len <= (int)sizeof(f->packet[0]), "a segment of %d", f->len);
	if (f->wrong == BAD_IP_CSUM)
		buf[10] ^= 0x55;
	memcpy(packet, buf, f->len);
}

/* Takes the answers out and makes the next batch ready. */
static void reload(void *arg)
{
	struct flood *f = arg;
	uint8_t buf[256];

	while (read(f->tun, buf, sizeof(buf)) > 0)
		;
	for (int i = 0; i < BATCH; i++)
		packet_make(f, f->packet[i]);
	f->next = 0;
}

static void inject(void *arg)
{
	struct flood *f = arg;

	must(write(f->tun, f->packet[f->next], f->len) == f->len, "write: %s",
	     strerror(errno));
	f->next++;
}

static struct flood *flood_open(int flags, int port)
{
	struct flood *f = &flood;
	struct ipaddr here = ipaddr("10.0.0.1");

	netns_new(HERE);
	sysctl_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	f->tun = tun_new(HERE, "tun0");
	address_add(HERE, "tun0", &here, 24);
	route_add_default(HERE, "tun0", AF_INET);
	f->flags = flags;
	f->port = port;
	return f;
}

static void listener_open(int backlog, int max_syn_backlog, int cookies)
{
	struct ipaddr any = { .family = AF_INET };
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&any, PORT, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, bench_proto());

	sysctl_write("/proc/sys/net/core/somaxconn", "65535");
	must(!knob_set("max_syn_backlog", max_syn_backlog), "max_syn_backlog");
	must(!knob_set("syncookies", cookies), "syncookies");
	must(fd >= 0 && !bind(fd, (void *)&sa, len) && !listen(fd, backlog),
	     "listener: %s", strerror(errno));
}

/* The cost of one segment, without that of bringing it to the IP layer. */
static double flood_cost(struct flood *f)
{
	int wrong = f->wrong;
	double injector;

	f->wrong = BAD_IP_CSUM;
	reload(f);
	bench_profile_off(true);
	injector = bench_cost_between(inject, reload, f, BATCH);
	bench_profile_off(false);
	f->wrong = wrong;
	reload(f);
	return bench_cost_between(inject, reload, f, BATCH) - injector;
}

/* SYNs, until the listener's queue of half-open connections is full. */
static void queue_fill(struct flood *f)
{
	reload(f);
	while (f->next < BATCH)
		inject(f);
}

/* The number of answers in the device, and what their flags are. */
static int answers_count(struct flood *f, int flags)
{
	uint8_t buf[256];
	int n = 0;

	while (read(f->tun, buf, sizeof(buf)) > 0) {
		must((buf[33] & (SYN | ACK | RST)) == flags, "an answer with flags %#x", buf[33]);
		n++;
	}
	return n;
}

/* Every one of a batch is answered so (or none: 0): what is measured is meant. */
static void answers_expect(struct flood *f, int flags)
{
	int n;

	reload(f);
	while (f->next < BATCH)
		inject(f);
	n = answers_count(f, flags);
	must(n == (flags ? BATCH : 0), "%d answers to %d segments", n, BATCH);
}

static void step_rst_closed(void)
{
	struct flood *f = flood_open(SYN, CLOSED_PORT);

	answers_expect(f, RST | ACK);
	bench_value("rst_closed", flood_cost(f));
}

static void step_bad_csum(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(BIG, BIG, 0);
	f->wrong = BAD_TCP_CSUM;
	answers_expect(f, 0);
	bench_value("bad_csum", flood_cost(f));
}

static void cookie_values(const char *whole, const char *share, struct flood *f)
{
	answers_expect(f, SYN | ACK);
	bench_value(whole, flood_cost(f));
	bench_value_difference(share, whole, "rst_closed");
}

static void step_cookie(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(128, BIG, 2);
	cookie_values("cookie", "cookie.share", f);
}

static void step_cookie_full(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(128, BIG, 1);
	queue_fill(f);
	cookie_values("cookie_full", "cookie_full.share", f);
}

static void drop_values(const char *whole, const char *share, struct flood *f)
{
	queue_fill(f);
	answers_expect(f, 0);
	bench_value(whole, flood_cost(f));
	bench_value_difference(share, whole, "bad_csum");
}

/*
 * Two limits, and stock TCP looks at them in two places: at listen()'s backlog
 * at once; at max_syn_backlog, of which the last quarter is for peers it has
 * met before, when it has already allocated and routed.
 */
static void step_full_drop(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(BIG, 128, 0);
	drop_values("full_drop", "full_drop.share", f);
}

static void step_full_drop_early(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(128, BIG, 0);
	drop_values("full_drop_early", "full_drop_early.share", f);
}

static void step_rst_forged(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(128, BIG, 2);
	queue_fill(f);
	f->flags = ACK;
	reload(f);
	answers_expect(f, RST);
	bench_value("rst_forged", flood_cost(f));
}

static void step_half_open(void)
{
	struct flood *f = flood_open(SYN, PORT);

	listener_open(BIG, BIG, 0);
	answers_expect(f, SYN | ACK);
	bench_value("half_open", flood_cost(f));
}

/* Those of which others take shares come first. */
static const struct bench_step steps[] = {
	{ "rst_closed", step_rst_closed },
	{ "bad_csum", step_bad_csum },
	{ "cookie", step_cookie },
	{ "cookie_full", step_cookie_full },
	{ "full_drop", step_full_drop },
	{ "full_drop_early", step_full_drop_early },
	{ "rst_forged", step_rst_forged },
	{ "half_open", step_half_open },
};

static const struct bench_row rows[] = {
	{ "rst_closed", "SYN to a closed port, a RST", "instr", "0.70" },
	{ "bad_csum", "SYN with a wrong checksum", "instr", NULL },
	{ "cookie", "SYN, cookies always", "instr", "0.60" },
	{ "cookie.share", "without what a RST costs", "instr", "0.40" },
	{ "cookie_full", "SYN, cookies as the queue is full", "instr", "0.60" },
	{ "cookie_full.share", "without what a RST costs", "instr", "0.40" },
	{ "full_drop", "SYN, max_syn_backlog reached", "instr", "0.40" },
	{ "full_drop.share", "without a bad checksum's drop", "instr", NULL },
	{ "full_drop_early", "SYN, listen()'s backlog reached", "instr", NULL },
	{ "full_drop_early.share", "without a bad checksum's drop", "instr", NULL },
	{ "rst_forged", "ACK with a forged cookie, a RST", "instr", "0.70" },
	{ "half_open", "SYN, a half-open record, no cookies", "instr", "0.65" },
};

BENCH_MAIN("flood", steps, rows)
