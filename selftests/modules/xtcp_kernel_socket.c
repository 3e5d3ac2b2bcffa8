// SPDX-License-Identifier: GPL-2.0
/*
 * xtcp_kernel_socket: a connection of a kernel module, for selftests/user/kernelsocket.c. It is
 * opened in the namespace of the program that loads the module, keeps no reference to that
 * namespace, and is closed when the module is unloaded.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/inet.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <uapi/linux/xtcp.h>
#include <net/net_namespace.h>

static char *address;
module_param(address, charp, 0400);
static ushort port;
module_param(port, ushort, 0400);

static struct socket *sock;

static int __init kernel_socket_load(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int err;

	if (!in4_pton(address, -1, (u8 *)&to.sin_addr, -1, NULL))
		return -EINVAL;
	err = sock_create_kern(current->nsproxy->net_ns, AF_INET, SOCK_STREAM, IPPROTO_XTCP, &sock);
	if (err)
		return err;
	err = sock->ops->connect(sock, (void *)&to, sizeof(to), O_NONBLOCK);
	if (err == -EINPROGRESS)
		return 0;
	sock_release(sock);
	return err ?: -EISCONN;
}

static void __exit kernel_socket_unload(void)
{
	sock_release(sock);
}

module_init(kernel_socket_load);
module_exit(kernel_socket_unload);

MODULE_DESCRIPTION("A connection of a kernel module, for a test of xtcp");
MODULE_LICENSE("GPL");
