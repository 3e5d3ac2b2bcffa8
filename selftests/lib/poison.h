/* SPDX-License-Identifier: GPL-2.0 */
/*
 * poison: no call returns memory of the kernel that nobody has written.
 *
 * In the context "poison" such memory has a known value: 0x6b if it is of a slab
 * (slab_debug=P), 0xfe if it is the stack of a function of the module (Kbuild, on kernels with
 * KASAN). What the calls of lib/poison.wrap read is searched for four such bytes in a row, and
 * what is text also for such a number. All programs are linked so that these calls come here.
 * A finding is a BUG in the kernel's log, which fails the test.
 */
#ifndef SELFTESTS_LIB_POISON_H
#define SELFTESTS_LIB_POISON_H

/*
 * The findings of this process since the last call. From the first call on they are only
 * counted, in any context.
 */
int poison_found(void);

#endif
