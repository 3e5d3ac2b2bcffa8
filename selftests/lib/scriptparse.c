// SPDX-License-Identifier: GPL-2.0
/* script: see script.h. Parses a script into events. */
#define _GNU_SOURCE
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

#ifndef SCM_TIMESTAMPING
#define SCM_TIMESTAMPING SO_TIMESTAMPING
#endif

/* packetdrill's: a tick of a kernel with 250 of them a second. */
#define TOLERANCE_NS (4 * NSEC_PER_MSEC)

static bool fail(struct script *s, const char *what)
{
	if (!s->error[0])
		snprintf(s->error, sizeof(s->error), "%s:%d: %s before \"%.20s\"",
			 s->path, s->line, what, s->pos);
	return false;
}

/* Skips blanks and comments. */
static void skip(struct script *s)
{
	for (;; s->pos++) {
		if (s->pos[0] == '\n')
			s->line++;
		else if (s->pos[0] == '/' && s->pos[1] == '/')
			s->pos += strcspn(s->pos, "\n") - 1;
		else if (s->pos[0] == '#' && (s->pos == s->text || s->pos[-1] == '\n'))
			s->pos += strcspn(s->pos, "\n") - 1;
		else if (s->pos[0] == '/' && s->pos[1] == '*') {
			for (s->pos += 2; *s->pos && strncmp(s->pos, "*/", 2); s->pos++)
				s->line += *s->pos == '\n';
			if (!*s->pos)
				return;
			s->pos++;
		} else if (!isspace((unsigned char)s->pos[0])) {
			return;
		}
	}
}

static bool peek(struct script *s, const char *token)
{
	skip(s);
	return !strncmp(s->pos, token, strlen(token));
}

static bool take(struct script *s, const char *token)
{
	if (!peek(s, token))
		return false;
	s->pos += strlen(token);
	return true;
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Exactly that word, not the beginning of a longer one. */
static bool take_word(struct script *s, const char *word)
{
	if (!peek(s, word) || is_word_char(s->pos[strlen(word)]))
		return false;
	s->pos += strlen(word);
	return true;
}

static bool word(struct script *s, char *buf, size_t size)
{
	size_t n = 0;

	skip(s);
	while (is_word_char(s->pos[n]))
		n++;
	if (!n || n >= size)
		return fail(s, "no word");
	memcpy(buf, s->pos, n);
	buf[n] = '\0';
	s->pos += n;
	return true;
}

static bool number(struct script *s, int64_t *value)
{
	char *end;

	skip(s);
	errno = 0;
	*value = strtoll(s->pos, &end, 0);
	if (end == s->pos || errno)
		return fail(s, "no number");
	s->pos = end;
	return true;
}

static bool expect(struct script *s, const char *token)
{
	return take(s, token) || fail(s, token[0] == ')' ? "no )" : "something else expected");
}

static bool seconds(struct script *s, int64_t *ns)
{
	char *end;
	double value;

	skip(s);
	/* ".1...0.2": the first dot of three is no decimal point. */
	value = strtod(s->pos, &end);
	if (end == s->pos || value < 0)
		return fail(s, "no time");
	if (end[-1] == '.' && end[0] == '.')
		end--;
	s->pos = end;
	*ns = value * NSEC_PER_SEC + 0.5;
	return true;
}

#define CONSTANT(name) { #name, name }
static const struct constant {
	const char *name;
	int64_t value;
} constants[] = {
	CONSTANT(AF_UNSPEC), CONSTANT(AF_INET), CONSTANT(AF_INET6), CONSTANT(SOCK_STREAM),
	CONSTANT(SOCK_NONBLOCK), CONSTANT(SOCK_CLOEXEC), CONSTANT(IPPROTO_TCP),
	CONSTANT(IPPROTO_IP), CONSTANT(SOL_SOCKET), { "SOL_TCP", IPPROTO_TCP },
	{ "SOL_IP", IPPROTO_IP },
	CONSTANT(SO_REUSEADDR), CONSTANT(SO_REUSEPORT), CONSTANT(SO_KEEPALIVE),
	CONSTANT(SO_LINGER), CONSTANT(SO_ERROR), CONSTANT(SO_SNDBUF),
	CONSTANT(SO_RCVBUF), CONSTANT(SO_RCVLOWAT), CONSTANT(SO_OOBINLINE),
	CONSTANT(SO_MARK), CONSTANT(SO_PRIORITY), CONSTANT(SO_ZEROCOPY),
	CONSTANT(SO_MAX_PACING_RATE), CONSTANT(SO_SNDBUFFORCE),
	CONSTANT(SO_RCVBUFFORCE), CONSTANT(SO_TIMESTAMPING), CONSTANT(SCM_TIMESTAMPING),
	CONSTANT(TCP_NODELAY), CONSTANT(TCP_MAXSEG), CONSTANT(TCP_CORK),
	CONSTANT(TCP_KEEPIDLE), CONSTANT(TCP_KEEPINTVL), CONSTANT(TCP_KEEPCNT),
	CONSTANT(TCP_SYNCNT), CONSTANT(TCP_LINGER2), CONSTANT(TCP_DEFER_ACCEPT),
	CONSTANT(TCP_WINDOW_CLAMP), CONSTANT(TCP_QUICKACK), CONSTANT(TCP_CONGESTION),
	CONSTANT(TCP_USER_TIMEOUT), CONSTANT(TCP_NOTSENT_LOWAT), CONSTANT(TCP_INQ),
	CONSTANT(TCP_CM_INQ), CONSTANT(TCP_FASTOPEN_CONNECT), CONSTANT(TCP_FASTOPEN_KEY),
	CONSTANT(TCP_FASTOPEN), CONSTANT(TCP_THIN_LINEAR_TIMEOUTS),
	CONSTANT(IP_TOS), CONSTANT(IP_TTL), CONSTANT(IP_MTU_DISCOVER), CONSTANT(IP_MTU),
	CONSTANT(IP_RECVERR), CONSTANT(IP_PMTUDISC_DONT), CONSTANT(IP_PMTUDISC_WANT),
	CONSTANT(IP_PMTUDISC_DO), CONSTANT(IP_PMTUDISC_PROBE), CONSTANT(IP_FREEBIND),
	CONSTANT(F_GETFL), CONSTANT(F_SETFL), CONSTANT(O_RDWR), CONSTANT(O_NONBLOCK),
	CONSTANT(O_RDONLY), CONSTANT(O_WRONLY),
	CONSTANT(MSG_OOB), CONSTANT(MSG_PEEK), CONSTANT(MSG_DONTWAIT), CONSTANT(MSG_MORE),
	CONSTANT(MSG_NOSIGNAL), CONSTANT(MSG_FASTOPEN), CONSTANT(MSG_TRUNC),
	CONSTANT(MSG_WAITALL), CONSTANT(MSG_ZEROCOPY), CONSTANT(MSG_EOR),
	CONSTANT(MSG_ERRQUEUE),
	CONSTANT(SHUT_RD), CONSTANT(SHUT_WR), CONSTANT(SHUT_RDWR),
	CONSTANT(POLLIN), CONSTANT(POLLOUT), CONSTANT(POLLERR), CONSTANT(POLLHUP),
	CONSTANT(POLLRDHUP), CONSTANT(POLLPRI),
	CONSTANT(EPOLLIN), CONSTANT(EPOLLOUT), CONSTANT(EPOLLERR), CONSTANT(EPOLLHUP),
	CONSTANT(EPOLLRDHUP), CONSTANT(EPOLLPRI), CONSTANT(EPOLLET), CONSTANT(EPOLLONESHOT),
	CONSTANT(EPOLLEXCLUSIVE), CONSTANT(EPOLL_CTL_ADD), CONSTANT(EPOLL_CTL_MOD),
	CONSTANT(EPOLL_CTL_DEL),
	CONSTANT(SO_EE_ORIGIN_ZEROCOPY), CONSTANT(SO_EE_CODE_ZEROCOPY_COPIED),
	CONSTANT(SO_EE_ORIGIN_TIMESTAMPING), CONSTANT(SCM_TSTAMP_SND),
	CONSTANT(SCM_TSTAMP_SCHED), CONSTANT(SCM_TSTAMP_ACK),
	CONSTANT(SOF_TIMESTAMPING_TX_SCHED), CONSTANT(SOF_TIMESTAMPING_TX_SOFTWARE),
	CONSTANT(SOF_TIMESTAMPING_TX_ACK), CONSTANT(SOF_TIMESTAMPING_SOFTWARE),
	CONSTANT(SOF_TIMESTAMPING_OPT_ID), CONSTANT(SOF_TIMESTAMPING_OPT_TSONLY),
	CONSTANT(SIOCINQ), CONSTANT(SIOCOUTQ), CONSTANT(FIONREAD),
	CONSTANT(EAGAIN), { "EWOULDBLOCK", EAGAIN }, CONSTANT(EINPROGRESS),
	CONSTANT(EALREADY), CONSTANT(EISCONN), CONSTANT(ENOTCONN), CONSTANT(ECONNRESET),
	CONSTANT(ECONNREFUSED), CONSTANT(ECONNABORTED), CONSTANT(ETIMEDOUT),
	CONSTANT(EPIPE), CONSTANT(EINVAL), CONSTANT(EADDRINUSE), CONSTANT(EADDRNOTAVAIL),
	CONSTANT(EHOSTUNREACH), CONSTANT(ENETUNREACH), CONSTANT(EMSGSIZE),
	CONSTANT(ENOPROTOOPT), CONSTANT(EOPNOTSUPP), CONSTANT(EPROTO), CONSTANT(EINTR),
	CONSTANT(ENOTSOCK), CONSTANT(EBADF), CONSTANT(EFAULT), CONSTANT(ENOMSG),
};

static bool v6_socket(void)
{
	return socket_family(AF_INET) == AF_INET6;
}

static bool constant(struct script *s, const char *name, int64_t *value)
{
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		if (!strcmp(constants[i].name, name)) {
			*value = constants[i].value;
			return true;
		}
	}
	/* What packetdrill's callers define, by the socket's family. */
	if (!strcmp(name, "CMSG_LEVEL_IP")) {
		*value = v6_socket() ? IPPROTO_IPV6 : IPPROTO_IP;
		return true;
	}
	if (!strcmp(name, "CMSG_TYPE_RECVERR")) {
		*value = v6_socket() ? IPV6_RECVERR : IP_RECVERR;
		return true;
	}
	return fail(s, "unknown name");
}

/* Numbers and names, ored. */
static bool value(struct script *s, int64_t *out)
{
	char name[48];
	int64_t part;

	*out = 0;
	do {
		skip(s);
		if (isdigit((unsigned char)*s->pos) || *s->pos == '-') {
			if (!number(s, &part))
				return false;
		} else if (!word(s, name, sizeof(name)) || !constant(s, name, &part)) {
			return false;
		}
		*out |= part;
	} while (take(s, "|"));
	return true;
}

/* [1], {onoff=1, linger=0}, [{fd=3, events=POLLIN, revents=0}]: all the numbers. */
static bool list(struct script *s, struct script_arg *arg)
{
	const char *close = *s->pos == '[' ? "]" : "}";
	size_t n;

	s->pos++;
	while (!take(s, close)) {
		skip(s);
		n = strcspn(s->pos, "=,[]{}\n");
		if (s->pos[n] == '=')
			s->pos += n + 1;
		skip(s);
		if (*s->pos == '[' || *s->pos == '{') {
			if (!list(s, arg))
				return false;
		} else {
			if (take(s, "..."))
				arg->list[arg->n] = 0;
			else if (!value(s, &arg->list[arg->n]))
				return false;
			if (++arg->n == SCRIPT_LIST)
				return fail(s, "too long a list");
		}
		take(s, ",");
	}
	return true;
}

/* {cmsg_level=L, cmsg_type=T, cmsg_data=...} */
static bool cmsg(struct script *s, struct script_cmsg *cm)
{
	struct script_arg data = { 0 };
	int64_t level, type;

	if (!expect(s, "{") || !expect(s, "cmsg_level=") || !value(s, &level) ||
	    !expect(s, ",") || !expect(s, "cmsg_type=") || !value(s, &type) ||
	    !expect(s, ",") || !expect(s, "cmsg_data="))
		return false;
	cm->level = level;
	cm->type = type;
	if (peek(s, "{")) {
		if (!list(s, &data))
			return false;
	} else if (!value(s, &data.list[data.n++])) {
		return false;
	}
	if (data.n > SCRIPT_CMSG_FIELDS)
		return fail(s, "too many fields");
	cm->fields = data.n;
	memcpy(cm->field, data.list, data.n * sizeof(data.list[0]));
	return expect(s, "}");
}

static bool cmsgs(struct script *s, struct script_msg *msg)
{
	if (!expect(s, "["))
		return false;
	msg->any_control = false;
	for (; !take(s, "]"); take(s, ",")) {
		if (msg->cmsgs == SCRIPT_CMSGS)
			return fail(s, "too many control messages");
		if (!cmsg(s, &msg->cmsg[msg->cmsgs++]))
			return false;
	}
	return true;
}

static bool iovecs(struct script *s, struct script_msg *msg)
{
	if (!expect(s, "["))
		return false;
	for (; !take(s, "]"); take(s, ",")) {
		if (msg->iovecs == SCRIPT_IOVECS)
			return fail(s, "too many buffers");
		if (!expect(s, "{") || !expect(s, "...") || !expect(s, ",") ||
		    !value(s, &msg->iov_len[msg->iovecs++]) || !expect(s, "}"))
			return false;
	}
	return true;
}

/* {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=0, msg_control=[]} */
static bool message(struct script *s, struct script_msg *msg)
{
	int64_t n;

	msg->flags = UNSET;
	msg->any_control = true;
	for (; !take(s, "}"); take(s, ",")) {
		if (take(s, "msg_name(...)=...") || take(s, "msg_name(...)=NULL"))
			continue;
		if (take(s, "msg_iov(")) {
			if (!number(s, &n) || !expect(s, ")=") || !iovecs(s, msg))
				return false;
		} else if (take(s, "msg_flags=")) {
			if (!value(s, &msg->flags))
				return false;
		} else if (!take(s, "msg_control=")) {
			return fail(s, "unknown field of a message");
		} else if (!cmsgs(s, msg)) {
			return false;
		}
	}
	return true;
}

/* Bytes may be written as \xNN. */
static bool quoted(struct script *s, struct script_arg *arg)
{
	unsigned int byte;
	char c;

	for (s->pos++; *s->pos != '"'; arg->text[arg->n++] = c) {
		if (!*s->pos || *s->pos == '\n' || arg->n + 1 == sizeof(arg->text))
			return fail(s, "no end of a string");
		c = *s->pos++;
		if (c == '\\' && sscanf(s->pos, "x%2x", &byte) == 1) {
			c = byte;
			s->pos += 3;
		}
	}
	s->pos++;
	return true;
}

static bool argument(struct script *s, struct script_arg *arg)
{
	memset(arg, 0, sizeof(*arg));
	skip(s);
	if (take(s, "...")) {
		arg->kind = ARG_ANY;
		return true;
	}
	if (take_word(s, "NULL")) {
		arg->kind = ARG_NULL;
		return true;
	}
	if (!strncmp(s->pos, "{msg_name", 9)) {
		s->pos++;
		arg->kind = ARG_MSG;
		return message(s, &arg->msg);
	}
	if (*s->pos == '[' || *s->pos == '{') {
		arg->kind = ARG_LIST;
		return list(s, arg);
	}
	if (*s->pos == '"') {
		arg->kind = ARG_TEXT;
		return quoted(s, arg);
	}
	arg->kind = ARG_NUMBER;
	return value(s, &arg->number);
}

static bool call(struct script *s, struct script_event *e)
{
	struct script_call *c = &e->call;
	char name[48];
	int64_t error;

	memset(c, 0, sizeof(*c));
	e->kind = EVENT_CALL;
	if (take(s, "...") && !seconds(s, &e->returns_ns))
		return false;
	if (!word(s, c->name, sizeof(c->name)) || !expect(s, "("))
		return false;
	while (!take(s, ")")) {
		if (c->n == SCRIPT_ARGS)
			return fail(s, "too many arguments");
		if (!argument(s, &c->arg[c->n++]))
			return false;
		if (!peek(s, ")") && !expect(s, ","))
			return false;
	}
	if (!expect(s, "="))
		return false;
	if (take(s, "..."))
		c->any_result = true;
	else if (!value(s, &c->result))
		return false;
	if (peek(s, "E") && c->result == -1) {
		if (!word(s, name, sizeof(name)) || !constant(s, name, &error))
			return false;
		c->error = error;
	}
	/* The errno in words. */
	if (take(s, "("))
		s->pos += strcspn(s->pos, ")\n") + 1;
	return true;
}

static bool range(struct script *s, uint32_t *seq, int *len)
{
	int64_t from, to, n;

	if (!number(s, &from) || !expect(s, ":") || !number(s, &to) || !expect(s, "(") ||
	    !number(s, &n) || !expect(s, ")"))
		return false;
	if ((uint32_t)to != (uint32_t)(from + n))
		return fail(s, "numbers and length that don't fit");
	*seq = from;
	*len = n;
	return true;
}

static void put(struct optbytes *opt, int bytes, uint32_t v)
{
	while (bytes--)
		opt->b[opt->len++] = v >> bytes * 8;
}

static bool sack(struct script *s, struct optbytes *opt)
{
	int at = opt->len;
	int64_t left, right;

	put(opt, 2, 5 << 8);
	while (skip(s), isdigit((unsigned char)*s->pos)) {
		if (!number(s, &left) || !expect(s, ":") || !number(s, &right))
			return false;
		if (opt->len + 8 > TCP_OPTIONS_MAX)
			return fail(s, "too many options");
		put(opt, 4, left);
		put(opt, 4, right);
	}
	opt->b[at + 1] = opt->len - at;
	return true;
}

/*
 * The cookies that a server gives our peer: SipHash-2-4 of both addresses, with the key that
 * packetdrill's defaults set, and with one of zeros.
 */
static const struct {
	const char *name, *v4, *v6;
} cookies[] = {
	{ "TFO_COOKIE", "9c7acf0d9a44ab52", "295e0459f102f818" },
	{ "TFO_COOKIE_ZERO", "b1dd0bd76aae017c", "c11ee1f449318015" },
};

static bool put_hex(struct script *s, struct optbytes *opt, const char *digits)
{
	unsigned int byte;

	for (; sscanf(digits, "%2x", &byte) == 1; digits += 2) {
		if (opt->len == TCP_OPTIONS_MAX)
			return fail(s, "too many options");
		put(opt, 1, byte);
	}
	return true;
}

static bool hex(struct script *s, struct optbytes *opt, int at)
{
	unsigned int byte;

	skip(s);
	for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
		if (!take_word(s, cookies[i].name))
			continue;
		if (!put_hex(s, opt, test_family() == AF_INET6 ? cookies[i].v6 : cookies[i].v4))
			return false;
	}
	while (isxdigit((unsigned char)s->pos[0]) && sscanf(s->pos, "%2x", &byte) == 1 &&
	       opt->len < TCP_OPTIONS_MAX) {
		put(opt, 1, byte);
		s->pos += 2;
	}
	opt->b[at + 1] = opt->len - at;
	return true;
}

/*
 * AccECN's option, RFC 9768 3.2.3: counters of 24 bits; the kind says whether that of ECT(0)
 * or that of ECT(1) comes first.
 */
static bool accecn(struct script *s, struct optbytes *opt)
{
	static const char *const names[] = { "e0b", "ceb", "e1b" };
	int at = opt->len;
	int64_t n;

	put(opt, 2, (peek(s, "e1b") ? 174 : 172) << 8);
	for (size_t i = 0; i < 3; ) {
		if (!take_word(s, names[i])) {
			i++;
			continue;
		}
		if (!number(s, &n))
			return false;
		if (opt->len + 3 > TCP_OPTIONS_MAX)
			return fail(s, "too many options");
		put(opt, 3, n);
		i = 0;
	}
	opt->b[at + 1] = opt->len - at;
	return true;
}

/* A value in an option that is expected: a number, or any. */
static bool number_or_any(struct script *s, int64_t *value, bool *any)
{
	if (!take(s, "..."))
		return number(s, value);
	*any = true;
	*value = 0;
	return true;
}

static bool option(struct script *s, struct script_segment *seg)
{
	struct optbytes *opt = &seg->opt;
	int64_t a, b;

	if (opt->len + 10 > TCP_OPTIONS_MAX && !peek(s, "nop") && !peek(s, "eol"))
		return fail(s, "too many options");
	if (take_word(s, "nop")) {
		put(opt, 1, 1);
	} else if (take_word(s, "eol")) {
		put(opt, 1, 0);
	} else if (take_word(s, "sackOK")) {
		put(opt, 2, 4 << 8 | 2);
	} else if (take_word(s, "sack")) {
		return sack(s, opt);
	} else if (take_word(s, "mss")) {
		if (!number(s, &a))
			return false;
		put(opt, 4, 2 << 24 | 4 << 16 | (uint16_t)a);
	} else if (take_word(s, "wscale")) {
		if (!number_or_any(s, &a, &seg->any_wscale))
			return false;
		put(opt, 3, 3 << 16 | 3 << 8 | (uint8_t)a);
	} else if (take_word(s, "TS")) {
		if (!take_word(s, "val") || !number_or_any(s, &a, &seg->any_stamp) ||
		    !take_word(s, "ecr") || !number(s, &b))
			return fail(s, "no timestamps");
		put(opt, 2, 8 << 8 | 10);
		put(opt, 4, a);
		put(opt, 4, b);
	} else if (take_word(s, "FO")) {
		put(opt, 2, 34 << 8);
		return hex(s, opt, opt->len - 2);
	} else if (take_word(s, "FOEXP")) {
		put(opt, 4, 254U << 24 | 0xf989);
		return hex(s, opt, opt->len - 4);
	} else if (take_word(s, "ECN")) {
		return accecn(s, opt);
	} else if (take_word(s, "md5")) {
		put(opt, 2, 19 << 8);
		return hex(s, opt, opt->len - 2);
	} else {
		return fail(s, "unknown option");
	}
	return true;
}

static bool options(struct script *s, struct script_segment *seg)
{
	if (!take(s, "<"))
		return true;
	if (take(s, "...")) {
		seg->any_options = true;
		return expect(s, ">");
	}
	do {
		if (!option(s, seg))
			return false;
	} while (take(s, ","));
	return expect(s, ">");
}

/* [ect0], (tos 0x10), (ttl 1) */
static bool ip_info(struct script *s, struct script_segment *seg)
{
	static const char *const ecn[] = { "noecn", "ect1", "ect0", "ce" };
	int64_t n;

	if (!take(s, "[") && !take(s, "("))
		return true;
	if (take_word(s, "tos")) {
		if (!number(s, &n))
			return false;
		seg->tos = n;
		seg->tos_mask = 0xff;
	} else if (take_word(s, "ttl")) {
		if (!number(s, &n))
			return false;
		seg->ttl = n;
	} else {
		for (int i = 0; i < 4; i++) {
			if (take_word(s, ecn[i])) {
				seg->tos = i;
				seg->tos_mask = 3;
			}
		}
		if (!seg->tos_mask)
			return fail(s, "unknown field of the IP header");
	}
	return take(s, "]") || take(s, ")") || fail(s, "no ]");
}

/* A digit is AccECN's counter: the bits A, W and E. */
static bool flags(struct script *s, int *out)
{
	static const char letters[] = "FSRP.UEWA";
	const char *start, *at;

	skip(s);
	if (take(s, "-"))
		return true;
	for (start = s->pos; *s->pos; s->pos++) {
		at = strchr(letters, *s->pos);
		if (at)
			*out |= 1 << (at - letters);
		else if (*s->pos >= '0' && *s->pos <= '7')
			*out |= (*s->pos - '0') << (strchr(letters, 'E') - letters);
		else
			break;
	}
	return s->pos > start ? true : fail(s, "no flags");
}

static bool icmp(struct script *s, struct script_event *e)
{
	static const struct {
		const char *name;
		int type, code;
	} names[] = {
		{ "net_unreachable", 3, 0 }, { "host_unreachable", 3, 1 },
		{ "protocol_unreachable", 3, 2 }, { "port_unreachable", 3, 3 },
		{ "frag_needed", 3, 4 }, { "source_route_failed", 3, 5 },
		{ "net_unknown", 3, 6 }, { "host_unknown", 3, 7 },
		{ "net_prohibited", 3, 9 }, { "host_prohibited", 3, 10 },
		{ "packet_filtered", 3, 13 }, { "precedence_violation", 3, 14 },
		{ "source_quench", 4, 0 }, { "redirect", 5, 1 },
		{ "time_exceeded", 11, 0 }, { "ttl_exceeded", 11, 0 },
		{ "parameter_problem", 12, 0 }, { "param_problem", 12, 0 },
	};
	char name[32] = "net_unreachable";
	int64_t mtu;
	int len;

	memset(&e->icmp, 0, sizeof(e->icmp));
	e->kind = EVENT_ICMP;
	take_word(s, "unreachable");
	take_word(s, "dest_unreachable");
	if (!peek(s, "[") && !word(s, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i].name, name)) {
			e->icmp.type = names[i].type;
			e->icmp.code = names[i].code;
		}
	}
	if (!e->icmp.type)
		return fail(s, "unknown ICMP message");
	if (take_word(s, "mtu")) {
		if (!number(s, &mtu))
			return false;
		e->icmp.mtu = mtu;
	}
	return expect(s, "[") && range(s, &e->icmp.seq, &len) && expect(s, "]");
}

static bool segment(struct script *s, struct script_event *e)
{
	struct script_segment *seg = &e->seg;
	int64_t n;

	e->kind = take(s, "<") ? EVENT_IN : EVENT_OUT;
	if (e->kind == EVENT_OUT)
		take(s, ">");
	memset(seg, 0, sizeof(*seg));
	seg->wnd = UNSET;
	if (!ip_info(s, seg))
		return false;
	if (take_word(s, "icmp"))
		return e->kind == EVENT_IN ? icmp(s, e) : fail(s, "ICMP of the kernel's");
	if (!flags(s, &seg->flags) || !range(s, &seg->seq, &seg->len))
		return false;
	if (take_word(s, "ack")) {
		if (!number(s, &n))
			return false;
		seg->ack = n;
	}
	if (take_word(s, "win") && !number(s, &seg->wnd))
		return false;
	if (take_word(s, "urg")) {
		if (!number(s, &n))
			return false;
		seg->urg = n;
	}
	return options(s, seg);
}

static bool enclosed(struct script *s, struct script_event *e, enum script_kind kind,
		     const char *close)
{
	const char *end = strstr(s->pos, close);

	if (!end)
		return fail(s, "no end");
	e->kind = kind;
	e->body = s->pos;
	e->body_end = end;
	for (; s->pos < end; s->pos++)
		s->line += *s->pos == '\n';
	s->pos += strlen(close);
	return true;
}

static bool event_time(struct script *s, struct script_event *e)
{
	bool relative;

	e->until_ns = e->returns_ns = UNSET;
	if (take(s, "*")) {
		e->when = WHEN_ANY;
		return true;
	}
	/* A command or code needs no separator: it follows directly. */
	if (peek(s, "`") || peek(s, "%{")) {
		e->when = WHEN_RELATIVE;
		e->at_ns = 0;
		return true;
	}
	relative = take(s, "+");
	e->when = relative ? WHEN_RELATIVE : WHEN_ABSOLUTE;
	if (!seconds(s, &e->at_ns))
		return false;
	if (take(s, "~")) {
		if (relative && !take(s, "+"))
			return fail(s, "no + after ~");
		return seconds(s, &e->until_ns);
	}
	return true;
}

bool script_next(struct script *s, struct script_event *e)
{
	skip(s);
	if (s->error[0] || !*s->pos)
		return false;
	e->line = s->line;
	e->text = s->pos;
	if (!event_time(s, e))
		return false;
	if (peek(s, "<") || peek(s, ">")) {
		if (!segment(s, e))
			return false;
	} else if (take(s, "`")) {
		if (!enclosed(s, e, EVENT_COMMAND, "`"))
			return false;
	} else if (take(s, "%{")) {
		if (!enclosed(s, e, EVENT_CODE, "}%"))
			return false;
	} else if (!call(s, e)) {
		return false;
	}
	e->end = s->pos;
	return true;
}

/* --tolerance_usecs=10000 and the like, before the first event. */
static bool settings(struct script *s)
{
	static const char *const ignored[] = {
		"local_ip", "remote_ip", "bind_port", "mtu",
		"send_omit_free", "init_scripts", "wire_protocol",
		"ip_version", "define", "tcp_ts_tick_usecs",
	};
	char name[32];
	int64_t us;
	size_t i;

	while (take(s, "--")) {
		if (!word(s, name, sizeof(name)))
			return false;
		if (!strcmp(name, "recorded")) {
			s->recorded = true;
			continue;
		}
		if (!strcmp(name, "tolerance_usecs")) {
			if (!expect(s, "=") || !number(s, &us))
				return false;
			s->tolerance_ns = us * 1000;
			continue;
		}
		if (!strcmp(name, "mss")) {
			if (!expect(s, "=") || !number(s, &us))
				return false;
			s->mss = us;
			continue;
		}
		for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
			if (!strcmp(ignored[i], name))
				break;
		if (i == sizeof(ignored) / sizeof(ignored[0]))
			return fail(s, "unknown setting");
		s->pos += strcspn(s->pos, " \t\n");
	}
	return true;
}

bool script_open(struct script *s, const char *path)
{
	FILE *f = fopen(path, "r");
	size_t size = 0;
	ssize_t n;

	memset(s, 0, sizeof(*s));
	s->path = path;
	s->line = 1;
	s->tolerance_ns = TOLERANCE_NS;
	if (!f) {
		snprintf(s->error, sizeof(s->error), "%s: %s", path, strerror(errno));
		return false;
	}
	n = getdelim(&s->text, &size, '\0', f);
	fclose(f);
	if (n <= 0) {
		snprintf(s->error, sizeof(s->error), "%s: empty", path);
		return false;
	}
	s->pos = s->text;
	return settings(s);
}

void script_close(struct script *s)
{
	free(s->text);
	s->text = NULL;
}
