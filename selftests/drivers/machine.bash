# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2015,SC2016 # names have no blanks; all of it or die; for another shell
#
# machine: one of two machines that scripts/machines joins by network cards of one model.
#
# nic0 is the card, 10.10.0.N and fd10::N on machine N. top0 is a device on top of the card, if a
# test makes one: 10.11.0.N and fd11::N. A second card is in the namespace
# control, over which machine 1 runs commands on machine 2: by the kernel's TCP, whose counters
# and ports outside of that namespace stay those of the test.

die() {
	echo "machine: $*" >&2
	exit 125
}

device_of() { # ADDRESS
	local at
	at=$(grep -lx "$1" /sys/class/net/*/address | head -n 1)
	at=${at%/address}
	echo "${at##*/}"
}

# Drivers, by what each device says it is. A second time for those behind virtio's bus.
load_drivers() {
	for _ in 1 2; do
		cat /sys/bus/{pci,virtio}/devices/*/modalias 2>/dev/null | sort -u | xargs -r modprobe -qa
	done
}

machine_up() { # NUMBER
	local n=$1 control nic

	load_drivers
	# Whoever sees a machine hang may want to know where.
	sysctl -qw kernel.sysrq=1
	control=$(device_of 52:54:00:00:00:0$n)
	nic=$(device_of 52:54:00:00:01:0$n)
	[ -n "$control" ] && [ -n "$nic" ] || die "no driver for a network card: $(ls /sys/class/net)"
	sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.router_solicitations=0
	ip netns add control &&
		ip link set $control netns control name control0 &&
		ip -n control link set lo up &&
		ip -n control link set control0 up &&
		ip -n control addr add 10.8.0.$n/24 dev control0 &&
		ip link set $nic name nic0 &&
		ip link set nic0 up &&
		addresses_up nic0 10 $n || die "the network cards could not be set up"
	echo $n >/tmp/number
}

addresses_up() { # DEVICE NETWORK NUMBER
	ip addr replace 10.$2.0.$3/24 dev $1 && ip -6 addr replace fd$2::$3/64 dev $1 nodad
}

# Make top0 on top of the card.
over() { # KIND
	local n other
	read -r n </tmp/number
	other=$((3 - n))
	case $1 in
	vlan | vlan_in_software) ip link add link nic0 name top0 type vlan id 5 ;;
	macvlan) ip link add link nic0 name top0 type macvlan mode bridge ;;
	bridge) ip link add top0 type bridge && ip link set nic0 master top0 ;;
	bond)
		ip link add top0 type bond mode active-backup miimon 100 &&
			ip link set nic0 down && ip link set nic0 master top0
		;;
	vxlan)
		ip link add top0 type vxlan id 7 local 10.10.0.$n remote 10.10.0.$other dev nic0 dstport 4789
		;;
	wireguard) ip link add top0 type wireguard && /xtcp/drivers/wireguard.py $n ;;
	geneve) ip link add top0 type geneve id 7 remote 10.10.0.$other ;;
	*) false ;;
	esac && ip link set nic0 up && ip link set top0 up && addresses_up top0 11 $n
}

over_nothing() {
	local n
	read -r n </tmp/number
	ip link del top0
	ip link set nic0 up
	addresses_up nic0 10 $n
}

# Serve commands until machine 1 has had enough.
machine_serve() {
	nsenter --net=/run/netns/control /xtcp/drivers/agent 9 /proc/1/ns/net &
	until [ -e /tmp/end ]; do
		sleep 0.5
	done
	kill $!
}

# Run a command on machine 2, which may be one of the functions here: its output and its status.
far() { # COMMAND
	local said
	said=$(nsenter --net=/run/netns/control bash -c 'exec 3<>/dev/tcp/10.8.0.2/9 && printf %s "$1" >&3 && cat <&3' \
		bash ". /xtcp/drivers/machine.bash; { $1"$'\n''} 2>&1; echo "status $?"; exit'$'\n' 2>/dev/null)
	case ${said##*$'\n'} in
	'status '*) ;;
	*) echo "machine 2 does not answer: $1"; return 255 ;;
	esac
	[ "$said" = "${said##*$'\n'}" ] || printf '%s\n' "${said%$'\n'*}"
	return ${said##*status }
}

# Run a command on both machines.
both() { # COMMAND
	eval "$1" && far "$1"
}

await_far() {
	local i
	for ((i = 0; i < 100; i++)); do
		! far true >/dev/null || return 0
		sleep 0.5
	done
	die "machine 2 does not answer"
}

# --- XDP, on either machine ----------------------------------------------------

# A program that passes every packet; with "driver" in the driver, which must be able to do that.
xdp() { # [driver]
	/xtcp/drivers/xdp_pass nic0 $* >/tmp/xdp
}

no_xdp() {
	[ ! -s /tmp/xdp ] || kill "$(</tmp/xdp)"
	rm -f /tmp/xdp
}

# --- a transfer, on either machine --------------------------------------------

events=/sys/kernel/tracing/events/net/net_dev_start_xmit
histogram='hist:keys=ip_summed,gso_size if name=="nic0" && len > 400'

# A counter of xtcp and of the kernel's TCP together.
count() { # NAME
	awk -v name=$1 '
		/^Tcp:/ && !(FILENAME in at) {
			for (i = 2; i <= NF; i++)
				if ($i == name)
					at[FILENAME] = i
			next
		}
		/^Tcp:/ { sum += $at[FILENAME] }
		END { print sum + 0 }' /proc/net/snmp /proc/net/xtcp_snmp
}

# Before a transfer.
transfer_begin() { # WIRE
	sysctl -qw net.ipv4.xtcp_wire=$1
	echo "$(count InCsumErrors) $(count RetransSegs)" >/tmp/before
	rm -f /tmp/result
	echo "!$histogram" 2>/dev/null >$events/trigger
	echo "$histogram" >$events/trigger
}

# After it, lines: "counts WRONG-CHECKSUMS RETRANSMISSIONS", and for each form of skbs with
# payload that the driver was given "given CHECKSUM SIZE COUNT". CHECKSUM: 0 none to do, 3 to be
# completed. SIZE: bytes of each segment that the card is to make, 0 none.
transfer_end() {
	local bad resent
	read -r bad resent </tmp/before
	echo "counts $(($(count InCsumErrors) - bad)) $(($(count RetransSegs) - resent))"
	sed -n 's/.*ip_summed: *\([0-9]*\), gso_size: *\([0-9]*\) *} *hitcount: *\([0-9]*\).*/given \1 \2 \3/p' \
		$events/hist
}

await_result() {
	local i
	for ((i = 0; i < 300; i++)); do
		[ ! -s /tmp/result ] || break
		sleep 0.2
	done
	echo "result $(cat /tmp/result)"
}
