/* SPDX-License-Identifier: GPL-2.0 */
/* ephemeral.h - the order in which ephemeral ports are tried */
#ifndef XTCP_PORT_EPHEMERAL_H
#define XTCP_PORT_EPHEMERAL_H

#include <linux/types.h>

struct sock;

/**
 * struct xtcp_port_range - a search for an ephemeral port
 * @counter: one of the host's, by a hash of both ends; advanced by 2 for each step: when the
 *	search begins for @reserved steps, at its end for those beyond. NULL for bind()
 * @reserved: steps for which @counter was advanced at the beginning
 * @low: first port of the range
 * @count: number of ports
 * @start: offset to begin at, even
 * @odd: try odd offsets before even ones
 */
struct xtcp_port_range {
	u32	*counter;
	u32	reserved;
	u32	low;
	u32	count;
	u32	start;
	bool	odd;
};

void xtcp_port_range_init(void);
void xtcp_port_range_bind(struct xtcp_port_range *range, const struct sock *sk);
void xtcp_port_range_connect(struct xtcp_port_range *range,
			     const struct sock *sk);
void xtcp_port_range_found(const struct xtcp_port_range *range, u32 tries);

/**
 * xtcp_port_range_nth - the port to try at a step of the search
 * @range: the search
 * @i: step; the steps up to and including @range->count visit each port at
 *	least once
 *
 * Return: the port.
 */
static inline u16 xtcp_port_range_nth(const struct xtcp_port_range *range,
				      u32 i)
{
	u32 half = (range->count + 1) / 2;
	bool second = i >= half;
	u32 step = second ? i - half : i;

	return range->low + (range->start + 2 * step +
			     (range->odd ^ second)) % range->count;
}

#endif /* XTCP_PORT_EPHEMERAL_H */
