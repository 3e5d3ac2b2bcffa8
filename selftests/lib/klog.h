/* SPDX-License-Identifier: GPL-2.0 */
/*
 * klog: the kernel's log. All sources share one limit: a test waits for KLOG_QUIET_MS first,
 * also if no line may come. Otherwise the limit may have kept it back.
 */
#ifndef SELFTESTS_LIB_KLOG_H
#define SELFTESTS_LIB_KLOG_H

#include "check.h"

#define KLOG_QUIET_MS 10000

/* Return: a file from which klog_lines() reads what the kernel logs from now on. */
int klog_open_at(struct where at);
#define klog_open(md) klog_open_at(WHERE(md))
/* The number of lines with @text since it was opened or read. */
int klog_lines(int log, const char *text);

#endif
