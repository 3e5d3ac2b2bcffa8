/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shuffle: knobs, socket options and devices that get values at random during transfers, and the
 * notes of what was changed, which a failing test prints.
 */
#ifndef SELFTESTS_LIB_SHUFFLE_H
#define SELFTESTS_LIB_SHUFFLE_H

#include <stdbool.h>

#include "check.h"
#include "pair.h"

#define SHUFFLE_VALUES 8	/* of a knob or an option */
#define SHUFFLE_KNOBS 80
#define SHUFFLE_NOTES 60	/* the last ones are kept */

struct shuffle_knob {
	const char *name, *value[SHUFFLE_VALUES];
};

/* @usual: the value when all is to be as it was. */
struct shuffle_option {
	const char *name;
	int level, number;
	int values;
	long value[SHUFFLE_VALUES];
	long usual;
};

struct shuffle {
	const struct shuffle_knob *knob;
	int knobs;
	char usual[SHUFFLE_KNOBS][64];	/* value of each knob; "": there is none */
	int step;			/* is set by the test */
	bool speaks;			/* prints each note at once */
	int notes;
	char note[SHUFFLE_NOTES][120];
};

/* Reads the usual values in this namespace. Only the kernel's TCP may lack a knob. */
void shuffle_begin(struct where at, struct shuffle *s, const struct shuffle_knob *knob, int knobs);
/* Draws a knob and a value for this namespace. @who is for the note. */
void shuffle_knob(struct shuffle *s, const char *who);
/* Gives each knob of this namespace its usual value. */
void shuffle_end(struct shuffle *s);

/* Draws one of these options and a value. */
void shuffle_option(struct shuffle *s, int fd, const struct shuffle_option *o, int options,
		    const char *who);
void shuffle_options_end(int fd, const struct shuffle_option *o, int options);

/*
 * Draws an MTU, which the caller sets. IPv6 needs 1280 bytes: over it only the first three of @mtus
 * are drawn.
 */
int shuffle_mtu(struct shuffle *s, const char *who, const int *mtus, int n);
/* Draws GSO limits of that side's device, in whose namespace this process is. */
void shuffle_gso(struct shuffle *s, struct pair *pr, enum side side, const uint32_t *sizes, int n);

void shuffle_note(struct shuffle *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The last notes, unless they were printed at once. */
void shuffle_print(const struct shuffle *s);

#endif
