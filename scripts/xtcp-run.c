// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp-run.c - the launcher: runs an unmodified program with xtcp as its TCP
 *
 * It preloads the library built from xtcp-preload.c and xtcp-preload-*.c, or with
 * --cgroup has the kernel do that library's work (xtcp-run-cgroup.c). The man page is
 * Documentation/man/xtcp-run.1. What the library is to know is in the environment.
 *
 * A program that the dynamic linker would start without the library is refused, because
 * it would use the kernel's TCP unnoticed; as is one with another C library, which may
 * lack functions that the library calls.
 *
 * It is a program and not a script because a user waits for it each time: it starts in a
 * millisecond. In a clone, scripts/xtcp-run builds and starts it.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "xtcp-run.h"

enum status {
	FAILED		= 125,	/* xtcp-run itself */
	NOT_RUN		= 126,
	NOT_FOUND	= 127,
};

#define PORT_MAX	65535
#define INTERPRETERS	4	/* a script's interpreter may be a script */
#define HEADERS_MAX	4096	/* program headers; the kernel takes less */

static const char usage_text[] =
"usage: xtcp-run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
"       xtcp-run --library | --version | --help\n"
"\n"
"Runs PROGRAM and its children with xtcp sockets in place of TCP sockets.\n"
"\n"
"  -w, --wire tcp|native  segments of these sockets; default: net.ipv4.xtcp_wire\n"
"  -l, --listen-only      only sockets that listen become xtcp's\n"
"  -c, --connect-only     only sockets that connect become xtcp's\n"
"  -p, --port N           only sockets that listen on port N or connect to it;\n"
"                         may be given several times\n"
"      --cgroup           let the kernel replace the sockets: also of static programs,\n"
"                         as root, on Linux 6.6 and later\n"
"  -f, --force            run it even if the library cannot be preloaded into it\n"
"  -t, --as-tcp           let getsockopt(SO_PROTOCOL) return IPPROTO_TCP, not 253\n"
"  -v, --verbose          print a line to stderr for each xtcp socket\n"
"      --library          print the path of the library\n"
"  -V, --version          print the launcher's version\n";

/* What it prints may come from a file of another user: no byte of it controls the terminal. */
__attribute__((format(printf, 1, 2)))
static void complain(const char *fmt, ...)
{
	va_list args;
	char *line;
	int len;

	va_start(args, fmt);
	len = vasprintf(&line, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	for (int i = 0; i < len; i++) {
		unsigned char c = line[i], before = i ? line[i - 1] : 0;

		/* Controls from 0x80 on are one byte, or two in UTF-8: the first is 0xc2. */
		if (c < ' ' || (c >= 0x7f && c < 0xa0 && (before < 0x80 || before == 0xc2)))
			line[i] = '?';
	}
	fprintf(stderr, "xtcp-run: %s\n", line);
	free(line);
}

__attribute__((noreturn))
static void usage(void)
{
	fputs(usage_text, stderr);
	exit(FAILED);
}

/* --- the library ---------------------------------------------------------- */

/* Its path, which the caller does not free. XTCP_PRELOAD names it, or it lies beside this
 * program or in ../lib/xtcp.
 */
static const char *find_library(void)
{
	static const char *const places[] = { "", "../lib/xtcp/" };
	static char found[PATH_MAX];
	const char *named = getenv("XTCP_PRELOAD");
	char here[PATH_MAX], path[2 * PATH_MAX];
	ssize_t len;
	size_t i;

	if (named && *named) {
		if (access(named, R_OK) || !realpath(named, found)) {
			complain("XTCP_PRELOAD: %s: no such library", named);
			exit(FAILED);
		}
		return found;
	}
	len = readlink("/proc/self/exe", here, sizeof(here) - 1);
	/* Without this program's own folder the search would begin in the current one, where
	 * anybody may have put a library.
	 */
	if (len <= 0 || *here != '/') {
		complain("/proc/self/exe cannot be read to find the library: set XTCP_PRELOAD");
		exit(FAILED);
	}
	here[len] = '\0';
	strrchr(here, '/')[1] = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%sxtcp-preload.so", here, places[i]);
		if (!access(path, R_OK) && realpath(path, found))
			return found;
	}
	complain("xtcp-preload.so is neither in %s nor in %s../lib/xtcp", here, here);
	exit(FAILED);
}

/* --- what kind of program it is ------------------------------------------- */

/* As execvp() looks for @name. NULL, with errno: there is none. The caller frees it. */
static char *find_program(const char *name)
{
	const char *list = getenv("PATH"), *end;
	int err = ENOENT;
	struct stat st;
	char *path;

	if (strchr(name, '/'))
		return strdup(name);
	if (!list)
		list = "/bin:/usr/bin";
	for (;; list = end + 1) {
		end = strchrnul(list, ':');
		if (asprintf(&path, "%.*s/%s", end > list ? (int)(end - list) : 1,
			     end > list ? list : ".", name) < 0)
			return NULL;
		if (!stat(path, &st)) {
			if (S_ISREG(st.st_mode) && !access(path, X_OK))
				return path;
			err = EACCES;
		} else if (errno == EACCES) {
			err = EACCES;
		}
		free(path);
		if (!*end) {
			errno = err;
			return NULL;
		}
	}
}

/* The program that runs a script, of its first line. What /usr/bin/env is told to look for
 * counts, not env. NULL: @line is of no script. The caller frees it.
 */
static char *interpreter(char *line)
{
	char *rest, *word, *base;

	if (strncmp(line, "#!", 2))
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	word = strtok_r(line + 2, " \t", &rest);
	if (!word)
		return NULL;
	base = strrchr(word, '/');
	if (strcmp(base ? base + 1 : word, "env"))
		return strdup(word);
	word = strtok_r(NULL, " \t", &rest);
	if (word && !strcmp(word, "-S"))
		word = strtok_r(NULL, " \t", &rest);
	return find_program(word ? word : "env");
}

/* What matters of an ELF file. */
struct elf {
	unsigned char class, order;
	uint16_t machine;
	bool dynamic;		/* it asks for a dynamic linker: PT_INTERP */
	char linker[PATH_MAX];	/* that one's path; "": none, or it can't be read */
};

static uint64_t number(const struct elf *elf, const unsigned char *at, size_t size)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < size; i++)
		n |= (uint64_t)at[elf->order == ELFDATA2MSB ? size - 1 - i : i] << (8 * i);
	return n;
}

/* A field of the ELF header or of a program header. */
#define FIELD(elf, at, head, name)						\
	((elf)->class == ELFCLASS64 ?						\
	 number(elf, (at) + offsetof(Elf64_##head, name), sizeof(((Elf64_##head *)0)->name)) : \
	 number(elf, (at) + offsetof(Elf32_##head, name), sizeof(((Elf32_##head *)0)->name)))

/* Of the program header PT_INTERP. */
static void read_linker(int fd, const unsigned char *header, struct elf *elf)
{
	uint64_t size = FIELD(elf, header, Phdr, p_filesz);

	elf->dynamic = true;
	if (size && size < sizeof(elf->linker) &&
	    pread(fd, elf->linker, size, FIELD(elf, header, Phdr, p_offset)) == (ssize_t)size)
		elf->linker[size] = '\0';
	else
		elf->linker[0] = '\0';
}

/* False: the file is none, or can't be read. @head: its start. */
static bool read_elf(int fd, const unsigned char *head, struct elf *elf)
{
	unsigned char header[sizeof(Elf64_Phdr)];
	uint64_t at, size, count;

	if (memcmp(head, ELFMAG, SELFMAG))
		return false;
	elf->class = head[EI_CLASS];
	elf->order = head[EI_DATA];
	elf->machine = FIELD(elf, head, Ehdr, e_machine);
	elf->dynamic = false;
	elf->linker[0] = '\0';
	at = FIELD(elf, head, Ehdr, e_phoff);
	size = FIELD(elf, head, Ehdr, e_phentsize);
	count = FIELD(elf, head, Ehdr, e_phnum);
	if (count > HEADERS_MAX || size > sizeof(header))
		return false;
	for (; count; count--, at += size) {
		if (pread(fd, header, size, at) != (ssize_t)size)
			return false;
		if (FIELD(elf, header, Phdr, p_type) == PT_INTERP)
			read_linker(fd, header, elf);
	}
	return true;
}

/* The dynamic linker ignores LD_PRELOAD in a program that gains rights by being run. */
static bool gains_rights(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	return (st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
	       (st.st_mode & S_ISGID && st.st_gid != getegid()) ||
	       (geteuid() && getxattr(path, "security.capability", NULL, 0) > 0);
}

/* What @path is: the library, or this program. */
static bool read_file(const char *path, struct elf *elf)
{
	unsigned char head[sizeof(Elf64_Ehdr)];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = pread(fd, head, sizeof(head), 0) == sizeof(head) && read_elf(fd, head, elf);
	close(fd);
	return good;
}

/* Each C library has a dynamic linker of its own name; the folder differs between systems.
 * The library was built for the one that this program has. Not known if the user has named a
 * library, if this program has no linker, or if the two are of different machine types.
 */
static bool has_another_c_library(const struct elf *elf)
{
	const char *named = getenv("XTCP_PRELOAD");
	struct elf ours;

	if (named && *named)
		return false;
	return read_file("/proc/self/exe", &ours) && *ours.linker && *elf->linker &&
	       ours.class == elf->class && ours.machine == elf->machine &&
	       strcmp(basename(ours.linker), basename(elf->linker));
}

/* Why a program can't have the library; text NULL: it can. */
struct obstacle {
	const char *text;
	bool runs;	/* with -f it runs all the same, on the kernel's TCP */
};

static const struct obstacle rights = {
	"gains rights by being run (setuid, setgid or capabilities)", true
};

/* Of the file @path, which is open and may be no ELF file. @head: its first @got bytes. */
static struct obstacle obstacle_of(const char *path, int fd, const unsigned char *head,
				   ssize_t got, const char *library)
{
	static char other[PATH_MAX + sizeof("has another C library ()")];
	struct elf elf, ours;

	if (got < (ssize_t)sizeof(Elf64_Ehdr) || !read_elf(fd, head, &elf))
		return (struct obstacle){ };
	if (!elf.dynamic)
		return (struct obstacle){ "is statically linked", true };
	if (read_file(library, &ours) &&
	    (ours.class != elf.class || ours.machine != elf.machine))
		return (struct obstacle){ "is of another machine type than the library", true };
	if (gains_rights(path))
		return rights;
	if (!has_another_c_library(&elf))
		return (struct obstacle){ };
	snprintf(other, sizeof(other), "has another C library (%s)", elf.linker);
	return (struct obstacle){ other, false };
}

/* As obstacle_of(), of @program or of what runs it; *@file, which the caller frees, is the
 * one meant. No text as well if the file can't be read to tell; but some systems let nobody
 * read sudo, of which stat() tells enough.
 */
static struct obstacle find_obstacle(const char *program, const char *library, char **file)
{
	struct obstacle why = { };
	char head[256 + 1] = "";
	struct stat st;
	char *next;
	ssize_t got;
	int i, fd;

	*file = strdup(program);
	for (i = 0; *file && i < INTERPRETERS; i++) {
		/* open() of a FIFO would wait, a device may act on it, and neither can be run. */
		if (stat(*file, &st) || !S_ISREG(st.st_mode))
			return why;
		fd = open(*file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			return gains_rights(*file) ? rights : why;
		got = read(fd, head, sizeof(head) - 1);
		head[got > 0 ? got : 0] = '\0';
		why = obstacle_of(*file, fd, (unsigned char *)head, got, library);
		close(fd);
		next = why.text ? NULL : interpreter(head);
		if (!next)
			return why;
		free(*file);
		*file = next;
	}
	return why;
}

/* --- options -------------------------------------------------------------- */

struct options {
	bool force, cgroup, chosen;	/* chosen: one that the library must act on */
	char ports[XTCP_RUN_PORTS_LEN];
};

static void add_port(struct options *opt, const char *word)
{
	size_t used = strlen(opt->ports);
	unsigned long port;
	char *end;

	errno = 0;
	port = strtoul(word, &end, 10);
	if (*word < '0' || *word > '9' || *end || errno || !port || port > PORT_MAX) {
		complain("--port %s: not a port (1 to %d)", word, PORT_MAX);
		exit(FAILED);
	}
	if (used + sizeof(",65535") > sizeof(opt->ports)) {
		complain("--port: too many ports");
		exit(FAILED);
	}
	snprintf(opt->ports + used, sizeof(opt->ports) - used, "%s%lu", used ? "," : "", port);
}

static void set_wire(const char *word)
{
	if (strcmp(word, "tcp") && strcmp(word, "native")) {
		complain("--wire %s: neither tcp nor native", word);
		exit(FAILED);
	}
	setenv(XTCP_RUN_WIRE, word, 1);
}

static void set_role(const char *role)
{
	static const char *before;

	if (before && strcmp(before, role)) {
		complain("either --listen-only or --connect-only");
		exit(FAILED);
	}
	before = role;
	setenv(XTCP_RUN_ROLE, role, 1);
}

static void read_options(int argc, char **argv, struct options *opt)
{
	enum { CGROUP = 256, LIBRARY };
	static const struct option all[] = {
		{ "wire", required_argument, NULL, 'w' },
		{ "listen-only", no_argument, NULL, 'l' },
		{ "connect-only", no_argument, NULL, 'c' },
		{ "port", required_argument, NULL, 'p' },
		{ "cgroup", no_argument, NULL, CGROUP },
		{ "force", no_argument, NULL, 'f' },
		{ "as-tcp", no_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "library", no_argument, NULL, LIBRARY },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "+w:lcp:ftvVh", all, NULL)) != -1) {
		opt->chosen |= c < CGROUP && strchr("wlcptv", c);
		switch (c) {
		case 'w':	set_wire(optarg); break;
		case 'l':	set_role("listen"); break;
		case 'c':	set_role("connect"); break;
		case 'p':	add_port(opt, optarg); break;
		case CGROUP:	opt->cgroup = true; break;
		case 'f':	opt->force = true; break;
		case 't':	setenv(XTCP_RUN_AS_TCP, "1", 1); break;
		case 'v':	setenv(XTCP_RUN_VERBOSE, "1", 1); break;
		case LIBRARY:	puts(find_library()); exit(0);
		case 'V':	puts("xtcp-run " XTCP_RUN_VERSION); exit(0);
		case 'h':	fputs(usage_text, stdout); exit(0);
		default:	usage();
		}
	}
	if (optind == argc)
		usage();
	if (opt->cgroup && opt->chosen) {
		complain("--cgroup: only the library knows -w, -l, -c, -p, -t and -v");
		exit(FAILED);
	}
	if (*opt->ports)
		setenv(XTCP_RUN_PORTS, opt->ports, 1);
}

/* --- run it --------------------------------------------------------------- */

static void preload(const char *library)
{
	const char *before = getenv("LD_PRELOAD");
	char *list;

	if (strpbrk(library, ": ")) {
		complain("%s: the dynamic linker takes no blank or colon in a library's path",
			 library);
		exit(FAILED);
	}
	if (asprintf(&list, "%s%s%s", library, before && *before ? ":" : "",
		     before ? before : "") < 0)
		exit(FAILED);
	setenv("LD_PRELOAD", list, 1);
	/* By which the library tells an environment that was cleared from one of which the
	 * user took LD_PRELOAD.
	 */
	setenv(XTCP_RUN_LIBRARY, library, 1);
	free(list);
}

static void check(const char *program, const char *library, bool force)
{
	char *file = NULL;
	struct obstacle why = find_obstacle(program, library, &file);

	if (why.text && !force) {
		complain("%s %s: %s (%s)", file, why.text,
			 why.runs ? "it would use the kernel's own TCP" :
				    "the library may keep it from starting",
			 "-f runs it all the same, --cgroup on xtcp");
		exit(NOT_RUN);
	}
	if (why.text)
		complain("warning: %s %s: %s", file, why.text,
			 why.runs ? "it uses the kernel's own TCP" :
				    "the library may keep it from starting");
	free(file);
}

int main(int argc, char **argv)
{
	struct options opt = { };
	const char *library;
	char *program;
	int err;

	read_options(argc, argv, &opt);
	program = find_program(argv[optind]);
	if (!program) {
		err = errno;
		complain("%s: %s", argv[optind], err == ENOENT ? "not found" : strerror(err));
		return err == ENOENT ? NOT_FOUND : NOT_RUN;
	}
	if (opt.cgroup) {
		if (xtcp_run_in_cgroup())
			return FAILED;
	} else {
		library = find_library();
		check(program, library, opt.force);
		preload(library);
	}
	free(program);
	execvp(argv[optind], argv + optind);
	err = errno;
	complain("%s: %s", argv[optind], strerror(err));
	return err == ENOENT ? NOT_FOUND : NOT_RUN;
}
