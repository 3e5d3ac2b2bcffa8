# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # variables of the scripts that source it
#
# Functions of a demonstration: printing, checking, and the two hosts. Sourced by scripts
# that run in a guest of scripts/vm, in a folder of their own.

# --- printing and checking -------------------------------------------------

facts=0 wrong=0

chapter() { # TITLE; the introduction is on stdin
	printf '\n=== %s\n\n' "$1"
	sed 's/^/  /'
	echo
}

show() { # COMMAND..., as it would be typed
	printf '    $ %s\n' "$*"
}

indent() {
	sed 's/^/      /'
}

check() { # FACT COMMAND...
	local fact=$1
	shift
	facts=$((facts + 1))
	if "$@" >check.out 2>&1; then
		printf '  ok     %s\n' "$fact"
	else
		wrong=$((wrong + 1))
		printf '  WRONG  %s\n' "$fact"
		indent <check.out
	fi
}

same() { # WANTED GOT
	[ "$1" = "$2" ] || { printf 'wanted: %s\ngot:    %s\n' "$1" "$2"; false; }
}

within() { # SECONDS WANTED; a timer is never early and at most 2 ms late
	awk -v got="$1" -v want="$2" 'BEGIN {
		if (got < want - .0005 || got > want + .002) {
			print "wanted: " want " s\ngot:    " got " s"; exit 1
		}
	}'
}

# --- the two hosts --------------------------------------------------------

on() { # HOST COMMAND...
	ip netns exec "$@"
}

pause() { # SECONDS
	read -rt "$1" <>never || true
}

# All counters of the kernel's TCP, of both hosts.
kernel_tcp() {
	on client grep ^Tcp: /proc/net/snmp
	on server grep ^Tcp: /proc/net/snmp
}

no_cache() {
	grep -q '^kmalloc' /proc/slabinfo && ! grep '^xtcp' /proc/slabinfo
}

no_complaint() {
	dmesg >kernel.log && grep -q 'Linux version' kernel.log &&
		! grep -E 'WARNING|BUG:|Oops|Call Trace' kernel.log
}
