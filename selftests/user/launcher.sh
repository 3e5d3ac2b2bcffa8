#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2317 # inner shells expand; tests are called by name
#
# xtcp-run: which programs get xtcp sockets, and what happens to the others.
#
# The programs are real ones. Where a socket ended up is read from the tables of
# both stacks in a namespace of this test's own; a connection that crosses from
# client to server must also leave every counter of the kernel's TCP alone.
# vm: timeout=400 short newest slow
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

# --- which of a program's sockets -----------------------------------------

program_test launcher_wire_of_one_program
launcher_wire_of_one_program() {
	start $server "$run" --wire tcp socat tcp4-listen:5020 -
	start $server "$run" -w native socat tcp4-listen:5021 -
	await_row $server xtcp 5020 0A && await_row $server xtcp 5021 0A || return
	expect_equal '5020 tcp 5021 native' "$(on $server awk 'NR > 1 { print $2, $NF }' \
		/proc/net/xtcp_listen | sort | xargs)" 'ports and wires' && on $server sysctl -qw net.ipv4.xtcp_wire=6 &&
		start $server "$run" -w native socat tcp4-listen:5022 - && await_row $server xtcp 5022 0A
}

# nginx's workers clear their environment; their sockets have the wire of --wire nevertheless.
program_test launcher_wire_of_a_proxy_that_clears_its_environment
launcher_wire_of_a_proxy_that_clears_its_environment() {
	mkdir -p "$dir/www" && echo pong >"$dir/www/page"
	run='' start_nginx 5027 || return
	run="$run --wire tcp" start_nginx 5026 \
		'server { listen 5028; location / { proxy_pass http://10.9.0.2:5027; } }' || return
	expect_status 0 on $client timeout 20 curl -sS http://10.9.0.2:5026/page && expect_equal pong "$(cat "$dir/out")" page &&
		expect_status 0 on $client timeout 20 curl -sS http://10.9.0.2:5028/page &&
		expect_equal pong "$(cat "$dir/out")" 'page behind the proxy' &&
		expect_equal 1 "$(xtcp_count $server TcpActiveOpens)" 'connections of the proxy'
}

# A proxy between the stacks, which listens on one and connects on the other.
proxied() { # OPTION...
	start $server socat tcp4-listen:5024,reuseaddr exec:cat
	start $server "$run" socat tcp4-listen:5025,reuseaddr exec:cat
	await_row $server tcp 5024 0A && await_row $server xtcp 5025 0A || return
	start $client "$run" "$@" socat tcp4-listen:5023,reuseaddr,nodelay tcp4:10.9.0.2:$port
}

program_test launcher_listen_only
launcher_listen_only() {
	local port=5024
	proxied --listen-only && await_row $client xtcp 5023 0A && no_row $client tcp 5023 &&
		expect_echo $client "$run" 127.0.0.1 5023
}

program_test launcher_connect_only
launcher_connect_only() {
	local port=5025
	proxied --connect-only && await_row $client tcp 5023 0A && no_row $client xtcp 5023 &&
		expect_echo $client '' 127.0.0.1 5023
}

program_test launcher_ports
launcher_ports() {
	local port=5024
	proxied --port 5023 && await_row $client xtcp 5023 0A && expect_echo $client "$run" 127.0.0.1 5023 || return
	kill "${pids[@]}" && wait
	pids=() port=5025
	proxied -p 80 --port 5025 && await_row $client tcp 5023 0A && expect_echo $client '' 127.0.0.1 5023
}

# On the TCP wire, where an address belongs to one of the stacks, with a bound client, options that
# were set before, and a second address in use.
program_test launcher_moves_a_bound_socket
launcher_moves_a_bound_socket() {
	local i
	tcp_wire $server $client
	start $server "$run" --port 5026 socat -T 60 tcp4-listen:5026,reuseaddr,keepalive,keepidle=77,fork exec:cat
	await_row $server xtcp 5026 0A || return
	# The port is its owner's own; conntrack would see the same.
	expect_status 1 on $server "$run" --port 5026 socat tcp4-listen:5026 - && expect_error 'Address already in use' || return
	start $client bash -c "(echo hello; sleep 100) | $run -p 5026 socat - tcp4:10.9.0.2:5026,sourceport=44444,bind=10.9.0.1,keepalive,keepidle=55"
	await_row $client xtcp 44444 01 && no_row $client tcp 44444 || return
	# Once the greeting is acknowledged, the timer is the keepalive timer (2).
	expect_soon 02 timer moved_timer || return
	# In hundredths of a second, rounded up to ticks.
	i=$(moved_row | cut -d: -f2)
	[ $((0x${i:-0})) -gt 4000 ] && [ $((0x$i)) -le 5520 ] || { on $client cat /proc/net/xtcp; return 1; }
}
# TIMER:WHEN of the connection from port 44444.
moved_row() {
	on $client awk '$2 == "0100090A:AD9C" { print $6 }' /proc/net/xtcp
}
moved_timer() {
	moved_row | cut -d: -f1
}

# The kernel's TCP refuses each of these addresses. xtcp has the first, for a further listener of a
# SO_REUSEPORT group, and the second, whose wire is another one, but not the third.
program_test launcher_binds_what_the_kernel_refuses
launcher_binds_what_the_kernel_refuses() {
	tcp_wire $server
	start $server "$run" --port 5033 socat tcp4-listen:5033,reuseport exec:'echo one'
	await_row $server xtcp 5033 0A || return
	start $server "$run" --port 5033 socat tcp4-listen:5033,reuseport exec:'echo two'
	expect_soon 2 'listeners at one port' listeners_at 5033 || { cat "$dir/out.1"; return 1; }
	expect_equal 'one two' "$({ say_nothing 5033; say_nothing 5033; } | sort | xargs)" answers || return
	start $server socat tcp4-listen:5034 -
	start $server socat tcp4-listen:5035 -
	await_row $server tcp 5034 0A && await_row $server tcp 5035 0A || return
	start $server "$run" --wire native -l socat tcp4-listen:5034,reuseport -
	await_row $server xtcp 5034 0A || { cat "$dir/out.4"; return 1; }
	expect_status 1 on $server "$run" -v -l socat tcp4-listen:5035 - && expect_error 'Address already in use' &&
		expect_equal 0 "$(grep -c 'is an xtcp socket' "$dir/err")" 'sockets of xtcp'
}
listeners_at() { # PORT
	on $server awk -v port=$1 'NR > 1 && $2 == port' /proc/net/xtcp_listen | wc -l
}
say_nothing() { # PORT
	on $client timeout 20 socat -u tcp4:10.9.0.2:$1 -
}

program_test launcher_bad_options
launcher_bad_options() {
	local words
	for words in '--port 0' '--port 65536' '--port x' '-p 1x' '--wire udp' '-l -c' '--port' '--cgroup -p 80'; do
		expect_status 125 "$run" $words true && [ -s "$dir/err" ] || { echo "$words"; return 1; }
	done
	expect_status 0 "$run" -l -p 80 -p 443 -- bash -c '[ "$XTCP_RUN_ROLE $XTCP_RUN_PORTS" = "listen 80,443" ]'
}

# User and system time of children, in ticks of 10 ms.
ticks_of_20() { # COMMAND...
	local me=$BASHPID before i
	before=$(awk '{ print $16 + $17 }' /proc/$me/stat)
	for ((i = 0; i < 20; i++)); do
		"$@" || return
	done
	echo $(($(awk '{ print $16 + $17 }' /proc/$me/stat) - before))
}

program_test launcher_starts_quickly
launcher_starts_quickly() {
	local without with
	without=$(ticks_of_20 bash -c :) && with=$(ticks_of_20 "$run" bash -c :) || return
	echo "20 times: $with ticks of 10 ms, $without without xtcp-run"
	[ "$with" -le $((2 + 3 * without)) ]
}

# --- children -------------------------------------------------------------

program_test launcher_child_with_a_cleared_environment
launcher_child_with_a_cleared_environment() {
	start $server "$run" -v --wire tcp bash -c "exec -c $(command -v socat) tcp4-listen:5027 -"
	await_row $server xtcp 5027 0A && no_row $server tcp 5027 &&
		expect_equal tcp "$(on $server awk '$2 == 5027 { print $NF }' /proc/net/xtcp_listen)" wire &&
		grep -q 'is an xtcp socket' "$dir/out.0" || { cat "$dir/out.0"; return 1; }
	# Not if it was the user who took the library away.
	start $server "$run" bash -c 'unset LD_PRELOAD; exec socat tcp4-listen:5028 -'
	await_row $server tcp 5028 0A && no_row $server xtcp 5028
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

# A copy of bash that names another dynamic linker, which is the same one by another name. The
# sed is one that takes binaries; both paths have the same length.
with_linker() { # COPY PATH
	local ours=/lib64/ld-linux-x86-64.so.2
	[ ${#2} = ${#ours} ] && mkdir -p "${2%/*}" && ln -sf $ours "$2" &&
		LC_ALL=C sed "s|$ours|$2|" "$(command -v bash)" >"$1" && chmod +x "$1" && "$1" /dev/null ||
		{ echo "no program with $2"; return 1; }
}

program_test launcher_another_c_library_refused
launcher_another_c_library_refused() {
	with_linker "$dir/other" /lib64/ld-musl--x86_64.so.1 && with_linker "$dir/moved" /tmp/l/ld-linux-x86-64.so.2 || return
	expect_status 126 "$run" "$dir/other" /dev/null && expect_equal 1 "$(wc -l <"$dir/err")" lines &&
		expect_error 'other has another C library (/lib64/ld-musl--x86_64.so.1): .*--cgroup on xtcp' &&
		expect_status 0 "$run" -f "$dir/other" /dev/null && expect_error 'warning: .* another C library' &&
		expect_status 0 "$run" "$dir/moved" /dev/null && expect_equal '' "$(<"$dir/err")" complaints
	local status=$?
	rm -rf /lib64/ld-musl--x86_64.so.1 /tmp/l
	return $status
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
	expect_status 126 "$run" "$dir/setuid" -V && expect_error 'gains rights' || return
	# As sudo is on some systems.
	chmod 755 "$dir" && chown 0 "$dir/setuid" && chmod 4111 "$dir/setuid" || return
	expect_status 126 su -s /bin/bash nobody -c "$run $dir/setuid -V" && expect_error 'setuid gains rights'
}

# To open one would wait for a writer.
program_test launcher_fifo_is_no_program
launcher_fifo_is_no_program() {
	mkfifo -m 755 "$dir/fifo" && printf '#!%s\n' "$dir/fifo" >"$dir/script" && chmod +x "$dir/script" || return
	expect_status 126 timeout 10 "$run" "$dir/fifo" && expect_error 'fifo: Permission denied' &&
		expect_status 126 timeout 10 "$run" "$dir/script" && expect_error 'script: Permission denied'
}

# Without /proc it does not know its own folder, and the current one is anybody's.
program_test launcher_without_proc_looks_in_no_other_folder
launcher_without_proc_looks_in_no_other_folder() {
	local there="cd '$dir' && mount -t tmpfs none /proc"
	cp "$("$run" --library)" "$dir/xtcp-preload.so" || return
	expect_status 125 unshare -m sh -c "$there && exec '$run' bash -c true" && expect_error 'set XTCP_PRELOAD' &&
		expect_status 0 unshare -m sh -c "$there && XTCP_PRELOAD='$dir/xtcp-preload.so' exec '$run' bash -c true"
}

program_test launcher_exit_status
launcher_exit_status() {
	expect_status 42 "$run" bash -c 'exit 42' &&
		expect_status 127 "$run" no-such-program && expect_error 'no-such-program: not found' || return
	mkdir "$dir/denied" && echo 'exit 3' >"$dir/denied/no-program" || return
	PATH=$dir/denied:$PATH expect_status 126 "$run" no-program && expect_error 'no-program: Permission denied' || return
	# One in a later folder, as the shell would.
	mkdir "$dir/later" && printf '#!/bin/bash\nexit 3\n' >"$dir/later/no-program" && chmod +x "$dir/later/no-program" || return
	PATH=$dir/denied:$dir/later:$PATH expect_status 3 "$run" no-program &&
		expect_status 125 "$run" &&
		expect_status 125 "$run" --no-such-option true
}

program_test launcher_version
launcher_version() {
	expect_status 0 "$run" --version && expect_equal "xtcp-run $(cat /sys/module/xtcp/version)" "$(<"$dir/out")" version
}

program_tests_run
