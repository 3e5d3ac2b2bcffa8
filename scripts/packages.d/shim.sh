#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# shim.sh: scripts/vm's emulator, with a machine that boots as an installed Debian does: from a disk, by shim
# and GRUB. scripts/packages calls it by the emulator's name, with the disk among the emulator's words.
#
#   SHIM_DISK=FOLDER qemu-system-x86_64 ARG...
#
# FOLDER, of which the emulator makes the disk, has shim and GRUB already.
set -euo pipefail

kernel='' initrd='' words='' arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	-kernel) kernel=$2; shift ;;
	-initrd) initrd=$2; shift ;;
	-append) words=$2; shift ;;
	*) arguments+=("$1") ;;
	esac
	shift
done
# What an emulator boots without UEFI, unpacked, may lie beside the image that Debian has signed.
cp -L "${kernel%/*}/vmlinuz" "$SHIM_DISK/vmlinuz"
cp "$initrd" "$SHIM_DISK/initrd"
mkdir -p "$SHIM_DISK/EFI/debian"
printf '%s\n' "linux /vmlinuz $words" "initrd /initrd" boot >"$SHIM_DISK/EFI/debian/grub.cfg"
exec "/usr/bin/${0##*/}" "${arguments[@]}"
