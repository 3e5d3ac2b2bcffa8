#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# secure.sh: in a guest that UEFI booted with Secure Boot, which modules the kernel loads. Called by
# scripts/packages.
#
# /package/xtcp.ko is signed with a key of the firmware's db, other.ko with a key that it does not
# know, unsigned.ko not at all.
set -u

wrong()
{
	echo "guest: $*" >&2
	dmesg | tail -n 5 >&2
	exit 1
}

refused() # FILE
{
	! insmod "/package/$1" 2>/tmp/said || wrong "$1 was loaded"
	grep -q 'Key was rejected by service' /tmp/said || wrong "$1: $(cat /tmp/said)"
}

dmesg | grep -q 'secureboot: Secure boot enabled' || wrong "no Secure Boot"
mount -t securityfs none /sys/kernel/security
grep -q '\[integrity\]' /sys/kernel/security/lockdown || wrong "the kernel is not locked down"
refused unsigned.ko
refused other.ko
insmod /package/xtcp.ko || wrong "xtcp.ko was not loaded"
# 8192: a module without a valid signature.
[ $(($(cat /proc/sys/kernel/tainted) & 8192)) = 0 ] || wrong "the kernel takes the module for unsigned"
head -c 1048576 /dev/urandom >/tmp/sent
/package/xtcp-run socat -u TCP4-LISTEN:80 CREATE:/tmp/got &
for _ in {1..100}; do
	! grep -q ':0050 00000000:0000 0A ' /proc/net/xtcp || break
	sleep 0.1
done
/package/xtcp-run socat -u FILE:/tmp/sent TCP4:127.0.0.1:80 || wrong "the transfer failed"
wait
cmp /tmp/sent /tmp/got || wrong "other bytes arrived"
echo "guest: every step passed"
