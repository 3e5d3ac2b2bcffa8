# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154 # names have no blanks; programs.bash sets the variables
#
# What tests with tshark share: a capture of packets on $client's end of the wire, what
# tshark says of each packet, and what is wrong with that. A test sources it after
# programs.bash.

# Outside of a guest tshark is installed on the host.
export HOME=$dir

single_packets() {
	local ns
	for ns in $client $server; do
		on $ns ethtool -K $wire tx off tso off gso off gro off >/dev/null 2>&1 || return
	done
}

# tcpdump reports when it listens.
capture() { # FILTER
	local i
	start $client tcpdump --immediate-mode -U -B 32768 -s 0 -i $wire -w "$dir/pcap" "$1"
	dump=${#pids[@]}
	for ((i = 0; i < 100; i++)); do
		! grep -qs 'listening on' "$dir/out.$((dump - 1))" || return 0
		sleep .05
	done
	cat "$dir/out.$((dump - 1))"
	return 1
}

captured() {
	sleep 1
	kill -INT "${pids[dump - 1]}"
	wait "${pids[dump - 1]}"
	grep -q '^0 packets dropped' "$dir/out.$((dump - 1))" || { cat "$dir/out.$((dump - 1))"; return 1; }
}

# A line a packet: port of the server, SYN, ACK, FIN, RST, bytes of payload, status
# of the two checksums (1: good), timestamp, severity and text of each expert note, and
# the fields that the options add.
# tshark runs once for all packets, because its start costs most. The payload is plain
# data to it: one of its heuristic decoders would claim random bytes some day, and
# report them as malformed.
decode() { # PORTS-OF-SERVERS [OPTION...]
	local ports=$1
	shift
	tshark -n -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -o tcp.try_heuristic_first:FALSE \
		-d tcp.port==$ports,data -r "$dir/pcap" -T fields -E 'separator=|' -E 'aggregator=;' \
		-e tcp.port -e tcp.flags.syn -e tcp.flags.ack -e tcp.flags.fin -e tcp.flags.reset \
		-e tcp.len -e ip.checksum.status -e tcp.checksum.status \
		-e tcp.options.timestamp.tsval -e _ws.expert.severity -e _ws.expert.message "$@" \
		>"$dir/packets" 2>"$dir/tshark" || { cat "$dir/tshark"; return 1; }
}

# The lines of one server's port.
packets_of() { # PORT
	awk -F'|' -v port="$1" '{ split($1, ports, ";") } ports[1] == port || ports[2] == port' "$dir/packets"
}

# Prints what is wrong: there must be an opening, so much data and two FINs, each
# packet with a good checksum and a timestamp, and among the expert notes no error,
# no warning but of a full window, no note but on the closing side.
faults() { # PORT BYTES-AT-LEAST
	packets_of $1 | awk -F'|' -v wanted="$2" '
		function fault(what) { print "packet " NR ": " what ": " $0 }
		function is(field) { return field == 1 || field == "True" }
		{ bytes += $6 }
		is($2) { is($3) ? synacks++ : syns++ }
		is($4) { fins++ }
		is($5) { fault("RST") }
		# For a checksum of zero skb_checksum_help() writes the other zero, as UDP must:
		# one packet in 65536, on either stack.
		{ other_zero = $11 ~ /0xffff instead of 0x0000/ }
		$7 != 1 || ($8 != 1 && !other_zero) { fault("checksum") }
		$9 == "" || $9 == 0 { fault("no timestamp") }
		{
			n = split($10, severity, ";")
			split($11, words, ";")
			for (i = 1; i <= n; i++) {
				# The sender does not determine how fast the other end reads.
				if (words[i] ~ /receiver is now completely full$|0xffff instead of 0x0000/)
					continue
				if (severity[i] > 4194304)
					fault("warning or error")
				else if (severity[i] == 4194304 && words[i] !~ /connection closing$/)
					fault("note")
			}
		}
		END {
			if (bytes < wanted)
				print bytes + 0 " bytes of text, not " wanted
			if (syns != 1 || synacks != 1 || fins != 2)
				print syns + 0 " SYN, " synacks + 0 " SYN-ACK, " fins + 0 " FIN"
		}'
}

expect_faultless() { # PORT BYTES-AT-LEAST
	[ -n "$(faults $1 $2)" ] || return 0
	faults $1 $2 | head -n 20
	return 1
}

# Both directions, and the client's half ends first. Less than a window: a program
# that writes before it reads would fill it, and that is a warning.
echo_back() { # PORT SERVER-PROGRAM CLIENT-PROGRAM
	head -c 30000 /dev/urandom >"$dir/file"
	start $server $2 socat -t 60 tcp4-listen:$1 exec:cat
	await_row $server "${2:+x}tcp" $1 0A || return
	on $client timeout 60 $3 socat -t 60 - tcp4:10.9.0.2:$1 <"$dir/file" >"$dir/back" &&
		cmp "$dir/file" "$dir/back"
}

