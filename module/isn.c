// SPDX-License-Identifier: GPL-2.0
/*
 * isn.c - initial sequence numbers, timestamp offsets, port offsets
 *
 * Each is a keyed hash of the connection's addresses and ports. RFC 9293
 * 3.4.1 and RFC 6528 (sequence numbers), RFC 7323 5.4 (timestamp offset),
 * RFC 6056 3.3.4 (ports). Each network namespace has its own keys, so that its
 * peers learn nothing about the other namespaces of the machine.
 *
 * Context: any, no locks. The keys are written once, when the namespace begins: even
 * without a socket it answers segments, with a flow label that a key hides.
 */
#include "isn.h"

#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/timekeeping.h>

#include "net/family.h"
#include "netns.h"
#include "tcb.h"

/*
 * The ISN clock ticks every 64 ns: RFC 9293 asks for 4 us or faster. At this
 * rate the ISN wraps after 275 s, more than twice the lifetime of a segment.
 */
#define XTCP_ISN_CLOCK_SHIFT	6

/* How long a destination keeps its port offset, as in Linux. */
#define XTCP_PORT_PERIOD	(10 * HZ)

/**
 * xtcp_isn_net_init - draw a namespace's keys
 * @net: namespace, which begins
 *
 * The kernel's random numbers are ready: xtcp_init() waits for that.
 */
void xtcp_isn_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	get_random_bytes(xn->secrets, sizeof(xn->secrets));
}

static const siphash_key_t *isn_secret(const struct net *net,
				       enum xtcp_secret secret)
{
	return &xtcp_net(net)->secrets[secret];
}

/**
 * xtcp_isn_hash - hash a connection's addresses, ports and wire
 * @net: its namespace
 * @af: its address family
 * @key: addresses, ports, wire
 * @secret: key to use
 *
 * Return: 64 bits, the same for the same @key as long as the namespace lives
 * and the module is loaded.
 */
u64 xtcp_isn_hash(const struct net *net, const struct xtcp_family *af,
		  const struct xtcp_key *key, enum xtcp_secret secret)
{
	return af->addr->hash(key, 0, isn_secret(net, secret));
}

/**
 * xtcp_isn_identity - hash from which ISN and timestamp offset are derived
 * @net: its namespace
 * @af: its address family
 * @key: addresses, ports, wire
 *
 * One hash serves both uses: the halves of a pseudorandom function's output
 * are independent, so a peer that learns one learns nothing about the other.
 *
 * Return: upper 32 bits: the timestamp offset; lower 32 bits: the number that
 * hides the clock in an initial sequence number, or the fields of a classic
 * cookie, which is sent instead of one.
 */
u64 xtcp_isn_identity(const struct net *net, const struct xtcp_family *af,
		      const struct xtcp_key *key)
{
	return xtcp_isn_hash(net, af, key, XTCP_SECRET_IDENTITY);
}

/**
 * xtcp_isn - initial sequence number for a new connection
 * @identity: xtcp_isn_identity() of it
 *
 * ISN = M + F(connection, secret), RFC 9293 3.4.1. M is the time since boot
 * including suspend, because the peer's clock runs on while we are suspended.
 *
 * Return: the ISN.
 */
seq_t xtcp_isn(u64 identity)
{
	u64 clock = ktime_get_boottime_ns() >> XTCP_ISN_CLOCK_SHIFT;

	return SEQ(identity + clock);
}

/* RFC 9293 MAY-2; the kernel's TCP has the same number. */
#define NEW_ISN_GAP	65537U

/**
 * xtcp_isn_above - initial sequence number for the successor of a connection in TIME-WAIT
 * @snd_nxt: SND.NXT of that connection
 *
 * Return: an ISN above all sequence numbers that it has used; not 0.
 */
seq_t xtcp_isn_above(seq_t snd_nxt)
{
	seq_t iss = seq_add(snd_nxt, NEW_ISN_GAP);

	return seq_raw(iss) ? iss : SEQ(1);
}

/**
 * xtcp_isn_is_behind - are all numbers of a connection behind the ISN clock
 * @identity: xtcp_isn_identity() of the connection
 * @seq: behind the numbers that it has used last
 *
 * The clock argument of RFC 9293 3.4.1, checked for one connection: old segments of
 * it lie below the first number of a successor, unless the connection has sent faster
 * than the clock runs, or half a lap of the clock (137 s) has passed since. More than
 * 2 GiB ahead of the clock can't be told from behind it.
 *
 * Return: true if the ISN of this 4-tuple is @seq now or above it, and stays above it
 * for 137 s at least.
 */
bool xtcp_isn_is_behind(u64 identity, seq_t seq)
{
	return seq_before_eq(seq, xtcp_isn(identity));
}

/**
 * xtcp_isn_ts_offset - offset of a connection's TSval from the clock
 * @identity: xtcp_isn_identity() of it
 *
 * Constant for a 4-tuple, so that its timestamps increase from one incarnation
 * to the next and PAWS can tell them apart.
 *
 * Return: ticks of the timestamp clock.
 */
u32 xtcp_isn_ts_offset(u64 identity)
{
	return identity >> 32;
}

/**
 * xtcp_isn_path_hash - flow hash of the connection with this ISN
 * @net: its namespace
 * @iss: our initial sequence number
 *
 * The SYN-ACK and the child that it leads to have the same one.
 *
 * Return: the hash; never 0, which means no hash.
 */
u32 xtcp_isn_path_hash(const struct net *net, seq_t iss)
{
	return (u32)siphash_1u32(seq_raw(iss), isn_secret(net, XTCP_SECRET_PATH)) ?: 1;
}

/**
 * xtcp_isn_flow_hash - set the flow hash and the first IP identification
 * @sk: socket whose ISN is chosen, locked
 *
 * The flow hash chooses among transmit queues and paths. Both numbers must be
 * evenly spread and unknown to anybody who has not seen the connection's
 * segments. The ISN has both properties, and the key hides it: where IPsec encrypts
 * the TCP header, the flow label can still be read. A connect() that needed a flow hash
 * for its route has drawn one, and keeps it. xtcp_rethink_txhash() may replace
 * the flow hash later.
 *
 * By sk_hash the qdisc fq tells a connection from an older one whose memory it has.
 */
void xtcp_isn_flow_hash(struct sock *sk)
{
	xtcp_assert_owned(sk);
	if (!sk->sk_txhash)
		sk->sk_txhash = xtcp_isn_path_hash(sock_net(sk), xtcp_sk(sk)->iss);
	sk->sk_hash = sk->sk_txhash;
	atomic_set(&inet_sk(sk)->inet_id, (u16)sk->sk_txhash);
}

/**
 * xtcp_isn_source - hash a segment's source
 * @net: namespace
 * @af: address family
 * @key: its connection
 * @bits: prefix length of the peer's address, at least 1
 *
 * Return: 64 bits, the same for all peers whose addresses agree in the first
 * @bits bits.
 */
u64 xtcp_isn_source(const struct net *net, const struct xtcp_family *af,
		    const struct xtcp_key *key, unsigned int bits)
{
	return af->addr->source_hash(key, bits, isn_secret(net, XTCP_SECRET_SOURCE));
}

/**
 * xtcp_isn_port_offset - start of the search for an ephemeral port
 * @net: namespace
 * @af: address family
 * @key: addresses and remote port; the local port is ignored
 *
 * F and G of RFC 6056 in one hash. The set of destinations that share a
 * counter of port/ephemeral.c would be a fingerprint of the machine
 * (CVE-2022-32296), so the hash changes every 10 s.
 *
 * Return: 64 bits, evenly spread; they change after each %XTCP_PORT_PERIOD.
 */
u64 xtcp_isn_port_offset(const struct net *net, const struct xtcp_family *af,
			 const struct xtcp_key *key)
{
	struct xtcp_key peer = *key;

	peer.lport = 0;
	return af->addr->hash(&peer, jiffies / XTCP_PORT_PERIOD,
			      isn_secret(net, XTCP_SECRET_PORT));
}
