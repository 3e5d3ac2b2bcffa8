#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# The TCP wire over IPv6 is TCP to everybody: unmodified programs talk to those
# of the kernel's TCP, nft's inet tables judge it and NAT66 rewrites it, either
# way. LC-100, LC-114, LC-116.
# vm: timeout=400 busy
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

large=${XTCP_TEST_LARGE:-8388608}

tcp_wire() { # NAMESPACE...
	local ns
	for ns; do
		on $ns sysctl -qw net.ipv4.xtcp_wire=6 || return
	done
}

rules() { # NAMESPACE, rules on stdin
	on "$1" nft -f -
}

# Packets that the named counter of table t has seen.
counted() { # NAMESPACE COUNTER
	on "$1" nft list counter inet t "$2" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# A server that says back what it hears; PROGRAM is xtcp-run or empty for stock.
echo_server() { # NAMESPACE PORT PROGRAM
	start $1 $3 socat tcp6-listen:$2,reuseaddr,fork exec:cat
	await_row $1 "${3:+x}tcp6" $2 0A
}

say() { # NAMESPACE PROGRAM ADDRESS PORT [OPTION]
	echo hello | on $1 timeout 20 $2 socat -t 10 - "tcp6:[$3]:$4${5:+,$5}"
}

expect_echo() { # NAMESPACE PROGRAM ADDRESS PORT [OPTION]
	expect_equal hello "$(say "$@" 2>&1)" "echo of [$3]:$4 to '$2'"
}

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

# Through sha256sum at the other end, and its answer back by a half-close.
hash_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local sum
	tcp_wire $client $server || return
	start $server $1 socat -t 60 tcp6-listen:5004 exec:sha256sum
	await_row $server "${1:+x}tcp6" 5004 0A || return
	sum=$(head -c $large /dev/zero | on $client timeout 300 $2 socat -t 60 - 'tcp6:[fd09::2]:5004')
	expect_equal "$(head -c $large /dev/zero | sha256sum)" "$sum" 'checksum from the other side'
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

# NAT66: $client is the router; behind it $inside, whose address nobody knows.
program_test lc_114_masquerade_either_way
lc_114_masquerade_either_way() {
	local inside=inside-$$ status=1
	ip netns add $inside
	ip link add veth1 netns $client type veth peer name veth0 netns $inside
	ip -n $client link set veth1 up
	ip -n $client addr add fd07::1/64 dev veth1 nodad
	ip -n $inside link set veth0 up
	ip -n $inside link set lo up
	ip -n $inside addr add fd07::2/64 dev veth0 nodad
	ip -n $inside route add default via fd07::1
	on $client sysctl -qw net.ipv6.conf.all.forwarding=1
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
		expect_echo $inside "$run" fd09::2 5011 && status=0
	ip netns del $inside
	return $status
}

program_tests_run
