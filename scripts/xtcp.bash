# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion of xtcp and xtcp-run. It asks the commands themselves: `xtcp --complete WORD...`
# prints what may follow, one in a line, and `xtcp-run --help` has its options, so that this file
# knows neither.

_xtcp() {
	mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --complete \
		"${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _xtcp xtcp

# Behind the options are a program and its arguments, which complete as without xtcp-run.
_xtcp_run() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-w | --wire | -p | --port) i=$((i + 1)) ;;
		--) i=$((i + 1)); break ;;
		-*) ;;
		*) break ;;
		esac
	done
	if ((i < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
		_command_offset $i
		return
	fi
	case ${COMP_WORDS[COMP_CWORD - 1]}:${COMP_WORDS[COMP_CWORD]} in
	-w:* | --wire:*) mapfile -t COMPREPLY < <(compgen -W 'tcp native' -- "${COMP_WORDS[COMP_CWORD]}") ;;
	*:-*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --help |
		grep -o -- '--[a-z][a-z-]*')" -- "${COMP_WORDS[COMP_CWORD]}") ;;
	*) mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}") ;;
	esac
}
complete -o default -F _xtcp_run xtcp-run
