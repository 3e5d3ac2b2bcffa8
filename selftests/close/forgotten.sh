#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; programs.bash sets them; called by name
#
# forgotten: xtcp-forgotten finds a program that does not close its connections,
# LC-94; its output, written to xtcp_kill, ends the connection.
# vm: timeout=300
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

tool=${XTCP_FORGOTTEN:-xtcp-forgotten}

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
	expect_status 0 on $server "$tool" || return
	expect_equal 'SECONDS LOCAL REMOTE UID PID/PROGRAM/FD' "$(cat "$dir/out")" 'at first' || return
	sleep 61
	expect_status 0 on $server "$tool" || return
	grep -qE "^6[12]\.[0-9]{3} 10\.9\.0\.2:5001 10\.9\.0\.1:[0-9]+ 0 $holder/socat/[0-9]+" "$dir/out" ||
		{ echo "no line of $holder:"; cat "$dir/out"; return 1; }
	expect_equal 2 "$(wc -l <"$dir/out")" lines || return
	expect_status 0 on $server "$tool" 62 || return
	expect_equal 1 "$(wc -l <"$dir/out")" 'lines for 62 s' || return
	# The other side's FIN-WAIT-2 record is gone, too.
	expect_status 0 on $client "$tool" 0 || return
	expect_equal 1 "$(wc -l <"$dir/out")" "the client's lines"
}

program_test wish_04_oldest_first_and_other_states
wish_04_oldest_first_and_other_states() {
	leave_in_close_wait 5002 || return
	sleep 10
	leave_in_close_wait 5003 || return
	expect_status 0 on $server "$tool" 0 || return
	expect_equal '10.9.0.2:5002 10.9.0.2:5003' "$(awk 'NR > 1 { print $2 }' "$dir/out" | xargs)" order ||
		return
	expect_status 0 on $server "$tool" -s LISTEN 0 || return
	expect_equal 1 "$(wc -l <"$dir/out")" listeners
}

program_test wish_04_killed_by_what_it_prints
wish_04_killed_by_what_it_prints() {
	leave_in_close_wait 5004 || return
	sleep 5
	on $server "$tool" 5 | tail -n +2 >"$dir/rows"
	expect_equal 1 "$(wc -l <"$dir/rows")" rows || return
	while read -r _ local remote _; do
		on $server sh -c "echo $local $remote >/proc/net/xtcp_kill" || return
	done <"$dir/rows"
	no_row $server xtcp 5004
}

program_test forgotten_wrong_calls
forgotten_wrong_calls() {
	expect_status 2 on $server "$tool" x && expect_status 2 on $server "$tool" 1 2 &&
		expect_status 2 on $server "$tool" -z && expect_status 0 on $server "$tool" -h
}

program_tests_run
