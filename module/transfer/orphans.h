/* SPDX-License-Identifier: GPL-2.0 */
/*
 * orphans.h - how many sockets without a program there may be
 */
#ifndef XTCP_TRANSFER_ORPHANS_H
#define XTCP_TRANSFER_ORPHANS_H

#include <linux/atomic.h>
#include <linux/percpu_counter.h>
#include <linux/types.h>

struct sock;

/* Counted up and down on any CPU */
extern struct percpu_counter xtcp_orphans;

/* The most that were seen; a close() does not see what CPUs have not added yet */
extern atomic_t xtcp_orphans_peak;

/* net.ipv4.xtcp_max_orphans, for all namespaces together; READ_ONCE() */
extern int xtcp_orphans_max;

int xtcp_orphans_init(void);
void xtcp_orphans_exit(void);
int xtcp_orphans_count(void);
bool xtcp_orphans_must_end(const struct sock *sk);
bool xtcp_orphans_has_no_room(const struct sock *sk);

#endif /* XTCP_TRANSFER_ORPHANS_H */
