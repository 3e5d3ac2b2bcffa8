// SPDX-License-Identifier: GPL-2.0
/*
 * flux: 100,000 half-open records, half of which go while others come, and each reader
 * of the table reads meanwhile: every record that stays is there once, none of the
 * others twice, and no read() takes long.
 */
/* vm: busy newest slow */
#include "procfile.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

PEER_FIXTURE(flux);

#define STAY	50000
#define GO	50000
#define BATCH	250		/* that go, and that come, between two reads */
#define STAY_PORT 20000
#define GO_PORT	30000
#define READ	65536
#define READ_MS	50		/* more would be noticed by whoever waits for the CPU */

/* What a reader has shown. */
struct shown {
	uint8_t stay[STAY];		/* how often */
	uint8_t other[4 * GO];
	int others;
};

/* Record @i of a port is of this source address. */
static uint32_t source_of(int i)
{
	return ntohl(ipaddr("10.1.0.0").v4.s_addr) + i;
}

static void record_send(struct peer *p, int i, int sport, int flags)
{
	struct ipaddr src = ipaddr("10.1.0.0");

	src.v4.s_addr = htonl(source_of(i));
	peer_send(p, .flags = flags, .seq = i + (flags == RST), .src = src, .sport = sport);
}

/* Records [first, end) of GO_PORT exist; the oldest go, and as many come, up to @most. */
struct stream_of_records {
	struct peer *peer;
	int first, end, most;
};

static void some_go_and_come(struct stream_of_records *s)
{
	for (int i = 0; i < BATCH && s->end < s->most; i++) {
		record_send(s->peer, s->first++, GO_PORT, RST);
		record_send(s->peer, s->end++, GO_PORT, SYN);
	}
}

static void begin(struct __test_metadata *_metadata, struct peer *p, struct stream_of_records *s)
{
	ASSERT_EQ(0, sysctl_write("/proc/sys/net/core/somaxconn", "200000"));
	ASSERT_EQ(0, knob_set("max_syn_backlog", 1000000));
	peer_listen(p, KERNEL_PORT, 200000);
	p->leave_unread = true;
	for (int i = 0; i < STAY; i++)
		record_send(p, i, STAY_PORT, SYN);
	for (int i = 0; i < GO; i++)
		record_send(p, i, GO_PORT, SYN);
	*s = (struct stream_of_records){ .peer = p, .end = GO, .most = GO };
}

static void record_shown(struct shown *shown, uint32_t address, int port)
{
	uint32_t i = address - source_of(0);

	if (port == STAY_PORT && i < STAY) {
		shown->stay[i]++;
	} else if (port == GO_PORT && i < 4 * GO) {
		shown->other[i]++;
		shown->others++;
	}
}

static void expect_each_once(struct __test_metadata *_metadata, const struct shown *shown)
{
	int wrong = 0, twice = 0;

	for (int i = 0; i < STAY; i++)
		wrong += shown->stay[i] != 1;
	for (int i = 0; i < 4 * GO; i++)
		twice += shown->other[i] > 1;
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, twice);
	/* Those that existed for the whole time of neither kind may be there or not. */
	EXPECT_LT(0, shown->others);
}

/* --- what the readers print ------------------------------------------------------ */

/* Parts of a file that were read, up to what is complete of them. */
typedef size_t (*parser)(struct shown *shown, const char *data, size_t len);

static size_t lines_parse(struct shown *shown, const char *data, size_t len,
			  bool (*line_parse)(const char *line, uint32_t *address, int *port))
{
	const char *line = data, *end;
	uint32_t address;
	int port;

	while ((end = memchr(line, '\n', data + len - line))) {
		if (line_parse(line, &address, &port))
			record_shown(shown, address, port);
		line = end + 1;
	}
	return line - data;
}

static bool xtcp_line(const char *line, uint32_t *address, int *port)
{
	unsigned int word;

	if (sscanf(line, "%*d: %*8s:%*4s %8X:%4X 03 ", &word, port) != 2)
		return false;
	*address = ntohl(word);
	return true;
}

static size_t xtcp_parse(struct shown *shown, const char *data, size_t len)
{
	return lines_parse(shown, data, len, xtcp_line);
}

static bool age_line(const char *line, uint32_t *address, int *port)
{
	unsigned int a, b, c, d;

	if (sscanf(line, "%*s %u.%u.%u.%u:%d SYN-RECEIVED ", &a, &b, &c, &d, port) != 5)
		return false;
	*address = a << 24 | b << 16 | c << 8 | d;
	return true;
}

static size_t age_parse(struct shown *shown, const char *data, size_t len)
{
	return lines_parse(shown, data, len, age_line);
}

static size_t diag_parse(struct shown *shown, const char *data, size_t len)
{
	const struct inet_diag_msg *msg;
	const struct nlmsghdr *nlh;
	int left = len;

	for (nlh = (const void *)data; NLMSG_OK(nlh, left); nlh = NLMSG_NEXT(nlh, left)) {
		msg = NLMSG_DATA(nlh);
		if (nlh->nlmsg_type == SOCK_DIAG_BY_FAMILY && msg->idiag_state == ROW_SYN_RECEIVED)
			record_shown(shown, ntohl(msg->id.idiag_dst[0]),
				     ntohs(msg->id.idiag_dport));
	}
	return (const char *)nlh - data;
}

/* --- the readers ------------------------------------------------------------------ */

static void read_meanwhile(struct __test_metadata *_metadata, struct stream_of_records *s,
			   const char *name, parser parse)
{
	static char buf[2 * READ];
	static struct shown shown;
	int before = s->first;
	int64_t start, longest = 0;
	size_t have = 0, used;
	char path[64];
	ssize_t n;
	int fd;

	memset(&shown, 0, sizeof(shown));
	s->most += GO;
	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	while (true) {
		start = now_ns();
		n = read(fd, buf + have, READ);
		if (now_ns() - start > longest)
			longest = now_ns() - start;
		if (n <= 0)
			break;
		have += n;
		used = parse(&shown, buf, have);
		have -= used;
		memmove(buf, buf + used, have);
		some_go_and_come(s);
	}
	ASSERT_EQ(0, n);
	close(fd);
	EXPECT_LT(GO / 20, s->first - before);
	expect_each_once(_metadata, &shown);
	EXPECT_GT(READ_MS * NSEC_PER_MSEC + peer_slack_ns(), longest)
		TH_LOG("%s: %lld ms", name, (long long)longest / NSEC_PER_MSEC);
}

/* One after the other, because to make the records takes the longest. */
TEST_F_TIMEOUT(flux, flux_of_each_file, 600)
{
	struct stream_of_records s;

	NOT_ON_STOCK();
	begin(_metadata, &self->peer, &s);
	read_meanwhile(_metadata, &s, "xtcp", xtcp_parse);
	read_meanwhile(_metadata, &s, "xtcp_age", age_parse);
	read_meanwhile(_metadata, &s, "xtcp_diag", diag_parse);
}

TEST_HARNESS_MAIN
