# SPDX-License-Identifier: GPL-2.0
"""complete: what may follow the words of a command line, for scripts/xtcp.bash."""


def option_words(action):
    """What may follow an option: its choices, or the attribute `words` that its module set."""
    return [str(word) for word in action.choices or getattr(action, "words", ())]


def words(parser, typed):
    """Completions of `xtcp COMMAND TYPED... `: argparse has no public list of its options."""
    options = parser._option_string_actions
    last = options.get(typed[-1]) if typed else None
    if last and last.nargs != 0:
        return option_words(last)
    positional = [w for a in parser._get_positional_actions() for w in option_words(a)]
    return positional + [o for o in options if o.startswith("--")]
