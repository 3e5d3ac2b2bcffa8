// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-run-cgroup.c - xtcp for all programs of a cgroup, whatever they are linked with
 *
 * The kernel lets a BPF program choose the protocol of a new socket: a program of the type
 * fmod_ret at update_socket_protocol(), from Linux 6.6 on. It is the same for static
 * programs, for those in Go, and for those with another C library. It acts in one cgroup
 * and in those below it.
 *
 * A keeper, a process of its own outside of that cgroup, holds the program until the cgroup
 * is empty, and removes the cgroup then. If it is killed, new sockets are the kernel's TCP
 * again.
 *
 * Sockets that io_uring opens (IORING_OP_SOCKET) do not pass that function.
 *
 * The program is assembled here by hand, so that neither a compiler for BPF nor a library
 * is needed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/xtcp.h>

#include "xtcp-run.h"

#define HOOK		"update_socket_protocol"
#define VMLINUX_BTF	"/sys/kernel/btf/vmlinux"
#define PROTO_MPTCP	262	/* not in older C libraries */
#define TYPE_MASK	0xf	/* of socket()'s type: the rest are flags */
#define NAMES_MAX	1000	/* of one process number */
#define EMPTY_POLL_MS	1000	/* in case a change of the cgroup's events is missed */

static int refused(const char *why)
{
	fprintf(stderr, "xtcp-run: --cgroup: %s\n", why);
	return -1;
}

static int failed(const char *what)
{
	fprintf(stderr, "xtcp-run: --cgroup: %s: %s\n", what, strerror(errno));
	return -1;
}

/* --- the kernel's function ------------------------------------------------ */

/* Bytes behind a btf_type of its kind. */
static size_t rest_of_type(const struct btf_type *t)
{
	unsigned int n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:		return n * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:	return n * sizeof(struct btf_param);
	case BTF_KIND_VAR:		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:		return sizeof(struct btf_decl_tag);
	case BTF_KIND_ENUM64:		return n * sizeof(struct btf_enum64);
	default:			return 0;
	}
}

/* The number of the function's type in @data, the kernel's own BTF; 0: it has none. */
static unsigned int find_hook(const char *data, size_t len)
{
	const struct btf_header *head = (const void *)data;
	const char *names, *at, *end;
	const struct btf_type *t;
	unsigned int id;

	if (len < sizeof(*head) || head->magic != BTF_MAGIC ||
	    (uint64_t)head->hdr_len + head->type_off + head->type_len > len ||
	    (uint64_t)head->hdr_len + head->str_off + head->str_len > len)
		return 0;
	names = data + head->hdr_len + head->str_off;
	at = data + head->hdr_len + head->type_off;
	end = at + head->type_len;
	for (id = 1; (size_t)(end - at) >= sizeof(*t); id++) {
		t = (const void *)at;
		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    t->name_off + sizeof(HOOK) <= head->str_len &&
		    !memcmp(names + t->name_off, HOOK, sizeof(HOOK)))
			return id;
		at += sizeof(*t) + rest_of_type(t);
	}
	return 0;
}

/* As find_hook(), of the running kernel. The file can't be mapped. */
static unsigned int kernel_hook(void)
{
	int fd = open(VMLINUX_BTF, O_RDONLY | O_CLOEXEC);
	unsigned int id = 0;
	size_t used = 0;
	struct stat st;
	ssize_t got;
	char *data;

	if (fd < 0 || fstat(fd, &st) || st.st_size <= 0)
		goto out;
	data = malloc(st.st_size);
	if (!data)
		goto out;
	while (used < (size_t)st.st_size &&
	       (got = read(fd, data + used, st.st_size - used)) > 0)
		used += got;
	id = find_hook(data, used);
	free(data);
out:
	if (fd >= 0)
		close(fd);
	return id;
}

/* --- the program ---------------------------------------------------------- */

#define OP(op, dst, src, o, i)							\
	((struct bpf_insn){ .code = (op), .dst_reg = (dst), .src_reg = (src),	\
			    .off = (o), .imm = (i) })
#define ARGUMENT(dst, n)	OP(BPF_LDX | BPF_MEM | BPF_DW, dst, 6, 8 * (n), 0)
#define INT(op, dst, value)	OP(BPF_ALU | (op) | BPF_K, dst, 0, 0, value)
#define JUMP(op, reg, value, by) OP(BPF_JMP32 | (op) | BPF_K, reg, 0, by, value)

static long bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* Replaces the protocol of stream sockets of TCP and Multipath TCP if the ancestor at
 * @level of the task's cgroup is cgroup @id. A result of 0 leaves the choice to the kernel.
 */
static int load_program(unsigned int hook, uint64_t id, int level, char *log, size_t log_len)
{
	const struct bpf_insn program[] = {
		/* 0 */ OP(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		/* 1 */ ARGUMENT(2, 0),
		/* 2 */ JUMP(BPF_JEQ, 2, AF_INET, 1),
		/* 3 */ JUMP(BPF_JNE, 2, AF_INET6, 14),
		/* 4 */ ARGUMENT(3, 1),
		/* 5 */ INT(BPF_AND, 3, TYPE_MASK),
		/* 6 */ JUMP(BPF_JNE, 3, SOCK_STREAM, 11),
		/* 7 */ ARGUMENT(4, 2),
		/* 8 */ JUMP(BPF_JEQ, 4, 0, 2),
		/* 9 */ JUMP(BPF_JEQ, 4, IPPROTO_TCP, 1),
		/* 10 */ JUMP(BPF_JNE, 4, PROTO_MPTCP, 7),
		/* 11 */ OP(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, level),
		/* 12 */ OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_ancestor_cgroup_id),
		/* 13, 14 */ OP(BPF_LD | BPF_DW | BPF_IMM, 1, 0, 0, (int32_t)(uint32_t)id),
		OP(0, 0, 0, 0, (int32_t)(uint32_t)(id >> 32)),
		/* 15 */ OP(BPF_JMP | BPF_JNE | BPF_X, 0, 1, 2, 0),
		/* 16 */ OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, IPPROTO_XTCP),
		/* 17 */ OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		/* 18 */ OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		/* 19 */ OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = BPF_MODIFY_RETURN,
		.attach_btf_id = hook,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(program[0]),
		.license = (uintptr_t)"GPL",
		.prog_name = "xtcp_run",
		.log_buf = (uintptr_t)log,
		.log_size = log_len,
		.log_level = 1,
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

/* A descriptor that keeps the program attached. -1: it printed why not. */
static int attach(uint64_t id, int level)
{
	static const char none[] = "this kernel lets no BPF program choose a socket's protocol "
				   "(Linux 6.6 and later do)";
	union bpf_attr attr = { };
	char log[4096] = "";
	unsigned int hook;
	int fd, link;

	hook = kernel_hook();
	if (!hook)
		return refused(none);
	fd = load_program(hook, id, level, log, sizeof(log));
	/* Without Multipath TCP the kernel has the function, but lets nothing change its result. */
	if (fd < 0 && errno == EINVAL && strstr(log, "is not modifiable"))
		return refused(none);
	if (fd < 0) {
		failed("the kernel refuses the BPF program");
		if (getenv(XTCP_RUN_VERBOSE))
			fputs(log, stderr);
		return -1;
	}
	attr.raw_tracepoint.prog_fd = fd;
	link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	if (link < 0)
		failed("the BPF program cannot be attached");
	close(fd);
	return link;
}

/* --- the cgroup ----------------------------------------------------------- */

struct cgroup {
	char parent[PATH_MAX], path[PATH_MAX + 64];
	uint64_t id;
	int level;		/* of the new one; the root's is 0 */
};

/* The mounted folder of this process's cgroup, of version 2. `ip netns exec` mounts a /sys
 * without it: then that of the first process counts.
 */
static int find_own(struct cgroup *cg)
{
	static const char *const mounts[] = {
		"/sys/fs/cgroup", "/sys/fs/cgroup/unified",
		"/proc/1/root/sys/fs/cgroup", "/proc/1/root/sys/fs/cgroup/unified",
	};
	char line[PATH_MAX], folder[2 * PATH_MAX], *own = NULL;
	FILE *f = fopen("/proc/self/cgroup", "re");
	size_t i;

	while (f && !own && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::/", 4))
			own = line + strlen("0::");
	}
	if (f)
		fclose(f);
	for (i = 0; own && i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		snprintf(folder, sizeof(folder), "%s%s/cgroup.procs", mounts[i], own);
		if (access(folder, F_OK))
			continue;
		*strrchr(folder, '/') = '\0';
		if (strlen(folder) >= sizeof(cg->parent))
			break;
		strcpy(cg->parent, folder);
		return 0;
	}
	return refused("no cgroup of version 2 is mounted below /sys/fs/cgroup");
}

/* The parents of the new cgroup, by its path: the mount's depth does not count, so the
 * kernel is asked which folder is the root: it alone has no cgroup.events.
 */
static int level_of(const char *path)
{
	char up[PATH_MAX + 128];
	int level = 0;

	snprintf(up, sizeof(up), "%s", path);
	for (;;) {
		char *end = up + strlen(up);

		snprintf(end, sizeof(up) - (end - up), "/cgroup.events");
		if (access(up, F_OK))
			return level;
		*end = '\0';
		level++;
		if (!strrchr(up, '/') || strrchr(up, '/') == up)
			return level;
		*strrchr(up, '/') = '\0';
	}
}

/* Its name has this process's number, which another one may have in another PID namespace: then a
 * further number follows. A keeper that was killed has left its cgroup, and this process may have
 * got that one's number. rmdir() fails with EBUSY if processes are in it.
 */
static int make_folder(struct cgroup *cg)
{
	int n;

	for (n = 1; n <= NAMES_MAX; n++) {
		int len = snprintf(cg->path, sizeof(cg->path), "%s/xtcp-run-%d", cg->parent,
				   (int)getpid());

		if (n > 1)
			snprintf(cg->path + len, sizeof(cg->path) - len, "-%d", n);
		if (!mkdir(cg->path, 0755))
			return 0;
		if (errno == EEXIST && !rmdir(cg->path) && !mkdir(cg->path, 0755))
			return 0;
		if (errno != EBUSY)
			return -1;
	}
	return -1;
}

static int make_cgroup(struct cgroup *cg)
{
	struct stat st;

	if (find_own(cg))
		return -1;
	if (make_folder(cg))
		return failed(cg->path);
	if (stat(cg->path, &st)) {
		failed(cg->path);
		rmdir(cg->path);
		return -1;
	}
	cg->id = st.st_ino;
	cg->level = level_of(cg->path);
	return 0;
}

static int join(const char *folder)
{
	char path[PATH_MAX + 128];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = write(fd, "0", 1) == 1 ? 0 : -1;
	close(fd);
	return rc;
}

static bool is_empty(int events)
{
	char text[256];
	ssize_t len = pread(events, text, sizeof(text) - 1, 0);

	if (len < 0)
		return true;
	text[len] = '\0';
	return strstr(text, "populated 0");
}

static void close_from(int first, int last)
{
	if (first <= last)
		close_range(first, last, 0);
}

/* All descriptors above stderr but @low and @high; @low may be -1. */
static void close_others(int low, int high)
{
	close_from(STDERR_FILENO + 1, low - 1);
	close_from(low > STDERR_FILENO ? low + 1 : STDERR_FILENO + 1, high - 1);
	close_from(high + 1, INT_MAX);
}

/* The same file with a number above stderr's: a program may start with those closed. */
static int above_stderr(int fd)
{
	int higher;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return higher;
}

/* The file that says whether the cgroup is empty. */
static int open_events(const struct cgroup *cg)
{
	char path[PATH_MAX + 128];

	snprintf(path, sizeof(path), "%s/cgroup.events", cg->path);
	return above_stderr(open(path, O_RDONLY | O_CLOEXEC));
}

/* Holds @link until the cgroup is empty, as @events says. Never returns. */
__attribute__((noreturn))
static void keep(const struct cgroup *cg, int events, int link)
{
	int null, fd;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	close_others(events < link ? events : link, events < link ? link : events);
	/* Else a file system would stay in use. */
	if (chdir("/"))
		_exit(1);
	while (!is_empty(events)) {
		struct pollfd wait = { .fd = events, .events = POLLPRI };

		poll(&wait, 1, EMPTY_POLL_MS);
	}
	rmdir(cg->path);
	_exit(0);
}

/*
 * Becomes the keeper: out of the cgroup, and not ended by what ends the program. A signal to
 * all processes of a service reaches the keeper, too, so it blocks all. Returns 0 or an errno,
 * in the parent of the keeper.
 */
static int start_keeper(const struct cgroup *cg, int events, int link)
{
	sigset_t all;
	pid_t child;

	if (join(cg->parent))
		return errno;
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	child = fork();
	if (!child)
		keep(cg, events, link);
	return child < 0 ? errno : 0;
}

/* Whether a socket of this process is xtcp's now. It is not in a container, which does not
 * see all cgroups above its own.
 */
static int try_socket(void)
{
	/* By system calls: xtcp-run may run under xtcp-run, whose library changes the results. */
	int protocol = 0, fd = syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(protocol);

	if (fd < 0)
		return failed("a socket (is the module xtcp loaded? see net.ipv4.xtcp_gid_range)");
	if (!syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
	    protocol != IPPROTO_XTCP) {
		close(fd);
		return refused("a socket is still the kernel's: is this a container?");
	}
	close(fd);
	return 0;
}

int xtcp_run_in_cgroup(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL }, before;
	int events = -1, link, status;
	struct cgroup cg;
	pid_t child;

	if (make_cgroup(&cg))
		return -1;
	link = above_stderr(attach(cg.id, cg.level));
	if (link < 0)
		goto remove;
	if (join(cg.path)) {
		failed(cg.path);
		goto remove;
	}
	if (try_socket()) {
		join(cg.parent);
		goto remove;
	}
	/*
	 * A grandchild, so that the program has no child that it did not start. Without it the
	 * program's sockets would be the kernel's, and nobody would know.
	 */
	events = open_events(&cg);
	/* If SIGCHLD is ignored, as a supervisor may have set, no status of it is kept. */
	sigaction(SIGCHLD, &usual, &before);
	child = events < 0 ? -1 : fork();
	if (!child)
		_exit(start_keeper(&cg, events, link));
	status = -1;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGCHLD, &before, NULL);
	if (status) {
		if (child > 0 && WIFEXITED(status))
			errno = WEXITSTATUS(status);
		failed("no keeper");
		join(cg.parent);
		goto remove;
	}
	close(events);
	close(link);
	return 0;

remove:
	rmdir(cg.path);
	return -1;
}
