// SPDX-License-Identifier: GPL-2.0
/*
 * compat: calls of 32-bit programs. On x86 a 64-bit program can make them, too, by int 0x80;
 * the memory that they name has to be below 4 GiB.
 *
 * vm: families ia32 short
 */
#include "lib/xtcp_test.h"

#include <linux/sockios.h>
#include <sys/mman.h>

#define IOCTL_OF_32_BIT 54

PEER_FIXTURE(compat);

#ifdef __x86_64__
/* Return: the result, or -errno. */
static int ioctl_of_32_bit(int fd, unsigned int cmd, void *arg)
{
	int result;

	asm volatile("int $0x80" : "=a" (result)
		     : "a" (IOCTL_OF_32_BIT), "b" (fd), "c" (cmd), "d" ((uint32_t)(uintptr_t)arg)
		     : "r8", "r9", "r10", "r11", "memory");
	return result;
}

/* Routes have another form there. An empty one is refused for what it is, not unknown. */
TEST_F(compat, route_ioctls_are_known_to_32_bit_programs)
{
	bool v6 = self->peer.family == AF_INET6 || test_is_mapped();
	int *arg = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = stream_socket(self->peer.family);

	ASSERT_NE(MAP_FAILED, (void *)arg);
	EXPECT_EQ(v6 ? -ENODEV : -EAFNOSUPPORT, ioctl_of_32_bit(fd, SIOCADDRT, arg));
	/* In IPv6 it may delete a route to everywhere. */
	EXPECT_NE(-ENOTTY, ioctl_of_32_bit(fd, SIOCDELRT, arg));
	/* This one has the same form. */
	*arg = 1;
	EXPECT_EQ(0, ioctl_of_32_bit(fd, SIOCATMARK, arg));
	EXPECT_EQ(0, *arg);
	munmap(arg, 4096);
	close(fd);
}
#else
TEST_F(compat, needs_x86)
{
	SKIP(return, "int 0x80 is x86");
}
#endif

TEST_HARNESS_MAIN
