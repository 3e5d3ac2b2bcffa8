#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# A transparent proxy: connections are redirected to it, and SO_ORIGINAL_DST tells where
# they were going, as with the kernel's TCP. LC-114.
# vm: timeout=300 busy with=python3 heavy
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

redirect() { # RULE
	rules $server <<-END
		table inet t {
			chain pre {
				type nat hook prerouting priority dstnat
				$1
			}
		}
	END
}

proxy() { # PROGRAM FAMILY PORT
	start $server $1 "$(dirname "$0")/origdst.py" $2 $3
	await_row $server "$(table_of "$1")$([ $2 = 4 ] || echo 6)" $3 0A
}

asked() { # FAMILY ADDRESS PORT
	on $client timeout 10 socat -u tcp$1:$2:$3,connect-timeout=5 - 2>&1
}

program_test lc_114_original_destination
lc_114_original_destination() {
	tcp_wire $client $server &&
		redirect 'tcp dport { 80, 8080 } redirect to :5006; tcp dport 81 redirect to :5007' &&
		proxy "$run" 4 5006 && proxy '' 4 5007 || return
	expect_equal '10.9.0.2 80' "$(asked 4 10.9.0.2 80)" 'destination' &&
		expect_equal '10.9.0.2 8080' "$(asked 4 10.9.0.2 8080)" 'destination' &&
		expect_equal '10.9.0.2 81' "$(asked 4 10.9.0.2 81)" "destination for the kernel's TCP" &&
		expect_equal '10.9.0.2 5006' "$(asked 4 10.9.0.2 5006)" 'without a redirection'
}

program_test lc_114_original_destination_of_ipv6
lc_114_original_destination_of_ipv6() {
	tcp_wire $client $server &&
		redirect 'tcp dport 80 redirect to :5006; tcp dport 81 redirect to :5007' &&
		proxy "$run" 6 5006 && proxy '' 6 5007 || return
	expect_equal 'fd09::2 80' "$(asked 6 '[fd09::2]' 80)" 'destination' &&
		expect_equal 'fd09::2 81' "$(asked 6 '[fd09::2]' 81)" "destination for the kernel's TCP"
}

# Connections without conntrack, and those that no rule translates by port.
program_test lc_114_no_original_destination
lc_114_no_original_destination() {
	tcp_wire $server && proxy "$run" 4 5006 && proxy '' 4 5007 || return
	expect_equal 'error 2' "$(asked 4 10.9.0.2 5007)" "without conntrack, by the kernel's TCP" &&
		expect_equal 'error 2' "$(asked 4 10.9.0.2 5006)" 'without conntrack' || return
	on $server sysctl -qw net.ipv4.xtcp_wire=253 && proxy "$run" 4 5008 || return
	expect_equal 'error 92' "$(on $client timeout 10 $run socat -u tcp4:10.9.0.2:5008 - 2>&1)" \
		'on the native wire'
}

program_tests_run
