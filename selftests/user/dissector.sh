#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Wireshark's view of the native wire with scripts/xtcp.lua: tshark follows a real
# connection with cookie and token and finds no fault, judges checksums, shows the
# fields of xtcp's options, and calls broken options malformed.
# vm: timeout=600 busy with=tshark with=python3 newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"
# shellcheck source=../lib/tshark.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/tshark.bash"

dissector=/usr/share/xtcp/xtcp.lua
cookie_fields='-e xtcp.cookie.mss -e xtcp.cookie.peer_shift -e xtcp.cookie.own_shift -e xtcp.cookie.minute
	-e xtcp.cookie.ecn -e xtcp.cookie.sack -e xtcp.cookie.timestamps -e xtcp.cookie.seq -e xtcp.cookie.mac'
token_fields='-e xtcp.token.expires -e xtcp.token.dscp -e xtcp.token.plain -e xtcp.token.mac'
cookie=fd14584305b4786f0102030411223344556677aa
token=fd105854012345690102030405060708

# The first connection begins with a cookie, the second ends with a token. A connection
# with a cookie has no token.
program_test dissector_reads_all
dissector_reads_all() {
	on $server sysctl -qw net.ipv4.xtcp_syncookies=2 && single_packets && capture 'ip proto 253' &&
		echo_back 5001 "$run" "$run" && on $server sysctl -qw net.ipv4.xtcp_syncookies=0 &&
		on $client sysctl -qw net.ipv4.xtcp_tw_stateless=1 && push 5002 || return
	captured && decode 5001-5002 -X lua_script:$dissector -e tcp.flags -e tcp.seq_raw \
		-e xtcp.cookie.seq -e xtcp.cookie.mss -e xtcp.token.mac
}

push() { # PORT
	start $server "$run" socat -u tcp4-listen:$1 /dev/null
	await_row $server xtcp $1 0A || return
	on $client timeout 60 "$run" socat -u "file:$dir/file" tcp4:10.9.0.2:$1
}

program_test dissector_finds_no_fault
dissector_finds_no_fault() {
	expect_faultless 5001 60000 && expect_faultless 5002 30000
}

# The cookie of the SYN-ACK has the SYN's number, and so has the client's first ACK, which
# returns it.
program_test dissector_shows_the_cookie
dissector_shows_the_cookie() {
	local syn
	packets_of 5001 | cut -d'|' -f12-15 >"$dir/options"
	syn=$(sed -n '1s/^0x0002|\([0-9]*\)|.*/\1/p' "$dir/options")
	expect_equal "0x0012|$syn|1460
0x0010|$syn|1460" "$(cut -d'|' -f1,3,4 "$dir/options" | grep '|[0-9]')" 'segments with a cookie'
}

# The client's token is on its FIN, and on the server's, which repeats it.
program_test dissector_shows_the_token
dissector_shows_the_token() {
	local mac
	packets_of 5002 | awk -F'|' '$16 != "" { print $12, $16 }' >"$dir/options"
	mac=$(sed -n '1s/.* //p' "$dir/options")
	[ -n "$mac" ] && expect_equal "0x0011 $mac 0x0011 $mac" \
		"$(grep 0x0011 "$dir/options" | xargs)" 'FINs with a token'
}

# Made by hand: one segment a line, with its number as the time.
handmade() { # FAMILY
	python3 "$(dirname "$0")/capture.py" make pcap raw $1 253 >"$dir/pcap" <<-END
		1 > S 0 0 0 65535 mss=1460 wscale=7
		2 < SA 0 1 0 65535 hex=$cookie
		3 > A 1 1 5 100 hex=$token
		4 > A 6 1 0 100 hex=${cookie/fd14/fd13}
		5 > A 6 1 0 100 hex=fd005843
		6 > A 6 1 0 100 hex=01010108
		7 > A 6 1 0 100 hex=080a0000
		8 > A 6 1 0 100 hex=fd045854
		9 > A 6 1 0 100 hex=fd04abcd
		10 > A 6 1 0 100 hex=$cookie badsum
		11 > A 6 1 0 100 hex=$cookie cut=25
		12 > A 6 1 0 100 hex=00ff0000
		13 > A 6 1 0 100 cut=10
	END
	decode 80 -X lua_script:$dissector -e frame.number -e tcp.options.mss_val -e xtcp.options.malformed \
		-e xtcp.option.length $cookie_fields $token_fields
}

# The columns of a packet from N on.
of_packet() { # PACKET FIRST LAST
	awk -F'|' -v packet=$1 '$12 == packet' "$dir/packets" | cut -d'|' -f$2-$3
}

judged() { # FAMILY
	local said
	handmade $1 || return
	expect_equal 1460 "$(of_packet 1 13 13)" 'MSS of the SYN' &&
		expect_equal '1460|7|8|6|1|1|1|16909060|11223344556677aa' "$(of_packet 2 16 24)" 'the cookie' &&
		expect_equal '74565|26|1|0102030405060708' "$(of_packet 3 25 28)" 'the token' &&
		expect_equal 5 "$(of_packet 3 6 6)" 'bytes of payload' &&
		# A status a packet; 0: bad, 1: good, 2: unverified.
		expect_equal '1 1 1 1 1 1 1 1 1 0 2 1 2' \
			"$(cut -d'|' -f8 "$dir/packets" | sed 's/^$/2/' | xargs)" 'checksums' &&
		expect_equal '4 5 6 7 8' "$(awk -F'|' '$14 $15 { print $12 }' "$dir/packets" | xargs)" 'malformed' &&
		expect_equal '' "$(of_packet 4 16 24 | tr -d '|')" 'a cookie of 19 bytes'  || return
	for said in '4 Lossless cookie with length 19, not 20' '5 Option of kind 253 with length 0' \
		'6 Option of kind 8 without a length' '7 Option of kind 8 with length 10' \
		'8 Token of stateless TIME-WAIT with length 4, not 16'; do
		grep -q "${said#* }" <<<"$(of_packet ${said%% *} 11 11)" || { of_packet ${said%% *} 1 99; return 1; }
	done
}

program_test dissector_judges_ipv4
dissector_judges_ipv4() {
	judged 4
}

program_test dissector_judges_ipv6
dissector_judges_ipv6() {
	judged 6
}

program_tests_run
