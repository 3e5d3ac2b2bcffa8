#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2086 # tests are called by name; names have no blanks
#
# The guest itself, as every other test expects it: virtual time that jumps, real
# tools, and drivers that load on demand.
set -u

number=0 failed=0
tests=(
	vm_an_hour_passes_exactly
	vm_time_passes_while_busy
	vm_tools_are_the_real_ones
	vm_drivers_load
	vm_netem_delays_exactly
)

now_us()
{
	# Not the shell's own date: EPOCHREALTIME costs no process.
	echo "${EPOCHREALTIME/./}"
}

vm_an_hour_passes_exactly()
{
	local before after
	before=$(now_us)
	sleep 3600
	after=$(now_us)
	echo "sleep 3600 took $((after - before)) us"
	# Starting sleep and two subshells takes some milliseconds of instructions.
	[ $((after - before)) -ge 3600000000 ] && [ $((after - before)) -lt 3600050000 ]
}

vm_time_passes_while_busy()
{
	local before after n=0
	before=$(now_us)
	while [ $n -lt 20000 ]; do
		n=$((n + 1))
	done
	after=$(now_us)
	echo "20000 rounds took $((after - before)) us"
	# User-mode Linux's clock must stand while it computes.
	if grep -q 'User Mode Linux' /proc/cpuinfo; then
		[ $((after - before)) -lt 100 ]
		return
	fi
	[ $((after - before)) -gt 1000 ] && [ $((after - before)) -lt 10000000 ]
}

vm_tools_are_the_real_ones()
{
	local tool where status=0
	for tool in ip ss tc nstat ethtool curl nginx iperf3 nft conntrack tcpdump hping3 socat strace; do
		where=$(command -v "$tool") || { echo "no $tool"; status=1; continue; }
		case $(readlink -f "$where") in
		*/busybox) echo "$tool is busybox's"; status=1 ;;
		esac
	done
	ip -V && ss -V && nginx -v && curl -V >/dev/null || status=1
	return $status
}

vm_drivers_load()
{
	local driver status=0
	for driver in tun veth dummy bridge vrf sch_netem sch_fq nf_tables nft_ct nft_nat nf_conntrack \
		tcp_diag af_packet_diag; do
		modprobe "$driver" || { echo "no $driver"; status=1; }
	done
	: <>/dev/net/tun || status=1
	return $status
}

vm_netem_delays_exactly()
{
	local ns=vm-netem-$$ ms status=1
	ip netns add $ns &&
		ip -n $ns link set lo up &&
		tc -n $ns qdisc add dev lo root netem delay 25ms &&
		ms=$(ip netns exec $ns ping -c 3 127.0.0.1 | sed -n 's/.*time=\([0-9]*\)\..*/\1/p' | tail -n 1) &&
		echo "a round trip with 25 ms each way: $ms ms" &&
		[ "$ms" = 50 ] && status=0
	ip netns del $ns
	return $status
}

echo "TAP version 13"
echo "1..${#tests[@]}"
for t in "${tests[@]}"; do
	number=$((number + 1))
	if said=$("$t" 2>&1); then
		word=ok
	else
		word="not ok" failed=1
		echo "# ${said//$'\n'/$'\n'# }"
	fi
	echo "$word $number $t"
done
exit $failed
