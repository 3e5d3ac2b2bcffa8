#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# What Documentation/operate.rst prints: its nft tables are loaded and do what it says, on
# both wires; the knobs and counters that it names exist.
# vm: timeout=300 newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

page=${XTCP_DOCUMENTS:-/xtcp/Documentation}/operate.rst

# The page's nft table of that name, for the server.
load_table() { # NAME
	sed -n "/^\ttable inet $1 {/,/^\t}/s/^\t//p" "$page" >"$dir/table"
	[ -s "$dir/table" ] && rules $server <"$dir/table"
}

unanswered() { # NAMESPACE ADDRESS PORT
	say $1 "$run" $2 $3 connect-timeout=2 >"$dir/told" 2>&1
	grep -q 'timed out' "$dir/told" || { echo "port $3 of $2:"; cat "$dir/told"; return 1; }
}

# Port 443 alone is open, and the server's own connections get their answers.
one_port_is_open() {
	echo_server $server 443 "$run" && echo_server $server 80 "$run" &&
		echo_server $client 80 "$run" && load_table service || return
	expect_echo $client "$run" 10.9.0.2 443 && expect_echo $server "$run" 10.9.0.1 80 &&
		expect_echo $server "$run" 127.0.0.1 80 && unanswered $client 10.9.0.2 80 || return
	# As an administrator does who keeps them.
	on $server nft list ruleset >"$dir/kept" && on $server nft flush ruleset && rules $server <"$dir/kept" &&
		expect_echo $client "$run" 10.9.0.2 443 && unanswered $client 10.9.0.2 80 || return
	on $server nft delete table inet service && expect_echo $client "$run" 10.9.0.2 80
}

program_test operate_rules_open_a_port_of_the_native_wire
operate_rules_open_a_port_of_the_native_wire() {
	one_port_is_open
}

program_test operate_rules_open_a_port_of_the_tcp_wire
operate_rules_open_a_port_of_the_tcp_wire() {
	tcp_wire $client $server && one_port_is_open
}

# Of ten SYNs at once, from the addresses in turn, five get through and the others are dropped; after
# a while one more does.
rate_is_limited() { # SET ADDRESS...; of the client
	local i answered set=$1
	shift
	# Before the table is there, for a SYN may wait longer than its connect-timeout until
	# the addresses are resolved and the new devices send.
	echo_server $server 443 "$run" || return
	for i; do
		expect_echo $client "$run" "$(server_address)" 443 "bind=$i" || return
	done
	load_table limits || return
	for i in {1..10}; do
		start $client "$run" socat -u "$(peer_at "$(server_address)" 443),bind=$1,connect-timeout=0.5" -
		set -- "${@:2}" "$1"
	done
	sleep 3
	answered=$(grep -L 'timed out' "$dir"/out.{1..10} | wc -l)
	# There is no other error than that.
	[[ $answered = [567] ]] && ! cat "$dir"/out.{1..10} | grep -qv 'timed out' || { echo "$answered of 10"; on $server nft list ruleset; cat "$dir"/out.{1..10}; return 1; }
	expect_echo $client "$run" "$(server_address)" 443 || return
	on $server nft list ruleset | grep -q "@$set { .*counter packets [1-9]" || { on $server nft list ruleset; return 1; }
}

# Two addresses of one network share the limit, and one of another has its own.
rate_is_limited_by_network() {
	local i family=6
	ip -n $client addr add fd09::11/64 dev $wire nodad && ip -n $client addr add fd09:0:0:1::1/64 dev $wire nodad &&
		ip -n $server route add fd09:0:0:1::/64 dev $wire || return
	rate_is_limited heavy6 '[fd09::1]' '[fd09::11]' || return
	for i in {1..5}; do
		start $client "$run" socat -u "$(peer_at fd09::2 443),bind=[fd09:0:0:1::1],connect-timeout=0.5" -
	done
	sleep 3
	expect_equal '' "$(cat "$dir"/out.1[1-5])" 'what the other network is told'
}

program_test operate_rules_limit_the_native_wire
operate_rules_limit_the_native_wire() {
	rate_is_limited heavy 10.9.0.1
}

program_test operate_rules_limit_the_tcp_wire
operate_rules_limit_the_tcp_wire() {
	tcp_wire $client $server && rate_is_limited heavy 10.9.0.1
}

program_test operate_rules_limit_the_native_wire_of_ipv6
operate_rules_limit_the_native_wire_of_ipv6() {
	rate_is_limited_by_network
}

program_test operate_rules_limit_the_tcp_wire_of_ipv6
operate_rules_limit_the_tcp_wire_of_ipv6() {
	tcp_wire $client $server && rate_is_limited_by_network
}

# Words of the page between double backquotes that match PATTERN.
words() { # PATTERN
	grep -o '``[^`]*``' "$page" | tr -d '`' | grep -oE "$1" | sort -u
}

program_test operate_names_exist
operate_names_exist() {
	local name bad=0
	for name in $(words '^xtcp_[a-z0-9_]*$' | sed 's/^xtcp_cc_.*//'); do
		[ -e /proc/sys/net/ipv4/$name ] || { echo "no knob $name"; bad=1; }
	done
	on $server cat /proc/net/xtcp_snmp /proc/net/xtcp_netstat | tr ' ' '\n' >"$dir/counters"
	for name in $(words '^(Tcp|TCP|TW|Xtcp|Listen|Syncookies)[A-Za-z]*$' | sed 's/^Tcp//'); do
		grep -qx "$name" "$dir/counters" || { echo "no counter $name"; bad=1; }
	done
	[ "$(words '^xtcp_[a-z0-9_]*$' | wc -l)" -ge 20 ] || { echo 'hardly a knob was found'; bad=1; }
	return $bad
}

program_tests_run
