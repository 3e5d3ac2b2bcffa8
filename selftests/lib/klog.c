// SPDX-License-Identifier: GPL-2.0
/* klog: see klog.h. */
#include "klog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int klog_open_at(struct where at)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	check(log >= 0, at, "/dev/kmsg: %s", strerror(errno));
	lseek(log, 0, SEEK_END);
	return log;
}

/* Each read() returns one line. */
int klog_lines(int log, const char *text)
{
	char line[1024];
	int found = 0;
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		found += strstr(line, text) != NULL;
	}
	return found;
}
