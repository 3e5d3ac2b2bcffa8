#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # names have no blanks; tests are called by name
#
# On the TCP wire everything between device and socket sees TCP: nft's rules on
# input and output, conntrack, NAT both ways, marks, control groups, IPsec; and
# without a socket of the wire there is no hook. LC-114.
# vm: timeout=400 busy distro slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

program_test lc_114_conntrack_follows
lc_114_conntrack_follows() {
	local state
	tcp_wire $client $server || return
	rules $server <<-END || return
		table ip t {
			counter new { }
			counter invalid { }
			chain in {
				type filter hook input priority filter
				ct state new counter name new
				ct state invalid counter name invalid
			}
		}
	END
	start $server "$run" socat -t 30 tcp4-listen:5001,reuseaddr exec:'sleep 1000'
	await_row $server xtcp 5001 0A || return
	start $client "$run" socat -u tcp4:10.9.0.2:5001 -
	await_row $server xtcp 5001 01 || return
	state=$(on $server conntrack -L -p tcp --dport 5001 2>/dev/null)
	case $state in
	*ESTABLISHED*ASSURED*) ;;
	*) echo "while it lasts: $state"; return 1 ;;
	esac
	kill "${pids[1]}"
	sleep 1
	kill "${pids[0]}"
	sleep 2
	state=$(on $server conntrack -L -p tcp --dport 5001 2>/dev/null)
	case $state in
	*TIME_WAIT* | *' CLOSE '*) ;;
	*) echo "after its end: $state"; return 1 ;;
	esac
	expect_equal 1 "$(counted $server new)" 'new connections' &&
		expect_equal 0 "$(counted $server invalid)" 'invalid packets'
}

program_test lc_114_input_rules_come_first
lc_114_input_rules_come_first() {
	local before
	tcp_wire $server || return
	echo_server $server 5002 "$run" || return
	expect_echo $client '' 10.9.0.2 5002 || return
	rules $server <<-END || return
		table ip t {
			counter dropped { }
			chain in {
				type filter hook input priority filter
				tcp dport 5002 counter name dropped drop
			}
		}
	END
	before=$(xtcp_count $server TcpInSegs)
	say $client '' 10.9.0.2 5002 connect-timeout=4 >/dev/null 2>&1 && { echo 'the drop lets it in'; return 1; }
	expect_equal "$before" "$(xtcp_count $server TcpInSegs)" 'segments that came through' || return
	[ "$(counted $server dropped)" -ge 2 ] || { echo 'no SYN was dropped'; return 1; }
	on $server nft flush ruleset
	expect_echo $client '' 10.9.0.2 5002 || return
	rules $server <<-END || return
		table ip t {
			chain in {
				type filter hook input priority filter
				tcp dport 5002 reject with tcp reset
			}
		}
	END
	expect_status 1 on $client socat - tcp4:10.9.0.2:5002,connect-timeout=4 && grep -q refused "$dir/err"
}

program_test lc_114_output_rules_and_marks
lc_114_output_rules_and_marks() {
	tcp_wire $client $server || return
	echo_server $server 5003 '' || return
	rules $client <<-END || return
		table ip t {
			counter marked { }
			counter owned { }
			counter tos { }
			chain out {
				type filter hook output priority filter
				tcp dport 5003 meta mark 7 counter name marked
				tcp dport 5003 meta skuid 0 counter name owned
				tcp dport 5003 ip dscp cs4 counter name tos
				tcp dport 5004 drop
			}
		}
	END
	# SO_MARK of SOL_SOCKET, set when it is connected.
	expect_echo $client "$run" 10.9.0.2 5003 setsockopt-int=1:36:7,ip-tos=128 || return
	[ "$(counted $client marked)" -ge 3 ] && [ "$(counted $client owned)" -ge 5 ] &&
		[ "$(counted $client tos)" -ge 3 ] || { on $client nft list ruleset; return 1; }
	echo_server $server 5004 '' || return
	! say $client "$run" 10.9.0.2 5004 connect-timeout=3 >/dev/null 2>&1
}

# Rules for TCP's ports route our packets: without them there is no route.
program_test lc_114_policy_routing
lc_114_policy_routing() {
	tcp_wire $client || return
	echo_server $server 5005 '' && echo_server $server 5004 '' || return
	ip -n $server addr add 10.8.0.2/32 dev lo
	ip -n $client rule add ipproto tcp dport 5005 table 9
	ip -n $client route add 10.8.0.2/32 via 10.9.0.2 dev $wire table 9
	! say $client "$run" 10.8.0.2 5004 connect-timeout=2 >/dev/null 2>&1 &&
		expect_echo $client "$run" 10.8.0.2 5005
}

program_test lc_114_redirect_either_way
lc_114_redirect_either_way() {
	tcp_wire $client $server || return
	rules $server <<-END || return
		table ip t {
			chain pre {
				type nat hook prerouting priority dstnat
				tcp dport 80 redirect to :5006
				tcp dport 81 redirect to :5007
			}
		}
	END
	echo_server $server 5006 "$run" && echo_server $server 5007 '' || return
	expect_echo $client '' 10.9.0.2 80 && expect_echo $client "$run" 10.9.0.2 80 &&
		expect_echo $client "$run" 10.9.0.2 81 || return
	# Our own connections out are redirected, too.
	rules $client <<-END || return
		table ip t {
			chain out {
				type nat hook output priority -100
				tcp dport 82 dnat to 10.9.0.2:5006
			}
		}
	END
	expect_echo $client "$run" 10.9.9.9 82 2>/dev/null || {
		ip -n $client route add default via 10.9.0.2
		expect_echo $client "$run" 10.9.9.9 82
	}
}

# $client is the router; behind it $inside, whose address has no route outside.
behind_nat() {
	open_inside || return
	tcp_wire $inside $server
	rules $client <<-END
		table ip t {
			chain post {
				type nat hook postrouting priority srcnat
				oif $wire masquerade
			}
		}
	END
}

program_test lc_114_masquerade_either_way
lc_114_masquerade_either_way() {
	behind_nat || return
	echo_server $server 5008 "$run" && echo_server $server 5009 '' &&
		expect_echo $inside "$run" 10.9.0.2 5008 && expect_echo $inside '' 10.9.0.2 5008 &&
		expect_echo $inside "$run" 10.9.0.2 5009
}

# NAT on xtcp's own host, at each of the four hooks, in either role: its packets
# are redirected (above) or leave from another address; arriving ones go to
# another local address, or get another source.
program_test lc_114_nat_at_the_host
lc_114_nat_at_the_host() {
	local program port
	tcp_wire $client $server || return
	ip -n $client addr add 10.9.0.77/24 dev $wire
	ip -n $server addr add 10.9.0.88/24 dev $wire
	rules $client <<-END || return
		table ip t {
			counter left { }
			chain post {
				type nat hook postrouting priority srcnat
				tcp dport 5040-5043 counter name left snat to 10.9.0.77
			}
		}
	END
	rules $server <<-END || return
		table ip t {
			counter sent_on { }
			counter hidden { }
			chain pre {
				type nat hook prerouting priority dstnat
				tcp dport 5042 counter name sent_on dnat to 10.9.0.88:5040
				tcp dport 5043 counter name sent_on dnat to 10.9.0.88:5041
			}
			chain in {
				type nat hook input priority 100
				tcp dport 5040-5041 counter name hidden snat to 10.9.0.99
			}
		}
	END
	start $server "$run" socat tcp4-listen:5040,reuseaddr,fork system:'echo $SOCAT_PEERADDR; cat'
	start $server socat tcp4-listen:5041,reuseaddr,fork system:'echo $SOCAT_PEERADDR; cat'
	await_row $server xtcp 5040 0A && await_row $server tcp 5041 0A || return
	for program in "$run" ''; do
		for port in 5040 5041 5042 5043; do
			[ -n "$program" ] || [ $port = 5040 ] || [ $port = 5042 ] || continue
			expect_equal "10.9.0.99 hello" "$(say $client "$program" 10.9.0.2 $port 2>&1 | tr '\n' ' ' | sed 's/ $//')" \
				"who came to $port from '$program', and what was said" || return
		done
	done
	expect_equal 6 "$(counted $client left)" 'connections that left by another address' &&
		expect_equal 3 "$(counted $server sent_on)" 'connections sent on' &&
		expect_equal 6 "$(counted $server hidden)" 'connections whose origin was hidden'
}

# An ICMP error quotes the translated segment; conntrack translates the quote back,
# and the error reaches the socket that sent the segment.
program_test lc_109_icmp_through_a_nat
lc_109_icmp_through_a_nat() {
	local before
	behind_nat || return
	# An address that no host has.
	on $client sysctl -qw net.ipv4.neigh.$wire.mcast_solicit=1 net.ipv4.neigh.$wire.retrans_time_ms=200
	expect_status 1 on $inside timeout 20 "$run" socat - tcp4:10.9.0.250:5045 &&
		grep -q 'No route to host' "$dir/err" || { cat "$dir/err"; return 1; }
	rules $server <<<'table ip t { chain in { type filter hook input priority 0; tcp dport 5046 reject; }; }' || return
	expect_status 1 on $inside timeout 20 "$run" socat - tcp4:10.9.0.2:5046 &&
		grep -q refused "$dir/err" || { cat "$dir/err"; return 1; }
	# The router's outer link has a smaller MTU than the inner one, so it reports too
	# big; the server's end keeps its MTU, because its MSS would show the smaller one.
	start $server socat -u tcp4-listen:5047,reuseaddr exec:sha256sum
	start $server "$run" socat -u tcp4-listen:5048,reuseaddr exec:sha256sum
	await_row $server tcp 5047 0A && await_row $server xtcp 5048 0A || return
	ip -n $client link set $wire mtu 1000
	before=$(on $inside nstat -asz IcmpInDestUnreachs | sed -n 's/^IcmpInDestUnreachs *\([0-9]*\) .*/\1/p')
	head -c 300000 /dev/urandom >"$dir/file"
	on $inside timeout 60 "$run" socat -u "open:$dir/file" tcp4:10.9.0.2:5047 &&
		on $inside timeout 60 "$run" socat -u "open:$dir/file" tcp4:10.9.0.2:5048 || return
	sleep 1
	expect_equal "$(sha256sum <"$dir/file")" "$(cat "$dir/out.0")" 'checksum at stock' &&
		expect_equal "$(sha256sum <"$dir/file")" "$(cat "$dir/out.1")" 'checksum at xtcp' || return
	[ "$(on $inside nstat -asz IcmpInDestUnreachs | sed -n 's/^IcmpInDestUnreachs *\([0-9]*\) .*/\1/p')" -gt "$before" ] ||
		{ echo 'no ICMP error came'; return 1; }
	on $inside ip route get 10.9.0.2 | grep -q 'mtu 1000' || { on $inside ip route get 10.9.0.2; return 1; }
}

# Many clients become one address with few ports; each SYN meets the
# server's TIME-WAIT of another client's connection, which had another clock.
program_test lc_114_many_behind_one_address
lc_114_many_behind_one_address() {
	local i n ok=0 address
	behind_nat || return
	on $server sysctl -qw net.ipv4.xtcp_tw_reuse=1 net.ipv4.xtcp_tw_recycle=1
	on $client nft add rule ip t post oif $wire ip protocol tcp masquerade to :2000-2007
	on $client nft flush chain ip t post
	on $client nft add rule ip t post oif $wire ip protocol tcp masquerade to :2000-2007
	# The server closes first, so that TIME-WAIT is there.
	start $server "$run" socat -U tcp4-listen:5010,reuseaddr,fork exec:'echo done'
	await_row $server xtcp 5010 0A || return
	for i in {10..29}; do
		ip -n $inside addr add 192.168.7.$i/24 dev veth0
	done
	for n in 1 2; do
		for i in {10..29}; do
			address=192.168.7.$i
			[ "$(on $inside timeout 5 socat -u tcp4:10.9.0.2:5010,bind=$address - 2>&1)" != 'done' ] ||
				ok=$((ok + 1))
			# conntrack forgets a connection before the server does.
			on $client conntrack -F >/dev/null 2>&1
		done
	done
	expect_equal 40 $ok 'connections that were taken' || return
	# They came from eight ports, so most of them met a TIME-WAIT.
	n=$(on $server grep -c ' 06 ' /proc/net/xtcp)
	[ $n -le 8 ] || { echo "$n rows in TIME-WAIT"; return 1; }
}

program_test lc_114_conntrack_sees_every_state
lc_114_conntrack_sees_every_state() {
	conntrack_sees_every_state
}

# A rule that rejects on the way out makes our program's connect() fail.
program_test lc_114_output_reject
lc_114_output_reject() {
	local program
	tcp_wire $client || return
	rules $client <<-END || return
		table ip t {
			chain out {
				type filter hook output priority filter
				tcp dport 5031 reject with tcp reset
			}
		}
	END
	for program in '' "$run"; do
		expect_status 1 on $client $program socat - tcp4:10.9.0.2:5031,connect-timeout=5 || return
		grep -q refused "$dir/err" || { echo "'$program': $(cat "$dir/err")"; return 1; }
	done
}

# The control group of a packet: all packets of a connection have it.
program_test lc_114_output_cgroup
lc_114_output_cgroup() {
	local group=/sys/fs/cgroup/xtcp-test
	tcp_wire $client $server || return
	grep -q ' /sys/fs/cgroup cgroup2 ' /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup || return
	mkdir -p $group
	echo_server $server 5032 '' && echo_server $client 5033 "$run" || return
	# "ip netns exec" has a /sys of its own, without groups.
	nsenter --net=/run/netns/$client nft -f - <<-END || { rmdir $group; return 1; }
		table ip t {
			counter here { }
			counter elsewhere { }
			chain out {
				type filter hook output priority filter
				tcp dport 5032 socket cgroupv2 level 1 "xtcp-test" counter name here
				tcp dport 5032 socket cgroupv2 level 1 != "xtcp-test" counter name elsewhere
			}
		}
	END
	# A socket belongs to the group of the process that made it.
	(
		echo $BASHPID >$group/cgroup.procs
		expect_echo $client "$run" 10.9.0.2 5032
	)
	local status=$?
	rmdir $group
	[ $status = 0 ] || return
	# SYN, ACK, question, two FINs or their ACKs.
	[ "$(counted $client here)" -ge 4 ] || { on $client nft list ruleset; return 1; }
	# A TIME-WAIT record sends the last ACK: it has no socket.
	[ "$(counted $client elsewhere)" -le 1 ] || { on $client nft list ruleset; return 1; }
}

ipsec() { # NAMESPACE ours|theirs...
	local ns=$1 key=0x0102030405060708090a0b0c0d0e0f1011121314 spi=0 way
	for way in '10.9.0.1 dst 10.9.0.2' '10.9.0.2 dst 10.9.0.1'; do
		spi=$((spi + 1))
		ip -n $ns xfrm state add src $way proto esp spi $spi mode transport \
			enc 'ecb(cipher_null)' '' auth 'hmac(sha1)' $key || return
	done
}

# POLICY: the direction in which packets must be protected.
ipsec_policy() { # NAMESPACE SOURCE DESTINATION in|out
	ip -n "$1" xfrm policy add src "$2" dst "$3" proto tcp dir "$4" tmpl proto esp mode transport
}

protected() { # NAMESPACE SPI: packets so far
	ip -n "$1" -s xfrm state list spi "$2" | sed -n 's/.*(bytes), \([0-9]*\)(packets).*/\1/p' | head -1
}

program_test lc_114_ipsec
lc_114_ipsec() {
	local before policies
	tcp_wire $client $server || return
	ipsec $client && ipsec $server || { echo 'no IPsec'; return 1; }
	ipsec_policy $client 10.9.0.1 10.9.0.2 out && ipsec_policy $client 10.9.0.2 10.9.0.1 in &&
		ipsec_policy $server 10.9.0.2 10.9.0.1 out && ipsec_policy $server 10.9.0.1 10.9.0.2 in || return
	echo_server $server 5034 "$run" && echo_server $server 5035 '' || return
	expect_echo $client "$run" 10.9.0.2 5034 && expect_echo $client '' 10.9.0.2 5034 &&
		expect_echo $client "$run" 10.9.0.2 5035 || return
	[ "$(protected $server 1)" -ge 12 ] && [ "$(protected $client 2)" -ge 9 ] ||
		{ ip -n $server -s xfrm state; return 1; }
	# Packets without it are dropped, and not answered.
	ip -n $client xfrm policy flush
	before=$(xtcp_count $server TcpPassiveOpens)
	policies=$(on $server sed -n 's/^XfrmInTmplMismatch[[:space:]]*//p' /proc/net/xfrm_stat)
	! say $client '' 10.9.0.2 5034 connect-timeout=3 >/dev/null 2>&1 || { echo 'it got in'; return 1; }
	expect_equal "$before" "$(xtcp_count $server TcpPassiveOpens)" 'openings without protection' || return
	[ "$(on $server sed -n 's/^XfrmInTmplMismatch[[:space:]]*//p' /proc/net/xfrm_stat)" -gt "$policies" ] ||
		{ echo 'no policy was in the way'; return 1; }
}

# A SYN that the policy drops ends no TIME-WAIT of the kernel's TCP, which came before xtcp.
program_test lc_114_ipsec_protects_a_time_wait
lc_114_ipsec_protects_a_time_wait() {
	waiting() {
		on $server grep -c ':13AC 0100090A:[0-9A-F]* 06 ' /proc/net/tcp
	}
	tcp_wire $server || return
	ipsec $client && ipsec $server || { echo 'no IPsec'; return 1; }
	ipsec_policy $client 10.9.0.1 10.9.0.2 out && ipsec_policy $client 10.9.0.2 10.9.0.1 in &&
		ipsec_policy $server 10.9.0.2 10.9.0.1 out && ipsec_policy $server 10.9.0.1 10.9.0.2 in || return
	start $server socat -U tcp4-listen:5036,reuseaddr exec:'echo bye'
	await_row $server tcp 5036 0A || return
	expect_equal bye "$(on $client socat -u tcp4:10.9.0.2:5036,sourceport=6036 -)" 'what stock said' || return
	expect_equal 1 "$(waiting)" 'TIME-WAIT before' || return
	echo_server $server 5036 "$run" || return
	ip -n $client xfrm policy flush
	! say $client '' 10.9.0.2 5036 sourceport=6036,reuseaddr,connect-timeout=2 >/dev/null 2>&1 ||
		{ echo 'it got in'; return 1; }
	expect_equal 1 "$(waiting)" 'TIME-WAIT after the SYN'
}

# A SYN proxy translates the timestamps of the segments that go through. So it must see them
# as TCP, before the hook renames them, also if its rule is older than the hook.
program_test lc_114_syn_proxy_comes_first
lc_114_syn_proxy_comes_first() {
	tcp_wire $server || return
	on $server sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
	rules $server <<-END || return
		table ip t {
			chain raw {
				type filter hook prerouting priority raw
				tcp dport 5037 tcp flags syn notrack
			}
			chain in {
				type filter hook input priority filter
				tcp dport 5037 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
				ct state invalid drop
			}
		}
	END
	echo_server $server 5037 "$run" && probe_hook || return
	# It sees what leaves, too; 1 is LOCAL_IN.
	echo 'p:proxy ipv4_synproxy_hook hook=+0($arg3):u8' >>$tracing/kprobe_events &&
		echo 'hook == 1' >$tracing/events/kprobes/proxy/filter &&
		echo 1 >$tracing/events/kprobes/proxy/enable || return
	expect_echo $client '' 10.9.0.2 5037
	local status=$? order
	order=$(sed -n 's/.* \(xtcp_hook\|proxy\): .*/\1/p' $tracing/trace | tail -n 6 | tr '\n' ' ')
	echo 0 >$tracing/events/kprobes/proxy/enable
	unprobe_hook
	expect_equal 0 $status 'status of the client' &&
		expect_equal 'proxy xtcp_hook proxy xtcp_hook proxy xtcp_hook ' "$order" 'who saw the last segments'
}

# How often the hook has run; the kernel's own probe counts.
hook_runs() {
	grep -c ' xtcp_hook:' $tracing/trace
}

probe_hook() {
	tracing=$dir/tracing
	mkdir -p $tracing && mount -t tracefs tracefs $tracing &&
		echo 'p:xtcp_hook xtcp:hookv4_local_in' >$tracing/kprobe_events &&
		echo 1 >$tracing/events/kprobes/xtcp_hook/enable
}

unprobe_hook() {
	echo 0 >$tracing/events/kprobes/xtcp_hook/enable
	echo >$tracing/kprobe_events
	umount $tracing
}

# The hook comes with the first port of the TCP wire, and stays: to take it away
# would empty the namespace's queues to user space.
program_test lc_114_no_hook_without_a_port
lc_114_no_hook_without_a_port() {
	local before during after
	tcp_wire $server && probe_hook || return
	# Native sockets do not need it.
	on $server sysctl -qw net.ipv4.xtcp_wire=253
	start $server "$run" socat -u tcp4-listen:5012 -
	await_row $server xtcp 5012 0A || return
	on $client ping -qc 1 10.9.0.2 >/dev/null
	before=$(hook_runs)
	on $server sysctl -qw net.ipv4.xtcp_wire=6
	start $server "$run" socat -u tcp4-listen:5011 -
	await_row $server xtcp 5011 0A || return
	on $client ping -qc 1 10.9.0.2 >/dev/null
	during=$(hook_runs)
	kill "${pids[@]}"
	sleep 3
	on $client ping -qc 1 10.9.0.2 >/dev/null
	after=$(hook_runs)
	unprobe_hook
	expect_equal 0 "$before" 'runs with native sockets only' || return
	[ "$during" -ge 1 ] || { echo 'it never ran'; return 1; }
	[ "$after" -gt "$during" ] || { echo 'it went with the last socket'; return 1; }
}

# The same two programs, started in the same way: only the knob differs.
program_test wish_12_tcp_wire_where_253_is_dropped
wish_12_tcp_wire_where_253_is_dropped() {
	local dropped
	rules $server <<-END || return
		table ip t {
			counter native { }
			chain in {
				type filter hook input priority filter
				ip protocol 253 counter name native drop
			}
		}
	END
	echo_server $server 5013 "$run" || return
	! say $client "$run" 10.9.0.2 5013 connect-timeout=2 >/dev/null 2>&1 || { echo 'it got through'; return 1; }
	dropped=$(counted $server native)
	[ "$dropped" -gt 0 ] || { echo 'no segment of protocol 253 came'; return 1; }
	kill "${pids[@]}"
	tcp_wire $client $server && echo_server $server 5014 "$run" && expect_echo $client "$run" 10.9.0.2 5014 || return
	expect_equal "$dropped" "$(counted $server native)" 'segments of protocol 253' &&
		expect_equal 1 "$(xtcp_count $server TcpPassiveOpens)" "xtcp's connections"
}

program_tests_run
