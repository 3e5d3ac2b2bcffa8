// SPDX-License-Identifier: GPL-2.0
/* module: see module.h. */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "netns.h"

/* An orphan's FIN is repeated for 102 s. */
#define IDLE_AFTER_S 600

int module_users_of(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return sysctl_read(path, text, sizeof(text)) ? -1 : atoi(text);
}

int module_users(void)
{
	return module_users_of("xtcp");
}

void module_await_idle(struct where at)
{
	for (int i = 0; i < IDLE_AFTER_S && module_users(); i++)
		sleep_ms(1000);
	check(!module_users(), at, "the module has %d users", module_users());
}

int module_unload(void)
{
	return module_unload_other("xtcp");
}

int module_unload_other(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

int module_unload_patiently(const char *name)
{
	int err = module_unload_other(name);

	for (int n = 0; err == EAGAIN && n < 300; n++) {
		sleep_ms(1000);
		err = module_unload_other(name);
	}
	return err;
}

int module_load(void)
{
	return module_load_other("xtcp", "");
}

int module_load_other(const char *name, const char *params)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/xtcp/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = syscall(SYS_finit_module, fd, params, 0) ? errno : 0;
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
	bool larger = kernel_is_debug() || cache_attribute(cache, "poison") > 0;

	return cache_attribute(cache, larger ? "object_size" : "slab_size");
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

bool kernel_is_debians(void)
{
	static const char end[] = "-amd64";
	struct utsname u;
	size_t len;

	if (uname(&u))
		return false;
	len = strlen(u.release);
	return len >= strlen(end) && !strcmp(u.release + len - strlen(end), end);
}

bool kernel_sends_pages(void)
{
	return stock_mode() || kernel_is_since(6, 8);
}
