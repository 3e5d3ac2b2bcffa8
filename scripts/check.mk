# SPDX-License-Identifier: GPL-2.0
#
# How a selftest becomes a program; scripts/check calls this, from the top:
#
#   make -f scripts/check.mk build/selftests/open/handshake
#
# selftests/ROOM/NAME.c makes one program, with what it needs of selftests/lib linked in
# and the kernel's harness on the include path. Static, so that it runs in any
# guest; warnings are errors here and not in the header files of others.

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xtcp
CC := gcc
CFLAGS := -std=gnu11 -O2 -g0 -Wall -Wextra -Werror -pthread -MMD -MP \
	-Iselftests -Iselftests/lib -Iinclude/uapi -isystem $(cache)/kselftest

library := $(patsubst selftests/lib/%.c,build/selftests/lib/%.o,$(wildcard selftests/lib/*.c))

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

build/selftests/%.o: selftests/%.c scripts/check.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

# An archive: a program links what it uses, and need not supply what it doesn't.
build/selftests/lib.a: $(library)
	@rm -f $@
	ar rcs $@ $^

build/selftests/%: build/selftests/%.o build/selftests/lib.a
	$(CC) -static -s -pthread -o $@ $^

-include $(shell find build/selftests -name '*.d' 2>/dev/null)
