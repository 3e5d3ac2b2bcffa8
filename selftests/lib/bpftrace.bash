# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # for those who source this
#
# bpftrace: programs of bpftrace beside what a test does. A test sources this after
# programs.bash.

# In no namespace: `ip netns exec` mounts a /sys without tracing.
start_outside() { # COMMAND...
	"$@" >"$dir/out.${#pids[@]}" 2>&1 </dev/null &
	pids+=($!)
}

# Starts a program of bpftrace. It traces once its header is there, which is the last thing before.
trace() { # FILE FIRST-COLUMN LAST-COLUMN
	start_outside bpftrace "$1"
	tracer=${pids[-1]} traced=$dir/out.$((${#pids[@]} - 1))
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -q "^$2 .*$3" "$traced" || return 0
		sleep .1
	done
	echo "$1 does not start:"
	cat "$traced"
	return 1
}

# It detaches and clears its tables: that must come to an end.
trace_end() {
	local i
	sleep 1
	kill -INT "$tracer"
	for ((i = 0; i < 60; i++)); do
		kill -0 "$tracer" 2>/dev/null || break
		sleep 1
	done
	# Without effect on one that has ended.
	kill -KILL "$tracer" 2>/dev/null
	wait "$tracer"
	expect_equal 0 $? 'status of bpftrace'
}

# A line in which runs of blanks are one.
traced_line() { # PATTERN
	sed 's/  */ /g' "$traced" | grep -c "$1"
}
