#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2317 # inner shells expand; names have no blanks; called by name
#
# Unmodified programs over xtcp, and monitoring tools: nginx, curl, iperf3 and
# socat move data, ss and nstat read xtcp's files. And protocols that xtcp must not
# affect: ping, UDP, other IP protocols. The kernel's TCP must count nothing.
# vm: timeout=600 busy slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# --- transfers --------------------------------------------------------------

program_test program_nginx_curl_checksums
program_nginx_curl_checksums() {
	local before
	before=$(kernel_tcp)
	mkdir -p "$dir/www"
	head -c 2097152 /dev/urandom >"$dir/www/file"
	echo '<html><body>xtcp</body></html>' >"$dir/www/page.html"
	start_nginx 5001 || return
	# Both over one connection, then each over its own.
	expect_status 0 on $client timeout 60 "$run" curl -sS -o "$dir/file" http://10.9.0.2:5001/file \
		-o "$dir/page" http://10.9.0.2:5001/page.html &&
		cmp "$dir/www/file" "$dir/file" && cmp "$dir/www/page.html" "$dir/page" || return
	expect_status 0 on $client timeout 20 "$run" curl -sS -H 'Connection: close' -o "$dir/page" \
		http://10.9.0.2:5001/page.html && cmp "$dir/www/page.html" "$dir/page" || return
	expect_status 22 on $client timeout 20 "$run" curl -sSf http://10.9.0.2:5001/none || return
	expect_status 7 on $client timeout 20 "$run" curl -sS http://10.9.0.2:5999/ || return
	unmoved "$before"
}

# The same over IPv6; by a link-local address, too.
program_test program_nginx_curl_over_ipv6
program_nginx_curl_over_ipv6() {
	local before link
	before=$(kernel_tcp)
	mkdir -p "$dir/www"
	head -c 1048576 /dev/urandom >"$dir/www/file"
	link=$(ip -n $server -6 -o addr show dev $wire scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p')
	[ -n "$link" ] || { echo "no link-local address"; return 1; }
	start_nginx '[::]:5001' || return
	expect_status 0 on $client timeout 60 "$run" curl -sS -o "$dir/file" -w '%{remote_ip}' \
		'http://[fd09::2]:5001/file' && expect_equal fd09::2 "$(cat "$dir/out")" 'who answered' &&
		cmp "$dir/www/file" "$dir/file" || return
	expect_status 0 on $client timeout 60 "$run" curl -sS -o "$dir/file" \
		"http://[$link%25$wire]:5001/file" && cmp "$dir/www/file" "$dir/file" || return
	# A server that listens for IPv6 alone answers IPv4 with a RST.
	expect_status 7 on $client timeout 20 "$run" curl -sS http://10.9.0.2:5001/file || return
	unmoved "$before"
}

# LC-115: the side that closes first has the TIME-WAIT, here the server each time.
program_test lc_115_connection_close_load
lc_115_connection_close_load() {
	local n
	mkdir -p "$dir/www" && echo ok >"$dir/www/page"
	start_nginx 5002 'keepalive_timeout 0;' || return
	for n in {1..30}; do
		# To the end of the stream: a client that counts bytes may close first.
		expect_status 0 on $client timeout 20 "$run" curl -sS --ignore-content-length \
			http://10.9.0.2:5002/page || return
	done
	expect_equal 30 "$(on $server grep -c ':138A [0-9A-F:]* 06 ' /proc/net/xtcp)" 'rows 06 of the server' &&
		expect_equal 0 "$(on $client grep -c ' 06 00000000:00000000 03:' /proc/net/xtcp)" \
			'rows 06 of the client' || return
	# All gone a minute after the last close.
	sleep 61
	expect_equal 0 "$(on $server grep -c ':138A [0-9A-F:]* 06 ' /proc/net/xtcp)" 'rows 06 after 61 s'
}

iperf3_moves() { # ADDRESS OPTION...
	local before
	before=$(kernel_tcp)
	start $server "$run" iperf3 -s -1 -p 5003
	# A server for IPv4 as well.
	await_row $server xtcp6 5003 0A || { cat "$dir/out.0"; return 1; }
	# The receiver stops when the sender has queued all: what both buffers hold stays unread.
	expect_status 0 on $client timeout 60 "$run" iperf3 -p 5003 -n 1M -w 64K --json -c "$@" || return
	sent=$(sed -n '/"sum_sent"/,/}/s/.*"bytes":[^0-9]*\([0-9]*\).*/\1/p' "$dir/out")
	received=$(sed -n '/"sum_received"/,/}/s/.*"bytes":[^0-9]*\([0-9]*\).*/\1/p' "$dir/out")
	[ "${sent:-0}" -ge 1048576 ] || { echo "sent: $sent"; return 1; }
	[ "${received:-0}" -ge $((1048576 - 4 * 65536)) ] || { echo "received: $received"; return 1; }
	unmoved "$before"
}

program_test program_iperf3_to_the_server
program_iperf3_to_the_server() {
	iperf3_moves 10.9.0.2
}

program_test program_iperf3_to_the_client
program_iperf3_to_the_client() {
	iperf3_moves 10.9.0.2 -R
}

program_test program_iperf3_over_ipv6
program_iperf3_over_ipv6() {
	iperf3_moves fd09::2 && iperf3_moves fd09::2 -R
}

program_test program_iperf3_both_at_once
program_iperf3_both_at_once() {
	local before
	before=$(kernel_tcp)
	start $server "$run" iperf3 -s -1 -p 5003
	await_row $server xtcp6 5003 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 "$run" iperf3 -c 10.9.0.2 -p 5003 -n 500K --bidir -P 2 &&
		unmoved "$before"
}

# The client closes its direction, and then gets the answer: a working half-close.
program_test program_socat_half_close
program_socat_half_close() {
	local before
	before=$(kernel_tcp)
	head -c 1000000 /dev/urandom >"$dir/input"
	start $server "$run" socat -t 20 tcp4-listen:5004 exec:sha256sum
	await_row $server xtcp 5004 0A || return
	on $client timeout 20 "$run" socat -t 20 - tcp4:10.9.0.2:5004 <"$dir/input" >"$dir/sum"
	expect_equal "$(sha256sum <"$dir/input")" "$(cat "$dir/sum")" 'checksum from the other side' &&
		unmoved "$before"
}

program_test program_socat_through_loss
program_socat_through_loss() {
	head -c 300000 /dev/urandom >"$dir/input"
	# Questions for the server's address are lost, too.
	on $client sysctl -qw net.ipv4.neigh.$wire.mcast_solicit=100
	on $client tc qdisc add dev $wire root netem loss 10% delay 5ms
	start $server "$run" socat -t 60 tcp4-listen:5005 exec:sha256sum
	await_row $server xtcp 5005 0A || return
	on $client timeout 100 "$run" socat -t 60 - tcp4:10.9.0.2:5005 <"$dir/input" >"$dir/sum"
	on $client tc qdisc del dev $wire root
	expect_equal "$(sha256sum <"$dir/input")" "$(cat "$dir/sum")" 'checksum from the other side'
}

# --- ss, nstat -----------------------------------------------------------

xtcp_ss() { # NAMESPACE OPTION...
	local ns=$1
	shift
	on "$ns" env PROC_NET_TCP=/proc/net/xtcp ss -4tan "$@"
}

# Segments that leave NAMESPACE for ADDRESS are lost from now on.
mute() { # NAMESPACE ADDRESS
	ip -n "$1" neigh replace "$2" lladdr 02:00:00:00:00:99 nud permanent dev $wire
}

unmute() { # NAMESPACE ADDRESS
	ip -n "$1" neigh del "$2" dev $wire
}

# The output of ss for the connection with that port of the server.
ss_expect() { # NAMESPACE STATE PORT [TIMER]
	local line
	line=$(xtcp_ss "$1" -o | grep -E "(10\.9\.0\.[0-9]+|0\.0\.0\.0):$3 " | grep "^$2 ")
	[ -n "$line" ] || { echo "no $2 of port $3 in"; xtcp_ss "$1" -o; return 1; }
	case $line in
	*"timer:(${4:-}"*) ;;
	*) [ -z "${4:-}" ] || { echo "no timer $4: $line"; return 1; } ;;
	esac
}

# A server's socat that keeps its direction open, and a client connected to it.
connected() { # PORT CLIENT-OPTION...
	start $server "$run" socat -t 1000 tcp4-listen:$1,reuseaddr exec:'sleep 1000'
	await_row $server xtcp $1 0A || return
	start $client "$run" socat -t 1000 ${2:--u} tcp4:10.9.0.2:$1 ${3:-create:/dev/null}
	await_row $server xtcp $1 01
}

# Ends a program, which closes its socket.
end() { # PID
	kill "$1"
	sleep .3
}

program_test proc_ss_shows_every_state
proc_ss_shows_every_state() {
	# Two directions: the client has closed its own, the server has not.
	start $server "$run" socat -t 1000 tcp4-listen:5011,reuseaddr exec:'sleep 1000'
	await_row $server xtcp 5011 0A || return
	start $client "$run" socat -t 1000 tcp4:10.9.0.2:5011 'exec:true!!/dev/null'
	await_row $server xtcp 5011 08 && ss_expect $server CLOSE-WAIT 5011 &&
		ss_expect $client FIN-WAIT-2 5011 || return
	# Both have closed.
	start $server "$run" socat -u tcp4-listen:5012,reuseaddr,fork /dev/null
	await_row $server xtcp 5012 0A && ss_expect $server LISTEN 5012 || return
	expect_status 0 on $client "$run" socat -u exec:true tcp4:10.9.0.2:5012 || return
	ss_expect $client TIME-WAIT 5012 timewait, || return
	connected 5013 && ss_expect $server ESTAB 5013 && ss_expect $client ESTAB 5013 || return

	# The client's segments are lost.
	mute $client 10.9.0.77
	start $client "$run" socat -u tcp4:10.9.0.77:5014 -
	sleep 1.5
	ss_expect $client SYN-SENT 5014 on,1 || return
	connected 5015 || return
	mute $client 10.9.0.2
	end "${pids[-1]}"
	ss_expect $client FIN-WAIT-1 5015 on, || return
	unmute $client 10.9.0.2

	# The server's segments are lost.
	local server16 client16 server17 client17
	connected 5016 || return
	server16=${pids[-2]} client16=${pids[-1]}
	connected 5017 || return
	server17=${pids[-2]} client17=${pids[-1]}
	start $server "$run" socat -u tcp4-listen:5018,reuseaddr /dev/null
	await_row $server xtcp 5018 0A || return
	mute $server 10.9.0.1
	start $client "$run" socat -u tcp4:10.9.0.2:5018 -
	sleep 1.5
	ss_expect $server SYN-RECV 5018 on, && ss_expect $client SYN-SENT 5018 || return
	# The client first, then the server; and the other way round.
	end $client17
	ss_expect $server CLOSE-WAIT 5017 || return
	end $server17
	ss_expect $server LAST-ACK 5017 on, || return
	end $server16
	ss_expect $server FIN-WAIT-1 5016 on, || return
	end $client16
	ss_expect $server CLOSING 5016 on,
}

program_test proc_ss_shows_ipv6
proc_ss_shows_ipv6() {
	# Without the first variable ss would use netlink.
	local ss='env PROC_NET_TCP=/proc/net/xtcp PROC_NET_TCP6=/proc/net/xtcp6 ss -6tano'
	start $server "$run" socat -t 1000 tcp6-listen:5019,reuseaddr exec:'sleep 1000'
	await_row $server xtcp6 5019 0A || return
	on $server $ss >"$dir/out"
	start $client "$run" socat -t 1000 -u 'tcp6:[fd09::2]:5019' create:/dev/null
	await_row $server xtcp6 5019 01 || return
	# It takes one connection and listens no longer.
	on $server $ss >>"$dir/out"
	grep -Eq '^LISTEN .* (\[::\]|\*):5019 ' "$dir/out" &&
		grep -Eq '^ESTAB .* \[fd09::2\]:5019 +\[fd09::1\]:[0-9]+' "$dir/out" ||
		{ cat "$dir/out"; return 1; }
}

program_test proc_ss_filters_work
proc_ss_filters_work() {
	connected 5021 && connected 5022 || return
	expect_equal 2 "$(xtcp_ss $server -H state established '( sport = :5021 or sport = :5022 )' | wc -l)" \
		'by state and port' &&
		expect_equal 1 "$(xtcp_ss $server -H state established sport = :5022 | wc -l)" 'by port' &&
		expect_equal 0 "$(xtcp_ss $server -H state established sport = :5999 | wc -l)" 'by another port' &&
		expect_equal 1 "$(xtcp_ss $client -H dst 10.9.0.2 dport = :5021 | wc -l)" 'by address'
}

# LC-94: ss names the owner of a connection that stays in CLOSE-WAIT.
program_test lc_94_ss_names_the_inode_of_close_wait
lc_94_ss_names_the_inode_of_close_wait() {
	local inode fd
	start $server "$run" socat -t 1000 tcp4-listen:5023,reuseaddr exec:'sleep 1000'
	await_row $server xtcp 5023 0A || return
	start $client "$run" socat -t 1000 tcp4:10.9.0.2:5023 'exec:true!!/dev/null'
	await_row $server xtcp 5023 08 || return
	inode=$(xtcp_ss $server -e state close-wait sport = :5023 | sed -n 's/.*ino:\([0-9]*\).*/\1/p')
	[ -n "$inode" ] || { xtcp_ss $server -e; return 1; }
	for fd in /proc/"${pids[0]}"/fd/*; do
		[ "$(readlink "$fd")" != "socket:[$inode]" ] || return 0
	done
	echo "the server's socat has no inode $inode"
	return 1
}

xtcp_nstat() { # NAMESPACE NAME
	on "$1" env PROC_NET_SNMP=/proc/net/xtcp_snmp PROC_NET_NETSTAT=/proc/net/xtcp_netstat \
		nstat -asz "$2" | sed -n "s/^$2 *\([0-9]*\) .*/\1/p"
}

program_test proc_nstat_reads_the_counters
proc_nstat_reads_the_counters() {
	local opens segs
	opens=$(xtcp_nstat $client TcpActiveOpens)
	segs=$(xtcp_nstat $server TcpInSegs)
	[ -n "$opens" ] && [ -n "$segs" ] || { echo "opens '$opens' segs '$segs'"; return 1; }
	connected 5024 || return
	expect_equal $((opens + 1)) "$(xtcp_nstat $client TcpActiveOpens)" TcpActiveOpens &&
		expect_equal $((segs + 2)) "$(xtcp_nstat $server TcpInSegs)" TcpInSegs || return
	# New names, too; and a counter at 0 is printed on request.
	[ -n "$(xtcp_nstat $server TcpExtXtcpLifecycleUnknown)" ] || { echo "no TcpExtXtcp..."; return 1; }
	expect_equal 0 "$(xtcp_nstat $server TcpExtTCPMemoryPressures)" TcpExtTCPMemoryPressures
}

# --- protocols that xtcp must not affect ----------------------------------

pings() {
	expect_status 0 on $client ping -c 3 -i 0.2 -W 1 10.9.0.2 && grep -q '3 packets received\|3 received' "$dir/out"
}

program_test lc_102_ping_with_xtcp_idle_and_busy
lc_102_ping_with_xtcp_idle_and_busy() {
	pings || return
	start $server "$run" iperf3 -s -1 -p 5031
	await_row $server xtcp6 5031 0A || return
	start $client "$run" iperf3 -c 10.9.0.2 -p 5031 -n 500K -b 4M
	await_row $server xtcp6 5031 01 && pings
}

program_test lc_103_icmp_timestamp_is_answered
lc_103_icmp_timestamp_is_answered() {
	on $client timeout 10 hping3 --icmp-ts -c 1 10.9.0.2 >"$dir/out" 2>&1
	grep -q 'ICMP timestamp: Originate=[0-9]* Receive=[0-9]*' "$dir/out" || { cat "$dir/out"; return 1; }
}

# A full RIP message: 25 routes of 20 bytes behind a header of 4.
program_test lc_111_udp_untouched
lc_111_udp_untouched() {
	head -c 504 /dev/urandom >"$dir/rip"
	start $server timeout 10 "$run" socat -u udp4-recvfrom:520 create:"$dir/got"
	sleep .3
	expect_status 0 on $client socat -u -b 504 file:"$dir/rip" udp4-sendto:10.9.0.2:520 || return
	wait "${pids[0]}"
	cmp "$dir/rip" "$dir/got"
}

program_test lc_112_protocol_89_untouched
lc_112_protocol_89_untouched() {
	echo 'hello from a router' >"$dir/ospf"
	start $server timeout 10 socat -u ip4-recvfrom:89 create:"$dir/got"
	sleep .3
	expect_status 0 on $client socat -u file:"$dir/ospf" ip4-sendto:10.9.0.2:89 || return
	wait "${pids[0]}"
	# Some versions print the IP header in front.
	expect_equal "$(cat "$dir/ospf")" "$(tail -c 20 "$dir/got")" 'text of protocol 89'
}

# --- the kernel it is loaded into ------------------------------------------

# WISH-10: no patched kernel. The only taints are those of any out-of-tree module:
# O, and E because it is unsigned.
program_test wish_10_runs_on_a_distribution_kernel
wish_10_runs_on_a_distribution_kernel() {
	local taint
	taint=$(cat /proc/sys/kernel/tainted)
	# The guest's own option clearcpuid sets bit 2.
	[ $((taint & ~((1 << 2) | (1 << 12) | (1 << 13)))) = 0 ] || { echo "tainted: $taint"; return 1; }
	[ $((taint & (1 << 12))) != 0 ] || { echo "not even loaded: $taint"; return 1; }
	grep -q Debian /proc/version || { cat /proc/version; return 1; }
}

# WISH-11: built for this very release; each kernel under test has its own run.
program_test wish_11_built_for_the_running_kernel
wish_11_built_for_the_running_kernel() {
	[ "$(modinfo -F vermagic /xtcp/xtcp.ko | cut -d' ' -f1)" = "$(uname -r)" ] &&
		[ "$(cat /sys/module/xtcp/initstate)" = live ]
}

# The last test: xtcp is unloaded and loaded again.
program_test lc_102_ping_with_xtcp_unloaded
lc_102_ping_with_xtcp_unloaded() {
	local n
	lifecycle_log
	# Unanswered orphans of other programs live for some 310 s.
	for n in {1..400}; do
		! rmmod xtcp 2>"$dir/err" || break
		sleep 1
	done
	[ ! -d /sys/module/xtcp ] || { cat "$dir/err"; return 1; }
	pings && insmod /xtcp/xtcp.ko && pings
}

program_tests_run
