#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Whole connections on the TCP wire, checked by an independent decoder: tcpdump
# captures the packets of real programs, and tshark, whose analysis follows
# sequence numbers, windows and checksums on its own, must find no fault. Checksums are in the packets: offloads are off.
# RFC 9293 3.1, 3.4, 3.6, 3.8; RFC 7323 3.2.
# vm: timeout=600 busy with=tshark with=python3 slow distro
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# shellcheck source=../lib/tshark.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/tshark.bash"

# nginx and curl, one of them on xtcp; many full windows.
page() { # PORT SERVER-PROGRAM CLIENT-PROGRAM
	local run=$2
	start_nginx $1 || return
	expect_status 0 on $client timeout 60 $3 curl -sS -o "$dir/file" http://10.9.0.2:$1/file &&
		cmp "$dir/www/file" "$dir/file"
}

# Packets are lost, and forged ones have wrong checksums.
bad_path() { # PORT PORT-OF-ANOTHER
	on $server hping3 -q -c 3 -i u1000 -b -S -s $2 -k -p $2 10.9.0.1 >/dev/null 2>&1
	# Sent one by one: of forty large packets none might be lost.
	ip -n $server link set $wire gso_max_segs 1 &&
		on $server tc qdisc add dev $wire root netem delay 5ms loss 5% || return
	start $server "$run" socat -u "file:$dir/www/file" tcp4-listen:$1
	await_row $server xtcp $1 0A || return
	on $client timeout 60 socat -u tcp4:10.9.0.2:$1 - >"$dir/got" && cmp "$dir/www/file" "$dir/got"
}

# The checks of the other tests.
program_test tshark_reads_all
tshark_reads_all() {
	single_packets && on $client sysctl -qw net.ipv4.xtcp_wire=6 &&
		on $server sysctl -qw net.ipv4.xtcp_wire=6 && capture tcp && mkdir -p "$dir/www" || return
	head -c 500000 /dev/urandom >"$dir/www/file"
	page 5001 "$run" '' && page 5002 '' "$run" && page 5003 "$run" "$run" &&
		echo_back 5004 "$run" '' && echo_back 5005 '' "$run" && bad_path 5006 5007 &&
		captured && decode 5001-5007 && [ -n "$(packets_of 5006)" ]
}

program_test tshark_serves_a_page
tshark_serves_a_page() {
	expect_faultless 5001 500000
}

program_test tshark_gets_a_page
tshark_gets_a_page() {
	expect_faultless 5002 500000
}

program_test tshark_between_two_of_ours
tshark_between_two_of_ours() {
	expect_faultless 5003 500000
}

program_test tshark_echo_served
tshark_echo_served() {
	expect_faultless 5004 60000
}

program_test tshark_echo_asked
tshark_echo_asked() {
	expect_faultless 5005 60000
}

program_test tshark_would_tell
tshark_would_tell() {
	local seen
	seen=$(faults 5006 500000; faults 5007 1)
	# Wireshark calls a retransmission within 3 ms of its hole out of order.
	grep -qE 'retransmission|out-of-order' <<<"$seen" && grep -q 'not captured' <<<"$seen" &&
		[ "$(grep -c ': checksum:' <<<"$seen")" -eq 3 ] && return
	echo "$seen"
	return 1
}

program_tests_run
