#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# The TCP wire over IPv6 is TCP for everyone: unmodified programs talk to programs
# on the kernel's TCP, nft's inet tables filter it and NAT66 rewrites it, both
# ways. LC-100, LC-114, LC-116.
# vm: timeout=400 busy slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

family=6
large=${XTCP_TEST_LARGE:-2097152}

# --- programs ---------------------------------------------------------------

program_test program_nginx_for_a_stock_curl
program_nginx_for_a_stock_curl() {
	tcp_wire $server && mkdir -p "$dir/www" && head -c 2097152 /dev/urandom >"$dir/www/file" ||
		return
	start_nginx '[::]:5001' || return
	expect_status 0 on $client timeout 60 curl -sS -o "$dir/file" -w '%{remote_ip}' \
		'http://[fd09::2]:5001/file' && expect_equal fd09::2 "$(cat "$dir/out")" 'who answered' &&
		cmp "$dir/www/file" "$dir/file"
}

program_test program_curl_of_a_stock_nginx
program_curl_of_a_stock_nginx() {
	local ours=$run
	tcp_wire $client && mkdir -p "$dir/www" && head -c 2097152 /dev/urandom >"$dir/www/file" ||
		return
	run='' start_nginx '[::]:5001' || return
	expect_status 0 on $client timeout 60 "$ours" curl -sS -o "$dir/file" \
		'http://[fd09::2]:5001/file' && cmp "$dir/www/file" "$dir/file"
}

iperf3_moves() { # SERVER-PROGRAM CLIENT-PROGRAM OPTION...
	local server_run=$1 client_run=$2
	shift 2
	tcp_wire $client $server || return
	start $server $server_run iperf3 -6 -s -1 -p 5003
	await_row $server "${server_run:+x}tcp6" 5003 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 100 $client_run iperf3 -6 -c fd09::2 -p 5003 -n 2M "$@" &&
		expect_client "$client_run"
}

program_test program_iperf3_serves
program_iperf3_serves() {
	iperf3_moves "$run" '' && iperf3_moves "$run" '' -R
}

program_test program_iperf3_connects
program_iperf3_connects() {
	iperf3_moves '' "$run" && iperf3_moves '' "$run" -R
}

# Through sha256sum at the other end, and its answer back by a half-close.
hash_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local sum
	tcp_wire $client $server || return
	start $server $1 socat -t 60 tcp6-listen:5004 exec:sha256sum
	await_row $server "${1:+x}tcp6" 5004 0A || return
	sum=$(numbers $large | on $client timeout 300 $2 socat -t 60 - 'tcp6:[fd09::2]:5004')
	expect_equal "$(numbers $large | sha256sum)" "$sum" 'checksum from the other side' && expect_client "$2"
}

program_test lc_100_hash_to_ours
lc_100_hash_to_ours() {
	hash_moves "$run" ''
}

program_test lc_100_hash_from_ours
lc_100_hash_from_ours() {
	hash_moves '' "$run"
}

# A listener on :: holds its port in both families, and serves both.
program_test lc_116_dual_stack_listener_serves_both
lc_116_dual_stack_listener_serves_both() {
	tcp_wire $server || return
	start $server "$run" socat tcp6-listen:5005,reuseaddr,fork,ipv6only=0 exec:cat
	await_row $server xtcp6 5005 0A || return
	expect_echo $client '' fd09::2 5005 || return
	expect_equal hello "$(echo hello | on $client timeout 20 socat -t 10 - tcp4:10.9.0.2:5005 2>&1)" \
		'echo over IPv4' || return
	expect_status 1 on $server timeout 5 socat -u tcp4-listen:5005 - || return
	expect_status 1 on $server timeout 5 socat -u tcp6-listen:5005 -
}

# --- firewalls --------------------------------------------------------------

program_test lc_114_input_rules_come_first
lc_114_input_rules_come_first() {
	tcp_wire $server || return
	echo_server $server 5007 "$run" || return
	expect_echo $client '' fd09::2 5007 || return
	rules $server <<-END || return
		table inet t {
			counter dropped { }
			chain in {
				type filter hook input priority filter
				tcp dport 5007 counter name dropped drop
			}
		}
	END
	say $client '' fd09::2 5007 connect-timeout=4 >/dev/null 2>&1 && { echo 'the drop lets it in'; return 1; }
	[ "$(counted $server dropped)" -ge 2 ] || { echo 'no SYN was dropped'; return 1; }
	on $server nft flush ruleset
	expect_echo $client '' fd09::2 5007 || return
	rules $server <<-END || return
		table inet t {
			chain in {
				type filter hook input priority filter
				tcp dport 5007 reject with tcp reset
			}
		}
	END
	expect_status 1 on $client socat - 'tcp6:[fd09::2]:5007,connect-timeout=4' && grep -q refused "$dir/err"
}

program_test lc_114_conntrack_sees_every_state
lc_114_conntrack_sees_every_state() {
	conntrack_sees_every_state
}

program_test lc_114_redirect_either_way
lc_114_redirect_either_way() {
	tcp_wire $client $server || return
	rules $server <<-END || return
		table ip6 t {
			chain pre {
				type nat hook prerouting priority dstnat
				tcp dport 80 redirect to :5012
				tcp dport 81 redirect to :5013
			}
		}
	END
	rules $client <<-END || return
		table ip6 t {
			chain out {
				type nat hook output priority -100
				tcp dport 82 dnat to [fd09::2]:5012
			}
		}
	END
	echo_server $server 5012 "$run" && echo_server $server 5013 '' || return
	expect_echo $client '' fd09::2 80 && expect_echo $client "$run" fd09::2 80 &&
		expect_echo $client "$run" fd09::2 81 && expect_echo $client "$run" fd09::99 82
}

# RFC 4861 7.3.1: while data is acknowledged the neighbour is not probed again.
program_test rfc4861_progress_confirms_the_neighbour
rfc4861_progress_confirms_the_neighbour() {
	local before after i ns
	tcp_wire $client $server || return
	for ns in $client $server; do
		on $ns sysctl -qw net.ipv6.neigh.$wire.base_reachable_time_ms=2000 \
			net.ipv6.neigh.$wire.delay_first_probe_time=1
	done
	echo_server $server 5014 '' || return
	(for ((i = 0; i < 100; i++)); do echo $i; sleep .2; done) |
		on $client timeout 60 "$run" socat -t 5 - 'tcp6:[fd09::2]:5014' >"$dir/back" &
	pids+=($!)
	sleep 5
	before=$(solicitations)
	sleep 12
	after=$(solicitations)
	expect_equal "$before" "$after" "neighbour solicitations of the client's" &&
		[ "$(wc -l <"$dir/back")" -ge 60 ]
}

solicitations() {
	kernel_count $client Icmp6OutNeighborSolicits
}

# NAT66: $client is the router; behind it $inside, whose address has no route outside.
program_test lc_114_masquerade_either_way
lc_114_masquerade_either_way() {
	open_inside || return
	tcp_wire $inside $server
	rules $client <<-END
		table inet t {
			chain post {
				type nat hook postrouting priority srcnat
				oif $wire masquerade
			}
		}
	END
	echo_server $server 5010 "$run" && echo_server $server 5011 '' &&
		expect_echo $inside "$run" fd09::2 5010 && expect_echo $inside '' fd09::2 5010 &&
		expect_echo $inside "$run" fd09::2 5011
}

program_tests_run
