// SPDX-License-Identifier: GPL-2.0
/*
 * accecn.c - Accurate ECN, RFC 9768: feedback of each CE mark
 *
 * RFC 3168 (ecn.c) reports one congestion signal per round trip. Here the receiver counts, and
 * its segments carry the counts. The three flags AE, CWR and ECE become the field ACE, the low
 * bits of a counter of segments with CE:
 *
 *	ACE = (5 + segments that arrived with CE) mod 8
 *
 * Options of kind 172 and 174 carry the low 24 bits of three counters of payload bytes, by
 * codepoint. We send kind 174, whose first fields are those that change more seldom:
 *
 *	+---------+--------+-----------+----------+-----------+
 *	| kind    | length | EE1B      | ECEB     | EE0B      |	first values 1, 0, 1
 *	| 174     | 2..11  | 24 bits   | 24 bits  | 24 bits   |	172: EE0B ECEB EE1B
 *	+---------+--------+-----------+----------+-----------+
 *
 * The opening (3.1, table 2), and with which codepoint the SYN and the SYN-ACK have arrived:
 *
 *	SYN      111         Accurate ECN is offered; 011: RFC 3168
 *	SYN-ACK  010 011 100 110   accepted; the SYN was Not-ECT, ECT(1), ECT(0), CE
 *	         001 RFC 3168; 000, 111 neither
 *	ACK      010 011 100 110   of the SYN-ACK, if it has no payload
 *
 * ACE wraps when eight marks are reported at once. An ACK for many segments may hide such a
 * wrap: A.2 of the RFC, in xtcp_accecn_acked().
 *
 * All segments but SYNs and SYN-ACKs are ECT, as in Linux 7.2: retransmissions and pure
 * ACKs, too. If the handshake shows that the path changes the ECN fields (3.2.2.3, 3.2.2.4),
 * we send Not-ECT and go on reporting.
 *
 * Context: socket lock; without a socket for the listener's part.
 */
#include "transfer/accecn.h"

#include <linux/minmax.h>
#include <linux/tcp.h>
#include <net/sock.h>

#include "compat.h"
#include "net/family.h"
#include "net/skb.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"
#include "rare.h"
#include "tcb.h"

#define FIELD_LEN	3U		/* bytes of a field of the option */
#define FIELD_BITS	24

/* First values of the three counters of bytes, 3.2.1. */
#define FIRST_BYTES(codepoint)	((codepoint) == INET_ECN_CE ? 0U : 1U)

/* Segments that carry an option after a change: an ACK may be lost. */
#define DEMAND_MAX	2U

/* Unreported marks that make an ACK due; ACE wraps at 8. Linux: 6. */
#define UNSENT_MAX	6U
#define UNSENT_LIMIT	15U

/* An option is due when a counter of bytes has grown by so much; Linux: 2^22. */
#define BYTES_SILENT_SHIFT	22

/*
 * Without an option in the first 2^23 bytes none is believed later, as in Linux: the fields
 * may have wrapped.
 */
#define OPTION_LATEST	((1U << 23) - 1)

/* acked_mean: 64ths, and a new ACK has a weight of a 64th. */
#define MEAN_SHIFT	6
/* With more segments per ACK than this, the path is taken to thin out ACKs. */
#define MEAN_THINNED	4U

/* In the order of the fields of kind 174. */
static const u8 field_order[XTCP_ACCECN_COUNTS] = {
	INET_ECN_ECT_1, INET_ECN_CE, INET_ECN_ECT_0
};

static_assert(INET_ECN_ECT_1 == 1 && INET_ECN_ECT_0 == 2 && INET_ECN_CE == 3);

/* Codepoint of a field of an option. */
static u8 field_codepoint(u8 kind, unsigned int field)
{
	return field_order[kind == XTCP_OPT_ACCECN1 ? field :
			   XTCP_ACCECN_COUNTS - 1 - field];
}

/* Number of fields that an option needs in order to have that of @codepoint. */
static u8 fields_for(u8 codepoint)
{
	u8 i;

	for (i = 0; i < XTCP_ACCECN_COUNTS; i++)
		if (field_order[i] == codepoint)
			return i + 1;
	return 0;
}

static u32 field_get(const u8 *p)
{
	return (u32)p[0] << 16 | p[1] << 8 | p[2];
}

static void field_put(u8 *p, u32 value)
{
	p[0] = value >> 16;
	p[1] = value >> 8;
	p[2] = value;
}

/* --- opening ------------------------------------------------------------ */

/**
 * xtcp_accecn_reflect - the ACE field that reports how a SYN or SYN-ACK has arrived
 * @codepoint: ECN field of its IP header
 *
 * RFC 9768 table 2 and 3.
 *
 * Return: ACE
 */
u8 xtcp_accecn_reflect(u8 codepoint)
{
	static const u8 ace[] = {
		[INET_ECN_NOT_ECT]	= 2,
		[INET_ECN_ECT_1]	= 3,
		[INET_ECN_ECT_0]	= 4,
		[INET_ECN_CE]		= 6,
	};

	return ace[codepoint & INET_ECN_MASK];
}

/*
 * The codepoint that the ACE field of a SYN-ACK or of the third segment reports. Table 2 of RFC
 * 9768 has 2, 3, 4 and 6. As in Linux 0 counts as ECT(0), and 1, 5 and 7 as ECT(1).
 */
static u8 reflected_codepoint(u8 ace)
{
	switch (ace) {
	case 2:
		return INET_ECN_NOT_ECT;
	case 0:
	case 4:
		return INET_ECN_ECT_0;
	case 6:
		return INET_ECN_CE;
	default:
		return INET_ECN_ECT_1;
	}
}

/*
 * Our SYN or SYN-ACK was Not-ECT: if the peer saw anything else, something on the path changes
 * the ECN field (3.2.2.3), and marks mean nothing. Returns false then, and notes it.
 */
static bool check_not_ect(const struct xtcp_sock *xs, u8 ace)
{
	if (!XTCP_KNOB(sock_net(&xs->inet.sk), ecn_fallback) ||
	    reflected_codepoint(ace) == INET_ECN_NOT_ECT)
		return true;
	xtcp_accecn_of(xs)->fail_mode |= TCP_ACCECN_ACE_FAIL_RECV;
	return false;
}

/* Write an option with so many fields, of the counts @bytes or of none. */
static u8 option_write(u8 *option, unsigned int fields, const u32 *bytes)
{
	unsigned int i;
	u8 len = 2 + fields * FIELD_LEN;

	option[0] = XTCP_OPT_ACCECN1;
	option[1] = len;
	for (i = 0; i < fields; i++) {
		u8 codepoint = field_order[i];

		field_put(option + 2 + i * FIELD_LEN,
			  (bytes ? bytes[codepoint - 1] : 0) + FIRST_BYTES(codepoint));
	}
	return len;
}

/* Fields that fit into @room, a multiple of four; -1 if not even the empty option does. */
static int fields_fitting(unsigned int room)
{
	int fields = XTCP_ACCECN_COUNTS;

	while (fields >= 0 && ALIGN(2 + fields * FIELD_LEN, 4) > room)
		fields--;
	return fields;
}

/**
 * xtcp_accecn_first_option - make the option of a SYN-ACK
 * @option: XTCP_ACCECN_OPTION_MAX bytes, filled
 * @room: bytes left in the header
 *
 * Return: its length; 0 if there is no room for it
 */
u8 xtcp_accecn_first_option(u8 *option, unsigned int room)
{
	int fields = fields_fitting(room);

	return fields < 0 ? 0 : option_write(option, fields, NULL);
}

/**
 * xtcp_accecn_offer - prepare a connection that is going to offer Accurate ECN
 * @sk: the socket, locked
 *
 * Return: false without memory: it can't
 */
bool xtcp_accecn_offer(struct sock *sk)
{
	struct xtcp_sockopt_rare *rare;

	xtcp_assert_owned(sk);
	rare = xtcp_rare_make(sk, GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	if (!rare)
		return false;
	memset(&rare->accecn, 0, sizeof(rare->accecn));
	return true;
}

/* 3.2.3.2.4: a middlebox may have zeroed the fields. */
static u8 option_judge(const struct xtcp_options *opt)
{
	const u8 *field = opt->accecn + 2;

	if (opt->accecn_len < 2 + FIELD_LEN)
		return TCP_ACCECN_OPT_EMPTY_SEEN;
	/* The first and the last field are those of ECT(0) and ECT(1), which begin at 1. */
	if (!field_get(field) ||
	    (opt->accecn_len >= XTCP_ACCECN_OPTION_MAX &&
	     !field_get(field + 2 * FIELD_LEN)))
		return TCP_ACCECN_OPT_FAIL_SEEN;
	return TCP_ACCECN_OPT_COUNTER_SEEN;
}

/* The first option that has counters shows whether the path passes it. */
static void option_notice(struct xtcp_accecn *acc, const struct xtcp_options *opt)
{
	if (!opt->accecn_len || acc->option_seen >= TCP_ACCECN_OPT_COUNTER_SEEN)
		return;
	acc->option_seen = option_judge(opt);
	if (acc->option_seen == TCP_ACCECN_OPT_FAIL_SEEN)
		acc->fail_mode |= TCP_ACCECN_OPT_FAIL_RECV;
}

static void count_ce(struct xtcp_accecn *acc, u32 segs)
{
	acc->received_ce += segs;
	acc->unsent = min(acc->unsent + segs, UNSENT_LIMIT);
}

/**
 * xtcp_accecn_answer_syn_ack - the next pure ACK answers a SYN-ACK
 * @xs: the connection, locked, with Accurate ECN
 */
void xtcp_accecn_answer_syn_ack(struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	xtcp_accecn_of(xs)->reflect = 1;
}

/**
 * xtcp_accecn_syn_received - the peer's SYN or SYN-ACK has accepted Accurate ECN
 * @sk: the socket, locked; it has offered it
 * @seg: SYN-ACK, or the SYN of a simultaneous open
 * @codepoint: ECN field of its IP header
 */
void xtcp_accecn_syn_received(struct sock *sk, const struct xtcp_seg *seg, u8 codepoint)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	u8 ace = xtcp_seg_ace(seg);

	xtcp_assert_owned(sk);
	acc->syn_received = codepoint;
	acc->last = codepoint;
	if (!(seg->flags & XTCP_ACK))
		return;
	xtcp_accecn_answer_syn_ack(xs);
	if (seg->opt.accecn_len) {
		option_notice(acc, &seg->opt);
		acc->demand = DEMAND_MAX;
	}
	/* 5 is none of the reports of table 2, and legal. A cookie leaves the field 0. */
	if (codepoint == INET_ECN_CE &&
	    (ace == XTCP_ACE_FIRST || !ace || check_not_ect(xs, ace)))
		count_ce(acc, 1);
	else if (ace != XTCP_ACE_FIRST && ace)
		check_not_ect(xs, ace);
}

/**
 * xtcp_accecn_third_ack - process the first ACK of our SYN-ACK
 * @xs: the connection, locked, or not visible yet
 * @seg: the ACK
 *
 * RFC 9768 3.2.2.1, table 4. Only a pure ACK reports how the SYN-ACK has arrived. ACE 0, in a pure
 * ACK or with payload, shows that the path clears the field, because counting begins at 5.
 */
void xtcp_accecn_third_ack(struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	u8 ace = xtcp_seg_ace(seg);

	option_notice(acc, &seg->opt);
	if (seg->opt.nr_sacks)
		return;
	switch (ace) {
	case 0:
		acc->fail_mode |= TCP_ACCECN_ACE_FAIL_RECV | TCP_ACCECN_OPT_FAIL_RECV;
		break;
	case 1:
	case 5:
	case 7:
		break;
	default:
		if (seg->seq == seg->end && check_not_ect(xs, ace) &&
		    reflected_codepoint(ace) == INET_ECN_CE && !xs->delivered_ce)
			xs->delivered_ce = 1;
	}
}

/**
 * xtcp_accecn_adopt - use what a half-open record has negotiated
 * @xs: TCB of a new connection, with rare options
 * @seg: the segment that acknowledges our SYN-ACK; of a fast open, the SYN
 * @codepoint: ECN field with which the SYN has arrived
 * @bare_again: SYN-ACKs were sent without the flags at last: the path may drop others
 */
void xtcp_accecn_adopt(struct xtcp_sock *xs, const struct xtcp_seg *seg, u8 codepoint,
		       bool bare_again)
{
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);

	memset(acc, 0, sizeof(*acc));
	acc->syn_received = codepoint;
	acc->last = codepoint;
	acc->demand = 1;
	if (bare_again)
		acc->fail_mode |= TCP_ACCECN_ACE_FAIL_SEND;
	if (!(seg->flags & XTCP_SYN))
		xtcp_accecn_third_ack(xs, seg);
}

/**
 * xtcp_accecn_syn_ack_again - a SYN-ACK came again: our ACK of it was lost
 * @xs: the connection, locked, with Accurate ECN
 * @codepoint: ECN field of its IP header
 *
 * The ACK that answers it reports @codepoint, see xtcp_accecn_answer_syn_ack().
 */
void xtcp_accecn_syn_ack_again(struct xtcp_sock *xs, u8 codepoint)
{
	xtcp_assert_owned(&xs->inet.sk);
	xtcp_accecn_of(xs)->syn_received = codepoint;
}

/* --- sending ------------------------------------------------------------ */

/**
 * xtcp_accecn_may_mark - may our segments be ECT
 * @xs: the connection, locked, with Accurate ECN
 *
 * Return: false if the path seems to change the ECN or ACE fields
 */
bool xtcp_accecn_may_mark(const struct xtcp_sock *xs)
{
	xtcp_assert_owned(&xs->inet.sk);
	return !(xtcp_accecn_of(xs)->fail_mode &
		 (TCP_ACCECN_ACE_FAIL_RECV | TCP_ACCECN_ACE_FAIL_SEND));
}

/* Options are sent only to a peer from which one has come. */
static bool option_may_be_sent(const struct xtcp_sock *xs, u8 knob)
{
	const struct xtcp_accecn *acc = xtcp_accecn_of(xs);

	return knob && acc->option_seen &&
	       (knob >= XTCP_ECN_OPTION_PERSIST ||
		!(acc->fail_mode & TCP_ACCECN_OPT_FAIL_SEND));
}

/**
 * xtcp_accecn_fills - does each segment carry an option
 * @xs: the connection, locked
 *
 * The MSS leaves room for it then.
 *
 * Return: true if it does
 */
bool xtcp_accecn_fills(const struct xtcp_sock *xs)
{
	u8 knob;

	if (likely(!xtcp_accecn_is_on(xs)))
		return false;
	knob = XTCP_KNOB(sock_net(&xs->inet.sk), ecn_option);
	return knob >= XTCP_ECN_OPTION_ALWAYS && option_may_be_sent(xs, knob);
}

static u8 ace_to_send(const struct xtcp_accecn *acc)
{
	return (acc->received_ce + XTCP_ACE_FIRST) & XTCP_ACE_MASK;
}

/**
 * xtcp_accecn_needs_cwr - is CWR set in all segments that are sent now
 * @xs: the connection, locked
 *
 * Devices and kernels that segment an skb leave CWR in the first segment only (RFC 3168). Before
 * Linux 6.15 they can't be told of Accurate ECN, in which CWR is a bit of ACE and belongs to each
 * segment; later not always. So while CWR is set in ACE, an skb has one segment.
 *
 * Return: true if it is
 */
bool xtcp_accecn_needs_cwr(const struct xtcp_sock *xs)
{
	return unlikely(xtcp_accecn_is_on(xs)) && (ace_to_send(xtcp_accecn_of(xs)) & 2);
}

/**
 * xtcp_accecn_mark - set the ACE field of a segment
 * @xs: the connection, locked, with Accurate ECN offered or negotiated
 * @th: its header
 * @payload: it has payload
 *
 * The header's flags are those that ecn.c has chosen: ECE and CWR stand for an offer in a SYN,
 * ECE for acceptance in a SYN-ACK.
 */
void xtcp_accecn_mark(struct xtcp_sock *xs, struct tcphdr *th, bool payload)
{
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	u8 *flags = (u8 *)th + 13;
	u8 ace;

	xtcp_assert_owned(&xs->inet.sk);
	if (th->syn && !th->ack) {
		ace = *flags & XTCP_ECE ? XTCP_ACE_MASK : 0;
	} else if (th->syn) {
		ace = *flags & XTCP_ECE ? xtcp_accecn_reflect(acc->syn_received) : 0;
	} else if (acc->reflect && !payload && !th->fin && !th->rst) {
		ace = xtcp_accecn_reflect(acc->syn_received);
		acc->reflect = 0;
	} else {
		ace = ace_to_send(acc);
		acc->unsent = 0;
		acc->reflect = 0;
	}
	*flags = (*flags & ~(XTCP_ECE | XTCP_CWR)) | (u8)(ace << 6);
	((u8 *)th)[12] |= ace >> 2;
}

/* xtcp_ecn_option_beacon: options in a round trip, at the least. */
static bool beacon_is_due(const struct xtcp_sock *xs, u64 now_ns)
{
	u32 beacon = XTCP_KNOB(sock_net(&xs->inet.sk), ecn_option_beacon);
	u64 since_us = div_u64(now_ns - xtcp_accecn_of(xs)->option_ns, NSEC_PER_USEC);

	return beacon && since_us * beacon >= xs->rtt.srtt_us >> 3;
}

static bool option_is_due(const struct xtcp_sock *xs, u64 now_ns)
{
	u8 knob = XTCP_KNOB(sock_net(&xs->inet.sk), ecn_option);

	return option_may_be_sent(xs, knob) &&
	       (knob >= XTCP_ECN_OPTION_ALWAYS || xtcp_accecn_of(xs)->demand ||
		beacon_is_due(xs, now_ns));
}

/**
 * xtcp_accecn_option_put - add the option to a segment, if it is due and fits
 * @xs: the connection, locked, with Accurate ECN
 * @opt: the segment's other options, SACK blocks included
 * @room: bytes left in the header
 * @option: XTCP_ACCECN_OPTION_MAX bytes for it
 * @now_ns: current time
 *
 * An option without the counters that have changed would say that they have not. If only
 * one SACK block too many keeps it out, the block gives way, as in Linux.
 */
void xtcp_accecn_option_put(struct xtcp_sock *xs, struct xtcp_options *opt,
			    unsigned int room, u8 *option, u64 now_ns)
{
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	int fields;

	xtcp_assert_owned(&xs->inet.sk);
	acc->with_dsack = 0;
	if (!option_is_due(xs, now_ns))
		return;
	fields = fields_fitting(room);
	if (fields < acc->changed && opt->nr_sacks > 2) {
		fields = fields_fitting(room + sizeof(struct xtcp_sack_block));
		if (fields >= acc->changed)
			opt->nr_sacks--;
	}
	if (fields < acc->changed)
		return;
	opt->accecn_len = option_write(option, fields, acc->received_bytes);
	opt->accecn = option;
	acc->changed = 0;
	acc->option_ns = now_ns;
	acc->with_dsack = xs->dsack_pending;
	if (acc->demand)
		acc->demand--;
}

/* --- receiving ---------------------------------------------------------- */

/* Count payload bytes of a codepoint that is not Not-ECT. */
static void count_bytes(struct xtcp_accecn *acc, u8 codepoint, u32 len)
{
	u32 *bytes = &acc->received_bytes[codepoint - 1];
	u32 before = *bytes;

	*bytes += len;
	acc->changed = max_t(u8, acc->changed, fields_for(codepoint));
	if ((*bytes ^ before) >> BYTES_SILENT_SHIFT)
		acc->demand = max_t(u8, acc->demand, 1);
}

/**
 * xtcp_accecn_repeated - check whether the peer has missed an ACK with an option
 * @xs: the connection, locked, with Accurate ECN
 * @seg: a segment, which may lie below the window
 *
 * The peer repeats what an ACK with an option has reported as a duplicate: the ACK was
 * lost, perhaps because of the option. As in Linux no option is sent then.
 *
 * Return: true if segments have more room for payload now
 */
bool xtcp_accecn_repeated(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	bool filled;

	xtcp_assert_owned(&xs->inet.sk);
	if (likely(!acc->with_dsack) || !seg->len || seg->seq != xs->dsack.start ||
	    seq_after(seg->end, xs->rcv_nxt))
		return false;
	filled = xtcp_accecn_fills(xs);
	acc->fail_mode |= TCP_ACCECN_OPT_FAIL_SEND;
	return filled && !xtcp_accecn_fills(xs);
}

/**
 * xtcp_accecn_received - count the ECN field of a segment
 * @sk: the socket, locked, with Accurate ECN
 * @skb: segment that has passed the checks; perhaps several that were merged
 * @seg: its header; TS.Recent is still that of the segments before
 *
 * RFC 9768 3.2.1; 3.2.2.5.1 and 3.2.3.3: a change, or many marks, are reported at once. Only
 * with what is acknowledged anyway, as in Linux: a pure ACK is never answered, however many of
 * them were marked (3.2.2.5.1 asks for an ACK of seven), so two ends can't go on and on.
 *
 * Return: true if an ACK of the segment must not wait
 */
bool xtcp_accecn_received(struct sock *sk, const struct sk_buff *skb,
			  const struct xtcp_seg *seg)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	u8 codepoint = xs->af->packet->ecn(skb);
	bool changed = codepoint != acc->last;
	bool ce = codepoint == INET_ECN_CE;

	xtcp_assert_owned(sk);
	/* Above RCV.WUP segments don't change TS.Recent, and all look newer. */
	acc->ts_newer = xs->ts_ok && seg->opt.has_ts && !seq_after(seg->seq, xs->rcv_wup) &&
			(s32)(seg->opt.tsval - xs->ts_recent) > 0;
	if (codepoint != INET_ECN_NOT_ECT) {
		xs->ecn.seen = 1;
		if (ce)
			count_ce(acc, xtcp_skb_segs(skb));
		if (seg->len)
			count_bytes(acc, codepoint, seg->len);
	}
	acc->last = codepoint;
	if (changed || ce)
		acc->demand = DEMAND_MAX;
	return changed || acc->unsent >= UNSENT_MAX;
}

/*
 * Add the field of an option to its counter. The fields have 24 bits; a step back is a
 * reordered option. Returns the change.
 */
static s32 counter_follow(u32 *counter, u32 field, u8 codepoint)
{
	u32 step = field - FIRST_BYTES(codepoint) - *counter;
	s32 change = sign_extend32(step, FIELD_BITS - 1);

	*counter += change;
	return change;
}

/*
 * An option has come. If it changes one counter only, the ACKs that follow without an option
 * are taken to change the same. Returns true if the counters can be relied on for this ACK: it was
 * known which one would change, no counter went back, and at most one other has changed.
 */
static bool option_follow(struct xtcp_accecn *acc, const struct xtcp_options *opt)
{
	unsigned int fields = min_t(unsigned int, (opt->accecn_len - 2) / FIELD_LEN,
				    XTCP_ACCECN_COUNTS);
	u8 expected = acc->mostly;
	bool sure = expected, unclear = false, found = false;
	unsigned int i;

	for (i = 0; i < fields; i++) {
		u8 codepoint = field_codepoint(opt->accecn[0], i);
		s32 change = counter_follow(&acc->delivered_bytes[codepoint - 1],
					    field_get(opt->accecn + 2 + i * FIELD_LEN),
					    codepoint);

		if (change < 0)
			unclear = true;
		if (!change || codepoint == expected)
			continue;
		unclear |= found;
		if (!found)
			acc->mostly = codepoint;
		found = true;
	}
	if (unclear)
		acc->mostly = 0;
	return sure && !unclear;
}

/* Returns true if the counters of bytes can be relied on for this ACK. */
static bool options_process(const struct xtcp_sock *xs, struct xtcp_accecn *acc,
			    const struct xtcp_seg *seg, u32 bytes)
{
	if (acc->fail_mode & TCP_ACCECN_OPT_FAIL_RECV)
		return false;
	if (seg->opt.accecn_len) {
		option_notice(acc, &seg->opt);
		return option_follow(acc, &seg->opt);
	}
	if (!acc->option_seen) {
		if (xs->bytes_acked >= OPTION_LATEST) {
			acc->option_seen = TCP_ACCECN_OPT_FAIL_SEEN;
			acc->fail_mode |= TCP_ACCECN_OPT_FAIL_RECV;
		}
		return false;
	}
	if (!acc->mostly)
		return false;
	acc->delivered_bytes[acc->mostly - 1] += bytes;
	return true;
}

static void mean_update(struct xtcp_accecn *acc, u32 segs)
{
	u32 mean = acc->acked_mean;

	if (!segs)
		return;
	mean = mean ? ((mean << MEAN_SHIFT) - mean + (segs << MEAN_SHIFT)) >> MEAN_SHIFT :
		      segs << MEAN_SHIFT;
	acc->acked_mean = min_t(u32, mean, U16_MAX);
}

/*
 * RFC 9768 A.2: an ACK for more segments than ACE can count. @least is the smallest number of
 * marks that agrees with ACE, the result the largest that is possible, if the counters of bytes
 * (@ce_bytes with CE; -1: they can't be relied on) do not speak for the smallest.
 */
static u32 marks_likely(const struct xtcp_sock *xs, const struct xtcp_accecn *acc,
			u32 least, const struct xtcp_accecn_ack *ack, s64 ce_bytes)
{
	u32 bytes = ack->bytes, segs = ack->segs;
	u32 most = segs - ((segs - least) & XTCP_ACE_MASK);

	if (ce_bytes < 0)
		return acc->acked_mean > MEAN_THINNED << MEAN_SHIFT ? least : most;
	if (!ce_bytes)
		return least;
	/* ACE has wrapped perhaps more than once: estimate by the bytes. */
	if (segs >= 2 * (XTCP_ACE_MASK + 1) &&
	    (xs->sack_ok || xs->recovery == XTCP_RECOVERY_NONE ||
	     xs->recovery == XTCP_RECOVERY_REDUCTION)) {
		if (bytes <= ce_bytes)
			return most;
		return min(most, least +
			   ((u32)DIV_ROUND_UP_ULL((u64)ce_bytes * segs, bytes) &
			    ~XTCP_ACE_MASK));
	}
	/*
	 * By A.2.2 it is @most also if @ce_bytes fill half of @most segments. The line below
	 * includes that case: @least is at most 7, and another @most is at least @least + 8, so
	 * half of @most is more than @least.
	 */
	return ce_bytes > (u64)least * xs->mss ? most : least;
}

/*
 * RFC 9768 3.2.2.1: until an ACK acknowledges more than our SYN, the ACE of a pure ACK may be that
 * of the handshake, which reports how a SYN-ACK has arrived.
 */
static bool ack_is_of_syn(const struct xtcp_sock *xs, const struct xtcp_seg *seg)
{
	return seg->ack == seq_add(xs->iss, 1) && seg->ack == xs->snd_una &&
	       seg->seq == seg->end && !seg->opt.nr_sacks;
}

/**
 * xtcp_accecn_acked - process the feedback of an ACK
 * @sk: the socket, locked, with Accurate ECN
 * @seg: the ACK; xtcp_accecn_received() has seen it
 * @ack: what it has acknowledged
 *
 * Counts the marks in delivered_ce. An ACK of nothing new may have been overtaken, unless its
 * timestamp is newer; or it answers our SYN-ACK once more, and its ACE has another meaning.
 *
 * Return: number of segments that arrived at the peer with CE, and were not reported
 * before
 */
u32 xtcp_accecn_acked(struct sock *sk, const struct xtcp_seg *seg,
		      const struct xtcp_accecn_ack *ack)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	struct xtcp_accecn *acc = xtcp_accecn_of(xs);
	u32 before = acc->delivered_bytes[INET_ECN_CE - 1];
	u32 marks;
	bool sure;

	xtcp_assert_owned(sk);
	if (!ack->progress && (!acc->ts_newer || ack_is_of_syn(xs, seg)))
		return 0;
	sure = options_process(xs, acc, seg, ack->bytes);
	mean_update(acc, ack->segs);
	/*
	 * The ACE field of the handshake has another meaning. On a path that changes the
	 * fields nothing of ours may be marked, so marks are not real.
	 */
	if (ack->syn || acc->fail_mode & TCP_ACCECN_ACE_FAIL_RECV)
		return 0;
	marks = (xtcp_seg_ace(seg) - XTCP_ACE_FIRST - xs->delivered_ce) & XTCP_ACE_MASK;
	if (ack->segs > XTCP_ACE_MASK)
		marks = marks_likely(xs, acc, marks, ack,
				     sure ? acc->delivered_bytes[INET_ECN_CE - 1] - before :
					    -1LL);
	xs->delivered_ce += marks;
	XTCP_ADD(sock_net(sk), DELIVERED_CE, marks);
	return marks;
}
