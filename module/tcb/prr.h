/* SPDX-License-Identifier: GPL-2.0 */
/* prr.h - the part of the TCB that belongs to transfer/prr.c */
#ifndef XTCP_TCB_PRR_H
#define XTCP_TCB_PRR_H

#include <linux/types.h>

/**
 * struct xtcp_prr - a reduction of the window in progress, RFC 6937
 * @delivered: segments delivered since it began
 * @out: segments sent since it began
 * @of_flight: the threshold is half of what was in flight, whatever cwnd was
 */
struct xtcp_prr {
	u32	delivered;
	u32	out:31,
		of_flight:1;
};

#endif /* XTCP_TCB_PRR_H */
