#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: short newest heavy
# shellcheck disable=SC2086,SC2317 # names have no blanks; tests are called by name
#
# Half-open connections seen from a shell (LC-44): the commands in
# Documentation/synflood.rst are read from it and run.
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"
document=$(dirname "$0")/../../Documentation/synflood.rst

# The command that follows the label NAME.
documented() { # NAME
	awk -v label=".. _$1:" '
		$0 == label { labelled = 1; next }
		labelled && /::$/ { literal = 1; next }
		literal && /^\t/ { sub(/^\t/, ""); print; some = 1; next }
		some { exit }' "$document"
}

run_documented() { # NAME; on the server
	local command
	command=$(documented "$1")
	[ -n "$command" ] || { echo "no command $1 in $document"; return 1; }
	on $server bash -c "$command"
}

# Clients whose handshake never completes: the server's segments to them are lost.
half_open_from() { # ADDRESS COUNT
	local i to=tcp4:10.9.0.2 from=$1 bits=24 nodad=
	[[ $1 != *:* ]] || { to=tcp6:[fd09::2] from=[$1] bits=64 nodad=nodad; }
	ip -n $server neigh replace "$1" lladdr 02:00:00:00:00:99 nud permanent dev $wire
	# An answer of the server to a neighbour solicitation from there would be lost, too.
	[[ $1 != *:* ]] || ip -n $client neigh replace fd09::2 nud permanent dev $wire \
		lladdr "$(ip -n $server -o link show $wire | grep -o 'ether [^ ]*' | cut -d' ' -f2)"
	ip -n $client addr replace "$1"/$bits dev $wire $nodad
	for ((i = 0; i < $2; i++)); do
		start $client "$run" socat -u "$to":5001,bind="$from" -
	done
}

# Far fewer than the backlog: none is given up early.
flood() {
	start $server "$run" socat -u tcp4-listen:5001,reuseaddr,fork,backlog=64 /dev/null
	await_row $server xtcp 5001 0A || return
	half_open_from 10.9.0.201 3
	half_open_from 10.9.0.37 2
	half_open_from 10.9.0.160 1
	expect_soon 6 'half-open' run_documented count-half-open || return
	# Neither an established connection nor one in SYN-SENT is half-open.
	start $client "$run" socat -u tcp4:10.9.0.2:5001,bind=10.9.0.1 -
	start $server "$run" socat -u tcp4:10.9.0.201:5999 -
	await_row $server xtcp 5001 01 && expect_soon 1 'calling' calling
}

calling() {
	on $server grep -c ' 02 ' /proc/net/xtcp
}

program_test lc_44_count_half_open
lc_44_count_half_open() {
	expect_equal 0 "$(run_documented count-half-open)" 'at peace' &&
		flood && expect_equal 6 "$(run_documented count-half-open)" 'half-open'
}

program_test lc_44_count_half_open_by_source
lc_44_count_half_open_by_source() {
	local sources
	sources=$(printf '%s\n' '3 10.9.0.201' '2 10.9.0.37' '1 10.9.0.160')
	expect_equal '' "$(run_documented count-sources)" 'at peace' &&
		flood && expect_equal "$sources" "$(run_documented count-sources)" 'sources'
}

# A listener of IPv6 gets connections of both families.
program_test lc_44_count_half_open_of_both_families
lc_44_count_half_open_of_both_families() {
	local sources
	sources=$(printf '%s\n' '2 [fd09::c9]' '1 10.9.0.201')
	start $server "$run" socat -u tcp6-listen:5001,reuseaddr,fork,backlog=64 /dev/null
	await_row $server xtcp6 5001 0A || return
	half_open_from fd09::c9 2
	half_open_from 10.9.0.201 1
	expect_soon 3 'half-open' run_documented count-half-open &&
		expect_equal "$sources" "$(run_documented count-sources)" 'sources'
}

program_test wish_05_which_listener_is_flooded
wish_05_which_listener_is_flooded() {
	start $server "$run" socat -u tcp4-listen:5002 /dev/null
	await_row $server xtcp 5002 0A || return
	start $server "$run" socat -u tcp4-listen:5001,reuseaddr,backlog=1 /dev/null
	await_row $server xtcp 5001 0A || return
	expect_equal '' "$(run_documented who-is-flooded)" 'at peace' || return
	half_open_from 10.9.0.201 5
	# Two fit a backlog of 1.
	expect_soon '0.0.0.0:5001 half-open 2 of 1 cookies sent 3 accepted 0 dropped 0' \
		'the flooded listener' run_documented who-is-flooded
}

# Connections that wait for accept(): Recv-Q of a listener whose program is stopped.
program_test lc_31_ss_shows_the_accept_queue
lc_31_ss_shows_the_accept_queue() {
	local waiting
	start_nginx 5003 || return
	recv_q() {
		PROC_NET_TCP=/proc/net/xtcp on $server ss -4Hltn 'sport = :5003' | awk '{ print $2 }'
	}
	expect_equal 0 "$(recv_q)" 'Recv-Q at peace' || return
	# The worker, too: nginx is a master and its worker.
	waiting=(${pids[0]} $(pgrep -P ${pids[0]}))
	kill -STOP "${waiting[@]}"
	for _ in 1 2 3; do
		start $client "$run" socat -u tcp4:10.9.0.2:5003 -
	done
	expect_soon 3 'Recv-Q, nobody accepts' recv_q
	local status=$?
	kill -CONT "${waiting[@]}"
	[ $status = 0 ] || return
	expect_soon 0 'Recv-Q, all accepted' recv_q
}

program_tests_run
