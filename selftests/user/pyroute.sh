#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2317,SC2154 # inner shells expand; tests are called by name
#
# pyroute: sock_diag of xtcp as the library pyroute2 reads it: dumps by state, single
# lookups, half-open and TIME-WAIT records, attributes, SOCK_DESTROY.
# vm: timeout=600 busy with=python3 newest heavy
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# Rows of the commands on standard input.
pyroute() {
	on $server python3 "$(dirname "$0")/pyroute.py"
}

# A listener on each of three ports: a connection from 40001 over which 6 bytes went each
# way, one from 40002 that the server has closed, one from 40003 whose SYN-ACK is lost.
scene() {
	[ -d /sys/module/xtcp_diag ] || { modprobe -q inet_diag; insmod /xtcp/xtcp_diag.ko; } || return
	rules $server <<<'table inet t { chain out { type filter hook output priority 0;
		meta l4proto { 6, 253 } th sport 5003 drop; }; }' || return
	start $server "$run" socat tcp4-listen:5001,reuseaddr,fork exec:cat
	start $server "$run" socat -U tcp4-listen:5002,reuseaddr,fork exec:'echo bye'
	start $server "$run" socat tcp4-listen:5003,reuseaddr,fork exec:cat
	start $server "$run" socat tcp6-listen:5004,ipv6only,reuseaddr,fork exec:cat
	await_row $server xtcp 5001 0A && await_row $server xtcp 5002 0A && await_row $server xtcp 5003 0A &&
		await_row $server xtcp6 5004 0A || return
	start $client "$run" bash -c '(echo hello; sleep 1000) | socat - tcp4:10.9.0.2:5001,sourceport=40001'
	start $client "$run" socat -u tcp4:10.9.0.2:5002,sourceport=40002 /dev/null
	start $client "$run" socat - tcp4:10.9.0.2:5003,sourceport=40003
	start $client "$run" bash -c 'sleep 1000 | socat - tcp6:[fd09::2]:5004,sourceport=40004'
	await_row $server xtcp 5001 01 && await_row $server xtcp 5002 06 && await_row $server xtcp 5003 03 &&
		await_row $server xtcp6 5004 01
}

read_all() { # WIRE
	local inode
	scene || return
	sleep .2
	inode=$(on $server awk '$4 == "01" && $2 ~ /:1389$/ { print $10 }' /proc/net/xtcp)
	pyroute >"$dir/rows" 2>"$dir/err" <<-END || { cat "$dir/rows" "$dir/err"; return 1; }
		dump 4 LISTEN
		dump 4 ESTABLISHED,SYN_RECV,TIME_WAIT,FIN_WAIT1,CLOSE_WAIT
		dump 6 LISTEN,ESTABLISHED
		lookup 10.9.0.2 5002 10.9.0.1 40002
		cookie 10.9.0.2 5003 10.9.0.1 40003
		cookie 0.0.0.0 5001 0.0.0.0 0
		cookie fd09::2 5004 fd09::1 40004
		attributes 10.9.0.2 5001 10.9.0.1 40001
	END
	expect_equal "LISTEN 0.0.0.0 5001 0.0.0.0 0 $1
LISTEN 0.0.0.0 5002 0.0.0.0 0 $1
LISTEN 0.0.0.0 5003 0.0.0.0 0 $1
ESTABLISHED 10.9.0.2 5001 10.9.0.1 40001 $1
SYN_RECV 10.9.0.2 5003 10.9.0.1 40003 $1
TIME_WAIT 10.9.0.2 5002 10.9.0.1 40002 $1
ESTABLISHED fd09::2 5004 fd09::1 40004 $1
LISTEN :: 5004 :: 0 $1
TIME_WAIT 10.9.0.2 5002 10.9.0.1 40002 $1
SYN_RECV 10.9.0.2 5003 10.9.0.1 40003 $1
LISTEN 0.0.0.0 5001 0.0.0.0 0 $1
ESTABLISHED fd09::2 5004 fd09::1 40004 $1
queues 0 0
uid 0 inode $inode
state 1
snd_mss 1448
bytes_received 6
bytes_acked 6
bytes_sent 6
snd_cwnd 10
rtt True
meminfo 0 0
skmeminfo True
cong cubic
shutdown 0" "$(<"$dir/rows")" 'rows of pyroute2'
}

program_test pyroute_reads_native
pyroute_reads_native() {
	read_all 253
}

program_test pyroute_reads_tcp_wire
pyroute_reads_tcp_wire() {
	tcp_wire $client $server && read_all 6
}

# Each kind: connection, half-open record, TIME-WAIT record, listener.
program_test pyroute_destroys
pyroute_destroys() {
	scene || return
	pyroute >"$dir/rows" 2>"$dir/err" <<-END || { cat "$dir/rows" "$dir/err"; return 1; }
		destroy 10.9.0.2 5001 10.9.0.1 40001
		destroy 10.9.0.2 5003 10.9.0.1 40003
		destroy 10.9.0.2 5002 10.9.0.1 40002
		destroy 0.0.0.0 5002 0.0.0.0 0
		dump 4 LISTEN,ESTABLISHED,SYN_RECV,TIME_WAIT
		dump 6 ESTABLISHED
	END
	expect_equal "LISTEN 0.0.0.0 5001 0.0.0.0 0 253
LISTEN 0.0.0.0 5003 0.0.0.0 0 253
ESTABLISHED fd09::2 5004 fd09::1 40004 253" "$(<"$dir/rows")" 'what is left' &&
		no_row $client xtcp 40001
}

program_tests_run
