/* SPDX-License-Identifier: GPL-2.0 */
/* program: what a program does with its socket, and what it must see. */
#ifndef SELFTESTS_LIB_PROGRAM_H
#define SELFTESTS_LIB_PROGRAM_H

#include "check.h"

/* SO_LINGER: close() aborts (0) or waits so many seconds. */
void program_lingers(int fd, int seconds);
/* SO_REUSEADDR; also as .prepare of struct conn_setup. */
void program_reuses(int fd);

/* This text is all that there is to read now. */
#define program_reads(md, fd, text) program_reads_at(WHERE(md), fd, text)
void program_reads_at(struct where at, int fd, const char *text);
/* The end of the stream: read() returns 0, at once and again. */
#define program_reads_end(md, fd) program_reads_end_at(WHERE(md), fd)
void program_reads_end_at(struct where at, int fd);

/* Return: true if a plain send() raises SIGPIPE. */
bool program_is_signalled(int fd);

#endif
