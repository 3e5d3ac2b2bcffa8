#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2154,SC2317 # names have no blanks; called by name
#
# Node.js: HTTP with keep-alive, a megabyte in each direction compared by its hash, and a half-closed
# connection. On xtcp's TCP wire one end is the kernel's TCP; on the native wire both ends are
# xtcp. Run by `make programs`.
# vm: timeout=900 mem=2G with=node newest
set -u

# shellcheck source=../lib/programs.bash source-path=SCRIPTDIR
. "$(dirname "$0")/../lib/programs.bash"

write_programs() {
	cat >"$dir/common.js" <<-'END'
		const crypto = require('crypto');
		exports.body = Buffer.alloc(1 << 20, Array.from({length: 4099}, (_, i) => i).join(' '));
		exports.sum = data => crypto.createHash('sha256').update(data).digest('hex');
		exports.all = (stream, then) => {
			const parts = [];
			stream.on('data', part => parts.push(part)).on('end', () => then(Buffer.concat(parts)));
		};
	END
	cat >"$dir/server.js" <<-'END'
		const { body, sum, all } = require('./common.js');
		require('http').createServer((ask, answer) => {
			if (ask.method === 'POST') all(ask, data => answer.end(sum(data)));
			else answer.end(body);
		}).listen(5060, '10.9.0.2');
		// Answers after the client's FIN.
		require('net').createServer({ allowHalfOpen: true }, socket =>
			all(socket, data => socket.end(sum(data)))).listen(5061, '10.9.0.2');
	END
	cat >"$dir/client.js" <<-'END'
		const http = require('http'), net = require('net');
		const { body, sum, all } = require('./common.js');
		const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		const to = { host: '10.9.0.2', port: 5060, agent };
		const ask = (method, data) => new Promise((good, bad) => {
			const request = http.request({ ...to, method }, answer =>
				all(answer, text => good([text, request.reusedSocket])));
			request.on('error', bad).end(data);
		});
		const halfClosed = () => new Promise((good, bad) => {
			const socket = net.connect({ host: '10.9.0.2', port: 5061, allowHalfOpen: true });
			all(socket.on('error', bad), text => { socket.destroy(); good(text.toString()); });
			socket.end(body);
		});
		(async () => {
			const said = [];
			for (let i = 0; i < 4; i++) {
				const [text, again] = await ask('GET');
				said.push(`${sum(text) === sum(body)} ${again}`);
			}
			const [hash] = await ask('POST', body);
			said.push(hash.toString() === sum(body), await halfClosed() === sum(body));
			agent.destroy();
			console.log(said.join(', '));
		})();
	END
}

node_moves() { # SERVER-PROGRAM CLIENT-PROGRAM
	choose_wire "$@" && write_programs || return
	start $server $1 node "$dir/server.js"
	for _ in {1..400}; do
		! has_row $server "${1:+x}tcp" 5061 0A || break
		sleep .1
	done
	expect_status 0 on $client timeout 200 $2 node "$dir/client.js" || { cat "$dir/out.0"; return 1; }
	expect_equal 'true false, true true, true true, true true, true, true' "$(<"$dir/out")" \
		'each answer, and whether its connection was used before; upload; half-closed' &&
		expect_opened 2 "$@"
}

program_test node_serves
node_serves() {
	node_moves "$run" ''
}

program_test node_connects
node_connects() {
	node_moves '' "$run"
}

program_test node_native
node_native() {
	node_moves "$run" "$run"
}

program_tests_run
