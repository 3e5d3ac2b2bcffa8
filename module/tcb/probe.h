/* SPDX-License-Identifier: GPL-2.0 */
/* probe.h - the part of the TCB that belongs to transfer/probe.c */
#ifndef XTCP_TCB_PROBE_H
#define XTCP_TCB_PROBE_H

#include <linux/types.h>

/**
 * struct xtcp_probe - probes of a silent peer
 * @out: number of window or keepalive probes since the peer's last answer
 * @backoff: doublings of the time to the next window probe
 */
struct xtcp_probe {
	u8	out;
	u8	backoff;
};

#endif /* XTCP_TCB_PROBE_H */
