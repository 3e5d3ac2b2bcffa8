// SPDX-License-Identifier: GPL-2.0
/* context: see context.h. */
#define _GNU_SOURCE
#include "context.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "nfqueue.h"

unsigned int if_nametoindex(const char *name);

static const char *const names[] = {
	[CONTEXT_NONE] = "",
	[CONTEXT_QUEUE] = "queue", [CONTEXT_QUEUE_LATE] = "queue-late",
	[CONTEXT_VRF] = "vrf", [CONTEXT_BRIDGE] = "bridge", [CONTEXT_BOUND] = "bound",
	[CONTEXT_URING] = "uring", [CONTEXT_URING_FIXED] = "uring-fixed",
	[CONTEXT_FORK] = "fork", [CONTEXT_THREADS] = "threads", [CONTEXT_POISON] = "poison",
};

#define CONTEXTS (sizeof(names) / sizeof(names[0]))

/* CONTEXTS: there is no such one. */
static unsigned int find(void)
{
	static unsigned int found = CONTEXTS + 1;
	const char *env = getenv("XTCP_TEST_CONTEXT") ?: "";

	if (found > CONTEXTS)
		for (found = 0; found < CONTEXTS && strcmp(names[found], env);)
			found++;
	return found;
}

enum context context_of_run(struct where at)
{
	check(find() < CONTEXTS, at, "XTCP_TEST_CONTEXT=%s is unknown",
	      getenv("XTCP_TEST_CONTEXT"));
	return find();
}

/* Before all other rules: xtcp's hooks and those of a test come later. */
static void queue_everywhere(struct where at)
{
	static const char *const hooks[] = {
		"prerouting", "input", "forward", "output", "postrouting",
	};
	const int protocols[] = { IPPROTO_XTCP, stream_wire() };
	FILE *nft = popen("nft -f -", "we");

	check(nft, at, "nft does not start");
	fputs("table inet context {\n", nft);
	for (unsigned int i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		fprintf(nft, "chain %s { type filter hook %s priority -310;\n", hooks[i], hooks[i]);
		/* No set of both: looking it up makes lockdep complain about the kernel's sets. */
		for (int j = 0; j < 2; j++)
			if (!j || protocols[j] != protocols[0])
				fprintf(nft, "meta l4proto %d queue flags bypass to %d\n",
					protocols[j], NFQUEUE_CONTEXT);
		fputs("}\n", nft);
	}
	fputs("}\n", nft);
	check(!pclose(nft), at, "nft refuses the queues");
}

/* The kernel does as its command line says. */
static void expect_poison(struct where at)
{
	char on[4];

	check(!sysctl_read("/sys/kernel/slab/kmalloc-64/poison", on, sizeof(on)) && on[0] == '1', at,
	      "slabs are not poisoned");
}

void context_apply_to_netns(struct where at)
{
	bool late = context_of_run(at) == CONTEXT_QUEUE_LATE;

	if (find() == CONTEXT_POISON)
		expect_poison(at);
	if (!late && find() != CONTEXT_QUEUE)
		return;
	nfqueue_serve(at, NFQUEUE_CONTEXT, late);
	queue_everywhere(at);
}

void context_expect_whole_at(struct where at)
{
	unsigned int num, portid, waiting, mode, range, full = 0, lost = 0;
	bool found = false;
	char line[128];
	FILE *f;

	if (find() != CONTEXT_QUEUE && find() != CONTEXT_QUEUE_LATE)
		return;
	f = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");
	check(f, at, "no list of queues");
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%u %u %u %u %u %u %u", &num, &portid, &waiting, &mode,
			       &range, &full, &lost) == 7 && num == NFQUEUE_CONTEXT;
	fclose(f);
	check(found, at, "the program behind the queue has ended");
	check(!full && !lost, at, "the queue lost %u packets", full + lost);
}

void context_apply_to_link(struct where at, const char *name)
{
	struct ipaddr local = ipaddr("127.0.0.1");

	if (find() != CONTEXT_VRF)
		return;
	if (!if_nametoindex(CONTEXT_VRF_NAME)) {
		vrf_new(at, CONTEXT_VRF_NAME, CONTEXT_VRF_TABLE);
		address_add(at, CONTEXT_VRF_NAME, &local, local.family == AF_INET ? 8 : 128);
	}
	link_set_master(at, name, CONTEXT_VRF_NAME);
}

/* if_nametoindex() would have the kernel start modprobe for each name that is no device's. */
static bool device_exists(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void context_apply_to_socket(int fd)
{
	static const char *const devices[] = { "tun0", "veth0", "veth1" };
	const char *device = NULL;

	if (find() == CONTEXT_VRF)
		device = CONTEXT_VRF_NAME;
	for (unsigned int i = 0; find() == CONTEXT_BOUND && i < 3 && !device; i++)
		if (device_exists(devices[i]))
			device = devices[i];
	if (fd >= 0 && device && device_exists(device))
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device));
}

int context_route_device(void)
{
	return find() == CONTEXT_VRF ? if_nametoindex(CONTEXT_VRF_NAME) : 0;
}

int context_route_table(void)
{
	return context_route_device() ? CONTEXT_VRF_TABLE : RT_TABLE_MAIN;
}
