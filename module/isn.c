// SPDX-License-Identifier: GPL-2.0
/*
 * isn.c - initial sequence numbers, timestamp offsets, port offsets
 *
 * Each is a keyed hash of the connection's addresses and ports. RFC 9293
 * 3.4.1 and RFC 6528 (sequence numbers), RFC 7323 5.4 (timestamp offset),
 * RFC 6056 3.3.4 (ports). Each network namespace has keys of its own: what its
 * peers learn tells nothing about the other namespaces of the machine. Any
 * context, no locks: the keys are written once, before the namespace's first
 * socket can exist.
 */
#include "isn.h"

#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/timekeeping.h>

#include "net/family.h"
#include "netns.h"
#include "tcb.h"

/*
 * The ISN clock ticks every 64 ns: RFC 9293 asks for 4 us or faster. At this
 * rate the ring is round in 275 s, more than twice the life of a segment.
 */
#define XTCP_ISN_CLOCK_SHIFT	6

/* How long the port search of one destination keeps its place, as in Linux. */
#define XTCP_PORT_PERIOD	(10 * HZ)

/**
 * xtcp_isn_net_init - draw a namespace's keys
 * @net: namespace, before its first socket
 *
 * The kernel's random numbers are ready: xtcp_init() waits for that.
 */
void xtcp_isn_net_init(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);

	get_random_bytes(xn->secrets, sizeof(xn->secrets));
}

static const siphash_key_t *secret_of(const struct net *net,
				      enum xtcp_secret secret)
{
	return &xtcp_net(net)->secrets[secret];
}

/**
 * xtcp_isn_hash - hash a connection's identity
 * @net: its namespace
 * @af: its address family
 * @key: addresses, ports, wire
 * @secret: what for
 *
 * Return: 64 bits, the same for the same @key as long as the namespace lives
 * and the module is loaded.
 */
u64 xtcp_isn_hash(const struct net *net, const struct xtcp_family *af,
		  const struct xtcp_key *key, enum xtcp_secret secret)
{
	return af->hash(key, 0, secret_of(net, secret));
}

/**
 * xtcp_isn_identity - a secret name of a connection
 * @net: its namespace
 * @af: its address family
 * @key: its identity
 *
 * One hash for two uses, to which a PRF's halves lend themselves: whoever
 * learns one learns nothing about the other.
 *
 * Return: above, the timestamp offset; below, what hides the clock in an
 * initial sequence number, or the fields of a SYN cookie, which stands in
 * place of one.
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
 * ISN = M + F(connection, secret), RFC 9293 3.4.1. M is time since boot,
 * sleep included: for the peer, time passes too.
 */
seq_t xtcp_isn(u64 identity)
{
	u64 clock = ktime_get_boottime_ns() >> XTCP_ISN_CLOCK_SHIFT;

	return SEQ(identity + clock);
}

/**
 * xtcp_isn_ts_offset - what to add to the clock in a connection's TSval
 * @identity: xtcp_isn_identity() of it
 *
 * Constant for a 4-tuple, so that its timestamps run on from one incarnation
 * to the next and PAWS can tell them apart.
 *
 * Return: ticks of the timestamp clock.
 */
u32 xtcp_isn_ts_offset(u64 identity)
{
	return identity >> 32;
}

/**
 * xtcp_isn_path_hash - the flow hash that goes with an ISN
 * @iss: our initial sequence number
 *
 * Return: not 0, which would be none.
 */
u32 xtcp_isn_path_hash(seq_t iss)
{
	return hash_32(seq_raw(iss), 32) ?: 1;
}

/**
 * xtcp_isn_flow_hash - what chooses among queues and paths, and the first IP id
 * @sk: socket whose ISN is chosen, locked
 *
 * Both want to be spread evenly and to be known to nobody who has not seen the
 * connection's segments. So is its ISN; and who has seen them learns nothing
 * more. Another flow hash may follow (sk_rethink_txhash()).
 */
void xtcp_isn_flow_hash(struct sock *sk)
{
	sk->sk_txhash = xtcp_isn_path_hash(xtcp_sk(sk)->iss);
	atomic_set(&inet_sk(sk)->inet_id, (u16)sk->sk_txhash);
}

/**
 * xtcp_isn_source - a name for where a segment comes from
 * @net: namespace
 * @af: address family
 * @key: its connection
 * @bits: of the peer's address that count, at least one
 *
 * Return: 64 bits, the same for all whose address begins alike.
 */
u64 xtcp_isn_source(const struct net *net, const struct xtcp_family *af,
		    const struct xtcp_key *key, unsigned int bits)
{
	return af->source_hash(key, bits, secret_of(net, XTCP_SECRET_SOURCE));
}

/**
 * xtcp_isn_port_offset - where the search for an ephemeral port begins
 * @net: namespace
 * @af: address family
 * @key: addresses and remote port; the local port doesn't matter
 *
 * RFC 6056's F and G in one. Which destinations meet in one counter of
 * port/ephemeral.c is a fingerprint of the machine, and so this hash changes
 * every 10 s (CVE-2022-32296).
 *
 * Return: 64 bits, evenly spread; other ones after each %XTCP_PORT_PERIOD.
 */
u64 xtcp_isn_port_offset(const struct net *net, const struct xtcp_family *af,
			 const struct xtcp_key *key)
{
	struct xtcp_key peer = *key;

	peer.lport = 0;
	return af->hash(&peer, jiffies / XTCP_PORT_PERIOD,
			secret_of(net, XTCP_SECRET_PORT));
}
