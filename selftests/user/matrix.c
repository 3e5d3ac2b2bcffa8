// SPDX-License-Identifier: GPL-2.0
/*
 * matrix: each system call in each state of a connection, on the kernel's TCP and on
 * xtcp beside it, in one namespace. The results must be equal, except where the
 * table of differences gives a reason; a difference that is gone must leave that
 * table. The kernel's TCP changes with time: the table is of 6.12, the release of
 * the debug kernel.
 *
 * vm: families debug timeout=600
 */
#include "lib/xtcp_test.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define IPPROTO_XTCP 253
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif
#define PORT 5000
#define SETTLE_MS 50

/* Of the family of the test run; returns its length. */
static socklen_t address(struct sockaddr_storage *sa, const char *text, int port)
{
	struct ipaddr a = ipaddr(text);

	return ipaddr_sockaddr(&a, port, sa);
}

static int call_connect(int fd, const char *text, int port)
{
	struct sockaddr_storage sa;

	return connect(fd, (struct sockaddr *)&sa, address(&sa, text, port));
}

/* --- states --------------------------------------------------------------- */

/* One connection over loopback; -1: there is no such end. */
struct ends {
	int fd, other, lfd;
};

static int new_socket(int proto)
{
	return socket(socket_family(AF_INET), SOCK_STREAM | SOCK_NONBLOCK, proto);
}

static void connected(struct ends *e, int proto)
{
	struct sockaddr_storage sa;
	socklen_t len;

	e->lfd = new_socket(proto);
	len = address(&sa, "127.0.0.1", 0);
	bind(e->lfd, (struct sockaddr *)&sa, len);
	listen(e->lfd, 4);
	getsockname(e->lfd, (struct sockaddr *)&sa, &len);
	e->fd = new_socket(proto);
	connect(e->fd, (struct sockaddr *)&sa, len);
	sleep_ms(SETTLE_MS);
	e->other = accept(e->lfd, NULL, NULL);
	fd_nonblock(e->other);
}

static void be_new(struct ends *e, int proto)
{
	e->fd = new_socket(proto);
}

static void be_bound(struct ends *e, int proto)
{
	struct sockaddr_storage sa;

	be_new(e, proto);
	bind(e->fd, (struct sockaddr *)&sa, address(&sa, "127.0.0.1", PORT));
}

static void be_listening(struct ends *e, int proto)
{
	be_bound(e, proto);
	listen(e->fd, 3);
}

static void be_syn_sent(struct ends *e, int proto)
{
	be_new(e, proto);
	call_connect(e->fd, "10.9.9.9", PORT);
}

static void be_refused(struct ends *e, int proto)
{
	be_new(e, proto);
	call_connect(e->fd, "127.0.0.1", 9);
	sleep_ms(SETTLE_MS);
}

static void be_with_text(struct ends *e, int proto)
{
	connected(e, proto);
	send(e->other, "hello", 5, 0);
	sleep_ms(SETTLE_MS);
}

static void be_with_unread_fin(struct ends *e, int proto)
{
	be_with_text(e, proto);
	shutdown(e->other, SHUT_WR);
	sleep_ms(SETTLE_MS);
}

static void be_close_wait(struct ends *e, int proto)
{
	connected(e, proto);
	shutdown(e->other, SHUT_WR);
	sleep_ms(SETTLE_MS);
}

static void be_fin_wait_2(struct ends *e, int proto)
{
	connected(e, proto);
	shutdown(e->fd, SHUT_WR);
	sleep_ms(SETTLE_MS);
}

static void be_deaf(struct ends *e, int proto)
{
	connected(e, proto);
	shutdown(e->fd, SHUT_RD);
}

static void be_over(struct ends *e, int proto)
{
	be_fin_wait_2(e, proto);
	shutdown(e->other, SHUT_WR);
	sleep_ms(SETTLE_MS);
}

static void be_reset(struct ends *e, int proto)
{
	connected(e, proto);
	socket_abort(e->other);
	e->other = -1;
	sleep_ms(SETTLE_MS);
}

static void be_reset_with_text(struct ends *e, int proto)
{
	be_with_text(e, proto);
	socket_abort(e->other);
	e->other = -1;
	sleep_ms(SETTLE_MS);
}

static void be_disconnected(struct ends *e, int proto)
{
	connected(e, proto);
	socket_disconnect(e->fd);
}

static const struct state {
	const char *name;
	void (*make)(struct ends *e, int proto);
} states[] = {
	{ "new", be_new },
	{ "bound", be_bound },
	{ "listening", be_listening },
	{ "SYN-SENT", be_syn_sent },
	{ "refused", be_refused },
	{ "ESTABLISHED", connected },
	{ "with text", be_with_text },
	{ "with text and FIN", be_with_unread_fin },
	{ "CLOSE-WAIT", be_close_wait },
	{ "FIN-WAIT-2", be_fin_wait_2 },
	{ "deaf", be_deaf },
	{ "over", be_over },
	{ "reset", be_reset },
	{ "reset with text", be_reset_with_text },
	{ "disconnected", be_disconnected },
};

/* --- calls ------------------------------------------------------------------ */

static char buf[4096];

static long do_connect(int fd, int a) { return call_connect(fd, "127.0.0.1", 9); }

static long do_connect_nobody(int fd, int a) { return socket_disconnect(fd) ? -1 : 0; }

static long do_connect_short(int fd, int a)
{
	struct sockaddr_storage sa;

	address(&sa, "127.0.0.1", 9);
	return connect(fd, (struct sockaddr *)&sa, a);
}

static long do_connect_family(int fd, int a)
{
	struct sockaddr_storage sa = { .ss_family = a };

	return connect(fd, (struct sockaddr *)&sa, sizeof(sa));
}

static long do_bind(int fd, int a)
{
	struct sockaddr_storage sa;

	return bind(fd, (struct sockaddr *)&sa, address(&sa, "127.0.0.1", a));
}

static long do_bind_elsewhere(int fd, int a)
{
	struct sockaddr_storage sa;

	return bind(fd, (struct sockaddr *)&sa, address(&sa, "192.0.2.1", 0));
}

static long do_listen(int fd, int a) { return listen(fd, a); }

static long do_accept(int fd, int a) { return accept4(fd, NULL, NULL, a); }

/* The length, and whether there is a port. */
static long name_of(int status, const struct sockaddr_storage *sa, socklen_t len)
{
	/* The port has the same offset in both families. */
	return status ? status : len * 2 + !!((const struct sockaddr_in *)sa)->sin_port;
}

static long do_getsockname(int fd, int a)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = a;

	return name_of(getsockname(fd, (struct sockaddr *)&sa, &len), &sa, len);
}

static long do_getpeername(int fd, int a)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = a;

	return name_of(getpeername(fd, (struct sockaddr *)&sa, &len), &sa, len);
}

static long do_send(int fd, int a) { return send(fd, "text", 4, a | MSG_NOSIGNAL); }
static long do_send_nothing(int fd, int a) { return send(fd, "", 0, a | MSG_NOSIGNAL); }
static long do_send_bad(int fd, int a) { return send(fd, (void *)8, 4, MSG_NOSIGNAL); }
static long do_write(int fd, int a) { return write(fd, "", a); }

static long do_sendto(int fd, int a)
{
	struct sockaddr_storage sa;
	socklen_t len = address(&sa, "127.0.0.1", 9);

	return sendto(fd, "text", 4, a | MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
}

static long do_sendmsg(int fd, int a)
{
	struct iovec iov[] = { { "a", 1 }, { NULL, 0 }, { "b", 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = a };

	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static long do_sendmsg_control(int fd, int a)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { "a", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = a;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static long do_recv(int fd, int a) { return recv(fd, buf, sizeof(buf), a | MSG_DONTWAIT); }
static long do_recv_nothing(int fd, int a) { return recv(fd, buf, 0, a | MSG_DONTWAIT); }
static long do_recv_little(int fd, int a) { return recv(fd, buf, 2, a | MSG_DONTWAIT); }
static long do_recv_bad(int fd, int a) { return recv(fd, (void *)8, 4, MSG_DONTWAIT); }
static long do_read(int fd, int a) { return read(fd, buf, a); }

static long do_recvfrom(int fd, int a)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	long n = recvfrom(fd, buf, 3, MSG_DONTWAIT, (struct sockaddr *)&sa, &len);

	return n < 0 ? n : n * 100 + len;
}

static long do_recvmsg(int fd, int a)
{
	char control[64];
	struct iovec iov = { buf, 3 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	long n = recvmsg(fd, &msg, a | MSG_DONTWAIT);

	return n < 0 ? n : n * 10000 + msg.msg_controllen * 100 + (msg.msg_flags & 0xff);
}

static long do_shutdown(int fd, int a) { return shutdown(fd, a); }
static long do_poll(int fd, int a) { return socket_poll(fd); }
static long do_lseek(int fd, int a) { return lseek(fd, 0, SEEK_CUR); }
static long do_fsync(int fd, int a) { return fsync(fd); }

static long do_ioctl(int fd, int a)
{
	int value = 0;

	return ioctl(fd, a, &value) ? -1 : value;
}

static long do_splice_out(int fd, int a)
{
	int pipe_fd[2];
	long n, saved;

	if (pipe(pipe_fd))
		return -1;
	n = splice(fd, NULL, pipe_fd[1], NULL, 100, SPLICE_F_NONBLOCK);
	saved = errno;
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	errno = saved;
	return n;
}

static long do_splice_in(int fd, int a)
{
	int pipe_fd[2];
	long n, saved;

	if (pipe(pipe_fd) || write(pipe_fd[1], "text", 4) != 4)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	n = splice(pipe_fd[0], NULL, fd, NULL, 4, SPLICE_F_NONBLOCK);
	saved = errno;
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	errno = saved;
	return n;
}

static long do_get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len))
		return -1;
	return (long)len << 32 | (uint32_t)value;
}

static long do_get_socket(int fd, int a) { return do_get_int(fd, SOL_SOCKET, a); }
static long do_get_ip(int fd, int a) { return do_get_int(fd, IPPROTO_IP, a); }
static long do_get_ipv6(int fd, int a) { return do_get_int(fd, IPPROTO_IPV6, a); }
static long do_get_tcp(int fd, int a) { return do_get_int(fd, IPPROTO_TCP, a); }

static long do_set_socket(int fd, int a)
{
	return setsockopt(fd, SOL_SOCKET, a, &(int){ 1 }, 4) ? -1 : do_get_socket(fd, a);
}

static long do_set_ip(int fd, int a) { return setsockopt(fd, IPPROTO_IP, a, &(int){ 1 }, 4); }

static long do_set_ipv6(int fd, int a)
{
	return setsockopt(fd, IPPROTO_IPV6, a, &(int){ 1 }, 4) ? -1 : do_get_ipv6(fd, a);
}

static long do_set_ipv6_minus(int fd, int a)
{
	return setsockopt(fd, IPPROTO_IPV6, a, &(int){ -1 }, 4) ? -1 : do_get_ipv6(fd, a);
}

static long do_set_tcp(int fd, int a)
{
	return setsockopt(fd, IPPROTO_TCP, a, &(int){ 1 }, 4) ? -1 : do_get_tcp(fd, a);
}

static long do_set_tcp_minus(int fd, int a)
{
	return setsockopt(fd, IPPROTO_TCP, a, &(int){ -1 }, 4) ? -1 : do_get_tcp(fd, a);
}

static long do_set_tcp_short(int fd, int a)
{
	return setsockopt(fd, IPPROTO_TCP, a, &(char){ 1 }, 1);
}

static long do_tcp_info_state(int fd, int a)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ? -1 : info.tcpi_state;
}

/* Each argument from first to last. */
static const struct call {
	const char *name;
	long (*run)(int fd, int a);
	int first, last;
} calls[] = {
	{ "connect", do_connect },
	{ "connect to AF_UNSPEC", do_connect_nobody },
	{ "connect, address of length", do_connect_short, 0, 3 },
	{ "connect, family", do_connect_family, 10, 11 },
	{ "bind", do_bind, 0, 0 },
	{ "bind to port", do_bind, 5001, 5001 },
	{ "bind elsewhere", do_bind_elsewhere },
	{ "listen", do_listen, 1, 3 },
	{ "accept", do_accept },
	{ "accept4 with flags", do_accept, 1, 1 },
	{ "getsockname", do_getsockname, 0, 0 },
	{ "getsockname with length", do_getsockname, 15, 17 },
	{ "getpeername", do_getpeername, 16, 16 },
	{ "send", do_send },
	{ "send MSG_OOB", do_send, MSG_OOB, MSG_OOB },
	{ "send MSG_MORE", do_send, MSG_MORE, MSG_MORE },
	{ "send MSG_EOR", do_send, MSG_EOR, MSG_EOR },
	{ "send MSG_DONTROUTE", do_send, MSG_DONTROUTE, MSG_DONTROUTE },
	{ "send MSG_ZEROCOPY", do_send, MSG_ZEROCOPY, MSG_ZEROCOPY },
	{ "send MSG_FASTOPEN", do_send, MSG_FASTOPEN, MSG_FASTOPEN },
	{ "send nothing", do_send_nothing },
	{ "send from a bad address", do_send_bad },
	{ "write", do_write, 0, 1 },
	{ "sendto", do_sendto },
	{ "sendto MSG_FASTOPEN", do_sendto, MSG_FASTOPEN, MSG_FASTOPEN },
	{ "sendmsg of pieces", do_sendmsg, 0, 3 },
	{ "sendmsg with control", do_sendmsg_control, 0, 3 },
	{ "sendmsg with SO_MARK", do_sendmsg_control, SO_MARK, SO_MARK },
	{ "recv", do_recv },
	{ "recv MSG_PEEK", do_recv, MSG_PEEK, MSG_PEEK },
	{ "recv MSG_OOB", do_recv, MSG_OOB, MSG_OOB },
	{ "recv MSG_TRUNC", do_recv, MSG_TRUNC, MSG_TRUNC },
	{ "recv MSG_WAITALL", do_recv, MSG_WAITALL, MSG_WAITALL },
	{ "recv MSG_ERRQUEUE", do_recv, MSG_ERRQUEUE, MSG_ERRQUEUE },
	{ "recv nothing", do_recv_nothing },
	{ "recv nothing MSG_PEEK", do_recv_nothing, MSG_PEEK, MSG_PEEK },
	{ "recv a little", do_recv_little },
	{ "recv to a bad address", do_recv_bad },
	{ "read", do_read, 0, 1 },
	{ "recvfrom", do_recvfrom },
	{ "recvmsg", do_recvmsg },
	{ "recvmsg MSG_TRUNC", do_recvmsg, MSG_TRUNC, MSG_TRUNC },
	{ "shutdown", do_shutdown, -1, 3 },
	{ "poll", do_poll },
	{ "lseek", do_lseek },
	{ "fsync", do_fsync },
	{ "FIONREAD", do_ioctl, FIONREAD, FIONREAD },
	{ "TIOCOUTQ", do_ioctl, TIOCOUTQ, TIOCOUTQ },
	{ "SIOCOUTQNSD", do_ioctl, SIOCOUTQNSD, SIOCOUTQNSD },
	{ "SIOCATMARK", do_ioctl, SIOCATMARK, SIOCATMARK },
	{ "FIONBIO", do_ioctl, FIONBIO, FIONBIO },
	{ "an unknown ioctl", do_ioctl, 0x1234, 0x1234 },
	{ "splice out", do_splice_out },
	{ "splice in", do_splice_in },
	{ "getsockopt SOL_SOCKET", do_get_socket, 1, 77 },
	{ "getsockopt IPPROTO_IP", do_get_ip, 1, 52 },
	{ "getsockopt IPPROTO_IPV6", do_get_ipv6, 1, 80 },
	{ "getsockopt IPPROTO_TCP", do_get_tcp, 1, 40 },
	{ "setsockopt SOL_SOCKET", do_set_socket, 1, 20 },
	{ "setsockopt IPPROTO_IP", do_set_ip, 1, 52 },
	{ "setsockopt IPPROTO_IPV6", do_set_ipv6, 1, 80 },
	{ "setsockopt IPPROTO_IPV6 -1", do_set_ipv6_minus, 1, 80 },
	{ "setsockopt IPPROTO_TCP", do_set_tcp, 1, 40 },
	{ "setsockopt IPPROTO_TCP -1", do_set_tcp_minus, 1, 40 },
	{ "setsockopt IPPROTO_TCP, one byte", do_set_tcp_short, 1, 40 },
	{ "TCP_INFO's state", do_tcp_info_state },
};

/* --- differences --------------------------------------------------------------- */

static struct difference {
	const char *call;
	int first, last;
	const char *state;	/* NULL: any */
	const char *why;
	bool seen;
	bool v6;		/* of IPv6 sockets alone */
	bool older;		/* later kernels than 6.12 may have taken it over */
} differences[] = {
	{ "getsockopt SOL_SOCKET", SO_PEERNAME, SO_PEERNAME, NULL,
	  "it begins with a port, and that is another one" },
	{ "getsockopt SOL_SOCKET", SO_PROTOCOL, SO_PROTOCOL, NULL,
	  "it is another protocol" },
	{ "getsockopt SOL_SOCKET", SO_MEMINFO, SO_MEMINFO, NULL,
	  "the memory of the text differs" },
	{ "getsockopt IPPROTO_IP", IP_PROTOCOL, IP_PROTOCOL, NULL,
	  "of such sockets it shows the local port" },
	{ "getsockopt IPPROTO_IPV6", IPV6_ADDRFORM, IPV6_ADDRFORM, NULL,
	  "IPv6 turns sockets of the kernel's own protocols alone into IPv4's", .v6 = true },
	{ "getsockopt IPPROTO_IPV6", 80, 80, NULL,
	  "IP6T_SO_ORIGINAL_DST: conntrack knows the kernel's own protocols alone", .v6 = true },
	{ "getsockopt IPPROTO_TCP", TCP_MAXSEG, TCP_MAXSEG, NULL,
	  "stock cuts a large segment to half the peer's window, and one of SYN-SENT for timestamps" },
	{ "getsockopt IPPROTO_TCP", TCP_WINDOW_CLAMP, TCP_WINDOW_CLAMP, NULL,
	  "stock shows what it chose by itself, xtcp only what the user did" },
	{ "getsockopt IPPROTO_TCP", TCP_QUICKACK, TCP_QUICKACK, NULL,
	  "a hint of how ACKs wait, and they wait for the user here" },
	{ "getsockopt IPPROTO_TCP", TCP_TIMESTAMP, TCP_TIMESTAMP, NULL, "another clock" },
	{ "getsockopt IPPROTO_TCP", TCP_ZEROCOPY_RECEIVE, TCP_ZEROCOPY_RECEIVE, NULL,
	  "no zero-copy receive" },
	{ "setsockopt IPPROTO_TCP", TCP_MD5SIG, TCP_MD5SIG, NULL,
	  "no signatures" },
	{ "setsockopt IPPROTO_TCP", TCP_REPAIR, TCP_REPAIR, NULL, "no repair mode" },
	{ "setsockopt IPPROTO_TCP", TCP_MD5SIG_EXT, TCP_MD5SIG_EXT, NULL,
	  "no signatures" },
	{ "setsockopt IPPROTO_TCP -1", TCP_MD5SIG, TCP_MD5SIG, NULL,
	  "no signatures" },
	{ "setsockopt IPPROTO_TCP -1", TCP_REPAIR, TCP_REPAIR, NULL, "no repair mode" },
	{ "setsockopt IPPROTO_TCP -1", TCP_MD5SIG_EXT, TCP_MD5SIG_EXT, NULL,
	  "no signatures" },
	{ "setsockopt IPPROTO_TCP -1", TCP_TX_DELAY, TCP_TX_DELAY, NULL,
	  "its range is newer than 6.12", .older = true },
	{ "TIOCOUTQ", TIOCOUTQ, TIOCOUTQ, "disconnected",
	  "stock counts from a number that the next connection begins with" },
	{ "SIOCOUTQNSD", SIOCOUTQNSD, SIOCOUTQNSD, "disconnected",
	  "stock counts from a number that the next connection begins with" },
};

static bool is_excused(const char *call, int a, const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		struct difference *d = &differences[i];

		if (strcmp(d->call, call) || a < d->first || a > d->last ||
		    (d->state && strcmp(d->state, state)))
			continue;
		return d->seen = true;
	}
	return false;
}

static const char *name_of_error(int error)
{
	return error ? strerror(error) : "";
}

struct answer {
	long value;
	int error;
};

static struct answer answer_of(const struct state *state, const struct call *call, int a, int proto)
{
	struct ends e = { -1, -1, -1 };
	struct answer answer = { 0 };

	state->make(&e, proto);
	memset(buf, 0, sizeof(buf));
	errno = 0;
	answer.value = call->run(e.fd, a);
	if (answer.value == -1)
		answer.error = errno;
	socket_abort(e.fd);
	if (e.other >= 0)
		socket_abort(e.other);
	if (e.lfd >= 0)
		close(e.lfd);
	return answer;
}

FIXTURE(matrix) {
	int netns;
};

FIXTURE_SETUP(matrix)
{
	struct ipaddr here = ipaddr("10.9.9.1");

	self->netns = netns_new(WHERE(_metadata));
	dummy_new(WHERE(_metadata), "dummy0");
	address_add(WHERE(_metadata), "dummy0", &here, 24);
}

FIXTURE_TEARDOWN(matrix)
{
	close(self->netns);
}

TEST_F_TIMEOUT(matrix, every_call_in_every_state_answers_as_on_stock, 1000000)
{
	int asked = 0, differ = 0;

	signal(SIGPIPE, SIG_IGN);
	for (size_t s = 0; s < ARRAY_SIZE(states); s++)
		for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
			for (int a = calls[i].first; a <= (calls[i].last ?: calls[i].first); a++) {
				struct answer stock = answer_of(&states[s], &calls[i], a,
								IPPROTO_TCP);
				struct answer ours = answer_of(&states[s], &calls[i], a,
							       IPPROTO_XTCP);

				asked++;
				if (stock.value == ours.value && stock.error == ours.error)
					continue;
				if (is_excused(calls[i].name, a, states[s].name))
					continue;
				differ++;
				TH_LOG("%s: %s (%d): stock %ld %s, xtcp %ld %s", states[s].name,
				       calls[i].name, a, stock.value,
				       name_of_error(stock.error),
				       ours.value,
				       name_of_error(ours.error));
			}
	TH_LOG("%d calls on each", asked);
	EXPECT_EQ(0, differ);
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		const struct difference *d = &differences[i];

		if (d->v6 && socket_family(AF_INET) != AF_INET6)
			continue;
		if (d->older && kernel_is_since(6, 13))
			continue;
		EXPECT_TRUE(d->seen) TH_LOG("not seen any more: %s %d", d->call, d->first);
	}
}

TEST_HARNESS_MAIN
