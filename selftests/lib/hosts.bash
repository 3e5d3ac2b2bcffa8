# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2086 # programs.bash is sourced before; names have no blanks
#
# hosts: the namespaces client and server in which the stories of scripts/run.d run, as scripts/vm
# makes them for `make run`; $dir/run.d and $dir/report.d, from the program user/report.tar.

packed=$PWD/report.tar

open_hosts() {
	local host n=1
	rm -rf "$dir/run.d"
	tar -xf "$packed" -C "$dir" && ip netns add client && ip netns add server &&
		ip link add veth0 netns client type veth peer name veth0 netns server || return
	for host in client server; do
		ip -n $host link set lo up
		ip -n $host link set veth0 up
		ip -n $host addr add 10.0.0.$n/24 dev veth0
		n=$((n + 1))
	done
}

# Also what a story has left behind: a router, programs, its trace.
close_hosts() {
	local host
	for host in client server router; do
		[ -e /run/netns/$host ] || continue
		[ -z "${XTCP_LIFECYCLE_LOG-}" ] || on $host cat /proc/net/xtcp_lifecycle >>"$XTCP_LIFECYCLE_LOG"
		ip netns pids $host | xargs -r kill
		ip netns del $host
	done
	echo 0 >/sys/kernel/tracing/events/enable
	echo >/sys/kernel/tracing/trace
	echo 1 >/sys/kernel/tracing/tracing_on
}

# Plays a story. Its output is in $dir/raw.
tell() { # STATUS NAME...
	local status
	(cd "$dir" && run.d/scenes "${@:2}") >"$dir/raw"
	status=$?
	close_hosts
	sleep 300	# an end that a broken story has left repeats its FIN no longer
	[ $status = $1 ] && return
	echo "exit status $status, wanted $1"
	sed '/^# tracer:/,$d' "$dir/raw"
	return 1
}
