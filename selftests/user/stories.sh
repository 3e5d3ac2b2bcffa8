#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # awk's $; names have no blanks; called by name
#
# stories: those of `make run` that check what they show (scripts/run.d/scenes). Each passes all its
# checks and draws its ladders, and fails with a line "WRONG" when what it shows is broken.
# vm: timeout=600 with=python3 uses=user/report.tar newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# shellcheck source=../lib/hosts.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/hosts.bash"

# Its output is in $dir/raw.
tell() { # STATUS NAME
	local status
	(cd "$dir" && run.d/scenes $2) >"$dir/raw"
	status=$?
	close_hosts
	[ $status = $1 ] && return
	echo "exit status $status, wanted $1"
	sed '/^# tracer:/,$d' "$dir/raw"
	return 1
}

# What the stories file says of it: the ends of its ladders, each drawn with so many rows at least.
passes() { # NAME CHECKS ROWS
	local ends end
	open_hosts && tell 0 $1 && expect_equal "$2 checks, 0 wrong." "$(grep 'checks,' "$dir/raw")" tally &&
		expect_equal $2 "$(grep -c '^  ok  ' "$dir/raw")" 'lines with ok' || return
	ends=$(awk -F '\t' -v name=$1 '$1 == name { print $4 }' "$dir/run.d/stories")
	[ "$ends" != none ] || return 0
	for end in ${ends:-:7000}; do
		sed -n '/^# tracer:/,$p' "$dir/raw" >"$dir/trace"
		expect_status 0 xtcp ladder "$dir/trace" $end || return
		[ "$(wc -l <"$dir/out")" -ge $3 ] || { echo "the ladder of $end:"; cat "$dir/out"; return 1; }
	done
}

# With a change of the story, these facts are wrong and no others.
fails() { # NAME SED FACT...
	open_hosts || return
	cp "$dir/run.d/scenes" "$dir/scenes"
	sed -i "$2" "$dir/run.d/scenes"
	! cmp -s "$dir/scenes" "$dir/run.d/scenes" || { echo "nothing was changed by $2"; close_hosts; return 1; }
	tell 1 $1 && expect_equal "$(printf '%s\n' "${@:3}")" "$(sed -n 's/^  WRONG  //p' "$dir/raw" | cut -c -40)" 'what is wrong'
}

program_test story_forgotten
story_forgotten() {
	passes forgotten 4 8
}

program_test story_forgotten_fails
story_forgotten_fails() {
	# The service closes.
	fails forgotten 's/listen -t 100000/listen -t 1/' '10 minutes later the client has no recor' \
		'the server has one connection in CLOSE-W' 'xtcp leaks names the program that did no' \
		'xtcp kill ended it, and no connection is'
}

program_test story_mtu
story_mtu() {
	passes mtu 6 12
}

program_test story_mtu_fails
story_mtu_fails() {
	fails mtu 's/ mtu 1200$/ mtu 1300/; s/xtcp_mtu_probing=1/xtcp_mtu_probing=0/' \
		'the router reports "fragmentation needed' 'the first segments have 1448 bytes of pa' \
		'after some timeouts xtcp cuts the segmen' 'and all bytes arrive'
}

program_test story_nat
story_nat() {
	passes nat 4 10
}

program_test story_nat_fails
story_nat_fails() {
	fails nat 's/masquerade/accept/' 'the entry has the client'"'"'s own address b' \
		'the server sees a connection of the rout' 'after both FINs the entry is in TIME_WAI'
}

program_test story_compare
story_compare() {
	passes compare 4 0
}

program_test story_compare_fails
story_compare_fails() {
	# On xtcp, no segment is lost. The second run of loss drops another segment.
	fails compare 's/inc mod 10 3 drop/inc mod 10 ${launcher:+4}3 drop/' \
		'loss: both stacks send the same segments' 'loss: at the same times, within 20 ms'
}

program_tests_run
