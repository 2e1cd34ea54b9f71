// Package labtest builds guests and other binaries with real toolchains, for tests.
package labtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/objfile"
)

// Guest builds the stand-alone guest for linux/arm64 with a toolchain, and returns its
// path. The toolchain is a name for lab.Resolve.
func Guest(tb testing.TB, toolchain string) string {
	tb.Helper()
	t, err := lab.Resolve(context.Background(), toolchain)
	require.NoError(tb, err)
	path := filepath.Join(tb.TempDir(), "guest")
	require.NoError(tb, lab.Build(context.Background(), t, lab.Target{OS: "linux", Arch: "arm64"}, path))
	return path
}

// Open builds a guest as Guest does, and opens it.
func Open(tb testing.TB, toolchain string) *objfile.File {
	tb.Helper()
	f, err := objfile.Open(Guest(tb, toolchain))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, f.Close()) })
	return f
}

// Go runs the go command in a folder, with variables added to the environment, and
// returns its standard output without the last line's end.
func Go(tb testing.TB, dir string, env []string, args ...string) string {
	tb.Helper()
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), &stderr
	out, err := cmd.Output()
	require.NoError(tb, err, "go %s: %s", strings.Join(args, " "), stderr.Bytes())
	return strings.TrimSuffix(string(out), "\n")
}

// Build builds a package in a folder, and returns the path of the executable. It builds
// for linux/arm64 and without C, unless env and flags say otherwise.
func Build(tb testing.TB, dir, pkg string, env []string, flags ...string) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "out")
	env = append([]string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off"}, env...)
	Go(tb, dir, env, append(append([]string{"build", "-trimpath", "-o", out}, flags...), pkg)...)
	return out
}

// GOROOT returns the folder of the source of a release.
func GOROOT(tb testing.TB, release string) string {
	tb.Helper()
	return Go(tb, "", []string{"GOTOOLCHAIN=" + release}, "env", "GOROOT")
}

// UniversalBinary wraps a Mach-O file for arm64 in a universal one, after a part for another
// machine.
func UniversalBinary(thin []byte) []byte {
	const at, cpuAMD64, cpuARM64 = 1 << 14, 0x01000007, 0x0100000c
	var fat []byte
	for _, word := range []uint32{
		0xcafebabe, 2,
		cpuAMD64, 3, at / 2, 4096, 12,
		cpuARM64, 0, at, uint32(len(thin)), 14,
	} {
		fat = binary.BigEndian.AppendUint32(fat, word)
	}
	fat = append(fat, make([]byte, at/2-len(fat))...)
	fat = append(fat, thin[:4096]...)
	binary.LittleEndian.PutUint32(fat[at/2+4:], cpuAMD64)
	return append(append(fat, make([]byte, at-len(fat))...), thin...)
}
