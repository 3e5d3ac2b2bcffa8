/* SPDX-License-Identifier: GPL-2.0 */
/*
 * noipv6.h - switches IPv6 off. scripts/lint includes it before each file of
 * the module, after the kernel's configuration
 */
#undef CONFIG_IPV6
