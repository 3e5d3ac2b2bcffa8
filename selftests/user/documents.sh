#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # inner shells expand; names have no blanks; called by name
#
# documents: the commands of README.md and of the manual pages, each as the document prints it,
# and what it prints (documents.list, documents.py); what README says that xtcp doesn't do.
# vm: timeout=600 busy with=python3 with=haproxy with=bpftrace newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

documents=${XTCP_DOCUMENTS:-/xtcp/Documentation}
here=$PWD

# The documents' addresses; /etc/hosts calls the server's "server".
name_ends() {
	ip -n $client addr add 10.0.0.1/24 dev $wire && ip -n $server addr add 10.0.0.2/24 dev $wire
}

# Connections to the server: from 40000 to PORT, which echoes the lines of $dir/talk; to 7001, where
# the program never closes ($leaker); to 7002, where the peer does not read.
scene() { # PORT
	name_ends
	start $server "$run" socat tcp4-listen:$1,reuseaddr,fork exec:cat
	start $server "$run" socat -t 1000000 tcp4-listen:7001,reuseaddr exec:'sleep 1000000'
	leaker=${pids[-1]}
	start $server "$run" socat -u open:/dev/zero tcp4-listen:7002,reuseaddr
	await_row $server xtcp $1 0A && await_row $server xtcp 7001 0A && await_row $server xtcp 7002 0A || return
	rm -f "$dir/talk"; mkfifo "$dir/talk"
	# Open for reading and writing, it has no end.
	start $client "$run" bash -c "socat - tcp4:10.0.0.2:$1,sourceport=40000 <>'$dir/talk'"
	echo hello >"$dir/talk"
	start $client "$run" socat -U tcp4:10.0.0.2:7002 exec:'sleep 1000000'
	expect_status 0 on $client timeout 20 "$run" socat -u /dev/null tcp4:10.0.0.2:7001 &&
		await_row $server xtcp 7001 08 && await_row $server xtcp $1 01 && await_row $server xtcp 7002 01
}

# For `xtcp-run ss`.
load_diag() {
	[ -d /sys/module/xtcp_diag ] || { modprobe -q inet_diag; insmod /xtcp/xtcp_diag.ko; }
}

commands_of() { # DOCUMENT
	load_diag || return
	cd "$dir" || return
	python3 "$here/documents.py" run "$documents" $1 $client $server LEAKER=$leaker
}

program_test documents_readme
documents_readme() {
	scene 7000 && sleep 610 || return
	# Each second some bytes, and another connection.
	start $server "$run" socat tcp4-listen:7003,reuseaddr,fork exec:cat
	start $client "$run" bash -c "while sleep 1; do echo hello >'$dir/talk'; : <>/dev/tcp/10.0.0.2/7003; done"
	(commands_of README.md)
}

program_test documents_xtcp_run_1
documents_xtcp_run_1() {
	scene 7000 && (commands_of Documentation/man/xtcp-run.1)
}

program_test documents_xtcp_1
documents_xtcp_1() {
	scene 7000 && (commands_of Documentation/man/xtcp.1)
}

# The SYN-ACK for 10.0.0.3 does not arrive.
half_open() {
	ip -n $client addr add 10.0.0.3/24 dev $wire
	rules $server <<<'table ip t { chain out { type filter hook output priority 0; ip daddr 10.0.0.3 drop; }; }' || return
	start $client "$run" socat -u tcp4:10.0.0.2:80,bind=10.0.0.3 -
	await_row $server xtcp 80 03
}

program_test documents_xtcp_7
documents_xtcp_7() {
	scene 80 && half_open && (commands_of Documentation/man/xtcp.7)
}

# --- README, "What it doesn't do" ---------------------------------------------

# That of a host behind $client, on xtcp's WIRE; how it ends.
through_nat() { # WIRE
	on $inside timeout 20 "$run" --wire $1 socat -u tcp4:10.9.0.2:$2,connect-timeout=5 - 2>&1 | sed 's/.*: //'
}

# A masquerade changes addresses, but not the checksum of protocol 253.
program_test limit_nat
limit_nat() {
	open_inside
	rules $client <<-END || return
		table ip t { chain post { type nat hook postrouting priority 100; oifname "$wire" masquerade; }; }
	END
	start $server "$run" --wire native socat -U tcp4-listen:5001,reuseaddr,fork exec:'echo answered'
	start $server "$run" --wire tcp socat -U tcp4-listen:5002,reuseaddr,fork exec:'echo answered'
	await_row $server xtcp 5001 0A && await_row $server xtcp 5002 0A || return
	expect_equal 'Connection timed out' "$(through_nat native 5001)" 'on the native wire' &&
		expect_equal answered "$(through_nat tcp 5002)" 'on the TCP wire'
}

# A filter that admits a port of TCP drops protocol 253 until README's rule admits that.
program_test limit_firewall
limit_firewall() {
	local wire rule
	rule=$(sed -n 's/.*`\(nft add rule .* accept\)`.*/\1/p' "$documents/README.md")
	[ -n "$rule" ] || { echo 'README has no rule'; return 1; }
	rules $server <<-END || return
		table inet filter { chain input { type filter hook input priority 0; policy drop;
			ct state established,related accept; tcp dport 5001 accept; meta l4proto ipv6-icmp accept; }; }
	END
	start $server "$run" --wire native socat -U tcp4-listen:5001,reuseaddr,fork exec:'echo answered'
	start $server "$run" --wire tcp socat -U tcp4-listen:5001,reuseaddr,fork exec:'echo answered'
	await_row $server xtcp 5001 0A && sleep 1 || return
	inside=$client
	expect_equal answered "$(through_nat tcp 5001)" 'on the TCP wire' &&
		expect_equal 'Connection timed out' "$(through_nat native 5001)" 'on the native wire' || return
	on $server bash -c "$rule" && expect_equal answered "$(through_nat native 5001)" 'with the rule' || return
	# Not by its conntrack entry, which has no ports: the last connection's lets the next one pass.
	on $server nft flush ruleset && rules $server <<-END || return
		table inet filter { chain input { type filter hook input priority 0;
			tcp dport 5001 accept; meta l4proto ipv6-icmp accept; drop; }; }
	END
	on $server bash -c "$rule" &&
		expect_equal 'Connection timed out' "$(through_nat native 5001)" 'with the rule behind one that drops' &&
		on $server bash -c "${rule/ add / insert }" &&
		expect_equal answered "$(through_nat native 5001)" 'with the rule before the one that drops'
}

# Packets larger than the MTU that came from $client's device, which has TSO, but, as hardware, cannot
# segment what is not TCP.
large_packets() { # WIRE PORT
	local sniffer
	start $server "$run" --wire $1 socat -u tcp4-listen:$2,reuseaddr open:/dev/null
	await_row $server xtcp $2 0A || return
	on $server tcpdump -c 3 -nni $wire 'greater 3000' >"$dir/large" 2>/dev/null &
	sniffer=$!
	sleep 1
	head -c 1000000 /dev/zero | on $client timeout 60 "$run" --wire $1 socat -u - tcp4:10.9.0.2:$2
	sleep 1
	kill $sniffer 2>/dev/null
	wait $sniffer 2>/dev/null
	wc -l <"$dir/large"
}

program_test limit_tso
limit_tso() {
	on $client ethtool -K $wire tso on tx-sctp-segmentation off >/dev/null || return
	expect_equal 3 "$(large_packets tcp 5001)" 'large packets on the TCP wire' &&
		expect_equal 0 "$(large_packets native 5002)" 'large packets on the native wire'
}

# TCP_ULP is a test of user/options; MD5 and TCP-AO are not known at all.
program_test limit_options
limit_options() {
	on $client python3 - <<-END
		import errno, socket
		s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 253)
		for name, option in ("TCP_MD5SIG", 14), ("TCP_MD5SIG_EXT", 32), ("TCP_AO_ADD_KEY", 38), ("TCP_AO_INFO", 40):
		    try:
		        s.setsockopt(socket.IPPROTO_TCP, option, bytes(512))
		    except OSError as e:
		        if e.errno == errno.ENOPROTOOPT:
		            continue
		        raise SystemExit(f"{name}: {e}")
		    raise SystemExit(f"{name} was taken")
	END
}

program_test limit_ss
limit_ss() {
	load_diag && echo_server $server 5001 "$run" || return
	expect_equal '' "$(on $server ss -Htan)" 'what ss lists' &&
		expect_equal LISTEN "$(on $server "$run" ss -Htan | awk '{ print $1 }')" 'what it lists under xtcp-run'
}

program_tests_run
