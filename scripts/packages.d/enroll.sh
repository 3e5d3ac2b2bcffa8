#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# enroll.sh: in a guest that shim and GRUB booted with Secure Boot, which modules the kernel loads, before and
# after two keys are enrolled. Called by scripts/packages.
#
#   enroll.sh import PASSWORD   before; at the end mokutil asks for both keys
#   enroll.sh enrolled          after
#
# /package has xtcp.ko as make install signs it and MOK.der, the certificate of that key; mok.pub, that of
# DKMS's key; and unsigned.ko. The modules of DKMS are installed.
set -u

wrong()
{
	echo "guest: $*" >&2
	dmesg | tail -n 5 >&2
	exit 1
}

# The command fails, with the error of troubleshooting.rst, and the kernel's log has REASON, or says nothing of it.
refused() # REASON COMMAND...
{
	local lines said
	lines=$(dmesg | wc -l)
	! "${@:2}" 2>/tmp/said || wrong "${*:2} loaded a module"
	cat /tmp/said
	grep -q 'Key was rejected by service' /tmp/said || wrong "${*:2}: $(cat /tmp/said)"
	said=$(dmesg | tail -n "+$((lines + 1))" | grep -iE 'module|sign|key|reject' | sed 's/^\[[^]]*\] //')
	[ "$said" = "$1" ] || wrong "${*:2}: the log says: $said"
}

# What mokutil says of both certificates.
both_are() # WORDS
{
	local certificate
	for certificate in MOK.der mok.pub; do
		mokutil --test-key "/package/$certificate" | tee /tmp/said
		grep -q " $1\$" /tmp/said || wrong "$certificate: not $1"
	done
}

# Where the kernel has the key of that name. .machine is for those that were enrolled; .secondary_trusted_keys, with
# which it verifies modules, leads to .machine.
keyrings_of() # NAME
{
	local keyring
	for keyring in .builtin_trusted_keys .machine .platform; do
		! keyctl list "%:$keyring" | grep -q "asymmetric: $1: " || printf ' %s' "$keyring"
	done
}

# The command loads xtcp, and the kernel has the key of its signature.
loads() # COMMAND...
{
	"$@" || wrong "$*"
	[ -d /sys/module/xtcp ] || wrong "xtcp is not loaded"
	# 8192: a module without a valid signature.
	[ $(($(cat /proc/sys/kernel/tainted) & 8192)) = 0 ] || wrong "$*: the kernel takes the module for unsigned"
	rmmod xtcp || wrong rmmod
}

# As systemd does at boot.
{ insmod /package/efivarfs.ko* && mount -t efivarfs none /sys/firmware/efi/efivars &&
	mount -t securityfs none /sys/kernel/security && depmod; } || wrong "the guest lacks something"
dmesg | grep 'secureboot: Secure boot enabled' || wrong "no Secure Boot"
grep '\[integrity\]' /sys/kernel/security/lockdown || wrong "the kernel is not locked down"
[ "$(mokutil --sb-state)" = 'SecureBoot enabled' ] || wrong "mokutil: $(mokutil --sb-state)"
names=("$(modinfo -F signer /package/xtcp.ko)" "$(modinfo -F signer xtcp)")
[ "$(printf '%s\n' "${names[@]}" | sort -u | grep -c .)" = 2 ] || wrong "signers: ${names[*]}"

unsigned='Loading of unsigned module is rejected' unknown='Loading of module with unavailable key is rejected'
refused "$unsigned" insmod /package/unsigned.ko
case $1 in
import)
	both_are 'is not enrolled'
	refused "$unknown" insmod /package/xtcp.ko
	refused "$unknown" modprobe xtcp
	for certificate in MOK.der mok.pub; do
		printf '%s\n' "$2" "$2" | mokutil --import "/package/$certificate" || wrong "mokutil --import $certificate"
	done
	both_are 'is already in the enrollment request'
	;;
enrolled)
	both_are 'is already enrolled'
	mokutil --list-enrolled >/tmp/enrolled
	for name in "${names[@]}"; do
		grep "Subject: CN *= *$name\$" /tmp/enrolled || wrong "mokutil --list-enrolled does not show $name"
		[ "$(keyrings_of "$name")" = ' .machine' ] || wrong "keyrings of $name:$(keyrings_of "$name")"
	done
	keyctl list %:.secondary_trusted_keys | tee /tmp/said
	grep -q 'keyring: \.machine$' /tmp/said || wrong ".machine is not below .secondary_trusted_keys"
	[ -z "$(mokutil --list-new)" ] || wrong "a request is left"
	cp /package/xtcp.ko /tmp/changed.ko
	printf %020d 0 | dd of=/tmp/changed.ko bs=1 seek=100000 conv=notrunc 2>/dev/null
	! cmp -s /package/xtcp.ko /tmp/changed.ko || wrong "not changed"
	refused '' insmod /tmp/changed.ko
	loads insmod /package/xtcp.ko
	loads modprobe xtcp
	;;
esac
grep -E ' keyring +\.(machine|platform|secondary_trusted_keys|builtin_trusted_keys):|asymmetri' /proc/keys
echo "guest: every step passed"
