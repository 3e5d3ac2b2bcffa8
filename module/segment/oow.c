// SPDX-License-Identifier: GPL-2.0
/*
 * oow.c - answers to segments out of the window ("oow"): challenge ACKs (RFC 5961), within
 * the limits of a connection and of its namespace
 *
 * Context: softirq or process. The namespace's share has no lock: two CPUs may take the same
 * part of it.
 */
#include "segment/oow.h"

#include <linux/random.h>

#include "clock.h"
#include "compat.h"
#include "net/wire.h"
#include "netns.h"
#include "observe/stats.h"

/*
 * A second's share of challenge ACKs, drawn at random around the limit: from half of it to
 * three halves, and not 0 unless the limit is. Otherwise an attacker could count the challenge
 * ACKs of one connection, and learn how many another connection has caused.
 */
static u32 challenge_share_draw(int limit)
{
	u32 most = max(limit, 0);

	return most ? (most + 1) / 2 + get_random_u32_below(most) : 0;
}

/* xtcp_challenge_ack_limit: challenge ACKs of the namespace in each second. */
static bool challenge_share_take(struct net *net)
{
	int limit = XTCP_KNOB(net, challenge_ack_limit);
	struct xtcp_net *xn = xtcp_net(net);
	u32 now = xtcp_now_s();
	u32 left;

	if (limit == INT_MAX)
		return true;
	if (READ_ONCE(xn->challenge_s) != now) {
		WRITE_ONCE(xn->challenge_s, now);
		WRITE_ONCE(xn->challenges, challenge_share_draw(limit));
	}
	left = READ_ONCE(xn->challenges);
	if (!left)
		return false;
	WRITE_ONCE(xn->challenges, left - 1);
	return true;
}

/**
 * xtcp_oow_take_challenge - take a challenge ACK from the rate limits, or count that it is skipped
 * @net: namespace
 * @last_ms: time of the last answer of the connection or record, as for xtcp_oow_take_answer()
 *
 * The limit of the connection or record is asked first, so that one of them can't use up
 * the share of all. RFC 5961 7 exempts no segment.
 *
 * Context: any.
 * Return: true if the caller is to send it.
 */
bool xtcp_oow_take_challenge(struct net *net, u32 *last_ms)
{
	if (!xtcp_oow_take_answer(net, last_ms, NULL)) {
		XTCP_INC(net, ACK_SKIPPED_CHALLENGE);
		return false;
	}
	if (!challenge_share_take(net))
		return false;
	XTCP_INC(net, CHALLENGE_ACK);
	return true;
}
