// SPDX-License-Identifier: GPL-2.0
/* segment: builds, parses and prints; see segment.h. */
#include "segment.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define IPV4_HEADER_MIN 20
#define IPV6_HEADER 40

static bool family_is(const char *name)
{
	const char *chosen = getenv("XTCP_TEST_FAMILY");

	return chosen && !strcmp(chosen, name);
}

int test_family(void)
{
	return family_is("6") ? AF_INET6 : AF_INET;
}

bool test_is_mapped(void)
{
	return family_is("mapped");
}

int socket_family(int family)
{
	return test_is_mapped() || test_family() == AF_INET6 ? AF_INET6 : family;
}

static struct ipaddr mapped(const struct ipaddr *a)
{
	struct ipaddr addr6 = { .family = AF_INET6 };

	addr6.v6.s6_addr[10] = addr6.v6.s6_addr[11] = 0xff;
	memcpy(&addr6.v6.s6_addr[12], &a->v4, 4);
	return addr6;
}

/* 10.0.0.1 becomes fd00:a::1; a /24 becomes a /64. */
static struct ipaddr native(const struct ipaddr *a)
{
	const uint8_t *v4 = (const uint8_t *)&a->v4;
	struct ipaddr addr6 = { .family = AF_INET6 };

	if (a->v4.s_addr == htonl(INADDR_LOOPBACK)) {
		addr6.v6 = in6addr_loopback;
	} else if (a->v4.s_addr) {
		addr6.v6.s6_addr[0] = 0xfd;
		for (int i = 0; i < 3; i++)
			addr6.v6.s6_addr[3 + 2 * i] = v4[i];
		addr6.v6.s6_addr[15] = v4[3];
	}
	return addr6;
}

struct ipaddr ipaddr(const char *text)
{
	struct ipaddr a = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(a.family, text, &a.v6) != 1) {
		fprintf(stderr, "# not an address: %s\n", text);
		abort();
	}
	return a.family == AF_INET && test_family() == AF_INET6 ? native(&a) : a;
}

bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	return !memcmp(&a->v6, &b->v6, sizeof(a->v6));
}

const char *ipaddr_text(const struct ipaddr *a, char *buf, size_t size)
{
	if (!inet_ntop(a->family, &a->v6, buf, size))
		snprintf(buf, size, "?");
	return buf;
}

const char *end_text(const char *addr, int port)
{
	static char texts[4][96];
	static unsigned int next;
	char *text = texts[next++ % 4], bare[64], printed[INET6_ADDRSTRLEN];
	const char *device = strchr(addr, '%') ?: "";
	struct ipaddr a;

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(addr, "%"), addr);
	a = ipaddr(bare);
	ipaddr_text(&a, printed, sizeof(printed));
	snprintf(text, sizeof(texts[0]), a.family == AF_INET6 ? "[%s]%s:%d" : "%s%s:%d",
		 printed, device, port);
	return text;
}

socklen_t ipaddr_sockaddr(const struct ipaddr *a, uint16_t port,
			  struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct ipaddr addr6;

	if (a->family == AF_INET && test_is_mapped()) {
		addr6 = mapped(a);
		a = &addr6;
	}
	memset(out, 0, sizeof(*out));
	out->ss_family = a->family;
	if (a->family == AF_INET6) {
		in6->sin6_port = htons(port);
		in6->sin6_addr = a->v6;
		return sizeof(*in6);
	}
	in->sin_port = htons(port);
	in->sin_addr = a->v4;
	return sizeof(*in);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint32_t sum_bytes(const uint8_t *p, int len, uint32_t sum)
{
	for (; len > 1; p += 2, len -= 2)
		sum += get16(p);
	if (len)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* RFC 1071, in host order; start is a partial sum. 0 over a correct packet. */
uint16_t ip_checksum(const void *data, int len, uint32_t start)
{
	return ~sum_bytes(data, len, start);
}

/* RFC 9293 3.1 and RFC 8200 8.1: addresses, protocol and length. */
uint32_t segment_pseudo_sum(const struct ipaddr *src, const struct ipaddr *dst,
			   int proto, int len)
{
	int size = src->family == AF_INET ? 4 : 16;
	uint32_t sum = proto + (len >> 16) + (len & 0xffff);

	sum = sum_bytes((const uint8_t *)&src->v6, size, sum);
	return sum_bytes((const uint8_t *)&dst->v6, size, sum);
}

static int pad4(int len)
{
	return (len + 3) & ~3;
}

static int build_tcp(const struct segment_spec *s, uint8_t *tcp)
{
	int header = TCP_HEADER_MIN + pad4(s->opt.len);
	int doff = s->doff == UNSET ? header / 4 : s->doff;
	int text = s->len == UNSET ? 0 : s->len;
	uint16_t csum;

	put16(tcp, s->sport);
	put16(tcp + 2, s->dport);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (doff << 4) | (s->reserved & 15) | (s->flags & AE ? 1 : 0);
	tcp[13] = s->flags;
	put16(tcp + 14, s->wnd);
	put16(tcp + 16, 0);
	put16(tcp + 18, s->urg);
	memset(tcp + TCP_HEADER_MIN, 0, header - TCP_HEADER_MIN);
	memcpy(tcp + TCP_HEADER_MIN, s->opt.b, s->opt.len);
	if (s->data)
		memcpy(tcp + header, s->data, text);
	else
		pattern_fill(tcp + header, text,
			     s->pattern == UNSET ? 0 : s->pattern);
	if (s->cut != UNSET && s->cut < header + text)
		text = s->cut - header;
	if (header + text < 18)		/* cut before the checksum's end */
		return header + text;
	csum = ip_checksum(tcp, header + text,
			   segment_pseudo_sum(&s->src, &s->dst, s->proto, header + text));
	put16(tcp + 16, s->bad_csum ? csum ^ 0x5555 : csum);
	return header + text;
}

int segment_build(const struct segment_spec *s, uint8_t *buf)
{
	int header = s->src.family == AF_INET ?
		     IPV4_HEADER_MIN + pad4(s->ip_opt.len) : IPV6_HEADER;
	int len = header + build_tcp(s, buf + header);
	static uint16_t ip_id;

	if (s->src.family == AF_INET6) {
		put32(buf, 6U << 28 | (uint32_t)s->tos << 20);
		put16(buf + 4, s->ip_len == UNSET ? len - header : s->ip_len);
		buf[6] = s->proto;
		buf[7] = s->ttl;
		memcpy(buf + 8, &s->src.v6, 16);
		memcpy(buf + 24, &s->dst.v6, 16);
		return len;
	}
	memset(buf, 0, header);
	buf[0] = 4 << 4 | header / 4;
	buf[1] = s->tos;
	put16(buf + 2, s->ip_len == UNSET ? len : s->ip_len);
	put16(buf + 4, ++ip_id);
	put16(buf + 6, s->frag);
	buf[8] = s->ttl;
	buf[9] = s->proto;
	memcpy(buf + 12, &s->src.v4, 4);
	memcpy(buf + 16, &s->dst.v4, 4);
	memcpy(buf + IPV4_HEADER_MIN, s->ip_opt.b, s->ip_opt.len);
	put16(buf + 10, ip_checksum(buf, header, 0));
	return len;
}

/* Kind 174 begins with ECT(1), kind 172 with ECT(0). */
static void parse_accecn(struct segment_options *o, const uint8_t *p)
{
	int *field[] = { &o->e1b, &o->ceb, &o->e0b };

	o->accecn = (p[1] - 2) / 3;
	o->malformed |= (p[1] - 2) % 3 || o->accecn > 3;
	for (int i = 0; i < o->accecn && i < 3; i++)
		*field[p[0] == 174 ? i : 2 - i] =
			p[2 + 3 * i] << 16 | p[3 + 3 * i] << 8 | p[4 + 3 * i];
}

static void parse_option(struct segment_options *o, const uint8_t *p)
{
	switch (p[0]) {
	case 2:
		o->malformed |= p[1] != 4;
		o->mss = get16(p + 2);
		break;
	case 3:
		o->malformed |= p[1] != 3;
		o->wscale = p[2];
		break;
	case 4:
		o->malformed |= p[1] != 2;
		o->sackok = true;
		break;
	case 5:
		o->sacks = (p[1] - 2) / 8;
		o->malformed |= (p[1] - 2) % 8 || o->sacks > 4;
		for (int i = 0; i < o->sacks && i < 4; i++) {
			o->sack[i].left = get32(p + 2 + 8 * i);
			o->sack[i].right = get32(p + 6 + 8 * i);
		}
		break;
	case 8:
		o->malformed |= p[1] != 10;
		o->ts = true;
		o->tsval = get32(p + 2);
		o->tsecr = get32(p + 6);
		break;
	case 172:
	case 174:
		parse_accecn(o, p);
		break;
	case 34:
	case 254:
		o->fastopen_exp = p[0] == 254;
		o->malformed |= o->fastopen_exp && get16(p + 2) != FASTOPEN_EXID;
		o->fastopen = p[1] - (o->fastopen_exp ? 4 : 2);
		o->malformed |= o->fastopen < 0 || o->fastopen > 16 || o->fastopen % 2;
		if (!o->malformed)
			memcpy(o->fastopen_cookie, p + p[1] - o->fastopen, o->fastopen);
		break;
	case 253:
		if (p[1] == 4 + COOKIE_LEN && get16(p + 2) == COOKIE_EXID) {
			o->has_cookie = true;
			memcpy(o->cookie, p + 4, COOKIE_LEN);
		} else if (p[1] == 4 + TOKEN_LEN && get16(p + 2) == TOKEN_EXID) {
			o->has_token = true;
			memcpy(o->token, p + 4, TOKEN_LEN);
		} else {
			o->malformed = true;
		}
		break;
	}
}

/* The kernel's own options are checked strictly, padding included (MUST-69). */
static void parse_options(struct segment_options *o, const uint8_t *p, int len)
{
	const uint8_t *end = p + len;

	*o = (struct segment_options){
		.len = len, .mss = -1, .wscale = -1, .fastopen = -1,
		.accecn = -1, .e1b = -1, .ceb = -1, .e0b = -1,
	};
	while (p < end && *p != 0) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p) {
			o->malformed = true;
			return;
		}
		parse_option(o, p);
		p += p[1];
	}
	for (; p < end; p++)
		o->malformed |= *p != 0;
}

static void parse_tcp(struct segment *seg, const uint8_t *tcp, int len)
{
	int header = len < TCP_HEADER_MIN ? 0 : (tcp[12] >> 4) * 4;
	uint32_t pseudo;

	if (header < TCP_HEADER_MIN || header > len)
		return;
	seg->is_tcp = true;
	seg->sport = get16(tcp);
	seg->dport = get16(tcp + 2);
	seg->seq = get32(tcp + 4);
	seg->ack = get32(tcp + 8);
	seg->reserved = tcp[12] & 14;
	seg->flags = tcp[13] | (tcp[12] & 1 ? AE : 0);
	seg->wnd = get16(tcp + 14);
	seg->urg = get16(tcp + 18);
	parse_options(&seg->opt, tcp + TCP_HEADER_MIN, header - TCP_HEADER_MIN);
	seg->len = len - header;
	seg->data = tcp + header;
	pseudo = segment_pseudo_sum(&seg->src, &seg->dst, seg->proto, len);
	/* 0 and 0xffff are the same number. */
	seg->seed_ok = seg->csum_ok && get16(tcp + 16) % 0xffff == pseudo % 0xffff;
	seg->csum_ok &= !ip_checksum(tcp, len, pseudo);
}

/* Skips hop-by-hop and destination options, which name the header behind them. */
static int past_options(struct segment *seg, int header)
{
	const uint8_t *p = seg->packet;

	while ((seg->proto == IPPROTO_HOPOPTS || seg->proto == IPPROTO_DSTOPTS) &&
	       header + 8 <= seg->packet_len) {
		seg->proto = p[header];
		header += 8 * (p[header + 1] + 1);
	}
	return header < seg->packet_len ? header : seg->packet_len;
}

void segment_parse(struct segment *seg, int proto)
{
	const uint8_t *p = seg->packet;
	int header, len = seg->packet_len;

	seg->is_tcp = seg->seed_ok = false;
	seg->proto = -1;
	seg->len = 0;
	if (len >= IPV4_HEADER_MIN && p[0] >> 4 == 4) {
		header = (p[0] & 15) * 4;
		seg->src.family = seg->dst.family = AF_INET;
		memcpy(&seg->src.v4, p + 12, 4);
		memcpy(&seg->dst.v4, p + 16, 4);
		seg->tos = p[1];
		seg->ip_id = get16(p + 4);
		seg->df = p[6] & 0x40;
		seg->ttl = p[8];
		seg->proto = p[9];
		seg->csum_ok = !ip_checksum(p, header, 0) && get16(p + 2) == len;
	} else if (len >= IPV6_HEADER && p[0] >> 4 == 6) {
		header = IPV6_HEADER;
		seg->src.family = seg->dst.family = AF_INET6;
		memcpy(&seg->src.v6, p + 8, 16);
		memcpy(&seg->dst.v6, p + 24, 16);
		seg->tos = (get16(p) >> 4) & 0xff;
		seg->label = (uint32_t)(p[1] & 0xf) << 16 | get16(p + 2);
		seg->ip_id = 0;
		seg->df = true;
		seg->ttl = p[7];
		seg->proto = p[6];
		seg->csum_ok = get16(p + 4) + IPV6_HEADER == len;
		header = past_options(seg, header);
	} else {
		return;
	}
	if (seg->proto == proto)
		parse_tcp(seg, p + header, len - header);
}

uint32_t segment_seqlen(const struct segment *seg)
{
	return seg->len + !!(seg->flags & SYN) + !!(seg->flags & FIN);
}

static int print_options(const struct segment_options *o, char *buf, int size)
{
	int n = 0;

	if (o->mss >= 0)
		n += snprintf(buf + n, size - n, ",mss %d", o->mss);
	if (o->wscale >= 0)
		n += snprintf(buf + n, size - n, ",wscale %d", o->wscale);
	if (o->sackok)
		n += snprintf(buf + n, size - n, ",sackOK");
	if (o->ts)
		n += snprintf(buf + n, size - n, ",TS %u:%u", o->tsval, o->tsecr);
	for (int i = 0; i < o->sacks && i < 4; i++)
		n += snprintf(buf + n, size - n, ",sack %u:%u",
			      o->sack[i].left, o->sack[i].right);
	if (o->accecn >= 0)
		n += snprintf(buf + n, size - n, ",accecn e1b %d ceb %d e0b %d",
			      o->e1b, o->ceb, o->e0b);
	if (o->has_cookie)
		n += snprintf(buf + n, size - n, ",cookie");
	if (o->has_token)
		n += snprintf(buf + n, size - n, ",token");
	if (o->malformed)
		n += snprintf(buf + n, size - n, ",MALFORMED");
	return n;
}

const char *segment_text(const struct segment *seg, char *buf, size_t size)
{
	static const char letters[] = "FSRP.UEWA";
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], flags[10] = "";
	char options[200] = "";

	ipaddr_text(&seg->src, src, sizeof(src));
	ipaddr_text(&seg->dst, dst, sizeof(dst));
	if (!seg->is_tcp) {
		snprintf(buf, size, "%s > %s proto %d, %d bytes", src, dst,
			 seg->proto, seg->packet_len);
		return buf;
	}
	for (int i = 0, n = 0; i < 9; i++)
		if (seg->flags & 1 << i)
			flags[n++] = letters[i];
	print_options(&seg->opt, options, sizeof(options));
	snprintf(buf, size, "%s.%u > %s.%u [%s] seq %u ack %u win %u%s%.0u <%s> len %d%s",
		 src, seg->sport, dst, seg->dport, flags[0] ? flags : "none",
		 seg->seq, seg->ack, seg->wnd, seg->urg ? " urg" : "", seg->urg,
		 options[0] ? options + 1 : "", seg->len,
		 seg->csum_ok ? "" : " BAD CHECKSUM");
	return buf;
}
