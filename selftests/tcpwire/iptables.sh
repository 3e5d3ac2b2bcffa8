#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# Rules of iptables: its matches and targets (x_tables, under nf_tables' hooks)
# parse the TCP header themselves, so the cases of firewall.sh are repeated here.
# LC-114. And the rules that Documentation/operate.rst prints for iptables.
# vm: timeout=400 with=iptables short slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# Packets that the rules of CHAIN with TARGET have seen.
matched() { # NAMESPACE TABLE CHAIN TARGET
	on $1 iptables -t $2 -nvxL $3 | awk -v target=$4 '$3 == target { sum += $1 } END { print sum + 0 }'
}

program_test lc_114_iptables_input
lc_114_iptables_input() {
	local before
	tcp_wire $client $server || return
	echo_server $server 5002 "$run" || return
	on $server iptables -A INPUT -p tcp --dport 5002 --syn -j DROP || return
	before=$(xtcp_count $server TcpInSegs)
	! say $client '' 10.9.0.2 5002 connect-timeout=4 >/dev/null 2>&1 &&
		expect_equal "$before" "$(xtcp_count $server TcpInSegs)" 'segments that came through' &&
		[ "$(matched $server filter INPUT DROP)" -ge 2 ] || { on $server iptables -nvL; return 1; }
	on $server iptables -F
	expect_echo $client "$run" 10.9.0.2 5002 || return
	on $server iptables -A INPUT -p tcp --dport 5002 -j REJECT --reject-with tcp-reset || return
	expect_status 1 on $client $run socat - tcp4:10.9.0.2:5002,connect-timeout=4 &&
		grep -q refused "$dir/err"
}

# A list of ports, flags, connection state: of arriving and of leaving packets.
program_test lc_114_iptables_matches
lc_114_iptables_matches() {
	tcp_wire $client $server || return
	echo_server $server 5003 "$run" || return
	on $server iptables -P INPUT DROP &&
		on $server iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT &&
		on $server iptables -A INPUT -p tcp -m multiport --dports 5002,5003 --tcp-flags SYN,ACK,RST,FIN SYN \
			-m conntrack --ctstate NEW -j ACCEPT &&
		on $client iptables -N marked &&
		on $client iptables -A OUTPUT -p tcp --dport 5003 -m mark --mark 7 -j marked &&
		on $client iptables -N owned &&
		on $client iptables -A OUTPUT -p tcp --dport 5003 -m owner --uid-owner 0 -j owned || return
	# SO_MARK of SOL_SOCKET, set when it is connected.
	expect_echo $client "$run" 10.9.0.2 5003 setsockopt-int=1:36:7 &&
		[ "$(matched $server filter INPUT ACCEPT)" -ge 4 ] &&
		[ "$(matched $client filter OUTPUT marked)" -ge 3 ] &&
		[ "$(matched $client filter OUTPUT owned)" -ge 4 ] ||
		{ on $server iptables -nvL; on $client iptables -nvL; return 1; }
}

# The option is rewritten in both SYNs, and the checksum with it; both ends use the
# rewritten value.
program_test lc_114_iptables_clamps_the_mss
lc_114_iptables_clamps_the_mss() {
	local ns largest
	tcp_wire $client $server || return
	start $client tcpdump -lnni $wire tcp port 5004
	for ns in $client $server; do
		# tcpdump captures before a device segments.
		ip -n $ns link set $wire gso_max_segs 1
		on $ns iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS \
			--set-mss 700 || return
	done
	echo_server $server 5004 "$run" || return
	head -c 20000 /dev/zero | tr '\0' x >"$dir/text"
	on $client timeout 20 $run socat -t 10 - tcp4:10.9.0.2:5004 <"$dir/text" >"$dir/back"
	cmp "$dir/text" "$dir/back" || return
	sleep 1
	# Less the timestamps, 12 bytes.
	largest=$(sed -n 's/.*\], seq .*, length \([0-9]*\)$/\1/p' "$dir/out.0" | sort -n | tail -n 1)
	expect_equal 688 "$largest" 'the longest segment' &&
		expect_equal 2 "$(grep -c 'Flags \[S.*mss 700' "$dir/out.0")" 'SYNs that say 700' || return
	for ns in $client $server; do
		expect_equal 1 "$(matched $ns mangle POSTROUTING TCPMSS)" "SYNs rewritten in $ns" || return
	done
}

program_test lc_114_iptables_nat
lc_114_iptables_nat() {
	tcp_wire $client $server && open_inside || return
	echo_server $server 5005 "$run" || return
	on $client iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -j MASQUERADE &&
		on $client iptables -t nat -A PREROUTING -p tcp --dport 5006 -j DNAT --to-destination 10.9.0.2:5005 &&
		on $server iptables -t nat -A PREROUTING -p tcp --dport 5007 -j REDIRECT --to-ports 5005 &&
		tcp_wire $inside || return
	expect_echo $inside "$run" 10.9.0.2 5005 && expect_echo $inside '' 10.9.0.2 5007 &&
		expect_echo $inside "$run" 192.168.7.1 5006 || return
	expect_equal 3 "$(xtcp_count $server TcpPassiveOpens)" 'connections that came' &&
		expect_equal 3 "$(matched $client nat POSTROUTING MASQUERADE)" 'connections masqueraded'
}

# One network gets through on the native wire, and no other source. The TCP wire is not concerned.
program_test operate_iptables_admit_a_network
operate_iptables_admit_a_network() {
	local line lines=0
	on $client ip addr add 10.9.1.1/24 dev $wire && on $server ip route add 10.9.1.0/24 dev $wire &&
		echo_server $server 5008 "$run" && expect_echo $client "$run" 10.9.0.2 5008 bind=10.9.1.1 || return
	while read -r line; do
		# shellcheck disable=SC2294 # a command line of the document
		eval "on \$server $line" || { echo "refused: $line"; return 1; }
		lines=$((lines + 1))
	done < <(sed -n 's/^\t\(iptables .*\)/\1/p' "${XTCP_DOCUMENTS:-/xtcp/Documentation}/operate.rst")
	expect_equal 2 $lines 'rules of operate.rst' && expect_echo $client "$run" 10.9.0.2 5008 || return
	say $client "$run" 10.9.0.2 5008 bind=10.9.1.1,connect-timeout=2 >"$dir/told" 2>&1
	grep -q 'timed out' "$dir/told" && [ "$(matched $server filter INPUT DROP)" -ge 1 ] ||
		{ cat "$dir/told"; on $server iptables -nvL; return 1; }
	tcp_wire $client $server && echo_server $server 5009 "$run" &&
		expect_echo $client "$run" 10.9.0.2 5009 bind=10.9.1.1
}

program_tests_run
