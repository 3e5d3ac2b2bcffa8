#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# report: the page of `make report` for the story time-wait-reuse is well-formed, refers to nothing
# outside itself, and has the connection's states, the counters that moved, the knob that the story
# turns, and the versions.
# vm: timeout=300 with=python3 uses=user/report.tar newest heavy
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# shellcheck source=../lib/hosts.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/hosts.bash"

export XTCPTOOL=/usr/lib/xtcp

# Prints what the test compares.
facts_of() { # PAGE
	python3 - "$1" <<-'END'
		import re, sys, xml.etree.ElementTree as tree
		text = open(sys.argv[1], encoding="utf-8").read()
		root = tree.fromstring(text)
		HTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"
		assert root.tag == HTML + "html", root.tag
		ids = [e.get("id") for e in root.iter() if e.get("id")]
		print("twice the same id:", len(ids) - len(set(ids)))
		outside = [f"{e.tag} {name}={value}" for e in root.iter() for name, value in e.attrib.items()
		           if name.rpartition("}")[2] in ("href", "src", "srcset", "data", "action", "background", "poster")
		           or re.search(r"url\((?!#)|https?:|//", value)]
		outside += [e.tag for e in root.iter() if e.tag.rpartition("}")[2] in
		            ("script", "link", "iframe", "object", "embed", "img", "image", "use", "base")]
		outside += [e.text for e in root.iter() if e.tag.endswith("}style") and re.search(r"@import|url\(", e.text)]
		print("outside:", *outside)
		plain = [rule for svg in root.iter(SVG + "svg") for style in svg.iter(SVG + "style")
		         for rule in re.findall(r"[^{}]+(?=\{)", style.text)
		         if not rule.strip().startswith("@") and
		         any(not s.strip().startswith(f"#{svg.get('id')} ") for s in rule.split(","))]
		print("rules for the whole page:", *plain)
		arrows = sum(e.get("marker-end") == "url(#ladder1-a)" for e in root.iter(SVG + "path"))
		print("ladder:", "drawn" if arrows > 10 else arrows)
		tables = {}
		for t in root.iter(HTML + "table"):
		    heads = " ".join("".join(h.itertext()) for h in t.iter(HTML + "th"))
		    tables.setdefault(heads, []).extend(
		        tuple("".join(c.itertext()) for c in row.iter(HTML + "td")) for row in t.iter(HTML + "tr"))
		for row in tables[" "]:
		    if row and row[0] != "source":
		        print(*row)
		states = [row for row in tables["seconds end from event to"] if row]
		for end in "left", "right":
		    print(end + ":", states and next(r[2] for r in states if r[1] == end), *(r[4] for r in states if r[1] == end))
		counters = {row[0]: row[1:] for row in tables["counter client server"] if row}
		for name in "ActiveOpens", "PassiveOpens", "TWRecycled":
		    print(name, *next((v for k, v in counters.items() if k.endswith(" " + name)), ["did not move"]))
		print("zero:", *(k for k, v in counters.items() if v == ("0", "0")))
		knobs = {row[0]: row[1:] for row in tables["knob default client server"] if row}
		print("xtcp_tw_reuse", *knobs["xtcp_tw_reuse"])
		print("knobs:", "all" if len(knobs) > 80 else len(knobs))
		rows = {row[:3]: row[3:] for row in tables["from event to client server"] if row}
		print("TIME-WAIT-REUSE", *rows.get(("TIME-WAIT", "TIME-WAIT-REUSE", "CLOSED"), [rows]))
		print("title:", root.find(f"{HTML}head/{HTML}title").text)
		print("said:", "2 < 3 & more" in "".join(root.itertext()))
	END
}

program_test report_of_a_story
report_of_a_story() {
	local state="SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED"
	open_hosts || return
	echo 'the story says 2 < 3 & more' >"$dir/raw"
	(cd "$dir" && XTCP_RUN_FACTS=1 run.d/scenes time-wait-reuse) >>"$dir/raw"
	close_hosts
	python3 "$dir/report.d/page.py" 'a <story>' "$dir/raw" >"$dir/page" || return
	facts_of "$dir/page" >"$dir/facts" || return
	expect_equal "$(cat <<-END
		twice the same id: 0
		outside:
		rules for the whole page:
		ladder: drawn
		kernel $(uname -r)
		module $(cat /sys/module/xtcp/version)
		left: CLOSED $state $state
		right: LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED
		ActiveOpens 2 0
		PassiveOpens 0 2
		TWRecycled 1 0
		zero:
		xtcp_tw_reuse 2 1 2
		knobs: all
		TIME-WAIT-REUSE 1 0
		title: a <story>
		said: True
	END
	)" "$(cat "$dir/facts")" 'the page'
}

# An output without the sections is refused in one line.
program_test report_of_a_run_that_failed
report_of_a_run_that_failed() {
	tar -xf "$packed" -C "$dir"
	echo 'insmod: no such file' >"$dir/raw"
	expect_status 1 python3 "$dir/report.d/page.py" title "$dir/raw" && expect_error 'has no section system$'
}

program_tests_run
