// SPDX-License-Identifier: GPL-2.0
/*
 * exthdr: see exthdr.h.
 */
#include "exthdr.h"

#include <string.h>

#define HEADER_LEN 40		/* IPv6's own */
#define NEXT 6
#define FRAGMENT_LEN 8

static void payload_len_set(uint8_t *packet, int n)
{
	packet[4] = (n - HEADER_LEN) >> 8;
	packet[5] = n - HEADER_LEN;
}

int exthdr_put(uint8_t *packet, int n, int next, const uint8_t *headers, int len)
{
	uint8_t *payload = packet + HEADER_LEN;

	memmove(payload + len, payload, n - HEADER_LEN);
	memcpy(payload, headers, len);
	packet[NEXT] = next;
	payload_len_set(packet, n + len);
	return n + len;
}

int fragment_cut(const uint8_t *packet, int n, int from, int to, uint32_t id,
		 uint8_t *out)
{
	uint8_t *fragment = out + HEADER_LEN;
	int more = to < n - HEADER_LEN;
	int len = to - from;

	memcpy(out, packet, HEADER_LEN);
	memset(fragment, 0, FRAGMENT_LEN);
	fragment[0] = packet[NEXT];
	fragment[2] = from >> 8;
	fragment[3] = (from & 0xf8) | more;
	memcpy(fragment + 4, &id, 4);
	memcpy(fragment + FRAGMENT_LEN, packet + HEADER_LEN + from, len);
	out[NEXT] = EXT_FRAGMENT;
	payload_len_set(out, HEADER_LEN + FRAGMENT_LEN + len);
	return HEADER_LEN + FRAGMENT_LEN + len;
}
