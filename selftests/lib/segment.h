/* SPDX-License-Identifier: GPL-2.0 */
/*
 * segment: a TCP segment in an IP packet, to build, to parse and to print. RFC 9293
 * 3.1 (header), RFC 7323, 2018 and 9768 (options), RFC 791, 8200.
 *
 * Three forms: struct segment_spec says what to build and may ask for any nonsense;
 * struct segment is a parsed segment; bytes are between.
 */
#ifndef SELFTESTS_LIB_SEGMENT_H
#define SELFTESTS_LIB_SEGMENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field that the caller left alone. No header field can hold this value. */
#define UNSET INT64_MIN
/* Every field is UNSET first; then the fields that the caller names are set again. */
#pragma GCC diagnostic ignored "-Woverride-init"

enum {
	FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08,
	ACK = 0x10, URG = 0x20, ECE = 0x40, CWR = 0x80,
	AE = 0x100,		/* the lowest reserved bit, RFC 9768 */
};

#define PACKET_MAX 66000	/* bytes; IP: 65535, but for a jumbogram (RFC 2675) */
#define TCP_HEADER_MIN 20
#define TCP_OPTIONS_MAX 40

struct ipaddr {
	int family;		/* AF_INET, AF_INET6; 0: none given */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/*
 * "10.0.0.1" or "fd00::1"; anything else ends the program. A test that runs over IPv6
 * gets an IPv6 address for an IPv4 one: fd00:a::1, or ::1 for 127.0.0.1.
 */
struct ipaddr ipaddr(const char *text);
bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b);
const char *ipaddr_text(const struct ipaddr *a, char *buf, size_t size);
/*
 * An end of a connection as in xtcp's own files: 10.0.0.1:5000, or over IPv6
 * [fd00:a::1]:5000. A device may follow the address: "127.0.0.1%lo". Each of the last
 * four results stays valid.
 */
const char *end_text(const char *addr, int port);
/*
 * The family of a test run that the test itself does not name, by XTCP_TEST_FAMILY: 4
 * (or unset), 6, or mapped. With mapped, IPv4 is on the wire and sockets are IPv6's: a
 * socket gets a mapped address for an IPv4 one.
 */
int test_family(void);
bool test_is_mapped(void);
/* The family of the socket where a test that names none writes AF_INET. */
int socket_family(int family);
socklen_t ipaddr_sockaddr(const struct ipaddr *a, uint16_t port,
			  struct sockaddr_storage *out);

/*
 * Option bytes, written as OPT(OPT_MSS(1460), OPT_SACKOK). A header's options
 * end on a multiple of four: building pads with zeros (end of list).
 */
struct optbytes {
	uint8_t len;
	uint8_t b[TCP_OPTIONS_MAX];
};

#define OPT(...) ((struct optbytes){ \
	.len = sizeof((uint8_t[]){ __VA_ARGS__ }), .b = { __VA_ARGS__ } })

#define OPT_BE16(n) (uint8_t)((n) >> 8), (uint8_t)(n)
#define OPT_BE32(n) (uint8_t)((n) >> 24), (uint8_t)((n) >> 16), \
	(uint8_t)((n) >> 8), (uint8_t)(n)
#define OPT_EOL 0
#define OPT_NOP 1
#define OPT_MSS(n) 2, 4, OPT_BE16(n)
#define OPT_WSCALE(n) 3, 3, (n)
#define OPT_SACKOK 4, 2
#define OPT_SACK1(l, r) 5, 10, OPT_BE32(l), OPT_BE32(r)
#define OPT_SACK2(l, r, l2, r2) 5, 18, OPT_BE32(l), OPT_BE32(r), \
	OPT_BE32(l2), OPT_BE32(r2)
#define OPT_TS(val, ecr) 8, 10, OPT_BE32(val), OPT_BE32(ecr)
/* Accurate ECN: kind 174 with all fields, with one; kind 172 with all. */
#define OPT_BE24(n) (uint8_t)((n) >> 16), (uint8_t)((n) >> 8), (uint8_t)(n)
#define OPT_ACCECN1(e1b, ceb, e0b) 174, 11, OPT_BE24(e1b), OPT_BE24(ceb), OPT_BE24(e0b)
#define OPT_ACCECN0(e0b, ceb, e1b) 172, 11, OPT_BE24(e0b), OPT_BE24(ceb), OPT_BE24(e1b)
/* An experiment's option (RFC 6994), so many bytes in all; its own bytes follow. */
#define OPT_EXID(len, exid) 253, (len), OPT_BE16(exid)

/* The lossless cookie: the bytes behind its ExID. */
#define COOKIE_EXID 0x5843
#define COOKIE_LEN 16
/* The token of stateless TIME-WAIT: the bytes behind its ExID. */
#define TOKEN_EXID 0x5854
#define FASTOPEN_EXID 0xf989	/* RFC 7413 appendix, kind 254 */
#define TOKEN_LEN 12

struct segment_spec {
	/* IP */
	struct ipaddr src, dst;
	int ttl, tos;
	int proto;
	int frag;			/* IPv4 flags and offset, host order */
	int64_t ip_len;			/* total length to claim */
	struct optbytes ip_opt;
	/* TCP */
	int64_t sport, dport;
	int64_t flags;
	int64_t seq, ack;
	int64_t wnd;
	int urg;
	int reserved;			/* the four bits after the data offset, AE included */
	int64_t doff;			/* data offset to claim, in words */
	struct optbytes opt;
	bool no_opt;			/* conn_send: no options, not even timestamps */
	bool bad_csum;
	/* payload: data, or len bytes of the pattern starting at offset pattern */
	const void *data;
	int64_t len;
	int64_t pattern;
	int64_t cut;			/* keep so many bytes behind the IP header */
};

#define SEGMENT_SPEC_UNSET \
	.ttl = 64, .frag = 0x4000, .ip_len = UNSET, .sport = UNSET, \
	.dport = UNSET, .flags = UNSET, .seq = UNSET, .ack = UNSET, \
	.wnd = UNSET, .doff = UNSET, .len = UNSET, .pattern = UNSET, \
	.cut = UNSET
#define SEGMENT_SPEC(...) \
	((struct segment_spec){ SEGMENT_SPEC_UNSET, ##__VA_ARGS__ })

struct sack_block {
	uint32_t left, right;
};

/* The options of a list that were there. */
struct segment_options {
	int len;			/* bytes of options */
	int mss;			/* -1: absent, so for each below */
	int wscale;
	bool sackok;
	bool ts;
	uint32_t tsval, tsecr;
	int sacks;
	struct sack_block sack[4];
	bool has_cookie;
	uint8_t cookie[COOKIE_LEN];
	bool has_token;
	uint8_t token[TOKEN_LEN];
	int fastopen;			/* bytes of the cookie of fast open; 0: a request */
	bool fastopen_exp;
	uint8_t fastopen_cookie[16];
	int accecn;			/* fields of Accurate ECN; -1: absent */
	int e1b, ceb, e0b;		/* as on the wire; -1: not among them */
	bool malformed;
};

struct segment {
	int64_t when_ns;		/* read from the device at */
	struct ipaddr src, dst;
	int proto;
	int ttl, tos;
	uint32_t label;			/* IPv6's flow label */
	int ip_id;
	bool df;			/* IPv4's bit; over IPv6 always */
	uint16_t sport, dport;
	uint16_t flags;			/* AE included */
	uint8_t reserved;		/* AE excluded */
	uint32_t seq, ack;
	uint16_t wnd, urg;
	struct segment_options opt;
	int len;			/* bytes of payload */
	const uint8_t *data;		/* into packet */
	bool is_tcp;			/* else only src, dst and proto are valid */
	bool csum_ok;			/* TCP's, and IPv4's own */
	bool seed_ok;			/* the checksum is that of the pseudo-header alone */
	int packet_len;
	uint8_t packet[PACKET_MAX];
};

/* Writes the packet to buf (PACKET_MAX bytes), returns its length. */
int segment_build(const struct segment_spec *spec, uint8_t *buf);
/* proto: the IP protocol that carries TCP headers, 6 or 253. */
void segment_parse(struct segment *seg, int proto);
const char *segment_text(const struct segment *seg, char *buf, size_t size);
/* Sequence numbers used: payload, SYN and FIN. */
uint32_t segment_seqlen(const struct segment *seg);
uint32_t segment_pseudo_sum(const struct ipaddr *src, const struct ipaddr *dst,
			    int proto, int len);
uint16_t ip_checksum(const void *data, int len, uint32_t start);

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
