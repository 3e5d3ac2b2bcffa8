// SPDX-License-Identifier: GPL-2.0
/*
 * metrics: /proc/net/xtcp_metrics: the grammar of OpenMetrics text, and what its counters,
 * gauges and histograms show after known events at known times.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <ctype.h>
#include <linux/tcp.h>
#include <math.h>
#include <sched.h>

PEER_FIXTURE(metrics);

#define SAMPLES_MAX 8192
#define FAMILIES_MAX 64
/* A tick early or late: the time of a socket's state is known in ticks. */
#define TICK_S 0.011

struct sample {
	char series[256];		/* name and labels */
	double value;
};

struct family {
	char name[64];
	char type[16];
	bool help, unit;
};

static struct metrics {
	char text[1 << 22];
	struct sample s[SAMPLES_MAX];
	struct family f[FAMILIES_MAX];
	int n, families;
} now;

static void text_read(struct __test_metadata *_metadata, struct metrics *m, size_t step)
{
	int fd = open("/proc/net/xtcp_metrics", O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	ASSERT_LE(0, fd);
	while ((n = read(fd, m->text + got, step)) > 0) {
		got += n;
		ASSERT_GT(sizeof(m->text) - step, got);
	}
	ASSERT_EQ(0, n);
	close(fd);
	m->text[got] = 0;
	/* Nothing may follow, and the last line is complete. */
	ASSERT_LT(6, got);
	ASSERT_STREQ("\n# EOF\n", m->text + got - 7);
}

/* A name: [a-zA-Z_][a-zA-Z0-9_]*, and lower case as Prometheus advises. Returns its end. */
static char *name_end(struct __test_metadata *_metadata, char *p)
{
	ASSERT_TRUE(islower(*p));
	while (islower(*p) || isdigit(*p) || *p == '_')
		p++;
	return p;
}

/* {a="b",c="d"} Returns its end. */
static char *labels_end(struct __test_metadata *_metadata, char *p)
{
	ASSERT_EQ('{', *p);
	do {
		p = name_end(_metadata, p + 1);
		ASSERT_EQ(0, strncmp(p, "=\"", 2));
		p = strpbrk(p + 2, "\"\\\n");
		ASSERT_NE(NULL, p);
		ASSERT_EQ('"', *p);
		p++;
	} while (*p == ',');
	ASSERT_EQ('}', *p);
	return p + 1;
}

/* # HELP, TYPE or UNIT, of the family that comes or of a new one. */
static void comment_parse(struct __test_metadata *_metadata, struct metrics *m, char *line)
{
	char word[8], name[64], rest[128];
	struct family *f;

	ASSERT_EQ(3, sscanf(line, "# %7s %63s %127[^\n]", word, name, rest)) TH_LOG("%s", line);
	f = m->families ? &m->f[m->families - 1] : NULL;
	if (!f || strcmp(f->name, name)) {
		for (int i = 0; i < m->families; i++)
			ASSERT_STRNE(name, m->f[i].name);
		ASSERT_GT(FAMILIES_MAX, m->families);
		f = &m->f[m->families++];
		*f = (struct family){ };
		strcpy(f->name, name);
		ASSERT_EQ(0, strncmp(name, "xtcp_", 5));
	}
	if (!strcmp(word, "HELP")) {
		ASSERT_FALSE(f->help);
		f->help = true;
	} else if (!strcmp(word, "TYPE")) {
		ASSERT_STREQ("", f->type);
		ASSERT_TRUE(!strcmp(rest, "counter") || !strcmp(rest, "gauge") ||
			    !strcmp(rest, "histogram"));
		strcpy(f->type, rest);
	} else {
		ASSERT_STREQ("UNIT", word);
		ASSERT_FALSE(f->unit);
		f->unit = true;
		/* The unit ends the name. */
		ASSERT_LT(strlen(rest), strlen(name));
		ASSERT_STREQ(rest, name + strlen(name) - strlen(rest));
	}
}

static void suffix_check(struct __test_metadata *_metadata, const struct family *f,
			 const char *suffix)
{
	if (strcmp(f->type, "histogram")) {
		ASSERT_STREQ(!strcmp(f->type, "counter") ? "_total" : "", suffix);
		return;
	}
	ASSERT_TRUE(!strcmp(suffix, "_bucket") || !strcmp(suffix, "_sum") ||
		    !strcmp(suffix, "_count"));
}

static void sample_parse(struct __test_metadata *_metadata, struct metrics *m, char *line)
{
	const struct family *f = &m->f[m->families - 1];
	char *end = name_end(_metadata, line), suffix[16], *stop;
	struct sample *s = &m->s[m->n++];

	ASSERT_LT(0, m->families);
	ASSERT_GE(SAMPLES_MAX, m->n);
	ASSERT_TRUE(f->help && f->type[0]);
	ASSERT_EQ(0, strncmp(line, f->name, strlen(f->name))) TH_LOG("%s", line);
	snprintf(suffix, sizeof(suffix), "%.*s", (int)(end - line - strlen(f->name)),
		 line + strlen(f->name));
	suffix_check(_metadata, f, suffix);
	if (*end == '{')
		end = labels_end(_metadata, end);
	ASSERT_EQ(' ', *end);
	*end = 0;
	ASSERT_GT(sizeof(s->series), strlen(line));
	strcpy(s->series, line);
	ASSERT_TRUE(isdigit(end[1])) TH_LOG("%s %s", line, end + 1);
	s->value = strtod(end + 1, &stop);
	ASSERT_EQ(0, *stop);
}

static int series_compare(const void *a, const void *b)
{
	return strcmp(((const struct sample *)a)->series, ((const struct sample *)b)->series);
}

static void unique_check(struct __test_metadata *_metadata, const struct metrics *m)
{
	static struct sample sorted[SAMPLES_MAX];

	memcpy(sorted, m->s, m->n * sizeof(sorted[0]));
	qsort(sorted, m->n, sizeof(sorted[0]), series_compare);
	for (int i = 1; i < m->n; i++)
		ASSERT_STRNE(sorted[i - 1].series, sorted[i].series);
}

/* Buckets rise, bounds double, and the last one has the count. */
static void histograms_check(struct __test_metadata *_metadata, const struct metrics *m)
{
	double bound = 0, before = 0;

	for (int i = 0; i < m->n; i++) {
		const char *le = strstr(m->s[i].series, ",le=\"");
		const char *brace = strchr(m->s[i].series, '{');

		if (le) {
			double here = strtod(le + 5, NULL);

			ASSERT_LE(before, m->s[i].value);
			ASSERT_TRUE(bound ? isinf(here) || here == 2 * bound : here == 0.004);
			before = m->s[i].value;
			bound = isinf(here) ? 0 : here;
			if (isinf(here))
				ASSERT_LE(0, before);
		} else {
			/* Reset for the next histogram; _sum, _count follow +Inf. */
			ASSERT_EQ(0, bound);
			if (brace && brace - m->s[i].series > 6 &&
			    !strncmp(brace - 6, "_count", 6))
				ASSERT_EQ(before, m->s[i].value);
			if (!brace || strncmp(brace - 4, "_sum", 4))
				before = 0;
		}
	}
}

static void metrics_take(struct __test_metadata *_metadata, struct metrics *m, size_t step)
{
	char *line, *save;

	text_read(_metadata, m, step);
	m->n = 0;
	m->families = 0;
	for (line = strtok_r(m->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "# EOF"))
			break;
		if (*line == '#')
			comment_parse(_metadata, m, line);
		else
			sample_parse(_metadata, m, line);
	}
	ASSERT_EQ(NULL, strtok_r(NULL, "\n", &save));
	unique_check(_metadata, m);
	histograms_check(_metadata, m);
}

/* The value of a sample of the last metrics_take(); NAN: there is none. */
static double value_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static double value_of(const char *fmt, ...)
{
	char series[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(series, sizeof(series), fmt, ap);
	va_end(ap);
	for (int i = 0; i < now.n; i++)
		if (!strcmp(now.s[i].series, series))
			return now.s[i].value;
	return NAN;
}

/* Does the last metrics_take() have a sample whose name and labels begin like this? */
static bool has_sample(const char *start)
{
	for (int i = 0; i < now.n; i++)
		if (!strncmp(now.s[i].series, start, strlen(start)))
			return true;
	return false;
}

static void take(struct __test_metadata *_metadata)
{
	metrics_take(_metadata, &now, 1 << 16);
}

/* One bucket's count for each bound: 0 below @seconds, @count from there on. */
static void expect_histogram(struct __test_metadata *_metadata, const char *name,
			     const char *labels, int count, double seconds, double slack)
{
	double bound = 0.004;

	for (int i = 0; i < 22; i++, bound *= 2) {
		EXPECT_EQ(seconds <= bound ? count : 0,
			  value_of("%s_bucket{%s,le=\"%.3f\"}", name, labels, bound))
			TH_LOG("%s le %.3f", labels, bound);
	}
	EXPECT_EQ(count, value_of("%s_bucket{%s,le=\"+Inf\"}", name, labels));
	EXPECT_EQ(count, value_of("%s_count{%s}", name, labels));
	EXPECT_GE(slack, fabs(value_of("%s_sum{%s}", name, labels) - count * seconds))
		TH_LOG("%s: %.3f", labels, value_of("%s_sum{%s}", name, labels));
}

/* @count connections left @from for @to by @event, each after @seconds. */
static void expect_time(struct __test_metadata *_metadata, const char *from, const char *event,
			const char *to, int count, double seconds)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "from=\"%s\",event=\"%s\",to=\"%s\"", from, event, to);
	expect_histogram(_metadata, "xtcp_state_seconds", labels, count, seconds, TICK_S);
}

static bool has_time(const char *from, const char *event, const char *to)
{
	return !isnan(value_of("xtcp_state_seconds_count{from=\"%s\",event=\"%s\",to=\"%s\"}",
			       from, event, to));
}

TEST_F(metrics, metrics_of_an_unused_namespace)
{
	char version[32] = "";
	FILE *f;

	NOT_ON_STOCK();
	f = fopen("/sys/module/xtcp/version", "r");
	ASSERT_NE(NULL, f);
	EXPECT_EQ(1, fscanf(f, "%31s", version));
	fclose(f);
	take(_metadata);
	EXPECT_EQ(1, value_of("xtcp_build_info{version=\"%s\"}", version));
	EXPECT_EQ(0, value_of("xtcp_connections{state=\"LISTEN\"}"));
	EXPECT_EQ(0, value_of("xtcp_connections{state=\"ESTABLISHED\"}"));
	EXPECT_EQ(0, value_of("xtcp_events_total{name=\"XtcpLifecycleUnknown\"}"));
	EXPECT_EQ(knob_get("max_tw_buckets"), value_of("xtcp_time_wait_records_limit"));
	EXPECT_EQ(knob_get("max_orphans"), value_of("xtcp_orphans_limit"));
	/* Rows at 0 are not shown. */
	EXPECT_FALSE(has_sample("xtcp_transitions_total{"));
}

/* Each name and number of xtcp_snmp and xtcp_netstat; CurrEstab is a sum of gauges. */
TEST_F(metrics, metrics_have_all_counters)
{
	struct peer *p = &self->peer;
	struct counters counters;
	struct conn c[3];

	NOT_ON_STOCK();
	for (int i = 0; i < 3; i++)
		conn_open(p, &c[i], .kport = 6000 + i, .active = true);
	conn_send(&c[0], .flags = RST | ACK);
	conn_send(&c[1], .flags = FIN | ACK);
	conn_expect(&c[1], .flags = ACK);
	counters_take(&counters);
	take(_metadata);
	for (int i = 0; i < counters.n; i++) {
		const char *name = counters.c[i].name;

		if (!strcmp(name, "CurrEstab") || !strcmp(name, "MaxConn") ||
		    !strncmp(name, "Rto", 3))
			continue;
		EXPECT_EQ(counters.c[i].value, value_of("xtcp_events_total{name=\"%s\"}", name))
			TH_LOG("%s", name);
	}
	/* It falls, too: that is no counter for Prometheus. */
	EXPECT_FALSE(has_sample("xtcp_events_total{name=\"CurrEstab\""));
	EXPECT_EQ(3, value_of("xtcp_events_total{name=\"ActiveOpens\"}"));
	EXPECT_EQ(1, value_of("xtcp_connections{state=\"ESTABLISHED\"}"));
	EXPECT_EQ(1, value_of("xtcp_connections{state=\"CLOSE-WAIT\"}"));
	EXPECT_EQ(3, value_of("xtcp_transitions_total{from=\"SYN-SENT\",event=\"rcv-SYN,ACK\",to=\"ESTABLISHED\"}"));
	EXPECT_EQ(1, value_of("xtcp_transitions_total{from=\"ESTABLISHED\",event=\"rcv-RST\",to=\"CLOSED\"}"));
	p->leave_unread = true;
}

/* One connection in each state. */
TEST_F(metrics, metrics_gauge_each_state)
{
	static const struct {
		enum conn_state st;
		const char *name;
		int count;
	} states[] = {
		{ ST_LISTEN, "LISTEN", 1 }, { ST_SYN_SENT, "SYN-SENT", 1 },
		{ ST_SYN_RECEIVED, "SYN-RECEIVED", 2 }, { ST_HALF_OPEN, "SYN-RECEIVED", 2 },
		{ ST_ESTABLISHED, "ESTABLISHED", 1 }, { ST_FIN_WAIT_1, "FIN-WAIT-1", 1 },
		{ ST_FIN_WAIT_2, "FIN-WAIT-2", 2 }, { ST_ORPHAN_FIN_WAIT_2, "FIN-WAIT-2", 2 },
		{ ST_CLOSE_WAIT, "CLOSE-WAIT", 1 }, { ST_CLOSING, "CLOSING", 1 },
		{ ST_LAST_ACK, "LAST-ACK", 1 }, { ST_TIME_WAIT, "TIME-WAIT", 1 },
	};
	struct peer *p = &self->peer;
	int lfd, port = 6000;
	struct conn c;

	NOT_ON_STOCK();
	lfd = peer_listen(p, 7000, 8);
	for (size_t i = 1; i < ARRAY_SIZE(states); i++) {
		if (states[i].st == ST_HALF_OPEN)
			conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd, .kport = 7000);
		else
			conn_to_state(p, &c, states[i].st, .kport = port++, .active = true,
				      .orphan = states[i].st == ST_ORPHAN_FIN_WAIT_2);
	}
	take(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		EXPECT_EQ(states[i].count, value_of("xtcp_connections{state=\"%s\"}", states[i].name))
			TH_LOG("%s", states[i].name);
	}
	EXPECT_EQ(2, value_of("xtcp_time_wait_records"));
	EXPECT_EQ(2, value_of("xtcp_time_wait_records_peak"));
	p->leave_unread = true;
}

/* Half-open records of all listeners are counted. */
TEST_F(metrics, metrics_half_open_of_several_listeners)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	for (int i = 0; i < 3; i++)
		conn_to_state(p, &c, ST_HALF_OPEN, .lfd = peer_listen(p, 7000 + i, 8),
			      .kport = 7000 + i);
	take(_metadata);
	EXPECT_EQ(3, value_of("xtcp_connections{state=\"LISTEN\"}"));
	EXPECT_EQ(3, value_of("xtcp_connections{state=\"SYN-RECEIVED\"}"));
	p->leave_unread = true;
}

TEST_F(metrics, metrics_of_orphans)
{
	struct peer *p = &self->peer;
	struct conn c;
	int before;

	NOT_ON_STOCK();
	take(_metadata);
	before = value_of("xtcp_orphans");
	conn_open(p, &c, .kport = 6000);
	close(c.fd);
	conn_expect(&c, .flags = FIN | ACK, .seq = 1, .ack = 1);
	take(_metadata);
	EXPECT_EQ(before + 1, value_of("xtcp_orphans"));
	EXPECT_LE(before + 1, value_of("xtcp_orphans_peak"));
	conn_send(&c, .flags = RST | ACK, .seq = 1, .ack = 2);
	take(_metadata);
	EXPECT_EQ(before, value_of("xtcp_orphans"));
	EXPECT_LE(before + 1, value_of("xtcp_orphans_peak"));
}

/* The kernel counts up to 1 MB for each CPU before it is seen in the sum. */
#define MEMORY_HELD (3 << 20)

TEST_F(metrics, metrics_of_memory)
{
	struct peer *p = &self->peer;
	double held, before, peak;
	char block[4096] = "";
	int bytes = 0;
	struct conn c;

	NOT_ON_STOCK();
	take(_metadata);
	before = value_of("xtcp_memory_bytes");
	EXPECT_LE(before, value_of("xtcp_memory_peak_bytes"));
	conn_open(p, &c, .kport = 6000);
	socket_set(c.fd, SOL_SOCKET, SO_SNDBUFFORCE, 2 * MEMORY_HELD);
	while (send(c.fd, block, sizeof(block), MSG_DONTWAIT) > 0 && bytes < MEMORY_HELD)
		bytes += sizeof(block);
	EXPECT_LE(MEMORY_HELD, bytes);
	take(_metadata);
	held = value_of("xtcp_memory_bytes");
	EXPECT_LE(before + MEMORY_HELD / 2, held);
	peak = value_of("xtcp_memory_peak_bytes");
	EXPECT_LE(held, peak);

	/* It stays when the memory is free again. */
	peer_drain(p, 10);
	conn_send(&c, .flags = RST | ACK, .seq = 1, .ack = 1);
	close(c.fd);
	take(_metadata);
	EXPECT_GE(before + (1 << 20), value_of("xtcp_memory_bytes"));
	EXPECT_EQ(peak, value_of("xtcp_memory_peak_bytes"));
}

/* A limit that is none, of more bytes than a number of 64 bits can say, is no small one. */
TEST_F(metrics, metrics_of_memory_without_a_limit)
{
	static const char path[] = "/proc/sys/net/ipv4/xtcp_mem";
	static const char none[] = "4503599627370497\t4503599627370497\t4503599627370497";
	int here, first, err;
	char usual[128];

	NOT_ON_STOCK();
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	first = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, sysctl_read(path, usual, sizeof(usual)));
	netns_enter(WHERE(_metadata), first);
	err = sysctl_write(path, none);
	take(_metadata);
	EXPECT_EQ(0, sysctl_write(path, usual));
	netns_enter(WHERE(_metadata), here);
	ASSERT_EQ(0, err);
	EXPECT_LE(0x1p63, value_of("xtcp_memory_limit_bytes"));
	take(_metadata);
	EXPECT_GT(0x1p63, value_of("xtcp_memory_limit_bytes"));
	close(first);
	close(here);
}

TEST_F(metrics, metrics_times_of_an_active_open_and_close)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	conn_open(p, &c, .kport = 6000, .active = true, .rtt_ms = 700);
	sleep_ms(5000);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK);
	sleep_ms(100);
	conn_send(&c, .flags = ACK);
	sleep_ms(20000);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	sleep_ms(61000);
	take(_metadata);
	expect_time(_metadata, "SYN-SENT", "rcv-SYN,ACK", "ESTABLISHED", 1, 0.7);
	expect_time(_metadata, "ESTABLISHED", "SHUTDOWN-SEND", "FIN-WAIT-1", 1, 5);
	expect_time(_metadata, "FIN-WAIT-1", "rcv-ACK-of-FIN", "FIN-WAIT-2", 1, 0.1);
	expect_time(_metadata, "FIN-WAIT-2", "rcv-FIN", "TIME-WAIT", 1, 20);
	expect_time(_metadata, "TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED", 1, 60);
	EXPECT_FALSE(has_time("ESTABLISHED", "rcv-ACK", "ESTABLISHED"));
}

/* The record's time goes on in the socket, and a record's in the next one's state. */
TEST_F(metrics, metrics_times_of_records)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	conn_open(p, &c, .kport = 7000, .rtt_ms = 700);
	sleep_ms(3000);
	close(c.fd);
	c.fd = -1;
	conn_expect(&c, .flags = FIN | ACK);
	conn_send(&c, .flags = ACK);
	sleep_ms(10000);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	sleep_ms(2000);
	take(_metadata);
	expect_time(_metadata, "SYN-RECEIVED", "rcv-ACK-of-SYN", "ESTABLISHED", 1, 0.7);
	expect_time(_metadata, "ESTABLISHED", "CLOSE", "FIN-WAIT-1", 1, 3);
	expect_time(_metadata, "FIN-WAIT-2", "rcv-FIN", "TIME-WAIT", 1, 10);
	EXPECT_FALSE(has_time("TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED"));
	/* A record that a SYN made was in LISTEN for no time. */
	EXPECT_FALSE(has_time("LISTEN", "rcv-SYN", "SYN-RECEIVED"));
	/* Nobody answers the SYN-ACKs of 0, 1, 3, 7, 15 and 31 s. */
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = c.lfd, .kport = 7000);
	p->leave_unread = true;
	sleep_ms(64000);
	take(_metadata);
	expect_time(_metadata, "SYN-RECEIVED", "RETRANSMISSION-GIVE-UP", "CLOSED", 1, 63);
	expect_time(_metadata, "TIME-WAIT", "TIME-WAIT-TIMEOUT", "CLOSED", 1, 60);
}

/* A program leaves the socket open in FIN-WAIT-2: its time goes on in the record. */
TEST_F(metrics, metrics_times_of_fin_wait_2)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	conn_to_state(p, &c, ST_FIN_WAIT_2, .active = true);
	sleep_ms(20000);
	close(c.fd);
	c.fd = -1;
	sleep_ms(10000);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	take(_metadata);
	expect_time(_metadata, "FIN-WAIT-2", "rcv-FIN", "TIME-WAIT", 1, 30);
	EXPECT_FALSE(has_time("FIN-WAIT-2", "ORPHAN-RECORD", "FIN-WAIT-2"));
}

/* A longer time than the last bound is only in +Inf. */
TEST_F_TIMEOUT(metrics, metrics_times_above_all_bounds, 11000)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	conn_open(p, &c, .kport = 6000, .active = true);
	sleep_ms(3 * 3600 * 1000);
	conn_send(&c, .flags = RST | ACK);
	take(_metadata);
	expect_time(_metadata, "ESTABLISHED", "rcv-RST", "CLOSED", 1, 3 * 3600);
	p->leave_unread = true;
}

static const char *listener_text(int fd, int port)
{
	static char labels[160];
	snprintf(labels, sizeof(labels),
		 "address=\"%s\",port=\"%d\",device=\"0\",wire=\"%s\",inode=\"%lu\"",
		 test_family() == AF_INET6 ? "[::]" : "0.0.0.0", port,
		 stream_wire() == XTCP_WIRE_TCP ? "tcp" : "native", socket_inode(fd));
	return labels;
}

static int listen_any(struct __test_metadata *_metadata, int port)
{
	int fd = socket_new(-1);

	ASSERT_EQ(0, socket_bind(fd, "", port));
	ASSERT_EQ(0, socket_listen(fd, 4));
	return fd;
}

/* Two wait for 3 s; one that came before the knob was set is not counted. */
TEST_F(metrics, metrics_times_in_the_accept_queue)
{
	struct peer *p = &self->peer;
	const char *labels;
	struct conn c[4];
	int lfd;

	NOT_ON_STOCK();
	lfd = listen_any(_metadata, 7000);
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			ASSERT_EQ(0, knob_set("histograms", 1));
		conn_to_state(p, &c[i], ST_HALF_OPEN, .lfd = lfd, .kport = 7000);
		conn_send(&c[i], .flags = ACK);
	}
	sleep_ms(3000);
	labels = listener_text(lfd, 7000);
	take(_metadata);
	EXPECT_EQ(3, value_of("xtcp_listener_queue{%s,queue=\"accept\"}", labels));
	EXPECT_EQ(0, value_of("xtcp_listener_queue{%s,queue=\"syn\"}", labels));
	EXPECT_EQ(4, value_of("xtcp_listener_queue_limit{%s,queue=\"accept\"}", labels));
	EXPECT_EQ(3, value_of("xtcp_listener_queue_peak{%s,queue=\"accept\"}", labels));
	EXPECT_TRUE(isnan(value_of("xtcp_listener_accept_wait_seconds_count{%s}", labels)));
	for (int i = 0; i < 3; i++)
		ASSERT_LE(0, accept(lfd, NULL, NULL));
	take(_metadata);
	expect_histogram(_metadata, "xtcp_listener_accept_wait_seconds", labels, 2, 3,
			 2 * TICK_S);
	/* Off: what was counted stays, and nothing more is counted. */
	conn_to_state(p, &c[3], ST_HALF_OPEN, .lfd = lfd, .kport = 7000);
	conn_send(&c[3], .flags = ACK);
	sleep_ms(100);
	ASSERT_EQ(0, knob_set("histograms", 0));
	sleep_ms(3000);
	ASSERT_LE(0, accept(lfd, NULL, NULL));
	take(_metadata);
	expect_histogram(_metadata, "xtcp_listener_accept_wait_seconds", labels, 2, 3,
			 2 * TICK_S);
	p->leave_unread = true;
}

/*
 * A fast open, whose SYN-ACK a queue of the device holds for 3 s: its retransmission is put off
 * until then. The time in the accept queue goes on meanwhile.
 */
TEST_F(metrics, metrics_time_in_the_accept_queue_behind_a_slow_device)
{
	struct peer *p = &self->peer;
	struct netem netem = { .delay_ms = 3000 };
	struct counters before;
	const char *labels;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	/* The server's side, without cookies. */
	ASSERT_EQ(0, knob_set("fastopen", 0x202));
	lfd = listen_any(_metadata, 7000);
	ASSERT_EQ(0, socket_set(lfd, IPPROTO_TCP, TCP_FASTOPEN, 5));
	netem_set(WHERE(_metadata), "tun0", &netem);
	conn_start(p, &c, .lfd = lfd, .kport = 7000);
	counters_take(&before);
	conn_send(&c, .flags = SYN, .data = "hello");
	sleep_ms(5000);
	EXPECT_EQ(1, counter_moved(&before, "TCPSpuriousRtxHostQueues"));
	conn_accept(&c);
	labels = listener_text(lfd, 7000);
	take(_metadata);
	expect_histogram(_metadata, "xtcp_listener_accept_wait_seconds", labels, 1, 5,
			 2 * TICK_S);
	p->leave_unread = true;
}

/* SYNs that find the queue full, and the cookies sent for them, by listener. */
TEST_F(metrics, metrics_of_an_overflowing_listener)
{
	struct peer *p = &self->peer;
	const char *labels;
	int lfd;

	NOT_ON_STOCK();
	listen_any(_metadata, 7001);
	lfd = listen_any(_metadata, 7000);
	p->leave_unread = true;
	for (int i = 0; i < 8; i++)
		peer_send(p, .flags = SYN, .seq = i, .sport = 30000 + i, .dport = 7000);
	labels = listener_text(lfd, 7000);
	take(_metadata);
	EXPECT_EQ(5, value_of("xtcp_listener_queue{%s,queue=\"syn\"}", labels));
	EXPECT_EQ(3, value_of("xtcp_listener_overflows_total{%s,queue=\"syn\"}", labels));
	EXPECT_EQ(3, value_of("xtcp_listener_cookies_total{%s,result=\"sent\"}", labels));
	EXPECT_EQ(0, value_of("xtcp_listener_drops_total{%s}", labels));
	EXPECT_EQ(2, value_of("xtcp_connections{state=\"LISTEN\"}"));
	EXPECT_EQ(5, value_of("xtcp_connections{state=\"SYN-RECEIVED\"}"));
}

/* Another namespace counts nothing, and its knob is its own. */
TEST_F(metrics, metrics_belong_to_a_namespace)
{
	struct peer *p = &self->peer;
	int here, other;
	struct conn c;

	NOT_ON_STOCK();
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	other = netns_new(WHERE(_metadata));
	EXPECT_EQ(0, knob_get("histograms"));
	ASSERT_EQ(0, knob_set("histograms", 1));
	netns_enter(WHERE(_metadata), here);
	/* The code runs, but this namespace counts no times. */
	EXPECT_EQ(0, knob_get("histograms"));
	conn_open(p, &c, .kport = 6000, .active = true);
	take(_metadata);
	EXPECT_EQ(1, value_of("xtcp_connections{state=\"ESTABLISHED\"}"));
	EXPECT_FALSE(has_time("SYN-SENT", "rcv-SYN,ACK", "ESTABLISHED"));
	netns_enter(WHERE(_metadata), other);
	take(_metadata);
	EXPECT_EQ(0, value_of("xtcp_connections{state=\"ESTABLISHED\"}"));
	EXPECT_TRUE(isnan(value_of("xtcp_transitions_total{from=\"SYN-SENT\",event=\"rcv-SYN,ACK\",to=\"ESTABLISHED\"}")));
	netns_enter(WHERE(_metadata), here);
}

/* Any size of reads, and a reader that seeks. */
TEST_F(metrics, metrics_by_small_reads)
{
	static struct metrics whole;
	char part[64] = "";
	int fd;

	NOT_ON_STOCK();
	for (int i = 0; i < 40; i++)
		listen_any(_metadata, 7000 + i);
	text_read(_metadata, &whole, 1 << 16);
	text_read(_metadata, &now, 7);
	EXPECT_STREQ(whole.text, now.text);
	fd = open("/proc/net/xtcp_metrics", O_RDONLY | O_CLOEXEC);
	for (size_t at = strlen(whole.text) - 63; at > 5000; at -= 3000) {
		ASSERT_EQ(63, pread(fd, part, 63, at));
		ASSERT_EQ(0, strncmp(whole.text + at, part, 63));
	}
	close(fd);
}

#define CROWD 10000

/* Connections of this host to itself that come and go until CROWD have been. */
static void come_and_go(struct __test_metadata *_metadata, int lfd)
{
	int fd;

	for (int i = 0; i < CROWD; i++) {
		fd = socket_new(-1);
		ASSERT_EQ(0, socket_connect_end(fd, "127.0.0.1", 7000));
		ASSERT_EQ(0, socket_accept(lfd));
		close(fd);
	}
}

/* Each text is whole, however the numbers move; afterwards they are exact. */
TEST_F_TIMEOUT(metrics, metrics_while_connections_come_and_go, 3600)
{
	int status, reads = 0;
	struct counters c;
	int lfd;
	pid_t pid;

	NOT_ON_STOCK();
	ASSERT_EQ(0, knob_set("histograms", 1));
	ASSERT_EQ(0, knob_set("max_tw_buckets", 2 * CROWD));
	lfd = listen_any(_metadata, 7000);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		come_and_go(_metadata, lfd);
		_exit(_metadata->exit_code != KSFT_PASS);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		take(_metadata);
		reads++;
		sleep_ms(20);
	}
	ASSERT_EQ(0, status);
	EXPECT_LT(3, reads);
	take(_metadata);
	counters_take(&c);
	EXPECT_EQ(CROWD, counter_get(&c, "ActiveOpens"));
	EXPECT_EQ(CROWD, value_of("xtcp_state_seconds_count{from=\"SYN-SENT\",event=\"rcv-SYN,ACK\",to=\"ESTABLISHED\"}"));
	EXPECT_EQ(CROWD, value_of("xtcp_listener_accept_wait_seconds_count{%s}",
				  listener_text(lfd, 7000)));
	EXPECT_EQ(counter_get(&c, "CurrEstab"),
		  value_of("xtcp_connections{state=\"ESTABLISHED\"}") +
		  value_of("xtcp_connections{state=\"CLOSE-WAIT\"}"));
	EXPECT_EQ(value_of("xtcp_time_wait_records"),
		  value_of("xtcp_connections{state=\"TIME-WAIT\"}"));
}

TEST_HARNESS_MAIN
