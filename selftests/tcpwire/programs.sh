#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Unmodified programs, one end on xtcp's TCP wire under the launcher, the other
# on the kernel's TCP: nginx and curl, iperf3, socat with a checksum.
# XTCP_TEST_LARGE=1073741824 is a GiB each way.
# vm: timeout=400 busy
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

large=${XTCP_TEST_LARGE:-8388608}

tcp_wire() {
	on $client sysctl -qw net.ipv4.xtcp_wire=6 && on $server sysctl -qw net.ipv4.xtcp_wire=6
}

# Of the server's programs and the client's one is xtcp's.
iperf3_moves() { # SERVER-PROGRAM CLIENT-PROGRAM OPTION...
	local server_run=$1 client_run=$2
	shift 2
	tcp_wire || return
	start $server $server_run iperf3 -s -1 -p 5003
	await_row $server "${server_run:+x}tcp" 5003 0A ||
		await_row $server tcp6 5003 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 100 $client_run iperf3 -c 10.9.0.2 -p 5003 -n 4M "$@"
}

program_test tcpwire_iperf3_serves
tcpwire_iperf3_serves() {
	iperf3_moves "$run" ''
}

program_test tcpwire_iperf3_serves_in_reverse
tcpwire_iperf3_serves_in_reverse() {
	iperf3_moves "$run" '' -R
}

program_test tcpwire_iperf3_connects
tcpwire_iperf3_connects() {
	iperf3_moves '' "$run"
}

program_test tcpwire_iperf3_connects_in_reverse
tcpwire_iperf3_connects_in_reverse() {
	iperf3_moves '' "$run" -R
}

program_test tcpwire_nginx_for_a_stock_curl
tcpwire_nginx_for_a_stock_curl() {
	tcp_wire && mkdir -p "$dir/www" && head -c 2097152 /dev/urandom >"$dir/www/file" || return
	start_nginx 5001 || return
	expect_status 0 on $client timeout 60 curl -sS -o "$dir/file" http://10.9.0.2:5001/file &&
		cmp "$dir/www/file" "$dir/file"
}

# Through sha256sum at the other end, and its answer back by a half-close.
hash_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local sum
	tcp_wire || return
	start $server $1 socat -t 60 tcp4-listen:5004 exec:sha256sum
	await_row $server "${1:+x}tcp" 5004 0A || return
	sum=$(head -c $large /dev/zero | on $client timeout 300 $2 socat -t 60 - tcp4:10.9.0.2:5004)
	expect_equal "$(head -c $large /dev/zero | sha256sum)" "$sum" 'checksum from the other side'
}

program_test lc_100_hash_to_ours
lc_100_hash_to_ours() {
	hash_moves "$run" ''
}

program_test lc_100_hash_from_ours
lc_100_hash_from_ours() {
	hash_moves '' "$run"
}

program_tests_run
