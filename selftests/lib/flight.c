// SPDX-License-Identifier: GPL-2.0
#include "flight.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int flight_bytes(const struct conn *c)
{
	int all = 0, unsent = 0;

	ioctl(c->fd, SIOCOUTQ, &all);
	ioctl(c->fd, SIOCOUTQNSD, &unsent);
	return all - unsent;
}

void flight_prepare_at(struct where at, struct conn *c, const char *rule)
{
	socket_set(c->fd, SOL_SOCKET, SO_SNDBUF, FLIGHT_SNDBUF);
	check(!setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, rule, strlen(rule)), at,
	      "TCP_CONGESTION %s: %s", rule, strerror(errno));
}

void flight_expect_all_at(struct where at, struct conn *c, int first, int last,
			  struct segment_want want)
{
	want.len = c->seg_len;
	for (int i = first; i <= last; i++) {
		want.seq = flight_seq(c, i);
		conn_expect_at(at, c, want);
	}
}

void flight_expect_only_at(struct where at, struct conn *c, int first, int last)
{
	flight_expect_all_at(at, c, first, last, SEGMENT_WANT());
	peer_expect_silence_at(at, c->peer, now_ns() + 5 * NSEC_PER_MSEC);
}

void flight_begin_at(struct where at, struct conn *c, int n)
{
	peer_mark(c->peer);
	conn_write_at(at, c, n * c->seg_len);
	flight_expect_only_at(at, c, 0, (n < FLIGHT_INITIAL ? n : FLIGHT_INITIAL) - 1);
}

void flight_sack_at(struct where at, struct conn *c, int flags, int n,
		    const struct range *ranges, int count)
{
	struct range bytes[4];

	check(count <= 4, at, "%d SACK blocks", count);
	for (int i = 0; i < count; i++) {
		bytes[i].first = flight_seq(c, ranges[i].first);
		bytes[i].end = flight_seq(c, ranges[i].end);
	}
	conn_send_sack_at(at, c, flags, flight_seq(c, n), bytes, count);
}
