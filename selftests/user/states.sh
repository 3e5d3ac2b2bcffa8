#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# states: `xtcp states` prints the rows of /proc/net/xtcp_lifecycle with counts and rates, as a
# table and as a graph.
# vm: timeout=300 busy with=python3 newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

export NO_COLOR=1

one_connection() { # PORT
	start $server "$run" socat -u tcp4-listen:$1,reuseaddr -
	await_row $server xtcp $1 0A || return
	echo hello | on $client timeout 20 "$run" socat -u - tcp4:10.9.0.2:$1
	sleep 65
}

# Columns apart by one blank; DWELL is there if the module measures it.
rows() {
	sed -E 's/ +/ /g; s/ DWELL$//; s/( [0-9]+)( [0-9.]+s)?$/\1/' "$dir/out"
}

program_test states_counts_each_change
states_counts_each_change() {
	one_connection 5001 || return
	expect_status 0 on $client xtcp states && expect_equal "$(cat <<-END
		FROM EVENT TO COUNT
		CLOSED active-OPEN SYN-SENT 1
		SYN-SENT rcv-SYN,ACK ESTABLISHED 1
	END
	)" "$(rows | head -n 3)" 'table' || return
	expect_equal 'TIME-WAIT TIME-WAIT-TIMEOUT CLOSED 1' "$(rows | grep ^TIME-WAIT)" 'end of TIME-WAIT' || return
	on $client cat /proc/net/xtcp_lifecycle >"$dir/client"
	expect_status 0 xtcp states "$dir/client" "$dir/client" &&
		expect_equal 'SYN-SENT rcv-SYN,ACK ESTABLISHED 2' "$(rows | grep ^SYN-SENT)" 'sum of two files' || return
	expect_status 0 xtcp states --all --stays "$dir/client" &&
		expect_equal "$(wc -l <"$dir/client")" "$(wc -l <"$dir/out")" 'all rows'
}

program_test states_of_an_interval
states_of_an_interval() {
	one_connection 5001 || return
	expect_status 0 on $client xtcp states --interval 1 &&
		expect_equal 1 "$(wc -l <"$dir/out")" 'lines without a change' || return
	on $client xtcp states --interval 100 >"$dir/rates" &
	sleep 5
	echo hello | on $client "$run" socat -u - tcp4:10.9.0.2:5002
	wait $!
	expect_equal 'CLOSED active-OPEN SYN-SENT 1 0.0/s' \
		"$(sed -nE '2{s/ +/ /g;s/ [0-9.]+s$//;p}' "$dir/rates")" 'the row of one more SYN'
}

program_test states_as_a_graph
states_as_a_graph() {
	local edges
	printf 'from event to count\nA one B 8\nA an other B 0\nB back A 1\nB stay B 5\n' >"$dir/file"
	expect_status 0 xtcp states --dot --all "$dir/file" || return
	edges=$(sed -nE 's/^\t(.* -> .*\[label="[^"]*").*/\1/p' "$dir/out")
	# Without the blanks between arrows and words.
	expect_equal "$(cat <<-'END'
		"A" -> "B" [label="one 8\lan other 0\l"
		"B" -> "A" [label="back 1\l"
	END
	)" "${edges//$'\xc2\xa0'/}" 'edges' || return
	expect_status 1 xtcp states --svg "$dir/svg" "$dir/file" && expect_error 'install graphviz' || return
	# The guest has no graphviz: a program in its place that prints its input. Root does not run that of a user's PATH.
	printf '#!/bin/sh\nexec cat\n' >"$dir/dot"
	chmod 755 "$dir" "$dir/dot"
	PATH=$dir:$PATH expect_status 1 xtcp states --svg "$dir/svg" "$dir/file" && expect_error 'install graphviz' &&
		expect_status 0 su nobody -c "PATH=$dir:\$PATH xtcp states --svg - '$dir/file'" || return
	with_dot 0 --svg - && expect_equal 'digraph xtcp_lifecycle {' "$(head -n 1 "$dir/out")" 'on standard output' &&
		with_dot 0 --svg "$dir/svg" && expect_equal 'digraph xtcp_lifecycle {' "$(head -n 1 "$dir/svg")" 'in a file' || return
	echo keep >"$dir/kept" && ln -s kept "$dir/link" && with_dot 1 --svg "$dir/link" && expect_error 'link: is a link$' &&
		expect_equal keep "$(<"$dir/kept")" 'the file behind a link' &&
		expect_status 2 xtcp states --json --dot "$dir/file" && expect_error 'either --json or a graph'
}

# Of a machine with $dir/dot.
with_dot() { # STATUS OPTION...
	local status
	cp "$dir/dot" /usr/bin/dot || return
	expect_status "$1" xtcp states "${@:2}" "$dir/file"
	status=$?
	rm /usr/bin/dot
	return $status
}

program_test states_of_a_bad_file_is_one_line
states_of_a_bad_file_is_one_line() {
	: >"$dir/file"
	expect_status 1 xtcp states "$dir/file" && expect_error 'file: no table$' || return
	printf 'from event to count\nA one B many\n' >"$dir/file"
	expect_status 1 xtcp states "$dir/file" && expect_error 'not a row of the table: A one B many$' &&
		expect_status 1 xtcp states "$dir/none" && expect_error 'No such file' &&
		expect_status 2 xtcp states --interval 0 && expect_error 'more than 0'
}

program_tests_run
