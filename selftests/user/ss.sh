#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2317,SC2154 # inner shells expand; tests are called by name
#
# ss: what iproute2's ss, unmodified, shows of xtcp's sockets and ends: as `xtcp-run
# ss`, which asks by netlink, and from the file /proc/net/xtcp_diag.
# vm: timeout=300 short newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

load_diag() {
	[ -d /sys/module/xtcp_diag ] || { modprobe -q inet_diag; insmod /xtcp/xtcp_diag.ko; }
}

unload_diag() {
	[ ! -d /sys/module/xtcp_diag ] || rmmod xtcp_diag
}

# Both ends of each row. The state's column is not there if one state is asked for.
ss_rows() { # NAMESPACE OPTION...
	local ns=$1
	shift
	on "$ns" "$run" ss -Htan "$@" | awk '{ print $(NF - 1), $NF }' | sort
}

# A client of $server's PORT that stays.
stay() { # ADDRESS PORT
	start $client "$run" bash -c "exec 3<>/dev/tcp/$1/$2; sleep 100"
	await_row $server "xtcp${3-}" "$2" 01
}

# ss would go on with the kernel's TCP, and exit with 0.
program_test ss_without_the_module_fails
ss_without_the_module_fails() {
	local args # a list
	unload_diag
	start $server socat tcp4-listen:5001 -
	await_row $server tcp 5001 0A || return
	for args in -tan '-K -tan' '-4 -tan'; do
		expect_status 1 on $server "$run" ss $args && expect_error 'xtcp_diag loaded?' || return
		expect_equal '' "$(cat "$dir/out")" 'standard output' || return
	done
}

listing() {
	load_diag || return
	start $server socat tcp4-listen:5009 -
	start $server "$run" socat tcp4-listen:5001,fork exec:cat
	start $server "$run" socat tcp6-listen:5002,fork,ipv6only=1 exec:cat
	await_row $server xtcp 5001 0A && await_row $server xtcp6 5002 0A &&
		await_row $server tcp 5009 0A || return
	expect_equal $'0.0.0.0:5001 0.0.0.0:*\n[::]:5002 [::]:*' \
		"$(ss_rows $server)" 'listeners' || return
	stay 10.9.0.2 5001 && stay fd09::2 5002 6 || return
	expect_equal '10.9.0.2:5001' "$(ss_rows $server -4 state established | cut -d' ' -f1)" \
		'IPv4 connections' || return
	expect_equal '[::]:5002 [::]:*' "$(ss_rows $server -6 state listening)" 'IPv6 listeners' &&
		expect_equal 1 "$(ss_rows $server 'sport = :5002 and dst [fd09::1]' | wc -l)" 'rows of a filter' &&
		expect_equal 0 "$(ss_rows $server 'dst fd09::7' | wc -l)" 'rows of another' || return
	# The program that has it, its timers, its numbers.
	expect_status 0 on $server "$run" ss -tinop 'sport = :5001' &&
		grep -q 'users:(("socat",pid=' "$dir/out" && grep -q 'cubic.*rto:.*cwnd:' "$dir/out" &&
		return
	cat "$dir/out"
	return 1
}

program_test ss_lists_native
ss_lists_native() {
	listing
}

program_test ss_lists_tcp_wire
ss_lists_tcp_wire() {
	tcp_wire $client $server && listing
}

program_test ss_reads_the_file
ss_reads_the_file() {
	unload_diag
	start $server "$run" socat tcp4-listen:5001,fork exec:cat
	await_row $server xtcp 5001 0A && stay 10.9.0.2 5001 || return
	expect_status 0 on $server env TCPDIAG_FILE=/proc/net/xtcp_diag ss -tinop || return
	grep -q '^LISTEN.*0.0.0.0:5001' "$dir/out" && grep -q '^ESTAB.*10.9.0.2:5001' "$dir/out" &&
		grep -q 'users:(("socat",pid=' "$dir/out" && grep -q 'cubic.*rto:.*cwnd:' "$dir/out" &&
		[ ! -s "$dir/err" ] && return
	cat "$dir/out" "$dir/err"
	return 1
}

killing() {
	load_diag || return
	start $server "$run" socat tcp4-listen:5001,fork exec:cat
	start $server "$run" socat tcp4-listen:5002,fork exec:cat
	await_row $server xtcp 5001 0A && await_row $server xtcp 5002 0A || return
	stay 10.9.0.2 5001 && stay 10.9.0.2 5002 || return
	# A process that may not: nothing ends, and ss says so.
	on $server "$run" -f su nobody -s /bin/sh -c 'ss -K -Htn "sport = :5001"' >"$dir/out" 2>"$dir/err"
	expect_error 'not permitted' && has_row $server xtcp 5001 01 || { cat "$dir/out"; return 1; }
	expect_status 0 on $server "$run" ss -K -Htn 'sport = :5001' || return
	expect_equal 1 "$(grep -c '^ESTAB.*10.9.0.2:5001' "$dir/out")" 'rows that ss -K printed' || return
	! has_row $server xtcp 5001 01 || { echo "not ended"; return 1; }
	has_row $server xtcp 5002 01 || { echo "another was ended"; return 1; }
	# The peer got a RST.
	expect_equal 0 "$(ss_rows $client 'dport = :5001' | wc -l)" 'connections of the client' || return
	expect_status 0 on $server "$run" ss -K -Htln 'sport = :5002' || return
	expect_equal '0.0.0.0:5001 0.0.0.0:*' "$(ss_rows $server state listening)" 'listeners'
}

program_test ss_kills_native
ss_kills_native() {
	killing
}

program_test ss_kills_tcp_wire
ss_kills_tcp_wire() {
	tcp_wire $client $server && killing
}

udp_ports() {
	on $server "$run" ss -Huan | grep -o ':5007 '
}

# Without -t, -K means the sockets of all protocols; UDP's are the kernel's own.
program_test ss_kills_udp_without_t
ss_kills_udp_without_t() {
	load_diag || return
	start $server "$run" socat tcp4-listen:5007,fork exec:cat
	start $server socat -u udp4-recv:5007 -
	await_row $server xtcp 5007 0A || return
	expect_soon ':5007 ' 'UDP sockets' udp_ports || return
	expect_status 0 on $server "$run" ss -tK -Han 'sport = :5007' || return
	no_row $server xtcp 5007 && expect_equal ':5007 ' "$(udp_ports)" 'UDP after ss -tK' || return
	start $server "$run" socat tcp4-listen:5007,fork exec:cat
	await_row $server xtcp 5007 0A || return
	expect_status 0 on $server "$run" ss -K -Han 'sport = :5007' || return
	# The kernel gives a UDP socket an error; socat ends of that, and frees the port.
	no_row $server xtcp 5007 && expect_soon '' 'UDP after ss -K' udp_ports
}

# ss, which shows each socket of TCP when it has ended, on a terminal, or it would buffer.
program_test ss_follows_ends
ss_follows_ends() {
	load_diag || return
	start $server "$run" socat tcp4-listen:5001,fork exec:cat
	start $server socat -u exec:'ss -EHtn',pty -
	await_row $server xtcp 5001 0A && expect_soon 1 'listeners for ends' followers || return
	expect_status 0 on $client timeout 20 "$run" socat -t 5 /dev/null tcp4:10.9.0.2:5001,sourceport=40001 &&
		expect_soon 1 'rows of ss -E' ended 10.9.0.2:5001 10.9.0.1:40001
}

# Netlink sockets of protocol 4 (sock_diag) that have joined a group.
followers() {
	on $server awk '$2 == 4 && $4 != "00000000"' /proc/net/netlink | wc -l
}

ended() { # LOCAL REMOTE
	grep -c "^UNCONN .* $1 *$2" "$dir/out.1"
}

# A port of the TCP wire is in use for the kernel's TCP, too; README.md says how to find
# the program.
program_test ss_names_who_holds_a_port
ss_names_who_holds_a_port() {
	load_diag && on $server sysctl -qw net.ipv4.xtcp_wire=6 || return
	start $server "$run" socat tcp4-listen:5001,fork exec:cat
	await_row $server xtcp 5001 0A || return
	expect_status 1 on $server socat tcp4-listen:5001 - && expect_error 'Address already in use' || return
	expect_equal '' "$(on $server ss -Hltnp 'sport = :5001')" 'ss without xtcp-run' &&
		expect_equal 1 "$(on $server "$run" ss -Hltnp 'sport = :5001' | grep -c '"socat",pid=')" 'xtcp-run ss'
}

# Other requests are none of the library's business.
program_test ss_others_untouched
ss_others_untouched() {
	load_diag || return
	start $server "$run" socat -u udp4-recv:5007 -
	expect_soon ':5007 ' 'UDP sockets' udp_ports &&
		expect_status 0 on $server "$run" ip link show dev lo &&
		expect_status 0 on $server "$run" ss -s
}

program_tests_run
