#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2086 # tests are called by name; names have no blanks
#
# Loading and unloading the module: its description, loading by hand and on demand,
# unloading many times, with sockets open, and with a namespace torn down under
# a transfer.
#
# Uses the sockets of unmodified programs under xtcp-run. Leaves xtcp loaded.
# vm: timeout=300 heavy
set -u

ko=/xtcp/xtcp.ko
number=0 failed=0
dir=$(mktemp -d)
a=module-a-$$ b=module-b-$$
tests=(
	module_describes_itself
	module_loads_25_times
	module_in_use_is_not_unloaded
	module_loads_by_need
	module_is_not_loaded_for_a_user
	module_diag_loads_by_need
	module_survives_a_namespace_that_dies_in_transfer
	module_survives_a_namespace_that_dies_half_open
)

stop_all()
{
	local p
	for p in $(jobs -p); do
		kill -KILL "$p"
	done
	wait
	ip netns del $a
	ip netns del $b
} 2>/dev/null

# Loaded, fresh.
reload()
{
	[ ! -d /sys/module/xtcp ] || unload || return 1
	insmod $ko
}

# A dead namespace's sockets go one after the other: in the end it must succeed. Orphans of a
# program that ran before may take minutes, and a try of rmmod costs the host much.
unload()
{
	local n users=0 wait
	[ ! -d /sys/module/xtcp_diag ] || rmmod xtcp_diag
	for wait in .5{,,,,}{,} {,,,,}{,,,,}{,,,,}5; do
		[ ! -r /sys/module/xtcp/refcnt ] || read -r users </sys/module/xtcp/refcnt
		[ "$users" != 0 ] || ! rmmod xtcp 2>"$dir/rmmod" || break
		sleep "$wait"
	done
	[ ! -d /sys/module/xtcp ] || { cat "$dir/rmmod"; return 1; }
	for n in {1..50}; do
		grep -q '^xtcp' /proc/slabinfo || return 0
		sleep 0.1
	done
	echo "caches are left:"
	grep '^xtcp' /proc/slabinfo
	return 1
}

# until COMMAND: wait until it succeeds, for 20 s at most.
until_true()
{
	local n
	for n in {1..200}; do
		if "$@" >/dev/null 2>&1; then
			return 0
		fi
		sleep 0.1
	done
	echo "in vain: $*"
	return 1
}

# has_row NAMESPACE PORT STATE: a row of /proc/net/xtcp with that local port.
has_row()
{
	ip netns exec "$1" cat /proc/net/xtcp |
		grep -qE "^ *[0-9]+: [0-9A-F]{8}:$(printf %04X "$2") [0-9A-F]{8}:[0-9A-F]{4} $3 "
}

pair()
{
	ip netns add $a && ip netns add $b &&
		ip link add veth0 netns $a type veth peer name veth0 netns $b &&
		ip -n $a addr add 10.0.0.1/24 dev veth0 && ip -n $a link set veth0 up &&
		ip -n $b addr add 10.0.0.2/24 dev veth0 && ip -n $b link set veth0 up
}

module_describes_itself()
{
	local alias status=0
	[ "$(modinfo -F license $ko)" = GPL ] || { echo "license"; status=1; }
	[ "$(modinfo -F description $ko | wc -l)" = 1 ] || { echo "description"; status=1; }
	modinfo -F version $ko | grep -qE '^[0-9]+\.[0-9]+' || { echo "version"; status=1; }
	[ "$(cat /sys/module/xtcp/version)" = "$(modinfo -F version $ko)" ] || { echo "version loaded"; status=1; }
	for alias in net-pf-2-proto-253-type-1 net-pf-10-proto-253-type-1; do
		modinfo -F alias $ko | grep -qx "$alias" || { echo "no alias $alias"; status=1; }
	done
	return $status
}

module_loads_25_times()
{
	local n
	for n in {1..25}; do
		reload || { echo "time $n"; return 1; }
	done
}

module_in_use_is_not_unloaded()
{
	local status=0
	ip netns add $a && ip -n $a link set lo up
	ip netns exec $a xtcp-run socat -u TCP4-LISTEN:80 - &
	until_true has_row $a 80 0A || return 1
	if rmmod xtcp 2>"$dir/rmmod"; then
		echo "a module with a listening socket was unloaded"
		status=1
	fi
	grep -q 'in use' "$dir/rmmod" || { cat "$dir/rmmod"; status=1; }
	stop_all
	unload || status=1
	return $status
}

# Where modprobe finds it, as `make install` would put it.
install_module()
{
	local lib
	lib=/lib/modules/$(uname -r)/updates
	mkdir -p "$lib" && cp $ko /xtcp/xtcp_diag.ko "$lib" && depmod
	ip netns add $a && ip -n $a link set lo up
}

uninstall_module()
{
	rm -rf "/lib/modules/$(uname -r)/updates" /etc/modprobe.d/xtcp.conf
	depmod
}

# An administrator chooses that by an empty file.
module_loads_by_need()
{
	local status=0
	unload && install_module || return 1
	mkdir -p /etc/modprobe.d && : >/etc/modprobe.d/xtcp.conf
	# Nobody listens: the socket alone loads the module.
	ip netns exec $a xtcp-run socat -u /dev/null TCP4:127.0.0.1:9 2>"$dir/socat"
	[ -d /sys/module/xtcp ] || { cat "$dir/socat"; status=1; }
	stop_all
	uninstall_module
	return $status
}

# With the installed configuration file a socket loads nothing; a name does.
module_is_not_loaded_for_a_user()
{
	local status=0
	unload && install_module || return 1
	ip netns exec $a xtcp-run socat -u /dev/null TCP4:127.0.0.1:9 2>"$dir/socat"
	[ ! -d /sys/module/xtcp ] || { echo "a socket loaded the module"; status=1; }
	grep -q 'is the xtcp module loaded' "$dir/socat" || { cat "$dir/socat"; status=1; }
	# As systemd-modules-load asks for it at boot.
	modprobe -b xtcp || status=1
	[ -d /sys/module/xtcp ] || { echo "modprobe did not load it"; status=1; }
	stop_all
	uninstall_module
	return $status
}

# The first request of sock_diag loads the handler, but nothing loads xtcp.
module_diag_loads_by_need()
{
	local status=0
	unload && install_module || return 1
	if xtcp-run ss -tan >"$dir/ss" 2>&1; then
		echo "ss without xtcp"; status=1
	fi
	[ ! -d /sys/module/xtcp ] || { echo "a request loaded xtcp"; status=1; }
	modprobe xtcp || status=1
	[ ! -d /sys/module/xtcp_diag ] || { echo "it is there without need"; status=1; }
	xtcp-run ss -tan >"$dir/ss" 2>&1 || { cat "$dir/ss"; status=1; }
	[ -d /sys/module/xtcp_diag ] || { echo "not loaded"; status=1; }
	# Which holds xtcp, as modprobe knows.
	if rmmod xtcp 2>"$dir/rmmod"; then
		echo "xtcp went below xtcp_diag"; status=1
	fi
	modprobe -r xtcp_diag xtcp || status=1
	[ ! -d /sys/module/xtcp ] || { echo "modprobe -r"; status=1; }
	stop_all
	uninstall_module
	return $status
}

module_survives_a_namespace_that_dies_in_transfer()
{
	local got
	pair || return 1
	ip netns exec $b xtcp-run socat -u TCP4-LISTEN:80 "CREATE:$dir/got" &
	until_true has_row $b 80 0A || return 1
	# Slow enough that it outlives the namespaces.
	tc -n $a qdisc add dev veth0 root netem rate 1mbit
	ip netns exec $a xtcp-run socat -u /dev/zero TCP4:10.0.0.2:80 &
	until_true has_row $b 80 01 || return 1
	sleep 2
	got=$(stat -c %s "$dir/got")
	[ "$got" -gt 100000 ] || { echo "only $got bytes arrived before the end"; return 1; }
	# The names go first, so that each process is the last to hold its
	# namespace when it dies, with data in flight.
	ip netns del $a && ip netns del $b || return 1
	stop_all
	unload
}

module_survives_a_namespace_that_dies_half_open()
{
	pair || return 1
	ip netns exec $b xtcp-run socat -u TCP4-LISTEN:80 - &
	until_true has_row $b 80 0A || return 1
	# SYNs arrive, SYN-ACKs are lost.
	tc -n $b qdisc add dev veth0 root netem loss 100%
	ip -n $a neigh add 10.0.0.2 dev veth0 \
		lladdr "$(ip netns exec $b cat /sys/class/net/veth0/address)"
	ip netns exec $a xtcp-run socat -u /dev/null TCP4:10.0.0.2:80 &
	until_true has_row $b 80 03 || return 1
	stop_all
	unload
}

echo "TAP version 13"
echo "1..${#tests[@]}"
for t in "${tests[@]}"; do
	number=$((number + 1))
	# Not in a subshell: jobs and namespaces are to be cleared away after it.
	if { reload && "$t"; } >"$dir/said" 2>&1; then
		word=ok
	else
		word="not ok" failed=1
		sed 's/^/# /' "$dir/said"
	fi
	stop_all
	echo "$word $number $t"
done
reload || failed=1
rm -rf "$dir"
exit $failed
