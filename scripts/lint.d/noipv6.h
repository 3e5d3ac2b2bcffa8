/* SPDX-License-Identifier: GPL-2.0 */
/*
 * noipv6.h - switches IPv6 off. scripts/lint includes it before each file of
 * the module, after the kernel's configuration
 */
#undef CONFIG_IPV6
/* They depend on it; net/ip6_fib.h, which net/tcp.h includes, goes by them. */
#undef CONFIG_IPV6_MULTIPLE_TABLES
#undef CONFIG_IPV6_SUBTREES
