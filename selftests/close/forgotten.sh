#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; programs.bash sets them; called by name
#
# forgotten: `xtcp leaks` finds a program that does not close its connections, LC-94;
# its output, written to xtcp_kill or given to `xtcp kill`, ends the connection.
# vm: timeout=300 with=python3 slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# Fields separated by one blank each.
leaks() { # ARGUMENT...
	on $server xtcp leaks --each "$@" | sed -E 's/^ +//; s/ +/ /g'
}

# A server that still reads from an idle pipe when its peer has closed.
leave_in_close_wait() { # PORT
	start $server "$run" socat -t 100000 TCP-LISTEN:"$1",reuseaddr EXEC:'sleep 100000'
	holder=${pids[-1]}
	await_row $server xtcp "$1" 0A || return
	expect_status 0 on $client timeout 20 "$run" socat -u /dev/null TCP:10.9.0.2:"$1" &&
		await_row $server xtcp "$1" 08
}

program_test wish_04_forgotten_are_named
wish_04_forgotten_are_named() {
	leave_in_close_wait 5001 || return
	# Less than a minute old.
	expect_equal 'SECONDS LOCAL REMOTE WIRE UID PID/PROGRAM/FD' "$(leaks)" 'at first' || return
	sleep 61
	leaks >"$dir/out"
	grep -qE "^6[12]\.[0-9]{3} 10\.9\.0\.2:5001 10\.9\.0\.1:[0-9]+ native 0 $holder/socat/[0-9]+" "$dir/out" ||
		{ echo "no line of $holder:"; cat "$dir/out"; return 1; }
	expect_equal 2 "$(wc -l <"$dir/out")" lines || return
	expect_equal 1 "$(leaks 63 | wc -l)" 'lines for 63 s' || return
	# The other side's FIN-WAIT-2 record is gone, too.
	expect_equal 1 "$(on $client xtcp leaks --each 0 | wc -l)" "the client's lines"
}

program_test wish_04_oldest_first_and_other_states
wish_04_oldest_first_and_other_states() {
	leave_in_close_wait 5002 || return
	sleep 10
	leave_in_close_wait 5003 || return
	expect_equal '10.9.0.2:5002 10.9.0.2:5003' "$(leaks 0 | awk 'NR > 1 { print $2 }' | xargs)" order ||
		return
	expect_equal 1 "$(leaks -s LISTEN 0 | wc -l)" listeners
}

program_test wish_04_killed_by_what_it_prints
wish_04_killed_by_what_it_prints() {
	leave_in_close_wait 5004 || return
	sleep 5
	leaks 5 | tail -n +2 >"$dir/rows"
	expect_equal 1 "$(wc -l <"$dir/rows")" rows || return
	while read -r _ local remote its_wire _; do
		on $server sh -c "echo $local $remote $its_wire >/proc/net/xtcp_kill" || return
	done <"$dir/rows"
	no_row $server xtcp 5004
}

# The same addresses and ports on both wires: the printed line ends the connection
# that it is about.
program_test wish_04_kills_the_printed_wire
wish_04_kills_the_printed_wire() {
	start $server "$run" socat -t 100000 TCP-LISTEN:5005,reuseaddr EXEC:'sleep 100000'
	await_row $server xtcp 5005 0A || return
	start $client "$run" socat -u EXEC:'sleep 100000' TCP:10.9.0.2:5005,sourceport=40000,reuseaddr
	await_row $server xtcp 5005 01 || return
	tcp_wire $client $server
	start $server "$run" socat -t 100000 TCP-LISTEN:5005,reuseaddr EXEC:'sleep 100000'
	await_row $server xtcp 5005 0A || return
	expect_status 0 on $client timeout 20 "$run" socat -u /dev/null \
		TCP:10.9.0.2:5005,sourceport=40000,reuseaddr && await_row $server xtcp 5005 08 || return
	leaks 0 | tail -n +2 >"$dir/rows"
	read -r _ local remote its_wire _ <"$dir/rows"
	expect_equal '10.9.0.2:5005 10.9.0.1:40000 tcp' "$local $remote $its_wire" 'the row' || return
	on $server xtcp kill $local $remote $its_wire || return
	! has_row $server xtcp 5005 08 && has_row $server xtcp 5005 01
}

program_tests_run
