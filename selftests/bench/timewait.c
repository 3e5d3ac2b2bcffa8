// SPDX-License-Identifier: GPL-2.0
/*
 * timewait: the cost of a connection in TIME-WAIT among a thousand and among a
 * million, and their memory.
 *
 * Hand-made peers, each with another address, open connections to a server that
 * closes them at once; a FIN that acknowledges the server's puts them into
 * TIME-WAIT. The cost of that segment, less that of injecting it, is the cost of
 * making a record, the end of the socket included.
 */
/* vm: mem=3G timeout=5000 append=slab_nomerge */
#include "lib/due.h"
#include "lib/flood.h"

#include <sys/socket.h>

#define FEW 1000
#define MANY 1000000
#define BATCH FLOOD_BATCH
#define LIFE_MS 60000
/* Where the knob exists: time enough to reach a million records. */
#define LONG_LIFE_MS 300000
/* A pause between the first batch and the crowd, so that the batch ends alone. */
#define PAUSE_MS 1000
#define SETTLE_MS 5000

struct peer_made {
	struct ipaddr addr;
	uint16_t port;
	uint32_t iss, irs;
};

static struct peer_made made[BATCH];

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static int packet_build(const struct peer_made *m, uint8_t *buf, int flags,
			uint32_t seq, uint32_t ack)
{
	struct segment_spec s = SEGMENT_SPEC(
		.src = m->addr, .dst = ipaddr("10.7.0.1"), .proto = bench_proto(),
		.sport = m->port, .dport = FLOOD_PORT, .flags = flags, .seq = seq,
		.ack = ack, .wnd = 64240);

	if (flags & SYN)
		s.opt = OPT(OPT_MSS(1460));
	return segment_build(&s, buf);
}

static void packet_send(struct flood *f, const struct peer_made *m, int flags,
			uint32_t seq, uint32_t ack)
{
	static uint8_t buf[PACKET_MAX];
	int len = packet_build(m, buf, flags, seq, ack);

	must(write(f->tun, buf, len) == len, "write: %s", strerror(errno));
}

/* The sequence number of the next segment in the device. */
static uint32_t packet_read(struct flood *f, int flags)
{
	uint8_t buf[256];

	must(read(f->tun, buf, sizeof(buf)) > 0, "no answer");
	must(buf[33] == flags, "an answer with flags %#x", buf[33]);
	return get32(buf + 24);
}

/* One connection that the server has closed: an orphan in FIN-WAIT-1. */
static void open_and_close(struct flood *f, int listener, struct peer_made *m)
{
	int fd;

	*m = (struct peer_made) {
		.addr = flood_source(f->count), .port = 1024 + f->count % 60000,
		.iss = f->count * 1000003u,
	};
	f->count++;
	packet_send(f, m, SYN, m->iss, 0);
	m->irs = packet_read(f, SYN | ACK);
	packet_send(f, m, ACK, m->iss + 1, m->irs + 1);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0, "accept: %s", strerror(errno));
	close(fd);
	packet_read(f, FIN | ACK);
}

/*
 * A batch enters TIME-WAIT. Returns instructions for each record, injecting included.
 */
static double batch_enter(struct flood *f, int listener)
{
	static uint8_t packet[BATCH][64], buf[PACKET_MAX];
	int64_t cost;
	int len = 0;

	for (int i = 0; i < BATCH; i++) {
		open_and_close(f, listener, &made[i]);
		len = packet_build(&made[i], buf, FIN | ACK, made[i].iss + 1, made[i].irs + 2);
		memcpy(packet[i], buf, len);
	}
	cost = -now_ns();
	for (int i = 0; i < BATCH; i++)
		must(write(f->tun, packet[i], len) == len, "write: %s", strerror(errno));
	cost += now_ns();
	for (int i = 0; i < BATCH; i++)
		packet_read(f, ACK);
	return (double)cost / BATCH;
}

struct costs {
	double enter, expire;
	double memory;
};

static int life_ms(void)
{
	if (!knob_exists("tw_timeout"))
		return LIFE_MS;
	must(!knob_set("tw_timeout", LONG_LIFE_MS / 1000), "tw_timeout");
	return LONG_LIFE_MS;
}

static void crowd_measure(struct costs *c, int records)
{
	struct flood *f = flood_open();
	double injector, used_before;
	int64_t first, spread;
	int listener, life;

	f->flags = ACK;
	injector = flood_injector_cost(f);
	listener = flood_listen(1024, FLOOD_LIMITLESS, 0);
	must(!knob_set("max_tw_buckets", 2 * MANY), "max_tw_buckets");
	life = life_ms();
	batch_enter(f, listener);
	sleep_ms(life + SETTLE_MS);
	used_before = memory_used();
	batch_enter(f, listener);
	first = now_ns();
	sleep_ms(PAUSE_MS);
	for (int n = BATCH; n < records - BATCH; n += BATCH)
		batch_enter(f, listener);
	c->enter = batch_enter(f, listener) - injector;
	c->memory = memory_used() - used_before;
	/* The records of a batch expire within the time that entering them took. */
	spread = (int64_t)((c->enter + injector) * BATCH);
	/* Timers of the kernel's TCP are late by up to an eighth of the time. */
	if (!bench_is_stock())
		c->expire = due_cost(first - spread + life * NSEC_PER_MSEC, BATCH);
}

static void step_few(void)
{
	struct costs c;

	crowd_measure(&c, FEW);
	bench_value("few.enter", c.enter);
	bench_value_xtcp("few.expire", c.expire);
}

static void step_many(void)
{
	struct costs few, many;

	crowd_measure(&few, FEW);
	crowd_measure(&many, bench_many(MANY));
	bench_value("many.enter", many.enter);
	bench_value("many.enter_flat", many.enter / few.enter);
	bench_value("many.expire", many.expire);
	bench_value("many.expire_flat", many.expire / few.expire);
	bench_value("many.memory", many.memory / (1 << 20));
}

static double slab_size(const char *cache)
{
	struct bench_slab slab;

	must(bench_slab_read(cache, &slab), "no cache %s", cache);
	return slab.size;
}

static double slab_memory(const char *cache)
{
	struct bench_slab slab;

	must(bench_slab_read(cache, &slab), "no cache %s", cache);
	return (double)slab.active * slab.size;
}

/* A client's records, each of which holds a local port of its own. */
#define KEPT 8000

static double kept_memory(void)
{
	if (bench_is_stock())
		return slab_memory("tw_sock_TCP") + slab_memory("tcp_bind_bucket") +
		       slab_memory("tcp_bind2_bucket");
	return slab_memory("xtcp_timewait") + slab_memory("xtcp_port");
}

static void step_kept(void)
{
	struct sockaddr_storage to;
	struct pair pair;
	int listener, client, server;
	socklen_t len;
	double before;

	pair_open_at(HERE, &pair, NULL);
	listener = pair_listen_at(HERE, &pair, FLOOD_PORT, 128);
	len = ipaddr_sockaddr(&pair.addr[SERVER], FLOOD_PORT, &to);
	netns_enter(HERE, pair.ns[CLIENT]);
	before = kept_memory();
	for (int i = 0; i < KEPT; i++) {
		client = socket(AF_INET, SOCK_STREAM, bench_proto());
		must(!connect(client, (void *)&to, len), "connect: %s", strerror(errno));
		server = accept(listener, NULL, NULL);
		must(server >= 0, "accept: %s", strerror(errno));
		close(client);
		close(server);
	}
	/* Sockets are freed a grace period later, with some of what they hold. */
	sleep_ms(SETTLE_MS);
	must(proc_rows(AF_INET, ROW_TIME_WAIT) == KEPT, "%d records",
	     proc_rows(AF_INET, ROW_TIME_WAIT));
	bench_value("kept.slab", slab_size(bench_is_stock() ? "tw_sock_TCP" : "xtcp_timewait"));
	/* A few objects of a slab's last page are counted and not used. */
	bench_value("kept.all", (long)((kept_memory() - before) / KEPT + 0.5));
}

static const struct bench_step steps[] = {
	{ "kept", step_kept },
	{ "few", step_few },
	{ "many", step_many, .xtcp_only = true },
};

static const struct bench_row rows[] = {
	{ "kept.slab", "a record in its slab", "bytes", "=96" },
	{ "kept.all", "and the port it keeps", "bytes", "=128" },
	{ "few.enter", "one more, the 1,000th", "instr", NULL },
	{ "few.expire", "its end, of 1,000", "instr", NULL },
	{ "many.enter", "one more, the 1,000,000th", "instr", NULL },
	{ "many.enter_flat", "that by the 1,000th", "ratio", "=1.10" },
	{ "many.expire", "its end, of 1,000,000", "instr", NULL },
	{ "many.expire_flat", "that by one of 1,000", "ratio", "=1.10" },
	{ "many.memory", "memory of 1,000,000", "MiB", "=128" },
};

BENCH_MAIN("timewait", steps, rows)
