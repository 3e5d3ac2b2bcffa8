// SPDX-License-Identifier: GPL-2.0
/*
 * socket.c - the socket as the kernel's socket layer sees it
 *
 * The tables by which system calls reach the stages and the engine (struct proto
 * and struct proto_ops), creation and destruction of a socket, and the calls that
 * concern the socket rather than a stage of its connection: poll(), ioctl(),
 * SO_RCVLOWAT. They implement RFC 9293 3.9.1 (the user interface) in the way
 * that Linux programs know from TCP.
 *
 * References: the file holds one; for a child that accept() has not returned, the
 * accept queue. A socket in a timing wheel has another one for its wheel entry.
 * After close() the connection continues as an orphan, with the file's reference,
 * until its state is CLOSED. Then close/close.c unhashes it, calls
 * xtcp_sock_destroy() and drops that reference.
 *
 * When the last reference is dropped, the socket is freed at once: a lookup under
 * RCU can cope with memory that has become another socket (flow.c). A former
 * listener is freed a grace period later (SOCK_RCU_FREE), because SYNs use listeners
 * without a reference. Each socket holds the module.
 *
 * Context: process, except for: release_cb, inside release_sock() with softirqs
 * off; backlog_rcv, there too, with softirqs on; xtcp_sock_destroy() in softirq if a
 * segment or timer ends an orphan; the write space callback in any context.
 */
#include "user/socket.h"

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/percpu_counter.h>
#include <linux/poll.h>
#include <linux/sockios.h>
#include <linux/swap.h>
#include <linux/uidgid.h>
#include <net/inet_common.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/sock.h>
#include <uapi/linux/xtcp.h>

#include "close/close.h"
#include "compat.h"
#include "fastq.h"
#include "lifecycle.h"
#include "lookup.h"
#include "net/family.h"
#include "net/header.h"
#include "net/input.h"
#include "netns.h"
#include "observe/memory.h"
#include "observe/recorder.h"
#include "observe/stats.h"
#include "open/acceptqueue.h"
#include "open/connect.h"
#include "open/fastconnect.h"
#include "open/listen.h"
#include "port/port.h"
#include "proto.h"
#include "rare.h"
#include "segment/icmp.h"
#include "tcb.h"
#include "timers.h"
#include "transfer/ack.h"
#include "transfer/autotune.h"
#include "transfer/congestion.h"
#include "transfer/orphans.h"
#include "transfer/probe.h"
#include "transfer/prune.h"
#include "transfer/receive.h"
#include "transfer/rtt.h"
#include "transfer/send.h"
#include "transfer/sendqueue.h"
#include "transfer/smallqueue.h"
#include "transfer/urgent.h"
#include "user/diag.h"
#include "user/sockopt.h"
#include "user/stream.h"
#include "user/sysctl.h"
#include "user/zerocopy.h"

/*
 * Memory of all xtcp sockets of the host, in pages: low, pressure, max. The
 * knob xtcp_mem; one value for all namespaces, as the socket layer requires.
 */
long xtcp_socket_memory_limit[3] __read_mostly;
atomic_t xtcp_memory_peak __read_mostly = ATOMIC_INIT(0);
static DEFINE_PER_CPU(int, memory_reserve);
static unsigned long memory_pressure __read_mostly;	/* jiffies; 0 for none */

/* Written by all CPUs: each has a line without the values above, which each ACK reads. */
static atomic_long_t memory_allocated ____cacheline_aligned_in_smp;
static struct percpu_counter sockets_allocated ____cacheline_aligned_in_smp;

/*
 * Memory that a socket may always have, even under memory pressure: min,
 * default, max, of which the socket layer reads the first. It needs one array
 * for all namespaces, so the knobs can't be used.
 */
static int buffer_floor[3] = { 4096, 4096, 4096 };

static void memory_pressure_enter(struct sock *sk)
{
	unsigned long now = jiffies ?: 1;

	if (!READ_ONCE(memory_pressure) && !cmpxchg(&memory_pressure, 0, now))
		XTCP_INC(sock_net(sk), MEMORY_PRESSURES);
}

static void memory_pressure_leave(struct sock *sk)
{
	unsigned long since = READ_ONCE(memory_pressure);

	if (!since)
		return;
	since = xchg(&memory_pressure, 0);
	if (since)
		XTCP_ADD(sock_net(sk), MEMORY_PRESSURES_CHRONO,
			 jiffies_to_msecs(jiffies - since));
}

/* As in the kernel's TCP, pressure begins at a sixteenth of low memory. */
static void memory_limit_init(void)
{
	unsigned long pages = max(nr_free_buffer_pages() / 16, 128UL);

	xtcp_socket_memory_limit[0] = pages / 4 * 3;
	xtcp_socket_memory_limit[1] = pages;
	xtcp_socket_memory_limit[2] = xtcp_socket_memory_limit[0] * 2;
}

/*
 * TCP_NOTSENT_LOWAT: true if less than that is unsent; to wake a writer, less
 * than half of it (@wake). For struct proto.stream_memory_free, without the
 * lock.
 */
static bool sock_takes_data(const struct sock *sk, int wake)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	s32 left = seq_dist(READ_ONCE(xs->snd_nxt), READ_ONCE(xs->write_seq));

	return (u64)max(left, 0) << wake < xtcp_notsent_lowat(xs);
}

/*
 * True if there is enough space to wake a writer: a third of the buffer, so
 * that writers are not woken for each acknowledged segment.
 */
static bool sock_has_write_space(const struct sock *sk)
{
	int queued = READ_ONCE(sk->sk_wmem_queued);

	return READ_ONCE(sk->sk_sndbuf) - queued >= queued >> 1 &&
	       queued < READ_ONCE(sk->sk_sndbuf) &&
	       sock_takes_data(sk, 1);
}

/* Context: RCU. */
static void wake_writers(struct sock *sk)
{
	struct socket_wq *wq = rcu_dereference(sk->sk_wq);

	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM |
						      EPOLLWRBAND);
	if (wq && wq->fasync_list && !(sk->sk_shutdown & SEND_SHUTDOWN))
		sock_wake_async(wq, SOCK_WAKE_SPACE, POLL_OUT);
}

/*
 * sk->sk_write_space: data was acknowledged, or the buffer has grown; or
 * sock_wfree() has freed an skb. Any context; the caller keeps the socket's
 * memory valid. A concurrent close() may free the struct socket after a grace
 * period.
 */
static void sock_write_space(struct sock *sk)
{
	struct socket *sock;

	/*
	 * After sock_wfree() has subtracted the bytes, or setsockopt() has stored the new limit.
	 * Pairs with smallqueue_stop(), and with what sets SOCK_NOSPACE and looks again.
	 */
	smp_mb();
	if (test_bit(XTCP_THROTTLED, &xtcp_sk(sk)->deferred))
		xtcp_smallqueue_drained(sk);
	rcu_read_lock();
	sock = READ_ONCE(sk->sk_socket);
	if (sock && test_bit(SOCK_NOSPACE, &sock->flags) &&
	    sock_has_write_space(sk)) {
		clear_bit(SOCK_NOSPACE, &sock->flags);
		wake_writers(sk);
	}
	rcu_read_unlock();
}

static bool gid_lies_in(kgid_t gid, const kgid_t range[2])
{
	return gid_lte(range[0], gid) && gid_lte(gid, range[1]);
}

/* True if one of the caller's groups is in the knob gid_range. */
static bool caller_is_in_range(const struct net *net)
{
	const struct group_info *groups = current_cred()->group_info;
	kgid_t range[2];
	int i;

	xtcp_sysctl_gid_range(net, range);
	if (gid_lies_in(current_egid(), range))
		return true;
	for (i = 0; i < groups->ngroups; i++)
		if (gid_lies_in(groups->gid[i], range))
			return true;
	return false;
}

/*
 * Landlock and SELinux recognize TCP by its protocol number, so their rules for
 * TCP do not apply to xtcp. Only users that the administrator trusts may open a
 * socket.
 */
static bool caller_may_open(const struct sock *sk)
{
	const struct net *net = sock_net(sk);

	return sk->sk_kern_sock || caller_is_in_range(net) ||
	       ns_capable(net->user_ns, CAP_NET_ADMIN);
}

/* proto.init: socket() allocated @sk, zeroed except for the kernel's part. */
static int xtcp_sock_init(struct sock *sk)
{
	struct xtcp_key key = { .family = sk->sk_family };
	struct net *net = sock_net(sk);
	struct xtcp_sock *xs = xtcp_sk(sk);

	key.wire = XTCP_KNOB(net, wire);
	xs->af = xtcp_family_get(sk->sk_family);
	xtcp_flow_init(&xs->flow, XTCP_KIND_SOCKET, &key);
	xtcp_lifecycle_born(&xs->flow, XTCP_CLOSED);

	xs->peer_mss = xs->af->mss_default;
	xs->mss = XTCP_MSS_DEFAULT;	/* TCP_MAXSEG, of any family: Linux */
	xs->reordering = XTCP_KNOB(net, reordering);	/* for TCP_INFO, until xtcp_begin() */
	xs->ofo_queue = RB_ROOT;
	sk->tcp_rtx_queue = RB_ROOT;
	xtcp_autotune_renew(xs);
	xtcp_timers_init(sk);
	xtcp_rtt_init(xs);
	xtcp_congestion_socket_init(xs);
	xtcp_ack_init(sk);

	sk->sk_write_space = sock_write_space;
	sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
	WRITE_ONCE(sk->sk_sndbuf, READ_ONCE(xtcp_net(net)->knobs.wmem[1]));
	WRITE_ONCE(sk->sk_rcvbuf, READ_ONCE(xtcp_net(net)->knobs.rmem[1]));

	if (unlikely(!sk->sk_net_refcnt))
		WRITE_ONCE(xtcp_net(net)->borrowed, true);
	xtcp_zerocopy_claim(sk);
	sk_sockets_allocated_inc(sk);
	sock_prot_inuse_add(net, sk->sk_prot, 1);
	/*
	 * Last: if it fails the socket layer calls destroy(), which undoes the
	 * rest.
	 */
	return caller_may_open(sk) ? xtcp_net_prepare(net) : -EACCES;
}

/*
 * proto.destroy: the connection is over (state CLOSED), in no table, and has no
 * user. Memory is freed with the last reference.
 */
static void xtcp_sock_destroy(struct sock *sk)
{
	struct xtcp_sockopt_rare *rare = xtcp_sk(sk)->sockopt.rare;

	/* Usually cleared already when the connection ended. */
	if (unlikely(xtcp_timers_entry_is_set(xtcp_sk(sk))))
		xtcp_timers_clear_all(sk);
	if (unlikely(xtcp_sk(sk)->fast_tried || xtcp_sk(sk)->fast_checks))
		xtcp_fastconnect_ends(sk);
	/* TCP_FASTOPEN's; a child has left its queue before. */
	if (unlikely(xtcp_sk(sk)->fast_held))
		xtcp_fastq_forget(sk);
	/* A child that was never in the table may have one. */
	xtcp_recorder_end(sk, 0);
	xtcp_diag_end_announce(sk);
	xtcp_sendq_purge(sk);
	xtcp_receive_purge(sk);
	xtcp_port_release(sk);
	xtcp_congestion_release(xtcp_sk(sk));
	/* sock_diag and readers of its file may have a reference, and lock @sk after this. */
	xtcp_sk(sk)->ecn.accurate = 0;
	WRITE_ONCE(xtcp_sk(sk)->sockopt.rare, NULL);
	xtcp_rare_free(rare);
	sk_sockets_allocated_dec(sk);
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, -1);
}

/* proto.release_cb: do what was deferred while the user owned the socket. */
static void xtcp_sock_release_cb(struct sock *sk)
{
	struct xtcp_sock *xs = xtcp_sk(sk);

	if (likely(!READ_ONCE(xs->deferred)))
		return;
	if (test_and_clear_bit(XTCP_DEFER_TIMERS, &xs->deferred))
		xtcp_timers_run(sk);
	if (test_and_clear_bit(XTCP_DEFER_MTU, &xs->deferred) &&
	    sk->sk_state != XTCP_CLOSED)
		xtcp_icmp_mtu_apply(sk);
	if (test_and_clear_bit(XTCP_DEFER_SEND, &xs->deferred))
		xtcp_smallqueue_resume(sk);
	/* Last: the others may leave an ACK pending. */
	if (test_and_clear_bit(XTCP_DEFER_ACK, &xs->deferred))
		xtcp_ack_deferred(sk);
}

/*
 * connect() and promotion enter the flow table, listen() enters the listener
 * table; the generic hooks do nothing.
 */
static int xtcp_sock_hash(struct sock *sk)
{
	return 0;
}

static void xtcp_sock_unhash(struct sock *sk)
{
}

/* SO_BINDTODEVICE: other devices' segments no longer reach the listener or connection. */
static void xtcp_sock_rehash(struct sock *sk)
{
	if (sk->sk_state == XTCP_LISTEN)
		xtcp_lookup_rehash(sk);
	else if (sk->sk_state != XTCP_CLOSED)
		xtcp_flow_rebind(sock_net(sk), &xtcp_sk(sk)->flow, sk->sk_bound_dev_if);
}

/*
 * Bytes that recv() would return; a FIN in order is none. One call reads only
 * up to an urgent byte that is not inline. Socket lock.
 */
static int unread_bytes(const struct sock *sk)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	int bytes;

	if (xtcp_state_in(sk, XTCP_OPENING))
		return 0;
	if (xs->urgent.state && !sock_flag(sk, SOCK_URGINLINE) &&
	    !seq_before(xs->urgent.seq, xs->copied_seq) &&
	    seq_before(xs->urgent.seq, xs->rcv_nxt))
		return seq_dist(xs->copied_seq, xs->urgent.seq);
	bytes = seq_dist(xs->copied_seq, xs->rcv_nxt);
	if (bytes > 0 && sock_flag(sk, SOCK_DONE))
		bytes--;
	return bytes;
}

/*
 * Bytes from @from to the end of the written data; a SYN does not count. Without the lock @from
 * may be newer than the end.
 */
static int unsent_bytes(const struct sock *sk, seq_t from)
{
	if (xtcp_state_in(sk, XTCP_OPENING))
		return 0;
	return max(seq_dist(from, READ_ONCE(xtcp_sk(sk)->write_seq)), 0);
}

static int counted_bytes(const struct sock *sk, int cmd)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);

	if (cmd == SIOCINQ)
		return unread_bytes(sk);
	return unsent_bytes(sk, cmd == SIOCOUTQ ? READ_ONCE(xs->snd_una) : READ_ONCE(xs->snd_nxt));
}

/*
 * SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK. What a program has to read depends on several
 * numbers, so SIOCINQ takes the lock. The next two don't, because a call that sleeps in the middle
 * of its copy may own the lock. They take it in CLOSED only, where connect() sets their numbers one
 * by one.
 */
static int xtcp_sock_ioctl(struct sock *sk, int cmd, int *answer)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	bool slow;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		if (xtcp_state_in(sk, XTCP_STATEF(XTCP_LISTEN)))
			return -EINVAL;
		break;
	case SIOCATMARK:
		*answer = xtcp_urgent_is_at(xs, READ_ONCE(xs->copied_seq));
		return 0;
	default:
		return -ENOIOCTLCMD;
	}

	if (cmd == SIOCINQ || xtcp_state_in(sk, XTCP_STATEF(XTCP_CLOSED))) {
		slow = lock_sock_fast(sk);
		*answer = counted_bytes(sk, cmd);
		unlock_sock_fast(sk, slow);
	} else {
		*answer = counted_bytes(sk, cmd);
	}
	return 0;
}

/*
 * True if a reader that wants @target bytes can read. Fewer are enough when
 * little more can arrive.
 */
static bool sock_is_readable(const struct sock *sk, int target)
{
	const struct xtcp_sock *xs = xtcp_sk(sk);
	int bytes = seq_dist(READ_ONCE(xs->copied_seq),
			     READ_ONCE(xs->rcv_nxt));

	if (bytes <= 0)
		return false;
	return bytes >= target || xtcp_prune_is_nearly_full(sk);
}

/*
 * True if there is buffer space. If not, ask for a wake-up and check again:
 * otherwise space freed in between would cause no wake-up, and a program that
 * waits for an edge would sleep forever.
 */
static bool sock_poll_writable(struct sock *sk)
{
	if (sock_has_write_space(sk))
		return true;

	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	smp_mb__after_atomic();	/* pairs with skwq_has_sleeper() */
	return sock_has_write_space(sk);
}

/*
 * In SYN-RECEIVED, and not by a fast open, whose child may be read and written before the
 * handshake is over. One whose handshake ends just now wakes the program again.
 */
static bool sock_is_opening(const struct sock *sk, int state)
{
	if (likely(state != XTCP_SYN_RECEIVED))
		return false;
	/* Without the socket lock. */
	return !data_race((bool)xtcp_sk(sk)->fast_held);
}

/*
 * proto_ops.poll. Without the socket lock: each change wakes the program, which
 * polls again.
 */
static __poll_t xtcp_poll(struct file *file, struct socket *sock,
			  poll_table *wait)
{
	struct sock *sk = sock->sk;
	__poll_t mask = 0;
	u8 shutdown;
	int state;

	sock_poll_wait(file, sock, wait);

	/* Pairs with state_set() of lifecycle.c. */
	state = smp_load_acquire(&sk->sk_state);
	if (state == XTCP_LISTEN)
		return READ_ONCE(sk->sk_ack_backlog) ?
			EPOLLIN | EPOLLRDNORM : 0;

	shutdown = READ_ONCE(sk->sk_shutdown);
	/*
	 * Another CPU is ending the connection: it has set the state and is
	 * about to set the error, both shutdown bits, and to wake us, in this
	 * order. "Writable" without the error would look like a successful
	 * connect().
	 */
	if (state == XTCP_CLOSED && shutdown != SHUTDOWN_MASK &&
	    READ_ONCE(sock->state) != SS_UNCONNECTED)
		return 0;
	if (shutdown == SHUTDOWN_MASK || state == XTCP_CLOSED)
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;

	if (state != XTCP_SYN_SENT && !sock_is_opening(sk, state)) {
		const struct xtcp_sock *xs = xtcp_sk(sk);
		int target = sock_rcvlowat(sk, 0, INT_MAX);

		/* recv() does not return the urgent byte. */
		if (xtcp_urgent_is_at(xs, READ_ONCE(xs->copied_seq)) &&
		    !sock_flag(sk, SOCK_URGINLINE))
			target++;
		if (sock_is_readable(sk, target))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (xtcp_urgent_is_here(xs))
			mask |= EPOLLPRI;
		/* After shutdown(SHUT_WR) a write reports the error. */
		if ((shutdown & SEND_SHUTDOWN) || sock_poll_writable(sk))
			mask |= EPOLLOUT | EPOLLWRNORM;
	} else if (unlikely(xtcp_fastconnect_is_deferred(sk))) {
		/* The SYN waits for a write. */
		mask |= EPOLLOUT | EPOLLWRNORM;
	}

	smp_rmb();	/* pairs with smp_wmb() in xtcp_close_error() */
	if (READ_ONCE(sk->sk_err) ||
	    !skb_queue_empty_lockless(&sk->sk_error_queue))
		mask |= EPOLLERR;
	return mask;
}

/*
 * proto_ops.set_rcvlowat; socket lock. At most half of the buffer, because the
 * window closes before more arrives. A waiting reader may have enough now.
 */
static int xtcp_set_rcvlowat(struct sock *sk, int val)
{
	struct xtcp_sock *xs = xtcp_sk(sk);
	int most = READ_ONCE(xtcp_net(sock_net(sk))->knobs.rmem[2]);
	int space;

	val = min(val, (sk->sk_userlocks & SOCK_RCVBUF_LOCK ? sk->sk_rcvbuf : most) / 2);
	WRITE_ONCE(sk->sk_rcvlowat, val ? : 1);

	if (sk->sk_state != XTCP_LISTEN &&
	    sock_is_readable(sk, READ_ONCE(sk->sk_rcvlowat)))
		sk->sk_data_ready(sk);

	/* The peer's segments decide how much memory @val bytes need. */
	space = min(xtcp_autotune_space_for(xs, val), most);
	if (!(sk->sk_userlocks & SOCK_RCVBUF_LOCK) && space > sk->sk_rcvbuf) {
		WRITE_ONCE(sk->sk_rcvbuf, space);
		/* As in Linux: so much would never fit into a smaller window. */
		if (xs->window_clamp && xs->window_clamp < val)
			WRITE_ONCE(xs->window_clamp, val);
	}
	return 0;
}

/* proto_ops.splice_eof: sendfile() said MSG_MORE, but there is no more data. */
static void __maybe_unused xtcp_splice_eof(struct socket *sock)
{
	struct sock *sk = sock->sk;

	lock_sock(sk);
	if (xtcp_state_in(sk, XTCP_SENDING_STATES)) {
		xtcp_sendq_mark_push(sk);
		xtcp_send_push(sk, 0);
	}
	release_sock(sk);
}

XTCP_DEFINE_PROTO_ACCEPT(xtcp_proto_accept, xtcp_acceptqueue_accept)
XTCP_DEFINE_PROTO_IOCTL(xtcp_proto_ioctl, xtcp_sock_ioctl)
XTCP_DEFINE_PROTO_RECVMSG(xtcp_proto_recvmsg, xtcp_recvmsg)

struct proto xtcp_prot = {
	.name			= "XTCP",
	.owner			= THIS_MODULE,
	.obj_size		= sizeof(struct xtcp_sock),
	.slab_flags		= SLAB_NO_MERGE | SLAB_TYPESAFE_BY_RCU,
	.max_header		= XTCP_HEADROOM,
	.no_autobind		= true,

	.init			= xtcp_sock_init,
	.destroy		= xtcp_sock_destroy,
	.close			= xtcp_close,
	.shutdown		= xtcp_close_shutdown,
	.disconnect		= xtcp_close_disconnect,
	.pre_connect		= xtcp_connect_filter,
	.connect		= xtcp_connect,
	.accept			= xtcp_proto_accept,
	.ioctl			= xtcp_proto_ioctl,
	.setsockopt		= xtcp_setsockopt,
	.getsockopt		= xtcp_getsockopt,
	.keepalive		= xtcp_probe_keepalive_set,
	.sendmsg		= xtcp_sendmsg,
	.recvmsg		= xtcp_proto_recvmsg,
	.backlog_rcv		= xtcp_input_backlog,
	.release_cb		= xtcp_sock_release_cb,
	.hash			= xtcp_sock_hash,
	.unhash			= xtcp_sock_unhash,
	.rehash			= xtcp_sock_rehash,
	.get_port		= xtcp_port_bind,
	.put_port		= xtcp_port_release,

	.enter_memory_pressure	= memory_pressure_enter,
	.leave_memory_pressure	= memory_pressure_leave,
	.stream_memory_free	= sock_takes_data,
	.memory_allocated	= &memory_allocated,
	.per_cpu_fw_alloc	= &memory_reserve,
	.memory_pressure	= &memory_pressure,
	.sysctl_mem		= xtcp_socket_memory_limit,
	.sysctl_wmem		= buffer_floor,
	.sysctl_rmem		= buffer_floor,
	.sockets_allocated	= &sockets_allocated,
};

/*
 * The child belongs to the new socket now. If shutdown() came before listen(), its children have
 * SEND_SHUTDOWN from it: send their FIN now. It can't leave earlier, because xs->meter, in which
 * sending is measured, shares memory with the queue's link until accept(), and because
 * inet_accept() warns of LAST-ACK. A child that has ended in the queue has SEND_SHUTDOWN, too, and
 * sends nothing.
 */
static void accept_finish(struct sock *sk)
{
	xtcp_zerocopy_claim(sk);
	if (likely(!(READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)))
		return;
	lock_sock(sk);
	xtcp_close_shutdown(sk, SEND_SHUTDOWN);
	release_sock(sk);
}

XTCP_DEFINE_ACCEPT(stream_accept, accept_finish)

/* Completed before it is registered. */
static struct proto_ops xtcp_stream_ops __ro_after_init = {
	.family		= PF_INET,
	.owner		= THIS_MODULE,
	.release	= inet_release,
	.bind		= inet_bind,
	.connect	= inet_stream_connect,
	.socketpair	= sock_no_socketpair,
	.accept		= stream_accept,
	.getname	= inet_getname,
	.poll		= xtcp_poll,
	.ioctl		= inet_ioctl,
	.gettstamp	= sock_gettstamp,
	.listen		= xtcp_listen,
	.shutdown	= inet_shutdown,
	.setsockopt	= xtcp_setsockopt_any,
	.getsockopt	= sock_common_getsockopt,
	.sendmsg	= inet_sendmsg,
	.recvmsg	= inet_recvmsg,
	.mmap		= sock_no_mmap,
	.set_peek_off	= sk_set_peek_off,
	.set_rcvlowat	= xtcp_set_rcvlowat,
	.splice_read	= xtcp_splice_read,
	XTCP_PROTO_OPS_SPLICE_EOF(xtcp_splice_eof)
};

/*
 * No INET_PROTOSW_ICSK: it would mark the socket as an inet_connection_sock,
 * which it is not.
 */
static struct inet_protosw xtcp_protosw = {
	.type		= SOCK_STREAM,
	.protocol	= IPPROTO_XTCP,
	.prot		= &xtcp_prot,
	.ops		= &xtcp_stream_ops,
};

#if IS_ENABLED(CONFIG_IPV6)
/*
 * AF_INET6: the same functions, except for the kernel's IPv6 functions for
 * addresses. Filled in before they are registered.
 */
struct proto xtcp6_prot;
static struct proto_ops stream6_ops __ro_after_init;

static struct inet_protosw stream6_protosw = {
	.type		= SOCK_STREAM,
	.protocol	= IPPROTO_XTCP,
	.prot		= &xtcp6_prot,
	.ops		= &stream6_ops,
};

static int __init socket6_init(void)
{
	xtcp6_prot = xtcp_prot;
	strscpy(xtcp6_prot.name, "XTCPv6", sizeof(xtcp6_prot.name));
	xtcp6_prot.obj_size = sizeof(struct xtcp_sock6);
	XTCP_PROTO_IPV6_OFFSET(&xtcp6_prot,
			       offsetof(struct xtcp_sock6, pinfo));
	stream6_ops = xtcp_stream_ops;
	stream6_ops.family = PF_INET6;
	stream6_ops.release = inet6_release;
	stream6_ops.bind = inet6_bind;
	stream6_ops.getname = inet6_getname;
	stream6_ops.ioctl = inet6_ioctl;
#ifdef CONFIG_COMPAT
	stream6_ops.compat_ioctl = inet6_compat_ioctl;
#endif
	return proto_register(&xtcp6_prot, 1);
}

/* From now on sockets exist. */
static int __init socket6_start(void)
{
	return inet6_register_protosw(&stream6_protosw);
}

static void socket6_stop(void)
{
	inet6_unregister_protosw(&stream6_protosw);
}

static void socket6_exit(void)
{
	proto_unregister(&xtcp6_prot);
}
#else
static int __init socket6_init(void)
{
	return 0;
}

static int __init socket6_start(void)
{
	return 0;
}

static void socket6_stop(void)
{
}

static void socket6_exit(void)
{
}
#endif

/**
 * xtcp_socket_limits_init - compute the defaults of xtcp_mem and xtcp_max_orphans
 *
 * Before there are knobs: later the default would replace what somebody has just written.
 */
void __init xtcp_socket_limits_init(void)
{
	memory_limit_init();
	/* Half an orphan for each entry of the kernel TCP's connection hash. */
	xtcp_orphans_max = xtcp_sysctl_hash_entries() / 2;
}

/**
 * xtcp_socket_init - let socket() create xtcp sockets
 *
 * The last step of loading: sockets may exist, and use everything else, before
 * this returns.
 *
 * Return: 0 or -errno.
 */
int __init xtcp_socket_init(void)
{
	int err;

	err = percpu_counter_init(&sockets_allocated, 0, GFP_KERNEL);
	if (err)
		return err;

#ifdef CONFIG_COMPAT
	/* The function itself is static. */
	xtcp_stream_ops.compat_ioctl = inet_stream_ops.compat_ioctl;
#endif
	err = socket6_init();
	if (err)
		goto undo_counter;
	err = proto_register(&xtcp_prot, 1);
	if (err)
		goto undo_socket6;

	/* Nothing may fail behind this: a socket would lose its module. */
	err = socket6_start();
	if (err)
		goto undo_prot;
	inet_register_protosw(&xtcp_protosw);
	return 0;

undo_prot:
	proto_unregister(&xtcp_prot);
undo_socket6:
	socket6_exit();
undo_counter:
	percpu_counter_destroy(&sockets_allocated);
	return err;
}

/* Pages of all sockets, with those that the socket layer keeps for each CPU. */
static long memory_charged(void)
{
	long pages = atomic_long_read(&memory_allocated);
	int cpu;

	for_each_possible_cpu(cpu)
		pages += per_cpu(memory_reserve, cpu);
	return pages;
}

/**
 * xtcp_socket_exit - stop creating sockets
 *
 * No socket is left, since each holds the module;
 * but the last ones may still wait for their grace period, after which their
 * cache is destroyed.
 */
void xtcp_socket_exit(void)
{
	inet_unregister_protosw(&xtcp_protosw);
	socket6_stop();
	rcu_barrier();
	/* Without sockets no memory is charged; else some path has charged it wrong. */
	WARN_ON_ONCE(memory_charged());
	proto_unregister(&xtcp_prot);
	socket6_exit();
	percpu_counter_destroy(&sockets_allocated);
}
