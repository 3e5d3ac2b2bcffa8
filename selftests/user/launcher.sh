#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2317 # inner shells expand; tests are called by name
#
# xtcp-run: which programs get xtcp sockets, and what becomes of the rest.
#
# The programs are real ones. Where a socket ended up is read from the tables of
# both stacks in a namespace of this test's own; a connection that crosses from
# client to server must also leave every counter of the kernel's TCP alone.
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# --- which sockets become xtcp's ------------------------------------------

program_test launcher_protocol_tcp_becomes_xtcp
launcher_protocol_tcp_becomes_xtcp() {
	start $server "$run" socat tcp4-listen:5001 -
	await_row $server xtcp 5001 0A && no_row $server tcp 5001
}

# socat's generic socket: family 2 (AF_INET), protocol 0, port 5002, any address.
program_test launcher_protocol_0_becomes_xtcp
launcher_protocol_0_becomes_xtcp() {
	start $server "$run" socat socket-listen:2:0:x138A00000000x0000000000000000 -
	await_row $server xtcp 5002 0A && no_row $server tcp 5002
}

program_test launcher_without_it_stock_tcp
launcher_without_it_stock_tcp() {
	start $server socat tcp4-listen:5003 -
	await_row $server tcp 5003 0A && no_row $server xtcp 5003
}

program_test launcher_inherited_over_exec
launcher_inherited_over_exec() {
	start $server "$run" bash -c 'bash -c "exec socat tcp4-listen:5004 -"; true'
	await_row $server xtcp 5004 0A && no_row $server tcp 5004
}

program_test launcher_keeps_other_preloads
launcher_keeps_other_preloads() {
	local lib
	lib=$("$run" bash -c 'echo "$LD_PRELOAD"')
	expect_status 0 env LD_PRELOAD="$lib" "$run" bash -c '[ "$LD_PRELOAD" = "$0:$0" ]' "$lib"
}

program_test launcher_ipv6_refused_once
launcher_ipv6_refused_once() {
	expect_status 1 on $server "$run" socat tcp6-listen:5005 - || return
	expect_error 'xtcp-run: socat.*IPv6 stream socket refused (EAFNOSUPPORT)' || return
	grep -q 'Address family not supported' "$dir/err" || { cat "$dir/err"; return 1; }
	# Two attempts of one program, one line.
	expect_status 7 on $client "$run" curl -s 'http://[::1]:1/' 'http://[::1]:2/' &&
		expect_error 'IPv6 stream socket refused'
}

program_test launcher_mptcp_refused
launcher_mptcp_refused() {
	expect_status 1 on $server "$run" socat socket-listen:2:262:x138E00000000x0000000000000000 - &&
		expect_error 'Multipath TCP socket refused' && no_row $server tcp 5006
}

program_test launcher_datagrams_untouched
launcher_datagrams_untouched() {
	start $server "$run" socat udp4-recvfrom:5007 exec:cat
	sleep .5
	[ "$(echo ping | on $client timeout 5 "$run" socat -t 2 - udp4:10.9.0.2:5007)" = ping ] &&
		expect_status 0 on $server "$run" socat -u exec:true udp6-sendto:[::1]:5007
}

program_test launcher_unix_sockets_untouched
launcher_unix_sockets_untouched() {
	start $server "$run" socat unix-listen:"$dir/sock" exec:'echo pong'
	sleep .5
	[ "$("$run" socat -u unix-connect:"$dir/sock" -)" = pong ]
}

# --- real programs, across two hosts --------------------------------------

program_test launcher_nginx_serves_curl
launcher_nginx_serves_curl() {
	local before
	before=$(kernel_tcp)
	mkdir -p "$dir/www" && head -c 300000 /dev/urandom >"$dir/www/file"
	start_nginx 5008 || return
	expect_status 0 on $client timeout 20 "$run" curl -sS -o "$dir/file" http://10.9.0.2:5008/file &&
		cmp "$dir/www/file" "$dir/file" && unmoved "$before"
}

# iperf3 wants an IPv6 socket first and takes the refusal as it is meant.
program_test launcher_iperf3_falls_back_to_ipv4
launcher_iperf3_falls_back_to_ipv4() {
	local before
	before=$(kernel_tcp)
	start $server "$run" iperf3 -s -1 -p 5009
	await_row $server xtcp 5009 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 "$run" iperf3 -c 10.9.0.2 -p 5009 -n 1M &&
		unmoved "$before"
}

# A name with addresses of both families: the IPv6 one is never tried. RESOLV_MULTI lets
# the C library look past the first line of /etc/hosts.
program_test launcher_getaddrinfo_leaves_ipv4
launcher_getaddrinfo_leaves_ipv4() {
	start $server "$run" socat tcp4-listen:5010,reuseaddr exec:'echo pong'
	await_row $server xtcp 5010 0A || return
	printf 'fd09::2 both.test\n10.9.0.2 both.test\n' >"$dir/hosts"
	expect_status 0 on $client env RESOLV_MULTI=on unshare -m bash -c "
		mount --bind '$dir/hosts' /etc/hosts &&
		exec '$run' socat -u tcp:both.test:5010 -" || return
	[ "$(cat "$dir/out")" = pong ] || { cat "$dir/out" "$dir/err"; return 1; }
	! grep refused "$dir/err"
}

# --- programs out of reach ------------------------------------------------

program_test launcher_static_program_refused
launcher_static_program_refused() {
	local static
	static=$(command -v busybox)
	expect_status 126 "$run" "$static" true && expect_error 'is statically linked' &&
		expect_status 0 "$run" -f "$static" true && expect_error 'warning: .* statically linked'
}

program_test launcher_script_judged_by_its_interpreter
launcher_script_judged_by_its_interpreter() {
	printf '#!%s sh\ntrue\n' "$(command -v busybox)" >"$dir/static"
	printf '#!/usr/bin/env bash\nexit 3\n' >"$dir/dynamic"
	chmod +x "$dir/static" "$dir/dynamic"
	expect_status 126 "$run" "$dir/static" && expect_error 'is statically linked' &&
		expect_status 3 "$run" "$dir/dynamic"
}

program_test launcher_setuid_program_refused
launcher_setuid_program_refused() {
	cp "$(command -v socat)" "$dir/setuid" && chown 12345 "$dir/setuid" &&
		chmod u+s "$dir/setuid" || return
	expect_status 126 "$run" "$dir/setuid" -V && expect_error 'gains rights'
}

program_test launcher_exit_status
launcher_exit_status() {
	expect_status 42 "$run" bash -c 'exit 42' &&
		expect_status 127 "$run" no-such-program &&
		expect_status 125 "$run" &&
		expect_status 125 "$run" --no-such-option true
}

program_tests_run
