#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh: in a guest, what the packages have installed. Called by scripts/packages.
#
#   guest.sh VERSION MODULE...
#
# MODULE is each one beside xtcp. /lib/modules has the modules as DKMS left them, compressed and signed; /package has
# the files of xtcp-dkms and xtcp-tools. If /package/installed is there, it has the modules as make install leaves them,
# pages blocks of commands of install.rst, old the modules of an earlier version, if any, and /clone is as a clone after
# make modules. The module is not loaded.
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
# What install.rst says after "make install" and in a clone. A listener on port 80 is the service.
service=''
systemctl() # stop, start or restart UNIT
{
	local _
	[ "$2" = UNIT ] || wrong "systemctl $*"
	if [ "$1" != start ] && [ -n "$service" ]; then
		kill "$service" 2>/dev/null || :
		wait "$service" || :
		service=''
		# RCU frees a listener a little later. Until then the module is in use; systemctl takes longer.
		sleep 0.1
	fi
	[ "$1" != stop ] || return 0
	xtcp-run socat -u TCP4-LISTEN:80,reuseaddr,fork CREATE:/tmp/got &
	service=$!
	for _ in {1..100}; do
		! has_listener /proc/net/xtcp 80 || return 0
		kill -0 "$service" 2>/dev/null || break
		sleep 0.1
	done
	return 1
}

make()
{
	case $* in
	install) install_updates /package/installed ;;
	"modules KVER=$(uname -r)") [ -e "build/$(uname -r)/xtcp.ko" ] ;;
	*) wrong "make $*" ;;
	esac
}

# In place of those that are there. Without a folder: none.
install_updates() # [FOLDER]
{
	rm -rf "/lib/modules/$(uname -r)/updates"
	[ $# = 0 ] || cp -r "$1" "/lib/modules/$(uname -r)/updates" || wrong "$1"
	depmod || wrong depmod
}

# The commands of a block, as at a terminal; each must succeed.
page() # NAME
{
	[ -s "/package/pages/$1" ] || wrong "install.rst has no block for $1"
	set -ex
	# shellcheck disable=SC1090
	. "/package/pages/$1"
	{ set +ex; } 2>/dev/null
}

# The loaded module is the one of make install, the service runs, and the knobs are as at boot.
in_order() # NAME
{
	[ "$(cat /sys/module/xtcp/version)" = "$version" ] || wrong "$1: version $(cat /sys/module/xtcp/version)"
	[ "$(modinfo -F filename xtcp)" = "/lib/modules/$(uname -r)/updates/xtcp.ko" ] || wrong "$1: $(modinfo -F filename xtcp)"
	[ "$(modinfo -F srcversion xtcp)" = "$(cat /sys/module/xtcp/srcversion)" ] || wrong "$1: another module is loaded"
	[ "$(sysctl -n net.ipv4.xtcp_wire)" = 253 ] || wrong "$1: a knob was not reset"
	[ "$(sysctl -n net.ipv4.xtcp_gid_range)" = $'0\t4294967294' ] || wrong "$1: the file of sysctl.d had no effect"
	has_listener /proc/net/xtcp 80 || wrong "$1: no service"
	xtcp-run socat -u FILE:/tmp/sent TCP4:127.0.0.1:80 || wrong "$1: the transfer failed"
	systemctl stop UNIT
}

[ -e /package/installed ] || { echo "guest: every step passed"; exit 0; }
version=$1
rm /etc/modprobe.d/xtcp.conf
{ mkdir -p /etc/sysctl.d && echo "net.ipv4.xtcp_gid_range = 0 4294967294" >/etc/sysctl.d/90-xtcp.conf; } || wrong sysctl.d

# "Upgrade xtcp": from the old version, or from DKMS's modules of this one.
[ ! -e /package/old ] || install_updates /package/old
modprobe xtcp || wrong "modprobe of the old version"
[ ! -e /package/old ] || [ "$(cat /sys/module/xtcp/version)" != "$version" ] || wrong "the old version is the new one"
sysctl -qw net.ipv4.xtcp_wire=6
systemctl start UNIT || wrong "no service"
install_updates /package/installed
page upgrade
in_order upgrade
unload

# "After a kernel upgrade": the module of this kernel is missing.
install_updates
! modprobe xtcp 2>/dev/null || wrong "modprobe finds xtcp"
! systemctl start UNIT 2>/tmp/said || wrong "a service without the module"
grep 'the kernel knows no protocol 253: is the xtcp module loaded?' /tmp/said || { cat /tmp/said >&2; wrong "what the log says"; }
page new_kernel
in_order new_kernel
for module in "${@:2}"; do
	modprobe "$module" || wrong "modprobe $module"
done
unload

# "Without installing".
install_updates
cd /clone || wrong clone
page without >/tmp/ss
grep -q '^State' /tmp/ss || { cat /tmp/ss >&2; wrong "what ss prints"; }
loaded xtcp_diag || wrong "xtcp_diag is not loaded"
PATH=/clone/scripts:$PATH transfer TCP4:127.0.0.1 /proc/net/xtcp
unload
echo "guest: every step passed"
