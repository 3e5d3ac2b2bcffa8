#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# menu.sh: what a person does in shim's menu after mokutil --import, at a serial terminal. Called by
# scripts/packages.
#
#   menu.sh KEYS PASSWORD EMULATOR...
#
# KEYS is how many keys mokutil has asked for. Prints the screens.
set -euo pipefail

keys=$1 password=$2
shift 2
work=$(mktemp -d "${TMPDIR:-/tmp}/xtcp-menu.XXXXXX")
screen=$work/screen machine='' at=0
# Called by the trap.
# shellcheck disable=SC2317
leave()
{
	[ -z "$machine" ] || { kill -KILL "$machine" && wait "$machine"; } 2>/dev/null || true
	# Without the colours and the frames.
	LC_ALL=C sed 's/\x1b\[[0-9;?=]*[A-Za-z]/\n/g' "$screen" | LC_ALL=C tr -d '\200-\377\r' | grep -v '^ *$' || true
	rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

wrong()
{
	echo "menu: $*" >&2
	exit 1
}

size()
{
	stat -c %s "$screen"
}

# Wait for words that the machine has written since the last key.
shows() # WORDS
{
	local _
	for _ in {1..600}; do
		! tail -c "+$((at + 1))" "$screen" | grep -aqF "$1" || return 0
		kill -0 "$machine" 2>/dev/null || break
		sleep 0.2
	done
	wrong "the screen does not show: $1"
}

# The machine has drawn all that the last key causes.
drawn()
{
	local before=$at now
	while now=$(size); [ "$now" = "$at" ] || [ "$now" != "$before" ]; do
		kill -0 "$machine" 2>/dev/null || wrong "the machine has ended"
		before=$now
		sleep 1
	done
}

press() # KEY...
{
	local key
	for key; do
		at=$(size)
		printf %s "$key" >&3
		[ "$key" != "$down" ] || drawn
	done
}

enter=$'\r' down=$'\e[B'
mkfifo "$work/keyboard"
: >"$screen"
"$@" -serial stdio <"$work/keyboard" >"$screen" & machine=$!
exec 3>"$work/keyboard"

# For ten seconds.
shows 'Press any key to perform MOK management'
press "$enter"
shows 'Enroll MOK'
drawn
press "$down" "$enter"
# An entry for each key, and below them the one to go on.
shows "View key $((keys - 1))"
shows Continue
drawn
for ((; keys > 0; keys--)); do
	press "$down"
done
press "$enter"
shows 'Enroll the key(s)?'
shows Yes
drawn
press "$down" "$enter"
shows Password:
drawn
press "$password" "$enter"
shows Reboot
drawn
press "$enter"
for _ in {1..300}; do
	kill -0 "$machine" 2>/dev/null || break
	sleep 0.2
done
! kill -0 "$machine" 2>/dev/null || wrong "the machine does not reboot"
wait "$machine" || wrong "the emulator failed"
machine=''
