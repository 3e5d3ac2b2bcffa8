#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# ladder: `xtcp ladder` draws captures of each kind and the tracepoints, and answers a damaged
# file, several connections and a stopped trace with one line.
# vm: timeout=600 busy with=python3 newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

capture=$PWD/capture.py
export COLUMNS=96 NO_COLOR=1
trace=/sys/kernel/tracing

# Both directions, a loss that SACK repairs, a closed window, a keepalive, a duplicate SACK, a
# reset; sequence numbers wrap.
connection() {
	cat <<-END
		1.0 > S -1 0 0 64240 mss=1460 sackok wscale=7
		1.01 < SA 5000 0 0 65160 mss=1460 sackok wscale=7
		1.02 > A 0 5001 0 502
		1.03 > PA 0 5001 1000 502
		1.03 > PA 1000 5001 1000 502
		1.03 > PA 2000 5001 1000 502
		1.04 < A 5001 1000 0 509
		1.05 < A 5001 1000 0 509 sack=2000-3000
		1.25 > PA 1000 5001 1000 502
		1.26 < A 5001 3000 0 0
		2.26 > A 2999 5001 0 502
		3.0 < A 5001 3000 0 509
		60.0 > A 2999 5001 0 502
		60.01 < A 5001 3000 0 509 sack=1000-2000
		61.0 < RA 5001 3000 0 0
	END
}

ladder_of_connection() { # LEFT RIGHT
	printf '    seconds %s%*s\n' "$1" $((84 - ${#1})) "$2"
	cat <<-'END'
		            CLOSED        |                                                      | LISTEN
		   0.000000 SYN-SENT      |--- SYN seq=0 mss=1460 sack wscale=7 ---------------->|
		   0.010000               |<-- SYN,ACK seq=0 ack=1 mss=1460 sack wscale=7 -------| SYN-RECEIVED
		   0.020000 ESTABLISHED   |--- ACK seq=1 ack=1 --------------------------------->| ESTABLISHED
		   0.030000               |--- ACK seq=1 ack=1 len=1000 ------------------------>|
		   0.030000               |--- ACK seq=1001 ack=1 len=1000 --------------------->|
		   0.030000               |--- ACK seq=2001 ack=1 len=1000 --------------------->|
		   0.040000               |<-- ACK seq=1 ack=1001 -------------------------------|
		                          |                    duplicate ACK                     |
		   0.050000               |<-- ACK seq=1 ack=1001 SACK 2001-3001 ----------------|
		                          |           retransmission 1, after 0.220 s            |
		   0.250000               |--- ACK seq=1001 ack=1 len=1000 --------------------->|
		                          |                     zero window                      |
		   0.260000               |<-- ACK seq=1 ack=3001 -------------------------------|
		                          |                     window probe                     |
		   1.260000               |--- ACK seq=3000 ack=1 ------------------------------>|
		                          |                     window opens                     |
		   2.000000               |<-- ACK seq=1 ack=3001 -------------------------------|
		                          |                      keepalive                       |
		  59.000000               |--- ACK seq=3000 ack=1 ------------------------------>|
		                          |                        DSACK                         |
		  59.010000               |<-- ACK seq=1 ack=3001 SACK 1001-2001 ----------------|
		  60.000000 CLOSED        |<-- RST,ACK seq=1 ack=3001 ---------------------------| CLOSED
	END
}

program_test ladder_of_each_kind_of_capture
ladder_of_each_kind_of_capture() {
	local kind
	for kind in 'pcap ethernet 4 6' 'pcap-ns vlan 4 253' 'pcapng sll 4 253' 'pcap sll2 4 6' 'pcapng raw 4 6'; do
		connection | python3 "$capture" make $kind >"$dir/file" &&
			expect_status 0 xtcp ladder "$dir/file" &&
			expect_equal "$(ladder_of_connection 10.9.0.1:40000 10.9.0.2:80)" "$(cat "$dir/out")" "$kind" || return
	done
	for kind in 'pcap ethernet 6 253' 'pcapng sll2 6 6'; do
		connection | python3 "$capture" make $kind >"$dir/file" &&
			expect_status 0 xtcp ladder - <"$dir/file" &&
			expect_equal "$(ladder_of_connection '[fd09::1]:40000' '[fd09::2]:80')" "$(cat "$dir/out")" "$kind" || return
	done
}

# Every way to close, as far as the segments show it.
program_test ladder_infers_states
ladder_infers_states() {
	python3 "$capture" make pcap raw 4 6 <<-END >"$dir/file"
		0 > S 10 0 0 100
		0.1 < S 90 0 0 100
		0.2 > SA 10 91 0 100
		0.3 < SA 90 11 0 100
		0.4 > A 11 91 0 100
		0.5 < A 91 11 0 100
		1 > FA 11 91 0 100
		1 < FA 91 11 0 100
		1.1 > A 12 92 0 100
		1.1 < A 92 12 0 100
	END
	expect_status 0 xtcp ladder "$dir/file" --json || return
	expect_equal "left SYN-SENT, right SYN-SENT, left SYN-RECEIVED, right SYN-RECEIVED, right ESTABLISHED, \
left ESTABLISHED, left FIN-WAIT-1, right FIN-WAIT-1, right CLOSING, left CLOSING, right TIME-WAIT, left TIME-WAIT" \
		"$(states_in_json)" 'simultaneous open and close' &&
		expect_equal 0 "$(grep -c retransmission "$dir/out")" 'retransmissions'
}

states_in_json() {
	python3 -c 'import json, sys
whole = json.load(sys.stdin)[0]
print(", ".join(("left" if i["end"] == whole["left"] else "right") + " " + i["to"]
                for i in whole["items"] if i["kind"] == "state"))' <"$dir/out"
}

program_test ladder_of_several_connections_needs_a_choice
ladder_of_several_connections_needs_a_choice() {
	connection | python3 "$capture" make pcap raw 4 6 >"$dir/file"
	connection | python3 "$capture" make pcap raw 4 253 | tail -c +25 >>"$dir/file"
	expect_status 1 xtcp ladder "$dir/file" && expect_error ': 2 connections; name the ends of one:' || return
	connection | python3 "$capture" make pcap raw 6 6 >"$dir/other"
	connection | python3 "$capture" make pcap raw 4 6 | tail -c +25 >>"$dir/other"
	expect_status 0 xtcp ladder "$dir/other" fd09::2 && grep -q '^ *seconds \[fd09::1\]:40000 ' "$dir/out" || return
	expect_status 0 xtcp ladder "$dir/other" :40000 10.9.0.2:80 && grep -q '^ *seconds 10.9.0.1:40000 ' "$dir/out" || return
	expect_status 1 xtcp ladder "$dir/other" :81 && expect_error 'no connection with :81$' &&
		expect_status 2 xtcp ladder "$dir/other" 10.9.0.300 && expect_error 'is not ADDRESS' &&
		expect_status 2 xtcp ladder && expect_error 'FILE or --live is missing'
}

# Each segment of the first pass leaves a gap, which the second fills from the end.
program_test ladder_of_many_gaps
ladder_of_many_gaps() {
	local start
	{
		echo '0 > S -1 0 0 64240'
		seq -f '1 > PA %.0f 1 100 502' 0 200 599800
		seq -f '2 > PA %.0f 1 100 502' 599900 -200 100
	} | python3 "$capture" make pcap raw 4 6 >"$dir/file"
	start=$SECONDS
	expect_status 0 xtcp ladder "$dir/file" || return
	[ $((SECONDS - start)) -lt 5 ] || { echo "took $((SECONDS - start)) s"; return 1; }
	expect_equal '2999 2999 6001' "$(grep -c 'a segment before it was not captured' "$dir/out") \
$(grep -c 'out of order' "$dir/out") $(grep -c -- '-->|' "$dir/out")" 'remarks'
}

bad() { # SIZE FILE TEXT
	head -c "$1" "$2" >"$dir/bad"
	expect_status 1 xtcp ladder "$dir/bad" && expect_error "$3" &&
		expect_equal '1 0' "$(wc -l <"$dir/err") $(wc -c <"$dir/out")" 'lines of errors, bytes of output'
}

program_test ladder_of_a_bad_file_is_one_line
ladder_of_a_bad_file_is_one_line() {
	connection | python3 "$capture" make pcap raw 4 6 >"$dir/file"
	connection | python3 "$capture" make pcapng raw 4 6 >"$dir/fileng"
	bad 0 "$dir/file" 'the file is empty$' &&
		bad 20 "$dir/file" 'in the middle of its header, at byte 20$' &&
		bad 24 "$dir/file" 'no TCP segment in it$' &&
		bad 30 "$dir/file" 'in the middle of a packet.s header, at byte 30$' &&
		bad 310 "$dir/file" 'in the middle of a packet, at byte 310$' &&
		bad 310 "$dir/fileng" 'in the middle of a block, at byte 310$' &&
		bad 300 /dev/zero 'neither pcap, pcapng nor a trace$' || return
	printf '# tracer: nop\n' >"$dir/trace"
	bad 100 "$dir/trace" 'no event of xtcp in this trace$' || return
	expect_status 1 xtcp ladder "$dir/none" && expect_error 'none: No such file or directory$' &&
		expect_status 1 xtcp ladder "$dir" && expect_error 'is a directory$'
}

# Each of 120 damaged files is drawn, or refused in one line, and nothing else happens.
program_test ladder_survives_damaged_files
ladder_survives_damaged_files() {
	local form
	export XTCPTOOL=/usr/lib/xtcp
	for form in pcap pcapng; do
		connection | python3 "$capture" make $form ethernet 4 6 >"$dir/file" &&
			expect_status 0 python3 "$capture" damage 60 "$dir/file" ladder --svg "$dir/svg" || return
	done
}

# Reads the file as XML, checks that it loads nothing, and prints the amount of arrows.
svg_arrows() { # FILE
	python3 - "$1" <<-'END'
		import sys, xml.etree.ElementTree as tree
		text = open(sys.argv[1]).read()
		root = tree.fromstring(text)
		assert root.tag.endswith("svg") and len(text) < 40000, len(text)
		assert "url(" not in text.replace("url(#a)", "") and "href" not in text and "@import" not in text
		print(text.count('marker-end="url(#a)"'))
	END
}

program_test ladder_as_a_picture
ladder_as_a_picture() {
	connection | python3 "$capture" make pcap raw 4 6 >"$dir/file"
	expect_status 0 xtcp ladder "$dir/file" --svg "$dir/svg" --title 'a <loss>' &&
		expect_equal '0 15' "$(wc -c <"$dir/out") $(svg_arrows "$dir/svg")" 'bytes of output, arrows' &&
		grep -q '>a &lt;loss&gt;</text>' "$dir/svg" || return
	expect_status 0 xtcp ladder "$dir/file" --svg "$dir/svg" --segments 3 &&
		expect_error ': 12 segments more, see --segments$' &&
		expect_equal 3 "$(svg_arrows "$dir/svg")" 'arrows of three segments' || return
	ln -s kept "$dir/link" && echo keep | tee "$dir/kept" >"$dir/theirs" && chown nobody "$dir/theirs" &&
		expect_status 1 xtcp ladder "$dir/file" --svg "$dir/link" && expect_error 'link: is a link$' &&
		expect_status 1 xtcp ladder "$dir/file" --svg "$dir/theirs" && expect_error 'theirs belongs to another user$' &&
		expect_equal 'keep keep' "$(cat "$dir/kept" "$dir/theirs" | xargs)" 'both files'
}

# --- live --------------------------------------------------------------------

# The ladder of the next connection, in the background, from when it watches.
watch() { # OPTION...
	[ -d $trace/instances ] || mount -t tracefs tracefs $trace
	# The ladder ends with the connection, and looks at its trace twenty times a second.
	on $client sysctl -qw net.ipv4.xtcp_tw_timeout=2
	on $server sysctl -qw net.ipv4.xtcp_tw_timeout=2
	xtcp ladder --live "$@" >"$dir/ladder" 2>"$dir/err" </dev/null &
	pids+=($!) watcher=$!
	for ((i = 0; i < 200; i++)); do
		! grep -qs watching "$dir/err" || break
		sleep .05
	done
	sleep .2
}

watched() { # STATUS
	wait $watcher
	expect_equal "$1" $? 'status of xtcp ladder --live'
}

# Times vary; so does the client's port.
drawn() {
	sed -E 's/^ *[0-9]+\.[0-9]{6}/TIME/; s/ +/ /g; s/-{3,}/---/g; s/(10\.9\.0\.1):[0-9]+/\1:PORT/' "$dir/ladder"
}

one_connection() { # PORT
	start $server "$run" socat -t 5 tcp4-listen:$1,reuseaddr system:'cat >/dev/null; sleep 1'
	await_row $server xtcp $1 0A || return
	echo hello | on $client timeout 200 "$run" socat -u - tcp4:10.9.0.2:$1
}

# On a busy host the program may be so late with its FIN that the peer's delayed ACK goes alone.
program_test ladder_of_the_tracepoints
ladder_of_the_tracepoints() {
	watch 10.9.0.2:5001
	one_connection 5001 && watched 0 || return
	expect_equal "$(cat <<-'END'
		 seconds 10.9.0.1:PORT 10.9.0.2:5001
		 CLOSED | | LISTEN
		TIME SYN-SENT | on active-OPEN |
		TIME |--- SYN seq=0 --->| SYN-RECEIVED
		TIME | SYN queued, SYN queue 0 of 5 |
		TIME ESTABLISHED |<-- SYN,ACK seq=0 ack=1 ---|
		TIME |--- ACK seq=1 ack=1 --->| ESTABLISHED
		TIME |--- ACK seq=1 ack=1 len=6 --->|
		TIME FIN-WAIT-1 | on SHUTDOWN-SEND |
		TIME |--- FIN,ACK seq=7 ack=1 --->| CLOSE-WAIT
		TIME FIN-WAIT-2 |<-- ACK seq=1 ack=8 ---|
		TIME | on SHUTDOWN-SEND | LAST-ACK
		TIME TIME-WAIT |<-- FIN,ACK seq=1 ack=8 ---|
		TIME |--- ACK seq=8 ack=2 --->| CLOSED
		TIME CLOSED | on TIME-WAIT-TIMEOUT |
	END
	)" "$(drawn | grep -vF '<-- ACK seq=1 ack=7 ---')" 'ladder' &&
		expect_equal '' "$(ls $trace/instances)" 'instances that stay'
}

# The server hears the third SYN; the first two were lost on the way.
program_test ladder_shows_loss_and_backoff
ladder_shows_loss_and_backoff() {
	rules $server <<<'table inet t { chain in { type filter hook prerouting priority -500;
		ip protocol 253 drop; }; }'
	watch :5001
	(sleep 2.5; on $server nft delete table inet t) &
	one_connection 5001 && watched 0 || return
	expect_equal "$(cat <<-'END'
		 | lost |
		TIME |--- SYN seq=0 ---x |
		 | retransmission 1, after 1.0 s; lost |
		TIME |--- SYN seq=0 ---x |
		 | retransmission 2, after 2.0 s |
		TIME |--- SYN seq=0 --->| SYN-RECEIVED
	END
	)" "$(drawn | sed -E 's/(after [0-9]\.[0-9])[0-9]+ s/\1 s/' | sed -n '4,9p')" 'SYNs'
}

# A segment of :40000, and what its sender tells right after it.
told() { # TIME SEQ LENGTH REASON
	local line='socat-9 [000] d..2. ' ends='netns=1 wire=253 10.9.0.1:40000 10.9.0.2:80'
	echo "$line $1: xtcp_send: $ends seq=$2 ack=1 len=$3 wnd=502 flags=ACK"
	[ -z "$4" ] || echo "$line $1: xtcp_retransmit: $ends seq=$2 len=$3 times=1 waited_us=200000 $4"
}

program_test ladder_tells_why_a_segment_was_sent_again
ladder_tells_why_a_segment_was_sent_again() {
	{
		told 1.000000 1 1000 ''
		told 1.100000 1 1000 RTO
		told 1.200000 1001 1000 loss-probe
		told 1.300000 1 1000 RACK
		told 1.400000 1001 1000 duplicate-ACKs
		told 9.000000 2000 0 keepalive
		# Of no segment, and of one that is long gone.
		told 9.500000 7777 0 RTO | tail -n 1
		told 9.600000 2001 10 ''
		told 9.700000 2001 10 RTO | tail -n 1
	} >"$dir/trace"
	expect_status 0 xtcp ladder "$dir/trace" && expect_equal "$(cat <<-'END'
		retransmission 1, after 0.100 s, RTO
		loss-probe
		retransmission 2, after 0.200 s, RACK
		retransmission 1, after 0.200 s, duplicate-ACKs
		keepalive
	END
	)" "$(sed -nE 's/^ +\| +([a-z][^|]*[^ |]) +\|$/\1/p' "$dir/out")" 'remarks' || { cat "$dir/out"; return 1; }
	expect_status 0 xtcp ladder "$dir/trace" --json && expect_equal 'None RTO loss-probe RACK duplicate-ACKs keepalive None' \
		"$(python3 -c 'import json, sys
print(*(i["reason"] for i in json.load(sys.stdin)[0]["items"] if i["kind"] == "segment"))' <"$dir/out")" reasons &&
		expect_status 0 xtcp ladder "$dir/trace" --svg "$dir/svg" &&
		grep -q '>retransmission 2, after 0.200 s, RACK</text>' "$dir/svg"
}

# The first data segment is lost on the way.
program_test ladder_of_a_loss_has_its_reason
ladder_of_a_loss_has_its_reason() {
	rules $server <<<'table inet t { chain in { type filter hook prerouting priority -500;
		ip length > 500 numgen inc mod 1000 == 0 drop; }; }'
	watch :5001 --json
	start $server "$run" socat -u tcp4-listen:5001,reuseaddr open:/dev/null
	await_row $server xtcp 5001 0A || return
	head -c 1000 /dev/zero | on $client timeout 200 "$run" socat -u - tcp4:10.9.0.2:5001
	watched 0 || return
	expect_equal 'True True' "$(python3 -c 'import json, sys
s = [i for i in json.load(sys.stdin)[0]["items"] if i["kind"] == "segment" and i["length_bytes"]]
print(s[0]["lost"] and s[0]["reason"] is None, s[-1]["reason"] in ("RTO", "loss-probe", "RACK"))' <"$dir/ladder")" \
		'the lost segment, and the one after it' || { cat "$dir/ladder"; return 1; }
}

# As of a terminal that closes: the second comes while the first is served.
program_test ladder_after_many_signals
ladder_after_many_signals() {
	local i
	for i in 1 2 3; do
		watch :5009
		kill -HUP $watcher && kill -TERM $watcher && sleep .0$i && kill -HUP $watcher 2>/dev/null
		wait $watcher
		expect_error 'the trace: no connection' && expect_equal '' "$(ls $trace/instances)" 'instances that stay' || return
	done
}

# On a machine of many CPUs, too: the sum for all of them, in KiB. The kernel rounds up to its pages.
program_test ladder_takes_little_memory
ladder_takes_little_memory() {
	local kb
	expect_equal '4096 131072 131072 262144' "$(PYTHONPATH=/usr/lib/xtcp python3 -c 'from xtcptool import tracing
print(*(n * tracing.buffer_kb(n) for n in (1, 32, 128, 1024)))')" 'memory of 1, 32, 128 and 1024 CPUs' || return
	watch :5001
	kb=$(sed 's/ .*//' $trace/instances/xtcp-*/buffer_size_kb)
	echo 0 >"$(echo $trace/instances/xtcp-*)/tracing_on"
	watched 1 && { [ "$kb" -ge 4096 ] && [ "$kb" -lt 4104 ] || { echo "$kb KiB of a CPU"; return 1; }; }
}

program_test ladder_of_a_stopped_trace_is_one_line
ladder_of_a_stopped_trace_is_one_line() {
	watch :5001
	echo 0 >"$(echo $trace/instances/xtcp-*)/tracing_on"
	watched 1 && expect_error 'somebody stopped the trace' &&
		expect_equal '' "$(ls $trace/instances)" 'instances that stay' || return
	expect_status 1 xtcp ladder --live --seconds 0.1 && expect_error 'the trace: no connection$'
}

# Runs Python with the tools' modules; watched(LINES) is the ladder of a trace with such lines, which is empty now and
# then, and calls(FUNCTION, ...) the number of calls that it makes.
in_python() { # STATUS; the rest of the program on stdin
	{
		cat <<-'END'
			import contextlib, itertools, os, sys
			from xtcptool import main, tracing
			from xtcptool.commands import ladder

			def line(n, name, ends, rest):
			    return f" socat-9 [000] d..2. {n / 10**5:.6f}: xtcp_{name}: netns=1 wire=6 {ends} {rest}"

			def calls(function, *arguments):
			    count = 0
			    def learn(frame, what, argument):
			        nonlocal count
			        count += what == "call"
			    sys.setprofile(learn)
			    try:
			        function(*arguments)
			    finally:
			        sys.setprofile(None)
			    return count

			def watched(lines):
			    tracing.instance = lambda *_: contextlib.nullcontext("none")
			    tracing.follow = lambda *_: itertools.chain.from_iterable((text, None) for text in lines)
			    return ladder.watch([], None)[0]

			HERE, THERE = "10.9.0.1:40000 10.9.0.2:80", "10.9.0.2:80 10.9.0.1:40000"
		END
		cat
	} >"$dir/script"
	expect_status "$1" env PYTHONPATH=/usr/lib/xtcp python3 "$dir/script"
}

# The time that a load takes must not be that of the tool: four times as many events, some four times as many calls.
program_test ladder_of_many_events
ladder_of_many_events() {
	in_python 0 <<-'END' || return
		def segments(amount):
		    """Traced at both ends; a third of them is lost."""
		    for i in range(amount):
		        yield line(i, "send", HERE, f"seq={i * 1000} ack=1 len=1000 wnd=500 flags=ACK")
		        if i % 3:
		            yield line(i, "rcv", THERE, f"seq={i * 1000} ack=1 len=1000 wnd=500 flags=ACK")

		def pair(amount):
		    return tracing.pair(tracing.event(text) for text in segments(amount))

		print(calls(watched, segments(400)) < 6 * calls(watched, segments(100)), calls(pair, 1200) < 6 * calls(pair, 300))
		print(sum(s.lost for s in pair(1200)))
	END
	expect_equal 'True True 400' "$(xargs <"$dir/out")" 'whether the cost is in proportion, and lost segments'
}

# The kernel lets all clients of the port in, and with an address alone all connections of the machine.
program_test ladder_keeps_nothing_of_other_connections
ladder_keeps_nothing_of_other_connections() {
	in_python 0 <<-'END' || return
		def kept(end):
		    """Events, keys of segments and keys of states: of 100 others, and then of one that fits, too."""
		    watch = ladder.Watch([ladder.end_filter(end)])
		    def hear(client):
		        ends = f"10.9.0.2:80 {client}:40000"
		        for name, rest in (("rcv", "seq=1 ack=1 len=9 wnd=500 flags=ACK"), ("state", "ESTABLISHED -> CLOSED on RST"),
		                           ("reset", "x"), ("retransmit", "seq=1 len=9 times=1 waited_us=9 RTO")):
		            watch.hear(*tracing.event(line(1, name, ends, rest)))
		        return len(watch.events), len(watch.with_segment), len(watch.states), watch.is_over()
		    return [hear(f"10.8.0.{n}") for n in range(100)][-1] + hear("10.9.0.1")

		print(*kept("10.9.0.1:40000"), *kept("10.9.0.1"))
	END
	expect_equal '0 0 0 False 4 1 1 True 0 0 0 False 4 1 1 True' "$(<"$dir/out")" 'what is kept'
}

program_test ladder_pairs_what_devices_divide_and_merge
ladder_pairs_what_devices_divide_and_merge() {
	in_python 0 <<-'END' || return
		def sent(n, seq, length):
		    return line(n, "send", HERE, f"seq={seq} ack=1 len={length} wnd=500 flags=ACK")
		def received(n, seq, length):
		    return line(n, "rcv", THERE, f"seq={seq} ack=1 len={length} wnd=500 flags=ACK")

		found = tracing.parse([
		    sent(1, 4294900000, 65000), sent(2, 4294965000, 65000), sent(3, 62704, 1000), sent(4, 63704, 0),
		    sent(5, 63704, 4000000000), received(6, 4294900000, 100), received(7, 4294900100, 64900),
		    received(8, 4294965000, 66000), received(9, 63704, 0), received(10, 63704, 1)])
		print(*(f"{s.time * 10**5:.0f}-{s.arrived * 10**5:.0f}" for s in found))
	END
	expect_equal '1-6 2-8 3-8 4-9 5-10' "$(<"$dir/out")" 'times of departure and arrival'
}

# The trace that is read is a folder of files.
program_test ladder_with_losses_of_the_trace
ladder_with_losses_of_the_trace() {
	mkdir -p "$dir/folder/events/xtcp"
	echo 1 | tee "$dir/folder/tracing_on" >"$dir/folder/events/xtcp/enable"
	in_python 0 <<-END || return
		folder = "$dir/folder"
		with open(folder + "/trace_pipe", "w") as f:
		    for n, (name, ends) in enumerate((("send", HERE), ("rcv", THERE), ("send", HERE))):
		        print(line(n, name, ends, f"seq={n // 2} ack=1 len=1 wnd=500 flags=ACK"), file=f)
		    print("CPU:0 [LOST 3 EVENTS]\nCPU:1 [LOST EVENTS]", file=f)
		tracing.instance = lambda *_: contextlib.nullcontext(folder)
		sys.exit(main.main(["ladder", "--live", "--seconds", "0.2"]))
	END
	expect_error '^xtcp ladder: 4 events found no room and may be missing$' &&
		expect_equal '2 0' "$(grep -c -- '-->|' "$dir/out") $(grep -c lost "$dir/out")" 'segments, segments called lost'
}

# Enabled events do not hold the module. Loaded again, it has others, which are off.
program_test live_ends_when_the_module_goes
live_ends_when_the_module_goes() {
	local n plotter status=0
	watch :5001
	xtcp plot :5001 -o "$dir/svg" 2>"$dir/err.plot" </dev/null &
	pids+=($!) plotter=$!
	expect_soon 1 'a plot that watches' grep -c watching "$dir/err.plot" || return
	lifecycle_log
	[ ! -d /sys/module/xtcp_diag ] || rmmod xtcp_diag
	# Orphans of other programs may hold it.
	for n in {1..400}; do
		! rmmod xtcp 2>"$dir/rmmod" || break
		sleep 1
	done
	[ ! -d /sys/module/xtcp ] || { cat "$dir/rmmod"; return 1; }
	insmod /xtcp/xtcp.ko || return
	for ((n = 0; n < 40; n++)); do
		[ -n "$(jobs -pr)" ] || break
		sleep .1
	done
	# One that goes on would never be done.
	kill -KILL $watcher $plotter 2>/dev/null
	watched 1 && expect_error '^xtcp ladder: the module was unloaded, or somebody switched its events off$' || status=1
	wait $plotter
	expect_equal 1 $? 'status of xtcp plot' && cp "$dir/err.plot" "$dir/err" &&
		expect_error '^xtcp plot: the module was unloaded, or somebody switched its events off$' || status=1
	rmdir $trace/instances/xtcp-* 2>/dev/null
	return $status
}

program_tests_run
