// SPDX-License-Identifier: GPL-2.0
/* proc: see proc.h. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netns.h"

const char *proc_path(int family)
{
	if (socket_family(family) == AF_INET6)
		return stock_mode() ? "/proc/net/tcp6" : "/proc/net/xtcp6";
	return stock_mode() ? "/proc/net/tcp" : "/proc/net/xtcp";
}

int proc_open_as_nobody(const char *path, int flags)
{
	int fd, why;

	if (seteuid(65534))
		return -1;
	fd = open(path, flags | O_CLOEXEC);
	why = errno;
	if (seteuid(0))
		abort();
	errno = why;
	return fd;
}

/* An address is printed as its network-order words, each as a host integer. */
static bool parse_address(const char *text, int family, struct ipaddr *a)
{
	int words = family == AF_INET ? 1 : 4;
	uint32_t word;

	a->family = family;
	for (int i = 0; i < words; i++) {
		if (sscanf(text + 8 * i, "%8X", &word) != 1)
			return false;
		memcpy((char *)&a->v6 + 4 * i, &word, 4);
	}
	/* As the test knows it, and as it is on the wire. */
	if (family == AF_INET6 && test_is_mapped() && IN6_IS_ADDR_V4MAPPED(&a->v6)) {
		memmove(&a->v4, &a->v6.s6_addr[12], sizeof(a->v4));
		a->family = AF_INET;
	}
	return true;
}

static bool parse_row(const char *line, int family, struct proc_row *r)
{
	unsigned int lport, rport;
	char local[40], remote[40];
	int n;

	memset(r, 0, sizeof(*r));
	snprintf(r->line, sizeof(r->line), "%s", line);
	/* The kernel's sscanf() (inside.h) knows no ranges of characters. */
	n = sscanf(line, " %u: %39[0123456789ABCDEF]:%X %39[0123456789ABCDEF]:%X %X %X:%X %X:%lX %X "
		   "%u %u %lu %d %19s %u %u %u %u %d",
		   &r->slot, local, &lport, remote, &rport, &r->st, &r->tx,
		   &r->rx, &r->timer, &r->timer_cs, &r->retrnsmt, &r->uid,
		   &r->timeout, &r->inode, &r->ref, r->ptr, &r->rto, &r->ato,
		   &r->quick, &r->cwnd, &r->ssthresh);
	r->full = n == 21;
	r->lport = lport;
	r->rport = rport;
	return n >= 16 && parse_address(local, family, &r->local) &&
	       parse_address(remote, family, &r->remote);
}

/*
 * True if the row may be of these ports: parsing every row of a long table would be most of
 * what some programs compute. In "0: ADDRESS:PORT ADDRESS:PORT " the ports follow the second colon
 * and the third.
 */
static bool row_has_ports(const char *line, int lport, int rport)
{
	const char *colon = strchr(line, ':');
	int port[2];

	for (int i = 0; i < 2; i++) {
		colon = colon ? strchr(colon + 1, ':') : NULL;
		if (!colon)
			return false;
		port[i] = strtol(colon + 1, NULL, 16);
	}
	return port[0] == lport && (rport < 0 || port[1] == rport);
}

bool proc_row_find(struct proc_row *row, int family, int lport, int rport, int *n)
{
	FILE *f = fopen(proc_path(family), "re");
	struct proc_row r;
	bool found = false;
	char line[256];

	if (n)
		*n = 0;
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (!row_has_ports(line, lport, rport) ||
		    !parse_row(line, socket_family(family), &r))
			continue;
		if (!found)
			*row = r;
		found = true;
		/* The kernel need not print the rest. */
		if (!n)
			break;
		(*n)++;
	}
	fclose(f);
	return found;
}

int proc_rows(int family, unsigned int st)
{
	FILE *f = fopen(proc_path(family), "re");
	struct proc_row r;
	char line[256];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += parse_row(line, socket_family(family), &r) && (!st || r.st == st);
	fclose(f);
	return n;
}

/* Two lines a group: "Tcp: name name", "Tcp: value value". */
static void counters_read(struct counters *c, const char *path, const char *group)
{
	FILE *f = fopen(path, "re");
	static char names[16384], values[16384];
	char *n, *v, *nsave, *vsave;

	if (!f)
		return;
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		n = strtok_r(names, " \n", &nsave);
		v = strtok_r(values, " \n", &vsave);
		if (!n || strcmp(n, group))
			continue;
		while ((n = strtok_r(NULL, " \n", &nsave)) &&
		       (v = strtok_r(NULL, " \n", &vsave)) && c->n < COUNTERS_MAX) {
			struct counter *cnt = &c->c[c->n++];

			/* Faster than snprintf(). */
			strncpy(cnt->name, n, sizeof(cnt->name) - 1);
			cnt->value = strtoll(v, NULL, 10);
			/* Counters that only say why OutRsts or a state's end moved. */
			cnt->ignored = !strncmp(n, "XtcpReset", 9) ||
				       /* With TCPTimeouts; over IPv6 with TCPDSACKOldSent. */
				       !strcmp(n, "TcpTimeoutRehash") ||
				       !strcmp(n, "TcpDuplicateDataRehash");
		}
	}
	fclose(f);
}

/*
 * Counters of the kernel's TCP beside those whose names xtcp has as well: which fast
 * path was taken, and work of its own.
 */
static bool counter_is_stocks_own(const char *name)
{
	static const char *const names[] = {
		"TCPAutoCorking", "TCPBacklogCoalesce", "TCPHystartTrainCwnd",
		"TCPHystartTrainDetect", "TcpDuplicateDataRehash",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* xtcp has no such fast paths: a pure ACK there is one more pure ACK. */
static void counters_merge_fast_path(struct counters *c)
{
	struct counter *pure = NULL, *fast = NULL;

	for (int i = 0; i < c->n; i++) {
		if (!strcmp(c->c[i].name, "TCPPureAcks"))
			pure = &c->c[i];
		else if (!strcmp(c->c[i].name, "TCPHPAcks"))
			fast = &c->c[i];
		else if (!strcmp(c->c[i].name, "TCPHPHits") ||
			 counter_is_stocks_own(c->c[i].name))
			c->c[i].ignored = true;
	}
	if (!pure || !fast)
		return;
	pure->value += fast->value;
	fast->ignored = true;
}

long long snmp6_counter(const char *name)
{
	FILE *f = fopen("/proc/thread-self/net/snmp6", "re");
	long long value, found = -1;
	char word[64];

	while (f && found < 0 && fscanf(f, "%63s %lld", word, &value) == 2)
		if (!strcmp(word, name))
			found = value;
	if (f)
		fclose(f);
	return found;
}

void counters_take(struct counters *c)
{
	c->n = 0;
	counters_read(c, stock_mode() ? "/proc/net/snmp" : "/proc/net/xtcp_snmp",
		      "Tcp:");
	counters_read(c, stock_mode() ? "/proc/net/netstat" : "/proc/net/xtcp_netstat",
		      "TcpExt:");
	if (stock_mode())
		counters_merge_fast_path(c);
}

static const struct counter *counter_find(const struct counters *c, const char *name)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->c[i].name, name))
			return &c->c[i];
	return NULL;
}

long long counter_get(const struct counters *c, const char *name)
{
	const struct counter *cnt = counter_find(c, name);

	return cnt ? cnt->value : LLONG_MIN;
}

static void counter_ignore(struct counters *c, const char *name)
{
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->c[i].name, name))
			c->c[i].ignored = true;
}

void counters_ignore(struct counters *before, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, before);
	while ((name = va_arg(ap, const char *)))
		counter_ignore(before, name);
	va_end(ap);
}

void counters_ignore_traffic(struct counters *before)
{
	static const char *const names[] = {
		"InSegs", "OutSegs", "TCPPureAcks", "TCPHPHits", "TCPHPAcks",
		"TCPOrigDataSent", "TCPDelivered", "TCPAutoCorking",
		"TCPRcvCoalesce", "TCPBacklogCoalesce", "DelayedACKs", "TCPAckCompressed",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		counter_ignore(before, names[i]);
}

void counters_begin(struct counters *before)
{
	counters_take(before);
	counters_ignore_traffic(before);
}

long long counter_moved(const struct counters *before, const char *name)
{
	const struct counter *new, *old = counter_find(before, name);
	struct counters now;

	counters_take(&now);
	new = counter_find(&now, name);
	/* Older kernels lack some. A name that xtcp lacks would never move. */
	if ((!new || !old) && !stock_mode()) {
		fprintf(stderr, "# no such counter: %s\n", name);
		abort();
	}
	return new && old ? new->value - old->value : 0;
}

#define EXPECTED_MAX 32

/* The moves that were asked for; value MOVED: at least one. */
struct expected {
	int n;
	const char *name[EXPECTED_MAX];
	long long delta[EXPECTED_MAX];
};

static bool expected_find(const struct expected *e, const char *name, long long *delta)
{
	for (int i = 0; i < e->n; i++) {
		if (strcmp(e->name[i], name))
			continue;
		*delta = e->delta[i];
		return true;
	}
	*delta = 0;
	return false;
}

void counters_expect_at(struct where at, const struct counters *before, ...)
{
	static struct counters now;
	struct expected want = { 0 };
	char wrong[1024] = "";
	long long delta, wanted;
	const char *name;
	size_t used = 0;
	va_list ap;

	counters_take(&now);
	va_start(ap, before);
	while ((name = va_arg(ap, const char *)) && want.n < EXPECTED_MAX) {
		want.name[want.n] = name;
		delta = va_arg(ap, int);
		want.delta[want.n++] = delta;
		if (!counter_find(&now, name) && used < sizeof(wrong))
			used += snprintf(wrong + used, sizeof(wrong) - used,
					 " %s is not there", name);
	}
	va_end(ap);
	for (int i = 0; i < now.n; i++) {
		const struct counter *old = counter_find(before, now.c[i].name);
		bool named = expected_find(&want, now.c[i].name, &wanted);

		delta = now.c[i].value - (old ? old->value : 0);
		if (delta == wanted || (wanted == MOVED && delta > 0) ||
		    (!named && old && old->ignored))
			continue;
		if (used < sizeof(wrong))
			used += snprintf(wrong + used, sizeof(wrong) - used,
					 " %s %+lld (expected %+lld)",
					 now.c[i].name, delta,
					 wanted == MOVED ? 1 : wanted);
	}
	check(now.n, at, "no counters: is the module loaded?");
	check(!used, at, "counters:%s", wrong);
}

void stock_expect_silent_at(struct where at)
{
	static const char *const constants[] = {
		"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn",
	};
	struct counters c = { 0 };

	if (stock_mode())
		return;
	counters_read(&c, "/proc/net/snmp", "Tcp:");
	check(c.n > (int)(sizeof(constants) / sizeof(constants[0])), at,
	      "no counters of stock TCP");
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		counter_ignore(&c, constants[i]);
	for (int i = 0; i < c.n; i++)
		check(c.c[i].ignored || !c.c[i].value, at,
		      "stock TCP spoke: its %s is %lld", c.c[i].name, c.c[i].value);
}

void lifecycle_expect_known_at(struct where at)
{
	static struct counters c;
	long long unknown;

	if (stock_mode())
		return;
	counters_take(&c);
	unknown = counter_get(&c, "XtcpLifecycleUnknown");
	check(!unknown, at, unknown < 0 ? "XtcpLifecycleUnknown is not there" :
	      "the lifecycle table lacks a row: XtcpLifecycleUnknown is %lld", unknown);
}

/* "from event to count": the event alone may have several words. */
static bool lifecycle_parse(char *line, char **from, char **event, char **to,
			    long long *count)
{
	char *end, *space;

	line[strcspn(line, "\n")] = '\0';
	space = strrchr(line, ' ');
	if (!space)
		return false;
	*count = strtoll(space + 1, &end, 10);
	if (*end || end == space + 1)
		return false;
	while (space > line && space[-1] == ' ')
		space--;
	*space = '\0';
	*to = strrchr(line, ' ');
	if (!*to)
		return false;
	space = (*to)++;
	while (space > line && space[-1] == ' ')
		space--;
	*space = '\0';
	*from = line;
	*event = strchr(line, ' ');
	if (!*event)
		return false;
	*(*event)++ = '\0';
	*event += strspn(*event, " ");
	return true;
}

long long lifecycle_count(const char *from, const char *event, const char *to)
{
	FILE *f = stock_mode() ? NULL : fopen("/proc/net/xtcp_lifecycle", "re");
	char *row_from, *row_event, *row_to;
	long long count, found = -1;
	char line[256];

	if (!f)
		return -1;
	while (found < 0 && fgets(line, sizeof(line), f))
		if (lifecycle_parse(line, &row_from, &row_event, &row_to, &count) &&
		    !strcmp(row_from, from) && !strcmp(row_event, event) &&
		    !strcmp(row_to, to))
			found = count;
	fclose(f);
	return found;
}

void lifecycle_log(struct where at)
{
	const char *path = getenv("XTCP_LIFECYCLE_LOG");
	char buf[8192];
	int in, out;
	ssize_t n;

	if (stock_mode() || !path || !*path)
		return;
	in = open("/proc/net/xtcp_lifecycle", O_RDONLY | O_CLOEXEC);
	out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	check(in >= 0 && out >= 0, at, "lifecycle log %s: %s", path, strerror(errno));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		check(write(out, buf, n) == n, at, "%s: %s", path, strerror(errno));
	close(in);
	close(out);
}

static const char *knob_path(const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "/proc/sys/net/ipv4/%s_%s",
		 stock_mode() ? "tcp" : "xtcp", name);
	return buf;
}

int knob_set_text(const char *name, const char *value)
{
	char path[128];

	return sysctl_write(knob_path(name, path, sizeof(path)), value);
}

int knob_set(const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	return knob_set_text(name, text);
}

void knob_mem_set(struct where at, const char *value, char *old)
{
	static const char path[] = "/proc/sys/net/ipv4/xtcp_mem";
	int home = open("/proc/thread-self/ns/net", O_RDONLY);
	int first = open("/proc/1/ns/net", O_RDONLY);

	netns_enter(at, first);
	if ((old && sysctl_read(path, old, 64)) || sysctl_write(path, value))
		check_fail(at, "%s: %s", path, strerror(errno));
	netns_enter(at, home);
	close(first);
	close(home);
}

int knob_get_text(const char *name, char *buf, size_t size)
{
	char path[128];

	return sysctl_read(knob_path(name, path, sizeof(path)), buf, size);
}

long long knob_get(const char *name)
{
	char text[64];

	if (knob_get_text(name, text, sizeof(text)))
		return LLONG_MIN;
	return strtoll(text, NULL, 10);
}

bool knob_exists(const char *name)
{
	char path[128];

	return !access(knob_path(name, path, sizeof(path)), F_OK);
}
