// SPDX-License-Identifier: GPL-2.0
/* draw: see draw.h. */
#include "draw.h"

#include <stdlib.h>

static _Thread_local uint64_t state;

void draw_seed(uint64_t seed)
{
	state = seed;
}

int draw_from_environment(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

/* splitmix64: any seed is a good one. */
uint32_t draw(uint32_t below)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

bool chance(int percent)
{
	return (int)draw(100) < percent;
}
