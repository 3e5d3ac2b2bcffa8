/* SPDX-License-Identifier: GPL-2.0 */
/*
 * draw: random numbers, the same ones again from the same seed. Each thread draws its
 * own.
 */
#ifndef SELFTESTS_LIB_DRAW_H
#define SELFTESTS_LIB_DRAW_H

#include <stdbool.h>
#include <stdint.h>

void draw_seed(uint64_t seed);
/* A number that the environment gives: a first seed, how many. */
int draw_from_environment(const char *name, int otherwise);
/* 0 to below - 1; below is not 0. */
uint32_t draw(uint32_t below);
/* True in so many of a hundred calls. */
bool chance(int percent);

#endif
