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
	summary: "check Go toolchains for windows, and prove each by a crash",
	forms: []string{
		"[-json] [-limit TIME] [-runs N [-shard I/N]] [ENGINE] [TOOLCHAIN ...]",
		"-static [-json] [TOOLCHAIN ...]",
	},
	about: `Check decides whether Go toolchains build code with windows, and proves it.

It builds functions of known frame size for arm64 with each toolchain, finds the
windows in them, pins each, runs the unmodified binary under stress, and prints a
table and a verdict. A TOOLCHAIN is a release (go1.27.4), a GOROOT, or "local", the
go command in PATH, which is the default.

ENGINE stands for -engine, -emulator and -kernel. The engine is the machine itself
if it is arm64, else user-mode QEMU. The engine vm boots an arm64 Linux in QEMU.`,
	statuses: exits("no toolchain has windows", exitStatus{exitAffected, "a toolchain has windows"}),
	example:  "splitadd check go1.23.4 go1.27.4",
	run:      check,
}, {
	name:    "sweep",
	summary: "check every minor release, and find the patches that fixed a kind",
	forms:   []string{"-from RELEASE [-to RELEASE] [-records FILE] [-json] [ENGINE]"},
	about: `Sweep checks the newest patch of every minor release of Go, with pins alone.

It then searches for the patch releases that removed a kind of window. ENGINE
stands for -engine, -emulator and -kernel.`,
	statuses: exits("no release has windows", exitStatus{exitAffected, "a release has windows"}),
	example:  "splitadd sweep -from go1.18 -records sweep.jsonl",
	run:      sweepVerb,
}, {
	name:    "bisect",
	summary: `tell "git bisect run" whether a checkout of Go has windows`,
	forms:   []string{"-goroot DIR [-kind KIND] [-json] [ENGINE]"},
	about: `Bisect tells "git bisect run" whether a checkout of Go has windows.

It builds what is needed of the toolchain in the checkout, and pins the windows of
what that toolchain builds. ENGINE stands for -engine, -emulator and -kernel.`,
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
	forms:   []string{"[-json | -sarif | -vex | -q] [-all] [-kind KIND,...] [-baseline FILE | -write-baseline FILE] [-fail-on WHICH] BINARY|DIR|ARCHIVE|PACKAGE ..."},
	about: `Scan finds the windows in Go binaries for arm64, from the files alone.

It reads ELF, Mach-O and PE. It scans all files in a folder. Arguments that are not
paths are package patterns, built for arm64 with the go command in PATH. Scan also
builds a folder that is a package of a module, unless it holds a Go binary for arm64.

An ARCHIVE is a container image (docker save, or OCI as an archive or a folder), a tar
archive, or a package of Debian or Alpine. "-" reads one from standard input. Nothing
is unpacked to disk. If an archive has images for arm64, only these are scanned.
Archives in a folder or in an archive are not opened.

A baseline is a file of accepted windows, by function and kind. They are counted, but
they are not reported and do not set the exit status. An entry that accepts nothing any
more is named in a warning, if everything could be scanned.`,
	statuses: exits("no window was found that counts", exitStatus{exitAffected, "a binary has a window that counts: see -kind, -baseline and -fail-on"}),
	example:  "docker save app | splitadd scan -",
	run:      scan,
}, {
	name:    "triage",
	summary: "say whether this defect caused a crash, from its log or core file",
	forms:   []string{"[-json | -markdown] [-binary FILE] [LOG|CORE ...]"},
	about: `Triage says whether this defect caused a crash, from crash logs and core files.

The answer is split SP, split FP, not this, or undecided, with the evidence and what
would settle it. With no argument, or "-", standard input is read. Logs may have
prefixes, be wrapped in JSON, be compressed, or come latest line first. If a limit kept
triage from reading a part of a log, it answers on the rest and ends with an error.

The first words of a line, and "answer" and "suspect" with -json, will be the same in
later versions. What follows them may change.`,
	statuses: exits("no crash has a mark of a split: each is \"not this\" or undecided",
		exitStatus{exitAffected, "a crash is a split"},
		exitStatus{exitSuspect, "a crash looks like a split, but nothing proves it: name the binary"}),
	example: "splitadd triage -binary /usr/local/bin/daemon crash.log",
	run:     triageVerb,
}, {
	name:    "diagnose",
	summary: "run a flaky program many times, and say what kills it",
	forms:   []string{"[-json] [-runs N] [-limit TIME] [-race FILE] [ENGINE] -- COMMAND"},
	about: `Diagnose runs a flaky program many times, and says which kind of defect kills it.

It runs the program as it is, without async preemption, and, if a build of it with
-race is given, under the race detector. It also scans the binary. It may answer
that it cannot tell. What follows "--" is the command and its own flags. ENGINE
stands for -engine, -emulator and -kernel.`,
	statuses: exits("undecided", exitStatus{exitAffected, "the cause of the crashes is known"}),
	example:  "splitadd diagnose -runs 50 -race ./daemon.race -- ./daemon -v",
	run:      diagnoseVerb,
}, {
	name:    "repair",
	summary: "write a copy of a binary without split adjustments",
	forms:   []string{"BINARY -o FILE [-diff]", "BINARY -dry-run [-diff]"},
	about: `Repair writes a copy of a Go binary for arm64 without split adjustments.

The copy has the same length, and no address moves. Windows of other kinds, and what
cannot be proved safe, are left as they are, and listed.`,
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

ENGINE stands for -engine, -emulator and -kernel.`,
	statuses: exits("the reproducer or the suite was written; with -check, it did not crash",
		exitStatus{exitAffected, "with -check, the reproducer crashed"}),
	example: "splitadd repro -nonleaf -check go1.23.4",
	run:     reproVerb,
}, {
	name:    "report",
	summary: "write a bug report, or a page of the records of other verbs",
	forms: []string{
		"-bug TOOLCHAIN [-leaf | -nonleaf] [-fp] [-frame N] [-runs N] [-limit TIME] [ENGINE]",
		"-o FILE.html|.md|.txt RECORDS ...",
	},
	about: `Report writes a bug report, or a page of the records that other verbs wrote.

With -bug it prints a whole report in the form of the Go issue tracker's template.
It runs the reproducer first, and fails if that does not crash. With -o it makes one
page from files of records, which check -json prints. ENGINE stands for -engine,
-emulator and -kernel.`,
	statuses: exits("the report was written"),
	example:  "splitadd report -o report.html records.jsonl",
	run:      reportVerb,
}, {
	name:    "merge",
	summary: "pool the records of several machines",
	forms:   []string{"[-o FILE] RECORDS ..."},
	about: `Merge pools the records of several machines, each from a part of check -shard.

It fails if two files have a record of the same run.`,
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
