/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ephemeral.h - which port is tried next
 */
#ifndef XTCP_PORT_EPHEMERAL_H
#define XTCP_PORT_EPHEMERAL_H

#include <linux/types.h>

struct sock;

/* Counters of the machine, as many as Linux has; RFC 6056 3.3.4. */
#define XTCP_PERTURB_SLOTS	65536	/* power of two */

/**
 * struct xtcp_port_range - ports in the order in which they are tried
 * @counter: to be moved on; NULL for bind()
 * @low: first of the range
 * @count: how many
 * @start: offset to begin at, even
 * @odd: offsets that are odd come first
 */
struct xtcp_port_range {
	u32	*counter;
	u32	low;
	u32	count;
	u32	start;
	bool	odd;
};

void xtcp_port_range_init(void);
void xtcp_port_range_bind(struct xtcp_port_range *range, const struct sock *sk);
void xtcp_port_range_connect(struct xtcp_port_range *range,
			     const struct sock *sk);
u16 xtcp_port_range_nth(const struct xtcp_port_range *range, u32 i);
void xtcp_port_range_found(const struct xtcp_port_range *range, u32 tries);

#endif /* XTCP_PORT_EPHEMERAL_H */
