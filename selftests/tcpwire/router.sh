#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# A router between the two stacks, which tracks connections (conntrack) and drops
# packets that belong to none: xtcp on the TCP wire as client, as server and as
# both. While data flows the path gets a smaller MTU, once with ICMP errors, once
# without. LC-100, LC-105, LC-114; RFC 1191, RFC 4821.
# vm: timeout=600 busy slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

bytes=400000
far=192.168.7.2

# $client is the router, $inside the server behind it; $server is the client.
open_router() {
	open_inside || return
	ip -n $server route add 192.168.7.0/24 via 10.9.0.1
	on $client sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
	on $inside sysctl -qw net.ipv4.xtcp_wire=6 && on $server sysctl -qw net.ipv4.xtcp_wire=6 || return
	on $client nft -f - <<-END
		table ip t {
			counter new { }
			counter invalid { }
			counter told_inside { }
			counter told_outside { }
			chain through {
				type filter hook forward priority filter; policy drop;
				ct state invalid counter name invalid drop
				ct state established,related accept
				tcp dport 5001-5009 ct state new counter name new accept
			}
			chain told {
				type filter hook output priority filter;
				ip daddr $far icmp type destination-unreachable icmp code frag-needed counter name told_inside
				ip daddr 10.9.0.2 icmp type destination-unreachable icmp code frag-needed counter name told_outside
			}
		}
	END
}

# The server echoes the client's data: both directions are full.
start_echo() { # PORT PROGRAM
	start $inside $2 socat -b 65536 -t 100 tcp4-listen:$1,reuseaddr exec:cat
	await_row $inside "${2:+x}tcp" $1 0A
}

# Half of the data, a signal of the test, the other half; and all of it back.
start_asking() { # PORT PROGRAM
	head -c $bytes /dev/urandom >"$dir/file"
	rm -f "$dir/go" "$dir/back"
	mkfifo "$dir/go"
	{
		head -c $((bytes / 2)) "$dir/file"
		read -r _ <"$dir/go"
		tail -c +$((bytes / 2 + 1)) "$dir/file"
	} | on $server timeout 300 $2 socat -b 65536 -t 100 - tcp4:$far:$1 >"$dir/back" &
	pids+=($!)
}

# Returns when that much has come back.
await_back() { # BYTES
	local i
	for ((i = 0; i < 400; i++)); do
		[ "$(stat -c %s "$dir/back" 2>/dev/null || echo 0)" -lt $1 ] || return 0
		sleep .25
	done
	echo "only $(stat -c %s "$dir/back") of $1 bytes came back"
	return 1
}

conntrack_says() { # PORT PATTERN
	local state
	state=$(on $client conntrack -L -p tcp --dport $1 2>/dev/null)
	grep -Eq "$2" <<<"$state" && return
	echo "conntrack: wanted $2, got: $state"
	return 1
}

through() { # PORT SERVER-PROGRAM CLIENT-PROGRAM CHANGE
	local port=$1 server_run=$2 client_run=$3 change=$4
	open_router && start_echo $port "$server_run" && start_asking $port "$client_run" &&
		await_back $((bytes / 2)) && conntrack_says $port 'ESTABLISHED.*ASSURED' || return
	$change || return
	echo go >"$dir/go"
	await_back $bytes && cmp "$dir/file" "$dir/back" || return
	sleep 2
	expect_client "$client_run" $server && conntrack_says $port 'TIME_WAIT.*ASSURED' &&
		expect_equal 1 "$(counted $client new)" 'connections that conntrack saw begin' &&
		expect_equal 0 "$(counted $client invalid)" 'packets that belong to none'
}

nothing() {
	:
}

program_test lc_114_conntrack_between_client
lc_114_conntrack_between_client() {
	through 5001 '' "$run" nothing
}

program_test lc_114_conntrack_between_server
lc_114_conntrack_between_server() {
	through 5002 "$run" '' nothing
}

program_test lc_114_conntrack_between_both
lc_114_conntrack_between_both() {
	through 5003 "$run" "$run" nothing
}

# The router's routes get a smaller MTU; it reports larger packets to their sender.
# The links' MTU stays: a veth silently drops packets larger than the MTU of the
# receiving end.
path_shrinks() {
	ip -n $client route change 10.9.0.0/24 dev $wire src 10.9.0.1 mtu 1200 &&
		ip -n $client route change 192.168.7.0/24 dev veth1 src 192.168.7.1 mtu 900
}

expect_both_told() {
	local end
	for end in inside outside; do
		[ "$(counted $client told_$end)" -ge 1 ] || { echo "the router told nobody $end that a packet was too big"; return 1; }
	done
}

program_test lc_106_path_shrinks_for_client
lc_106_path_shrinks_for_client() {
	through 5004 '' "$run" path_shrinks && expect_both_told
}

program_test lc_106_path_shrinks_for_server
lc_106_path_shrinks_for_server() {
	through 5005 "$run" '' path_shrinks && expect_both_told
}

# It reports nothing: the black hole is found by probing.
path_shrinks_in_silence() {
	on $inside sysctl -qw net.ipv4.xtcp_mtu_probing=1 && on $server sysctl -qw net.ipv4.xtcp_mtu_probing=1 || return
	on $client nft add chain ip t silent '{ type filter hook output priority filter; }' &&
		on $client nft add rule ip t silent icmp type destination-unreachable drop && path_shrinks
}

program_test rfc4821_silent_path_for_both
rfc4821_silent_path_for_both() {
	through 5006 "$run" "$run" path_shrinks_in_silence
}

program_tests_run
