// SPDX-License-Identifier: GPL-2.0
/*
 * trace.c - the one place that gives the tracepoints of trace.h a body
 */
#define CREATE_TRACE_POINTS
#include "user/trace.h"
