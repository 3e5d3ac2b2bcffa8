# SPDX-License-Identifier: GPL-2.0
#
# Builds selftests. scripts/check calls it from the top folder:
#
#   make -f scripts/check.mk build/selftests/open/handshake
#
# selftests/ROOM/NAME.c makes one program, linked with selftests/lib, with the
# kernel's harness on the include path. It is linked statically, so that it runs
# in any guest. Warnings are errors, except in header files of other projects.

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

# An archive, so that a program links only the files of lib that it uses.
build/selftests/lib.a: $(library)
	@rm -f $@
	ar rcs $@ $^

build/selftests/%: build/selftests/%.o build/selftests/lib.a
	$(CC) -static -s -pthread -o $@ $^

# Debian's Go, unpacked by scripts/setup.
go := $(cache)/unpacked/go/usr/lib/go-1.19
build/selftests/%: selftests/%.go
	@mkdir -p $(@D)
	GOROOT=$(go) GOCACHE=$(CURDIR)/build/go CGO_ENABLED=0 GO111MODULE=off $(go)/bin/go build -o $@ $<

-include $(shell find build/selftests -name '*.d' 2>/dev/null)
