#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # awk's $; names have no blanks; called by name
#
# stories: those of `make run` (scripts/run.d/scenes). Each passes all its checks and draws its
# ladders.
# vm: timeout=1800 with=python3 uses=user/report.tar newest slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# shellcheck source=../lib/hosts.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/hosts.bash"

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

program_test story_handshake
story_handshake() {
	passes handshake 5 10
}

program_test story_lost_syn_ack
story_lost_syn_ack() {
	passes lost-syn-ack 4 14
}

program_test story_close
story_close() {
	passes close 5 10
}

program_test story_simultaneous
story_simultaneous() {
	passes simultaneous 6 18
}

program_test story_time_wait_reuse
story_time_wait_reuse() {
	passes time-wait-reuse 4 18
}

program_test story_loss
story_loss() {
	passes loss 4 25
}

program_test story_nagle
story_nagle() {
	passes nagle 5 12
}

program_test story_zero_window
story_zero_window() {
	passes zero-window 6 25
}

program_test story_keepalive
story_keepalive() {
	passes keepalive 4 10
}

program_test story_forgotten
story_forgotten() {
	passes forgotten 4 8
}

program_test story_mtu
story_mtu() {
	passes mtu 6 12
}

program_test story_nat
story_nat() {
	passes nat 4 10
}

program_test story_compare
story_compare() {
	passes compare 4 0
}

program_tests_run
