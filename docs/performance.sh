#!/usr/bin/env bash
# Measures how long a newcomer waits, and writes docs/performance.md. It takes about a
# quarter of an hour on an idle machine. The emulators must be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/performance.md
work=$(mktemp -d)
before=$(cut -d ' ' -f 1 /proc/loadavg)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# seconds COMMAND ... prints how long a command takes, and fails if it fails.
seconds() {
	local begin end
	begin=$(date +%s.%N)
	"$@" >"$work/output" 2>&1 || { tail -n 40 "$work/output" >&2; return 1; }
	end=$(date +%s.%N)
	awk "BEGIN { printf \"%.2f\", $end - $begin }"
}

# row WHAT COMMAND WANTED FIGURE adds a row to the table.
row() { printf '| %s | `%s` | %s | %s |\n' "$@" | tee -a "$work/rows" >&2; }

# times N COMMAND ... runs a command N times.
times() {
	local n=$1
	shift
	for ((i = 0; i < n; i++)); do "$@" || true; done
}

git clone -q . "$work/clone"
cd "$work/clone"
(
	GOPATH=$(mktemp -d -p "$work") GOCACHE=$(mktemp -d -p "$work")
	export GOPATH GOCACHE
	t=$(seconds make check)
	row 'a first answer, empty caches' 'make check' '40 s' "$t s"
	t=$(seconds make test)
	row 'the tests, empty caches' 'make test' '360 s' "$t s"
	go clean -testcache
	t=$(seconds make test)
	row 'the tests, warm caches' 'go clean -testcache; make test' '180 s' "$t s"
	t=$(seconds go test -count=1 ./race -run SplitADD)
	row 'the suite, warm caches' 'go test ./race -run SplitADD' '45 s' "$t s"
	go build -o splitadd ./cmd/splitadd
	all=$(seconds times 200 ./splitadd help)
	row 'to start the command, mean of 200 starts' 'splitadd help' '5 ms' "$(awk "BEGIN { printf \"%.1f\", $all * 5 }") ms"
	GOTOOLCHAIN=go1.27.4 GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -C "$(GOTOOLCHAIN=go1.27.4 go env GOROOT)/src" -trimpath -o "$work/go" cmd/go
	scan=$(seconds times 20 ./splitadd scan -q "$work/go")
	sum=$(seconds times 20 sha256sum "$work/go")
	row 'scan of cmd/go of go1.27.4, its time divided by that of sha256sum' 'splitadd scan -q go' '0.6' "$(awk "BEGIN { printf \"%.2f\", $scan / $sum }")"
	mkdir "$work/folder"
	for i in $(seq 50); do cp "$work/go" "$work/folder/$i"; done
	megabytes=$(du -sm "$work/folder" | cut -f1)
	folder=$(seconds times 1 ./splitadd scan -q "$work/folder")
	row 'scan of a folder of programs' 'splitadd scan -q FOLDER' '1 GB/s' "$(awk "BEGIN { printf \"%.2f\", $megabytes / 1000 / $folder }") GB/s"
	chmod -R u+w "$GOPATH"
)
cd - >/dev/null
{
	echo '# Performance'
	echo
	echo 'Written by `make performance`. A time should be at most the wanted one, on two cores of a'
	echo 'server, and the speed of a scan of a folder at least the wanted one. "Empty caches" is a'
	echo 'new clone, with no Go modules and no build cache.'
	echo
	printf '%s; %s cores; %s; ' "$(go version)" "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "load average $before before and $(cut -d ' ' -f 1 /proc/loadavg) after."
	echo
	echo '| what | command | wanted | here |'
	echo '| --- | --- | --- | --- |'
	cat "$work/rows"
} >"$page"
