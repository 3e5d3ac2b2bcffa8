// SPDX-License-Identifier: GPL-2.0
/* shuffle: see shuffle.h. */
#include "shuffle.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "draw.h"
#include "netns.h"
#include "proc.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

void shuffle_begin(struct where at, struct shuffle *s, const struct shuffle_knob *knob, int knobs)
{
	check(knobs <= SHUFFLE_KNOBS, at, "%d knobs", knobs);
	s->knob = knob;
	s->knobs = knobs;
	for (int i = 0; i < knobs; i++) {
		if (knob_get_text(knob[i].name, s->usual[i], sizeof(s->usual[i])))
			s->usual[i][0] = '\0';
		check(s->usual[i][0] || stock_mode(), at, "no knob %s", knob[i].name);
	}
}

void shuffle_knob(struct shuffle *s, const char *who)
{
	const struct shuffle_knob *k = &s->knob[draw(s->knobs)];
	const char *value;
	int values = 0;

	while (values < SHUFFLE_VALUES && k->value[values])
		values++;
	value = k->value[draw(values)];
	shuffle_note(s, "%s: %s = %s", who, k->name, value);
	/* xtcp_reordering, for one, refuses what is more than xtcp_max_reordering. */
	knob_set_text(k->name, value);
}

void shuffle_end(struct shuffle *s)
{
	/* Twice: the bound of one knob may be another one. */
	for (int n = 0; n < 2 * s->knobs; n++) {
		int i = n % s->knobs;

		if (s->usual[i][0])
			knob_set_text(s->knob[i].name, s->usual[i]);
	}
}

/* Errors are ignored. */
static void option_set(int fd, const struct shuffle_option *o, long value)
{
	int word = value;

	if (o->number == SO_MAX_PACING_RATE && o->level == SOL_SOCKET)
		setsockopt(fd, o->level, o->number, &value, sizeof(value));
	else
		setsockopt(fd, o->level, o->number, &word, sizeof(word));
}

void shuffle_option(struct shuffle *s, int fd, const struct shuffle_option *o, int options,
		    const char *who)
{
	long value;

	o += draw(options);
	value = o->value[draw(o->values)];
	shuffle_note(s, "%s: %s %ld", who, o->name, value);
	option_set(fd, o, value);
}

void shuffle_options_end(int fd, const struct shuffle_option *o, int options)
{
	for (int i = 0; i < options; i++)
		option_set(fd, &o[i], o[i].usual);
}

int shuffle_mtu(struct shuffle *s, const char *who, const int *mtus, int n)
{
	int mtu = mtus[draw(test_family() == AF_INET6 ? 3 : n)];

	shuffle_note(s, "%s: MTU %d", who, mtu);
	return mtu;
}

void shuffle_gso(struct shuffle *s, struct pair *pr, enum side side, const uint32_t *sizes, int n)
{
	static const uint32_t segs[] = { 1, 2, 17, 65535 };
	uint32_t max_segs = segs[draw(ARRAY_SIZE(segs))];
	uint32_t max_size = sizes[draw(n)];

	shuffle_note(s, "%s: GSO up to %u segments, %u bytes", pair_side[side], max_segs, max_size);
	link_set_gso(WHERE(pr->test), pair_device[side], max_segs, max_size);
}

void shuffle_note(struct shuffle *s, const char *fmt, ...)
{
	char *line = s->note[s->notes++ % SHUFFLE_NOTES];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(s->note[0]), "step %d: ", s->step);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(s->note[0]) - n, fmt, ap);
	va_end(ap);
	if (!s->speaks)
		return;
	printf("#   %s\n", line);
	fflush(stdout);
}

void shuffle_print(const struct shuffle *s)
{
	if (s->speaks)
		return;
	for (int i = s->notes > SHUFFLE_NOTES ? s->notes - SHUFFLE_NOTES : 0; i < s->notes; i++)
		printf("#   %s\n", s->note[i % SHUFFLE_NOTES]);
}
