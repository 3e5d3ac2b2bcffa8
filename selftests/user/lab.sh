#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2154,SC2317 # called by name
#
# lab: each exercise of lab/ misses the marks that it should without an answer, and gives all with
# the solution.
# vm: timeout=600 uses=user/lab.tar newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

tar -xf "$PWD/lab.tar" -C "$dir"
lab=$dir/lab

marks() { # ok|not ok; their numbers
	sed -n "s/^$1 \([0-9]*\) .*/\1/p" "$dir/marks" | paste -sd ' '
}

# The number of marks, and those that are missed without an answer.
exercise() { # NAME MARKS MISSED
	"$lab/run" "$1" "$lab/bin/$1.answer" >"$dir/marks" 2>&1
	expect_equal "1 $3" "$? $(marks 'not ok')" "status and marks missed without an answer" ||
		{ cat "$dir/marks"; return 1; }
	: >"$dir/trace"
	"$lab/run" "$1" "$lab/bin/$1.solution" "$dir/trace" >"$dir/marks" 2>&1
	expect_equal "0 $(seq -s ' ' "$2")" "$? $(marks ok)" "status and marks with the solution" ||
		{ cat "$dir/marks"; return 1; }
	grep -q ' xtcp_send: .*flags=SYN' "$dir/trace" || { echo 'the trace has no connection'; return 1; }
}

program_test lab_syn_flood
lab_syn_flood() {
	exercise syn-flood 3 '1 2 3'
}

program_test lab_time_wait
lab_time_wait() {
	exercise time-wait 3 '1 2 3'
}

program_test lab_close_wait
lab_close_wait() {
	exercise close-wait 3 '1 2 3'
}

program_test lab_crash
lab_crash() {
	exercise crash 4 '1 2 3'
}

program_test lab_zero_window
lab_zero_window() {
	exercise zero-window 4 '1 2'
}

program_test lab_nagle
lab_nagle() {
	exercise nagle 3 '1 2 3'
}

program_test lab_loss
lab_loss() {
	exercise loss 3 '1 2 3'
}

program_tests_run
