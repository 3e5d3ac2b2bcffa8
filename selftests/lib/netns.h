/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netns: a network namespace for a test, its devices and addresses, by rtnetlink; and
 * which of the two stacks is tested.
 */
#ifndef SELFTESTS_LIB_NETNS_H
#define SELFTESTS_LIB_NETNS_H

#include <stdint.h>

#include <linux/rtnetlink.h>

#include "check.h"
#include "segment.h"

#include <linux/xtcp.h>

/* XTCP_TEST_STOCK=1: everything runs against the kernel's TCP. */
bool stock_mode(void);
/* The protocol to open sockets with: IPPROTO_XTCP, or IPPROTO_TCP. */
int stream_proto(void);
/*
 * The protocol that carries its segments: XTCP_WIRE_NATIVE, or with XTCP_TEST_WIRE=6
 * XTCP_WIRE_TCP, as always in stock mode.
 */
int stream_wire(void);
/* A stream socket of the stack under test, -1 and errno as socket(). */
int stream_socket(int family);

/*
 * A new namespace for this process, loopback up, its xtcp_wire as above. Returns an fd
 * of it.
 */
int netns_new(struct where at);
/* This process is root of a new user namespace. Network namespaces that it makes belong to it. */
void user_namespace_enter(struct where at);
/* Commands of the shell, which must succeed. */
void shell_run(struct where at, const char *commands);
/* Moves this process there; its existing sockets stay where they are. */
void netns_enter(struct where at, int ns_fd);
/* The network namespace of the guest's first process. */
void netns_enter_first(struct where at);

/* A layer 3 tun device with no offloads, up. Returns its fd. */
int tun_new(struct where at, const char *name);
/*
 * The same for a device that takes large segments and checksums that are not computed.
 * Each packet has a struct virtio_net_hdr in front.
 */
int tun_new_offload(struct where at, const char *name);
/* A veth pair: one end here, the other in the namespace peer_ns. */
void veth_new(struct where at, const char *name, int peer_ns,
	      const char *peer_name);
/* A VRF whose routes are those of @table, and a bridge without a spanning tree; both up. */
void vrf_new(struct where at, const char *name, uint32_t table);
void bridge_new(struct where at, const char *name);
/* Puts a device into a VRF or a bridge. */
void link_set_master(struct where at, const char *name, const char *master);
/* A device that drops every packet, up. */
void dummy_new(struct where at, const char *name);
void link_up(struct where at, const char *name);
/* Returns when packets can pass, which a work item of the kernel arranges. */
void link_await(struct where at, const char *name);
void link_del(struct where at, const char *name);
/* Over IPv6, when the test names no family: 20 more, the difference of the headers. */
void link_set_mtu(struct where at, const char *name, int mtu);
/* The MTU that stands for an IPv4 MTU: link_set_mtu(..., n) makes it mtu_of(n). */
int mtu_of(int ipv4_mtu);
/*
 * The TTL, or hop limit, of packets that leave through tun0 without one of their own.
 */
int default_ttl_set(int ttl);
/* bind() to addresses that do not exist. Returns 0 or the errno. */
int nonlocal_bind_allow(void);
void address_add(struct where at, const char *dev, const struct ipaddr *addr,
		 int prefix_len);
void address_del(struct where at, const char *dev, const struct ipaddr *addr,
		 int prefix_len);
/*
 * The same when other processes change the device, too: the address may exist, or be
 * gone, and the device may refuse it. Returns 0 or the errno.
 */
int address_set(struct where at, const char *dev, const struct ipaddr *addr,
		int prefix_len, bool there);
/* The address ends and returns, as DHCP may do. Afterwards nobody reads the old routes. */
void address_renew(struct where at, const char *dev, const struct ipaddr *addr,
		   int prefix_len);
/* Every destination of that family leaves through @dev. */
void route_add_default(struct where at, const char *dev, int family);

/* @dst/@prefix_len leaves through @dev, by way of @gw if given. */
void route_add(struct where at, const struct ipaddr *dst, int prefix_len,
	       const struct ipaddr *gw, const char *dev);

/* The metrics of a route: RTAX_*; 0 and NULL: none. */
struct route_metrics {
	uint32_t value[RTAX_MAX + 1];
	const char *congctl;
};

void route_add_metrics(struct where at, const struct ipaddr *dst, int prefix_len,
		       const char *dev, const struct route_metrics *metrics);
/* The next hop to @dst as the IP layer sees it now; family 0: none. */
struct ipaddr route_gateway(struct where at, const struct ipaddr *dst);

/* Segments reach @dev one by one, not as large skbs to segment. */
void link_set_single_segments(struct where at, const char *dev);
/* The largest skbs that are left for @dev to segment: segments, bytes. */
void link_set_gso(struct where at, const char *dev, uint32_t max_segs, uint32_t max_size);

/* One of the ETHTOOL_S* switches of a device (STSO, SGSO, SSG, STXCSUM). */
void link_set_offload(struct where at, const char *dev, uint32_t which, bool on);

/*
 * A token bucket: so many bytes a second leave through @dev; up to @limit bytes wait
 * for that, and still belong to their sockets.
 */
void shaper_set(struct where at, const char *dev, uint32_t bytes_per_s, uint32_t limit);

/* What netem does to packets that leave through a device; 0: not that. */
struct netem {
	double delay_ms, jitter_ms;
	double loss, duplicate, reorder, corrupt;	/* per cent */
	int limit;				/* packets, default 1000 */
	bool ecn;				/* marked with CE instead of lost, if ECT */
	double rate_mbit;			/* of the link, 10^6 bits/s */
	/* fixes the pattern, from 6.7 on; 0: another one each time */
	uint64_t seed;
};
void netem_set(struct where at, const char *dev, const struct netem *netem);
/* Packets that leave through @dev are spaced by their sockets' rates. */
void fq_set(struct where at, const char *dev);
/* Up to @limit packets wait, and leave in their order. */
void pfifo_set(struct where at, const char *dev, uint32_t limit);

/* Replaces the content of a file; all of @text must be written. */
#define file_write(md, path, text) file_write_at(WHERE(md), path, text)
void file_write_at(struct where at, const char *path, const char *text);
/* Writes a line to a file of /proc/sys. Returns 0 or the errno. */
int sysctl_write(const char *path, const char *value);
/* Reads one, without its newline. Returns 0 or the errno. */
int sysctl_read(const char *path, char *buf, size_t size);

#endif
