// SPDX-License-Identifier: GPL-2.0
/*
 * um-xstate: what User-mode Linux needs on a processor with more registers than it
 * knows of, preloaded into it.
 *
 * It keeps 2,696 bytes of a process's floating point state, which end with
 * AVX-512's. A host whose processor has AMX as well takes back all 11,008 or none
 * (EFAULT), and the guest's first program dies. So the rest is filled up with what
 * the process has now; nothing in the guest can have changed it, because that takes a
 * permission (arch_prctl(2), ARCH_REQ_XCOMP_PERM) that nobody there asks for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long (*ptrace_call)(enum __ptrace_request request, pid_t pid, void *addr, void *data);

/* Not on the stack: it is one of the guest kernel's, and small. */
static unsigned char whole[65536];

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_call real;
	struct iovec all = { whole, sizeof(whole) };
	const struct iovec *some;
	void *addr, *data;
	va_list ap;
	pid_t pid;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	if (!real)
		real = (ptrace_call)dlsym(RTLD_NEXT, "ptrace");
	if (request != PTRACE_SETREGSET || addr != (void *)NT_X86_XSTATE)
		return real(request, pid, addr, data);
	some = data;
	if (real(PTRACE_GETREGSET, pid, addr, &all) || all.iov_len <= some->iov_len)
		return real(request, pid, addr, data);
	memcpy(whole, some->iov_base, some->iov_len);
	return real(request, pid, addr, &all);
}
