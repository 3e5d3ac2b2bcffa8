#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# `xtcp enable` and `xtcp disable` under Debian's systemd, which is process 1 of its own PID, mount and
# cgroup namespaces in $server's network. Its services are nginx, with the unit of Debian's package, and
# one with a user of its own and a sandbox. Clients use the kernel's TCP. A boot is a new systemd,
# after the module was unloaded. Run by `make programs`.
# vm: timeout=1800 mem=2G with=systemd with=python3 newest
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

settings=/etc/systemd/system
init=

# What the packages' installation scripts would do, and nothing that wants a terminal.
make_machine() {
	local unit
	[ ! -e "$settings/app.service" ] || return 0
	echo 0123456789abcdef0123456789abcdef >/etc/machine-id
	mkdir -p $settings/multi-user.target.wants /var/www/html /etc/nginx/sites-enabled /lib/modules/"$(uname -r)"/updates
	ln -s /lib/systemd/system/multi-user.target $settings/default.target
	for unit in getty.target console-getty.service systemd-logind.service systemd-random-seed.service; do
		ln -sf /dev/null $settings/$unit
	done
	ln -sf ../sites-available/default /etc/nginx/sites-enabled/default
	numbers 1048576 >/var/www/html/page
	cp /xtcp/xtcp.ko /lib/modules/"$(uname -r)"/updates/ && depmod
	cat >$settings/app.service <<-END
		[Service]
		ExecStart=/usr/bin/python3 -m http.server --directory /var/www/html 8080
		User=nobody
		NoNewPrivileges=yes
		ProtectSystem=strict
		PrivateTmp=yes
		RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
		[Install]
		WantedBy=multi-user.target
	END
	ln -s /lib/systemd/system/nginx.service $settings/app.service $settings/multi-user.target.wants/
}

# systemd empties /tmp at boot, and writes to the console.
boot() {
	local i
	: >"$dir/console"
	# shellcheck disable=SC2016 # expanded by that shell
	ip netns exec $server unshare --pid --fork --kill-child --mount --cgroup --uts --ipc \
		sh -c 'mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount --bind $0 /dev/console &&
			mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /tmp &&
			exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd' \
		"$dir/console" >"$dir/machine" 2>&1 </dev/null &
	machine=$!
	for ((i = 0; i < 600; i++)); do
		if init=$(pgrep -P $machine) && [ "$(inside systemctl is-system-running 2>/dev/null)" = running ]; then
			return 0
		fi
		sleep .1
	done
	echo 'systemd does not start:'
	cat "$dir/machine" "$dir/console"
	inside systemctl --no-pager --failed
	return 1
}

inside() { # COMMAND...
	nsenter --target $init --mount --pid --cgroup --net --uts --ipc env -i PATH=/usr/sbin:/usr/bin "$@"
}

power_off() {
	local i
	inside systemctl poweroff
	for ((i = 0; i < 300; i++)); do
		kill -0 $init 2>/dev/null || { wait $machine 2>/dev/null; init=; return 0; }
		sleep .1
	done
	echo 'systemd does not stop:'
	cat "$dir/console"
	return 1
}

# Also after a failure. The guest's runner expects the module.
leave() { # STATUS
	[ -z "$init" ] || { kill -KILL $init; wait $machine 2>/dev/null; init=; }
	rm -rf $settings/*.service.d /etc/modules-load.d/xtcp.conf /etc/sysctl.d/90-xtcp.conf
	[ -d /sys/module/xtcp ] || insmod /xtcp/xtcp.ko
	return $1
}

# Both services have their listeners here and not there, and a client gets the page.
both_serve() { # HERE THERE; tables
	local port
	for port in 80 8080; do
		await_row $server $1 $port 0A || { inside systemctl --no-pager status nginx app; return 1; }
		! has_row $server $2 $port 0A || { echo "port $port in /proc/net/$2"; return 1; }
		expect_status 0 on $client timeout 20 curl -s -o "$dir/page" http://10.9.0.2:$port/page &&
			expect_same /var/www/html/page "$dir/page" || return
	done
}

expect_files() { # FILES
	expect_equal "$1" "$(cd /etc && find . -name '*xtcp.conf' -not -path './modprobe.d/*' | sort | xargs)" files
}

# Nothing goes to standard error: modprobe, sysctl and systemctl succeeded.
enable_both() {
	local unit
	for unit in nginx app.service; do
		expect_status 0 inside xtcp enable $unit --wire tcp && expect_equal '' "$(<"$dir/err")" 'complaints' || return
	done
	expect_files './modules-load.d/xtcp.conf ./sysctl.d/90-xtcp.conf ./systemd/system/app.service.d/xtcp.conf'\
' ./systemd/system/nginx.service.d/xtcp.conf' && all_groups
}

all_groups() {
	expect_equal '0 4294967294' "$(on $server sysctl -n net.ipv4.xtcp_gid_range | xargs)" 'net.ipv4.xtcp_gid_range'
}

disable_both() {
	expect_status 0 inside xtcp disable nginx && expect_equal '' "$(<"$dir/err")" 'complaints' &&
		expect_files './modules-load.d/xtcp.conf ./sysctl.d/90-xtcp.conf ./systemd/system/app.service.d/xtcp.conf' &&
		expect_status 0 inside xtcp disable app && expect_equal '' "$(<"$dir/err")" 'complaints' && expect_files ''
}

program_test systemd_enable_and_disable
systemd_enable_and_disable() {
	make_machine && boot && both_serve tcp xtcp && enable_both && both_serve tcp xtcp &&
		expect_status 0 inside systemctl restart nginx app && both_serve xtcp tcp &&
		expect_status 0 inside systemctl reload nginx && both_serve xtcp tcp &&
		expect_equal 4 "$(xtcp_count $server TcpPassiveOpens)" "connections to the services on xtcp" &&
		disable_both && both_serve xtcp tcp &&
		expect_status 0 inside systemctl restart nginx app && both_serve tcp xtcp &&
		expect_equal 'Environment=' "$(inside systemctl show -p Environment nginx)" 'environment of nginx' && power_off
	leave $?
}

unload() {
	rmmod xtcp || return
	[ ! -d /sys/module/xtcp ] || { echo 'xtcp is still loaded'; return 1; }
}

program_test systemd_boots
systemd_boots() {
	make_machine && unload && boot && both_serve tcp xtcp && enable_both && power_off && unload &&
		boot && all_groups && both_serve xtcp tcp &&
		expect_equal 'active active' "$(inside systemctl is-active systemd-modules-load systemd-sysctl | xargs)" \
			'what loads the module and sets the knob' &&
		disable_both && power_off && unload && boot && both_serve tcp xtcp && power_off &&
		{ [ ! -d /sys/module/xtcp ] || { echo 'a boot has loaded xtcp'; false; }; }
	leave $?
}

program_tests_run
