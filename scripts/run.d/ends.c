// SPDX-License-Identifier: GPL-2.0
/*
 * One end of the demonstration's connections: makes one socket call for each line that
 * it reads, and prints one line with the call and its result.
 *
 *	listen PORT		socket, SO_REUSEADDR, bind and listen
 *	accept
 *	connect ADDRESS PORT	socket and connect; the result includes the seconds
 *	write TEXT
 *	read
 *	shutdown		of the sending half
 *	close
 *	syn SOURCE SPORT ADDRESS PORT
 *				no socket: a single SYN with a forged source
 *
 * An end has at most one connection and one listener at a time. It opens its sockets
 * with IPPROTO_XTCP.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/xtcp.h>

#ifndef DEMO_PROTOCOL
#define DEMO_PROTOCOL IPPROTO_XTCP
#endif

static int listener = -1;
static int conn = -1;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(atoi(port)),
	};

	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		errx(2, "%s: no IPv4 address", host);
	return sin;
}

/* "= 0", or "= -1 ECONNRESET (Connection reset by peer)" */
static void print_result(long rc)
{
	if (rc < 0)
		printf(" = -1 %s (%s)", strerrorname_np(errno), strerror(errno));
	else
		printf(" = %ld", rc);
}

static void do_listen(char **arg)
{
	struct sockaddr_in sin = address("0.0.0.0", arg[1]);
	int on = 1, rc;

	listener = socket(AF_INET, SOCK_STREAM, DEMO_PROTOCOL);
	rc = listener;
	if (rc >= 0)
		rc = setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on,
				sizeof(on));
	if (rc >= 0)
		rc = bind(listener, (struct sockaddr *)&sin, sizeof(sin));
	if (rc >= 0)
		rc = listen(listener, 16);
	printf("listen(port %s)", arg[1]);
	print_result(rc);
}

static void do_accept(char **arg)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	(void)arg;
	conn = accept(listener, (struct sockaddr *)&sin, &len);
	printf("accept()");
	print_result(conn < 0 ? -1 : 0);
	if (conn >= 0)
		printf(", from %s port %u", inet_ntoa(sin.sin_addr),
		       ntohs(sin.sin_port));
}

static void do_connect(char **arg)
{
	struct sockaddr_in sin = address(arg[1], arg[2]);
	double start = now_s();
	int rc;

	conn = socket(AF_INET, SOCK_STREAM, DEMO_PROTOCOL);
	rc = conn;
	if (rc >= 0)
		rc = connect(conn, (struct sockaddr *)&sin, sizeof(sin));
	printf("connect(%s port %s)", arg[1], arg[2]);
	print_result(rc);
	printf(" after %.3f s", now_s() - start);
}

static void do_write(char **arg)
{
	printf("write(\"%s\")", arg[1]);
	print_result(send(conn, arg[1], strlen(arg[1]), MSG_NOSIGNAL));
}

static void do_read(char **arg)
{
	char text[256];
	ssize_t len = read(conn, text, sizeof(text));

	(void)arg;
	printf("read()");
	print_result(len);
	if (len > 0)
		printf(", \"%.*s\"", (int)len, text);
	else if (!len)
		printf(", the end of the stream");
}

static void do_shutdown(char **arg)
{
	(void)arg;
	printf("shutdown(SHUT_WR)");
	print_result(shutdown(conn, SHUT_WR));
}

static void do_close(char **arg)
{
	(void)arg;
	printf("close()");
	print_result(close(conn));
	conn = -1;
}

static uint16_t checksum(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (; len > 1; p += 2, len -= 2)
		sum += p[0] << 8 | p[1];
	if (len)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void do_syn(char **arg)
{
	struct sockaddr_in from = address(arg[1], arg[2]);
	struct sockaddr_in to = address(arg[3], arg[4]);
	struct {
		struct ip ip;
		struct tcphdr th;
		uint8_t mss[4];
	} __attribute__((packed)) pkt = {
		.ip = {
			.ip_v = 4, .ip_hl = 5, .ip_ttl = 64,
			.ip_p = DEMO_PROTOCOL ? DEMO_PROTOCOL : IPPROTO_TCP,
			.ip_len = htons(sizeof(pkt)),
			.ip_src = from.sin_addr, .ip_dst = to.sin_addr,
		},
		.th = {
			.th_sport = from.sin_port, .th_dport = to.sin_port,
			.th_seq = htonl(0x01020304), .th_off = 6,
			.th_flags = TH_SYN, .th_win = htons(64240),
		},
		.mss = { TCPOPT_MAXSEG, 4, 1460 >> 8, 1460 & 0xff },
	};
	size_t tcp_len = sizeof(pkt.th) + sizeof(pkt.mss);
	uint32_t a = ntohl(from.sin_addr.s_addr), b = ntohl(to.sin_addr.s_addr);
	int fd;

	/* Starts with the pseudo-header's sum; the kernel fills in IP's checksum. */
	pkt.th.th_sum = checksum(&pkt.th, tcp_len,
				 (a >> 16) + (a & 0xffff) + (b >> 16) +
				 (b & 0xffff) + pkt.ip.ip_p + tcp_len);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	printf("a SYN in the name of %s", arg[1]);
	print_result(fd < 0 ? -1 :
		     sendto(fd, &pkt, sizeof(pkt), 0, (struct sockaddr *)&to,
			    sizeof(to)) < 0 ? -1 : 0);
	if (fd >= 0)
		close(fd);
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **arg);
} commands[] = {
	{ "listen",	1, do_listen },
	{ "accept",	0, do_accept },
	{ "connect",	2, do_connect },
	{ "write",	1, do_write },
	{ "read",	0, do_read },
	{ "shutdown",	0, do_shutdown },
	{ "close",	0, do_close },
	{ "syn",	4, do_syn },
};

static void run(char *line)
{
	char *arg[8] = { NULL }, *save;
	unsigned int i;
	int n = 0;

	for (line = strtok_r(line, " \n", &save); line && n < 7;
	     line = strtok_r(NULL, " \n", &save))
		arg[n++] = line;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (n && !strcmp(arg[0], commands[i].name) &&
		    n == commands[i].args + 1) {
			commands[i].run(arg);
			putchar('\n');
			return;
		}
	errx(2, "%s: no such command, or not with %d arguments",
	     n ? arg[0] : "", n - 1);
}

int main(void)
{
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		run(line);
	return 0;
}
