// SPDX-License-Identifier: GPL-2.0
/*
 * port: which sockets may share a local port, and the errors of bind(), listen() and
 * connect() that are about ports. RFC 9293 3.9.1.1; the rules of SO_REUSEADDR and
 * SO_REUSEPORT are Linux's, so the kernel's TCP, in the same namespace, is asked for the
 * expected result.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <linux/filter.h>

#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"
#define PORT_PRIVILEGED "/proc/sys/net/ipv4/ip_unprivileged_port_start"

PEER_FIXTURE(port);

/* --- bind() and listen() beside another socket */

enum first { BOUND, LISTENS, CONNECTS };
static const char *const first_names[] = { "bound", "listening", "connecting" };

static const char *const addrs[] = { "", "10.0.0.1", "10.0.0.11", "127.0.0.1" };

static int socket_like(int protocol, int options)
{
	int fd = socket_new(protocol);

	socket_share(fd, options);
	return fd;
}

struct cell {
	enum first first;
	int addr1, options1, addr2, options2;
};

/* The error of bind() of the second socket, or of listen() after it. */
static int second_errno(int protocol, const struct cell *cell, int port)
{
	int first = socket_like(protocol, cell->options1);
	int second = socket_like(protocol, cell->options2);
	int err = socket_bind(first, addrs[cell->addr1], port);

	if (!err && cell->first == LISTENS)
		err = socket_listen(first, 4);
	if (!err && cell->first == CONNECTS)
		err = socket_connect(first, "10.0.0.2", 9) == EINPROGRESS ? 0 : errno;
	if (err) {
		err = 1000 + err;
	} else {
		err = socket_bind(second, addrs[cell->addr2], port);
		if (!err && socket_listen(second, 4))
			err = 2000 + errno;
	}
	close(second);
	close(first);
	return err;
}

/* Without connect() nothing is sent, so the kernel's TCP may be used. */
TEST_F(port, lc_88_bind_and_listen_as_linux_has_it)
{
	struct ipaddr own = ipaddr("10.0.0.11");
	struct cell c = { 0 };
	int differ = 0, cells = 0, refused = 0;
	bool comparable = stock_knows_wildcard();

	address_add(WHERE(_metadata), "tun0", &own, 24);
	for (int i = 0; i < 2 * 4 * 4 * 4 * 4; i++) {
		int ours, stocks, left = i;

		c.options2 = left & 3;
		c.options1 = left >> 2 & 3;
		c.addr2 = left >> 4 & 3;
		c.addr1 = left >> 6 & 3;
		c.first = left >> 8;
		ours = second_errno(stream_proto(), &c, 7000);
		stocks = second_errno(IPPROTO_TCP, &c, 7000);
		cells++;
		refused += ours != 0;
		if (ours == stocks || (!comparable && !c.addr1 != !c.addr2))
			continue;
		differ++;
		printf("# %s at \"%s\" options %d, then \"%s\" options %d: %d, stock %d\n",
		       first_names[c.first], addrs[c.addr1], c.options1,
		       addrs[c.addr2], c.options2, ours, stocks);
	}
	EXPECT_EQ(512, cells);
	EXPECT_EQ(0, differ);
	/* Some are refused, and some are not. */
	EXPECT_LE(50, refused);
	EXPECT_GE(450, refused);
}

/* A program for a SO_REUSEPORT group, which gives a socket a group of its own. */
static int attach_chooser(int fd)
{
	struct sock_filter first = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &first };

	return errno_of(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
				   sizeof(program)));
}

/* What differs from case to case: bits. */
enum {
	AT_ANY = 2,		/* the second is bound to any address; REUSEADDR is 1 */
	FIRST_HAS = 4,		/* a program before bind() */
	SECOND_HAS = 8,
	SECOND_GETS = 16,	/* a program before listen() */
	FIRST_LISTENS = 32,
	ALL = 63,
};

/* The error of bind() of the second socket, or of listen() after it. */
static int group_errno(int protocol, int how)
{
	int first = socket_like(protocol, REUSEPORT | (how & REUSEADDR));
	int second = socket_like(protocol, REUSEPORT | (how & REUSEADDR));
	int err = 0;

	if (how & FIRST_HAS)
		err = attach_chooser(first);
	if (!err && how & SECOND_HAS)
		err = attach_chooser(second);
	if (!err)
		err = socket_bind(first, "127.0.0.1", 7000);
	if (!err && how & FIRST_LISTENS)
		err = socket_listen(first, 4);
	if (err) {
		err = 1000 + err;
	} else {
		err = socket_bind(second, how & AT_ANY ? "" : "127.0.0.1", 7000);
		if (!err && how & SECOND_GETS && attach_chooser(second))
			err = 2000 + errno;
		if (!err && socket_listen(second, 4))
			err = 3000 + errno;
	}
	close(second);
	close(first);
	return err;
}

TEST_F(port, lc_88_a_group_of_its_own_shares_nothing)
{
	bool comparable = stock_knows_wildcard();
	int refused = 0;

	for (int how = 0; how <= ALL; how++) {
		int ours = group_errno(stream_proto(), how);
		int stocks = group_errno(IPPROTO_TCP, how);

		refused += ours != 0;
		if (how & AT_ANY && !comparable)
			continue;
		EXPECT_EQ(stocks, ours)
			TH_LOG("how %d", how);
	}
	EXPECT_LE(16, refused);
	EXPECT_GE(48, refused);
}

/* --- options that the first socket sets or clears after bind(): bits */
enum {
	LATE_FIRST_ANY = 64,
	LATE_SECOND_ANY = 128,
	LATE_LISTENS = 256,
	LATE_ALL = 511,
};

/* Options in the bits of @how: of bind(), later, and the second socket's. */
#define LATE_BEFORE(how) ((how) & 3)
#define LATE_AFTER(how) ((how) >> 2 & 3)
#define LATE_SECOND(how) ((how) >> 4 & 3)

/* The errors of bind() and listen() of the second socket, and of the first one's listen(). */
static int late_errno(int protocol, int how, int port)
{
	int first = socket_like(protocol, LATE_BEFORE(how));
	int second = socket_like(protocol, LATE_SECOND(how));
	int err = socket_bind(first, how & LATE_FIRST_ANY ? "" : "127.0.0.1", port);

	if (!err && how & LATE_LISTENS)
		err = socket_listen(first, 4);
	if (err) {
		err = -err;
	} else {
		socket_share(first, LATE_AFTER(how));
		err = socket_bind(second, how & LATE_SECOND_ANY ? "" : "127.0.0.1", port);
		if (!err)
			err = 1000 * socket_listen(second, 4);
		err += 1000000 * socket_listen(first, 4);
	}
	close(second);
	close(first);
	return err;
}

/* As in Linux they count as they are when somebody else binds. */
TEST_F(port, lc_88_options_that_change_after_bind)
{
	bool comparable = stock_knows_wildcard(), checks = kernel_is_since(6, 8);
	int differ = 0, refused = 0;

	for (int how = 0; how <= LATE_ALL; how++) {
		int ours = late_errno(stream_proto(), how, 7000);
		int stocks = late_errno(IPPROTO_TCP, how, 7000);

		refused += ours != 0;
		if (ours == stocks || (!comparable && !(how & LATE_FIRST_ANY) !=
						      !(how & LATE_SECOND_ANY)))
			continue;
		/* An older kernel checks no listen() of the last one that set SO_REUSEPORT. */
		if (!checks && LATE_SECOND(how) == (REUSEADDR | REUSEPORT))
			continue;
		differ++;
		printf("# options %d at %s%s, then %d; second %d at %s: %d, stock %d\n",
		       LATE_BEFORE(how), how & LATE_FIRST_ANY ? "any" : "one",
		       how & LATE_LISTENS ? ", listens" : "", LATE_AFTER(how),
		       LATE_SECOND(how), how & LATE_SECOND_ANY ? "any" : "one", ours, stocks);
	}
	EXPECT_EQ(0, differ);
	EXPECT_LE(50, refused);
	EXPECT_GE(LATE_ALL, refused);
}

/*
 * The same beside a socket that connects: proven on the kernel's TCP by
 * XTCP_TEST_STOCK.
 */
TEST_F(port, lc_88_bind_beside_a_connecting_socket)
{
	static const struct {
		struct cell cell;
		int err;
	} cases[] = {
		{ { CONNECTS, 1, 0, 1, 0 }, EADDRINUSE },
		{ { CONNECTS, 1, REUSEADDR, 1, 0 }, EADDRINUSE },
		{ { CONNECTS, 1, 0, 1, REUSEADDR }, EADDRINUSE },
		{ { CONNECTS, 1, REUSEADDR, 1, REUSEADDR }, 0 },
		{ { CONNECTS, 1, REUSEPORT, 1, REUSEPORT }, 0 },
		{ { CONNECTS, 1, REUSEPORT, 1, REUSEADDR }, EADDRINUSE },
		{ { CONNECTS, 0, REUSEADDR, 0, REUSEADDR }, 0 },
		{ { CONNECTS, 0, 0, 1, 0 }, EADDRINUSE },
		/* To another address than the one it has by now. */
		{ { CONNECTS, 1, 0, 3, 0 }, 0 },
	};
	struct peer *p = &self->peer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].err, second_errno(-1, &cases[i].cell, 7000 + i)) {
			TH_LOG("case %zu", i);
		}
		peer_drain(p, 1);
	}
}

TEST_F(port, lc_88_listener_beside_its_connections)
{
	struct peer *p = &self->peer;
	struct conn c;
	int fd = socket_new(-1);

	/* The child of a closed listener holds the port against others ... */
	conn_open(p, &c);
	close(c.lfd);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	/* ... but not against one that also shares, even to listen. */
	socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(0, socket_listen(fd, 4));
	conn_expect_state(&c, ST_ESTABLISHED);
}

/*
 * connect() shares a port with other sockets that connect(), until a listener has taken a
 * connection at the same address; then no longer, even if the listener is gone.
 */
TEST_F(port, lc_88_a_childs_port_is_not_for_connect)
{
	struct peer *p = &self->peer;
	int fd[3], lfd;
	struct conn c;

	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "40000 40000"));
	for (int i = 0; i < 3; i++)
		fd[i] = socket_like(-1, REUSEADDR);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(EINPROGRESS, socket_connect(fd[i], "10.0.0.3", 80 + i));
		peer_expect(p, .flags = SYN, .sport = 40000, .dport = 80 + i,
			    .dst = ipaddr("10.0.0.3"));
	}
	lfd = socket_like(-1, REUSEADDR);
	ASSERT_EQ(0, socket_bind(lfd, "", 40000));
	ASSERT_EQ(0, socket_listen(lfd, 4));
	conn_open(p, &c, .kport = 40000, .lfd = lfd);
	close(lfd);
	EXPECT_EQ(EADDRNOTAVAIL, socket_connect(fd[2], "10.0.0.3", 82));
	close(fd[0]);
	close(fd[1]);
}

TEST_F(port, lc_88_time_wait_holds_the_port)
{
	struct peer *p = &self->peer;
	int fd, again;
	struct conn c;

	conn_to_state(p, &c, ST_TIME_WAIT);
	close(c.fd);
	close(c.lfd);
	peer_mark_last(p);
	fd = socket_new(-1);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "", KERNEL_PORT));
	again = socket_like(-1, REUSEADDR);
	EXPECT_EQ(0, socket_bind(again, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(0, socket_listen(again, 4));
	close(again);
	/* Until it is over. */
	peer_sleep_until(p, 59000);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
	peer_sleep_until(p, stock_mode() ? 70000 : 60003);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", KERNEL_PORT));
}

/* Whether a socket had SO_REUSEADDR is remembered in its record, to its end. */
TEST_F(port, lc_88_time_waits_of_both_kinds)
{
	struct peer *p = &self->peer;
	int plain, sharing;
	struct conn a, b;

	conn_open(p, &a);
	conn_open(p, &b, .lfd = a.lfd);
	socket_set(a.fd, SOL_SOCKET, SO_REUSEADDR, 0);
	socket_set(b.fd, SOL_SOCKET, SO_REUSEADDR, 1);
	close(a.lfd);
	conn_advance(&a, ST_TIME_WAIT, true);
	peer_mark_last(p);
	peer_sleep_until(p, 30000);
	conn_advance(&b, ST_TIME_WAIT, true);
	plain = socket_new(-1);
	sharing = socket_like(-1, REUSEADDR);
	EXPECT_EQ(EADDRINUSE, socket_bind(plain, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(EADDRINUSE, socket_bind(sharing, "10.0.0.1", KERNEL_PORT));
	peer_sleep_until(p, 59000);
	EXPECT_EQ(EADDRINUSE, socket_bind(sharing, "10.0.0.1", KERNEL_PORT));
	/* The one without has expired, the other has not. */
	peer_sleep_until(p, stock_mode() ? 70000 : 60003);
	EXPECT_EQ(EADDRINUSE, socket_bind(plain, "10.0.0.1", KERNEL_PORT));
	EXPECT_EQ(0, socket_bind(sharing, "10.0.0.1", KERNEL_PORT));
	close(sharing);
	peer_sleep_until(p, stock_mode() ? 110000 : 90020);
	EXPECT_EQ(0, socket_bind(plain, "10.0.0.1", KERNEL_PORT));
}

/* The errors of bind() and listen() of another user's socket, and of the first one's listen(). */
static int beside_cleared_errno(struct __test_metadata *_metadata, int protocol, int port)
{
	int first = socket_like(protocol, REUSEADDR | REUSEPORT);
	int member = socket_like(protocol, REUSEPORT), other, err;

	ASSERT_EQ(0, socket_bind(first, "127.0.0.1", port));
	ASSERT_EQ(0, socket_bind(member, "127.0.0.1", port));
	socket_share(first, REUSEPORT);
	close(member);
	ASSERT_EQ(0, setresuid(1000, 1000, 0));
	other = socket_like(protocol, REUSEADDR);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	err = socket_bind(other, "127.0.0.1", port);
	if (!err)
		err = 1000 * (1 + socket_listen(other, 4));
	err += 1000000 * socket_listen(first, 4);
	close(other);
	close(first);
	return err;
}

/*
 * SO_REUSEADDR is cleared while a socket that never had it is in the same group; that one is
 * closed. On the TCP wire the kernel's TCP refuses a stranger, too.
 */
TEST_F(port, lc_88_option_cleared_beside_a_member)
{
	int err;

	EXPECT_EQ(EADDRINUSE, beside_cleared_errno(_metadata, IPPROTO_TCP, 7000));
	if (!stock_mode())
		ASSERT_EQ(0, knob_set_text("gid_range", "0 2147483647"));
	err = beside_cleared_errno(_metadata, -1, 7100);
	/* bind() of an older kernel is not told of the change; listen() looks. */
	if (!stock_mode() && !kernel_is_since(6, 8)) {
		EXPECT_EQ(1000 * (1 + EADDRINUSE), err % 1000000);
		return;
	}
	EXPECT_EQ(EADDRINUSE, err);
}

/*
 * A socket of a group clears SO_REUSEPORT, then sets or clears SO_REUSEADDR. The error of bind(),
 * or of listen(), of a second socket of the group.
 */
static int beside_changed_errno(int protocol, int how, int port)
{
	int first = socket_like(protocol, REUSEPORT | (how & REUSEADDR));
	int second = socket_like(protocol, REUSEPORT);
	int err = socket_bind(first, how & LATE_FIRST_ANY ? "" : "127.0.0.1", port);

	socket_set(first, SOL_SOCKET, SO_REUSEPORT, 0);
	socket_set(first, SOL_SOCKET, SO_REUSEADDR, !(how & REUSEADDR));
	if (!err)
		err = socket_bind(second, how & LATE_SECOND_ANY ? "" : "127.0.0.1", port);
	if (!err && socket_listen(second, 4))
		err = 2000 + errno;
	close(second);
	close(first);
	return err;
}

/*
 * As in Linux the first one objects only to a wildcard that includes its address. On kernels before
 * 6.8 neither stack objects.
 */
TEST_F(port, lc_88_options_that_change_one_after_the_other)
{
	static const int addrs_of[] = { 0, LATE_FIRST_ANY, LATE_SECOND_ANY,
					LATE_FIRST_ANY | LATE_SECOND_ANY };

	for (size_t i = 0; i < ARRAY_SIZE(addrs_of); i++)
		for (int reuse = 0; reuse < 2; reuse++) {
			int how = addrs_of[i] | (reuse ? REUSEADDR : 0);
			bool in_use = addrs_of[i] == LATE_SECOND_ANY && kernel_is_since(6, 8);
			int expected = in_use ? EADDRINUSE : 0;

			EXPECT_EQ(expected, beside_changed_errno(stream_proto(), how, 7000));
			if (addrs_of[i] != LATE_SECOND_ANY || stock_knows_wildcard())
				EXPECT_EQ(expected, beside_changed_errno(IPPROTO_TCP, how, 7000));
		}
}

/* When the first socket of a group clears SO_REUSEPORT, which connects or listens. */
enum cleared {
	NEVER, BEFORE_CONNECT, AFTER_CONNECT,
	BEFORE_DISCONNECT,		/* and before connect() */
	BETWEEN_BOTH,			/* connect() and disconnect */
	BEFORE_LISTEN,			/* nobody connects to it */
	BEFORE_LISTEN_AND_CHILD,
	AFTER_LISTEN,
	AFTER_LISTEN_BEFORE_CHILD,
	AFTER_CHILD,
	CLEARED_COUNT,
};

/* The error of bind(), or of listen(), of a second socket of the group. */
static int beside_connected_errno(struct __test_metadata *_metadata, const char *first_at,
				  const char *second_at, enum cleared when, int port)
{
	int first = socket_like(-1, REUSEPORT), second = socket_like(-1, REUSEPORT), err;
	int client = socket_new(-1);

#define CLEAR() ASSERT_EQ(0, socket_set(first, SOL_SOCKET, SO_REUSEPORT, 0))
	ASSERT_EQ(0, socket_bind(first, first_at, port));
	if (when == BEFORE_CONNECT || when == BEFORE_DISCONNECT || when == BEFORE_LISTEN ||
	    when == BEFORE_LISTEN_AND_CHILD)
		CLEAR();
	err = when < BEFORE_LISTEN ? socket_connect_end(first, "127.0.0.1", 8000) :
				     socket_listen(first, 4);
	ASSERT_EQ(0, err);
	if (when == AFTER_CONNECT || when == BETWEEN_BOTH || when == AFTER_LISTEN ||
	    when == AFTER_LISTEN_BEFORE_CHILD)
		CLEAR();
	if (when == BETWEEN_BOTH || when == BEFORE_DISCONNECT)
		ASSERT_EQ(0, socket_disconnect(first));
	if (when == BEFORE_LISTEN_AND_CHILD || when == AFTER_LISTEN_BEFORE_CHILD ||
	    when == AFTER_CHILD)
		ASSERT_EQ(0, socket_connect_end(client, "127.0.0.1", port));
	if (when == AFTER_CHILD)
		CLEAR();
#undef CLEAR
	err = socket_bind(second, second_at, port);
	if (!err && socket_listen(second, 4))
		err = 2000 + errno;
	close(second);
	close(client);
	close(first);
	return err;
}

/*
 * As in Linux one that has cleared the option objects to what includes the address of its bind(),
 * and that is not the address of its connection. If it clears it before listen(), it objects to all
 * that overlaps. Kernels before 6.8 do not compare the addresses in the former case.
 */
TEST_F(port, lc_88_option_cleared_and_connected)
{
	static const char *const at[] = { "", "127.0.0.1", "10.0.0.1" };
	int lfd = socket_new(-1), port = 7000;

	ASSERT_EQ(0, socket_bind(lfd, "127.0.0.1", 8000));
	ASSERT_EQ(0, socket_listen(lfd, 64));
	for (int when = NEVER; when < CLEARED_COUNT; when++)
		for (size_t i = 0; i < 2; i++)
			for (size_t j = 0; j < ARRAY_SIZE(at); j++) {
				bool listens = when == BEFORE_LISTEN ||
					       when == BEFORE_LISTEN_AND_CHILD;
				bool in_use = listens ? i + j != 3 :
					      when && i && !j && kernel_is_since(6, 8);
				int err;

				if (i && !j && stock_mode() && !stock_knows_wildcard())
					continue;
				err = beside_connected_errno(_metadata, at[i], at[j], when, port++);
				EXPECT_EQ(in_use ? EADDRINUSE : 0, err)
					TH_LOG("%d: '%s' and '%s'", when, at[i], at[j]);
			}
}

/* What stays of the first socket of a group when it has cleared SO_REUSEPORT and is closed. */
enum remains { OF_A_CONNECTION, OF_A_CHILD, OF_A_CHILD_BESIDE_ITS_LISTENER };

/* The error of bind() of a second socket of the group, which belongs to @uid. */
static int beside_remains_errno(struct __test_metadata *_metadata, enum remains remains, int port,
				uid_t uid)
{
	int first = socket_like(-1, REUSEPORT), second, err;
	int client = socket_new(-1), child;

	ASSERT_EQ(0, setresuid(uid, uid, 0));
	second = socket_like(-1, REUSEPORT);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_EQ(0, socket_bind(first, "", port));
	if (remains == OF_A_CONNECTION) {
		ASSERT_EQ(0, socket_set(first, SOL_SOCKET, SO_REUSEPORT, 0));
		ASSERT_EQ(0, socket_connect_end(first, "127.0.0.1", 8000));
	} else {
		ASSERT_EQ(0, socket_listen(first, 4));
		ASSERT_EQ(0, socket_set(first, SOL_SOCKET, SO_REUSEPORT, 0));
		ASSERT_EQ(0, socket_connect_end(client, "127.0.0.1", port));
		child = accept(first, NULL, NULL);
		ASSERT_LE(0, child);
		close(child);
	}
	if (remains != OF_A_CHILD_BESIDE_ITS_LISTENER)
		close(first);
	/* The other end delays its ACK of the FIN. */
	sleep_ms(300);
	err = socket_bind(second, "", port);
	close(second);
	close(client);
	if (remains == OF_A_CHILD_BESIDE_ITS_LISTENER)
		close(first);
	return err;
}

/* In Linux the record keeps the bucket of its socket, which still shares by SO_REUSEPORT. */
TEST_F(port, lc_88_option_cleared_before_time_wait)
{
	int lfd = socket_new(-1), port = 7000;

	if (!stock_mode())
		ASSERT_EQ(0, knob_set_text("gid_range", "0 2147483647"));
	ASSERT_EQ(0, socket_bind(lfd, "127.0.0.1", 8000));
	ASSERT_EQ(0, socket_listen(lfd, 64));
	for (int r = OF_A_CONNECTION; r <= OF_A_CHILD_BESIDE_ITS_LISTENER; r++) {
		int err = beside_remains_errno(_metadata, r, port++, 0);

		EXPECT_EQ(0, err) TH_LOG("%d", r);
		/* To its own user only. */
		err = beside_remains_errno(_metadata, r, port++, 1000);
		EXPECT_EQ(EADDRINUSE, err) TH_LOG("%d", r);
	}
}

/* A listener that has cleared SO_REUSEPORT shares nothing, whatever it sets afterwards. */
TEST_F(port, lc_88_option_cleared_and_another_set)
{
	int first = socket_like(-1, REUSEPORT), second = socket_like(-1, REUSEPORT);

	ASSERT_EQ(0, socket_bind(first, "", 7000));
	ASSERT_EQ(0, socket_set(first, SOL_SOCKET, SO_REUSEPORT, 0));
	ASSERT_EQ(0, socket_listen(first, 4));
	ASSERT_EQ(0, socket_set(first, SOL_SOCKET, SO_REUSEADDR, 1));
	EXPECT_EQ(EADDRINUSE, socket_bind(second, "", 7000));
	close(second);
	close(first);
}

/* --- errors of bind(), listen() and connect() that ports are about */

TEST_F(port, bind_errors)
{
	struct conn c;
	int fd = socket_new(-1);

	EXPECT_EQ(EADDRNOTAVAIL, socket_bind(fd, "10.0.0.99", 7000));
	EXPECT_EQ(EADDRNOTAVAIL, socket_bind(fd, "192.0.2.1", 0));
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 7000));
	EXPECT_EQ(7000, socket_port(fd));
	EXPECT_EQ(EINVAL, socket_bind(fd, "10.0.0.1", 7000));
	EXPECT_EQ(EINVAL, socket_bind(fd, "10.0.0.1", 7001));
	EXPECT_EQ(0, socket_listen(fd, 4));
	EXPECT_EQ(EINVAL, socket_bind(fd, "10.0.0.1", 7001));
	conn_open(&self->peer, &c, .active = true);
	EXPECT_EQ(EINVAL, socket_bind(c.fd, "10.0.0.1", 7002));
	EXPECT_EQ(EINVAL, socket_listen(c.fd, 4));
}

TEST_F(port, bind_privileged_port)
{
	int fd = socket_new(-1);

	ASSERT_EQ(0, setresuid(1000, 1000, 0));
	EXPECT_EQ(EACCES, socket_bind(fd, "10.0.0.1", 1023));
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 1024));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_EQ(0, sysctl_write(PORT_PRIVILEGED, "80"));
	fd = socket_new(-1);
	ASSERT_EQ(0, setresuid(1000, 1000, 0));
	EXPECT_EQ(EACCES, socket_bind(fd, "10.0.0.1", 79));
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 80));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	fd = socket_new(-1);
	EXPECT_EQ(0, socket_bind(fd, "10.0.0.1", 79));
}

/* SO_REUSEPORT shares among the sockets of one user only. */
TEST_F(port, reuseport_is_for_one_user)
{
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = socket_like(-1, REUSEPORT);
	ASSERT_EQ(0, socket_bind(fd[0], "10.0.0.1", 7000));
	ASSERT_EQ(0, socket_listen(fd[0], 4));
	EXPECT_EQ(0, socket_bind(fd[1], "10.0.0.1", 7000));
	EXPECT_EQ(0, socket_listen(fd[1], 4));
	if (!stock_mode())
		ASSERT_EQ(0, knob_set_text("gid_range", "0 2147483647"));
	ASSERT_EQ(0, setresuid(1000, 1000, 0));
	close(fd[2]);
	fd[2] = socket_like(-1, REUSEPORT);
	EXPECT_EQ(EADDRINUSE, socket_bind(fd[2], "10.0.0.1", 7000));
	ASSERT_EQ(0, setresuid(0, 0, 0));
}

/*
 * A connection belongs to the user who accepts it, its listener's port does not: a worker may not
 * listen beside the server that opened the port.
 */
TEST_F(port, reuseport_is_not_for_the_user_who_accepts)
{
	int fd = socket_like(-1, REUSEPORT), other;
	struct conn c;

	ASSERT_EQ(0, socket_bind(fd, "10.0.0.1", 7000));
	ASSERT_EQ(0, socket_listen(fd, 4));
	if (!stock_mode())
		ASSERT_EQ(0, knob_set_text("gid_range", "0 2147483647"));
	ASSERT_EQ(0, setresuid(1000, 1000, 0));
	conn_open(&self->peer, &c, .lfd = fd, .kport = 7000);
	other = socket_like(-1, REUSEPORT);
	EXPECT_EQ(EADDRINUSE, socket_bind(other, "10.0.0.1", 7000));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	close(other);
	other = socket_like(-1, REUSEPORT);
	EXPECT_EQ(0, socket_bind(other, "10.0.0.1", 7000));
}

/* listen() without bind() takes a port of the range. */
TEST_F(port, listen_binds_by_itself)
{
	int fd = socket_new(-1), other = socket_new(-1);

	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "40000 40000"));
	EXPECT_EQ(0, socket_listen(fd, 4));
	EXPECT_EQ(40000, socket_port(fd));
	EXPECT_EQ(EADDRINUSE, socket_listen(other, 4));
	close(fd);
	EXPECT_EQ(0, socket_listen(other, 4));
}

/* connect() to AF_UNSPEC leaves a socket alone that has no connection. */
TEST_F(port, disconnect_keeps_the_port_of_a_bind)
{
	static const char *const where[] = { "", "10.0.0.1" };
	int fd, port, other;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		fd = socket_new(-1);
		ASSERT_EQ(0, socket_bind(fd, where[i], 0));
		port = socket_port(fd);
		EXPECT_EQ(0, socket_disconnect(fd));
		EXPECT_EQ(port, socket_port(fd));
		other = socket_new(-1);
		EXPECT_EQ(EADDRINUSE, socket_bind(other, "10.0.0.1", port));
		EXPECT_EQ(0, socket_listen(fd, 4));
		EXPECT_EQ(port, socket_port(fd));
		/* That of a listener is given up, as is that of a connection. */
		EXPECT_EQ(0, socket_disconnect(fd));
		EXPECT_EQ(0, socket_bind(other, "10.0.0.1", port));
		close(fd);
		close(other);
	}
}

/*
 * All ephemeral ports are taken: net.ipv4.ip_autobind_reuse lets bind() to port 0 share one between
 * sockets with SO_REUSEADDR, unless they could share it as a group.
 */
TEST_F(port, ip_autobind_reuse)
{
	static const int both = REUSEADDR | REUSEPORT;
	int first = socket_like(-1, REUSEADDR), second = socket_like(-1, REUSEADDR);
	int plain = socket_new(-1);

	ASSERT_EQ(0, sysctl_write(PORT_RANGE, "40000 40000"));
	EXPECT_EQ(0, socket_bind(first, "10.0.0.1", 0));
	EXPECT_EQ(40000, socket_port(first));
	EXPECT_EQ(EADDRINUSE, socket_bind(second, "10.0.0.1", 0));
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/ipv4/ip_autobind_reuse", "1"));
	EXPECT_EQ(EADDRINUSE, socket_bind(plain, "10.0.0.1", 0));
	EXPECT_EQ(0, socket_bind(second, "10.0.0.1", 0));
	EXPECT_EQ(40000, socket_port(second));
	close(first);
	close(second);
	close(plain);
	first = socket_like(-1, both);
	second = socket_like(-1, both);
	EXPECT_EQ(0, socket_bind(first, "10.0.0.1", 0));
	EXPECT_EQ(EADDRINUSE, socket_bind(second, "10.0.0.1", 0));
}

/* Bound alike by SO_REUSEADDR, but only one may listen. */
TEST_F(port, listen_after_a_race_of_binds)
{
	int a = socket_like(-1, REUSEADDR), b = socket_like(-1, REUSEADDR);

	ASSERT_EQ(0, socket_bind(a, "10.0.0.1", 7000));
	ASSERT_EQ(0, socket_bind(b, "10.0.0.1", 7000));
	EXPECT_EQ(0, socket_listen(a, 4));
	EXPECT_EQ(EADDRINUSE, socket_listen(b, 4));
	close(a);
	EXPECT_EQ(0, socket_listen(b, 4));
}

TEST_F(port, bind_to_a_foreign_address_if_allowed)
{
	struct peer *p = &self->peer;
	int fd = socket_new(-1);

	socket_set(fd, IPPROTO_IP, IP_FREEBIND, 1);
	EXPECT_EQ(0, socket_bind(fd, "192.0.2.1", 7000));
	fd = socket_new(-1);
	socket_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	EXPECT_EQ(0, socket_bind(fd, "192.0.2.2", 7000));
	EXPECT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
	peer_expect(p, .flags = SYN, .src = ipaddr("192.0.2.2"), .sport = 7000,
		    .dport = 80);
	socket_abort(fd);
	fd = socket_new(-1);
	EXPECT_EQ(EADDRNOTAVAIL, socket_bind(fd, "192.0.2.3", 7000));
	ASSERT_EQ(0, nonlocal_bind_allow());
	EXPECT_EQ(0, socket_bind(fd, "192.0.2.3", 7000));
}

/*
 * As a transparent proxy is: the address is not this host's in any table that IP asks about
 * source addresses. Records acknowledge and reset as sockets do.
 */
TEST_F(port, transparent_to_the_end)
{
	struct peer *p = &self->peer;
	struct ipaddr ours = ipaddr("192.0.2.2");
	bool v6 = p->family == AF_INET6;
	const struct segment *seg;
	char command[200];
	uint32_t nxt;
	int fd;

	snprintf(command, sizeof(command), "ip -%d rule add iif tun0 lookup 100 && "
		 "ip -%d route add local default dev lo table 100", v6 ? 6 : 4, v6 ? 6 : 4);
	ASSERT_EQ(0, system(command));
	for (int refused = 0; refused < 2; refused++) {
		fd = socket_new(-1);
		socket_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
		socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		ASSERT_EQ(0, socket_bind(fd, "192.0.2.2", 7000 + refused));
		ASSERT_EQ(EINPROGRESS, socket_connect(fd, "10.0.0.2", 80));
		seg = peer_expect(p, .flags = SYN, .src = ours, .sport = ANYWHERE, .dport = 80);
		nxt = seg->seq + 1;
		peer_send(p, .dst = ours, .sport = 80, .dport = 7000 + refused,
			  .flags = SYN | ACK, .seq = 1, .ack = nxt);
		peer_expect(p, .flags = ACK, .src = ours, .sport = ANYWHERE, .dport = 80, .ack = 2);
		close(fd);
		peer_expect(p, .flags = FIN | ACK, .src = ours, .sport = ANYWHERE, .dport = 80,
			    .seq = nxt);
		peer_send(p, .dst = ours, .sport = 80, .dport = 7000 + refused, .seq = 2,
			  .ack = nxt + 1);
		if (refused) {
			peer_send(p, .dst = ours, .sport = 80, .dport = 7000 + refused, .seq = 2,
				  .ack = nxt + 1, .data = "late");
			peer_expect(p, .flags = RST, .src = ours, .sport = ANYWHERE, .dport = 80);
			continue;
		}
		for (int i = 0; i < 2; i++) {
			sleep_ms(1000);
			peer_send(p, .dst = ours, .sport = 80, .dport = 7000, .flags = FIN | ACK,
				  .seq = 2, .ack = nxt + 1);
			peer_expect(p, .flags = ACK, .src = ours, .sport = ANYWHERE, .dport = 80,
				    .ack = 3);
		}
	}
}

/* --- one port at many addresses */

#define CROWD 60

/*
 * The error of a socket with these options at that address, on a port that many others
 * have, each at an address of its own.
 */
static int crowd_errno(int protocol, int crowd_options, bool listen, const char *addr,
		       int options, int port)
{
	int crowd[CROWD], fd = socket_like(protocol, options), err;
	char text[32];

	for (int i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "127.0.1.%d", 1 + i / 2);
		crowd[i] = socket_like(protocol, crowd_options);
		/* Every other one elsewhere, for xtcp in the same hash chain. */
		err = socket_bind(crowd[i], text, port + i % 2 * 4096);
		if (!err && listen)
			err = socket_listen(crowd[i], 1);
		if (err)
			break;
	}
	if (!err) {
		err = socket_bind(fd, addr, port);
		if (!err && socket_listen(fd, 4))
			err = 2000 + errno;
	} else {
		err += 1000;
	}
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	close(fd);
	return err;
}

static void crowd_compare(struct __test_metadata *_metadata, int crowd_options, bool listen,
			  int options, int *port)
{
	static const char *const where[] = {
		"", "10.0.0.1", "127.0.1.1", "127.0.1.30", "127.0.1.31",
	};
	int stock;

	for (size_t i = 0; i < ARRAY_SIZE(where); i++, ++*port) {
		stock = crowd_errno(IPPROTO_TCP, crowd_options, listen, where[i], options, *port);
		EXPECT_EQ(stock, crowd_errno(-1, crowd_options, listen, where[i], options, *port)) {
			TH_LOG("%s, crowd %d %s, options %d", where[i], crowd_options,
			       listen ? "listens" : "bound", options);
		}
	}
}

TEST_F(port, lc_88_port_at_many_addresses_as_linux_has_it)
{
	int port = 7000;

	ASSERT_EQ(0, nonlocal_bind_allow());
	for (int listen = 0; listen < 2; listen++)
		for (int crowd = 0; crowd < 4; crowd++)
			for (int options = 0; options < 4; options++)
				crowd_compare(_metadata, crowd, listen, options, &port);
}
/*
 * A socket bound to any address, which a connect() that failed had given one:
 * what another one hears that wants the port while it listens.
 */
static int wildcard_again_errno(int protocol, int port)
{
	int crowd[CROWD], fd = socket_like(protocol, REUSEADDR), err = 0;
	int other = socket_like(protocol, REUSEADDR);
	char text[32];

	for (int i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "127.0.1.%d", 1 + i);
		crowd[i] = socket_like(protocol, REUSEADDR);
		err = err ?: socket_bind(crowd[i], text, port);
	}
	err = err ?: socket_bind(fd, "", port);
	if (!err && socket_connect_end(fd, "127.0.0.1", port + 1) != ECONNREFUSED)
		err = 1000;
	if (!err && socket_listen(fd, 4))
		err = 2000 + errno;
	if (!err)
		err = 3000 + socket_bind(other, "127.0.2.1", port);
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	close(fd);
	close(other);
	return err;
}

/* EADDRINUSE, but for ::ffff:0.0.0.0, which keeps what connect() gave it. */
TEST_F(port, lc_88_wildcard_again_after_a_failed_connect)
{
	int stock;

	self->peer.stock_may_speak = true;
	ASSERT_EQ(0, nonlocal_bind_allow());
	stock = wildcard_again_errno(IPPROTO_TCP, 7000);
	EXPECT_EQ(stock, wildcard_again_errno(-1, 7100));
}

TEST_HARNESS_MAIN
