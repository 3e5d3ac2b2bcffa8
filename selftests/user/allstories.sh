#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # awk's $; names have no blanks; called by name
#
# allstories: those of `make run` (scripts/run.d/scenes), each changed so that what it shows does not
# happen. It has to say so, with a line "WRONG" for each fact. And each one on the kernel's TCP, too.
# vm: timeout=1800 with=python3 uses=user/report.tar newest slow rare
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# shellcheck source=../lib/hosts.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/hosts.bash"

# With a change of the story, these facts are wrong and no others.
fails() { # NAME SED FACT...
	open_hosts || return
	cp "$dir/run.d/scenes" "$dir/scenes"
	sed -i "$2" "$dir/run.d/scenes"
	! cmp -s "$dir/scenes" "$dir/run.d/scenes" || { echo "nothing was changed by $2"; close_hosts; return 1; }
	tell 1 $1 || return
	expect_equal "$(printf '%s\n' "${@:3}")" "$(sed -n 's/^  WRONG  //p' "$dir/raw" | cut -c -40)" 'what is wrong'
}

# The first SYN is lost.
lose_a_syn='on server nft -f - <<<"table inet t { chain in { type filter hook prerouting priority -500; \
	ip protocol 253 numgen inc mod 100 0 drop; }; }"'

program_test story_handshake
story_handshake() {
	fails handshake "/^handshake/,/^}/s/^.listen/$lose_a_syn\n&/" 'SYN, SYN-ACK and ACK open the connection' &&
		# Nothing is written, and the server closes first.
		fails handshake '/^handshake/,/^}/{s/echo hello | connect -u/sleep 5 | connect/
			s/listen .*/listen -U tcp4-listen:$port exec:true/}' \
			'what was written at once is one segment,' 'the client closes first: it goes through' \
			'the server goes through CLOSE-WAIT and L' &&
		fails handshake '/^handshake/,/^}/s/^.listen/knob client tw_timeout=30\n&/' "the client's TIME-WAIT lasts 60 s"
}

program_test story_lost_syn_ack
story_lost_syn_ack() {
	fails lost-syn-ack 's/syn_linear_timeouts=0/syn_linear_timeouts=4/' \
		'the server sends its SYN-ACK at 0, 1, 3 ' "so does the client's: it sends its SYN a" &&
		fails lost-syn-ack 's/sleep 6; on/sleep 600; on/' \
			'the server sends its SYN-ACK at 0, 1, 3 ' 'the SYN-ACK of 7 s is the first that arr' \
			'the bytes arrive'
}

program_test story_close
story_close() {
	# The client writes, and the server waits longer; the path is long.
	fails close "/^close/,/^}/{s/sleep 1 | connect/{ sleep 1; echo; } | connect/; s/; sleep 2'/; sleep 3'/}" 'four segments close the connection: FIN,' \
		'the client is in FIN-WAIT-2 for 2 s, unt' 'the server is in CLOSE-WAIT for the same' &&
		fails close '/^close/,/^}/s/^.listen/delay 100ms; knob client tw_timeout=30\n&/' \
			'FIN-WAIT-1 and LAST-ACK end with the nex' 'the client, which closed first, is in TI'
}

program_test story_simultaneous
story_simultaneous() {
	# Only the SYNs are on the way at once; nothing is.
	fails simultaneous 's/delay 100ms/delay 30ms/' 'each end sends its FIN before it has the' \
		'client: the close leads from FIN-WAIT-1 ' 'server: the close leads from FIN-WAIT-1 ' &&
		fails simultaneous '/^simultaneous/,/^}/s/delay 100ms/:/' \
			'each end sends a SYN before it has the o' 'client: the open leads from SYN-SENT thr' \
			'server: the open leads from SYN-SENT thr' \
			'each end sends its FIN before it has the' 'client: the close leads from FIN-WAIT-1 ' \
			'server: the close leads from FIN-WAIT-1 '
}

program_test story_time_wait_reuse
story_time_wait_reuse() {
	fails time-wait-reuse 's/knob client tw_reuse=1/knob client tw_reuse=0/' \
		'the client sends a SYN from port 40000 a' 'the second connect() ends the TIME-WAIT ' \
		'both connections carry their bytes' 'the TIME-WAIT of the second one lasts 60'
}

program_test story_loss
story_loss() {
	# Nothing is lost; the segment is lost twice; all payload is lost.
	fails loss 's/inc mod 10 3 drop/inc mod 100 43 drop/' \
		'the client sends the fourth segment, byt' "the server's ACKs name byte 4345, the ne" \
		'they make the client send it again after' &&
		fails loss 's/inc mod 10 3 drop/inc mod 8 3 drop/' \
			'the client sends the fourth segment, byt' &&
		fails loss 's/numgen inc mod 10 3 drop/drop/' \
			'the client sends the fourth segment, byt' "the server's ACKs name byte 4345, the ne" \
			'they make the client send it again after' 'all 14480 bytes arrive, in order'
}

program_test story_nagle
story_nagle() {
	# TCP_NODELAY; two bytes at a time.
	fails nagle '/^nagle/,/^}/s/connect -u - tcp4:10.0.0.2:$port/&,nodelay/' \
		'the next three wait: they leave together' 'they leave when the ACK of the first arr' \
		'the last two leave with the FIN: six wri' &&
		fails nagle 's/printf %s $byte/&0/' 'the first byte leaves at once, alone' \
			'the next three wait: they leave together' 'they leave when the ACK of the first arr' \
			'the last two leave with the FIN: six wri' 'all bytes arrive'
}

program_test story_zero_window
story_zero_window() {
	# The server reads at once; after 10 s; never.
	fails zero-window 's/kill -STOP/kill -CONT/' \
		"the server's buffer is full: it advertis" 'the client then sends no byte until the ' \
		'it sends probes, without payload: 0' 'each pause between them is twice the one' \
		'the server answers probes: the window is' &&
		fails zero-window '/^zero-window/,/^}/s/^\tsleep 20/\tsleep 10/' \
			'the client then sends no byte until the ' 'each pause between them is twice the one' &&
		fails zero-window 's/kill -CONT/kill -KILL/' \
			'the client then sends no byte until the ' 'all 8000 bytes arrive, in order'
}

program_test story_keepalive
story_keepalive() {
	# The path is good; the client gives up earlier.
	fails keepalive '/^keepalive/,/^}/s/ip protocol $protocol drop/ip protocol 99 drop/' \
		'the first probe leaves after 10 s of sil' 'none arrives, and none is answered' \
		'5 s after the fourth the client gives up' 'its program is told ETIMEDOUT' &&
		fails keepalive 's/,keepcnt=4/,keepcnt=3/' \
			'the first probe leaves after 10 s of sil' '5 s after the fourth the client gives up'
}

program_test story_forgotten
story_forgotten() {
	# The service closes.
	fails forgotten 's/listen -t 100000/listen -t 1/' '10 minutes later the client has no recor' \
		'the server has one connection in CLOSE-W' 'xtcp leaks names the program that did no' \
		'xtcp kill ended it, and no connection is'
}

program_test story_mtu
story_mtu() {
	fails mtu 's/ mtu 1200$/ mtu 1300/; s/mtu_probing=1/mtu_probing=0/' \
		'the router reports "fragmentation needed' 'the first segments have 1448 bytes of pa' \
		'after some timeouts xtcp cuts the segmen' 'and all bytes arrive'
}

program_test story_nat
story_nat() {
	fails nat 's/masquerade/accept/' 'the entry has the client'"'"'s own address b' \
		'the server sees a connection of the rout' 'after both FINs the entry is in TIME_WAI'
}

program_test story_compare
story_compare() {
	# On xtcp, no segment is lost, and the client closes later. The second run of loss drops another segment.
	fails compare '/^loss/,/^}/s/inc mod 10 3 drop/inc mod 10 ${launcher:+4}3 drop/
		/^close/,/^}/s/sleep 1 | connect/sleep 1${launcher:+1} | connect/' \
		'close: at the same times, within 20 ms, ' 'loss: both stacks send the same segments'
}

program_test story_compare_each
story_compare_each() {
	local names
	open_hosts || return
	names=$(awk -F '\t' '$6 == "" { print $1 }' "$dir/run.d/stories")
	# Two checks each, but one for zero-window.
	tell 0 compare $names && expect_equal "21 checks, 0 wrong." "$(grep 'checks,' "$dir/raw")" tally
}

program_test story_compare_each_changed
story_compare_each_changed() {
	# On xtcp alone: other timeouts, a reader that does not stop, nodelay.
	fails 'compare lost-syn-ack' 's/syn_linear_timeouts=0/syn_linear_timeouts=${launcher:+4}/' \
		'lost-syn-ack: both stacks send the SYN-A' 'lost-syn-ack: both stacks send the SYN a' &&
		fails 'compare zero-window' 's/kill -STOP/kill -$([ "$launcher" ] \&\& echo CONT || echo STOP)/' \
			'zero-window: both stacks advertise a win' &&
		fails 'compare nagle' '/^nagle/,/^}/s/connect -u - tcp4:10.0.0.2:$port/&${launcher:+,nodelay}/' \
			'nagle: both stacks send the same segment' &&
		fails 'compare keepalive' 's/keepidle=10/keepidle=$([ "$launcher" ] \&\& echo 15 || echo 10)/' \
			'keepalive: at the same times, within 20 '
}

program_tests_run
