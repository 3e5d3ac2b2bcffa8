#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# tour: what Documentation/tour.rst has the reader type, on either wire. Python's doctest
# compares what is printed.
# vm: timeout=300 with=python3 newest
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

page=${XTCP_DOCUMENTS:-/xtcp/Documentation}/tour.rst

tour() {
	cat >"$dir/tour.py" <<-END
		import doctest
		failed, tried = doctest.testfile("$page", module_relative=False)
		print(tried, "lines")
		raise SystemExit(failed or tried < 30)
	END
	expect_status 0 on $client "$run" python3 "$dir/tour.py"
}

program_test tour_of_the_native_wire
tour_of_the_native_wire() {
	tour
}

program_test tour_of_the_tcp_wire
tour_of_the_tcp_wire() {
	tcp_wire $client && tour
}

program_tests_run
