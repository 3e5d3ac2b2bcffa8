#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Unmodified servers and their clients, with checked content: OpenSSH with scp and forwarding, git's
# daemon and a repository by HTTP, haproxy between the two stacks, wrk and nginx. On xtcp's TCP wire
# one end is the kernel's TCP; on the native wire both ends are xtcp.
# vm: timeout=900 busy with=openssh with=git with=haproxy with=wrk newest distro slow
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

# --- OpenSSH ----------------------------------------------------------------

start_sshd() { # PROGRAM
	grep -q ^sshd: /etc/passwd || echo 'sshd:x:100:65534::/run/sshd:/bin/false' >>/etc/passwd
	mkdir -p /run/sshd
	chmod 755 "$dir"
	rm -f "$dir"/{host,id}{,.pub}
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/id" || return
	cp "$dir/id.pub" "$dir/keys"
	cat >"$dir/sshd.conf" <<-END
		Port 5050
		ListenAddress 10.9.0.2
		HostKey $dir/host
		PidFile none
		AuthorizedKeysFile $dir/keys
		StrictModes no
		Subsystem sftp internal-sftp
	END
	cat >"$dir/ssh.conf" <<-END
		Port 5050
		User root
		IdentityFile $dir/id
		StrictHostKeyChecking no
		UserKnownHostsFile /dev/null
		LogLevel ERROR
	END
	start $server $1 /usr/sbin/sshd -D -e -f "$dir/sshd.conf"
	await_row $server "${1:+x}tcp" 5050 0A || { cat "$dir/out.0"; return 1; }
}

# scp up by sftp and down by the old protocol; a command with an exit status; a forwarded
# connection, which sshd opens.
openssh_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	choose_wire "$@" && start_sshd "$1" || return
	numbers 1000000 >"$dir/file"
	expect_status 0 on $client timeout 100 $2 scp -q -F "$dir/ssh.conf" "$dir/file" 10.9.0.2:"$dir/up" &&
		expect_same "$dir/file" "$dir/up" || return
	expect_status 0 on $client timeout 100 $2 scp -q -O -F "$dir/ssh.conf" 10.9.0.2:"$dir/up" "$dir/down" &&
		expect_same "$dir/file" "$dir/down" || return
	expect_status 7 on $client timeout 60 $2 ssh -F "$dir/ssh.conf" 10.9.0.2 'echo said; exit 7' &&
		expect_equal said "$(<"$dir/out")" 'output of the command' || return
	expect_equal SSH-2.0 "$(on $client timeout 60 $2 ssh -F "$dir/ssh.conf" -W 10.9.0.2:5050 10.9.0.2 \
		</dev/null 2>&1 | head -c 7)" 'greeting by a forwarded connection' && expect_client "$2"
}

program_test openssh_serves
openssh_serves() {
	openssh_moves "$run" ''
}

program_test openssh_connects
openssh_connects() {
	openssh_moves '' "$run"
}

program_test openssh_native
openssh_native() {
	openssh_moves "$run" "$run"
}

# --- git --------------------------------------------------------------------

commits() { # FOLDER FILE
	git -C "$1" add "$2" && git -C "$1" -c user.name=xtcp -c user.email=xtcp@xtcp.test commit -qm "$2"
}

# A repository is cloned, pushed to, and fetched by HTTP from nginx.
git_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local run=$1 HOME=$dir
	export HOME
	rm -rf "$dir"/{one,two,three,www}
	choose_wire "$@" && git config --global init.defaultBranch main &&
		git config --global safe.directory '*' && git init -q --bare "$dir/www/tree.git" || return
	start $server $1 git daemon --export-all --enable=receive-pack --base-path="$dir/www" --reuseaddr \
		--listen=10.9.0.2 --port=5052
	await_row $server "${1:+x}tcp" 5052 0A || { cat "$dir/out.0"; return 1; }
	expect_status 0 on $client timeout 60 $2 git clone -q git://10.9.0.2:5052/tree.git "$dir/one" || return
	openssl enc -aes-128-ctr -K 1 -iv 1 -in /dev/zero 2>/dev/null | head -c 300000 >"$dir/one/noise"
	numbers 500000 >"$dir/one/file"
	commits "$dir/one" noise && commits "$dir/one" file || return
	expect_status 0 on $client timeout 60 $2 git -C "$dir/one" push -q origin main &&
		expect_status 0 on $client timeout 60 $2 git clone -q git://10.9.0.2:5052/tree.git "$dir/two" &&
		expect_same "$dir/one/noise" "$dir/two/noise" && expect_same "$dir/one/file" "$dir/two/file" || return
	git -C "$dir/www/tree.git" update-server-info && start_nginx 5053 || return
	expect_status 0 on $client timeout 60 $2 git clone -q http://10.9.0.2:5053/tree.git "$dir/three" &&
		expect_same "$dir/one/noise" "$dir/three/noise" &&
		expect_equal "$(git -C "$dir/one" rev-parse main)" "$(git -C "$dir/three" rev-parse main)" commit &&
		expect_client "$2"
}

program_test git_serves
git_serves() {
	git_moves "$run" ''
}

program_test git_connects
git_connects() {
	git_moves '' "$run"
}

program_test git_native
git_native() {
	git_moves "$run" "$run"
}

# --- haproxy ----------------------------------------------------------------

# haproxy in front of nginx on port 5054: on port 5055 by HTTP, on port 5056 as a pipe that splices.
# A file by each, four at a time.
haproxy_moves() { # HAPROXY-PROGRAM SERVER-PROGRAM CLIENT-PROGRAM TABLE-OF-ITS-PORTS
	local run=$2 i page
	[ -n "$3" ] || tcp_wire $client $server || return
	mkdir -p "$dir/www" && numbers 500000 >"$dir/www/file" && start_nginx 5054 || return
	cat >"$dir/haproxy.conf" <<-END
		defaults
		    timeout connect 5s
		    timeout client 30s
		    timeout server 30s
		frontend pages
		    mode http
		    bind 10.9.0.2:5055 defer-accept tcp-ut 30s tfo
		    default_backend nginx
		backend nginx
		    mode http
		    server one 10.9.0.2:5054 check tcp-ut 30s
		listen pipe
		    mode tcp
		    option splice-auto
		    option tcp-smart-connect
		    bind 10.9.0.2:5056
		    server one 10.9.0.2:5054
	END
	start $server $1 haproxy -db -f "$dir/haproxy.conf"
	await_row $server $4 5055 0A && await_row $server $4 5056 0A || { cat "$dir/out.1"; return 1; }
	for page in http://10.9.0.2:5055/file http://10.9.0.2:5056/file; do
		expect_status 0 on $client timeout 60 $3 curl -sSZ --parallel-immediate \
			-o "$dir/1" $page -o "$dir/2" $page -o "$dir/3" $page -o "$dir/4" $page || return
		for i in 1 2 3 4; do
			expect_same "$dir/www/file" "$dir/$i" || return
		done
	done
	# haproxy is a client, too: of nginx, and by the same TCP.
	expect_client "$3" && expect_client "$2" $server
}

program_test haproxy_serves
haproxy_serves() {
	haproxy_moves "$run --port 5055 --port 5056" '' '' xtcp
}

program_test haproxy_connects
haproxy_connects() {
	haproxy_moves "$run --port 5054" "$run" '' tcp
}

program_test haproxy_native
haproxy_native() {
	haproxy_moves "$run" "$run" "$run" xtcp
}

# --- wrk --------------------------------------------------------------------

# Fifty connections for a second: each answer is whole. nginx closes a connection after 40.
wrk_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	local run=$1 answers
	choose_wire "$@" && mkdir -p "$dir/www" && numbers 4000 >"$dir/www/page" &&
		start_nginx 5057 'keepalive_requests 40;' || return
	expect_status 0 on $client timeout 100 $2 wrk -t 2 -c 50 -d 1s --timeout 10s http://10.9.0.2:5057/page &&
		expect_equal '' "$(grep 'Socket errors\|Non-2xx' "$dir/out")" errors || return
	answers=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$dir/out")
	[ "${answers:-0}" -gt 1000 ] || { echo "few answers"; cat "$dir/out"; return 1; }
	expect_client "$2"
}

program_test wrk_serves
wrk_serves() {
	wrk_moves "$run" ''
}

program_test wrk_connects
wrk_connects() {
	wrk_moves '' "$run"
}

program_tests_run
