#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# A static Go program (echo.go) as server and as client, by `xtcp-run --cgroup`. On xtcp's TCP wire
# one end is the kernel's TCP; on the native wire both ends are xtcp. Run by `make programs`.
# vm: timeout=300 uses=lane/echo newest
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

echo=$(dirname "$0")/echo

go_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	choose_wire "$@" || return
	start $server $1 "$echo" serve 10.9.0.2:5062
	await_row $server "${1:+x}tcp" 5062 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 $2 "$echo" ask 10.9.0.2:5062 &&
		expect_equal '1048580 true' "$(<"$dir/out")" 'bytes of the echo, and whether they are those sent' &&
		expect_opened 1 "$@"
}

program_test go_serves
go_serves() {
	go_moves "$run --cgroup" ''
}

program_test go_connects
go_connects() {
	go_moves '' "$run --cgroup"
}

program_test go_native
go_native() {
	go_moves "$run --cgroup" "$run --cgroup"
}

program_tests_run
