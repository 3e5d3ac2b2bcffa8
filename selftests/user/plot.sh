#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2015,SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# plot: `xtcp plot` draws a live transfer from the tracepoints, a capture, and two flows side by side.
# vm: timeout=600 busy with=python3 newest slow rare
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

capture=$PWD/capture.py
trace=/sys/kernel/tracing

# A plot of the next connection, in the background, from when it watches.
watch() { # OPTION...
	local i
	# That of the test before has the word, too.
	rm -f "$dir/err"
	[ -d $trace/instances ] || mount -t tracefs tracefs $trace
	# ip netns exec has a /sys of its own.
	ip netns exec $client sh -c "mount -t tracefs tracefs $trace && exec \"\$@\"" sh xtcp plot "$@" -o "$dir/svg" >"$dir/said.plot" 2>"$dir/err" </dev/null &
	pids+=($!) watcher=$!
	for ((i = 0; i < 200; i++)); do
		! grep -qs watching "$dir/err" || break
		sleep .05
	done
}

watched() { # STATUS
	wait $watcher
	expect_equal "$1" $? 'status of xtcp plot' && expect_equal '' "$(ls $trace/instances)" 'instances that stay' ||
		{ cat "$dir/err"; return 1; }
}

# Segments 50 and 51 of 300 kB are lost, and later a flight's end.
transfer() { # PROGRAM
	on $client ethtool -K $wire gso off tso off >/dev/null
	start $server $1 socat -u tcp4-listen:5001,reuseaddr open:/dev/null
	await_row $server "$(table_of "$1")" 5001 0A || return
	rules $server <<<'table inet t { counter lost { }; chain in { type filter hook prerouting priority -500;
		ip length > 1000 numgen inc mod 100 == 50 counter name lost drop; }; }'
	head -c 300000 /dev/zero | on $client timeout 60 $1 socat -u - tcp4:10.9.0.2:5001
}

# Values of the JSON that was printed, which is j.
json() { # EXPRESSION
	python3 -c 'import json, sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1" <"$dir/said.plot"
}

# Reads the file as XML, checks that it loads nothing, and prints the titles of its panels.
svg_titles() { # FILE
	python3 - "$1" <<-'END'
		import sys, xml.etree.ElementTree as tree
		text = open(sys.argv[1]).read()
		root = tree.fromstring(text)
		assert root.tag.endswith("svg") and len(text) < 200000, len(text)
		assert "url(" not in text.replace("url(#a)", "") and "href" not in text and "@import" not in text
		print("; ".join(e.text for e in root.iter() if e.get("class") == "h"))
	END
}

program_test live_transfer_with_losses
live_transfer_with_losses() {
	watch :5001 --json && transfer "$run" && watched 0 || return
	expect_equal "1 300000 native smoothed True True $(counted $server lost)" \
		"$(json '" ".join(map(str, (len(j), j[0]["payload_bytes"], j[0]["wire"], j[0]["rtt"], j[0]["cwnd_peak_segments"] >= 10,
			j[0]["sack_blocks"] > 0, sum(j[0]["retransmissions"].values()))))')" flow || { cat "$dir/said.plot"; return 1; }
	expect_equal True "$(json 'set(j[0]["retransmissions"]) <= {"RACK", "duplicate-ACKs", "loss-probe", "RTO", "slow-start"}')" \
		'each has a reason' || { cat "$dir/said.plot"; return 1; }
	expect_equal 'the transfer; Sequence numbers, bytes; cwnd (thin: ssthresh), segments; Smoothed round trip time, ms' \
		"$(svg_titles "$dir/svg")" panels
}

program_test beside_the_kernels_tcp
beside_the_kernels_tcp() {
	ip netns exec $client xtcp record -o "$dir/stock" 10.9.0.2 >/dev/null 2>"$dir/err" </dev/null &
	pids+=($!)
	expect_soon 1 'a recording' grep -c recording "$dir/err"
	transfer '' && wait ${pids[0]} || return
	expect_status 0 xtcp plot --from "$dir/stock.pcapng" -o "$dir/svg" || return
	expect_equal 'the transfer; Sequence numbers, bytes; Round trip time of single segments, ms' \
		"$(svg_titles "$dir/svg")" 'panels of a capture' || return
	grep -q '^the transfer: 300000 bytes in [0-9.]* s, sent again: sent again [0-9]*$' "$dir/out" || { cat "$dir/out"; return 1; }
	on $server nft delete table inet t
	kill "${pids[1]}" 2>/dev/null
	watch 10.9.0.2:5001 --beside "$dir/stock.pcapng" --beside-title 'the <kernel>' --json && transfer "$run" && watched 0 || return
	expect_equal '2 native tcp 300000 None' \
		"$(json '" ".join(map(str, (len(j), j[0]["wire"], j[1]["wire"], j[1]["payload_bytes"], j[1]["cwnd_peak_segments"])))')" flows &&
		expect_equal 'xtcp the <kernel>' "$(svg_titles "$dir/svg" | tr ';' '\n' | sed -n '1p;5p' | xargs)" titles
}

program_test ends_without_a_trace
ends_without_a_trace() {
	watch :5009 && kill -INT $watcher && watched 1 && expect_error 'no such connection was seen$' || return
	watch :5009 --seconds 0.3 && watched 1 && expect_error 'no such connection was seen$' || return
	watch :5009 && echo 0 >"$(echo $trace/instances/xtcp-*)/tracing_on" && watched 1 && expect_error 'somebody stopped the trace' || return
	expect_status 1 su nobody -c 'xtcp plot' && expect_error 'only root may' &&
		expect_equal 1 "$(wc -l <"$dir/err")" 'lines of errors'
}

# The plot is stopped meanwhile: packets of other ports are dropped before they take room, and all
# of its own are drawn after a signal.
program_test while_it_cannot_read
while_it_cannot_read() {
	watch :5001 --json && kill -STOP $watcher || return
	trap "kill -CONT $watcher; trap - RETURN" RETURN
	start $server socat -u tcp4-listen:5002,reuseaddr open:/dev/null
	await_row $server tcp 5002 0A || return
	head -c 100000 /dev/zero | on $client socat -u - tcp4:10.9.0.2:5002
	# A few of IPv6's own may be among them.
	expect_equal 1 "$(on $client awk 'NR > 1 { sum += $7 } END { print sum < 10000 }' /proc/net/packet)" \
		'little of other traffic' && transfer "$run" || return
	kill -INT $watcher && kill -CONT $watcher && watched 0 && expect_equal 300000 "$(json 'j[0]["payload_bytes"]')" bytes &&
		expect_equal 1 "$(wc -l <"$dir/err")" 'lines of errors'
}

program_test a_picture_is_not_lost
a_picture_is_not_lost() {
	printf '%s\n' '0 > S 1000 0 0 64240' '0.01 < SA 500 1001 0 65160' '0.02 > PA 1001 501 10 502' |
		python3 "$capture" make pcap raw 4 6 >"$dir/file"
	mkdir "$dir/kept" && cd "$dir/kept" || return
	expect_status 0 xtcp plot --from "$dir/file" && expect_error '^xtcp plot: the picture is xtcp-plot.svg$' &&
		echo keep >xtcp-plot.svg && ln -s nowhere xtcp-plot-2.svg &&
		expect_status 0 xtcp plot --from "$dir/file" && expect_error '^xtcp plot: the picture is xtcp-plot-3.svg$' &&
		expect_equal keep "$(<xtcp-plot.svg)" 'the file that was there' && svg_titles xtcp-plot-3.svg >/dev/null &&
		expect_equal 'xtcp-plot-2.svg xtcp-plot-3.svg xtcp-plot.svg' "$(echo *)" files &&
		expect_status 0 xtcp plot --from "$dir/file" -o xtcp-plot.svg && svg_titles xtcp-plot.svg >/dev/null &&
		ln -s kept link && echo keep | tee kept >theirs && chown nobody theirs &&
		expect_status 1 xtcp plot --from "$dir/file" -o link && expect_error 'link: is a link$' &&
		expect_status 1 xtcp plot --from "$dir/file" -o theirs && expect_error 'theirs belongs to another user$' &&
		expect_equal 'keep keep' "$(cat kept theirs | xargs)" 'both files' &&
		expect_equal 644 "$(stat -c %a xtcp-plot-3.svg)" mode
	local status=$?
	cd - >/dev/null && return $status
}

program_test damaged_files
damaged_files() {
	local size
	export XTCPTOOL=/usr/lib/xtcp
	{
		echo '0 > S 0 0 0 64240 mss=1460 wscale=7'
		echo '0.01 < SA 500 1 0 65160 mss=1460 wscale=7'
		echo '0.02 > PA 1 501 1000 502'
		echo '0.03 > PA 1001 501 1000 502'
		echo '0.05 < A 501 1 0 502 sack=1001-2001'
		echo '0.3 > PA 1 501 1000 502'
		echo '0.31 < A 501 2001 0 502'
	} | python3 "$capture" make pcap raw 4 6 >"$dir/file"
	expect_status 0 xtcp plot --from "$dir/file" -o "$dir/svg" --title lost &&
		expect_equal 'lost: 2000 bytes in 0.310 s, sent again: sent again 1' "$(<"$dir/out")" output || return
	for size in 0 10 30 100; do
		head -c $size "$dir/file" >"$dir/short"
		expect_status 1 xtcp plot --from "$dir/short" -o "$dir/svg" && expect_error 'short: ' &&
			expect_equal '1 0' "$(wc -l <"$dir/err") $(wc -c <"$dir/out")" 'lines of errors, bytes of output' || return
	done
	expect_status 0 python3 "$capture" damage 120 "$dir/file" plot -o "$dir/svg" --from
}

# Events of a sender on 10.9.0.1:40000; the trace has no change of state.
events() { # CWND REASON
	local line='socat-9 [000] d..2. ' ends='netns=1 wire=253 10.9.0.1:40000 10.9.0.2:80'
	echo "$line 1.000000: xtcp_send: $ends seq=1 ack=1 len=1000 wnd=502 flags=ACK"
	echo "$line 1.010000: xtcp_ack: $ends ack=1 una=1 nxt=1001 wnd=65000 cwnd=$1 ssthresh=2147483647 inflight=1 sacked=0 lost=0 retrans=0 delivered=0 srtt=0 rto=200000 pacing=0 Open"
	echo "$line 1.200000: xtcp_retransmit: $ends seq=1 len=1000 times=1 waited_us=200000 $2"
	echo "$line 1.200010: xtcp_send: $ends seq=1 ack=1 len=1000 wnd=502 flags=ACK"
	echo "$line 1.210000: xtcp_rcv: $ends seq=1 ack=1001 len=0 wnd=502 flags=ACK"
}

# Of a file, a pipe and standard input, what the sender tells is in the picture.
program_test traces_however_they_come
traces_however_they_come() {
	local how
	events 10 RTO >"$dir/trace"
	for how in 'plot --from trace' 'plot --from - <trace' 'plot --from <(cat trace)' 'cat trace | xtcp plot --from -'; do
		(cd "$dir" && bash -c "${how/#plot/xtcp plot} -o svg --json" >said.plot) &&
			expect_equal "10 {'RTO': 1}" "$(json 'str(j[0]["cwnd_peak_segments"]) + " " + str(j[0]["retransmissions"])')" "$how" || return
	done
}

# Control characters reach neither the terminal nor the XML; numbers may be any.
program_test odd_words_and_numbers
odd_words_and_numbers() {
	local cwnd
	events 10 $'\e]0;R\aTO' >"$dir/trace"
	expect_status 0 xtcp plot --from "$dir/trace" -o "$dir/svg" --title $'a\e[2Jb\x01' &&
		expect_equal "a?[2Jb?: 1000 bytes in 0.210 s, sent again: ?]0;R?TO 1" "$(<"$dir/out")" output &&
		expect_equal 'a?[2Jb?' "$(svg_titles "$dir/svg" | sed 's/;.*//')" title || return
	for cwnd in 0 9999999999 "$(printf '%0400d' 9)" "$(printf '%05000d' 9)"; do
		events "$cwnd" RTO >"$dir/trace"
		expect_status 0 xtcp plot --from "$dir/trace" -o "$dir/svg" && svg_titles "$dir/svg" >/dev/null || return
	done
	printf '%s\n' '0 > S 1000 0 0 64240' '0.01 < SA 500 1001 0 65160' '0.02 > PA 500 501 10 502' |
		python3 "$capture" make pcap raw 4 6 >"$dir/file"
	expect_status 0 xtcp plot --from "$dir/file" -o "$dir/svg" && svg_titles "$dir/svg" >/dev/null &&
		expect_status 2 xtcp plot --from "$dir/file" -o - --json && expect_error 'either --json or'
}

# A connection of the kernel's TCP, whose packets always wait, is none of xtcp.
program_test busy_stock_connection
busy_stock_connection() {
	start $server socat -u tcp4-listen:5002,reuseaddr open:/dev/null
	await_row $server tcp 5002 0A || return
	start $client socat -u /dev/zero tcp4:10.9.0.2:5002
	await_row $server tcp 5002 01 || return
	watch :5002 --seconds 0.5 && watched 1 && expect_error 'no such connection was seen$'
}

program_tests_run
