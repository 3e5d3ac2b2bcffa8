#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# A bridge on xtcp's host, whose frames br_netfilter shows to the hooks of IP: those that the
# bridge passes on to another host are not xtcp's, even if they name a connection of it.
# (Over IPv6 and on the TCP wire xtcp gave them no socket before it looked at the bridge, either.)
# vm: timeout=300 distro
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# The server's device becomes a bridge with two ports: to the client, and to $inside, which has
# the server's address, too.
open_bridge() {
	inside=inside-$$
	modprobe br_netfilter 2>/dev/null
	ip netns add $inside || return
	ip -n $server -batch - <<-EOF || return
		addr flush dev $wire
		link add br0 type bridge
		link set $wire master br0
		link add port1 type veth peer name $wire netns $inside
		link set port1 master br0
		link set port1 up
		link set br0 up
		addr add 10.9.0.2/24 dev br0
		addr add fd09::2/64 dev br0 nodad
	EOF
	ip -n $inside link set $wire up &&
		on $server sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
}

mac_of() { # NAMESPACE DEVICE
	on $1 cat /sys/class/net/$2/address
}

# The client's connection to the server goes on, to the Ethernet address of $inside.
bridged_is_not_ours() { # WIRE-OPTION
	local address bracketed
	address=$(server_address)
	bracketed=$address
	[ $family = 4 ] || bracketed="[$address]"
	open_bridge || return
	echo_server $server 5001 "$run $1" || return
	rules $server <<-'EOF' || return
		table inet t {
			counter passed { }
			counter owned { }
			chain forward {
				type filter hook forward priority 0;
				th dport 5001 counter name passed
				th dport 5001 meta skuid 0 counter name owned
			}
		}
	EOF
	mkfifo "$dir/text"
	start $client $run $1 socat -u "open:$dir/text,rdonly" tcp$family:$bracketed:5001
	exec 5>"$dir/text"
	sleep 1
	echo one >&5
	sleep 1
	expect_equal 0 "$(counted $server passed)" 'segments to the server that were bridged' || return
	ip -n $client neigh replace $address lladdr "$(mac_of $inside $wire)" dev $wire nud permanent
	echo two >&5
	sleep 1
	exec 5>&-
	[ "$(counted $server passed)" -gt 0 ] || { echo "nothing was bridged"; return 1; }
	expect_equal 0 "$(counted $server owned)" 'bridged segments with a socket of this host'
}

program_test native_wire
native_wire() {
	family=4
	bridged_is_not_ours '--wire native'
}

program_test native_wire_over_ipv6
native_wire_over_ipv6() {
	family=6
	bridged_is_not_ours '--wire native'
}

program_test the_tcp_wire
the_tcp_wire() {
	family=4
	bridged_is_not_ours '--wire tcp'
}

program_tests_run
