#!/usr/bin/env bash
# Scans Go programs from Debian's arm64 packages and prints a table, on any
# Debian machine: docs/debian.sh DIR [PACKAGE/SUITE ...]
#
# The packages are downloaded to DIR by an apt that keeps its lists below DIR, and are
# unpacked there. The lists of the system stay as they are, and nothing
# is installed.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
splitadd=${SPLITADD:-$(cd "$(dirname "$0")/.." && pwd)/splitadd}
if [ $# = 0 ]; then
	set -- age/bookworm caddy/trixie containerd/trixie docker.io/bookworm \
		etcd-server/bookworm fzf/trixie gh/trixie git-lfs/bookworm \
		golang-1.19-go/bookworm golang-1.24-go/trixie hugo/trixie podman/bookworm \
		prometheus/bookworm prometheus/trixie prometheus-node-exporter/bookworm \
		rclone/trixie restic/bookworm runc/bookworm syncthing/bookworm
fi
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort -u | head -n 1)
mkdir -p "$dir"/{deb,x,apt/lists/partial,apt/archives/partial}
for suite in bookworm trixie sid; do
	echo "deb [arch=arm64] $mirror $suite main"
done >"$dir/apt/sources.list"
apt() {
	apt-get -qq -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State="$dir/apt" -o Dir::State::status=/dev/null -o Dir::Cache="$dir/apt" \
		-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update >&2
cd "$dir/deb"
for package; do
	apt download "$package" >&2
done
for deb in *.deb; do
	name=${deb%_arm64.deb}
	[ -d "$dir/x/$name" ] || dpkg-deb -x "$deb" "$dir/x/$name"
done
cd "$dir/x"
echo "| package | program | built by | windows |"
echo "| --- | --- | --- | --- |"
status=0
"$splitadd" scan . >"$dir/all.txt" || status=$?
[ $status = 0 ] || [ $status = 3 ] || exit $status
# All details of each program: in a scan of several, a function is shown once.
sed -nE 's#^([^ :][^:]*): ELF, .*#\1#p' "$dir/all.txt" | while read -r file; do
	"$splitadd" scan "$file" || [ $? = 3 ]
done >"$dir/scan.txt"
# "package_version/path/program: ELF, go1.2.3, module: 4 windows in 1 function: kinds"
sed -nE 's#^([^/ ]+)_([^/_ ]+)/[^:]*/([^/:]+): ELF, (go[0-9.]+|built by an unknown Go)[^:]*: ([0-9,]+ windows?.*)$#| \1 \2 | \3 | \4 | \5 |#p' "$dir/scan.txt"
echo
head -n 1 "$dir/all.txt"

# What one kind of window does to which functions: a window's line names its kind, and
# the lines above it the function and the program.
functions() {
	awk -v kinds="$1" '
		/^[^ ]/ { program = $1; sub(/:$/, "", program); sub(/.*\//, "", program) }
		/^  frame / { name = last; frame = $2 }
		/^  [^ ]/ { last = $1 }
		$0 ~ "^    (" kinds ") at " {
			frames[name] = add(frames[name], frame)
			programs[name] = add(programs[name], program)
			more = $0
			found[name]++
			if (sub(/.*, and /, "", more)) found[name] += more + 0
		}
		function add(list, item) {
			return ("," list ",") ~ ("," item ",") ? list : list == "" ? item : list "," item
		}
		END { for (name in frames) print "| " name " | " (kinds ~ /SP/ ? frames[name] : found[name]) " | " programs[name] " |" }
	' "$dir/scan.txt" | sed 's/,/, /g' | LC_ALL=C sort
}
echo
echo "| function | frame, bytes | programs |"
echo "| --- | --- | --- |"
functions "leaf SP|leaf FP|non-leaf SP|non-leaf FP|stale FP"
echo
echo "| function | windows | programs |"
echo "| --- | --- | --- |"
functions "lost pointer"
