#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # awk's $; names have no blanks; called by name
#
# settings: what an administrator reads or copies. The knobs of contrib/sysctl.d exist and take
# their values; the drop-in of contrib/systemd is what `xtcp enable` writes, and nginx with it listens
# on the TCP wire; the defaults of README.md and knobs.rst are those of a new namespace.
# vm: timeout=300 with=python3
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

documents=${XTCP_DOCUMENTS:-/xtcp/Documentation}
contrib=${XTCP_CONTRIB:-/xtcp/contrib}
drop_in=$contrib/systemd/nginx.service.d/xtcp.conf

# Each knob has another value before. Without the minus sign an unknown key is an error.
program_test settings_of_sysctl_examples
settings_of_sysctl_examples() {
	local file name value count=0
	for file in "$contrib"/sysctl.d/*.conf; do
		sed -n 's/^-\?net\./net./p' "$file" >"$dir/knobs"
		while IFS='= ' read -r name value; do
			[ "$(on $server sysctl -n $name | xargs)" != "$value" ] || { echo "$name is $value already"; return 1; }
		done <"$dir/knobs"
		expect_status 0 on $server sysctl -q -p "$dir/knobs" && expect_equal '' "$(<"$dir/err")" "errors of $file" || return
		while IFS='= ' read -r name value; do
			expect_equal "$value" "$(on $server sysctl -n $name | xargs)" $name || return
			count=$((count + 1))
		done <"$dir/knobs"
	done
	[ $count -ge 4 ] || { echo "only $count knobs"; return 1; }
}

# The packages' library has the same path as the guest's.
program_test settings_of_the_drop_in
settings_of_the_drop_in() {
	mkdir -p "$dir/root/lib/systemd/system" "$dir/root/usr/sbin"
	printf '[Service]\nExecStart=/usr/sbin/nginx\n' >"$dir/root/lib/systemd/system/nginx.service"
	cp "$(command -v nginx)" "$dir/root/usr/sbin/" && tools_in "$dir/root" || return
	expect_status 0 xtcp enable nginx --wire tcp --root "$dir/root" &&
		diff "$dir/root/etc/systemd/system/nginx.service.d/xtcp.conf" "$drop_in"
}

program_test settings_of_the_drop_in_run_nginx
settings_of_the_drop_in_run_nginx() {
	local run
	run="env $(sed -nE 's/^Environment="(.*)"$/\1/p' "$drop_in" | xargs)"
	start_nginx 443 && echo page >"$dir/www/page" || return
	expect_equal '443 tcp' "$(on $server awk 'NR > 1 { print $2, $NF }' /proc/net/xtcp_listen)" listener &&
		expect_equal page "$(on $client timeout 20 curl -s http://10.9.0.2:443/page)" 'what a client of the kernel gets'
}

# Numbers only: other defaults depend on the machine, or are words.
program_test settings_have_their_defaults
settings_have_their_defaults() {
	on $server python3 - "$documents" <<-'END'
		import re, sys
		folder, found, names = sys.argv[1], [], []
		with open(folder + "/knobs.rst") as f:
		    for line in f:
		        if m := re.match(r"(xtcp_\w+(?:, xtcp_\w+)*) - ", line):
		            names = m.group(1).split(", ")
		        elif m := re.match(r"\t- Default: ([\d ]*\d(?:, \d+)*)(?:[.]|$)", line):
		            values = m.group(1).split(", ")
		            found += [("knobs.rst", *pair) for pair in zip(names, values * len(names) if len(values) == 1 else values)]
		            names = []
		rows = 0
		with open(folder + "/README.md") as f:
		    table = f.read().split("\n## Tune it\n")[1].split("\n## ")[0]
		for names, values in re.findall(r"^\| (`.*?`) \| (.*?) \|", table, re.M):
		    values = re.sub(r" \(.*?\)", "", values).split(", ")
		    names = ["xtcp_" + name for name in re.findall(r"`(\w+)`", names)]
		    found += [("README.md", *pair) for pair in zip(names, values, strict=True)]
		    rows += 1
		wrong = 0
		for page, name, value in found:
		    with open("/proc/sys/net/ipv4/" + name) as f:
		        got = " ".join(f.read().split())
		    if got != value:
		        print(f"{page}: {name} is {value}, but the file has {got}")
		        wrong += 1
		print(rows, "rows,", len(found), "defaults,", wrong, "wrong")
		sys.exit(wrong != 0 or rows != 10 or len(found) < 80)
	END
}

program_tests_run
