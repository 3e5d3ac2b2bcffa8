// SPDX-License-Identifier: GPL-2.0
/*
 * family.c - from an address family's number to its operations
 */
#include "net/family.h"

#include <linux/socket.h>

/**
 * xtcp_family_get - operations of an address family
 * @family: AF_INET
 *
 * Any context. Return: NULL for a family that xtcp doesn't speak.
 */
const struct xtcp_family *xtcp_family_get(u8 family)
{
	switch (family) {
	case AF_INET:
		return &xtcp_ipv4;
	default:
		return NULL;
	}
}
