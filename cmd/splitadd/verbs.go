package main

import (
	"context"
	"io"
)

// A verb is one command of splitadd. Its flags are those that run gives to parse.
type verb struct {
	name     string
	summary  string   // what it does, for the list of verbs
	forms    []string // its synopsis: what may follow the name, form by form
	about    string   // the text of its help: the first sentence says what it does
	statuses []exitStatus
	example  string // a command line
	// run carries the verb out. Results go to stdout, progress and warnings to
	// stderr.
	run func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// An exitStatus is one that a verb ends with, and what it means.
type exitStatus struct {
	code  int
	means string
}

// exits returns the exit statuses of a verb: 0 with its meaning, those that all verbs
// have, and others.
func exits(zero string, others ...exitStatus) []exitStatus {
	return append([]exitStatus{
		{0, zero},
		{exitFailed, "splitadd failed"},
		{exitUsage, "the command line is wrong"},
	}, others...)
}

// findVerb returns the verb with a name, or nil.
func findVerb(name string) *verb {
	for i := range verbs {
		if verbs[i].name == name {
			return &verbs[i]
		}
	}
	return nil
}

// verbNames returns the names of all verbs, and help.
func verbNames() []string {
	names := []string{"help"}
	for _, v := range verbs {
		names = append(names, v.name)
	}
	return names
}

// The verb completion is added here because its function reads the variable verbs. In the
// initial value of verbs that would be an initialization cycle.
func init() {
	verbs = append(verbs, verb{
		name:    "completion",
		summary: "print a shell's completion script",
		forms:   []string{"bash|fish|zsh"},
		about: `Completion prints a script that completes splitadd's verbs and flags in a shell.

For bash, load it from ~/.bashrc, as in the example. For fish, write it to
~/.config/fish/completions/splitadd.fish. For zsh, write it to a file _splitadd in
a folder of $fpath.`,
		statuses: exits("the script was printed"),
		example:  "source <(splitadd completion bash)",
		run:      completionVerb,
	})
}

// verbs are all verbs, in the order in which help lists them.
var verbs = []verb{{
	name:    "check",
	summary: "check Go toolchains for windows, and prove them",
	forms: []string{
		"[-json] [-limit TIME] [-runs N [-shard I/N]] [ENGINE] [TOOLCHAIN ...]",
		"-static [-json] [TOOLCHAIN ...]",
	},
	about: `Check decides whether Go toolchains build code with windows, and proves it.

` + aboutWindow + `

Check builds functions of known frame size for arm64 with each toolchain, and finds the
windows in them. It runs a copy of the binary for each window, in which a goroutine waits
there until it is preempted. It also runs the unmodified binary with more goroutines
than cores, which is a stress run. Then it prints a table and a verdict. A TOOLCHAIN is a
release (go1.27.4), a GOROOT, or "local", the go command in PATH, which is the default.

` + aboutEngine + ` The engine is the machine itself
if it is arm64, else user-mode QEMU. The engine vm boots an arm64 Linux in QEMU.`,
	statuses: exits("no toolchain has windows", exitStatus{exitAffected, "a toolchain has windows"}),
	example:  "splitadd check go1.23.4 go1.27.4",
	run:      check,
}, {
	name:    "sweep",
	summary: "check Go's minor releases, and find where windows were fixed",
	forms:   []string{"-from RELEASE [-to RELEASE] [-records FILE] [-json] [ENGINE]"},
	about: `Sweep checks the newest patch release of each minor release of Go for windows.

` + aboutWindow + `

A minor release is go1.27, and a patch release of it is go1.27.4. If a kind of window is
in one minor release and not in a later one, sweep searches for the patch release that
fixed it. It proves windows as check does, but makes no stress runs.

` + aboutEngine,
	statuses: exits("no release has windows", exitStatus{exitAffected, "a release has windows"}),
	example:  "splitadd sweep -from go1.18 -records sweep.jsonl",
	run:      sweepVerb,
}, {
	name:    "bisect",
	summary: `tell "git bisect run" whether a checkout of Go has windows`,
	forms:   []string{"-goroot DIR [-kind KIND] [-json] [ENGINE]"},
	about: `Bisect tells "git bisect run" whether a checkout of Go has windows.

` + aboutWindow + `

Bisect builds the parts of the toolchain in the checkout that it needs. With them it
builds functions of known frame size, and proves their windows as check does.

` + aboutEngine,
	statuses: []exitStatus{
		{bisectGood, "no window, or none of the kind that was named"},
		{bisectBad, "there is a window"},
		{bisectSkip, "this commit cannot be built or tested"},
		{bisectStop, "splitadd failed, or the command line is wrong: the bisection ends"},
	},
	example: "git bisect run splitadd bisect -goroot . -kind 'leaf SP'",
	run:     bisectVerb,
}, {
	name:    "scan",
	summary: "find the windows in Go binaries for arm64",
	forms:   []string{"[-json | -sarif | -vex | -q] [-all] [-kind KIND,...] [-baseline FILE | -write-baseline FILE] [-fail-on WHICH] [-o FILE] BINARY|DIR|ARCHIVE|PACKAGE ..."},
	about: `Scan finds the windows in Go binaries for arm64, from the files alone.

` + aboutWindow + `

Scan reads ELF, Mach-O and PE files. It scans all files in a folder and below it.
Arguments that are not paths are package patterns: scan builds the packages for arm64
with the go command in PATH. If a folder is a package of a module and holds no Go binary
for arm64, scan builds that package.

The text has the totals first, a table by kind, and the functions that several binaries
share. The details follow: a function is shown once. On a terminal it has colours, unless
NO_COLOR is set.

An ARCHIVE is a tar archive, a .deb or .apk package, or a container image: an archive
from docker save, or the OCI layout as an archive or a folder. "-" reads an archive from
standard input. Nothing is unpacked to disk. If an archive has images for arm64, only
these are scanned. Archives in a folder or in an archive are not opened.

A baseline is a file of accepted windows, by function and kind. They are counted, but
they are not reported and do not set the exit status. An entry that accepts nothing any
more is named in a warning, if everything could be scanned.`,
	statuses: exits("no window was found that counts", exitStatus{exitAffected, "a binary has a window that counts: see -kind, -baseline and -fail-on"}),
	example:  "docker save app | splitadd scan -",
	run:      scan,
}, {
	name:    "triage",
	summary: "say whether a window caused a crash, from its log or core file",
	forms:   []string{"[-json | -markdown] [-binary FILE] [LOG|CORE ...]"},
	about: `Triage says whether a window caused a crash, from crash logs and core files.

` + aboutWindow + `

There are four answers. With each come the evidence and what would settle it.

    split SP   the stack pointer was changed in two steps, with a preemption between them
    split FP   the same happened to the frame pointer, R29
    not this   the crash had another cause
    undecided  the log or the core file does not show the cause

With no argument, or "-", triage reads standard input. Logs may be compressed. Their lines
may have prefixes, be wrapped in JSON, or be in reverse order. If a limit kept triage from
reading a part of a log, it answers on the rest and ends with an error.

Later versions will print the same four answers at the same place in a line, and the
same "answer" and "suspect" with -json. All other text may change.`,
	statuses: exits("each crash is \"not this\", or undecided and does not look like a split",
		exitStatus{exitAffected, "a crash is split SP or split FP"},
		exitStatus{exitSuspect, "a crash is undecided and looks like a split: -binary may settle it"}),
	example: "splitadd triage -binary /usr/local/bin/daemon crash.log",
	run:     triageVerb,
}, {
	name:    "diagnose",
	summary: "run a flaky program many times, and say what kills it",
	forms:   []string{"[-json] [-runs N] [-limit TIME] [-race FILE] [ENGINE] -- COMMAND"},
	about: `Diagnose runs a flaky program many times, and says which kind of defect kills it.

Diagnose runs the program as it is, and without async preemption. With -race, it also
runs another build of the program, under the race detector. It also scans the binary.
The answer may be that the cause cannot be told. What follows "--" is the command and
its own flags.

` + aboutEngine,
	statuses: exits("undecided, or there was no crash", exitStatus{exitAffected, "the cause of the crashes is known"}),
	example:  "splitadd diagnose -runs 50 -race ./daemon.race -- ./daemon -v",
	run:      diagnoseVerb,
}, {
	name:    "repair",
	summary: "write a copy of a binary in which windows are closed",
	forms:   []string{"BINARY -o FILE [-diff]", "BINARY -dry-run [-diff]"},
	about: `Repair writes a copy of a Go binary for arm64 in which windows are closed.

` + aboutWindow + `

Repair closes those in which two ADDs change the stack or frame pointer. The copy
has the same length, and no address moves. Repair leaves windows of other kinds, and those
that it cannot prove safe to close, and lists them.`,
	statuses: exits("every window is closed, or there was none",
		exitStatus{exitAffected, "windows are left; with -dry-run, there are windows"}),
	example: "splitadd repair daemon -o daemon.repaired",
	run:     repairVerb,
}, {
	name:    "repro",
	summary: "print a reproducer for a bug report",
	forms: []string{
		"[-leaf | -nonleaf] [-fp] [-frame N] [-check TOOLCHAIN [-runs N] [-limit TIME] [ENGINE]]",
		"-pointer [-check TOOLCHAIN [-runs N] [-limit TIME] [ENGINE]]",
		"-suite DIR",
	},
	about: `Repro prints a reproducer for a bug report: one main.go that crashes within seconds.
With -suite it writes the whole test suite, as a module of its own, into a folder that
is empty or does not exist.

` + aboutWindow + `

The flags say in which kind of window the reproducer crashes.

` + aboutEngine,
	statuses: exits("the reproducer or the suite was written; with -check, it did not crash",
		exitStatus{exitAffected, "with -check, the reproducer crashed"}),
	example: "splitadd repro -nonleaf -check go1.23.4",
	run:     reproVerb,
}, {
	name:    "report",
	summary: "write a bug report, or a page of the records of check",
	forms: []string{
		"-bug TOOLCHAIN [-leaf | -nonleaf] [-fp] [-frame N] [-runs N] [-limit TIME] [ENGINE]",
		"-o FILE.html|.md|.txt RECORDS ...",
	},
	about: `Report writes a bug report, or a page of the records that check -json prints.

With -bug it prints a whole report in the form of the Go issue tracker's template.
It runs the reproducer of the report first (see splitadd help repro), and fails if that
does not crash. With -o it makes one page from files of records.

` + aboutEngine,
	statuses: exits("the report was written"),
	example:  "splitadd report -o report.html records.jsonl",
	run:      reportVerb,
}, {
	name:    "merge",
	summary: "pool the records of several machines",
	forms:   []string{"[-o FILE] RECORDS ..."},
	about: `Merge pools the records of several machines that shared the runs of a check.

Each has done one part of it, with check -json -shard. Merge fails if two files have a
record of the same run.`,
	statuses: exits("the records were pooled"),
	example:  "splitadd merge -o all.jsonl shard1.jsonl shard2.jsonl",
	run:      merge,
}, {
	name:     "version",
	summary:  "print the version of splitadd",
	forms:    []string{""},
	about:    `Version prints the version of splitadd's module, of Go, and the commit it was built from.`,
	statuses: exits("the version was printed"),
	example:  "splitadd version",
	run:      versionVerb,
}}
