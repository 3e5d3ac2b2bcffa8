/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lockname.h - names by which lockdep and /proc/lock_stat show the module's locks
 */
#ifndef XTCP_LOCKNAME_H
#define XTCP_LOCKNAME_H

#include <linux/lockdep.h>

/**
 * xtcp_lock_name - give a lock a class of its own, with a name that is the module's
 * @lock: just initialised, not visible to others yet
 * @name: string constant beginning with "xtcp_"
 *
 * spin_lock_init() names a class after its argument, and the kernel has an "&base->lock"
 * and a "&q->lock", too. Nothing without CONFIG_DEBUG_LOCK_ALLOC.
 */
#define xtcp_lock_name(lock, name)					\
	do {								\
		static struct lock_class_key __key;			\
									\
		lockdep_set_class_and_name(lock, &__key, name);		\
	} while (0)

#endif /* XTCP_LOCKNAME_H */
