#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh: in a guest, what the packages have installed. Called by scripts/packages.
#
#   guest.sh VERSION
#
# /lib/modules has the modules as DKMS left them, compressed and signed; /package has the files of
# xtcp-dkms and xtcp-tools. The module is not loaded.
set -u

wrong()
{
	echo "guest: $*" >&2
	exit 1
}

loaded() # MODULE
{
	[ -d "/sys/module/$1" ]
}

unload()
{
	# As install.rst says.
	# shellcheck disable=SC2046 # several names, or none
	rmmod $(lsmod | grep -o '^xtcp_[a-z_]*') xtcp || wrong "rmmod"
	! loaded xtcp || wrong "xtcp is still loaded"
}

# Nobody listens there. The socket is what counts.
open_socket() # TCP4:ADDRESS or TCP6:ADDRESS
{
	xtcp-run socat -u /dev/null "$1:9" 2>/tmp/said
}

# has_listener FILE PORT
has_listener()
{
	grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$2") [0-9A-F]+:0000 0A " "$1"
}

# A mebibyte over loopback.
transfer() # TCP4:ADDRESS or TCP6:ADDRESS, FILE of /proc/net with the listener
{
	local _
	head -c 1048576 /dev/urandom >/tmp/sent
	xtcp-run socat -u "${1%%:*}-LISTEN:80,reuseaddr" CREATE:/tmp/got &
	for _ in {1..100}; do
		! has_listener "$2" 80 || break
		sleep 0.1
	done
	xtcp-run socat -u FILE:/tmp/sent "$1:80" || wrong "$1: the transfer failed"
	wait
	cmp /tmp/sent /tmp/got || wrong "$1: other bytes arrived"
}

{ cp /package/xtcp-run /usr/bin/xtcp-run && cp /package/xtcp-preload.so /usr/lib/xtcp/ &&
	cp /package/modprobe.conf /lib/modprobe.d/xtcp.conf && depmod; } || wrong "not installed"

# As installed: a socket loads nothing, a name does.
loaded xtcp && wrong "xtcp is loaded at the beginning"
open_socket TCP4:127.0.0.1 && wrong "a connection to a port without a listener"
grep -q 'is the xtcp module loaded?' /tmp/said || { cat /tmp/said >&2; wrong "xtcp-run without the module"; }
loaded xtcp && wrong "a socket loaded the module"
modprobe xtcp || wrong "modprobe xtcp"
[ "$(cat /sys/module/xtcp/version)" = "$1" ] || wrong "not version $1"
transfer TCP4:127.0.0.1 /proc/net/xtcp
xtcp-run ss -tan >/tmp/ss || wrong "ss"
unload

# With contrib/modprobe.d: the alias of either family loads it, and what ss asks with it.
mkdir -p /etc/modprobe.d
cp /package/contrib.conf /etc/modprobe.d/xtcp.conf
for address in TCP4:127.0.0.1 'TCP6:[::1]'; do
	open_socket "$address"
	loaded xtcp || { cat /tmp/said >&2; wrong "$address: the socket did not load the module"; }
	loaded xtcp_diag || wrong "$address: no xtcp_diag with it"
	case $address in
	TCP4*) transfer "$address" /proc/net/xtcp ;;
	*) transfer "$address" /proc/net/xtcp6 ;;
	esac
	unload
done

# Each of the others loads by its name, with xtcp below it.
for module in "${@:2}"; do
	modprobe "$module" || wrong "modprobe $module"
	loaded "$module" || wrong "$module is not loaded"
	unload
done
echo "guest: every step passed"
