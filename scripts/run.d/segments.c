// SPDX-License-Identifier: GPL-2.0
/*
 * The sniffer of the demonstration: prints every TCP segment that crosses a device,
 * one per line, with the terms of RFC 9293.
 *
 *	segments DEVICE PROTOCOL [ADDRESS=NAME]...
 *
 *	1700000000.123456 client:40000 server:80 SYN,ACK seq=y ack=x+1 len=0 win=64240 mss=1460
 *
 * It decodes IPv4 and IPv6. The time is the kernel's timestamp of the frame. x is the
 * initial sequence number of the end that sent the first SYN, y that of the other; if
 * the SYN was not captured, numbers are printed as they are. PROTOCOL is the IP
 * protocol number: tcpdump decodes 6, but not 253.
 *
 * Runs in the namespace of DEVICE until it is killed, and flushes each line.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* A connection: its ends and their initial sequence numbers. */
struct flow {
	struct in6_addr addr[2];	/* [0] sent the first SYN; IPv4's mapped */
	in_port_t port[2];
	uint32_t isn[2];
	bool has_isn[2];
};

static struct flow flows[256];
static unsigned int flows_len;

static struct {
	struct in6_addr addr;
	const char *name;
} names[16];
static unsigned int names_len;

static struct in6_addr widen(struct in_addr addr)
{
	struct in6_addr mapped = { .s6_addr = { [10] = 0xff, 0xff } };

	memcpy(&mapped.s6_addr[12], &addr, sizeof(addr));
	return mapped;
}

static bool read_address(const char *text, struct in6_addr *addr)
{
	struct in_addr plain;

	if (inet_pton(AF_INET6, text, addr) == 1)
		return true;
	if (inet_pton(AF_INET, text, &plain) != 1)
		return false;
	*addr = widen(plain);
	return true;
}

static void learn_name(char *word)
{
	char *sep = strchr(word, '=');

	if (!sep || names_len == sizeof(names) / sizeof(names[0]))
		errx(2, "%s: ADDRESS=NAME expected", word);
	*sep = '\0';
	if (!read_address(word, &names[names_len].addr))
		errx(2, "%s: no address", word);
	names[names_len++].name = sep + 1;
}

static bool is_same(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static const char *name_of(const struct in6_addr *addr)
{
	static char text[2][INET6_ADDRSTRLEN];
	static unsigned int next;
	unsigned int i;

	for (i = 0; i < names_len; i++)
		if (is_same(&names[i].addr, addr))
			return names[i].name;
	next = !next;
	return inet_ntop(AF_INET6, addr, text[next], sizeof(text[0]));
}

/* The flow of a segment from (sa, sp) to (da, dp), and which end sent it. The ring
 * forgets the oldest flow when it is full.
 */
static struct flow *flow_find(const struct in6_addr *sa, in_port_t sp,
			      const struct in6_addr *da, in_port_t dp, int *end)
{
	const unsigned int size = sizeof(flows) / sizeof(flows[0]);
	unsigned int i;
	struct flow *f;

	for (i = 0; i < size; i++) {
		f = &flows[i];
		for (*end = 0; *end < 2; (*end)++)
			if (is_same(&f->addr[*end], sa) &&
			    f->port[*end] == sp &&
			    is_same(&f->addr[!*end], da) &&
			    f->port[!*end] == dp)
				return f;
	}

	f = &flows[flows_len++ % size];
	memset(f, 0, sizeof(*f));
	*end = 0;
	f->addr[0] = *sa;
	f->addr[1] = *da;
	f->port[0] = sp;
	f->port[1] = dp;
	return f;
}

static void print_number(const char *key, const struct flow *f, int end,
			 uint32_t number)
{
	char letter = end ? 'y' : 'x';

	if (!f->has_isn[end])
		printf(" %s=%u", key, number);
	else if (number == f->isn[end])
		printf(" %s=%c", key, letter);
	else
		printf(" %s=%c+%u", key, letter, number - f->isn[end]);
}

static void print_flags(const struct tcphdr *th)
{
	const char *sep = " ";
	static const struct { int bit; const char *name; } flags[] = {
		{ TH_SYN, "SYN" }, { TH_FIN, "FIN" }, { TH_RST, "RST" },
		{ TH_PUSH, "PSH" }, { TH_URG, "URG" }, { TH_ACK, "ACK" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (th->th_flags & flags[i].bit) {
			printf("%s%s", sep, flags[i].name);
			sep = ",";
		}
	if (*sep == ' ')
		printf(" none");
}

/* Names only the options that a SYN negotiates and SACK blocks: timestamps ride on every
 * segment and would bury the rest.
 */
static void print_options(const struct tcphdr *th, bool syn)
{
	const uint8_t *p = (const uint8_t *)(th + 1);
	const uint8_t *end = (const uint8_t *)th + th->th_off * 4;

	while (p < end && *p != TCPOPT_EOL) {
		if (*p == TCPOPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return;
		if (*p == TCPOPT_MAXSEG && p[1] == 4)
			printf(" mss=%u", p[2] << 8 | p[3]);
		else if (*p == TCPOPT_WINDOW && p[1] == 3)
			printf(" wscale=%u", p[2]);
		else if (*p == TCPOPT_SACK_PERMITTED)
			printf(" sack");
		else if (*p == TCPOPT_TIMESTAMP && syn)
			printf(" ts");
		else if (*p == TCPOPT_SACK)
			printf(" sack-blocks=%u", (p[1] - 2) / 8);
		p += p[1];
	}
}

/* A packet: between whom, what it carries and where that begins. */
struct packet {
	struct in6_addr src, dst;
	int protocol;
	size_t header, len;	/* bytes; len: of all that the header claims */
};

static bool read_ipv4(const void *frame, size_t len, struct packet *p)
{
	const struct ip *ip = frame;

	if (len < sizeof(*ip))
		return false;
	*p = (struct packet) {
		.src = widen(ip->ip_src), .dst = widen(ip->ip_dst), .protocol = ip->ip_p,
		.header = ip->ip_hl * 4, .len = ntohs(ip->ip_len),
	};
	return true;
}

/* Extension headers, which nobody here sends, are none of its business. */
static bool read_ipv6(const void *frame, size_t len, struct packet *p)
{
	const struct ip6_hdr *ip = frame;

	if (len < sizeof(*ip))
		return false;
	*p = (struct packet) {
		.src = ip->ip6_src, .dst = ip->ip6_dst, .protocol = ip->ip6_nxt,
		.header = sizeof(*ip), .len = sizeof(*ip) + ntohs(ip->ip6_plen),
	};
	return true;
}

static void print_segment(const struct timespec *when, const char *frame,
			  const struct packet *p, size_t len)
{
	const struct tcphdr *th = (void *)(frame + p->header);
	size_t hdrs = p->header + sizeof(*th);
	bool syn, ack;
	struct flow *f;
	int end;

	if (len < hdrs || th->th_off < 5 ||
	    len < p->header + th->th_off * 4u)
		return;
	hdrs = p->header + th->th_off * 4;
	/* A large-send frame still being cut up may carry length 0. */
	if (p->len >= hdrs && p->len < len)
		len = p->len;

	syn = th->th_flags & TH_SYN;
	ack = th->th_flags & TH_ACK;
	f = flow_find(&p->src, th->th_sport, &p->dst, th->th_dport, &end);
	if (syn && !ack && (!f->has_isn[end] || f->isn[end] != ntohl(th->th_seq))) {
		/* a new connection between the same ports */
		f->has_isn[!end] = false;
		if (end) {
			struct flow old = *f;

			f->addr[0] = old.addr[1];
			f->addr[1] = old.addr[0];
			f->port[0] = old.port[1];
			f->port[1] = old.port[0];
			end = 0;
		}
	}
	if (syn) {
		f->has_isn[end] = true;
		f->isn[end] = ntohl(th->th_seq);
	}

	printf("%lld.%06ld", (long long)when->tv_sec, when->tv_nsec / 1000);
	printf(" %s:%u", name_of(&p->src), ntohs(th->th_sport));
	printf(" %s:%u", name_of(&p->dst), ntohs(th->th_dport));
	print_flags(th);
	print_number("seq", f, end, ntohl(th->th_seq));
	if (ack)
		print_number("ack", f, !end, ntohl(th->th_ack));
	else
		printf(" ack=-");
	printf(" len=%zu win=%u", len - hdrs, ntohs(th->th_win));
	print_options(th, syn);
	putchar('\n');
}

static struct timespec stamp_of(struct msghdr *msg)
{
	struct timespec when = { 0 };
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SO_TIMESTAMPNS)
			memcpy(&when, CMSG_DATA(c), sizeof(when));
	return when;
}

int main(int argc, char **argv)
{
	static char frame[1 << 17] __attribute__((aligned(16)));
	struct sockaddr_ll dev = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	};
	int fd, i, protocol, on = 1, room = 8 << 20;

	if (argc < 3)
		errx(2, "usage: segments DEVICE PROTOCOL [ADDRESS=NAME]...");
	protocol = atoi(argv[2]);
	for (i = 3; i < argc; i++)
		learn_name(argv[i]);

	fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	dev.sll_ifindex = if_nametoindex(argv[1]);
	if (fd < 0 || !dev.sll_ifindex ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, (struct sockaddr *)&dev, sizeof(dev)))
		err(1, "%s", argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (;;) {
		char control[256];
		struct sockaddr_ll from;
		struct iovec iov = { frame, sizeof(frame) };
		struct msghdr msg = {
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		struct timespec when;
		struct packet packet;
		ssize_t len;

		len = recvmsg(fd, &msg, 0);
		if (len < 0)
			err(1, "recvmsg");
		if (!(from.sll_protocol == htons(ETH_P_IP) ? read_ipv4(frame, len, &packet) :
		      from.sll_protocol == htons(ETH_P_IPV6) && read_ipv6(frame, len, &packet)) ||
		    packet.protocol != protocol)
			continue;
		when = stamp_of(&msg);
		print_segment(&when, frame, &packet, len);
	}
}
