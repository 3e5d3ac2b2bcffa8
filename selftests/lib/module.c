// SPDX-License-Identifier: GPL-2.0
/* module: see module.h. */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "netns.h"

#define MODULE "/xtcp/xtcp.ko"
/* An orphan's FIN is repeated for 102 s. */
#define IDLE_AFTER_S 220

int module_users(void)
{
	char text[32];

	return sysctl_read("/sys/module/xtcp/refcnt", text, sizeof(text)) ? -1 : atoi(text);
}

void module_await_idle(struct where at)
{
	for (int i = 0; i < IDLE_AFTER_S && module_users(); i++)
		sleep_ms(1000);
	check(!module_users(), at, "the module has %d users", module_users());
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "xtcp", O_NONBLOCK) ? errno : 0;
}

int module_load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	close(fd);
	return err;
}

static long cache_attribute(const char *cache, const char *name)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/%s", cache, name);
	return sysctl_read(path, text, sizeof(text)) ? -1 : atol(text);
}

long cache_objects(const char *cache)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	return sysctl_write(path, "1") ? -1 : cache_attribute(cache, "objects");
}

long cache_object_size(const char *cache)
{
	return cache_attribute(cache, kernel_is_debug() ? "object_size" : "slab_size");
}

bool kernel_is_debug(void)
{
	return getenv("XTCP_TEST_DEBUG");
}

bool kernel_is_since(int want_major, int want_minor)
{
	struct utsname u;
	int major, minor;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > want_major || (major == want_major && minor >= want_minor));
}

bool kernel_sends_pages(void)
{
	return stock_mode() || kernel_is_since(6, 12);
}
