// SPDX-License-Identifier: GPL-2.0
/*
 * table.c - print the lifecycle table of module/lifecycle.c
 *
 * A program of the host. It compiles the table itself, which table.py cuts out of lifecycle.c
 * (table.inc) and lifecycle.h (names.inc): no second parser reads it. Output: lines "state
 * NUMBER SYMBOL NAME" and "event NUMBER SYMBOL NAME", then a line "row FROM EVENT TO TEXT" for
 * each row.
 */
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>

/* What names.inc takes from the kernel's headers. */
#define TCP_SYN_RECV		3
#define TCP_FIN_WAIT1		4
#define TCP_FIN_WAIT2		5
#define TCP_CLOSE		7
#define TCP_NEW_SYN_RECV	12
#include "names.inc"

/* What a row holds besides: nobody here needs it. */
enum {
	XTCP_MIB_NR, XTCP_MIB_ATTEMPT_FAILS, XTCP_MIB_ESTAB_RESETS, XTCP_MIB_ACTIVE_OPENS,
	XTCP_MIB_PASSIVE_OPENS
};

#define XTCP_RECORDER_FROM_MODE(from, event, to) 0

struct xtcp_lifecycle_rule {
	unsigned char	from, event, to, mib, recorded;
	const char	*section;
};

#include "table.inc"

static const char * const state_symbols[] = {
#define STATE(name)[XTCP_##name] = #name
	STATE(ESTABLISHED), STATE(SYN_SENT), STATE(SYN_RECEIVED), STATE(FIN_WAIT_1),
	STATE(FIN_WAIT_2), STATE(TIME_WAIT), STATE(CLOSED), STATE(CLOSE_WAIT), STATE(LAST_ACK),
	STATE(LISTEN), STATE(CLOSING), STATE(HALF_OPEN), STATE(ORPHAN_FIN_WAIT_2),
};

static const char * const event_symbols[] = {
#define X(symbol, name)[XTCP_EV_##symbol] = #symbol,
	XTCP_EVENTS(X)
#undef X
};

int main(void)
{
	const size_t rows = sizeof(lifecycle_rules) / sizeof(lifecycle_rules[0]);

	for (size_t i = 0; i < XTCP_STATES; i++)
		if (state_symbols[i])
			printf("state %zu %s %s\n", i, state_symbols[i], state_names[i]);
	for (size_t i = 0; i < XTCP_EVENTS_NR; i++)
		printf("event %zu %s %s\n", i, event_symbols[i], event_names[i]);
	for (size_t i = 0; i < rows; i++)
		printf("row %u %u %u %s\n", lifecycle_rules[i].from, lifecycle_rules[i].event,
		       lifecycle_rules[i].to, lifecycle_rules[i].section);
	return 0;
}
