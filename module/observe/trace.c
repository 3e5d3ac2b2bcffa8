// SPDX-License-Identifier: GPL-2.0
/*
 * trace.c - instantiates the tracepoints of trace.h
 *
 * Context: none, there is no code.
 */
#define CREATE_TRACE_POINTS
#include "observe/trace.h"
