/* SPDX-License-Identifier: GPL-2.0 */
/* gate: SYNs of many sources and the firewall's rules, for gate.c and earlydrop.c. */
#ifndef SELFTESTS_OPEN_GATE_H
#define SELFTESTS_OPEN_GATE_H

#include "lib/xtcp_test.h"

#define SYN_OPT OPT(OPT_MSS(1460), OPT_SACKOK, OPT_TS(7, 0), OPT_NOP, OPT_WSCALE(7))

/* A SYN of 192.0.2.x, or of the spec's source. */
static inline void syn_from(struct peer *p, const char *src, int sport)
{
	peer_send(p, .flags = SYN, .src = ipaddr(src), .sport = sport, .seq = 1000,
		  .opt = SYN_OPT);
}

static inline void expect_syn_ack(struct peer *p, const char *dst, int dport)
{
	peer_expect(p, .flags = SYN | ACK, .dst = ipaddr(dst), .dport = dport,
		    .ack = 1001);
}

static inline void syn_is_answered(struct peer *p, const char *src, int sport)
{
	syn_from(p, src, sport);
	expect_syn_ack(p, src, sport);
}

static inline void syn_is_dropped(struct peer *p, const char *src, int sport)
{
	syn_from(p, src, sport);
	peer_expect_silence(p, 10);
}

static inline void anywhere_by_tun(struct peer *p)
{
	route_add_default(WHERE(p->test), "tun0", p->family);
}

static inline void flood(struct peer *p, int n, int sport)
{
	char src[32];

	for (int i = 0; i < n; i++) {
		snprintf(src, sizeof(src), "172.%d.%d.%d", 16 + (i >> 16), i >> 8 & 255, i & 255);
		syn_from(p, src, sport);
	}
}

/* $wire in them is the protocol of the segments. A set would upset lockdep. */
static inline void nft(struct __test_metadata *_metadata, const char *rules)
{
	char command[512];

	snprintf(command, sizeof(command), "echo '%s' | nft -D wire=%d -f -", rules, stream_wire());
	ASSERT_EQ(0, system(command)) TH_LOG("%s", command);
}

static inline void nft_expect(struct __test_metadata *_metadata, const char *chain,
			      const char *text)
{
	char command[256];

	snprintf(command, sizeof(command), "nft list chain inet t %s | grep -q '%s'", chain, text);
	EXPECT_EQ(0, system(command)) TH_LOG("no '%s' in %s", text, chain);
}

#endif
