#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2317 # inner shells expand; tests are called by name
#
# xtcp-run: which programs get xtcp sockets, and what happens to the others.
#
# The programs are real ones. Where a socket ended up is read from the tables of
# both stacks in a namespace of this test's own; a connection that crosses from
# client to server must also leave every counter of the kernel's TCP alone.
# vm: timeout=400 short
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

program_test launcher_ipv6_becomes_xtcp
launcher_ipv6_becomes_xtcp() {
	start $server "$run" socat tcp6-listen:5005 -
	await_row $server xtcp6 5005 0A && no_row $server tcp6 5005 && no_row $server xtcp 5005
}

# The launcher does not emulate what the kernel lacks.
program_test launcher_ipv6_disabled_is_said_as_such
launcher_ipv6_disabled_is_said_as_such() {
	on $client sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	expect_status 7 on $client timeout 10 "$run" curl -sS 'http://[fd09::2]:5005/' || return
	expect_equal 0 "$(grep -c xtcp-run "$dir/err")" 'lines of the launcher'
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

# iperf3 listens on an IPv6 socket, which takes IPv4 as well.
program_test launcher_iperf3_serves_both_families
launcher_iperf3_serves_both_families() {
	local before address
	before=$(kernel_tcp)
	for address in 10.9.0.2 fd09::2; do
		start $server "$run" iperf3 -s -1 -p 5009
		await_row $server xtcp6 5009 0A || { cat "$dir/out.0"; return 1; }
		expect_status 0 on $client timeout 60 "$run" iperf3 -c $address -p 5009 -n 500K || return
		wait "${pids[-1]}"
	done
	unmoved "$before"
}

# A name with addresses of both families: IPv6 is tried first, IPv4 where that is not
# answered. RESOLV_MULTI lets the C library look past the first line of /etc/hosts.
ask_by_name() { # PORT
	printf 'fd09::2 both.test\n10.9.0.2 both.test\n' >"$dir/hosts"
	expect_status 0 on $client env RESOLV_MULTI=on unshare -m bash -c "
		mount --bind '$dir/hosts' /etc/hosts &&
		exec timeout 20 '$run' curl -sS -o '$dir/file' -w '%{remote_ip}\n' http://both.test:$1/page"
}

program_test launcher_name_of_both_families
launcher_name_of_both_families() {
	mkdir -p "$dir/www" && echo pong >"$dir/www/page"
	start_nginx '[::]:5010' && ask_by_name 5010 &&
		expect_equal fd09::2 "$(cat "$dir/out")" 'who answered' || return
	kill "${pids[-1]}" && wait "${pids[-1]}"
	start_nginx 5011 && ask_by_name 5011 &&
		expect_equal 10.9.0.2 "$(cat "$dir/out")" 'who answered'
}

# --- users who may not ----------------------------------------------------

# Root of a user namespace has no rights in a network namespace older than it.
program_test launcher_says_who_may_open_a_socket
launcher_says_who_may_open_a_socket() {
	expect_status 1 on $client unshare -U -r "$run" socat -u /dev/null TCP4:10.9.0.2:9 &&
		expect_error 'may open no xtcp sockets: see net.ipv4.xtcp_gid_range'
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
