# SPDX-License-Identifier: GPL-2.0
#
# What a person types; `make help` lists it. Kbuild is what the kernel's build
# reads, and knows nothing of this file, nor does this file ask who called it:
# DKMS and kernel builds set variables (KERNELRELEASE) that must not matter here.
#
# One source tree builds every kernel side by side: build/RELEASE is a farm of
# symbolic links to the sources, in which that kernel's build leaves its
# objects. Which releases KVER means, and where a kernel's headers are, is known
# to scripts/kver alone.

KVER ?= 6.1 6.12
PREFIX ?= /usr/local
DESTDIR ?=

# Debian's users have no sbin in PATH, but depmod, modinfo, sysctl and ethtool are there.
export PATH := $(PATH):/usr/sbin:/sbin
# With it, "cd scripts" may go to another folder of that name.
unexport CDPATH

# $(call quoted,NAME): the variable as the user wrote it, as one word of the shell.
# Neither make nor the shell interprets it: T='a$|b' reaches scripts/check unchanged.
quoted = '$(subst ','\'',$(value $(1)))'
# By default make exports the variables of its command line, and expands them first:
# not these, nor does the kernel's build get them.
free_text := T B CMD STORY OF NIC FILES
unexport $(free_text)

# A guest runs one kernel: the one asked for, else the newest 6.12.
ifeq ($(origin KVER),file)
guest_kver := 6.12
else
guest_kver := $(value KVER)
endif

# The kernels that the user named; empty: scripts/check has its own.
named_kver = $(if $(filter-out file,$(origin KVER)),$(call quoted,KVER))

# What a kernel's build gets to see.
sources := Kbuild dkms.conf include module
# Modules that are built against xtcp.ko as those of other people are: the document's
# example, and those that only tests load.
examples := $(wildcard Documentation/examples/*.c selftests/modules/*.c)
# C=1 looks at every file, not only at those that are compiled anew.
checking := $(if $(filter-out 0,$(C)),C=2)
jobs := $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# Prints a line when ^C stops a target. With -n, -q or -t make still runs each line that calls
# make again: then a shell that does nothing.
dry := $(strip $(foreach flag,n q t,$(findstring $(flag),$(firstword -$(MAKEFLAGS)))))
SHELL := $(if $(dry),true,scripts/recipe)

.DEFAULT_GOAL := modules
.PHONY: help setup modules modules-quietly check check-all check-ci soak programs drivers machine check-debug check-race check-rt matrix model conformance kselftest mishaps shells coverage mutants lint fuzz bench contention plot rivals pictures docs run lab report hacking vm packages install install-modules install-tools uninstall may-write clean FORCE
.DELETE_ON_ERROR:
# One kernel after the other: two builds of it at once would only mix their
# output; each uses all CPUs by itself.
.NOTPARALLEL:

help:
	@echo 'make modules [KVER=...] [C=1]   build build/RELEASE/xtcp.ko, xtcp_diag.ko, xtcp_cc_*.ko; C=1: with sparse'
	@echo 'make run [STORY=flood]          a demonstration in a guest: nginx and curl over xtcp; under a SYN flood'
	@echo '                                STORY=list names the others: a connection or more, checked and drawn as ladders'
	@echo '                                STORY=compare OF=nagle plays one of these on the kernel'"'"'s TCP, too'
	@echo 'make lab [N=3] [SOLUTION=1]     an exercise with marks, in a guest; without N a list of them'
	@echo 'make report [STORY=...]         make run as one HTML page: ladders, states, counters, knobs'
	@echo 'make check [T=PATTERN] [KVER=...]  run each test that is not slow once, most on User-mode Linux, else on 6.12'
	@echo 'make check-all [T=PATTERN]       run these and slow ones on 6.1 and 6.12, on both wires and over IPv6, too'
	@echo 'make check-ci                    the tests of .ci/run: one variant of most programs, drawn at random, on 6.1 and 6.12'
	@echo 'make soak [MINUTES=60]            run nginx, curl, iperf3, socat and redis over a bad path, and watch memory'
	@echo 'make programs [T=PATTERN]        run PostgreSQL, node, Go, Rust, systemd and BPF with xtcp (fetches 190 MB)'
	@echo 'make drivers [NIC=e1000e] [T=PATTERN]  run xtcp between two machines with network cards of five models'
	@echo 'make check-debug [T=PATTERN] [SMP=2]  run them, and those marked debug, on a kernel with KASAN, lockdep, kmemleak, ...'
	@echo 'make check-race [T=PATTERN]      run them on two CPUs and a kernel with KCSAN (data races)'
	@echo 'make check-rt [T=PATTERN]        run them on two CPUs and a kernel with PREEMPT_RT and lockdep'
	@echo 'make matrix [ROWS="IPV6 SMP"]    compile the modules for kernels that lack an option, and run them without all'
	@echo 'make model [QUICK=1] [BREAK=1]   search all executions of the lifecycle table with spin'
	@echo 'make conformance [T=PATTERN]     run the kernel'"'"'s own packet scripts on xtcp and on the kernel'"'"'s TCP'
	@echo 'make kselftest                   install the tests in sources of 6.12 and 7.2 and run some by their runner'
	@echo 'make mishaps [T=TEST]            what make says with no root, no network, a full disk, at ^C, ...'
	@echo 'make shells [T=TEST]             use the shells of make vm and make machine as a person at a terminal does'
	@echo 'make coverage                   list the functions that the packet fuzzer does not enter'
	@echo 'make mutants [N=300] [SEED=1] [FILES=PATTERN] [T=PATTERN]  change the module by one token: which test fails?'
	@echo 'make lint                       sparse, W=2, clang, no IPv6, checkpatch, cppcheck, layers, lists, pyflakes'
	@echo 'make fuzz [SECONDS=30] [RUNS=N]  run the parsers as programs, under libFuzzer'
	@echo 'make bench [B=PATTERN] [FAMILY="4 6"] [PROFILE=1]  count the instructions of xtcp and of the kernel'"'"'s TCP'
	@echo 'make contention [CPUS="2 4 8"]   count lock contention per operation, of xtcp and of the kernel'"'"'s TCP'
	@echo 'make plot                       draw the window of a transfer over a lossy path: build/plot.svg'
	@echo 'make rivals                     compare xtcp'"'"'s congestion controls with the kernel'"'"'s'
	@echo 'make pictures [NAME=...]        draw the pictures of Documentation/pictures, from runs in guests'
	@echo 'make docs                       render Documentation, README.md and the manual pages: build/docs/index.html'
	@echo 'make hacking                     apply each worked change of hacking.rst to a copy, build it and run its tests'
	@echo 'make vm [CMD=COMMAND] [SMP=2]   run a command, or a shell, in a guest with xtcp loaded'
	@echo 'make machine N=1 [NIC=e1000e]   a shell on one of two machines, which a link joins; N=2 in another terminal'
	@echo 'make packages [SUITE=trixie]    build Debian packages, install and purge them in a chroot of Debian 12 or 13'
	@echo 'make install                    install modules, header, commands and man pages on this machine'
	@echo 'make install-tools              install the header, commands and man pages only, without modules'
	@echo 'make uninstall                  remove what make install has installed'
	@echo 'make setup                      install and download what make check needs'
	@echo '                                each target provides what it needs itself: scripts/setup --help'
	@echo 'make clean                      remove build/, unless another make is at work there'
	@echo
	@echo 'KVER is a release as uname -r prints it, or a series such as 6.12, or 6.12-arm64.'
	@echo 'scripts/check --list prints what make check would run, and in which guests.'
	@echo 'Documentation/testing.rst explains the rest (T=, STRICT=, MEM=, TIMEOUT=).'

# For the shell of a recipe that builds a module: make and kbuild take the words of a path apart.
path_fits = path=$$(pwd -P); case $$path in *[[:blank:]:]*) \
	echo "make: kbuild takes no blank or colon in the path of a clone: $$path" >&2; exit 1 ;; esac

# Each target provides what it needs, and no more: $(call provide,STEP,VARIABLE WITH KVER). Documents and the model need
# no module.
provide = $(if $(filter-out docs model,$(1)),$(path_fits);) kver=$(call quoted,$(2)); C=$(call quoted,C) scripts/setup --quick $(1) $$kver

setup:
	@scripts/setup

# For the shell of a recipe that builds: what make and the compiler print when they have no
# room names files and not what to do.
told_when_full = trap '[ $$? = 0 ] || \
	scripts/room build 10 "the disk is full: build/ needs 250 MB for each kernel"' EXIT

# A kernel that setup only now fetches has no name before that: hence the loop
# in the recipe and not a list of targets.
modules:
	@$(call provide,modules,KVER)
	@mkdir -p build; $(told_when_full); set -e; kver=$(call quoted,KVER); releases=$$(scripts/kver $$kver); for release in $$releases; do \
		$(MAKE) --no-print-directory build/$$release/xtcp.ko; \
	done

# The same as a step of something else: a line for each kernel. The whole output is in
# build/RELEASE.log, and shown if the build fails; warnings always are. C=1 is for reading.
modules-quietly:
	@$(path_fits)
	@mkdir -p build; $(told_when_full); set -e; kver=$(call quoted,KVER); releases=$$(scripts/kver $$kver); for release in $$releases; do \
		scripts/kver --build $$release >/dev/null; log=build/$$release.log; first=; \
		[ -e build/$$release/xtcp.ko ] || first=' (about two minutes the first time)'; \
		echo "building the module for $$release$$first"; \
		flock -n build/$$release.lock true || echo 'another make builds it; waiting for that' >&2; \
		$(MAKE) --no-print-directory build/$$release/xtcp.ko >$$log 2>&1 || { \
			status=$$?; cat $$log >&2; echo "the module was not built; all output is in $$log" >&2; exit $$status; }; \
		grep -E 'warning:|WARNING:|error:' $$log >&2 || :; \
	done

# W=1 runs the kernel's kernel-doc, too, which needs more of perl than Debian's perl-base. A machine with git has perl.
# On a machine without it, with the sources as an archive, the modules are built without these warnings.
warnings = $$(perl -e 'use Pod::Usage; print "W=1"' 2>/dev/null)

# Links to files that are gone would keep a deleted file in the build. The lock
# is for two makes in one clone.
build/%/xtcp.ko: FORCE
	@$(path_fits)
	@headers=$$(scripts/kver --build '$*') && mkdir -p '$(@D)' && \
	exec 9>'$(@D).lock' && scripts/turn 9 'another make builds $(@D); waiting for it' && \
	find '$(@D)' -xtype l -delete && \
	cp -rsf $(addprefix '$(CURDIR)'/,$(sources)) '$(@D)'/ && \
	$(MAKE) --no-print-directory $(jobs) -C "$$headers" M='$(CURDIR)/$(@D)' $(warnings) $(checking) \
		$(addsuffix =,$(free_text)) modules 9>&- && \
	scripts/symbols '$@' "$$headers/Module.symvers" && \
	mkdir -p '$(@D)/examples' && find '$(@D)/examples' -xtype l -delete && \
	rm -f '$(@D)/examples/Module.symvers' && \
	cp -sf $(addprefix '$(CURDIR)'/,Documentation/examples/Kbuild $(examples)) '$(@D)/examples/' && \
	$(MAKE) --no-print-directory $(jobs) -C "$$headers" M='$(CURDIR)/$(@D)/examples' $(warnings) $(checking) \
		XTCP='$(CURDIR)' KBUILD_EXTRA_SYMBOLS='$(CURDIR)/$(@D)/Module.symvers' \
		$(addsuffix =,$(free_text)) modules 9>&- && \
	{ grep -qx CONFIG_UML=y "$$headers/include/config/auto.conf" || exit 0; } && \
	mkdir -p '$(@D)/inside' && find '$(@D)/inside' -xtype l -delete && \
	cp -sf $(addprefix '$(CURDIR)'/selftests/inside/,Kbuild calls.c) '$(@D)/inside/' && \
	$(MAKE) --no-print-directory $(jobs) -C "$$headers" M='$(CURDIR)/$(@D)/inside' $(warnings) $(checking) \
		XTCP='$(CURDIR)' $(addsuffix =,$(free_text)) modules 9>&-

FORCE:

check:
	@$(call provide,check,guest_kver)
	@export KVER=$(named_kver) SMP=$(call quoted,SMP) && kernels=$$(scripts/check --kernels) && \
	$(MAKE) --no-print-directory modules-quietly KVER="$$kernels" && \
	KVER=$$kernels T=$(call quoted,T) STRICT=$(call quoted,STRICT) scripts/check

# All variants: ten times as long as check. For a larger change, before it is sent.
check-all:
	@$(call provide,check,KVER)
	@export ALL=1 KVER=$(named_kver) SMP=$(call quoted,SMP) && kernels=$$(scripts/check --kernels) && \
	$(MAKE) --no-print-directory modules KVER="$$kernels" && \
	KVER=$$kernels T=$(call quoted,T) STRICT=$(call quoted,STRICT) scripts/check

# The part of check-all and check-debug that fits into the hour of .ci/run.
check-ci:
	@$(call provide,check,KVER)
	@export ALL=ci KVER=$(named_kver) && kernels=$$(scripts/check --kernels) && \
	$(MAKE) --no-print-directory modules-quietly KVER="$$kernels" && \
	KVER=$$kernels T=$(call quoted,T) STRICT=$(call quoted,STRICT) scripts/check

# The minutes are those of the guest's clock.
soak:
	@XTCP_SOAK_MINUTES=$(or $(MINUTES),60) $(MAKE) --no-print-directory check T='^transfer/soak$$'

# Real programs that are large to fetch, on 6.12.
programs:
	@scripts/setup --unpack postgresql node go rust systemd
	@scripts/setup --source 6.12 >/dev/null
	@command -v clang >/dev/null || scripts/setup checkers
	@$(MAKE) --no-print-directory modules KVER=$(call quoted,guest_kver)
	@LANE=1 KVER=$(call quoted,guest_kver) T=$(call quoted,T) STRICT=$(call quoted,STRICT) scripts/check

# Debian's kernel with all drivers, which its full release alone names.
drivers:
	@release=$$(scripts/setup --drivers) && $(MAKE) --no-print-directory modules-quietly KVER=$$release && \
	KVER=$$release NIC=$(call quoted,NIC) scripts/drivers $(if $(value T),$(call quoted,T))

machine:
	@release=$$(scripts/setup --drivers) && $(MAKE) --no-print-directory modules-quietly KVER=$$release && \
	scripts/machines --kver $$release $(if $(value NIC),--nic $(call quoted,NIC)) $(or $(filter 1 2,$(N)),1)

# Kernels built from source, which their full releases alone name: User-mode
# Linux for one CPU in virtual time, an emulated machine for several.
check-debug:
	@$(call provide,check)
	@release=$$(scripts/build-kernel $(if $(filter-out 0 1,$(SMP)),debug,um)) && \
	$(MAKE) --no-print-directory modules KVER=$$release && \
	KVER=$$release T=$(call quoted,T) STRICT=$(call quoted,STRICT) SMP=$(call quoted,SMP) scripts/check

check-race:
	@$(call provide,check)
	@release=$$(scripts/build-kernel race) && \
	$(MAKE) --no-print-directory modules KVER=$$release && \
	KVER=$$release T=$(call quoted,T) SMP=$(or $(filter-out 0 1,$(SMP)),2) scripts/check

check-rt:
	@$(call provide,check)
	@release=$$(scripts/build-kernel rt) && \
	$(MAKE) --no-print-directory modules KVER=$$release && \
	KVER=$$release T=$(call quoted,T) SMP=$(or $(filter-out 0 1,$(SMP)),2) scripts/check

# Hours; no CI runs this.
matrix:
	@$(call provide,check)
	@KVER=$(if $(filter-out file,$(origin KVER)),$(call quoted,KVER)) scripts/matrix $(ROWS)

# A few minutes on the host; QUICK=1: the small scenarios, half a minute. BREAK=1: who notices a row
# that leads nowhere?
model:
	@command -v spin >/dev/null || { $(call provide,model); }
	@scripts/model $(if $(filter-out 0,$(BREAK)),--break,$(if $(filter-out 0,$(QUICK)),--quick))

# Shown, not asserted; no CI runs this. Documentation/conformance.rst has the result.
conformance:
	@$(call provide,check,guest_kver)
	@$(MAKE) --no-print-directory modules KVER=$(call quoted,guest_kver) >&2
	@t=$(call quoted,T); KVER=$(call quoted,guest_kver) scripts/conformance $${t:+"$$t"}

# The kernel's own layout and runner; no CI runs this.
kselftest:
	@$(call provide,check,guest_kver)
	@$(MAKE) --no-print-directory modules-quietly KVER=$(call quoted,guest_kver) >&2
	@KVER=$(call quoted,guest_kver) SOURCES=$(call quoted,SOURCES) scripts/kselftest

# Two minutes, on the host; nothing is installed and no guest boots.
mishaps:
	@$(call provide,run,guest_kver)
	@scripts/mishaps $(if $(value T),$(call quoted,T))

# Three guests in real time, a minute or two.
shells:
	@$(call provide,run,guest_kver)
	@$(MAKE) --no-print-directory modules-quietly KVER=$(call quoted,guest_kver)
	@KVER=$(call quoted,guest_kver) scripts/shells $(if $(value T),$(call quoted,T))

coverage:
	@$(call provide,check)
	@scripts/coverage

# Hours for N=300; it goes on where the last run stopped. No CI runs this.
mutants:
	@$(call provide,check)
	@release=$$(scripts/build-kernel quick) && \
	$(MAKE) --no-print-directory modules-quietly KVER=$$release && \
	KVER=$$release N=$(call quoted,N) SEED=$(call quoted,SEED) FILES=$(call quoted,FILES) T=$(call quoted,T) \
		scripts/mutants

lint:
	@$(call provide,checkers)
	@$(MAKE) --no-print-directory modules KVER=6.12
	@scripts/lint

fuzz:
	@$(call provide,checkers)
	@RUNS=$(call quoted,RUNS) scripts/fuzz $(or $(SECONDS),30)

# Numbers are shown, never asserted; no CI runs this.
bench:
	@$(call provide,check,guest_kver)
	@$(MAKE) --no-print-directory modules KVER=$(call quoted,guest_kver) >&2
	@KVER=$(call quoted,guest_kver) B=$(call quoted,B) FAMILY=$(call quoted,FAMILY) \
		PROFILE=$(call quoted,PROFILE) scripts/bench

# Shown, not asserted; no CI runs this.
contention:
	@$(call provide,check)
	@release=$$(scripts/build-kernel locks) && \
	$(MAKE) --no-print-directory modules-quietly KVER=$$release >&2 && \
	KVER=$$release CPUS=$(call quoted,CPUS) B=$(call quoted,B) scripts/contention

# build/plot.svg: the window of a transfer over a path that loses.
plot:
	@$(call provide,check,guest_kver)
	@$(MAKE) --no-print-directory modules KVER=$(call quoted,guest_kver) >&2
	@KVER=$(call quoted,guest_kver) scripts/plot

# The tables of congestion.rst.
rivals:
	@$(call provide,check,guest_kver)
	@$(MAKE) --no-print-directory modules KVER=$(call quoted,guest_kver) >&2
	@KVER=$(call quoted,guest_kver) scripts/rivals

# Documentation/pictures/NAME.svg, or all.
pictures:
	@$(call provide,check,guest_kver)
	@$(call provide,docs)
	@$(MAKE) --no-print-directory modules KVER=$(call quoted,guest_kver) >&2
	@KVER=$(call quoted,guest_kver) scripts/pictures $(NAME)

# No guest: the pictures are committed. A warning fails.
docs:
	@$(call provide,docs)
	@mkdir -p build; exec 9>build/docs.lock; \
	scripts/turn 9 'docs: another make docs is at work here; waiting for its end' && \
	scripts/room build 10 'docs: the disk is full: the pages need 10 MB in build/' && \
	sphinx-build -W --keep-going -q -E -b html -d build/doctrees Documentation build/docs
	@echo 'build/docs/index.html'

run:
ifneq ($(value STORY),list)
	@$(call provide,run,guest_kver)
	@$(MAKE) --no-print-directory modules-quietly KVER=$(call quoted,guest_kver)
endif
	@KVER=$(call quoted,guest_kver) STORY=$(call quoted,STORY) OF=$(call quoted,OF) scripts/run

# Documentation/lab.rst. The student's answer is in build/lab/N.
lab:
ifneq ($(value N),)
	@$(call provide,run,guest_kver)
	@$(MAKE) --no-print-directory modules-quietly KVER=$(call quoted,guest_kver)
endif
	@KVER=$(call quoted,guest_kver) scripts/lab $(if $(filter-out 0,$(SOLUTION)),--solution) $(call quoted,N)

# build/report-STORY.html.
report:
	@$(call provide,run,guest_kver)
	@$(MAKE) --no-print-directory modules-quietly KVER=$(call quoted,guest_kver)
	@KVER=$(call quoted,guest_kver) STORY=$(call quoted,STORY) OF=$(call quoted,OF) scripts/report

# The worked changes of Documentation/hacking.rst. No CI runs this.
hacking:
	@$(call provide,check)
	@scripts/hacking

# The command travels in the environment, for it may have several lines.
vm: export XTCP_VM_COMMAND = $(value CMD)
vm:
ifneq ($(value CMD),)
	@[ $(or $(filter-out 0 1,$(SMP)),1) != 1 ] || \
		echo 'vm: the clock is virtual: a throughput that CMD prints is not that of this machine (SMP=2: real time)' >&2
endif
	@$(call provide,run,guest_kver)
	@$(MAKE) --no-print-directory modules-quietly KVER=$(call quoted,guest_kver) >&2
	@KVER=$(call quoted,guest_kver) SMP=$(call quoted,SMP) \
		MEM=$(if $(value MEM),$(call quoted,MEM),1G) TIMEOUT=$(call quoted,TIMEOUT) \
		scripts/vm $${XTCP_VM_COMMAND:+"$$XTCP_VM_COMMAND"} || { \
		status=$$?; echo "vm: exit status $$status" >&2; exit $$status; }

# Debian packages: built, checked by lintian, installed, used by DKMS and purged in a
# chroot, as is what make install does, and make run there. Needs root and some 5 GB.
packages:
	@$(call provide,packages)
	@scripts/packages

# For the running kernel unless KVER names another. Without setup, for it
# needs no more than that kernel's headers and their compiler; and often root
# calls it, who shall not fetch kernels to boot in guests. Debian's headers lack
# the System.map for which kbuild's own depmod looks.
ifeq ($(origin KVER),file)
install install-modules uninstall: install_kver = $$(uname -r)
else
install install-modules uninstall: install_kver = $(KVER)
endif
# The package of the command xtcp, below scripts.
command_files = xtcptool/*.py xtcptool/*/*.py
# The file of one name is read once, from the first of /etc, /run, /usr/local/lib and /lib. In the last, which is
# /usr/lib, the packages have theirs. With another PREFIX kmod would not find it.
modprobe_conf = $(if $(filter /usr,$(PREFIX)),/usr,/usr/local)/lib/modprobe.d/xtcp.conf
# Kbuild makes some of them for some kernels only.
kernel_objects = xtcp.ko xtcp_diag.ko xtcp_cc_dctcp.ko xtcp_cc_bbr.ko xtcp_cc_bpf.ko

# One of them after the other, each as a whole: a make that has the lock does the work. With -n this one prints it.
# install-tools needs no build/, and no lock in a clone to which the user may not write.
ifeq ($(XTCP_INSTALL_LOCKED)$(dry),)
install install-modules uninstall: may-write
install install-modules install-tools uninstall:
	@! mkdir -p build 2>/dev/null || [ ! -w build ] || { exec 9>build/install.lock; \
	scripts/turn 9 'install: another make install or uninstall is at work here; waiting for its end' || exit; }; \
	XTCP_INSTALL_LOCKED=1 $(MAKE) --no-print-directory $@
else
install: install-modules install-tools
endif

# Fails before anything is compiled if the user may not write to the folders, or if KVER is empty, as of a script's
# variable that is not set: to scripts/kver that means 6.1 and 6.12.
may-write:
	@$(if $(strip $(KVER)),,echo "$(firstword $(MAKECMDGOALS)): KVER is empty: name a kernel, or leave KVER out" >&2; exit 1)
	@for to in '$(DESTDIR)/lib/modules' '$(DESTDIR)$(PREFIX)'; do \
		folder=$$to; \
		while [ ! -e "$$folder" ]; do folder=$$(dirname "$$folder"); done; \
		[ -w "$$folder" ] || { echo "$(firstword $(MAKECMDGOALS)): no permission to write to $$to: be root, or set DESTDIR" >&2; exit 1; }; \
	done

# $(call whole,MODE,FILE,TO): as install -D, but TO is always a whole file: the new one, or the one before.
whole = install -D -m $(1) $(2) $(3).new && mv $(3).new $(3) || { rm -f $(3).new; exit 1; }

# $(call room_for,WHAT,FOLDER)
room_for = scripts/room '$(2)' 10 "install: the disk is full: $(1) need 10 MB in $(2)"

ifneq ($(XTCP_INSTALL_LOCKED)$(dry),)
# Without their debug information, which is 30 times as large as the rest. A signature
# comes last: a module that is changed afterwards has none. SIGN_KEY and SIGN_CERT are
# the files of a key that the machine's firmware knows (Documentation/install.rst).
# Under its name there is a whole module, or the one before. The file of modprobe.d comes before the first
# module: if a later step fails, no user's socket() loads what is there already.
install-modules:
	@set -e; new=; trap '[ $$? = 0 ] || rm -f "$$new"' EXIT; trap 'exit 130' INT; releases=$$(scripts/kver $(install_kver)); for release in $$releases; do \
		$(MAKE) --no-print-directory build/$$release/xtcp.ko; \
		headers=$$(scripts/kver --build $$release); \
		$(call room_for,the modules,$(DESTDIR)/lib/modules); \
		$(call whole,644,scripts/modprobe.conf,'$(DESTDIR)$(modprobe_conf)'); \
		for module in $(kernel_objects); do \
			[ -e build/$$release/$$module ] || continue; \
			to='$(DESTDIR)'/lib/modules/$$release/updates/$$module; \
			new=$$to.new; \
			install -D -m 644 /dev/null "$$new"; \
			strip --strip-debug -o "$$new" build/$$release/$$module; \
			chmod 644 "$$new"; \
			$(if $(SIGN_KEY),"$$headers/scripts/sign-file" sha256 '$(SIGN_KEY)' '$(SIGN_CERT)' "$$new";) \
			mv "$$new" "$$to"; \
			echo "install $$to"; \
		done; \
		install -D -m 644 build/$$release/Module.symvers '$(DESTDIR)$(PREFIX)'/lib/xtcp/$$release/Module.symvers; \
		(umask 022 && depmod $(if $(DESTDIR),-b '$(DESTDIR)') $$release); \
	done

# What needs no kernel: debian/rules calls this alone. A service that starts meanwhile must find the library: without
# it, or with half of it, the dynamic linker would start the service on the kernel's TCP.
install-tools:
	@$(call room_for,the commands,$(DESTDIR)$(PREFIX))
	install -D -m 644 include/uapi/linux/xtcp.h '$(DESTDIR)$(PREFIX)/include/linux/xtcp.h'
	install -D -m 644 include/linux/xtcp_congestion.h '$(DESTDIR)$(PREFIX)/lib/xtcp/include/linux/xtcp_congestion.h'
	$(call whole,755,"$$(scripts/xtcp-run --program)",'$(DESTDIR)$(PREFIX)/bin/xtcp-run')
	install -D -m 755 scripts/xtcp '$(DESTDIR)$(PREFIX)/bin/xtcp'
	rm -rf '$(DESTDIR)$(PREFIX)/lib/xtcp/xtcptool'
	@set -e; cd scripts; for file in $(command_files); do \
		install -D -m 644 "$$file" '$(DESTDIR)$(PREFIX)'/lib/xtcp/"$$file"; \
		echo "install $$file"; \
	done
	@set -e; for file in scripts/bpftrace/*.bt; do \
		install -D -m 755 "$$file" '$(DESTDIR)$(PREFIX)'/share/xtcp/bpftrace/"$${file##*/}"; \
		echo "install $$file"; \
	done
	install -D -m 644 scripts/xtcp.lua '$(DESTDIR)$(PREFIX)/share/xtcp/xtcp.lua'
	install -D -m 644 scripts/xtcp.bash '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xtcp'
	ln -sf xtcp '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xtcp-run'
	$(call whole,644,"$$(scripts/xtcp-run --library)",'$(DESTDIR)$(PREFIX)/lib/xtcp/xtcp-preload.so')
	@set -e; for page in Documentation/man/*.[1-8]; do \
		install -D -m 644 "$$page" '$(DESTDIR)$(PREFIX)'/share/man/man"$${page##*.}/$${page##*/}"; \
		echo "install $$page"; \
	done

# Does a package of the system that DESTDIR is have such a file? dpkg compares paths as the package has them.
packaged = dpkg-query --admindir='$(DESTDIR)/var/lib/dpkg' -S
# With the same PREFIX, DESTDIR and KVER as install.
uninstall:
	@set -e; releases=$$(scripts/kver $(install_kver)); for release in $$releases; do \
		rm -vf '$(DESTDIR)'/lib/modules/$$release/updates/xtcp.ko* \
			'$(DESTDIR)'/lib/modules/$$release/updates/xtcp_diag.ko* \
			'$(DESTDIR)'/lib/modules/$$release/updates/xtcp_cc_dctcp.ko* \
			'$(DESTDIR)'/lib/modules/$$release/updates/xtcp_cc_bbr.ko* \
			'$(DESTDIR)'/lib/modules/$$release/updates/xtcp_cc_bpf.ko*; \
		rm -rvf '$(DESTDIR)$(PREFIX)'/lib/xtcp/$$release; \
		(umask 022 && depmod $(if $(DESTDIR),-b '$(DESTDIR)') $$release); \
	done
	@# An earlier version installed xtcp-forgotten.
	rm -vf '$(DESTDIR)$(PREFIX)/bin/xtcp-forgotten' \
		'$(DESTDIR)$(PREFIX)/share/man/man1/xtcp-forgotten.1'
	@# An earlier version installed it in /lib/modprobe.d. Where a package has it there, it is the package's; only of
	@# Debian's packages we know.
	@file='$(DESTDIR)/lib/modprobe.d/xtcp.conf'; if ! [ -e "$$file" ]; then :; \
	elif ! command -v dpkg-query >/dev/null; then \
		echo "$$file stays: remove it, if no package has installed it"; \
	else $(packaged) '*/lib/modprobe.d/xtcp.conf' >/dev/null 2>&1 || rm -vf "$$file"; fi
	rm -vf '$(DESTDIR)$(PREFIX)/include/linux/xtcp.h' '$(DESTDIR)$(modprobe_conf)' \
		'$(DESTDIR)$(PREFIX)/bin/xtcp-run' '$(DESTDIR)$(PREFIX)/bin/xtcp' \
		'$(DESTDIR)$(PREFIX)/lib/xtcp/xtcp-preload.so' '$(DESTDIR)$(PREFIX)/share/xtcp/xtcp.lua' \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xtcp' \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xtcp-run'
	rm -rf '$(DESTDIR)$(PREFIX)/lib/xtcp/xtcptool' '$(DESTDIR)$(PREFIX)/lib/xtcp/include' \
		'$(DESTDIR)$(PREFIX)/share/xtcp/bpftrace'
	@set -e; for page in Documentation/man/*.[1-8]; do \
		rm -vf '$(DESTDIR)$(PREFIX)'/share/man/man"$${page##*.}/$${page##*/}"; \
	done
	@rmdir '$(DESTDIR)$(PREFIX)/lib/xtcp' '$(DESTDIR)$(PREFIX)/share/xtcp' 2>/dev/null || :
endif

clean:
	@scripts/clean
