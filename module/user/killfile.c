// SPDX-License-Identifier: GPL-2.0
/*
 * killfile.c - /proc/net/xtcp_kill: end the connections that a line names
 *
 * A line written to it names a connection as /proc/net/xtcp_age does,
 *
 *	10.0.0.2:5000 10.0.0.1:40000
 *
 * in any state, or a listener, whose remote end is 0.0.0.0:0. If a third or later
 * word is "tcp" or "native", the line means that wire, else both. If one is "inode=77",
 * it means a connection only as long as its socket has that inode: the ends may have
 * got another connection since somebody has read them. Other words may
 * follow, so that a line of xtcp_age can be copied. A local address that is bound
 * to a device is followed by "%" and the device.
 *
 * The lines of a write are processed one after the other. When one fails the
 * write ends before it; if it is the first, the write fails. user/kill.c ends the
 * connections.
 *
 * Context: process, sleeps on socket locks.
 */
#include <linux/capability.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <uapi/linux/xtcp.h>

#include "flow.h"
#include "net/family.h"
#include "user/kill.h"
#include "user/procfs.h"
#include "user/row.h"

#define WRITE_MAX	PAGE_SIZE	/* bytes processed of one write */

/**
 * struct kill_line - what a line names
 * @key: its ends; a wire of 0 stands for both
 * @inode: of the socket, if @has_inode; 0: none
 * @has_inode: only a socket with @inode is meant
 */
struct kill_line {
	struct xtcp_key	key;
	unsigned long	inode;
	bool		has_inode;
};

/* Name, or the ifindex of a device that is gone; returns 0 for neither. */
static int device_parse(struct net *net, const char *word)
{
	struct net_device *dev;
	int ifindex = 0;

	rcu_read_lock();
	dev = dev_get_by_name_rcu(net, word);
	if (dev)
		ifindex = dev->ifindex;
	else if (kstrtoint(word, 10, &ifindex) || ifindex < 0)
		ifindex = 0;
	rcu_read_unlock();
	return ifindex;
}

/*
 * "10.0.0.2:5000", or "10.0.0.2%eth0:5000" unless @ifindex is NULL; an IPv6
 * address is in brackets, followed by the device.
 */
static bool end_parse(struct net *net, char *word, __be32 *addr,
		      struct in6_addr *addr6, u8 *family, __be16 *port,
		      int *ifindex)
{
	char *colon = strrchr(word, ':');
	char *device = strchr(word, '%');
	u16 num;

	if (!colon || kstrtou16(colon + 1, 10, &num))
		return false;
	*colon = '\0';
	*port = htons(num);
	if (device) {
		*device++ = '\0';
		if (!ifindex)
			return false;
		*ifindex = device_parse(net, device);
		if (!*ifindex)
			return false;
	}
	return xtcp_procfs_addr_parse(word, addr, addr6, family);
}

/* The wire that a word names; 0: none. */
static u8 wire_parse(const char *word)
{
	if (!strcmp(word, "tcp"))
		return XTCP_WIRE_TCP;
	return strcmp(word, "native") ? 0 : XTCP_WIRE_NATIVE;
}

/* The words behind both ends. Modifies @words, which may be NULL. */
static bool words_parse(char *words, struct kill_line *line)
{
	const char *word;
	size_t len;

	while ((word = strsep(&words, " \t"))) {
		line->key.wire = line->key.wire ?: wire_parse(word);
		len = str_has_prefix(word, "inode=");
		if (len && kstrtoul(word + len, 10, &line->inode))
			return false;
		line->has_inode |= len != 0;
	}
	return true;
}

/* Modifies @text. Listeners end together, so that no inode can name one. */
static bool line_parse(struct net *net, char *text, struct kill_line *line)
{
	struct xtcp_key *key = &line->key;
	char *local, *remote;
	u8 family;

	*line = (struct kill_line) { };
	text = skip_spaces(text);
	local = strsep(&text, " \t");
	if (!text)
		return false;
	text = skip_spaces(text);
	remote = strsep(&text, " \t");
	if (!end_parse(net, local, &key->laddr, &key->v6.laddr, &key->family,
		       &key->lport, &key->dif) ||
	    !end_parse(net, remote, &key->raddr, &key->v6.raddr, &family,
		       &key->rport, NULL) || family != key->family ||
	    !words_parse(text, line))
		return false;
	/* With a device, match only a connection that is bound to it. */
	key->bound_only = key->dif != 0;
	xtcp_key_digest(key);
	return key->lport && !key->raddr == !key->rport &&
	       !(line->has_inode && !key->rport);
}

/* A line that names no wire applies to both. */
static int line_kill(struct net *net, char *text)
{
	struct kill_line line;
	int one, err = -ENOENT;
	unsigned int i;
	u8 wire;

	if (!line_parse(net, text, &line))
		return -EINVAL;
	wire = line.key.wire;
	for (i = 0; i < XTCP_ROW_WIRES; i++) {
		if (wire && wire != xtcp_row_wires[i])
			continue;
		line.key.wire = xtcp_row_wires[i];
		one = xtcp_kill_key(net, &line.key,
				    line.has_inode ? &line.inode : NULL);
		if (one && one != -ENOENT)
			return one;
		if (!one)
			err = 0;
	}
	return err;
}

/*
 * Process whole lines only: half of a line names another connection. Returns
 * the bytes processed, or the errno of the first line.
 */
static ssize_t lines_kill(struct net *net, char *lines)
{
	char *next = lines, *line;
	ssize_t done = 0;
	int err;

	while (strchr(next, '\n')) {
		line = strsep(&next, "\n");
		err = line_kill(net, line);
		if (err)
			return done ?: err;
		done = next - lines;
	}
	return done ?: -EINVAL;
}

static ssize_t kill_write(struct file *file, const char __user *buf,
			  size_t len, loff_t *pos)
{
	struct net *net = pde_data(file_inode(file));
	ssize_t done;
	char *lines;

	/*
	 * Checks the opener's capability: a setuid program must not be tricked
	 * into writing.
	 */
	if (!file_ns_capable(file, net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	lines = memdup_user_nul(buf, min(len, WRITE_MAX));
	if (IS_ERR(lines))
		return PTR_ERR(lines);
	done = lines_kill(net, lines);
	kfree(lines);
	return done;
}

static int kill_open(struct inode *inode, struct file *file)
{
	return xtcp_procfs_hold(inode);
}

static int kill_release(struct inode *inode, struct file *file)
{
	xtcp_procfs_release_hold(inode);
	return 0;
}

const struct proc_ops xtcp_killfile_proc_ops = {
	.proc_open	= kill_open,
	.proc_write	= kill_write,
	.proc_lseek	= noop_llseek,
	.proc_release	= kill_release,
};
