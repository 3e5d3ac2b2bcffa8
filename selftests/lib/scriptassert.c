// SPDX-License-Identifier: GPL-2.0
/*
 * script: see script.h. The text between %{ and }%: lines "assert A == B", in which A
 * and B are sums of numbers, fields of TCP_INFO and names of their values. packetdrill
 * runs Python there; this is the part that scripts use.
 */
#define _GNU_SOURCE
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct assertion {
	const char *pos, *end;
	union {
		struct tcp_info info;
		uint8_t all[512];	/* with fields newer than our header */
	};
	int fd;
	char *why;
	size_t size;
	bool bad;
};

#define FIELD(name, as) { #name, offsetof(struct tcp_info, name), sizeof(as) }
/* Of Linux 6.18, so many bytes behind a field that each header has. */
#define NEWER(name, bytes) \
	{ #name, offsetof(struct tcp_info, tcpi_snd_wnd) + (bytes), sizeof(uint32_t) }
static const struct {
	const char *name;
	size_t offset, size;
} fields[] = {
	FIELD(tcpi_state, uint8_t), FIELD(tcpi_ca_state, uint8_t),
	FIELD(tcpi_retransmits, uint8_t), FIELD(tcpi_probes, uint8_t),
	FIELD(tcpi_backoff, uint8_t), FIELD(tcpi_options, uint8_t),
	FIELD(tcpi_rto, uint32_t), FIELD(tcpi_ato, uint32_t),
	FIELD(tcpi_snd_mss, uint32_t), FIELD(tcpi_rcv_mss, uint32_t),
	FIELD(tcpi_unacked, uint32_t), FIELD(tcpi_sacked, uint32_t),
	FIELD(tcpi_lost, uint32_t), FIELD(tcpi_retrans, uint32_t),
	FIELD(tcpi_pmtu, uint32_t), FIELD(tcpi_rcv_ssthresh, uint32_t),
	FIELD(tcpi_rtt, uint32_t), FIELD(tcpi_rttvar, uint32_t),
	FIELD(tcpi_snd_ssthresh, uint32_t), FIELD(tcpi_snd_cwnd, uint32_t),
	FIELD(tcpi_advmss, uint32_t), FIELD(tcpi_reordering, uint32_t),
	FIELD(tcpi_rcv_rtt, uint32_t), FIELD(tcpi_rcv_space, uint32_t),
	FIELD(tcpi_total_retrans, uint32_t), FIELD(tcpi_notsent_bytes, uint32_t),
	FIELD(tcpi_min_rtt, uint32_t), FIELD(tcpi_segs_out, uint32_t),
	FIELD(tcpi_segs_in, uint32_t), FIELD(tcpi_bytes_acked, uint64_t),
	FIELD(tcpi_bytes_received, uint64_t), FIELD(tcpi_bytes_sent, uint64_t),
	FIELD(tcpi_bytes_retrans, uint64_t), FIELD(tcpi_delivered, uint32_t),
	FIELD(tcpi_delivered_ce, uint32_t), FIELD(tcpi_dsack_dups, uint32_t),
	FIELD(tcpi_data_segs_out, uint32_t), FIELD(tcpi_data_segs_in, uint32_t),
	FIELD(tcpi_last_data_sent, uint32_t), FIELD(tcpi_last_data_recv, uint32_t),
	FIELD(tcpi_last_ack_recv, uint32_t), FIELD(tcpi_busy_time, uint64_t),
	FIELD(tcpi_rwnd_limited, uint64_t), FIELD(tcpi_sndbuf_limited, uint64_t),
	FIELD(tcpi_pacing_rate, uint64_t), FIELD(tcpi_reord_seen, uint32_t),
	NEWER(tcpi_received_ce, 20), NEWER(tcpi_delivered_e1_bytes, 24),
	NEWER(tcpi_delivered_e0_bytes, 28), NEWER(tcpi_delivered_ce_bytes, 32),
	NEWER(tcpi_received_e1_bytes, 36), NEWER(tcpi_received_e0_bytes, 40),
	NEWER(tcpi_received_ce_bytes, 44),
};

/* What TCP_INFO has in bits, and what other options say. */
static const char *const others[] = { "tcpi_snd_wscale", "tcpi_rcv_wscale", "SK_MEMINFO_RCVBUF" };

static const struct {
	const char *name;
	int64_t value;
} values[] = {
	{ "TCP_CA_Open", TCP_CA_Open }, { "TCP_CA_Disorder", TCP_CA_Disorder },
	{ "TCP_CA_CWR", TCP_CA_CWR }, { "TCP_CA_Recovery", TCP_CA_Recovery },
	{ "TCP_CA_Loss", TCP_CA_Loss },
	{ "TCPI_OPT_TIMESTAMPS", TCPI_OPT_TIMESTAMPS }, { "TCPI_OPT_SACK", TCPI_OPT_SACK },
	{ "TCPI_OPT_WSCALE", TCPI_OPT_WSCALE }, { "TCPI_OPT_ECN", TCPI_OPT_ECN },
	{ "TCPI_OPT_SYN_DATA", TCPI_OPT_SYN_DATA },
	{ "TCP_ESTABLISHED", 1 }, { "TCP_SYN_SENT", 2 }, { "TCP_SYN_RECV", 3 },
	{ "TCP_FIN_WAIT1", 4 }, { "TCP_FIN_WAIT2", 5 }, { "TCP_TIME_WAIT", 6 },
	{ "TCP_CLOSE", 7 }, { "TCP_CLOSE_WAIT", 8 }, { "TCP_LAST_ACK", 9 },
	{ "TCP_LISTEN", 10 }, { "TCP_CLOSING", 11 },
	{ "TCP_INFINITE_SSTHRESH", 0x7fffffff }, { "True", 1 }, { "False", 0 },
};

static void bad(struct assertion *j, const char *what)
{
	if (!j->bad)
		snprintf(j->why, j->size, "%s before \"%.20s\"", what, j->pos);
	j->bad = true;
}

static void blanks(struct assertion *j)
{
	while (j->pos < j->end && (*j->pos == ' ' || *j->pos == '\t'))
		j->pos++;
}

static bool take(struct assertion *j, const char *token)
{
	size_t n = strlen(token);

	blanks(j);
	if ((size_t)(j->end - j->pos) < n || strncmp(j->pos, token, n))
		return false;
	j->pos += n;
	return true;
}

static int64_t field(const uint8_t *info, size_t offset, size_t size)
{
	const uint8_t *at = info + offset;
	uint64_t u64;
	uint32_t u32;

	if (size == 1)
		return *at;
	if (size == 4)
		return memcpy(&u32, at, 4), u32;
	return memcpy(&u64, at, 8), (int64_t)u64;
}

static int64_t other(const struct assertion *j, size_t i)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	if (i < 2)
		return i ? j->info.tcpi_rcv_wscale : j->info.tcpi_snd_wscale;
	getsockopt(j->fd, SOL_SOCKET, SO_MEMINFO, mem, &len);
	return mem[SK_MEMINFO_RCVBUF];
}

static int64_t named(struct assertion *j)
{
	size_t n = 0;

	while (isalnum((unsigned char)j->pos[n]) || j->pos[n] == '_')
		n++;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strlen(fields[i].name) == n && !strncmp(fields[i].name, j->pos, n)) {
			j->pos += n;
			return field(j->all, fields[i].offset, fields[i].size);
		}
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strlen(others[i]) == n && !strncmp(others[i], j->pos, n)) {
			j->pos += n;
			return other(j, i);
		}
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strlen(values[i].name) == n && !strncmp(values[i].name, j->pos, n)) {
			j->pos += n;
			return values[i].value;
		}
	}
	bad(j, "unknown name");
	return 0;
}

static int64_t sum(struct assertion *j);

static int64_t factor(struct assertion *j)
{
	int64_t v;
	char *end;

	blanks(j);
	if (take(j, "(")) {
		v = sum(j);
		if (!take(j, ")"))
			bad(j, "no )");
		return v;
	}
	if (isdigit((unsigned char)*j->pos)) {
		v = strtoll(j->pos, &end, 0);
		j->pos = end;
		return v;
	}
	return named(j);
}

static int64_t product(struct assertion *j)
{
	int64_t v = factor(j), by;

	for (;;) {
		if (take(j, "*")) {
			v *= factor(j);
		} else if (take(j, "//") || take(j, "/")) {
			by = factor(j);
			v = by ? v / by : 0;
		} else if (take(j, "&")) {
			v &= factor(j);
		} else {
			return v;
		}
	}
}

static int64_t sum(struct assertion *j)
{
	int64_t v = product(j);

	for (;;) {
		if (take(j, "+"))
			v += product(j);
		else if (take(j, "-"))
			v -= product(j);
		else
			return v;
	}
}

static bool compare(int64_t a, const char *how, int64_t b)
{
	switch (how[0]) {
	case '=': return a == b;
	case '!': return a != b;
	case '<': return how[1] ? a <= b : a < b;
	default: return how[1] ? a >= b : a > b;
	}
}

/* A == B, 10 <= A <= 20, or A for each of them. */
static bool comparison(struct assertion *j)
{
	static const char *const signs[] = { "==", "!=", "<=", ">=", "<", ">" };
	int64_t a = sum(j), b;
	bool any = false, good = true;

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]) && !j->bad; ) {
		if (!take(j, signs[i])) {
			i++;
			continue;
		}
		b = sum(j);
		if (good && !compare(a, signs[i], b))
			snprintf(j->why, j->size, "%lld %s %lld", (long long)a, signs[i],
				 (long long)b);
		good = good && compare(a, signs[i], b);
		any = true;
		a = b;
		i = 0;
	}
	return any ? good : a != 0;
}

static bool statement(struct assertion *j)
{
	bool good;

	if (!take(j, "assert")) {
		bad(j, "only assert is understood, something else");
		return false;
	}
	good = comparison(j);
	while (take(j, "and"))
		good = comparison(j) && good;
	while (take(j, "or"))
		good = comparison(j) || good;
	/* The message if the assertion does not hold. */
	if (take(j, ","))
		while (j->pos < j->end && *j->pos != '\n')
			j->pos++;
	return good && !j->bad;
}

bool script_assert(const char *text, const char *end, int fd, char *why, size_t size)
{
	struct assertion j = { .pos = text, .end = end, .fd = fd, .why = why, .size = size };
	socklen_t len = sizeof(j.all);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, j.all, &len)) {
		snprintf(why, size, "TCP_INFO: %s", strerror(errno));
		return false;
	}
	for (;;) {
		while (j.pos < end && (isspace((unsigned char)*j.pos) || *j.pos == ';' ||
				       *j.pos == '\\'))
			j.pos++;
		if (j.pos == end)
			return true;
		if (*j.pos == '#') {
			while (j.pos < end && *j.pos != '\n')
				j.pos++;
			continue;
		}
		if (!statement(&j))
			return false;
		blanks(&j);
		if (j.pos < end && *j.pos != '\n' && *j.pos != ';' && *j.pos != '#') {
			bad(&j, "more than an assertion");
			return false;
		}
	}
}
