#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Unmodified programs, one end on xtcp's TCP wire under the launcher, the other
# on the kernel's TCP: nginx and curl, iperf3, ssh (dropbear), redis, socat with
# a hash.
# XTCP_TEST_LARGE=1073741824 is a GiB each way.
# vm: timeout=900 busy newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

large=${XTCP_TEST_LARGE:-4194304}
# Segment by segment over a lossy path, which takes several times as long.
large_bad=${XTCP_TEST_LARGE:-2097152}

# One of the two programs, the server's or the client's, runs on xtcp.
iperf3_moves() { # SERVER-PROGRAM CLIENT-PROGRAM OPTION...
	local server_run=$1 client_run=$2
	shift 2
	tcp_wire $client $server || return
	start $server $server_run iperf3 -s -1 -p 5003
	await_row $server "${server_run:+x}tcp" 5003 0A ||
		await_row $server "${server_run:+x}tcp6" 5003 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 100 $client_run iperf3 -c 10.9.0.2 -p 5003 -n 4M "$@" &&
		expect_client "$client_run"
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

# Parallel streams, both directions at once.
program_test tcpwire_iperf3_bidirectional
tcpwire_iperf3_bidirectional() {
	iperf3_moves "$run" '' --bidir -P 3
}

# A page of 2 MiB, posted back as well; twice on one connection.
page_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local run=$1
	tcp_wire $client $server && mkdir -p "$dir/www" && head -c 2097152 /dev/urandom >"$dir/www/file" || return
	start_nginx 5001 'client_max_body_size 4m;' || return
	expect_status 0 on $client timeout 60 $2 curl -sS -o "$dir/file" http://10.9.0.2:5001/file \
		-o "$dir/again" http://10.9.0.2:5001/file -w '%{num_connects}' &&
		expect_equal 10 "$(cat "$dir/out")" 'connections of each request' &&
		cmp "$dir/www/file" "$dir/file" && cmp "$dir/www/file" "$dir/again" || return
	expect_status 0 on $client timeout 60 $2 curl -sS -o /dev/null -w '%{http_code}' -H Expect: \
		--data-binary @"$dir/file" http://10.9.0.2:5001/file &&
		expect_equal 405 "$(cat "$dir/out")" 'answer to a POST of as much' && expect_client "$2"
}

program_test tcpwire_nginx_for_a_stock_curl
tcpwire_nginx_for_a_stock_curl() {
	page_moves "$run" ''
}

program_test tcpwire_curl_from_a_stock_nginx
tcpwire_curl_from_a_stock_nginx() {
	page_moves '' "$run"
}

# A session with a key: a megabyte through the far end's cat and back, its stderr and
# its exit status.
ssh_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	tcp_wire $client $server || return
	# The server reads its key there; the client writes nothing.
	mkdir -p -m 700 ~root/.ssh
	export HOME=$dir
	rm -f "$dir/host" "$dir/id"
	dropbearkey -t ed25519 -f "$dir/host" >"$dir/key" 2>&1 &&
		dropbearkey -t ed25519 -f "$dir/id" >"$dir/key" 2>&1 || { cat "$dir/key"; return 1; }
	grep ^ssh- "$dir/key" >~root/.ssh/authorized_keys
	chmod 700 ~root
	chmod 600 ~root/.ssh/authorized_keys
	head -c 1048576 /dev/urandom >"$dir/file"
	start $server $1 dropbear -F -E -s -r "$dir/host" -P "$dir/pid" -p 5006
	await_row $server "${1:+x}tcp" 5006 0A || { cat "$dir/out.0"; return 1; }
	on $client timeout 100 $2 dbclient -y -y -i "$dir/id" -p 5006 root@10.9.0.2 'cat; echo end >&2; exit 7' \
		<"$dir/file" >"$dir/back" 2>"$dir/said-by-ssh"
	expect_equal 7 $? 'exit status' && cmp "$dir/file" "$dir/back" &&
		expect_equal end "$(tail -n 1 "$dir/said-by-ssh")" 'stderr of the command' && expect_client "$2" && return
	cat "$dir/said-by-ssh" "$dir/out.0"
	return 1
}

program_test tcpwire_ssh_serves
tcpwire_ssh_serves() {
	ssh_moves "$run" ''
}

program_test tcpwire_ssh_connects
tcpwire_ssh_connects() {
	ssh_moves '' "$run"
}

redis() { # CLIENT-PROGRAM COMMAND...
	local program=$1
	shift
	on $client timeout 60 $program redis-cli -h 10.9.0.2 -p 5007 "$@"
}

# A value of a megabyte there and back, twenty clients with pipelines, and one
# that subscribes to what another publishes.
redis_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local i
	tcp_wire $client $server || return
	start $server $1 redis-server --port 5007 --bind 10.9.0.2 --save '' --appendonly no \
		--protected-mode no --dir "$dir" --daemonize no
	await_row $server "${1:+x}tcp" 5007 0A || { cat "$dir/out.0"; return 1; }
	expect_equal PONG "$(redis "$2" ping 2>&1)" 'answer to ping' || return
	head -c 700000 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | head -c 1048576 >"$dir/value"
	expect_equal OK "$(redis "$2" -x set large <"$dir/value" 2>&1)" 'answer to set' || return
	redis "$2" --raw get large | head -c 1048576 | cmp - "$dir/value" || return
	start $client $2 redis-cli -h 10.9.0.2 -p 5007 subscribe news
	for ((i = 0; i < 40; i++)); do
		[ "$(redis "$2" publish news 'first word')" != 1 ] || break
		sleep .05
	done
	expect_status 0 on $client timeout 100 $2 redis-benchmark -h 10.9.0.2 -p 5007 -n 2000 -c 20 -P 8 \
		-t set,get,lpush -q || return
	expect_equal 3 "$(tr '\r' '\n' <"$dir/out" | grep -c 'requests per second')" 'results' &&
		grep -q 'first word' "$dir/out.1" || { cat "$dir/out" "$dir/out.1"; return 1; }
	expect_client "$2"
}

program_test tcpwire_redis_serves
tcpwire_redis_serves() {
	redis_moves "$run" ''
}

program_test tcpwire_redis_connects
tcpwire_redis_connects() {
	redis_moves '' "$run"
}

# Through a hash at the other end, and its answer back by a half-close.
hash_moves() { # BYTES SERVER-PROGRAM CLIENT-PROGRAM
	local sum
	tcp_wire $client $server || return
	start $server $2 socat -b 131072 -t 600 tcp4-listen:5004 exec:sha256sum
	await_row $server "${2:+x}tcp" 5004 0A || return
	sum=$(numbers $1 | on $client timeout 7000 $3 socat -b 131072 -t 600 - tcp4:10.9.0.2:5004)
	expect_equal "$(numbers $1 | sha256sum)" "$sum" 'hash from the other side' && expect_client "$3"
}

program_test lc_100_hash_to_ours
lc_100_hash_to_ours() {
	hash_moves $large "$run" ''
}

program_test lc_100_hash_from_ours
lc_100_hash_from_ours() {
	hash_moves $large '' "$run"
}

program_test lc_100_hash_to_ours_over_a_bad_path
lc_100_hash_to_ours_over_a_bad_path() {
	bad_path 1ms && hash_moves $large_bad "$run" '' && retransmitted $client ''
}

program_test lc_100_hash_from_ours_over_a_bad_path
lc_100_hash_from_ours_over_a_bad_path() {
	bad_path 1ms && hash_moves $large_bad '' "$run" && retransmitted $client "$run"
}

program_tests_run
