/* SPDX-License-Identifier: GPL-2.0 */
/*
 * alone: for a while no worker of the kernel runs on this CPU beside the test, unless the test
 * sleeps: what the kernel has put off, such as the growth of a hash table, waits.
 *
 * Since 6.12 the kernel lets ordinary processes run before those of a real-time class after
 * some 950 ms.
 */
#ifndef SELFTESTS_LIB_ALONE_H
#define SELFTESTS_LIB_ALONE_H

#include "check.h"

void alone_begin(struct where at);
void alone_end(struct where at);

#endif
