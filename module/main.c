// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - load and unload, start and stop in a namespace
 *
 * xtcp_init() and xtcp_net_start() initialise the parts in order of dependency;
 * errors undo them in reverse. The large tables of a namespace wait for its first
 * socket (xtcp_net_prepare()). The protocol handlers are registered near the end,
 * so IP passes segments to us only while all parts below are initialised.
 *
 * Unloading: sockets of programs hold the module (EBUSY), so there are none when
 * xtcp_exit() runs. It unregisters the handlers, so that no segments arrive, then
 * the socket family; then each namespace drops its records; at last it waits for
 * all RCU callbacks.
 *
 * Context: process. The kernel serialises loading, unloading, and creating and removing
 * namespaces; xn->ready_lock serialises xtcp_net_prepare().
 */
#include <linux/module.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/stringify.h>
#include <net/net_namespace.h>

#include "close/timewait.h"
#include "flow.h"
#include "hostcache.h"
#include "isn.h"
#include "lifecycle.h"
#include "lookup.h"
#include "net/demux.h"
#include "net/family.h"
#include "net/handler.h"
#include "net/hook.h"
#include "net/inroute.h"
#include "net/inroute6.h"
#include "net/offload.h"
#include "netns.h"
#include "observe/histogram.h"
#include "observe/recorder.h"
#include "observe/stats.h"
#include "open/fastopen.h"
#include "open/gate.h"
#include "open/synqueue.h"
#include "port/ephemeral.h"
#include "port/port.h"
#include "shadow.h"
#include "timers.h"
#include "transfer/algorithms.h"
#include "transfer/orphans.h"
#include "transfer/smallqueue.h"
#include "user/diag.h"
#include "user/kill.h"
#include "user/procfs.h"
#include "user/socket.h"
#include "user/sysctl.h"

unsigned int xtcp_net_id __read_mostly;

static int net_make_tables(struct net *net)
{
	int err = xtcp_port_net_init(net);

	if (err)
		return err;
	err = xtcp_flow_net_init(net);
	if (err)
		goto port;
	err = xtcp_lookup_net_init(net);
	if (err)
		goto flow;
	err = xtcp_hostcache_net_init(net);
	if (err)
		goto lookup;
	return 0;

lookup:
	xtcp_lookup_net_exit(net);
flow:
	xtcp_flow_net_exit(net);
port:
	xtcp_port_net_exit(net);
	return err;
}

static void net_free_tables(struct net *net)
{
	xtcp_hostcache_net_exit(net);
	xtcp_lookup_net_exit(net);
	xtcp_flow_net_exit(net);
	xtcp_port_net_exit(net);
}

/**
 * xtcp_net_prepare - create the large tables of a namespace for its first socket
 * @net: namespace of the socket; nothing happens if it has them
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int xtcp_net_prepare(struct net *net)
{
	struct xtcp_net *xn = xtcp_net(net);
	int err = 0;

	if (likely(xtcp_net_is_ready(xn)))
		return 0;
	mutex_lock(&xn->ready_lock);
	if (!xn->ready)
		err = net_make_tables(net);
	if (!err)
		/* Pairs with xtcp_net_is_ready(). */
		smp_store_release(&xn->ready, true);
	mutex_unlock(&xn->ready_lock);
	return err;
}

static int __net_init xtcp_net_start(struct net *net)
{
	int err;

	xtcp_net(net)->net = net;
	mutex_init(&xtcp_net(net)->ready_lock);
	xtcp_isn_net_init(net);
	err = xtcp_stats_net_init(net);
	if (err)
		return err;
	err = xtcp_lifecycle_net_init(net);
	if (err)
		goto stats;
	xtcp_demux_net_init(net);
	xtcp_diag_net_init(net);
	err = xtcp_shadow_net_init(net);
	if (err)
		goto lifecycle;
	err = xtcp_timewait_net_init(net);
	if (err)
		goto shadow;
	err = xtcp_gate_net_init(net);
	if (err)
		goto timewait;
	err = xtcp_sysctl_net_init(net);
	if (err)
		goto gate;
	err = xtcp_procfs_net_init(net);
	if (err)
		goto sysctl;
	return 0;

sysctl:
	/* The knobs were there already: somebody may have set them. */
	xtcp_sysctl_net_exit(net);
	xtcp_histograms_net_exit(net);
	xtcp_recorder_net_exit(net);
	xtcp_fastopen_net_exit(net);
gate:
	xtcp_gate_net_exit(net);
timewait:
	xtcp_timewait_net_exit(net);
shadow:
	xtcp_shadow_net_exit(net);
lifecycle:
	xtcp_lifecycle_net_exit(net);
stats:
	xtcp_stats_net_exit(net);
	return err;
}

/* The hooks go first: a grace period passes before .exit frees what they use. */
static void __net_exit xtcp_net_quiesce(struct net *net)
{
	xtcp_demux_net_quiesce(net);
	xtcp_gate_net_quiesce(net);
	xtcp_shadow_net_quiesce(net);
}

static void __net_exit xtcp_net_stop(struct net *net)
{
	xtcp_procfs_net_exit(net);
	xtcp_sysctl_net_exit(net);
	/* Before the lines of TIME-WAIT: a timer of a socket may still begin one. */
	if (xtcp_net(net)->ready)
		xtcp_kill_sockets(net);
	xtcp_gate_net_exit(net);
	xtcp_timewait_net_exit(net);
	if (xtcp_net(net)->ready)
		net_free_tables(net);
	xtcp_shadow_net_exit(net);
	xtcp_histograms_net_exit(net);
	xtcp_recorder_net_exit(net);
	xtcp_fastopen_net_exit(net);
	xtcp_lifecycle_net_exit(net);
	xtcp_stats_net_exit(net);
	xtcp_demux_net_exit(net);
	xtcp_diag_net_exit(net);
	xtcp_inroute6_net_exit(net);
	xtcp_inroute_net_exit(net);
}

static struct pernet_operations xtcp_net_ops = {
	.init	= xtcp_net_start,
	.pre_exit = xtcp_net_quiesce,
	.exit	= xtcp_net_stop,
	.id	= &xtcp_net_id,
	.size	= sizeof(struct xtcp_net),
};

static int __init xtcp_init(void)
{
	int err;

	/*
	 * Early at boot the kernel's random numbers could be guessed. All keys
	 * are drawn after this.
	 */
	err = wait_for_random_bytes();
	if (err)
		return err;
	xtcp_flow_init_hash();
	xtcp_ipv6_init_digest();
	xtcp_lookup_init_hash();
	xtcp_port_range_init();
	xtcp_algorithms_load();
	xtcp_socket_limits_init();
	err = xtcp_lifecycle_init();
	if (err)
		return err;
	err = xtcp_timers_load();
	if (err)
		return err;
	xtcp_smallqueue_load();
	err = xtcp_synqueue_init();
	if (err)
		goto timers;
	err = xtcp_timewait_init();
	if (err)
		goto synqueue;
	err = xtcp_port_init();
	if (err)
		goto timewait;
	err = xtcp_shadow_init();
	if (err)
		goto port;
	err = xtcp_recorder_init();
	if (err)
		goto shadow;
	/* Before /proc, which shows their number. */
	err = xtcp_orphans_init();
	if (err)
		goto recorder;
	err = register_pernet_subsys(&xtcp_net_ops);
	if (err)
		goto orphans;
	err = xtcp_offload_init();
	if (err)
		goto pernet;
	err = xtcp_handler_init();
	if (err)
		goto offload;
	err = xtcp_socket_init();
	if (err)
		goto handler;
	return 0;

handler:
	xtcp_handler_exit();
offload:
	xtcp_offload_exit();
pernet:
	unregister_pernet_subsys(&xtcp_net_ops);
orphans:
	/* Knobs may have been written, also if only some namespaces were initialised. */
	xtcp_histograms_unload();
	rcu_barrier();
	xtcp_orphans_exit();
recorder:
	xtcp_recorder_exit();
shadow:
	xtcp_shadow_exit();
port:
	xtcp_port_exit();
timewait:
	xtcp_timewait_exit();
synqueue:
	xtcp_synqueue_exit();
timers:
	xtcp_smallqueue_unload();
	xtcp_timers_unload();
	return err;
}

static void __exit xtcp_exit(void)
{
	xtcp_hook_close();
	/* Waits for segments in processing. */
	xtcp_handler_exit();
	xtcp_offload_exit();
	xtcp_socket_exit();
	unregister_pernet_subsys(&xtcp_net_ops);
	/* Sockets and listeners' queues are freed by RCU callbacks of ours. */
	rcu_barrier();
	xtcp_histograms_unload();
	xtcp_smallqueue_unload();
	xtcp_orphans_exit();
	xtcp_recorder_exit();
	xtcp_shadow_exit();
	xtcp_port_exit();
	xtcp_timewait_exit();
	xtcp_synqueue_exit();
	xtcp_timers_unload();
}

module_init(xtcp_init);
module_exit(xtcp_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("xtcp: a second TCP for the machine, with an engine of its own");
MODULE_VERSION(__stringify(XTCP_VERSION));
MODULE_ALIAS("net-pf-2-proto-253-type-1");
MODULE_ALIAS("net-pf-10-proto-253-type-1");
