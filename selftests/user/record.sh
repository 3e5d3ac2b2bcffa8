#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2015,SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# record: `xtcp record` writes a live connection as a pcapng, and as a packet script that
# script/packetdrill plays against the module, on both wires, and against the kernel's TCP.
# vm: timeout=900 busy with=python3 with=tshark uses=script/packetdrill newest distro slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

capture=$PWD/capture.py
player=$PWD/../script/packetdrill

# The next connection, in the background, from when the capture is open.
record() { # NAMESPACE OPTION...
	local ns=$1 i
	shift
	# That of the test before has the word, too.
	rm -f "$dir/err"
	ip netns exec $ns xtcp record -o "$dir/r" "$@" >"$dir/said.record" 2>"$dir/err" </dev/null &
	pids+=($!) recorder=$!
	for ((i = 0; i < 200; i++)); do
		! grep -qs recording "$dir/err" || return 0
		sleep .05
	done
}

recorded() { # STATUS
	wait $recorder
	expect_equal "$1" $? 'status of xtcp record' || { cat "$dir/err"; return 1; }
}

# Each stack does what the script says.
plays() { # SCRIPT [MODULE-ONLY]
	"$player" "$1" >"$dir/played" 2>&1 || { echo 'on xtcp:'; cat "$1" "$dir/played"; return 1; }
	XTCP_TEST_WIRE=6 "$player" "$1" >"$dir/played" 2>&1 ||
		{ echo "on xtcp's TCP wire:"; cat "$1" "$dir/played"; return 1; }
	[ -n "${2-}" ] || XTCP_TEST_STOCK=1 "$player" "$1" >"$dir/played" 2>&1 ||
		{ echo "on the kernel's TCP:"; cat "$1" "$dir/played"; return 1; }
}

# Lines of the script that fit, without their times.
lines() { # PATTERN
	sed -E 's/^\+[^ \t]*[ \t]//' "$dir/r.pkt" | grep -E "$1"
}

# A server that answers one line with 3000 bytes and closes, and a client that reads them.
request() { # PROGRAM
	start $server $1 socat tcp4-listen:5001,reuseaddr system:'read line; head -c 3000 /dev/zero'
	await_row $server "$(table_of "$1")" 5001 0A || return
	expect_equal 3000 "$(echo hello | on $client timeout 60 $1 socat -t 30 - tcp4:10.9.0.2:5001 | wc -c)" bytes
}

program_test client_replays_on_each_stack
client_replays_on_each_stack() {
	record $client :5001 --script && request "$run" && recorded 0 || return
	grep -qE '^/.*/r.pcapng: [0-9]+ segments, 3006 bytes of payload, [0-9.]+ s, 10.9.0.1:[0-9]+ to 10.9.0.2:5001, native wire$' \
		"$dir/said.record" && grep -qE "^/.*/r.pkt: the client's 9 system calls, [0-9]+ segments$" "$dir/said.record" ||
		{ cat "$dir/said.record"; return 1; }
			expect_equal "$(cat <<-'END'
			socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
			fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
			connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
			getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
			write(3, ..., 6) = 6
			shutdown(3, SHUT_WR) = 0
			read(3, ..., 3000) = 3000
			read(3, ..., 1) = 0
			close(3) = 0
		END
		)" "$(lines '= ')" calls && plays "$dir/r.pkt"
}

program_test server_replays_on_each_stack
server_replays_on_each_stack() {
	record $server 10.9.0.2:5001 --script && request "$run" && recorded 0 || return
	lines 'accept\(3' >/dev/null && lines 'write\(4, ..., 3000\)' >/dev/null || { cat "$dir/r.pkt"; return 1; }
	plays "$dir/r.pkt"
}

program_test stock_connection_replays_on_each_stack
stock_connection_replays_on_each_stack() {
	record $client :5001 --script && request '' && recorded 0 && plays "$dir/r.pkt" || return
	record $server :5001 --script && request '' && recorded 0 && plays "$dir/r.pkt"
}

# The third segment of 20000 bytes is lost, and SACK brings it again.
program_test loss_replays_on_each_stack
loss_replays_on_each_stack() {
	on $client ethtool -K $wire gso off tso off >/dev/null
	start $server "$run" socat -u tcp4-listen:5001,reuseaddr open:/dev/null
	await_row $server xtcp 5001 0A || return
	rules $server <<<'table inet t { counter lost { }; chain in { type filter hook prerouting priority -500;
		ip protocol 253 ip length > 1000 numgen inc mod 1000 == 2 counter name lost drop; }; }'
	record $client :5001 --script || return
	head -c 20000 /dev/zero | on $client timeout 60 "$run" socat -u - tcp4:10.9.0.2:5001
	recorded 0 || return
	expect_equal 1 "$(counted $server lost)" 'segments lost' || return
	lines '^<.*,sack ' >/dev/null && expect_equal 2 "$(lines '^> ' | grep -c ' 2897:4345(1448)')" 'copies of it' ||
		{ cat "$dir/r.pkt"; return 1; }
	plays "$dir/r.pkt"
}

# The server does not hear the first SYN and the first FIN.
program_test timeouts_replay_on_each_stack
timeouts_replay_on_each_stack() {
	rules $server <<<'table inet t { chain in { type filter hook prerouting priority -500;
		ip protocol 253 @th,104,8 & 0x03 != 0 numgen inc mod 2 == 0 drop; }; }'
	record $client :5001 --script && request "$run" && recorded 0 || return
	expect_equal '2 2' "$(lines '^> S ' | wc -l) $(lines '^> F' | wc -l)" 'SYNs and FINs' || { cat "$dir/r.pkt"; return 1; }
	plays "$dir/r.pkt"
}

# Other numbers of bytes, another echo of a timestamp, an ACK that never comes, a FIN too late.
program_test changed_scripts_fail
changed_scripts_fail() {
	local change
	record $client :5001 --script && request "$run" && recorded 0 && "$player" "$dir/r.pkt" >/dev/null 2>&1 || return
	for change in 's/write(3, ..., 6) = 6/write(3, ..., 7) = 7/' '/\t> [PF]/s/ecr /ecr 9/' \
		'/\t> \. .* ack 3002/s/ack 3002/ack 3003/' 's/^+0\t> F/+0.2\t> F/'; do
		sed "$change" "$dir/r.pkt" >"$dir/other.pkt"
		! cmp -s "$dir/r.pkt" "$dir/other.pkt" && ! "$player" "$dir/other.pkt" >/dev/null 2>&1 ||
			{ echo "plays after $change:"; cat "$dir/other.pkt"; return 1; }
	done
}

program_test others_read_the_pcapng
others_read_the_pcapng() {
	rm -f "$dir/r.pkt"
	record $client 10.9.0.2 && request '' && recorded 0 || return
	tcpdump -nr "$dir/r.pcapng" 'tcp[tcpflags] & tcp-syn != 0' >"$dir/read" 2>"$dir/err" || { cat "$dir/err"; return 1; }
	expect_equal 2 "$(grep -c 'Flags \[S' "$dir/read")" 'SYNs that tcpdump reads' || return
	expect_equal "$(sed 's/.*: \([0-9]*\) segments.*/\1/' "$dir/said.record")" \
		"$(tshark -r "$dir/r.pcapng" -Y tcp 2>/dev/null | wc -l)" 'segments that tshark reads' || return
	expect_equal '3006' "$(tshark -r "$dir/r.pcapng" -T fields -e tcp.len 2>/dev/null |
		awk '{ sum += $1 } END { print sum }')" 'bytes of payload' &&
		expect_status 0 xtcp ladder "$dir/r.pcapng" && [ ! -e "$dir/r.pkt" ]
}

program_test without_the_beginning
without_the_beginning() {
	start $server "$run" socat tcp4-listen:5001,reuseaddr exec:cat
	await_row $server xtcp 5001 0A || return
	start $client "$run" bash -c '(sleep 3; echo hello; sleep 3) | socat -t 1 - tcp4:10.9.0.2:5001'
	await_row $server xtcp 5001 01 || return
	record $client :5001 --script && recorded 1 && expect_error ': no script: the capture lacks the beginning of the connection$' &&
		expect_status 0 xtcp ladder "$dir/r.pcapng" && expect_equal 0 "$(grep -c SYN, "$dir/out")" SYNs
}

program_test ends_by_count_time_and_signal
ends_by_count_time_and_signal() {
	record $client :5001 --count 3 --json && request "$run" && recorded 0 || return
	expect_equal '3 3' "$(python3 -c 'import json, sys; j = json.load(sys.stdin)[0]; print(j["segments"])' <"$dir/said.record"
		) $(xtcp ladder "$dir/r.pcapng" | grep -c -- '---')" segments || return
	record $client :5009 --seconds 0.5 && recorded 1 && expect_error 'no connection with :5009 was seen$' || return
	record $client :5001 && start $server "$run" socat tcp4-listen:5001,reuseaddr exec:cat &&
		await_row $server xtcp 5001 0A || return
	start $client "$run" bash -c '(echo hello; sleep 100) | socat - tcp4:10.9.0.2:5001'
	await_row $server xtcp 5001 01 && sleep 1 && kill -INT $recorder && recorded 0 &&
		has_row $server xtcp 5001 01 && expect_status 0 xtcp ladder "$dir/r.pcapng" && grep -q 'len=6' "$dir/out"
}

# What came before a signal is in the file, also if it was not read yet; other ports take no room.
program_test while_it_cannot_read
while_it_cannot_read() {
	record $client :5001 && kill -STOP $recorder || return
	trap "kill -CONT $recorder; trap - RETURN" RETURN
	start $server socat -u tcp4-listen:5002,reuseaddr open:/dev/null
	await_row $server tcp 5002 0A || return
	head -c 100000 /dev/zero | on $client socat -u - tcp4:10.9.0.2:5002
	# A few of IPv6's own may be among them.
	expect_equal 1 "$(on $client awk 'NR > 1 { sum += $7 } END { print sum < 10000 }' /proc/net/packet)" \
		'little of other traffic' && request "$run" && kill -INT $recorder && kill -CONT $recorder && recorded 0 || return
	grep -q ' 3006 bytes of payload, .* to 10.9.0.2:5001, native wire$' "$dir/said.record" || { cat "$dir/said.record"; return 1; }
}

bad() { # STATUS TEXT ARGUMENT...
	local status=$1 text=$2
	shift 2
	expect_status $status xtcp record -o "$dir/b" "$@" && expect_error "$text" &&
		expect_equal '1 0' "$(wc -l <"$dir/err") $(wc -c <"$dir/out")" 'lines of errors, bytes of output'
}

program_test bad_files_are_one_line
bad_files_are_one_line() {
	local size
	cat >"$dir/lines" <<-END
		0 > S 0 0 0 100 mss=1460
		0.1 < SA 90 1 0 100 mss=1460
		0.2 > A 1 91 0 100
		0.3 > PA 1 91 10 100
		0.4 < A 91 11 0 100
		0.5 > PA 21 91 10 100
		0.6 > RA 31 91 0 100
	END
	python3 "$capture" make pcap raw 4 6 <"$dir/lines" >"$dir/file"
	bad 1 'lacks a segment of 10.9.0.1:40000 before 0.500000 s$' --from "$dir/file" --script || return
	sed 1d "$dir/lines" | python3 "$capture" make pcap raw 4 6 >"$dir/late"
	bad 1 'the capture lacks the beginning of the connection$' --from "$dir/late" --script || return
	head -n 5 "$dir/lines" | sed '1s/S 0 0 0/S 0 0 9/' | python3 "$capture" make pcap raw 4 6 >"$dir/open"
	bad 1 'a SYN with data' --from "$dir/open" --script || return
	for size in 0 10 30 100; do
		head -c $size "$dir/file" >"$dir/short"
		bad 1 'short: ' --from "$dir/short" --script || return
	done
	bad 1 'No such file' --from "$dir/none" --script && bad 2 'is for --script' --from "$dir/file" &&
		bad 2 'is not ADDRESS' 10.9.0.300 && bad 2 'for a live connection' --from "$dir/file" --script --count 1 || return
	expect_status 1 xtcp record -o "$dir/none/r" && expect_error 'can.t be written$'
}

# A file stays as it is until there is a packet to write, and always if the user did not name it.
program_test a_file_is_not_lost
a_file_is_not_lost() {
	mkdir "$dir/kept" && chmod 755 "$dir" && chmod 777 "$dir/kept" && echo keep >"$dir/kept/r.pcapng" && chmod 666 "$dir/kept/r.pcapng"
	expect_status 1 su nobody -c "xtcp record -o '$dir/kept/r'" && expect_error 'only root may capture packets$' &&
		expect_status 1 xtcp record :5009 --seconds 0.2 -o "$dir/kept/r" &&
		expect_error 'no connection with :5009 was seen$' &&
		expect_equal keep "$(<"$dir/kept/r.pcapng")" 'the named file' || return
	# Others may write to the folder: what they have put there in advance would show them the payload.
	ln -s r.pcapng "$dir/kept/link.pcapng" && echo theirs >"$dir/kept/theirs.pcapng" && chown nobody "$dir/kept/theirs.pcapng" &&
		expect_status 1 xtcp record :5009 --seconds 0.2 -o "$dir/kept/link" && expect_error 'link.pcapng: is a link$' &&
		expect_status 1 xtcp record :5009 --seconds 0.2 -o "$dir/kept/theirs" &&
		expect_error 'theirs.pcapng belongs to another user$' &&
		expect_equal 'keep theirs' "$(cat "$dir/kept/r.pcapng" "$dir/kept/theirs.pcapng" | xargs)" 'both files' || return
	mv "$dir/kept/r.pcapng" "$dir/kept/xtcp-record.pcapng"
	cd "$dir/kept" || return
	expect_status 1 xtcp record :5009 --seconds 0.2 && expect_error '^xtcp record: xtcp-record.pcapng exists: ' &&
		expect_equal keep "$(<xtcp-record.pcapng)" 'the file of the default name' || return
	cd - >/dev/null && rm -f "$dir"/r.* && record $client :5001 --count 1 && request '' && recorded 0 &&
		expect_equal 600 "$(stat -c %a "$dir/r.pcapng")" 'mode of the file'
}

# Without an END the first segment is that of a connection which is there.
program_test without_an_end_the_next_that_opens
without_an_end_the_next_that_opens() {
	start $server socat -u tcp4-listen:5002,reuseaddr open:/dev/null
	await_row $server tcp 5002 0A || return
	start $client bash -c 'while sleep .05; do echo hello; done | socat -u - tcp4:10.9.0.2:5002'
	await_row $server tcp 5002 01 || return
	record $client --count 3 && sleep .5 && request '' && recorded 0 || return
	grep -q ' to 10.9.0.2:5001, tcp wire$' "$dir/said.record" || { cat "$dir/said.record"; return 1; }
}

# A script is made of each of 120 damaged files, or it is refused in one line.
program_test survives_damaged_files
survives_damaged_files() {
	export XTCPTOOL=/usr/lib/xtcp
	record $client :5001 && request "$run" && recorded 0 || return
	expect_status 0 python3 "$capture" damage 120 "$dir/r.pcapng" record --script -o "$dir/b" --from
}

program_tests_run
