#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Programs that ask for xtcp themselves, as xtcp-run(1) shows it in C, Python, Go and Rust: own.*.in
# with the manual's lines in it (scripts/check.mk). The C and Rust programs are static. On xtcp's TCP
# wire the other end is the kernel's TCP; on the native wire it runs under xtcp-run. Run by
# `make programs`.
# vm: timeout=600 with=python3 newest
# vm: uses=lane/own_c uses=lane/own.py uses=lane/own_go uses=lane/own_rust
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

here=$(dirname "$0")

# The addresses in the manual; /etc/hosts calls the server's "server".
name_ends() {
	ip -n $client addr add 10.0.0.1/24 dev $wire && ip -n $server addr add 10.0.0.2/24 dev $wire
}

# The program sends a megabyte to an echo server and says whether it got the same back.
own_connects() { # SERVER-PROGRAM COMMAND...
	local over=$1 table=${1:+x}tcp
	shift
	name_ends || return
	[ -n "$over" ] || tcp_wire $client || return
	start $server $over socat -t 60 tcp4-listen:80,reuseaddr,fork exec:cat
	await_row $server $table 80 0A && expect_status 0 on $client timeout 60 "$@" || return
	case $(<"$dir/out") in
	10485[78]?' true') ;;
	*) cat "$dir/out"; return 1 ;;
	esac
	expect_equal 1 "$(xtcp_count $client TcpActiveOpens)" "xtcp's connections of the program" &&
		expect_equal "${over:+1}" "$(xtcp_count $server TcpPassiveOpens | grep -v '^0$')" "xtcp's of the server"
}

program_test own_c_connects
own_c_connects() {
	own_connects '' "$here/own_c"
}

program_test own_c_native
own_c_native() {
	own_connects "$run" "$here/own_c"
}

# It asks for the TCP wire itself.
program_test own_python_connects
own_python_connects() {
	name_ends || return
	start $server socat -t 60 tcp4-listen:80,reuseaddr,fork exec:cat
	await_row $server tcp 80 0A && expect_status 0 on $client timeout 60 python3 "$here/own.py" &&
		expect_equal '1048576 true' "$(<"$dir/out")" 'bytes of the echo, and whether they are those sent' &&
		expect_equal 1 "$(xtcp_count $client TcpActiveOpens)" "xtcp's connections of the program"
}

program_test own_rust_connects
own_rust_connects() {
	own_connects '' "$here/own_rust"
}

program_test own_rust_native
own_rust_native() {
	own_connects "$run" "$here/own_rust"
}

# A client posts a megabyte twice over one connection.
own_serves() { # CLIENT-PROGRAM
	numbers 1048576 >"$dir/body"
	[ -n "$1" ] || tcp_wire $server || return
	start $server "$here/own_go"
	await_row $server xtcp 8080 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 $1 curl -s --data-binary "@$dir/body" \
		-o "$dir/first" http://10.9.0.2:8080/ --next -s --data-binary "@$dir/body" -o "$dir/second" http://10.9.0.2:8080/ &&
		expect_same "$dir/body" "$dir/first" && expect_same "$dir/body" "$dir/second" &&
		expect_equal 1 "$(xtcp_count $server TcpPassiveOpens)" "xtcp's connections of the program"
}

program_test own_go_serves
own_go_serves() {
	own_serves ''
}

program_test own_go_native
own_go_native() {
	own_serves "$run"
}

program_tests_run
