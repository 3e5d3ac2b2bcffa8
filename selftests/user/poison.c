// SPDX-License-Identifier: GPL-2.0
/*
 * poison: lib/poison.c looks at what each call returns. The context "poison" of other programs
 * rests on it. Here it is the test that writes what the kernel must never return.
 */
#include "lib/xtcp_test.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/un.h>

#define SLAB "\x6b\x6b\x6b\x6b"
#define STACK "\xfe\xfe\xfe\xfe"

FIXTURE(poison) {
	int from, to;		/* datagrams */
};

FIXTURE_SETUP(poison)
{
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	self->from = pair[0];
	self->to = pair[1];
	poison_found();
}

FIXTURE_TEARDOWN(poison)
{
	close(self->from);
	close(self->to);
}

static void say(FIXTURE_DATA(poison) *self, const char *data, size_t len)
{
	if (send(self->from, data, len, 0) != (ssize_t)len)
		abort();
}

TEST_F(poison, poison_in_data)
{
	char buf[64];
	struct iovec iov[2] = { { buf, 3 }, { buf + 3, sizeof(buf) - 3 } };
	struct mmsghdr msgs = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 2 } };
	struct sockaddr_un un;
	socklen_t len = sizeof(un);

	say(self, "abc" SLAB "d", 8);
	ASSERT_EQ(8, read(self->to, buf, sizeof(buf)));
	EXPECT_EQ(1, poison_found());
	say(self, "abc" STACK, 7);
	ASSERT_EQ(7, recv(self->to, buf, sizeof(buf), 0));
	EXPECT_EQ(1, poison_found());
	say(self, SLAB, 4);
	un.sun_family = 0;
	ASSERT_EQ(4, recvfrom(self->to, buf, sizeof(buf), 0, (struct sockaddr *)&un, &len));
	EXPECT_EQ(1, poison_found());
	say(self, "abc" SLAB, 7);
	ASSERT_EQ(7, readv(self->to, iov, 2));
	EXPECT_EQ(1, poison_found());
	say(self, "abc" SLAB, 7);
	ASSERT_EQ(7, recvmsg(self->to, &msgs.msg_hdr, 0));
	EXPECT_EQ(1, poison_found());
	say(self, "abc" SLAB, 7);
	ASSERT_EQ(1, recvmmsg(self->to, &msgs, 1, 0, NULL));
	EXPECT_EQ(1, poison_found());
}

/* Three in a row may be a number, and the rest of a buffer is the program's own. */
TEST_F(poison, poison_is_four_bytes_of_one_kind)
{
	char buf[64] = SLAB SLAB SLAB SLAB;

	say(self, "\x6b\x6b\x6b\xfe\xfe\xfe" "a", 7);
	ASSERT_EQ(7, read(self->to, buf, sizeof(buf)));
	EXPECT_EQ(0, poison_found());
	say(self, "a", 1);
	ASSERT_EQ(1, recv(self->to, buf, sizeof(buf), 0));
	EXPECT_EQ(0, poison_found());
}

TEST_F(poison, poison_in_text)
{
	static const char *const texts[] = {
		SLAB, " 6b6b6b6b6b6b6b6b ", " 6B6B6B6B:0050", "1802201963", "7740398493674204011",
		" fefefefe", " FEFEFEFE", "4278124286", "-16843010", "18374403900871474942",
	};
	int fd = memfd_create("text", MFD_CLOEXEC);
	char buf[64], *line = NULL;
	FILE *f = fdopen(fd, "r+");
	size_t size = 0;

	ASSERT_NE(NULL, f);
	setvbuf(f, NULL, _IONBF, 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ASSERT_EQ(0, ftruncate(fd, 0));
		ASSERT_LT(0, pwrite(fd, texts[i], strlen(texts[i]), 0));
		EXPECT_LT(0, pread(fd, buf, sizeof(buf), 0));
		EXPECT_EQ(1, poison_found()) TH_LOG("pread: %s", texts[i]);
		rewind(f);
		EXPECT_NE(NULL, fgets(buf, sizeof(buf), f));
		EXPECT_EQ(1, poison_found()) TH_LOG("fgets: %s", texts[i]);
		rewind(f);
		EXPECT_LT(0, getdelim(&line, &size, '\n', f));
		EXPECT_EQ(1, poison_found()) TH_LOG("getdelim: %s", texts[i]);
	}
	free(line);
	fclose(f);
}

TEST_F(poison, poison_in_options_and_addresses)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0" SLAB }, un;
	const socklen_t name_len = offsetof(struct sockaddr_un, sun_path) + 5;
	int lfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd[2];
	int value = 0x6b6b6b6b;
	socklen_t len = sizeof(value);

	ASSERT_EQ(0, setsockopt(lfd, SOL_SOCKET, SO_PRIORITY, &value, sizeof(value)));
	ASSERT_EQ(0, getsockopt(lfd, SOL_SOCKET, SO_PRIORITY, &value, &len));
	EXPECT_EQ(1, poison_found());

	ASSERT_EQ(0, bind(lfd, (struct sockaddr *)&name, name_len));
	len = sizeof(un);
	ASSERT_EQ(0, getsockname(lfd, (struct sockaddr *)&un, &len));
	EXPECT_EQ(1, poison_found());

	ASSERT_EQ(0, listen(lfd, 2));
	for (int i = 0; i < 2; i++) {
		fd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		name.sun_path[5] = '0' + i;
		ASSERT_EQ(0, bind(fd[i], (struct sockaddr *)&name, name_len + 1));
		ASSERT_EQ(0, connect(fd[i], (struct sockaddr *)&name, name_len));
	}
	len = sizeof(un);
	ASSERT_EQ(0, getpeername(fd[0], (struct sockaddr *)&un, &len));
	EXPECT_EQ(1, poison_found());
	for (int i = 0; i < 2; i++) {
		int child;

		len = sizeof(un);
		child = i ? accept(lfd, (struct sockaddr *)&un, &len) :
			accept4(lfd, (struct sockaddr *)&un, &len, SOCK_CLOEXEC);
		ASSERT_LE(0, child);
		EXPECT_EQ(1, poison_found());
		close(child);
		close(fd[i]);
	}
	close(lfd);
}

TEST_HARNESS_MAIN
