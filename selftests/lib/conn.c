// SPDX-License-Identifier: GPL-2.0
/* conn: see conn.h. */
#define _GNU_SOURCE
#include "conn.h"

#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "proc.h"
#include "stream.h"

/* The bytes that the timestamps option takes of each segment. */
#define TIMESTAMPS_LEN 12

static const char *const state_names[ST_COUNT] = {
	[ST_CLOSED] = "CLOSED", [ST_LISTEN] = "LISTEN",
	[ST_SYN_SENT] = "SYN-SENT", [ST_SYN_RECEIVED] = "SYN-RECEIVED",
	[ST_HALF_OPEN] = "half-open", [ST_ESTABLISHED] = "ESTABLISHED",
	[ST_FIN_WAIT_1] = "FIN-WAIT-1", [ST_FIN_WAIT_2] = "FIN-WAIT-2",
	[ST_CLOSE_WAIT] = "CLOSE-WAIT", [ST_CLOSING] = "CLOSING",
	[ST_LAST_ACK] = "LAST-ACK", [ST_TIME_WAIT] = "TIME-WAIT",
	[ST_ORPHAN_FIN_WAIT_2] = "orphan FIN-WAIT-2",
};

const char *conn_state_name(enum conn_state st)
{
	return st < ST_COUNT ? state_names[st] : "?";
}

static uint32_t random32(void)
{
	uint32_t v;

	if (getrandom(&v, sizeof(v), GRND_NONBLOCK | GRND_INSECURE) != sizeof(v))
		v = now_ns() * 2654435761u;
	return v;
}

static void start_connect(struct where at, struct conn *c, const struct conn_setup *s)
{
	struct peer *p = c->peer;
	struct sockaddr_storage sa;
	socklen_t len;

	c->fd = stream_socket(p->family);
	check(c->fd >= 0, at, "socket: %s", strerror(errno));
	fd_nonblock(c->fd);
	if (s->prepare)
		s->prepare(c->fd);
	if (s->kport != UNSET) {
		len = ipaddr_sockaddr(&p->kernel, s->kport, &sa);
		setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		if (bind(c->fd, (struct sockaddr *)&sa, len)) {
			check(s->may_clash && errno == EADDRINUSE, at, "bind: %s",
			      strerror(errno));
			close(c->fd);
			c->fd = -1;
			return;
		}
	}
	len = ipaddr_sockaddr(&c->peer_addr, c->pport, &sa);
	if (connect(c->fd, (struct sockaddr *)&sa, len) && errno == EINPROGRESS)
		return;
	check(s->may_clash && errno == EADDRNOTAVAIL, at, "connect: %s", strerror(errno));
	close(c->fd);
	c->fd = -1;
}

static void start_listen(struct where at, struct conn *c, const struct conn_setup *s)
{
	struct sockaddr_storage sa;
	socklen_t len;

	c->kport = s->kport == UNSET ? c->peer->kport : s->kport;
	c->lfd = s->lfd;
	if (c->lfd >= 0)
		return;
	len = ipaddr_sockaddr(&c->peer->kernel, c->kport, &sa);
	c->lfd = stream_socket(c->peer->family);
	check(c->lfd >= 0, at, "socket: %s", strerror(errno));
	fd_nonblock(c->lfd);
	if (s->prepare)
		s->prepare(c->lfd);
	setsockopt(c->lfd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (!bind(c->lfd, (struct sockaddr *)&sa, len) && !listen(c->lfd, s->backlog ?: 16))
		return;
	check(s->may_clash && errno == EADDRINUSE, at, "bind and listen: %s", strerror(errno));
	close(c->lfd);
	c->lfd = -1;
}

void conn_start_at(struct where at, struct peer *p, struct conn *c,
		   struct conn_setup s)
{
	memset(c, 0, sizeof(*c));
	c->peer = p;
	c->fd = c->lfd = -1;
	c->peer_addr = s.peer_addr.family ? s.peer_addr : p->addr;
	c->pport = s.pport == UNSET ? p->next_port++ : s.pport;
	c->peer_iss = s.peer_iss == UNSET ? random32() : s.peer_iss;
	c->peer_nxt = c->peer_iss;
	c->wnd = s.wnd == UNSET ? 65535 : s.wnd;
	c->peer_opt = s.opt.len || s.no_opt ? s.opt : OPT(OPT_MSS(1460));
	c->tsval_base = random32();
	c->tsval_start_ns = now_ns();
	if (s.active)
		start_connect(at, c, &s);
	else
		start_listen(at, c, &s);
}

static const uint8_t *find_option(const struct optbytes *o, int kind)
{
	for (int i = 0, len; i < o->len && o->b[i]; i += len) {
		len = o->b[i] == 1 ? 1 : o->b[i + 1];
		if (!len || i + len > o->len)
			return NULL;
		if (o->b[i] == kind)
			return o->b + i;
	}
	return NULL;
}

static int option_mss(const struct optbytes *o)
{
	const uint8_t *mss = find_option(o, 2);

	return mss && mss[1] == 4 ? mss[2] << 8 | mss[3] : mss_default();
}

void conn_learn(struct conn *c, const struct segment *syn)
{
	c->kern_iss = syn->seq;
	c->kern_nxt = syn->seq + 1;
	c->kport = syn->sport;
	c->kern_opt = syn->opt;
	c->ts = syn->opt.ts && find_option(&c->peer_opt, 8);
	c->kern_wscale = syn->opt.wscale >= 0 && find_option(&c->peer_opt, 3) ?
			 syn->opt.wscale : 0;
	if (c->ts)
		c->ts_recent = syn->opt.tsval;
	c->seg_len = option_mss(&c->peer_opt) - (c->ts ? TIMESTAMPS_LEN : 0);
}

uint32_t conn_tsval(const struct conn *c)
{
	return c->tsval_base + (now_ns() - c->tsval_start_ns) / NSEC_PER_MSEC;
}

/* A SYN's timestamps option carries the peer's clock, not the 0:0 of the test. */
static struct optbytes syn_options(const struct conn *c, bool ack)
{
	struct optbytes o = c->peer_opt;
	struct optbytes ts = OPT(OPT_TS(conn_tsval(c), ack ? c->ts_recent : 0));

	for (int i = 0; i < o.len && o.b[i]; i += o.b[i] == 1 ? 1 : o.b[i + 1])
		if (o.b[i] == 8)
			memcpy(o.b + i, ts.b, ts.len);
	return o;
}

/* The options of each segment after the SYN. */
static struct optbytes usual_options(const struct conn *c)
{
	if (!c->ts)
		return (struct optbytes){ 0 };
	return OPT(OPT_NOP, OPT_NOP, OPT_TS(conn_tsval(c), c->ts_recent));
}

struct segment_spec conn_spec_complete(struct conn *c, struct segment_spec s)
{
	if (!s.src.family)
		s.src = c->peer_addr;
	if (s.sport == UNSET)
		s.sport = c->pport;
	if (s.dport == UNSET)
		s.dport = c->kport;
	if (s.flags == UNSET)
		s.flags = ACK;
	if (s.data && s.len == UNSET)
		s.len = strlen(s.data);
	s.seq = s.seq == UNSET ? c->peer_nxt : (uint32_t)(c->peer_iss + s.seq);
	if (s.ack == UNSET)
		s.ack = s.flags & ACK ? c->kern_nxt : 0;
	else
		s.ack = (uint32_t)(c->kern_iss + s.ack);
	if (s.wnd == UNSET)
		s.wnd = c->wnd;
	if (s.pattern == UNSET)
		s.pattern = (uint32_t)(s.seq - c->peer_iss - 1);
	if (!s.opt.len && !s.no_opt) {
		if (s.flags & SYN)
			s.opt = syn_options(c, s.flags & ACK);
		else
			s.opt = usual_options(c);
	}
	return peer_spec_complete(c->peer, s);
}

void conn_send_at(struct where at, struct conn *c, struct segment_spec s)
{
	bool broken = s.bad_csum || s.doff != UNSET || s.cut != UNSET;
	bool next = s.seq == UNSET;
	uint32_t used;

	s = conn_spec_complete(c, s);
	used = (s.len == UNSET ? 0 : s.len) + !!(s.flags & FIN) +
	       (s.flags & SYN && s.seq == c->peer_iss);
	if (!broken && (next || s.seq == c->peer_nxt))
		c->peer_nxt = s.seq + used;
	peer_send_at(at, c->peer, s);
}

void conn_send_sack_at(struct where at, struct conn *c, int flags, int64_t ack,
		       const struct range *ranges, int count)
{
	struct optbytes opt = usual_options(c);

	check(opt.len + 4 + 8 * count <= TCP_OPTIONS_MAX, at, "%d SACK blocks", count);
	memcpy(opt.b + opt.len, (uint8_t[]){ OPT_NOP, OPT_NOP, 5, 2 + 8 * count }, 4);
	opt.len += 4;
	for (int i = 0; i < count; i++) {
		struct sack_block block = {
			htonl(c->kern_iss + ranges[i].first), htonl(c->kern_iss + ranges[i].end),
		};

		memcpy(opt.b + opt.len, &block, sizeof(block));
		opt.len += sizeof(block);
	}
	conn_send_at(at, c, SEGMENT_SPEC(.flags = flags, .ack = ack, .opt = opt));
}

void conn_write_at(struct where at, struct conn *c, int bytes)
{
	static uint8_t text[1 << 18];

	check(bytes <= (int)sizeof(text), at, "a write of %d bytes", bytes);
	pattern_fill(text, bytes, 0);
	if (send(c->fd, text, bytes, MSG_NOSIGNAL) != bytes)
		peer_fail(at, c->peer, "the socket does not take %d bytes", bytes);
}

void conn_hoard_at(struct where at, struct peer *p, struct conn *hog)
{
	static uint8_t text[1 << 16];

	conn_to_state_at(at, p, hog, ST_ESTABLISHED,
			 (struct conn_setup){ CONN_SETUP_UNSET, .kport = 5999, .wnd = 0 });
	setsockopt(hog->fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ 8 << 20 }, sizeof(int));
	while (send(hog->fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

const struct segment *conn_expect_at(struct where at, struct conn *c,
				     struct segment_want w)
{
	const struct segment *seg;
	uint32_t end;

	if (!w.dst.family)
		w.dst = c->peer_addr;
	if (w.sport == UNSET)
		w.sport = c->kport ?: ANYWHERE;
	if (w.dport == UNSET)
		w.dport = c->pport;
	if (w.seq != UNSET)
		w.seq = (uint32_t)(c->kern_iss + w.seq);
	if (w.ack != UNSET)
		w.ack = (uint32_t)(c->peer_iss + w.ack);
	for (int i = 0; i < 4; i++) {
		w.sack[i].left += c->peer_iss;
		w.sack[i].right += c->peer_iss;
	}
	seg = peer_expect_at(at, c->peer, w);
	if (seg->flags & SYN && c->kern_nxt == 0 && c->kern_iss == 0)
		conn_learn(c, seg);
	if (seg->flags & RST)
		return seg;
	end = seg->seq + segment_seqlen(seg);
	if (seq_before(c->kern_nxt, end))
		c->kern_nxt = end;
	if (c->ts && seg->opt.ts)
		c->ts_recent = seg->opt.tsval;
	return seg;
}

int conn_accept_at(struct where at, struct conn *c)
{
	struct pollfd pfd = { .fd = c->lfd, .events = POLLIN };

	check(poll(&pfd, 1, PROMPT_MS) == 1, at, "the listener is not readable");
	c->fd = accept(c->lfd, NULL, NULL);
	check(c->fd >= 0, at, "accept: %s", strerror(errno));
	fd_nonblock(c->fd);
	return c->fd;
}

int64_t conn_read_all(struct conn *c)
{
	static char buf[1 << 20];
	int64_t n, all = 0;

	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		all += n;
	return all;
}

int mss_default(void)
{
	return test_family() == AF_INET6 ? 1280 - 60 : 576 - 40;
}

int socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return err;
}

int socket_poll(int fd)
{
	struct pollfd pfd = {
		.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI,
	};

	return poll(&pfd, 1, 0) < 0 ? -1 : pfd.revents;
}

int socket_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? errno : 0;
}

void socket_read_tcp_info_at(struct where at, int fd, void *info, int size)
{
	socklen_t len = size;

	check(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len), at, "TCP_INFO: %s",
	      strerror(errno));
}

int conn_rehashes(const struct conn *c)
{
	/* Behind tcpi_snd_wnd and tcpi_rcv_wnd; the C library's header may not have it. */
	const size_t at = offsetof(struct tcp_info, tcpi_snd_wnd) + 2 * sizeof(uint32_t);
	unsigned char buf[512] = "";
	socklen_t len = sizeof(buf);
	int rehashes;

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, buf, &len) || len < at + sizeof(rehashes))
		return -1;
	memcpy(&rehashes, buf + at, sizeof(rehashes));
	return rehashes;
}

struct socket_info socket_info_at(struct where at, int fd)
{
	struct tcp_info ti = { 0 };

	socket_read_tcp_info_at(at, fd, &ti, sizeof(ti));
	return (struct socket_info){
		.rto_us = ti.tcpi_rto, .srtt_us = ti.tcpi_rtt,
		.rttvar_us = ti.tcpi_rttvar, .ato_us = ti.tcpi_ato,
		.cwnd = ti.tcpi_snd_cwnd, .ssthresh = ti.tcpi_snd_ssthresh,
		.snd_mss = ti.tcpi_snd_mss, .rcv_mss = ti.tcpi_rcv_mss,
		.advmss = ti.tcpi_advmss, .pmtu = ti.tcpi_pmtu,
		.unacked = ti.tcpi_unacked,
		.retransmits = ti.tcpi_retransmits, .probes = ti.tcpi_probes,
		.total_retrans = ti.tcpi_total_retrans,
		.recovery = ti.tcpi_ca_state,
	};
}

static void open_passive(struct where at, struct conn *c, enum conn_state st,
			 int64_t rtt_ms)
{
	if (st == ST_LISTEN)
		return;
	conn_send_at(at, c, SEGMENT_SPEC(.flags = SYN));
	conn_expect_at(at, c, SEGMENT_WANT(.flags = SYN | ACK, .ack = 1));
	if (st == ST_HALF_OPEN)
		return;
	sleep_ms(rtt_ms);
	conn_send_at(at, c, SEGMENT_SPEC(.flags = ACK));
	conn_accept_at(at, c);
}

static void open_active(struct where at, struct conn *c, enum conn_state st,
			int64_t rtt_ms)
{
	conn_expect_at(at, c, SEGMENT_WANT(.flags = SYN));
	if (st == ST_SYN_SENT)
		return;
	sleep_ms(rtt_ms);
	if (st == ST_SYN_RECEIVED) {
		conn_send_at(at, c, SEGMENT_SPEC(.flags = SYN));
		conn_expect_at(at, c, SEGMENT_WANT(.flags = SYN | ACK, .seq = 0, .ack = 1));
		return;
	}
	conn_send_at(at, c, SEGMENT_SPEC(.flags = SYN | ACK));
	conn_expect_at(at, c, SEGMENT_WANT(.flags = ACK, .seq = 1, .ack = 1));
	check(socket_poll(c->fd) & POLLOUT && !socket_error(c->fd), at,
	      "the socket is not connected");
}

/* The kernel's program closes its direction. */
static void kernel_fin(struct where at, struct conn *c, bool orphan)
{
	if (orphan) {
		close(c->fd);
		c->fd = -1;
	} else {
		check(!shutdown(c->fd, SHUT_WR), at, "shutdown: %s", strerror(errno));
	}
	conn_expect_at(at, c, SEGMENT_WANT(.flags = FIN | ACK, .seq = conn_kern_nxt(c),
					   .ack = conn_peer_nxt(c)));
}

/* The peer closes its direction; @ack: relative, UNSET for everything seen. */
static void peer_fin(struct where at, struct conn *c, int64_t ack)
{
	conn_send_at(at, c, SEGMENT_SPEC(.flags = FIN | ACK, .ack = ack));
	conn_expect_at(at, c, SEGMENT_WANT(.flags = ACK, .ack = conn_peer_nxt(c),
					   .within_ms = DELAYED_ACK_MS));
}

void conn_advance_at(struct where at, struct conn *c, enum conn_state st, bool orphan)
{
	switch (st) {
	case ST_CLOSE_WAIT:
	case ST_LAST_ACK:
		peer_fin(at, c, UNSET);
		if (st == ST_LAST_ACK)
			kernel_fin(at, c, orphan);
		break;
	case ST_FIN_WAIT_1:
	case ST_CLOSING:
		kernel_fin(at, c, orphan);
		if (st == ST_CLOSING)
			peer_fin(at, c, conn_kern_nxt(c) - 1);
		break;
	case ST_FIN_WAIT_2:
	case ST_ORPHAN_FIN_WAIT_2:
	case ST_TIME_WAIT:
		kernel_fin(at, c, orphan || st == ST_ORPHAN_FIN_WAIT_2);
		conn_send_at(at, c, SEGMENT_SPEC(.flags = ACK));
		if (st == ST_TIME_WAIT)
			peer_fin(at, c, UNSET);
		break;
	default:
		break;
	}
	conn_expect_state_at(at, c, st);
}

void conn_to_state_at(struct where at, struct peer *p, struct conn *c,
		      enum conn_state st, struct conn_setup s)
{
	s.active |= st == ST_SYN_SENT || st == ST_SYN_RECEIVED;
	if (st == ST_CLOSED) {
		memset(c, 0, sizeof(*c));
		c->peer = p;
		c->fd = c->lfd = -1;
		c->peer_addr = p->addr;
		c->pport = s.pport == UNSET ? p->next_port++ : s.pport;
		c->kport = s.kport == UNSET ? p->kport : s.kport;
		c->peer_iss = c->peer_nxt = random32();
		c->kern_iss = c->kern_nxt = random32();
		c->wnd = 65535;
		peer_hold_at(at, p, c->kport);
		return;
	}
	conn_start_at(at, p, c, s);
	if (s.active)
		open_active(at, c, st, s.rtt_ms);
	else
		open_passive(at, c, st, s.rtt_ms);
	conn_advance_at(at, c, st, s.orphan);
}

static enum conn_state row_state(const struct proc_row *r)
{
	static const enum conn_state states[] = {
		[ROW_ESTABLISHED] = ST_ESTABLISHED, [ROW_SYN_SENT] = ST_SYN_SENT,
		[ROW_SYN_RECEIVED] = ST_SYN_RECEIVED,
		[ROW_FIN_WAIT_1] = ST_FIN_WAIT_1, [ROW_FIN_WAIT_2] = ST_FIN_WAIT_2,
		[ROW_TIME_WAIT] = ST_TIME_WAIT, [ROW_CLOSE] = ST_CLOSED,
		[ROW_CLOSE_WAIT] = ST_CLOSE_WAIT, [ROW_LAST_ACK] = ST_LAST_ACK,
		[ROW_LISTEN] = ST_LISTEN, [ROW_CLOSING] = ST_CLOSING,
	};

	if (r->st == ROW_SYN_RECEIVED && !r->full)
		return ST_HALF_OPEN;
	if (r->st == ROW_FIN_WAIT_2 && !r->full)
		return ST_ORPHAN_FIN_WAIT_2;
	return r->st <= ROW_CLOSING ? states[r->st] : ST_COUNT;
}

enum conn_state conn_state(const struct conn *c)
{
	struct proc_row row;

	if (proc_row_find(&row, c->peer->family, c->kport, c->pport, NULL))
		return row_state(&row);
	if (c->lfd >= 0 && c->fd < 0 && c->kern_nxt == 0 &&
	    proc_row_find(&row, c->peer->family, c->kport, 0, NULL))
		return row_state(&row);
	return ST_CLOSED;
}

void conn_expect_state_at(struct where at, const struct conn *c, enum conn_state st)
{
	enum conn_state now = conn_state(c);

	if (now != st)
		peer_fail(at, c->peer, "the connection is in %s; expected %s",
			  conn_state_name(now), conn_state_name(st));
}

void conn_expect_move_at(struct where at, const struct conn *c,
			 enum conn_state from, enum conn_state to, int64_t at_ms)
{
	int64_t due_ns = c->peer->mark_ns + at_ms * NSEC_PER_MSEC;

	/* The look at the state takes a moment, too. */
	sleep_until_ns(due_ns - (stock_mode() ? 10 : 1) * NSEC_PER_MSEC -
		       peer_slack_ns());
	conn_expect_state_at(at, c, from);
	sleep_until_ns(due_ns + peer_late_max_ns(at_ms * NSEC_PER_MSEC));
	conn_expect_state_at(at, c, to);
}
