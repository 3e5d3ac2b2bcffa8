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

if [ -n "${XTCP_TEST_STOCK:-}" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP needs xtcp"
	exit
fi

run=${XTCP_RUN:-xtcp-run}
dir=$(mktemp -d)
client=launcher-client-$$ server=launcher-server-$$
pids=()

cleanup() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	wait 2>/dev/null
	if [ -n "${XTCP_LIFECYCLE_LOG:-}" ]; then
		for ns in $client $server; do
			on "$ns" cat /proc/net/xtcp_lifecycle
		done >>"$XTCP_LIFECYCLE_LOG"
	fi
	ip netns del $client 2>/dev/null
	ip netns del $server 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

tests=() number=0

# Each test is a function; it prints what went wrong and returns non-zero.
launcher_test() { # NAME
	tests+=("$1")
}

report() { # NAME
	number=$((number + 1))
	if "$1" >"$dir/said" 2>&1; then
		echo "ok $number $1"
	else
		sed 's/^/# /' "$dir/said"
		echo "not ok $number $1"
		failed=1
	fi
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	[ ${#pids[@]} = 0 ] || wait "${pids[@]}" 2>/dev/null
	pids=()
}

on() { # NAMESPACE COMMAND...
	ip netns exec "$@"
}

# Waits for a socket in state STATE (hex) on PORT in TABLE (xtcp, tcp, tcp6).
await_row() { # NAMESPACE TABLE PORT STATE
	local i
	for ((i = 0; i < 40; i++)); do
		! has_row "$@" || return 0
		sleep .05
	done
	echo "no row $3 in state $4 in /proc/net/$2 of $1:"
	on "$1" cat "/proc/net/$2"
	return 1
}

has_row() { # NAMESPACE TABLE PORT STATE
	on "$1" grep -qsi ": [0-9A-F]*:$(printf %04X "$3") [0-9A-F:]* $4 " "/proc/net/$2"
}

no_row() { # NAMESPACE TABLE PORT
	! has_row "$1" "$2" "$3" '..' || { echo "a row in /proc/net/$2"; return 1; }
}

start() { # NAMESPACE COMMAND...
	on "$@" >"$dir/out.${#pids[@]}" 2>&1 </dev/null &
	pids+=($!)
}

kernel_tcp() {
	on $client grep ^Tcp: /proc/net/snmp
	on $server grep ^Tcp: /proc/net/snmp
}

unmoved() { # BEFORE
	local after
	after=$(kernel_tcp)
	[ "$1" = "$after" ] || { printf "the kernel's TCP moved:\n%s\n%s\n" "$1" "$after"; return 1; }
}

expect_status() { # STATUS COMMAND...
	local want=$1 got
	shift
	"$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ $got = "$want" ] && return
	echo "exit status $got, wanted $want: $*"
	cat "$dir/out" "$dir/err"
	return 1
}

expect_error() { # TEXT; on exactly one line of stderr
	[ "$(grep -c "$1" "$dir/err")" = 1 ] && return
	echo "wanted one line with: $1; got:"
	cat "$dir/err"
	return 1
}

# --- which sockets become xtcp's ------------------------------------------

launcher_test launcher_protocol_tcp_becomes_xtcp
launcher_protocol_tcp_becomes_xtcp() {
	start $server "$run" socat tcp4-listen:5001 -
	await_row $server xtcp 5001 0A && no_row $server tcp 5001
}

# socat's generic socket: family 2 (AF_INET), protocol 0, port 5002, any address.
launcher_test launcher_protocol_0_becomes_xtcp
launcher_protocol_0_becomes_xtcp() {
	start $server "$run" socat socket-listen:2:0:x138A00000000x0000000000000000 -
	await_row $server xtcp 5002 0A && no_row $server tcp 5002
}

launcher_test launcher_without_it_stock_tcp
launcher_without_it_stock_tcp() {
	start $server socat tcp4-listen:5003 -
	await_row $server tcp 5003 0A && no_row $server xtcp 5003
}

launcher_test launcher_inherited_over_exec
launcher_inherited_over_exec() {
	start $server "$run" bash -c 'bash -c "exec socat tcp4-listen:5004 -"; true'
	await_row $server xtcp 5004 0A && no_row $server tcp 5004
}

launcher_test launcher_keeps_other_preloads
launcher_keeps_other_preloads() {
	local lib
	lib=$("$run" bash -c 'echo "$LD_PRELOAD"')
	expect_status 0 env LD_PRELOAD="$lib" "$run" bash -c '[ "$LD_PRELOAD" = "$0:$0" ]' "$lib"
}

launcher_test launcher_ipv6_refused_once
launcher_ipv6_refused_once() {
	expect_status 1 on $server "$run" socat tcp6-listen:5005 - || return
	expect_error 'xtcp-run: socat.*IPv6 stream socket refused (EAFNOSUPPORT)' || return
	grep -q 'Address family not supported' "$dir/err" || { cat "$dir/err"; return 1; }
	# Two attempts of one program, one line.
	expect_status 7 on $client "$run" curl -s 'http://[::1]:1/' 'http://[::1]:2/' &&
		expect_error 'IPv6 stream socket refused'
}

launcher_test launcher_mptcp_refused
launcher_mptcp_refused() {
	expect_status 1 on $server "$run" socat socket-listen:2:262:x138E00000000x0000000000000000 - &&
		expect_error 'Multipath TCP socket refused' && no_row $server tcp 5006
}

launcher_test launcher_datagrams_untouched
launcher_datagrams_untouched() {
	start $server "$run" socat udp4-recvfrom:5007 exec:cat
	sleep .5
	[ "$(echo ping | on $client timeout 5 "$run" socat -t 2 - udp4:10.9.0.2:5007)" = ping ] &&
		expect_status 0 on $server "$run" socat -u exec:true udp6-sendto:[::1]:5007
}

launcher_test launcher_unix_sockets_untouched
launcher_unix_sockets_untouched() {
	start $server "$run" socat unix-listen:"$dir/sock" exec:'echo pong'
	sleep .5
	[ "$("$run" socat -u unix-connect:"$dir/sock" -)" = pong ]
}

# --- real programs, across two hosts --------------------------------------

launcher_test launcher_nginx_serves_curl
launcher_nginx_serves_curl() {
	local before
	before=$(kernel_tcp)
	mkdir -p "$dir/www" && head -c 300000 /dev/urandom >"$dir/www/file"
	cat >"$dir/nginx.conf" <<-END
		user root; daemon off; pid $dir/pid; error_log stderr;
		events { }
		http { access_log off; client_body_temp_path $dir/t; proxy_temp_path $dir/t;
		fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;
		server { listen 5008; root $dir/www; } }
	END
	start $server "$run" nginx -e stderr -c "$dir/nginx.conf"
	await_row $server xtcp 5008 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 20 "$run" curl -sS -o "$dir/file" http://10.9.0.2:5008/file &&
		cmp "$dir/www/file" "$dir/file" && unmoved "$before"
}

# iperf3 wants an IPv6 socket first and takes the refusal as it is meant.
launcher_test launcher_iperf3_falls_back_to_ipv4
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
launcher_test launcher_getaddrinfo_leaves_ipv4
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

launcher_test launcher_static_program_refused
launcher_static_program_refused() {
	local static
	static=$(command -v busybox)
	expect_status 126 "$run" "$static" true && expect_error 'is statically linked' &&
		expect_status 0 "$run" -f "$static" true && expect_error 'warning: .* statically linked'
}

launcher_test launcher_script_judged_by_its_interpreter
launcher_script_judged_by_its_interpreter() {
	printf '#!%s sh\ntrue\n' "$(command -v busybox)" >"$dir/static"
	printf '#!/usr/bin/env bash\nexit 3\n' >"$dir/dynamic"
	chmod +x "$dir/static" "$dir/dynamic"
	expect_status 126 "$run" "$dir/static" && expect_error 'is statically linked' &&
		expect_status 3 "$run" "$dir/dynamic"
}

launcher_test launcher_setuid_program_refused
launcher_setuid_program_refused() {
	cp "$(command -v socat)" "$dir/setuid" && chown 12345 "$dir/setuid" &&
		chmod u+s "$dir/setuid" || return
	expect_status 126 "$run" "$dir/setuid" -V && expect_error 'gains rights'
}

launcher_test launcher_exit_status
launcher_exit_status() {
	expect_status 42 "$run" bash -c 'exit 42' &&
		expect_status 127 "$run" no-such-program &&
		expect_status 125 "$run" &&
		expect_status 125 "$run" --no-such-option true
}

# --- run them -------------------------------------------------------------

ip netns add $client && ip netns add $server &&
	ip link add launcher0 netns $client type veth peer name launcher0 netns $server ||
	{ echo "Bail out! no namespaces"; exit 1; }
n=1
for ns in $client $server; do
	ip -n $ns link set lo up
	ip -n $ns link set launcher0 up
	ip -n $ns addr add 10.9.0.$n/24 dev launcher0
	n=$((n + 1))
done

failed=0
echo "TAP version 13"
echo "1..${#tests[@]}"
for t in "${tests[@]}"; do
	report "$t"
done
exit $failed
