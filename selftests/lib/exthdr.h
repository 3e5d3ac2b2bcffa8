/* SPDX-License-Identifier: GPL-2.0 */
/*
 * exthdr: extension headers between the IPv6 header and a segment, and fragments. RFC
 * 8200 4.
 */
#ifndef SELFTESTS_LIB_EXTHDR_H
#define SELFTESTS_LIB_EXTHDR_H

#include <stdint.h>

/* Kinds of extension headers, as the byte before them names them. */
enum {
	EXT_HOPOPTS = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_DSTOPTS = 60,
};

/*
 * Puts @len bytes of extension headers, the first of kind @next, behind the IPv6
 * header of a packet of @n bytes, which has room for them. The last of them gets the
 * next-header value of the IPv6 header. Returns the packet's new length.
 */
int exthdr_put(uint8_t *packet, int n, int next, const uint8_t *headers, int len);

/*
 * Makes a packet of a part of another packet's payload, from byte @from to byte @to;
 * all parts but the last are multiples of 8. Returns its length.
 */
int fragment_cut(const uint8_t *packet, int n, int from, int to, uint32_t id,
		 uint8_t *out);

#endif
