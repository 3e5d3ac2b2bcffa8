/* SPDX-License-Identifier: GPL-2.0 */
/*
 * noipv6.h - read before each file of the module by scripts/lint, after the
 * kernel's configuration: as if that had no IPv6
 */
#undef CONFIG_IPV6
