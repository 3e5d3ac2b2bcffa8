// SPDX-License-Identifier: GPL-2.0
/*
 * age: /proc/net/xtcp_age: how long each connection has been in its state, and its
 * owner. LC-94.
 */
/* vm: wires families */
#include "lib/xtcp_test.h"

#include <net/if.h>
#include <sys/stat.h>

PEER_FIXTURE(age);

struct age_row {
	char local[48], remote[48], state[24];
	double seconds;
	unsigned int uid;
	unsigned long inode;
};

/* The number of rows with that local port; one of them in @row. */
static int rows_of(struct age_row *row, int lport)
{
	FILE *f = fopen("/proc/net/xtcp_age", "r");
	struct age_row r;
	char line[256], port[8];
	int n = 0;

	snprintf(port, sizeof(port), ":%d", lport);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%47s %47s %23s %lf %u %lu", r.local, r.remote, r.state,
			   &r.seconds, &r.uid, &r.inode) != 6 ||
		    strcmp(strrchr(r.local, ':'), port))
			continue;
		/* Of a listener and its children, a child. */
		if (!n++ || strcmp(r.state, "LISTEN"))
			*row = r;
	}
	if (f)
		fclose(f);
	return n;
}

/* A tick early or late: ages are kept in ticks of 10 ms at most. */
#define TICK_S 0.022

static void expect_age(struct __test_metadata *_metadata, int lport, const char *state,
		       double seconds)
{
	struct age_row row;

	ASSERT_EQ(1, rows_of(&row, lport));
	EXPECT_STREQ(state, row.state);
	EXPECT_LE(seconds - TICK_S, row.seconds);
	EXPECT_GE(seconds + TICK_S, row.seconds);
}

static void quiet(struct peer *p, int64_t ms)
{
	peer_drain(p, ms);
	p->leave_unread = true;
}

static void age_in(struct __test_metadata *_metadata, struct peer *p, enum conn_state st,
		   bool orphan, const char *name)
{
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, st, .orphan = orphan, .kport = 6000, .active = true);
	quiet(p, 7250);
	expect_age(_metadata, 6000, name, 7.25);
}

#define AGE(st, orphan, name) \
	TEST_F(age, proc_age_##st##_##orphan) \
	{ \
		age_in(_metadata, &self->peer, ST_##st, orphan, name); \
	}

AGE(SYN_SENT, false, "SYN-SENT")
AGE(SYN_RECEIVED, false, "SYN-RECEIVED")
AGE(ESTABLISHED, false, "ESTABLISHED")
AGE(FIN_WAIT_1, false, "FIN-WAIT-1")
AGE(FIN_WAIT_2, false, "FIN-WAIT-2")
AGE(CLOSE_WAIT, false, "CLOSE-WAIT")
AGE(CLOSING, true, "CLOSING")
AGE(LAST_ACK, true, "LAST-ACK")
AGE(TIME_WAIT, false, "TIME-WAIT")
AGE(ORPHAN_FIN_WAIT_2, true, "FIN-WAIT-2")

/* Its SYN-ACK was repeated at 1, 3 and 7 s meanwhile. */
TEST_F(age, proc_age_half_open_and_listener)
{
	struct peer *p = &self->peer;
	struct age_row row;
	struct conn c;
	int lfd;

	NOT_ON_STOCK();
	lfd = peer_listen(p, 7000, 8);
	sleep_ms(3000);
	expect_age(_metadata, 7000, "LISTEN", 3.0);
	ASSERT_EQ(1, rows_of(&row, 7000));
	EXPECT_STREQ(end_text("10.0.0.1", 7000), row.local);
	EXPECT_STREQ(end_text("0.0.0.0", 0), row.remote);
	conn_to_state(p, &c, ST_HALF_OPEN, .lfd = lfd, .kport = 7000);
	quiet(p, 7250);
	ASSERT_EQ(2, rows_of(&row, 7000));
	EXPECT_STREQ("SYN-RECEIVED", row.state);
	EXPECT_STREQ(end_text("10.0.0.1", 7000), row.local);
	EXPECT_LE(7.25 - TICK_S, row.seconds);
	EXPECT_GE(7.25 + TICK_S, row.seconds);
	EXPECT_EQ(0, row.inode);
}

/* A new state resets the age; events that keep the state do not. */
TEST_F(age, proc_age_begins_with_the_state)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .kport = 6000, .active = true);
	sleep_ms(5000);
	conn_send(&c, .flags = PSH | ACK, .data = "text");
	conn_expect(&c, .flags = ACK, .ack = 5);
	expect_age(_metadata, 6000, "ESTABLISHED", 5.0);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	expect_age(_metadata, 6000, "CLOSE-WAIT", 0);
	sleep_ms(1000);
	shutdown(c.fd, SHUT_WR);
	conn_expect(&c, .flags = FIN | ACK);
	expect_age(_metadata, 6000, "LAST-ACK", 0);
	conn_send(&c, .flags = ACK);
	EXPECT_EQ(0, rows_of(&(struct age_row){}, 6000));
}

/* FIN again restarts 2MSL, not the state. */
TEST_F(age, proc_age_of_a_restarted_time_wait)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_TIME_WAIT, .kport = 6000, .active = true);
	sleep_ms(40000);
	conn_send(&c, .flags = FIN | ACK, .seq = 1);
	conn_expect(&c, .flags = ACK);
	sleep_ms(40000);
	expect_age(_metadata, 6000, "TIME-WAIT", 80);
	/* FIN-WAIT-2 and TIME-WAIT are two states of one record. */
	conn_to_state(p, &c, ST_ORPHAN_FIN_WAIT_2, .kport = 6001, .active = true);
	sleep_ms(10000);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	sleep_ms(2000);
	expect_age(_metadata, 6001, "TIME-WAIT", 2);
}

/* A record takes over: the state is the same. The peer's FIN begins another one. */
TEST_F(age, proc_age_of_fin_wait_2_goes_on_in_a_record)
{
	struct peer *p = &self->peer;
	struct conn c;

	NOT_ON_STOCK();
	conn_to_state(p, &c, ST_FIN_WAIT_2, .kport = 6000, .active = true);
	sleep_ms(30000);
	expect_age(_metadata, 6000, "FIN-WAIT-2", 30);
	close(c.fd);
	c.fd = -1;
	conn_expect_state(&c, ST_ORPHAN_FIN_WAIT_2);
	expect_age(_metadata, 6000, "FIN-WAIT-2", 30);
	sleep_ms(20000);
	expect_age(_metadata, 6000, "FIN-WAIT-2", 50);
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	sleep_ms(2000);
	expect_age(_metadata, 6000, "TIME-WAIT", 2);
}

TEST_F_TIMEOUT(age, lc_94_close_wait_for_an_hour, 3700)
{
	struct peer *p = &self->peer;
	struct age_row row;
	struct stat st;
	struct conn c;

	NOT_ON_STOCK();
	conn_open(p, &c, .kport = 6000, .active = true);
	ASSERT_EQ(0, fchown(c.fd, 1234, 0));
	conn_send(&c, .flags = FIN | ACK);
	conn_expect(&c, .flags = ACK);
	sleep_ms(3600 * 1000);
	expect_age(_metadata, 6000, "CLOSE-WAIT", 3600);
	ASSERT_EQ(1, rows_of(&row, 6000));
	EXPECT_STREQ(end_text("10.0.0.1", 6000), row.local);
	ASSERT_EQ(0, fstat(c.fd, &st));
	EXPECT_EQ(st.st_ino, row.inode);
	EXPECT_EQ(1234, row.uid);
}

TEST_F(age, proc_age_header_and_device)
{
	char line[80] = "";
	struct age_row row;
	int fd = socket_new(-1);
	FILE *f;

	NOT_ON_STOCK();
	f = fopen("/proc/net/xtcp_age", "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("local remote state seconds uid inode wire waiting timer ms\n", line);
	EXPECT_EQ(NULL, fgets(line, sizeof(line), f));
	fclose(f);
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_EQ(0, socket_bind(fd, "127.0.0.1", 5000));
	ASSERT_EQ(0, socket_listen(fd, 1));
	ASSERT_EQ(1, rows_of(&row, 5000));
	EXPECT_STREQ(end_text("127.0.0.1%lo", 5000), row.local);
	/* xtcp_kill takes the row. */
	f = fopen("/proc/net/xtcp_kill", "w");
	ASSERT_NE(NULL, f);
	fprintf(f, "%s %s\n", row.local, row.remote);
	EXPECT_EQ(0, fclose(f));
	EXPECT_EQ(0, rows_of(&row, 5000));
}

/* The device of a bind() is a part of the address, by its number when it is gone. */
TEST_F(age, proc_age_of_a_device)
{
	NOT_ON_STOCK();
	int fd = socket_new(-1), index;
	struct age_row row;
	char want[48];

	dummy_new(WHERE(_metadata), "gone0");
	index = if_nametoindex("gone0");
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "gone0", 6));
	ASSERT_EQ(0, socket_bind(fd, "", 7000));
	ASSERT_EQ(0, socket_listen(fd, 4));
	ASSERT_EQ(1, rows_of(&row, 7000));
	EXPECT_NE(NULL, strstr(row.local, "%gone0:7000"));
	link_del(WHERE(_metadata), "gone0");
	ASSERT_EQ(1, rows_of(&row, 7000));
	snprintf(want, sizeof(want), "%%%d:7000", index);
	EXPECT_NE(NULL, strstr(row.local, want));
}

TEST_HARNESS_MAIN
