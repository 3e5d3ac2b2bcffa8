#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# Slaves of ipvlan in mode l3s: the hooks of the master's namespace see segments to the slave's
# namespace, and xtcp in the former must leave them alone, whichever was there first.
# vm: timeout=400 short slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# $inside (10.9.0.50, fd09::50) on $server's device.
open_slave() {
	inside=inside-$$
	ip netns add $inside || return
	ip -n $server link add link $wire name ipv0 netns $inside type ipvlan mode l3s || return
	ip -n $inside -batch - <<-EOF || return
		link set lo up
		link set ipv0 up
		addr add 10.9.0.50/32 dev ipv0
		addr add fd09::50/128 dev ipv0 nodad
		route add default dev ipv0
	EOF
	ip -n $inside -6 route add default dev ipv0 &&
		ip -n $client route add 10.9.0.50/32 via 10.9.0.2 && ip -n $client -6 route add fd09::50/128 via fd09::2
}

refused() { # ADDRESS PORT
	local said
	said=$(say $client '' $1 $2 connect-timeout=4 2>&1)
	[[ $said == *refused* ]] || { echo "$1 port $2: $said"; return 1; }
}

# xtcp listens in $server, on a port that the kernel's TCP has in $inside, and on one that
# nobody has there.
each_has_its_own() {
	local master=10.9.0.2 slave=10.9.0.50
	[ $family = 4 ] || { master=fd09::2 slave=fd09::50; }
	start $server "$run" socat tcp$family-listen:5002,reuseaddr,fork system:'cat >/dev/null; echo xtcp' &&
		await_row $server xtcp${family#4} 5002 0A && echo_server $server 5003 "$run" &&
		start $inside socat tcp$family-listen:5002,reuseaddr,fork system:'cat >/dev/null; echo kernel' &&
		await_row $inside tcp${family#4} 5002 0A || return
	expect_equal kernel "$(say $client '' $slave 5002)" "who serves $slave" &&
		expect_equal xtcp "$(say $client '' $master 5002)" "who serves $master" &&
		refused $slave 5003 && expect_echo $client '' $master 5003 || return
	# The port of a client of xtcp is held, too.
	start $client socat tcp$family-listen:5005,reuseaddr exec:'sleep 100' && await_row $client tcp${family#4} 5005 0A &&
		start $server "$run" socat -u tcp$family:$client_address:5005,bind=:5004,reuseaddr - &&
		await_row $server xtcp${family#4} 5004 01 && refused $slave 5004
}

with_family() { # FAMILY ADDRESS-OF-CLIENT
	family=$1 client_address=$2
}

program_test slave_first
slave_first() {
	with_family 4 10.9.0.1
	open_slave && tcp_wire $server && each_has_its_own
}

program_test xtcp_first
xtcp_first() {
	with_family 4 10.9.0.1
	tcp_wire $server && echo_server $server 5001 "$run" && open_slave && each_has_its_own
}

program_test slave_first_over_ipv6
slave_first_over_ipv6() {
	with_family 6 '[fd09::1]'
	open_slave && tcp_wire $server && each_has_its_own
}

program_test xtcp_first_over_ipv6
xtcp_first_over_ipv6() {
	with_family 6 '[fd09::1]'
	tcp_wire $server && echo_server $server 5001 "$run" && open_slave && each_has_its_own
}

# The confirmation of conntrack, with the same priority, is behind our hook or in front of it.
program_test with_conntrack
with_conntrack() {
	with_family 4 10.9.0.1
	tcp_wire $server && echo_server $server 5001 "$run" && open_slave &&
		rules $server <<<'table inet t { chain in { type filter hook input priority 0; ct state invalid drop; }; }' &&
		each_has_its_own
}

# The native wire: the slave gets an address that the master has, too, where a connection of the same ports is open.
program_test an_address_of_both
an_address_of_both() {
	with_family 4 10.9.0.1
	ip -n $server addr add 10.9.0.50/32 dev $wire && echo_server $server 5006 "$run" &&
		start $client "$run" socat -u tcp4:10.9.0.50:5006,sourceport=40000,reuseaddr - && await_row $server xtcp 5006 01 || return
	open_slave && echo_server $inside 5006 "$run" &&
		on $client sh -c 'echo 10.9.0.1:40000 10.9.0.50:5006 253 >/proc/net/xtcp_kill' || return
	expect_equal hello "$(say $client "$run" 10.9.0.50 5006 sourceport=40000,reuseaddr)" "what the slave's server says" &&
		await_row $server xtcp 5006 01
}

program_tests_run
