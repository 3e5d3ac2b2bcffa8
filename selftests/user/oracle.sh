#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2317,SC2154 # tests are called by name
#
# oracle: the program that scripts/oracle prints for bpftrace, beside connections of the kernel's
# TCP that take each way through its states (oracle.py). scripts/check.mk makes it of the
# lifecycle table, and of one that lacks two rows.
# vm: timeout=900 busy with=bpftrace with=python3 newest uses=user/oracle.bt uses=user/oracle-lacking.bt slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"
# shellcheck source=../lib/bpftrace.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/bpftrace.bash"

unset CDPATH
here=$(cd "$(dirname "$0")" && pwd)

# Starts a program of the oracle and runs oracle.py beside it.
watch_connections() { # NAME
	on $client tc qdisc add dev lo root netem delay 100ms && trace "$here/$1" LADDR TO &&
		on $client timeout 120 python3 "$here/oracle.py"
}

# The changes of state, as "COUNT FROM TO", of those with an explanation that begins so.
seen() { # EXPLANATION
	sed -n "s/^@seen\[\([^,]*\), \([^,]*\), $1.*\]: \([0-9]*\)$/\3 \1 \2/p" "$traced" | sort -k 2
}

# Changes without a row, as "FROM TO", a line for each time.
unexplained() {
	sed -n 's/^[0-9a-f:.]* *[0-9]* *[0-9a-f:.]* *[0-9]* *\([A-Z][A-Z0-9-]*\)  *\([A-Z][A-Z0-9-]*\)$/\1 \2/p' "$traced" |
		sort | uniq -c | sed 's/^ *//'
}

# Nine connections are opened by a listener's child. In three more, both ends call connect().
rows='2 CLOSE-WAIT CLOSED
5 CLOSE-WAIT LAST-ACK
9 CLOSED LISTEN
17 CLOSED SYN-SENT
7 ESTABLISHED CLOSE-WAIT
7 ESTABLISHED CLOSED
8 ESTABLISHED FIN-WAIT-1
1 FIN-WAIT-1 CLOSED
2 FIN-WAIT-1 CLOSING
6 FIN-WAIT-1 FIN-WAIT-2
1 FIN-WAIT-2 FIN-WAIT-2
5 LAST-ACK CLOSED
9 LISTEN CLOSED
1 SYN-RECEIVED CLOSED
13 SYN-RECEIVED ESTABLISHED
1 SYN-RECEIVED FIN-WAIT-1
2 SYN-SENT CLOSED
9 SYN-SENT ESTABLISHED
6 SYN-SENT SYN-RECEIVED'

# Each change of the kernel's TCP has a row or a reason, and xtcp's connections are not counted.
program_test kernel_tcp_takes_rows_of_the_table
kernel_tcp_takes_rows_of_the_table() {
	watch_connections oracle.bt && tcp_wire $client $server && echo_server $server 5001 "$run" &&
		expect_equal hello "$(say $client "$run" 10.9.0.2 5001)" 'echo of xtcp' && trace_end || return
	expect_equal "$rows" "$(seen row)" 'changes with a row' &&
		expect_equal '2 CLOSING CLOSED
6 FIN-WAIT-2 CLOSED' "$(seen 'a TIME-WAIT')" 'sockets that become records' &&
		expect_equal '9 LISTEN SYN-RECEIVED' "$(seen 'a half-open')" 'records that become sockets' &&
		expect_equal '' "$(seen 'NO ROW')$(unexplained)" 'changes without a row' && return
	cat "$traced"
	return 1
}

# The same with a table without the rows ESTABLISHED rcv-FIN and LISTEN rcv-SYN: the first explains
# a change itself, the second one that the kernel shows otherwise.
program_test lacking_rows_are_noticed
lacking_rows_are_noticed() {
	watch_connections oracle-lacking.bt && trace_end || return
	local lacking='7 ESTABLISHED CLOSE-WAIT
9 LISTEN SYN-RECEIVED'
	expect_equal "$lacking" "$(seen 'NO ROW')" 'counts of changes without a row' &&
		expect_equal "$lacking" "$(unexplained)" 'lines of changes without a row' &&
		expect_equal "$(grep -vxF "$lacking" <<<"$rows")" "$(seen row)" 'changes with a row' && return
	cat "$traced"
	return 1
}

program_tests_run
