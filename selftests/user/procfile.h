/* SPDX-License-Identifier: GPL-2.0 */
/*
 * procfile: reading /proc/net/xtcp, and a table that grows meanwhile, for the tests of
 * its rows, of the file and of sock_diag.
 */
#ifndef SELFTESTS_USER_PROCFILE_H
#define SELFTESTS_USER_PROCFILE_H

#include "lib/xtcp_test.h"

#define LINE 150	/* IPv4's, newline included; IPv6's vary */
#define BUFFER (1 << 20)

/* All of the file from offset 0, by reads of so many bytes. Returns bytes. */
static inline size_t read_by(struct __test_metadata *_metadata, int fd, char *buf, size_t step)
{
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, buf + got, got + step > BUFFER ? BUFFER - got : step)) > 0)
		got += n;
	ASSERT_EQ(0, n);
	return got;
}

static inline int open_proc(struct __test_metadata *_metadata)
{
	int fd = open(proc_path(AF_INET), O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

static inline bool shows_ipv6(void)
{
	return socket_family(AF_INET) == AF_INET6;
}

static inline size_t lines_in(const char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += buf[i] == '\n';
	return n;
}

/* Words in network order, each printed as a number of this host. */
static inline void address_print(char *to, size_t size, const struct ipaddr *a)
{
	uint32_t word[4];

	memcpy(word, &a->v6, sizeof(word));
	if (a->family == AF_INET)
		snprintf(to, size, "%s%08X", shows_ipv6() ? "0000000000000000FFFF0000" : "",
			 a->v4.s_addr);
	else
		snprintf(to, size, "%08X%08X%08X%08X", word[0], word[1], word[2], word[3]);
}

#define STAYING 300
#define STAYING_PORT 20000
#define GROWTH 500
#define GROWTH_MAX 12000

static inline void records_add(struct peer *p, int from, int n, int sport)
{
	for (int i = from; i < from + n; i++) {
		struct ipaddr src = ipaddr("10.1.0.0");

		if (p->family == AF_INET)
			src.v4.s_addr += htonl(i);
		else
			src.v6.s6_addr32[3] += htonl(i);
		peer_send(p, .flags = SYN, .seq = i, .src = src, .sport = sport);
	}
}

/* A listener that takes any number of half-open records, and STAYING of them. */
static inline void records_begin(struct __test_metadata *_metadata, struct peer *p)
{
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "200000"));
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1000000));
	peer_listen(p, KERNEL_PORT, 200000);
	p->leave_unread = true;
	records_add(p, 0, STAYING, STAYING_PORT);
}

/* Adds others, of which *extra counts all so far; each few calls the table grows. */
static inline void records_grow(struct peer *p, int *extra)
{
	if (*extra < GROWTH_MAX)
		records_add(p, STAYING + *extra, GROWTH, 30000);
	*extra += GROWTH;
}

#endif
