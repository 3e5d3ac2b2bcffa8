/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - in place of the module's: fuzz/kernel.h is as new as the module expects
 * a kernel to be
 */
#ifndef XTCP_COMPAT_H
#define XTCP_COMPAT_H

#include "fuzz/kernel.h"

/* The cork of fuzz/kernel.h has no part for IPv6. */
#define XTCP_CORK6_SIZE	0

#endif /* XTCP_COMPAT_H */
