// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp_inside: runs inside_main() (selftests/lib/inside.h) in the kernel, for the process
 * that asks for it. Compiled as for a program, that part is linked with the functions of
 * the C library below, whose names have "inside_" in front then.
 *
 * The kernel's own functions of system calls take what they read and write from the
 * process's memory. So the arguments are copied to memory that both have.
 */
#define pr_fmt(fmt) "xtcp_inside: " fmt
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "lib/inside.h"

static unsigned long lookup;
module_param(lookup, ulong, 0400);

/* The memory of one open file. */
struct area {
	char *at;
	unsigned long size;
};

/* A file that is read; a visitor reads one at a time. */
struct file_read {
	int fd, n, at;
	char bytes[64 * 1024];
};

/*
 * A process that runs inside. Nothing is allocated later: User-mode Linux maps and unmaps
 * each page of vmalloc() by a call of the host.
 */
struct visitor {
	struct inside_call *call;
	char *scratch;			/* as the kernel has it; call->scratch is the process's */
	int err;			/* errno */
	void *out[5];			/* where a check that fails goes on */
	struct file_read file;
};

/* The one that runs now: only system calls let others run. */
static struct visitor *running;

/* --- system calls ------------------------------------------------------------ */

typedef long (*call_fn)(long a, long b, long c, long d, long e, long f);

#define CALLS(_) \
	_(read) _(write) _(openat) _(close) _(socket) _(bind) _(listen) _(accept) _(connect) \
	_(sendto) _(recvfrom) _(setsockopt) _(getsockopt) _(ioctl) _(fcntl) _(poll) _(ppoll) \
	_(clock_gettime) _(clock_nanosleep) _(getrandom) _(shutdown) _(readv) _(writev)

#define NUMBER(name) CALL_##name,
enum { CALLS(NUMBER) CALL_COUNT };
#define NAME(name) "sys_" #name,
static const char *const call_names[] = { CALLS(NAME) };
static call_fn call_fns[CALL_COUNT];
static void (*run_task_work)(void);

static void __noreturn leave(struct visitor *v)
{
	running = NULL;
	__builtin_longjmp(v->out, 1);
}

/* As the way back to a program does, and handle_syscall() of User-mode Linux. */
static long after_call(struct visitor *v, long ret)
{
	if (ret < 0 && ret >= -MAX_ERRNO) {
		udelay(1);
		schedule();
	}
	if (need_resched())
		schedule();
	if (test_thread_flag(TIF_NOTIFY_RESUME)) {
		clear_thread_flag(TIF_NOTIFY_RESUME);
		run_task_work();
	}
	if (fatal_signal_pending(current))
		leave(v);
	running = v;
	if (ret >= 0 || ret < -MAX_ERRNO)
		return ret;
	v->err = -ret;
	if (ret == -ERESTARTSYS || ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
	    ret == -ERESTART_RESTARTBLOCK)
		v->err = EINTR;
	return -1;
}

static long call_now(int which, long a, long b, long c, long d, long e, long f)
{
	struct visitor *v = running;

	return after_call(v, call_fns[which](a, b, c, d, e, f));
}

#define CALL6(name, a, b, c, d, e, f, ...) \
	call_now(CALL_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL(name, ...) CALL6(name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Parts of the scratch memory, for one argument each. */
#define PART_BYTES (128 * 1024)

static long part(int n)
{
	return running->call->scratch + n * PART_BYTES;
}

static char *part_at(int n)
{
	return running->scratch + n * PART_BYTES;
}

static long copied(int n, const void *from, size_t len)
{
	if (!from)
		return 0;
	memcpy(part_at(n), from, min_t(size_t, len, PART_BYTES));
	return part(n);
}

int *inside___errno_location(void);
int *inside___errno_location(void)
{
	return &running->err;
}

long inside_read(int fd, void *buf, size_t len);
long inside_read(int fd, void *buf, size_t len)
{
	long n = CALL(read, fd, part(0), min_t(size_t, len, PART_BYTES));

	if (n > 0)
		memcpy(buf, part_at(0), n);
	return n;
}

long inside_write(int fd, const void *buf, size_t len);
long inside_write(int fd, const void *buf, size_t len)
{
	return CALL(write, fd, copied(0, buf, len), len);
}

int inside_open(const char *path, int flags, int mode);
int inside_open(const char *path, int flags, int mode)
{
	/* At the end of a page: copying a path here fills the rest of its page with zeros. */
	size_t len = strlen(path) + 1, at = PAGE_SIZE - len % PAGE_SIZE;

	memcpy(part_at(0) + at, path, len);
	return CALL(openat, AT_FDCWD, part(0) + at, flags, mode);
}

int inside_close(int fd);
int inside_close(int fd)
{
	return CALL(close, fd);
}

int inside_socket(int family, int type, int protocol);
int inside_socket(int family, int type, int protocol)
{
	return CALL(socket, family, type, protocol);
}

int inside_bind(int fd, const void *sa, unsigned int len);
int inside_bind(int fd, const void *sa, unsigned int len)
{
	return CALL(bind, fd, copied(0, sa, len), len);
}

int inside_listen(int fd, int backlog);
int inside_listen(int fd, int backlog)
{
	return CALL(listen, fd, backlog);
}

/* No caller wants the address. */
int inside_accept(int fd, void *sa, unsigned int *len);
int inside_accept(int fd, void *sa, unsigned int *len)
{
	return CALL(accept, fd, 0, 0);
}

int inside_connect(int fd, const void *sa, unsigned int len);
int inside_connect(int fd, const void *sa, unsigned int len)
{
	return CALL(connect, fd, copied(0, sa, len), len);
}

long inside_send(int fd, const void *buf, size_t len, int flags);
long inside_send(int fd, const void *buf, size_t len, int flags)
{
	return CALL(sendto, fd, copied(0, buf, len), len, flags, 0, 0);
}

long inside_recv(int fd, void *buf, size_t len, int flags);
long inside_recv(int fd, void *buf, size_t len, int flags)
{
	long n = CALL(recvfrom, fd, buf ? part(0) : 0, len, flags, 0, 0);

	if (n > 0 && buf)
		memcpy(buf, part_at(0), min_t(size_t, n, len));
	return n;
}

int inside_setsockopt(int fd, int level, int option, const void *value, unsigned int len);
int inside_setsockopt(int fd, int level, int option, const void *value, unsigned int len)
{
	return CALL(setsockopt, fd, level, option, copied(0, value, len), len);
}

int inside_getsockopt(int fd, int level, int option, void *value, unsigned int *len);
int inside_getsockopt(int fd, int level, int option, void *value, unsigned int *len)
{
	long user_len = copied(1, len, sizeof(*len));
	long ret = CALL(getsockopt, fd, level, option, copied(0, value, *len), user_len);

	if (!ret) {
		memcpy(len, part_at(1), sizeof(*len));
		memcpy(value, part_at(0), *len);
	}
	return ret;
}

int inside_shutdown(int fd, int how);
int inside_shutdown(int fd, int how)
{
	return CALL(shutdown, fd, how);
}

/* Requests whose argument is an int. */
int inside_ioctl(int fd, unsigned long request, int *value);
int inside_ioctl(int fd, unsigned long request, int *value)
{
	long ret = CALL(ioctl, fd, request, copied(0, value, sizeof(*value)));

	memcpy(value, part_at(0), sizeof(*value));
	return ret;
}

int inside_fcntl(int fd, int command, long arg);
int inside_fcntl(int fd, int command, long arg)
{
	return CALL(fcntl, fd, command, arg);
}

int inside_poll(struct pollfd *pfd, unsigned long n, int ms);
int inside_poll(struct pollfd *pfd, unsigned long n, int ms)
{
	long ret = CALL(poll, copied(0, pfd, n * sizeof(*pfd)), n, ms);

	memcpy(pfd, part_at(0), n * sizeof(*pfd));
	return ret;
}

int inside_ppoll(struct pollfd *pfd, unsigned long n, const void *timeout, const void *mask);
int inside_ppoll(struct pollfd *pfd, unsigned long n, const void *timeout, const void *mask)
{
	long user_timeout = copied(1, timeout, 16);
	long ret = CALL(ppoll, copied(0, pfd, n * sizeof(*pfd)), n, user_timeout, 0, 8);

	memcpy(pfd, part_at(0), n * sizeof(*pfd));
	return ret;
}

int inside_clock_gettime(int clock, void *ts);
int inside_clock_gettime(int clock, void *ts)
{
	long ret = CALL(clock_gettime, clock, part(0));

	memcpy(ts, part_at(0), 16);
	return ret;
}

/* Returns the errno. */
int inside_clock_nanosleep(int clock, int flags, const void *ts, void *left);
int inside_clock_nanosleep(int clock, int flags, const void *ts, void *left)
{
	return CALL(clock_nanosleep, clock, flags, copied(0, ts, 16), 0) ? running->err : 0;
}

long inside_getrandom(void *buf, size_t len, unsigned int flags);
long inside_getrandom(void *buf, size_t len, unsigned int flags)
{
	long n = CALL(getrandom, part(0), min_t(size_t, len, PART_BYTES), flags);

	if (n > 0)
		memcpy(buf, part_at(0), n);
	return n;
}

/* Of devices with offloads. */
long inside_readv(int fd, const void *iov, int n);
long inside_readv(int fd, const void *iov, int n)
{
	running->err = EINVAL;
	return -1;
}

long inside_writev(int fd, const void *iov, int n);
long inside_writev(int fd, const void *iov, int n)
{
	running->err = EINVAL;
	return -1;
}

/* --- the rest of the C library ------------------------------------------------ */

void *inside_fopen(const char *path, const char *mode);
void *inside_fopen(const char *path, const char *mode)
{
	struct file_read *f = &running->file;

	f->fd = inside_open(path, O_RDONLY | O_CLOEXEC, 0);
	f->n = f->at = 0;
	return f->fd < 0 ? NULL : f;
}

char *inside_fgets(char *line, int size, struct file_read *f);
char *inside_fgets(char *line, int size, struct file_read *f)
{
	int len = 0;

	while (len < size - 1) {
		if (f->at == f->n) {
			f->at = 0;
			f->n = inside_read(f->fd, f->bytes, sizeof(f->bytes));
			if (f->n <= 0) {
				f->n = 0;
				break;
			}
		}
		line[len++] = f->bytes[f->at++];
		if (line[len - 1] == '\n')
			break;
	}
	line[len] = '\0';
	return len ? line : NULL;
}

int inside_fclose(struct file_read *f);
int inside_fclose(struct file_read *f)
{
	return inside_close(f->fd);
}

char *inside_getenv(const char *name);
char *inside_getenv(const char *name)
{
	char *e = running->call->env;
	size_t len = strlen(name);

	for (; *e; e += strlen(e) + 1)
		if (!strncmp(e, name, len) && e[len] == '=')
			return e + len + 1;
	return NULL;
}

char *inside_strtok_r(char *s, const char *delimiters, char **next);
char *inside_strtok_r(char *s, const char *delimiters, char **next)
{
	if (!s)
		s = *next;
	s += strspn(s, delimiters);
	*next = s + strcspn(s, delimiters);
	if (s == *next)
		return NULL;
	if (**next)
		*(*next)++ = '\0';
	return s;
}

long inside_strtol(const char *s, char **end, int base);
long inside_strtol(const char *s, char **end, int base)
{
	return simple_strtol(skip_spaces(s), end, base);
}

long long inside_strtoll(const char *s, char **end, int base);
long long inside_strtoll(const char *s, char **end, int base)
{
	return simple_strtoll(skip_spaces(s), end, base);
}

const char *inside_strerror(int err);
const char *inside_strerror(int err)
{
	static char text[32];

	snprintf(text, sizeof(text), "errno %d", err);
	return text;
}

const char *inside_inet_ntop(int family, const void *addr, char *buf, unsigned int size);
const char *inside_inet_ntop(int family, const void *addr, char *buf, unsigned int size)
{
	snprintf(buf, size, family == AF_INET ? "%pI4" : "%pI6c", addr);
	return buf;
}

unsigned int inside_if_nametoindex(const char *name);
unsigned int inside_if_nametoindex(const char *name)
{
	return 0;
}

void *inside_stderr;

__printf(2, 3) int inside_fprintf(void *f, const char *fmt, ...);
int inside_fprintf(void *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
	return 0;
}

struct where {
	void *test;
	const char *file;
	int line;
};

__printf(2, 3) void inside_check_fail(struct where at, const char *fmt, ...);
void inside_check_fail(struct where at, const char *fmt, ...)
{
	struct inside_call *call = running->call;
	va_list ap;
	int n = snprintf(call->said, sizeof(call->said), "%s:%d: ", at.file, at.line);

	va_start(ap, fmt);
	vsnprintf(call->said + n, sizeof(call->said) - n, fmt, ap);
	va_end(ap);
	leave(running);
}

/* --- the device ----------------------------------------------------------------- */

static int area_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct area), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int area_release(struct inode *inode, struct file *file)
{
	struct area *area = file->private_data;

	vfree(area->at);
	kfree(area);
	return 0;
}

static int area_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct area *area = file->private_data;

	if (area->at)
		return -EBUSY;
	area->size = vma->vm_end - vma->vm_start;
	area->at = vmalloc_user(area->size);
	return area->at ? remap_vmalloc_range(vma, area->at, 0) : -ENOMEM;
}

/* Not in the function that calls it: __builtin_setjmp() must not be left. */
static noinline void visit(struct visitor *v, void *arg)
{
	if (__builtin_setjmp(v->out))
		return;
	running = v;
	inside_main(arg, v->call->number, v->call->go, v->call->done);
}

static long area_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct area *area = file->private_data;
	struct inside_call *call;
	struct visitor *v;
	long ret = 0;

	if (command != INSIDE_RUN || !area->at)
		return -ENOTTY;
	v = kvzalloc(sizeof(*v), GFP_KERNEL);
	call = memdup_user((void __user *)arg, sizeof(*call));
	if (!v || IS_ERR(call)) {
		kvfree(v);
		return IS_ERR(call) ? PTR_ERR(call) : -ENOMEM;
	}
	call->said[0] = '\0';
	v->call = call;
	v->scratch = area->at + (call->scratch - call->memory);
	if (call->sum != INSIDE_SUM)
		ret = -ESTALE;
	else if (call->scratch - call->memory + 2 * PART_BYTES > area->size)
		ret = -EINVAL;
	else
		visit(v, area->at);
	if (call->said[0])
		ret = copy_to_user((void __user *)arg, call, sizeof(*call)) ? -EFAULT : -EIO;
	kfree(call);
	kvfree(v);
	return ret;
}

static const struct file_operations area_fops = {
	.owner = THIS_MODULE,
	.open = area_open,
	.release = area_release,
	.mmap = area_mmap,
	.unlocked_ioctl = area_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = INSIDE_DEVICE,
	.fops = &area_fops,
};

static int __init inside_init(void)
{
	unsigned long (*find)(const char *name) = (void *)lookup;

	BUILD_BUG_ON(INSIDE_SCRATCH != 2 * PART_BYTES);
	if (!find)
		return -EINVAL;
	for (int i = 0; i < CALL_COUNT; i++) {
		call_fns[i] = (call_fn)find(call_names[i]);
		if (!call_fns[i]) {
			pr_err("no %s\n", call_names[i]);
			return -ENOENT;
		}
	}
	run_task_work = (void (*)(void))find("task_work_run");
	return run_task_work ? misc_register(&device) : -ENOENT;
}

static void __exit inside_exit(void)
{
	misc_deregister(&device);
}

module_init(inside_init);
module_exit(inside_exit);
MODULE_DESCRIPTION("A part of a selftest that runs in the kernel");
MODULE_LICENSE("GPL");
