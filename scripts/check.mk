# SPDX-License-Identifier: GPL-2.0
#
# Builds selftests. scripts/check calls it from the top folder:
#
#   make -f scripts/check.mk build/selftests/open/handshake
#
# selftests/ROOM/NAME.c makes one program, linked with selftests/lib, with the
# kernel's harness on the include path. It is linked statically, so that it runs
# in any guest. Warnings are errors, except in header files of other projects. With
# CROSS_COMPILE=aarch64-linux-gnu- it is made for that architecture, below
# build/aarch64-linux-gnu/selftests.

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xtcp
CC := $(CROSS_COMPILE)gcc
out := build/$(CROSS_COMPILE:%-=%/)selftests
CFLAGS := -std=gnu11 -O2 -g0 -Wall -Wextra -Werror -pthread -MMD -MP \
	-Iselftests -Iselftests/lib -Iinclude/uapi -isystem $(cache)/kselftest

library := $(patsubst selftests/lib/%.c,$(out)/lib/%.o,$(wildcard selftests/lib/*.c))

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

$(out)/%.o: selftests/%.c scripts/check.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

# The part that runs in the kernel (selftests/inside) has to be of the same sources.
$(out)/lib/inside.o: $(wildcard selftests/lib/*.[ch])
$(out)/lib/inside.o: CFLAGS += -DINSIDE_SUM=$(firstword $(shell cat $(sort $(wildcard selftests/lib/*.[ch])) | cksum))UL

# An archive, so that a program links only the files of lib that it uses.
$(out)/lib.a: $(library)
	@rm -f $@
	$(CROSS_COMPILE)ar rcs $@ $^

$(out)/%: $(out)/%.o $(out)/lib.a selftests/lib/poison.wrap
	$(CC) -static -s -pthread -Wl,@selftests/lib/poison.wrap -o $@ $(filter-out %.wrap,$^)

# Debian's Go, unpacked by scripts/setup: one version.
go := $(wildcard $(cache)/unpacked/go/usr/lib/go-[0-9]*)
go_build := GOROOT=$(go) GOCACHE=$(CURDIR)/build/go CGO_ENABLED=0 GO111MODULE=off $(go)/bin/go build
build/selftests/%: selftests/%.go
	@mkdir -p $(@D)
	$(go_build) -o $@ $<

# Debian's Rust, likewise.
rust := $(cache)/unpacked/rust/usr
rustc := LD_LIBRARY_PATH=$(wildcard $(rust)/lib/*-linux-gnu) $(rust)/bin/rustc --sysroot $(rust)

# Programs around what xtcp-run(1) shows in four languages: below the comment with the source's
# name, without roff's escapes, in place of the word SHOWN.
page := Documentation/man/xtcp-run.1
build/selftests/lane/own.%: selftests/lane/own.%.in $(page) scripts/check.mk
	@mkdir -p $(@D)
	sed -n '/^\.\\" own\.$*$$/,/^\.EE$$/p' $(page) | sed '/^\./d; s/\\-/-/g' >$@.shown
	test -s $@.shown
	sed -e '/^\s*SHOWN$$/{r $@.shown' -e 'd}' $< >$@

build/selftests/lane/own_c: build/selftests/lane/own.c
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -static -o $@ $<

build/selftests/lane/own_go: build/selftests/lane/own.go
	$(go_build) -o $@ $<

build/selftests/lane/own_rust: build/selftests/lane/own.rs
	$(rustc) --edition 2021 -D warnings -O -C strip=symbols -C target-feature=+crt-static -o $@ $<

# The lifecycle table as a program for bpftrace, and one of a table that lacks two rows.
oracle := scripts/oracle scripts/model.d/table.py scripts/model.d/table.c module/lifecycle.c module/lifecycle.h
build/selftests/user/oracle.bt: $(oracle)
	@mkdir -p $(@D)
	scripts/oracle >$@

build/selftests/user/oracle-lacking.bt: $(oracle) scripts/check.mk
	@mkdir -p $(@D)
	sed '/GO(ESTABLISHED, RCV_FIN, /d; /GO(LISTEN, RCV_SYN, /d' module/lifecycle.c >$@.c
	test "$$(diff module/lifecycle.c $@.c | grep -c '^<')" = 2
	scripts/oracle $@.c >$@

# The exercises of the lab, with the answers that students get and the solutions.
build/selftests/user/lab.tar: scripts/lab scripts/run.d/synflood.c scripts/check.mk $(shell find lab -type f)
	@mkdir -p $(@D)
	scripts/lab --pack build/lab/all
	tar -cf $@ --transform 's,^all,lab,' -C build/lab all

# What make report needs in a guest.
build/selftests/user/report.tar: $(wildcard scripts/run.d/*) $(wildcard scripts/report.d/*) scripts/check.mk
	@mkdir -p $(@D)
	tar -cf $@ -C scripts run.d report.d

# Congestion controls in BPF (lane/structops), and what loads them: Debian 12's libbpf is too old,
# so it is that of the kernel's source, which scripts/setup --source fetches.
libbpf := build/libbpf/root/lib64/libbpf.a
$(libbpf): $(cache)/source/linux-source-6.12.tar.xz
	@rm -rf build/libbpf && mkdir -p build/libbpf/source build/libbpf/made
	tar -xJf $< -C build/libbpf/source --strip-components=1 --wildcards '*/tools/lib/*' \
		'*/tools/include/*' '*/tools/build/*' '*/tools/scripts/*' '*/tools/arch/*/include/*' '*/scripts/bpf_doc.py'
	$(MAKE) -s -C build/libbpf/source/tools/lib/bpf OUTPUT=$(CURDIR)/build/libbpf/made/ \
		prefix=$(CURDIR)/build/libbpf/root install_headers install_lib
	@touch $@

build/selftests/lane/xtcp_bpf: Documentation/examples/bpf/xtcp_bpf.c $(libbpf)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -isystem build/libbpf/root/include -static -s -o $@ \
		$< $(libbpf) -lelf -lz

bpf_cc = clang -O2 -g -Wall -Werror -target bpf -isystem build/libbpf/root/include \
	-isystem /usr/include/$(shell $(CC) -dumpmachine) -c -o $@ $<
build/selftests/lane/aimd: Documentation/examples/bpf/aimd.bpf.c $(libbpf)
	$(bpf_cc)
build/selftests/lane/half: Documentation/examples/bpf/aimd.bpf.c $(libbpf)
	$(bpf_cc) -DKEPT_QUARTERS=2
build/selftests/lane/most: selftests/lane/bpf/answers.bpf.c $(libbpf)
	@mkdir -p $(@D)
	$(bpf_cc) -DANSWER=0xffffffff
build/selftests/lane/%: selftests/lane/bpf/%.bpf.c $(libbpf)
	@mkdir -p $(@D)
	$(bpf_cc)

-include $(shell find $(out) -name '*.d' 2>/dev/null)
