#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2317,SC2154 # inner shells expand; tests are called by name
#
# observing: the commands of observing.rst: a filter for one connection in tracefs, and
# the programs of scripts/bpftrace beside a connection and a SYN that nobody answers.
# vm: timeout=600 busy with=bpftrace newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"
# shellcheck source=../lib/bpftrace.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/bpftrace.bash"

document=${XTCP_DOCUMENTS:-/xtcp/Documentation}/observing.rst
programs=${XTCP_BPFTRACE:-/usr/share/xtcp/bpftrace}

# The document's filter lets one connection through, and no other.
program_test tracefs_filter_of_the_document
tracefs_filter_of_the_document() {
	sed -n "/^	cd .sys.kernel.tracing/,/^	cat/{ s/^	//p }" "$document" >"$dir/commands"
	expect_equal 4 "$(wc -l <"$dir/commands")" 'commands in observing.rst' || return
	start $server "$run" socat tcp4-listen:80,reuseaddr,fork exec:cat
	await_row $server xtcp 80 0A || return
	# So that kill ends the reader, too.
	sed -i '4s/^/exec /' "$dir/commands"
	start_outside bash "$dir/commands"
	expect_soon 1 'the events' cat /sys/kernel/tracing/events/xtcp/enable || return
	say $client "$run" 10.9.0.2 80 sourceport=40001 && say $client "$run" 10.9.0.2 80 sourceport=40000 || return
	sleep 1
	kill "${pids[1]}"
	echo 0 >/sys/kernel/tracing/events/xtcp/enable
	echo 0 >/sys/kernel/tracing/events/xtcp/filter
	grep -q 'xtcp_state:.*:40000.*ESTABLISHED' "$dir/out.1" && grep -q 'xtcp_rcv:.*:40000' "$dir/out.1" &&
		! grep -q ':40001' "$dir/out.1" && return
	head -n 20 "$dir/out.1"
	return 1
}

bpftrace_life() {
	trace "$programs/xtcplife.bt" PID MS || return
	echo_server $server 5001 "$run" || return
	expect_equal hello "$(say $client "$run" 10.9.0.2 5001 sourceport=40001)" echo && trace_end || return
	expect_equal 1 "$(traced_line '^[1-9][0-9]* ::ffff:10.9.0.1 40001 ::ffff:10.9.0.2 5001 [0-9]*$')" 'lines of the client' &&
		expect_equal 1 "$(traced_line '^0 ::ffff:10.9.0.2 5001 ::ffff:10.9.0.1 40001 [0-9]*$')" 'lines of the server' &&
		return
	cat "$traced"
	return 1
}

# Not on Debian 12's own kernel, on an emulated machine of which bpftrace sometimes did not
# come to an end.
newer() { # NAME
	case $(uname -r) in
	6.1.*) ;;
	*) program_test "$1" ;;
	esac
}

newer bpftrace_xtcplife_native
bpftrace_xtcplife_native() {
	bpftrace_life
}

newer bpftrace_xtcplife_tcp_wire
bpftrace_xtcplife_tcp_wire() {
	tcp_wire $client $server && bpftrace_life
}

# SYNs to a port whose segments are dropped, at 1 s and 3 s.
newer bpftrace_xtcpretrans
bpftrace_xtcpretrans() {
	trace "$programs/xtcpretrans.bt" LADDR REASON || return
	rules $server <<<'table inet t { chain in { type filter hook input priority 0; meta l4proto 253 drop; }; }'
	on $client timeout 5 "$run" socat -u /dev/null tcp4:10.9.0.2:5001,sourceport=40001
	trace_end || return
	expect_equal '1 1' "$(traced_line '^::ffff:10.9.0.1 40001 ::ffff:10.9.0.2 5001 0 1 SYN$') $(
		traced_line '^::ffff:10.9.0.1 40001 ::ffff:10.9.0.2 5001 0 2 SYN$')" 'lines of the two SYNs' && return
	cat "$traced"
	return 1
}

program_tests_run
