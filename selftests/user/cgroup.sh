#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317 # tests are called by name
#
# xtcp-run --cgroup: programs that take no preloaded library get xtcp sockets, too, by a
# BPF program, which the kernel must be able to attach to one of its functions.
# vm: timeout=400 short distro slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# User-mode Linux has no trampolines of BPF, and our small kernels have no types for it. Debian's
# must not pass for the lack of them.
if [[ $(uname -r) = 6.[1-5].* ]] || grep -q 'User Mode' /proc/cpuinfo ||
	{ [ ! -e /sys/kernel/btf/vmlinux ] && [[ $(uname -r) != *-amd64 ]]; }; then
	program_test cgroup_needs_another_kernel
else
	program_test cgroup_takes_static_programs
	program_test cgroup_ends
	program_test cgroup_needs_a_keeper
	program_test cgroup_survives_signals
	program_test cgroup_without_descriptors
	program_test cgroup_while_sigchld_is_ignored
	program_test cgroup_that_a_killed_keeper_left
	program_test cgroup_in_two_pid_namespaces
fi

cgroup_needs_another_kernel() {
	expect_status 125 "$run" --cgroup true && expect_error 'Linux 6.6 and later' &&
		expect_equal 1 "$(wc -l <"$dir/err")" lines && expect_equal '' "$(ls -d /sys/fs/cgroup/xtcp-run-* 2>/dev/null)" cgroups
}

cgroups() {
	find /sys/fs/cgroup -name 'xtcp-run-*' | wc -l
}

cgroup_takes_static_programs() {
	local before static
	static=$(command -v busybox)
	before=$(kernel_tcp)
	mkdir -p "$dir/www" && echo pong >"$dir/www/page"
	start $server "$run" --cgroup "$static" httpd -f -p 10.9.0.2:5029 -h "$dir/www"
	await_row $server xtcp 5029 0A && no_row $server tcp 5029 || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client "$run" --cgroup env -i "$static" wget -q -O - http://10.9.0.2:5029/page &&
		expect_equal pong "$(<"$dir/out")" page && unmoved "$before" || return
	# Others are not in the cgroup.
	start $server "$static" httpd -f -p 10.9.0.2:5030 -h "$dir/www"
	await_row $server tcp 5030 0A && no_row $server xtcp 5030
}

# The program does not start if it could lose xtcp unnoticed: no process is left for what holds it.
cgroup_needs_a_keeper() {
	local group=/sys/fs/cgroup/few
	echo +pids >/sys/fs/cgroup/cgroup.subtree_control && mkdir $group && echo 2 >$group/pids.max || return
	expect_status 125 bash -c "echo 0 >$group/cgroup.procs && exec $run --cgroup touch $dir/started"
	expect_error 'no keeper: Resource temporarily unavailable$' && expect_equal 0 "$(cgroups)" cgroups &&
		expect_equal '' "$(ls "$dir/started" 2>/dev/null)" 'what the program did' && rmdir $group
}

# As a service manager sends them to all processes of a service.
cgroup_survives_signals() {
	start $server "$run" --cgroup bash -c 'sleep 1; exec socat tcp4-listen:5032 -'
	sleep .5
	expect_equal 1 "$(pgrep -xc xtcp-run)" keepers && kill -USR1 "$(pgrep -x xtcp-run)" && kill "$(pgrep -x xtcp-run)" || return
	await_row $server xtcp 5032 0A && no_row $server tcp 5032 || return
	kill "$(pgrep -f '^socat tcp4-listen:5032')" && expect_soon 0 'cgroups at the end' cgroups
}

# What holds the cgroup must not get their numbers, which it gives to /dev/null.
cgroup_without_descriptors() {
	start $server bash -c "exec $run --cgroup bash -c 'sleep .5; exec socat -u tcp4-listen:5033 open:/dev/null' <&- >&- 2>&-"
	await_row $server xtcp 5033 0A && no_row $server tcp 5033 || return
	kill "$(pgrep -f '^socat -u tcp4-listen:5033')" && expect_soon 0 'cgroups at the end' cgroups
}

# As under a supervisor that wants no zombies. The program inherits it as ever.
cgroup_while_sigchld_is_ignored() {
	expect_status 0 on $server bash -c "trap '' CHLD; exec $run --cgroup sed -n 's/^SigIgn:\\s*//p' /proc/self/status" &&
		expect_equal 0x10000 "$(printf '0x%x' $((0x$(<"$dir/out") & 0x10000)))" 'SIGCHLD in SigIgn' &&
		expect_soon 0 cgroups cgroups
}

# The next xtcp-run may have the same number.
cgroup_that_a_killed_keeper_left() {
	expect_status 0 bash -c "mkdir /sys/fs/cgroup/xtcp-run-\$\$ && exec $run --cgroup true" && expect_soon 0 cgroups cgroups
}

# Each is process 1 there, and both are in the same cgroup. The kernel ends their keepers with them.
cgroup_in_two_pid_namespaces() {
	local status=0
	start $server unshare -pf "$run" --cgroup bash -c 'socat tcp4-listen:5034 - & exec sleep 100'
	await_row $server xtcp 5034 0A && expect_equal 1 "$(cgroups)" 'cgroups of the first' || return
	expect_status 0 on $server unshare -pf "$run" --cgroup sh -c 'cat /proc/self/cgroup' &&
		expect_equal 0::/xtcp-run-1-2 "$(<"$dir/out")" 'cgroup of the second' || status=1
	kill -KILL $(cat /sys/fs/cgroup/xtcp-run-*/cgroup.procs)
	expect_soon 0 'processes in the cgroups' cat_procs && rmdir /sys/fs/cgroup/xtcp-run-* && return $status
}
cat_procs() {
	cat /sys/fs/cgroup/xtcp-run-*/cgroup.procs | wc -l
}

cgroup_ends() {
	expect_status 42 on $server "$run" --cgroup bash -c 'exit 42' && expect_soon 0 cgroups cgroups || return
	# A daemon stays in it.
	start $server "$run" --cgroup bash -c 'socat tcp4-listen:5031 - & exec sleep .2'
	sleep 1
	await_row $server xtcp 5031 0A && expect_equal 1 "$(cgroups)" 'cgroups of a daemon' || return
	kill "$(pgrep -f '^socat tcp4-listen:5031')" && expect_soon 0 'cgroups at the end' cgroups || return
	expect_status 125 su nobody -c "$run --cgroup true" && expect_equal 1 "$(wc -l <"$dir/err")" lines &&
		expect_equal 0 "$(cgroups)" cgroups
}

program_tests_run
