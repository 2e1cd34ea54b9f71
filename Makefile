# The two commands of the README are "make check" and "make test".

GO ?= go

.PHONY: performance check test test-all test-vm test-arm64 slow suite browser chromium lint fuzz bench exhaustive sweep bisect pool repair logs ports upstream mutants study emulator vm mke2fs cross debuggers tools

# Is the Go in use affected? If it is, the exit status is 3. That is an answer and not
# a failure of make, so "make check test" goes on.
#
# It builds the command, and beside it the standard library for the guest, which the
# command needs next.
check: emulator
	@GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./internal/victim/guest & \
	CGO_ENABLED=0 $(GO) build ./cmd/splitadd || exit; wait
	@./splitadd check || { status=$$?; test $$status = 3 || exit $$status; }

# What a newcomer and CI run: some minutes. It ends with the slowest tests, and with
# what it left out and why.
test: emulator vm cross debuggers tools/bin/gotestsum tools/bin/dlv
	$(call gotestsum,-short -timeout 14m ./...)

# All tests, and those that take long: an hour or two, on an idle machine. The series of
# "make exhaustive", "make pool" and "make study" are not in it.
test-all: emulator vm cross debuggers chromium tools/bin/gotestsum tools/bin/dlv
	$(call gotestsum,-timeout 1h ./...)
	$(GO) test ./cmd/splitadd -run Workflow -v -timeout 1h -args -workflows
	$(MAKE) logs mutants repair upstream bisect ports test-vm suite sweep

# Runs tests, and prints the slowest.
define gotestsum
@status=0; tools/bin/gotestsum --jsonfile $(RESULTS) --format pkgname-and-test-fails -- $(1) || status=$$?; \
echo; echo "The slowest tests:"; tools/bin/gotestsum tool slowest --num 15 --threshold 3s --jsonfile $(RESULTS); exit $$status
endef
RESULTS ?= test.json

# The page of a report, in a real browser.
browser: chromium
	$(GO) test ./internal/report -run "Browser|Picture" -v

# The suite as a module of its own, with two releases and inside the virtual machine.
suite: emulator vm
	$(GO) test ./internal/repro -run Suite -v -timeout 1h -args -suite

# The long tests of the virtual machine: the verdicts of both engines are the same,
# the suite, and the tools that need a real kernel.
test-vm: emulator vm
	$(GO) test ./internal/lab/vm -run VM -v -args -tools
	$(GO) test ./cmd/splitadd -run Engines -v -timeout 30m -args -engines
	$(GO) test ./race -run SplitADD -v -timeout 1h -args -engine vm

# The suite on slow machines: an emulator that runs one instruction at a time, the same in
# the virtual machine, and two other programs that take the CPUs. No outcome may change.
# One run takes about 5, 30 and 3 minutes, so the series take most of a night: see SERIES.
SERIES ?= 10
SUITE = $(GO) test ./race -run SplitADD -count $(SERIES) -timeout 24h -args
slow: emulator vm
	$(SUITE) -one-by-one
	$(SUITE) -one-by-one -engine vm
	@for i in 1 2; do (while :; do :; done) & busy="$$busy $$!"; done; trap "kill $$busy" EXIT; \
	echo "$(SUITE), beside two busy loops"; $(SUITE)

lint: tools/bin/staticcheck tools/bin/actionlint
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=windows GOARCH=amd64 $(GO) vet ./cmd/splitadd
	tools/bin/staticcheck ./...
	tools/bin/actionlint
	cd internal/victim && $(GO) run gen.go && git diff --exit-code frames.go ladder.go

# Every fuzz target, for a short time each.
FUZZTIME ?= 30s
fuzz:
	$(GO) test ./internal/objfile -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME)
	$(GO) test ./internal/pclntab -run '^$$' -fuzz FuzzTable -fuzztime $(FUZZTIME)
	$(GO) test ./internal/trial -run '^$$' -fuzz FuzzExposure -fuzztime $(FUZZTIME)
	$(GO) test ./internal/lab/vm/agent -run '^$$' -fuzz FuzzReceive -fuzztime $(FUZZTIME)
	$(GO) test ./internal/record -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZTIME)
	$(GO) test ./internal/crash -run '^$$' -fuzz FuzzClassify -fuzztime $(FUZZTIME)
	$(GO) test ./internal/patch -run '^$$' -fuzz FuzzSign -fuzztime $(FUZZTIME)
	$(GO) test ./internal/safe -run '^$$' -fuzz FuzzText -fuzztime $(FUZZTIME)
	$(GO) test ./internal/crash -run '^$$' -fuzz FuzzLogs -fuzztime $(FUZZTIME)
	$(GO) test ./internal/core -run '^$$' -fuzz FuzzOpen -fuzztime $(FUZZTIME)
	$(GO) test ./internal/triage -run '^$$' -fuzz FuzzLog -fuzztime $(FUZZTIME)
	$(GO) test ./internal/survey -run '^$$' -fuzz FuzzSurvey -fuzztime $(FUZZTIME)
	$(GO) test ./internal/arm64 -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME)
	$(GO) test ./internal/image -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./internal/gate -run '^$$' -fuzz FuzzBaseline -fuzztime $(FUZZTIME)
	$(GO) test ./internal/crash/pattern -run '^$$' -fuzz FuzzPattern -fuzztime $(FUZZTIME)

# Time to crash of every victim with a window, ten runs each; a scan against
# objdump.
bench: emulator
	$(GO) test ./cmd/splitadd -run '^$$' -bench Scan
	$(GO) test ./race -run '^$$' -bench TimeToCrash -benchtime 1x -count 10 -timeout 4h

# Every boundary of every victim of an old and the newest affected release,
# pinned: a quarter of an hour each, and an hour more each for frames of 16 MiB.
exhaustive: emulator
	$(GO) test ./race -run SplitADDExhaustive -v -timeout 4h -args -exhaustive go1.18.10,go1.27.4

# All releases from go1.18 on, against race/testdata/verdicts.txt.
sweep: emulator
	$(GO) test ./cmd/splitadd -run Sweep -v -timeout 1h -args -sweep

# Eight shards against one run of the same seeds; needs an idle machine.
pool: emulator
	$(GO) test ./cmd/splitadd -run Pooled -v -timeout 1h -args -pool

# Repaired binaries: the standard library's tests, and stress runs that last a thousand
# times the original's median time to crash.
repair: emulator
	$(GO) test ./internal/patch -v -timeout 2h -args -std -stress-for 6m

# Every log of the corpus, as every collector writes it, with lines missing; and the
# bounds of time and memory, with 100 MB of log.
logs:
	$(GO) test ./internal/triage -run 'Collectors|Missing|Bounds|Cut|Two' -v -timeout 1h -args -all

# The stack pointer of every port.
ports:
	$(GO) test ./internal/victim -run 'Ports|FramePointer' -v -timeout 1h -args -ports

# The fix in docs/upstream, built into two releases.
upstream: emulator
	$(GO) test ./cmd/splitadd -run Upstream -v -timeout 1h -args -upstream

# Toolchains with a defect planted in each clause of the contract: a minute or so each.
mutants:
	$(GO) test ./cmd/splitadd -run Mutants -v -timeout 1h -args -mutants

# git bisect run over a history of Go's source: builds a toolchain five times.
bisect: emulator
	$(GO) test ./cmd/splitadd -run Bisect -v -timeout 2h -args -bisect

# docs/performance.md with its figures: a quarter of an hour on an idle machine.
performance: emulator vm cross debuggers
	docs/performance.sh

# docs/arm64.md: the command and the tests on arm64, in a virtual machine if this machine is
# none. There it takes two hours, most of them for the packages' tests.
test-arm64: vm mke2fs
	$(GO) run ./cmd/arm64 -o docs/arm64.md

# docs/reachability.md with its figures: most of an hour on an idle machine.
study: emulator vm
	$(GO) run ./cmd/reachability -o docs

# Installs Debian packages, unless one of some programs is there:
# $(call install,PROGRAMS,OPTIONS AND PACKAGES,WHAT IT IS,WHAT TO INSTALL INSTEAD)
define install
@PATH="$$PATH:/usr/sbin:/sbin"; for program in $(1); do command -v $$program >/dev/null && exit 0; done; \
echo "installing $(lastword $(2))" >&2; \
sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
{ $$sudo apt-get update -qq && $$sudo apt-get install -qq -y $(2); } >/dev/null || \
echo "make: no $(3) could be installed: install $(4)" >&2
endef
ON_ARM64 := $(filter aarch64 arm64,$(shell uname -m))

# The emulator, which an arm64 machine does not need. Without it check still gives the
# verdict from the code, and the tests fail.
emulator:
	$(if $(ON_ARM64),@:,$(call install,qemu-aarch64-static qemu-aarch64,qemu-user-static,emulator,QEMU's user-mode emulator for aarch64))

# The system emulator. Splitadd fetches the kernel for it when it boots it.
vm:
	$(call install,qemu-system-aarch64,--no-install-recommends qemu-system-arm,system emulator,QEMU's qemu-system-aarch64)

# The program that makes the disk of the virtual machine.
mke2fs:
	$(if $(ON_ARM64),@:,$(call install,mke2fs,--no-install-recommends e2fsprogs,mke2fs,e2fsprogs))

# A C compiler for arm64, for the tests of binaries that a C linker has linked.
cross:
	$(if $(ON_ARM64),@:,$(call install,aarch64-linux-gnu-gcc,libc6-dev-arm64-cross gcc-aarch64-linux-gnu,C compiler for arm64,gcc-aarch64-linux-gnu))

# The browser for the test of the report's page.
chromium:
	$(call install,chromium google-chrome,--no-install-recommends chromium,browser,chromium)

# Debuggers that read core files of arm64, to compare results with; dlv is among the tools.
debuggers:
	$(call install,gdb-multiarch,--no-install-recommends gdb-multiarch,debugger,gdb-multiarch)

tools: tools/bin/gotestsum tools/bin/dlv tools/bin/staticcheck tools/bin/actionlint
tools/bin/gotestsum: package = gotest.tools/gotestsum
tools/bin/dlv: package = github.com/go-delve/delve/cmd/dlv
tools/bin/staticcheck: package = honnef.co/go/tools/cmd/staticcheck
tools/bin/actionlint: package = github.com/rhysd/actionlint/cmd/actionlint
tools/bin/%: tools/go.mod tools/go.sum
	cd tools && GOBIN="$$PWD/bin" $(GO) install $(package)
	touch $@
