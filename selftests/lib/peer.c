// SPDX-License-Identifier: GPL-2.0
/* peer: see peer.h. */
#define _GNU_SOURCE
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "context.h"
#include "netns.h"
#include "proc.h"
#include "stream.h"

/*
 * From the kernel's write to our reading of the clock: a wake-up, usually; at most also
 * a softirq or a worker that runs before us (204 us were seen on 6.1).
 */
#define WAKE_NS (100 * 1000LL)
#define WAKE_MAX_NS (500 * 1000LL)

int64_t peer_slack_ns(void)
{
	const char *env = getenv("XTCP_TEST_SLACK_MS");

	return env ? atoi(env) * NSEC_PER_MSEC : 0;
}

bool peer_real_time(void)
{
	return getenv("XTCP_TEST_REAL_TIME");
}

int64_t peer_late_max_ns(int64_t delay_ns)
{
	/* The kernel's timing wheel: up to an eighth late. */
	if (stock_mode())
		return delay_ns / 8 + 30 * NSEC_PER_MSEC;
	return LATE_MAX_NS + peer_slack_ns();
}

static int64_t early_max_ns(const struct peer *p)
{
	/* The kernel's TCP counts from the last tick of 4 ms. */
	if (stock_mode())
		return 8 * NSEC_PER_MSEC;
	/* A mark that was set late makes what follows look early. */
	return p->mark_late_ns + (peer_real_time() ? peer_slack_ns() : 0);
}

void peer_note(struct peer *p, const char *fmt, ...)
{
	char *line = p->trace[p->trace_n++ % TRACE_LINES];
	int64_t us = (now_ns() - p->start_ns) / 1000;
	va_list ap;
	int n;

	n = snprintf(line, TRACE_WIDTH, "%6lld.%06lld ",
		     (long long)(us / 1000000), (long long)(us % 1000000));
	va_start(ap, fmt);
	vsnprintf(line + n, TRACE_WIDTH - n, fmt, ap);
	va_end(ap);
}

static void trace_segment(struct peer *p, const char *arrow, const struct segment *seg)
{
	char text[TRACE_WIDTH];

	if (p->no_trace)
		return;
	peer_note(p, "%s %s", arrow, segment_text(seg, text, sizeof(text)));
}

void peer_trace_print(const struct peer *p)
{
	int first = p->trace_n > TRACE_LINES ? p->trace_n - TRACE_LINES : 0;

	for (int i = first; i < p->trace_n; i++)
		fprintf(stderr, "#   %s\n", p->trace[i % TRACE_LINES]);
}

void peer_fail(struct where at, struct peer *p, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	peer_trace_print(p);
	check_fail(at, "%s", text);
}

void peer_open_at(struct where at, struct peer *p, const struct peer_setup *setup)
{
	int family = setup && setup->family ? setup->family : test_family();
	bool v6 = family == AF_INET6;

	memset(p, 0, sizeof(*p));
	p->test = at.test;
	p->family = family;
	p->wire = setup && setup->wire ? setup->wire : stream_wire();
	p->kernel = ipaddr(v6 ? "fd00:a::1" : "10.0.0.1");
	p->addr = ipaddr(v6 ? "fd00:a::2" : "10.0.0.2");
	p->port = p->next_port = PEER_PORT;
	p->kport = KERNEL_PORT;
	netns_new(at);
	/* No router solicitations between our segments. */
	if (!v6) {
		sysctl_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
		sysctl_write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	} else {
		sysctl_write("/proc/sys/net/ipv6/conf/default/router_solicitations", "0");
		sysctl_write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1");
	}
	sysctl_write("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	p->offload = setup && setup->offload;
	p->tun = p->offload ? tun_new_offload(at, "tun0") : tun_new(at, "tun0");
	if (test_family() == AF_INET6)
		link_set_mtu(at, "tun0", 1500);
	context_apply_to_link(at, "tun0");
	address_add(at, "tun0", &p->kernel, v6 ? 64 : 24);
	route_add_default(at, "tun0", p->family);
	/*
	 * Where the defaults of the kernel's TCP are not xtcp's; and its metrics, which would
	 * round the times of a next connection.
	 */
	if (stock_mode()) {
		knob_set("syn_linear_timeouts", 0);
		knob_set("no_metrics_save", 1);
	}
	/* The reader must not answer before it is due. */
	if (peer_real_time())
		knob_set("early_retrans", 0);
	p->start_ns = p->mark_ns = now_ns();
}

/* Multicast housekeeping of the IP layers is left out. */
static bool is_noise(const struct segment *seg)
{
	if (seg->proto == IPPROTO_IGMP)
		return true;
	return seg->src.family == AF_INET6 && seg->proto != IPPROTO_TCP &&
	       seg->proto != IPPROTO_XTCP && seg->dst.v6.s6_addr[0] == 0xff;
}

/* A device with offloads has a header in front of each packet. */
static int tun_read(const struct peer *p, void *packet, int size, bool *csum_later)
{
	struct virtio_net_hdr vnet;
	struct iovec iov[] = {
		{ .iov_base = &vnet, .iov_len = sizeof(vnet) },
		{ .iov_base = packet, .iov_len = size },
	};
	int n;

	*csum_later = false;
	if (!p->offload)
		return read(p->tun, packet, size);
	n = readv(p->tun, iov, 2) - (int)sizeof(vnet);
	*csum_later = n > 0 && (vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	return n;
}

static int tun_write(const struct peer *p, const void *packet, int len)
{
	bool v6 = (*(const uint8_t *)packet >> 4) == 6;
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	struct iovec iov[] = {
		{ .iov_base = &vnet, .iov_len = sizeof(vnet) },
		{ .iov_base = (void *)packet, .iov_len = len },
	};
	int ip = v6 ? 40 : (*(const uint8_t *)packet & 15) * 4;
	int proto = ((const uint8_t *)packet)[v6 ? 6 : 9];
	int n;

	if (!p->offload)
		return write(p->tun, packet, len);
	if (proto == IPPROTO_TCP || proto == IPPROTO_XTCP) {
		int header = ip + (((const uint8_t *)packet)[ip + 12] >> 4) * 4;

		/* The payload of a large one is in pages. */
		vnet.hdr_len = header <= len ? header : 0;
		if (p->gso_size && proto == IPPROTO_TCP && len - header > p->gso_size) {
			vnet.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
			vnet.gso_size = p->gso_size;
		}
	}
	n = writev(p->tun, iov, 2);
	return n < 0 ? n : n - (int)sizeof(vnet);
}

const struct segment *peer_read(struct peer *p, int64_t deadline_ns)
{
	struct pollfd pfd = { .fd = p->tun, .events = POLLIN };
	struct segment *seg = &p->last;
	struct timespec ts;
	bool csum_later;
	int64_t left;
	int n;

	for (;;) {
		n = tun_read(p, seg->packet, sizeof(seg->packet), &csum_later);
		if (n > 0) {
			seg->when_ns = now_ns();
			seg->packet_len = n;
			segment_parse(seg, p->wire);
			/* The device would complete it. */
			if (csum_later)
				seg->csum_ok = seg->seed_ok;
			if (is_noise(seg))
				continue;
			trace_segment(p, "<", seg);
			return seg;
		}
		left = deadline_ns - now_ns();
		if (left <= 0)
			return NULL;
		/* ppoll() may be late by a thousandth of its time, until another timer expires. */
		left -= left / 1000;
		ts.tv_sec = left / NSEC_PER_SEC;
		ts.tv_nsec = left % NSEC_PER_SEC;
		ppoll(&pfd, 1, &ts, NULL);
	}
}

int peer_drain(struct peer *p, int64_t ms)
{
	int64_t until_ns = now_ns() + ms * NSEC_PER_MSEC;
	int n = 0;

	while (peer_read(p, until_ns))
		n++;
	return n;
}

void peer_close_at(struct where at, struct peer *p)
{
	if (!check_is_over(p->test)) {
		if (!p->leave_unread && peer_read(p, now_ns()))
			peer_fail(at, p, "the test ended and left a segment unread");
		if (!p->stock_may_speak)
			stock_expect_silent_at(at);
		lifecycle_expect_known_at(at);
		context_expect_whole_at(at);
		lifecycle_log(at);
	}
	close(p->tun);
}

struct segment_spec peer_spec_complete(const struct peer *p, struct segment_spec spec)
{
	if (!spec.src.family)
		spec.src = p->addr;
	if (!spec.dst.family)
		spec.dst = p->kernel;
	if (!spec.proto)
		spec.proto = p->wire;
	if (spec.sport == UNSET)
		spec.sport = p->port;
	if (spec.dport == UNSET)
		spec.dport = p->kport;
	if (spec.flags == UNSET)
		spec.flags = ACK;
	if (spec.seq == UNSET)
		spec.seq = 0;
	if (spec.ack == UNSET)
		spec.ack = 0;
	if (spec.wnd == UNSET)
		spec.wnd = 65535;
	if (spec.data && spec.len == UNSET)
		spec.len = strlen(spec.data);
	return spec;
}

void peer_send_raw_at(struct where at, struct peer *p, const void *packet, int len)
{
	static struct segment seg;

	if (!p->no_trace) {
		memcpy(seg.packet, packet, len);
		seg.packet_len = len;
		segment_parse(&seg, p->wire);
		trace_segment(p, ">", &seg);
	}
	if (tun_write(p, packet, len) != len)
		peer_fail(at, p, "write to tun: %s", strerror(errno));
}

void peer_send_at(struct where at, struct peer *p, struct segment_spec spec)
{
	static uint8_t packet[PACKET_MAX];

	spec = peer_spec_complete(p, spec);
	peer_send_raw_at(at, p, packet, segment_build(&spec, packet));
}

/* A list of the fields that differ, as text. */
struct diff {
	char text[512];
	int n;
};

static void diff_field(struct diff *d, const char *name, int64_t want, int64_t got)
{
	if (want == UNSET || want == got || d->n >= (int)sizeof(d->text))
		return;
	d->n += snprintf(d->text + d->n, sizeof(d->text) - d->n,
			 " %s %lld (expected %lld)", name, (long long)got,
			 (long long)want);
}

static void diff_address(struct diff *d, const char *name,
			 const struct ipaddr *want, const struct ipaddr *got)
{
	char w[INET6_ADDRSTRLEN], g[INET6_ADDRSTRLEN];

	if (ipaddr_equal(want, got) || d->n >= (int)sizeof(d->text))
		return;
	d->n += snprintf(d->text + d->n, sizeof(d->text) - d->n,
			 " %s %s (expected %s)", name,
			 ipaddr_text(got, g, sizeof(g)), ipaddr_text(want, w, sizeof(w)));
}

static void diff_flags(struct diff *d, int64_t want, int got)
{
	static const char letters[] = "FSRP.UEWA";
	char w[10] = "", g[10] = "";

	if (want == UNSET || want == got || d->n >= (int)sizeof(d->text))
		return;
	for (int i = 0, wn = 0, gn = 0; i < 9; i++) {
		if (want & 1 << i)
			w[wn++] = letters[i];
		if (got & 1 << i)
			g[gn++] = letters[i];
	}
	d->n += snprintf(d->text + d->n, sizeof(d->text) - d->n,
			 " flags [%s] (expected [%s])", g, w);
}

static void diff_options(struct diff *d, const struct segment_want *w,
			 const struct segment_options *o)
{
	diff_field(d, "option bytes", w->opt_len, o->len);
	diff_field(d, "mss", w->mss, o->mss);
	diff_field(d, "wscale", w->wscale, o->wscale);
	diff_field(d, "sackok", w->sackok, o->sackok);
	diff_field(d, "timestamps", w->ts, o->ts);
	diff_field(d, "cookie", w->cookie, o->has_cookie);
	diff_field(d, "token", w->token, o->has_token);
	diff_field(d, "tsval", w->tsval, o->tsval);
	diff_field(d, "tsecr", w->tsecr, o->tsecr);
	diff_field(d, "accecn fields", w->accecn, o->accecn);
	diff_field(d, "e1b", w->e1b, o->e1b);
	diff_field(d, "ceb", w->ceb, o->ceb);
	diff_field(d, "e0b", w->e0b, o->e0b);
	diff_field(d, "sack blocks", w->sacks, o->sacks);
	for (int i = 0; i < w->sacks && i < o->sacks && i < 4; i++) {
		diff_field(d, "sack left", w->sack[i].left, o->sack[i].left);
		diff_field(d, "sack right", w->sack[i].right, o->sack[i].right);
	}
}

static void diff_text(struct diff *d, const struct segment_want *w,
		      const struct segment *seg)
{
	int64_t len = w->len;
	ssize_t wrong = -1;

	if (len == UNSET && w->data)
		len = strlen(w->data);
	else if (len == UNSET && w->pattern == UNSET && w->flags != UNSET)
		len = 0;
	diff_field(d, "len", len, seg->len);
	if (w->data && len == seg->len && memcmp(seg->data, w->data, len))
		wrong = 0;
	else if (w->pattern != UNSET)
		wrong = pattern_check(seg->data, seg->len, w->pattern);
	if (wrong >= 0 && d->n < (int)sizeof(d->text))
		d->n += snprintf(d->text + d->n, sizeof(d->text) - d->n,
				 " text differs from byte %zd on", wrong);
}

static void diff_time(struct diff *d, const struct peer *p,
		      const struct segment_want *w, const struct segment *seg)
{
	int64_t delay_ns = w->at_ms * NSEC_PER_MSEC;
	int64_t late_ns = seg->when_ns - p->mark_ns - delay_ns;

	if (w->at_ms == UNSET || d->n >= (int)sizeof(d->text))
		return;
	if (late_ns < -early_max_ns(p) || late_ns > peer_late_max_ns(delay_ns))
		d->n += snprintf(d->text + d->n, sizeof(d->text) - d->n,
				 " at %.3f ms (expected %lld)",
				 (seg->when_ns - p->mark_ns) / 1e6,
				 (long long)w->at_ms);
}

/* The wanted segment, printed like a line of the trace, as far as it was described. */
static const char *want_text(const struct segment_want *w, char *buf, size_t size)
{
	struct {
		const char *name;
		int64_t value;
	} fields[] = {
		{ "seq", w->seq }, { "ack", w->ack }, { "win", w->wnd },
		{ "mss", w->mss }, { "wscale", w->wscale },
		{ "sackOK", w->sackok }, { "TS", w->ts },
		{ "cookie", w->cookie }, { "token", w->token }, { "len", w->len },
		{ "at ms", w->at_ms }, { "within ms", w->within_ms },
	};
	static const char letters[] = "FSRP.UEW";
	size_t n = 0;

	n += snprintf(buf + n, size - n, "%lld > %lld [", (long long)w->sport,
		      (long long)w->dport);
	for (int i = 0; i < 9 && w->flags != UNSET; i++)
		if (w->flags & 1 << i)
			n += snprintf(buf + n, size - n, "%c", letters[i]);
	n += snprintf(buf + n, size - n, "%s]", w->flags == UNSET ? "any" : "");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].value != UNSET)
			n += snprintf(buf + n, size - n, " %s %lld",
				      fields[i].name, (long long)fields[i].value);
	return buf;
}

/* When to give up; a late segment is waited for, so that the report has it. */
static int64_t want_deadline_ns(const struct peer *p, const struct segment_want *w)
{
	if (w->at_ms != UNSET)
		return p->mark_ns + w->at_ms * NSEC_PER_MSEC +
		       peer_late_max_ns(w->at_ms * NSEC_PER_MSEC) + NSEC_PER_SEC;
	return now_ns() + (w->within_ms == UNSET ? PROMPT_MS : w->within_ms) *
	       NSEC_PER_MSEC + peer_slack_ns();
}

const struct segment *peer_expect_at(struct where at, struct peer *p,
				     struct segment_want w)
{
	char wanted[256], got[TRACE_WIDTH];
	const struct segment *seg;
	struct diff d = { .n = 0 };

	if (!w.src.family)
		w.src = p->kernel;
	if (!w.dst.family)
		w.dst = p->addr;
	if (w.sport == UNSET)
		w.sport = p->kport;
	if (w.dport == UNSET)
		w.dport = p->port;
	want_text(&w, wanted, sizeof(wanted));
	seg = peer_read(p, want_deadline_ns(p, &w));
	if (!seg)
		peer_fail(at, p, "nothing was sent; expected %s", wanted);
	segment_text(seg, got, sizeof(got));
	if (!seg->is_tcp)
		peer_fail(at, p, "got %s; expected %s", got, wanted);
	diff_address(&d, "source", &w.src, &seg->src);
	diff_address(&d, "destination", &w.dst, &seg->dst);
	diff_field(&d, "source port", w.sport == ANYWHERE ? UNSET : w.sport, seg->sport);
	diff_field(&d, "destination port", w.dport == ANYWHERE ? UNSET : w.dport,
		   seg->dport);
	diff_flags(&d, w.flags, seg->flags);
	diff_field(&d, "seq", w.seq == UNSET ? UNSET : (uint32_t)w.seq, seg->seq);
	diff_field(&d, "ack", w.ack == UNSET ? UNSET : (uint32_t)w.ack, seg->ack);
	diff_field(&d, "win", w.wnd, seg->wnd);
	diff_field(&d, "urg", w.urg, seg->urg);
	diff_field(&d, "ttl", w.ttl, seg->ttl);
	diff_field(&d, "tos", w.tos, seg->tos);
	diff_options(&d, &w, &seg->opt);
	diff_text(&d, &w, seg);
	diff_time(&d, p, &w, seg);
	diff_field(&d, "reserved bits", 0, seg->reserved);
	diff_field(&d, "malformed options", 0, seg->opt.malformed);
	diff_field(&d, "good checksum", 1, seg->csum_ok);
	if (d.n)
		peer_fail(at, p, "wrong segment:%s\n#   got      %s\n#   expected %s",
			  d.text, got, wanted);
	return seg;
}

void peer_expect_silence_at(struct where at, struct peer *p, int64_t until_ns)
{
	const struct segment *seg = peer_read(p, until_ns);
	char got[TRACE_WIDTH];

	if (seg)
		peer_fail(at, p, "silence was expected for another %lld ms; got %s",
			  (long long)((until_ns - seg->when_ns) / NSEC_PER_MSEC),
			  segment_text(seg, got, sizeof(got)));
}

void peer_mark(struct peer *p)
{
	p->mark_ns = now_ns();
	p->mark_late_ns = 0;
	peer_note(p, "-- mark --");
}

void peer_mark_last(struct peer *p)
{
	p->mark_ns = p->last.when_ns - WAKE_NS;
	p->mark_late_ns = WAKE_MAX_NS - WAKE_NS;
}

int64_t peer_elapsed_ms(const struct peer *p)
{
	return (now_ns() - p->mark_ns) / NSEC_PER_MSEC;
}

void peer_sleep_until(struct peer *p, int64_t at_ms)
{
	sleep_until_ns(p->mark_ns + at_ms * NSEC_PER_MSEC);
}

void peer_expect_poll_at(struct where at, struct peer *p, int fd, int events,
			 int64_t at_ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int64_t late_ns = peer_late_max_ns(at_ms * NSEC_PER_MSEC);
	int64_t left_ns = p->mark_ns + at_ms * NSEC_PER_MSEC + late_ns - now_ns();
	struct timespec ts = {
		.tv_sec = left_ns / NSEC_PER_SEC, .tv_nsec = left_ns % NSEC_PER_SEC,
	};
	int64_t when_ns;

	if (left_ns < 0 || ppoll(&pfd, 1, &ts, NULL) < 1)
		peer_fail(at, p, "no event at %lld ms", (long long)at_ms);
	when_ns = now_ns() - p->mark_ns;
	if (when_ns < at_ms * NSEC_PER_MSEC - early_max_ns(p))
		peer_fail(at, p, "event %#x at %.3f ms (expected %lld)",
			  pfd.revents, when_ns / 1e6, (long long)at_ms);
	if ((pfd.revents & events) != events)
		peer_fail(at, p, "events %#x (expected %#x)", pfd.revents, events);
}

int peer_listen_at(struct where at, struct peer *p, int port, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&p->kernel, port, &sa);
	int fd = stream_socket(p->family);

	check(fd >= 0, at, "socket: %s", strerror(errno));
	fd_nonblock(fd);
	check(!bind(fd, (struct sockaddr *)&sa, len), at, "bind: %s", strerror(errno));
	check(!listen(fd, backlog), at, "listen: %s", strerror(errno));
	return fd;
}

void peer_go_native(struct peer *p)
{
	p->wire = XTCP_WIRE_NATIVE;
	sysctl_write("/proc/sys/net/ipv4/xtcp_wire", "253");
}

int peer_hold_at(struct where at, struct peer *p, int port)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&p->kernel, port, &sa);
	int one = 1, fd;

	if (stock_mode() || p->wire != XTCP_WIRE_TCP)
		return -1;
	fd = stream_socket(p->family);
	check(fd >= 0, at, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	check(!bind(fd, (struct sockaddr *)&sa, len), at, "bind: %s", strerror(errno));
	return fd;
}

/*
 * The ICMPv6 equivalent of an ICMP message of IPv4, as near as possible (RFC 7915
 * 4.2).
 */
static void icmp6_translate(struct where at, const struct icmp_spec *s,
			    uint8_t *type, uint8_t *code, uint32_t *rest)
{
	static const uint8_t unreachable[16] = {
		[0] = 0, [1] = 3, [3] = 4, [5] = 0, [9] = 1, [10] = 1, [13] = 1,
	};

	*code = 0;
	*rest = s->rest;
	switch (s->type) {
	case 3:
		if (s->code == 2) {
			/*
			 * The next header is unknown: the pointer of the message says
			 * so.
			 */
			*type = 4;
			*code = 1;
			*rest = 6;
			break;
		}
		*type = s->code == 4 ? 2 : 1;
		*code = s->code == 4 ? 0 : unreachable[s->code & 15];
		if (s->code == 4)
			*rest += 20;
		break;
	case 11:
		*type = 3;
		*code = s->code;
		break;
	case 12:
		*type = 4;
		break;
	default:
		/* A message of ICMPv6 as given. */
		*type = s->type;
		*code = s->code;
	}
	check(s->type != 5, at, "redirects are made by hand");
}

struct icmp_meaning {
	int err;
	bool final;
};

static struct icmp_meaning icmp_meaning(int type, int code)
{
	static const struct icmp_meaning unreachable[2][16] = {
		{
			[0] = { ENETUNREACH, false }, [1] = { EHOSTUNREACH, false },
			[2] = { ENOPROTOOPT, true }, [3] = { ECONNREFUSED, true },
			[5] = { EOPNOTSUPP, false }, [13] = { EHOSTUNREACH, true },
		}, {
			[0] = { ENETUNREACH, false }, [1] = { EHOSTUNREACH, false },
			[2] = { EPROTO, true }, [3] = { ECONNREFUSED, true },
			[5] = { ENETUNREACH, false }, [13] = { EACCES, true },
		},
	};
	bool v6 = test_family() == AF_INET6;

	if (type == 3)
		return unreachable[v6][code & 15];
	return (struct icmp_meaning){ type == 11 ? EHOSTUNREACH : EPROTO, type == 12 && v6 };
}

bool icmp_is_final(int type, int code)
{
	return icmp_meaning(type, code).final;
}

int icmp_errno(int type, int code)
{
	return icmp_meaning(type, code).err;
}

/* RFC 4884: pad the quote of @len bytes with zeros, and add the extension. Return: all bytes. */
static int quote_extend(uint8_t *quote, int len, const struct icmp_spec *s)
{
	memset(quote + len, 0, ICMP_QUOTE_PADDED - len);
	memcpy(quote + ICMP_QUOTE_PADDED, s->extension, s->extension_len);
	return ICMP_QUOTE_PADDED + s->extension_len;
}

/* Of a segment without payload. */
#define HEADERS_MAX 160

/* The same over IPv6. */
static void send_icmp6(struct where at, struct peer *p, const struct icmp_spec *s)
{
	const struct segment *quote = s->quote ? s->quote : &p->last;
	struct segment_spec carrier = peer_spec(p, .proto = IPPROTO_ICMPV6,
						.src = s->from);
	uint8_t packet[40 + 8 + ICMP_QUOTE_PADDED + ICMP_EXTENSION_MAX] = { 0 }, built[HEADERS_MAX];
	uint8_t *icmp = packet + 40, *tcp = icmp + 8 + 40;
	int len = 8 + 40 + s->quote_len;
	uint32_t rest = s->rest;
	uint16_t csum;

	if (s->type == 4 && !s->v6)
		return;
	icmp[0] = s->type;
	icmp[1] = s->code;
	if (!s->v6)
		icmp6_translate(at, s, &icmp[0], &icmp[1], &rest);
	for (int i = 0; i < 4; i++)
		icmp[4 + i] = rest >> (24 - 8 * i);
	memcpy(icmp + 8, quote->packet, 40 + s->quote_len);
	if (s->quote_proto != UNSET)
		icmp[8 + 6] = s->quote_proto;
	if (s->quote_sport != UNSET)
		*(uint16_t *)tcp = htons(s->quote_sport);
	if (s->quote_dport != UNSET)
		*(uint16_t *)(tcp + 2) = htons(s->quote_dport);
	for (int i = 0; i < 4 && s->quote_seq != UNSET; i++)
		tcp[4 + i] = (uint32_t)s->quote_seq >> (24 - 8 * i);
	if (s->extension) {
		icmp[4] = ICMP_QUOTE_PADDED / 8;
		len = 8 + quote_extend(icmp + 8, 40 + s->quote_len, s);
	}
	carrier.ip_len = len;
	segment_build(&carrier, built);
	memcpy(packet, built, 40);
	csum = ip_checksum(icmp, len, segment_pseudo_sum(&carrier.src, &carrier.dst,
							 IPPROTO_ICMPV6, len));
	icmp[2] = csum >> 8;
	icmp[3] = csum;
	if (s->bad_csum)
		icmp[3] ^= 0x55;
	peer_send_raw_at(at, p, packet, 40 + len);
}

void peer_jam_at(struct where at, struct peer *p)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_sockaddr(&p->addr, 9, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM, 0);

	netem_set(at, "tun0", &(struct netem){ .delay_ms = 100000, .limit = 1 });
	check(sendto(fd, "x", 1, 0, (void *)&sa, len) == 1, at, "sendto: %s", strerror(errno));
	close(fd);
}

void peer_send_icmp_at(struct where at, struct peer *p, struct icmp_spec s)
{
	const struct segment *quote = s.quote ? s.quote : &p->last;
	uint8_t packet[20 + 8 + ICMP_QUOTE_PADDED + ICMP_EXTENSION_MAX] = { 0 };
	uint8_t *icmp = packet + 20, *ip = icmp + 8, *tcp = ip + 20;
	struct segment_spec carrier = peer_spec(p, .proto = IPPROTO_ICMP, .frag = 0,
						.src = s.from);
	uint8_t built[HEADERS_MAX];
	uint16_t csum;
	int len;

	check(s.quote_len <= quote->packet_len - 20, at, "quote too long");
	check(s.extension_len <= ICMP_EXTENSION_MAX, at, "extension too long");
	if (p->family == AF_INET6) {
		send_icmp6(at, p, &s);
		return;
	}
	icmp[0] = s.type;
	icmp[1] = s.code;
	for (int i = 0; i < 4; i++)
		icmp[4 + i] = s.rest >> (24 - 8 * i);
	memcpy(ip, quote->packet, 20 + s.quote_len);
	if (s.quote_proto != UNSET)
		ip[9] = s.quote_proto;
	if (s.quote_sport != UNSET)
		*(uint16_t *)tcp = htons(s.quote_sport);
	if (s.quote_dport != UNSET)
		*(uint16_t *)(tcp + 2) = htons(s.quote_dport);
	for (int i = 0; i < 4 && s.quote_seq != UNSET; i++)
		tcp[4 + i] = (uint32_t)s.quote_seq >> (24 - 8 * i);
	len = 20 + 8 + 20 + s.quote_len;
	if (s.extension) {
		icmp[5] = ICMP_QUOTE_PADDED / 4;
		len = 20 + 8 + quote_extend(ip, 20 + s.quote_len, &s);
	}
	csum = ip_checksum(icmp, len - 20, 0);
	icmp[2] = csum >> 8;
	icmp[3] = csum;
	if (s.bad_csum)
		icmp[3] ^= 0x55;
	/* Only the IP header of the segment that is built for this is used. */
	carrier.ip_len = len;
	segment_build(&carrier, built);
	memcpy(packet, built, 20);
	peer_send_raw_at(at, p, packet, len);
}
