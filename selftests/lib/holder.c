// SPDX-License-Identifier: GPL-2.0
/* holder: see holder.h. */
#define _GNU_SOURCE
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *peek(void *arg)
{
	struct holder *h = arg;

	recv(h->fd, h->memory, 1, MSG_PEEK);
	return NULL;
}

static void *write_all(void *arg)
{
	struct holder *h = arg;

	send(h->fd, h->memory, h->size, MSG_NOSIGNAL);
	return NULL;
}

/* @call runs in a thread, until it touches the last page of @bytes. */
static void hold(struct where at, struct holder *h, int fd, size_t bytes, void *(*call)(void *))
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg msg;

	*h = (struct holder){ .test = at.test, .fd = fd, .size = bytes };
	h->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(h->memory != MAP_FAILED, at, "mmap: %s", strerror(errno));
	h->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	check(h->uffd >= 0, at, "userfaultfd: %s", strerror(errno));
	reg.range.start = (uintptr_t)h->memory + bytes - page;
	reg.range.len = page;
	check(!ioctl(h->uffd, UFFDIO_API, &api) &&
	      !ioctl(h->uffd, UFFDIO_REGISTER, &reg), at,
	      "UFFDIO_REGISTER: %s", strerror(errno));
	check(!pthread_create(&h->thread, NULL, call, h), at, "pthread_create");
	check(read(h->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	      msg.event == UFFD_EVENT_PAGEFAULT, at, "the call does not fault");
}

void holder_hold_at(struct where at, struct holder *h, int fd)
{
	hold(at, h, fd, sysconf(_SC_PAGESIZE), peek);
}

void holder_send_at(struct where at, struct holder *h, int fd, size_t bytes)
{
	hold(at, h, fd, bytes, write_all);
}

void holder_release(struct holder *h)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)h->memory + h->size - page, .len = page },
	};

	ioctl(h->uffd, UFFDIO_ZEROPAGE, &zero);
	pthread_join(h->thread, NULL);
	close(h->uffd);
	munmap(h->memory, h->size);
}
