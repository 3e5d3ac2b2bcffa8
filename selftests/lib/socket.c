// SPDX-License-Identifier: GPL-2.0
/* socket: see socket.h. */
#define _GNU_SOURCE
#include "clock.h"
#include "socket.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn.h"
#include "context.h"
#include "netns.h"
#include "segment.h"

static socklen_t address(const char *addr, int port, struct sockaddr_storage *sa)
{
	struct ipaddr a = ipaddr(*addr ? addr : "0.0.0.0");

	return ipaddr_sockaddr(&a, port, sa);
}

int socket_new(int protocol)
{
	int fd = socket(socket_family(test_family()), SOCK_STREAM | SOCK_NONBLOCK,
			protocol < 0 ? stream_proto() : protocol);

	if (protocol < 0)
		context_apply_to_socket(fd);
	return fd;
}

int socket_bind(int fd, const char *addr, int port)
{
	struct sockaddr_storage sa;
	socklen_t len = address(addr, port, &sa);

	return errno_of(bind(fd, (struct sockaddr *)&sa, len));
}

bool stock_knows_wildcard(void)
{
	int any = socket_new(IPPROTO_TCP), one = socket_new(IPPROTO_TCP);
	bool knows;

	socket_bind(any, "", 9);
	knows = socket_bind(one, "127.0.0.1", 9) == EADDRINUSE;
	close(one);
	close(any);
	return knows;
}

void socket_share(int fd, int options)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ !!(options & REUSEADDR) }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ !!(options & REUSEPORT) }, sizeof(int));
}

int socket_of_stack(enum tcp_stack stack, int options)
{
	int fd = socket_new(stack == OURS ? IPPROTO_XTCP : IPPROTO_TCP);

	if (stack == OURS)
		socket_set_wire_tcp(fd);
	socket_share(fd, options);
	return fd;
}

int socket_connect(int fd, const char *addr, int port)
{
	struct sockaddr_storage sa;
	socklen_t len = address(addr, port, &sa);

	return errno_of(connect(fd, (struct sockaddr *)&sa, len));
}

int socket_connect_end(int fd, const char *addr, int port)
{
	int err, tries = 100;

	while ((err = socket_connect(fd, addr, port)) == EINPROGRESS || err == EALREADY) {
		if (!tries--)
			break;
		sleep_ms(1);
	}
	return err;
}

int socket_disconnect(int fd)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };

	return errno_of(connect(fd, &sa, sizeof(sa)));
}

int socket_listen(int fd, int backlog)
{
	return errno_of(listen(fd, backlog));
}

int socket_accept(int fd)
{
	int child = accept(fd, NULL, NULL);

	if (child < 0)
		return errno;
	close(child);
	return 0;
}

int socket_send(int fd)
{
	return errno_of(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
}

int socket_receive(int fd)
{
	char byte;

	return errno_of(recv(fd, &byte, 1, MSG_DONTWAIT));
}

int socket_shutdown(int fd, int how)
{
	return errno_of(shutdown(fd, how));
}

int socket_count(int fd, unsigned long request)
{
	int n = -1;

	return ioctl(fd, request, &n) ? -errno : n;
}

void socket_abort(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

int socket_name(int fd, socket_name_call call)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return errno_of(call(fd, (struct sockaddr *)&sa, &len));
}

void socket_expect_address(struct where at, const struct sockaddr_storage *sa, socklen_t len,
			   const struct ipaddr *addr, int port)
{
	struct sockaddr_storage want;
	socklen_t want_len = ipaddr_sockaddr(addr, port, &want);

	check(len == want_len && !memcmp(&want, sa, len), at, "another address");
}

void socket_expect_name(struct where at, int fd, socket_name_call call,
			const struct ipaddr *addr, int port)
{
	struct ipaddr none = { .family = socket_family(AF_INET) };
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	check(!call(fd, (struct sockaddr *)&sa, &len), at, "no name: %s", strerror(errno));
	socket_expect_address(at, &sa, len, addr ?: &none, port);
}

unsigned long socket_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

int socket_port(int fd)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	if (getsockname(fd, (struct sockaddr *)&sin, &len))
		return 0;
	return ntohs(sin.sin_port);
}

int socket_set_ip(int fd, int option, int value)
{
	static const int ipv6[] = {
		[IP_TTL] = IPV6_UNICAST_HOPS, [IP_TOS] = IPV6_TCLASS,
		[IP_MINTTL] = IPV6_MINHOPCOUNT, [IP_MTU_DISCOVER] = IPV6_MTU_DISCOVER,
		[IP_RECVERR] = IPV6_RECVERR, [IP_RECVERR_RFC4884] = IPV6_RECVERR_RFC4884,
		[IP_PKTINFO] = IPV6_RECVPKTINFO,
	};
	bool v6 = test_family() == AF_INET6;

	return errno_of(setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? ipv6[option] : option,
				   &value, sizeof(value)));
}

void socket_set_wire_tcp(int fd)
{
	socket_set(fd, IPPROTO_XTCP, XTCP_WIRE, XTCP_WIRE_TCP);
}

int socket_meminfo(int fd, int which)
{
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len))
		return -1;
	return mem[which];
}
