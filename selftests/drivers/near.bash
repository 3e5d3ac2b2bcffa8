#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2016,SC2046,SC2317 # names have no blanks; for eval
#
# near: machine 1 of two with a network card of one model. It transfers data both ways between
# them, with each of the card's offloads off in turn, and on top of other devices. Run by
# scripts/drivers; prints TAP.
#
#   near MODEL [PATTERN]      PATTERN: of the names of tests
#
# Each transfer is one test:
#   - every byte arrives, at both ends (exchange.c)
#   - neither stack has seen a wrong checksum
#   - what the driver was given has the form that the card can take: whole GSO skbs where it
#     segments, a checksum to complete where it does that, and on the native wire, whose
#     protocol no card knows, finished segments. This is seen where the driver takes an skb
#     (net:net_dev_start_xmit), on both machines.
# scripts/drivers checks all checksums at the wire.
# shellcheck source=machine.bash source-path=SCRIPTDIR
. /xtcp/drivers/machine.bash

model=$1 pattern=${2:-.}
bytes=${BYTES:-2097152}
number=0 failed=0 port=7000
net=10		# the second number of the addresses: 10 of nic0, 11 of top0
tunnel=		# not empty: the card cannot segment what is in a tunnel, but sum the outer header
said=$(mktemp)

# What each model's driver can do in QEMU, so that none of it is lost without notice.
declare -A abilities=(
	[virtio-net-pci]='sums tso4 tso6 jumbo xdp'
	[e1000]='sums rxsums tso4 jumbo vlan'
	[e1000e]='sums rxsums tso4 tso6 jumbo vlan'
	[igb]='sums rxsums tso4 tso6 jumbo vlan xdp'
	[vmxnet3]='sums rxsums tso4 tso6 jumbo vlan xdp'
	[rtl8139]='sums rxsums tso4 vlan'
)

result() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		failed=1
		echo "not ok $number $2"
	fi
	sed 's/^/# /' "$said"
	: >"$said"
}

# --- the card's offloads ------------------------------------------------------

is_on() { # FEATURE
	ethtool -k nic0 | grep -q "^[[:space:]]*$1: on"
}

able() {
	local -a found=()
	! is_on tx-checksumming || found+=(sums)
	# What is not "fixed" may stay on all the same.
	ethtool -K nic0 rx off >/dev/null 2>&1
	is_on rx-checksumming || found+=(rxsums)
	ethtool -K nic0 rx on >/dev/null 2>&1
	! is_on tx-tcp-segmentation || found+=(tso4)
	! is_on tx-tcp6-segmentation || found+=(tso6)
	! mtu 9000 2>/dev/null || found+=(jumbo)
	mtu 1500
	! is_on tx-vlan-offload || found+=(vlan)
	! both 'xdp driver' >/dev/null 2>&1 || found+=(xdp)
	both no_xdp 2>/dev/null
	echo "${found[*]}"
}

can() { # ABILITY
	[[ " ${abilities[$model]} " = *" $1 "* ]]
}

all_offloads='for word in rx tx sg tso gso gro rxvlan txvlan; do ethtool -K nic0 $word on; done >/dev/null 2>&1; true'

offloads() { # WORD on|off ...
	both "ethtool -K nic0 $* >/dev/null"
}

# The driver may restart the card.
mtu() { # BYTES
	both "ip link set nic0 mtu $1"
}

reachable() {
	local i
	for ((i = 0; i < 50; i++)); do
		! ping -c 1 -W 1 10.$net.0.2 >/dev/null 2>&1 || ! ping -6 -c 1 -W 1 fd$net::2 >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	echo "machine 2 can't be reached"
	return 1
}

# --- transfers ------------------------------------------------------------------

# What transfer_end printed, in $said: no wrong checksum, and the driver was given what $sums (0,
# 3 or any) and $tso (0 or 1) say.
check_machine() { # NUMBER
	awk -v machine="machine $1" -v sums=$sums -v tso=$tso '
		$1 == "counts" {
			bad = $2
			if ($3)
				print machine ": " $3 " segments were sent again"
		}
		$1 == "given" {
			total += $4
			if ($3 > 0)
				whole += $4
			if (sums != "any" && $2 != sums)
				other += $4
		}
		END {
			if (bad)
				print machine ": " bad " checksums were wrong"
			if (other)
				print machine ": " other " of " total " skbs had not the checksum " sums
			if (tso && !whole)
				print machine ": none of " total + 0 " skbs was for the card to segment"
			if (!tso && whole)
				print machine ": " whole " of " total " skbs were for the card to segment"
			if (!total)
				print machine ": the driver was given nothing"
			exit bad || other || !total || (tso ? !whole : whole)
		}'
}

transfer() { # WIRE FAMILY NEAR FAR
	local address=10.$net.0.2 answer status=0
	[ $2 = 4 ] || address=fd$net::2
	port=$((port + 1))
	transfer_begin $1
	far "transfer_begin $1; /xtcp/drivers/exchange serve $4 $2 $port $bytes /tmp/result" || return
	answer=$(timeout 400 /xtcp/drivers/exchange ask $3 $2 $port $bytes $address)
	[ "$answer" = good ] || { echo "machine 1: $answer"; status=1; }
	answer=$(far 'await_result; transfer_end')
	grep -qx 'result good' <<<"$answer" || { echo "machine 2: $answer"; status=1; }
	transfer_end | check_machine 1 || status=1
	check_machine 2 <<<"$answer" || status=1
	return $status
}

# One test. On the native wire no card can do anything.
row() { # NAME WIRE FAMILY NEAR FAR
	local name=$1 status sums=0 tso=0
	[[ $name =~ $pattern ]] || return 0
	if [ $2 = 6 ]; then
		! is_on 'tx-checksum-ip\(-generic\|v'$3'\)' || sums=3
		! is_on tx-tcp${3#4}-segmentation || tso=1
	fi
	[ -z "$tunnel" ] || sums=any tso=0
	transfer "${@:2}" >"$said" 2>&1
	status=$?
	if [ $status != 0 ] && [ $2 = 6 ]; then
		# Is it the card, or the emulator?
		if transfer 6 $3 tcp tcp >/dev/null 2>&1; then
			echo "between two ends of the kernel's TCP it works"
		else
			echo "between two ends of the kernel's TCP it fails, too"
		fi >>"$said"
	fi
	result $status "$name"
}

# Each wire and family; xtcp at both ends, and the kernel's TCP at one.
kinds=(
	'native_v4 253 4 xtcp xtcp'
	'native_v6 253 6 xtcp xtcp'
	'tcp_v4 6 4 xtcp xtcp'
	'tcp_v6 6 6 xtcp xtcp'
	'to_kernel_v4 6 4 xtcp tcp'
	'from_kernel_v6 6 6 tcp xtcp'
)

# The tests of a case: what makes it, and what undoes that.
rows() { # CASE [COMMAND UNDO]
	local case=rfc9293_must_02_$1 kind wanted=
	for kind in "${kinds[@]}"; do
		[[ ! ${case}_${kind%% *} =~ $pattern ]] || wanted=1
	done
	[ -n "$wanted" ] || return 0
	if eval "${2-:}" >"$said" 2>&1 && reachable >>"$said" 2>&1; then
		: >"$said"
		for kind in "${kinds[@]}"; do
			row ${case}_$kind
		done
	else
		result 1 $case
	fi
	eval "${3-:}"
}

# The same on top of another device.
above() { # KIND [COMMAND]
	net=11
	rows $1 "${2-:} && both 'over $1'" 'both over_nothing; both "$all_offloads"'
	net=10
}

# The same with some of the card's offloads off.
without() { # CASE WORD...
	local words="${*:2}"
	rows $1 "offloads ${words// / off } off" 'both "$all_offloads"'
}

# --- main -----------------------------------------------------------------------

machine_up 1
await_far
# What is lost on the way from one machine to the other shall not cost minutes.
both 'sysctl -qw net.ipv4.tcp_syn_retries=3 net.ipv4.xtcp_syn_retries=3'
both "$all_offloads"
echo "TAP version 13"
reachable >"$said" 2>&1
result $? reachable
ethtool -i nic0 | sed -n 's/^driver: /# driver: /p'
can_now=$(able)
[ "$can_now" = "${abilities[$model]}" ] ||
	echo "wanted ${abilities[$model]}, found $can_now" >"$said"
result "$([ ! -s "$said" ]; echo $?)" abilities

rows whole
! can tso4 || without no_tso tso
without no_gso tso gso
without no_gro gro
! can sums || without no_tx_sums tx
! can rxsums || without no_rx_sums rx
without nothing tso gso gro tx sg $(! can rxsums || echo rx)
! can jumbo || rows jumbo 'mtu 9000' 'mtu 1500'
above vlan
# QEMU's rtl8139 sums where the header is in a frame without a tag.
[ $model = rtl8139 ] || ! can vlan || above vlan_in_software 'offloads rxvlan off txvlan off'
above macvlan
above bridge
above bond
tunnel=1
all_kinds=("${kinds[@]}")
# QEMU's igb writes the sum of a TCP header inside these into the outer UDP header, and no SYN of
# the kernel's TCP arrives.
[ $model != igb ] || kinds=("${all_kinds[@]:0:2}")
above vxlan
above geneve
kinds=("${all_kinds[@]}")
above wireguard
tunnel=
rows xdp 'both xdp' 'both no_xdp'
! can xdp || rows xdp_driver 'both "xdp driver"' 'both no_xdp'
far 'touch /tmp/end'
echo "1..$number"
exit $failed
