package patch_test

import (
	"context"
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/patch"
)

var withStandardLibrary = flag.Bool("std", false, "repair test binaries of the standard library, and run them")

// packages are the packages of the standard library whose test binaries have windows, by
// the release that builds them.
var packages = map[string][]string{
	"go1.22.12": {"runtime/trace"},
	"go1.23.4":  {"bytes", "cmd/compile/internal/test", "compress/flate", "encoding/pem", "runtime/pprof", "strconv", "strings", "sync"},
	"go1.24.5":  {"net/http/fcgi"},
}

// TestStandardLibrary repairs test binaries of the standard library, and runs them. The tests
// must have the same results in the original and in the repaired binary.
func TestStandardLibrary(t *testing.T) {
	if !*withStandardLibrary {
		t.Skip("takes a quarter of an hour: make repair")
	}
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "user"})
	require.NoError(t, err)
	for release, names := range packages {
		root := labtest.GOROOT(t, release)
		for _, name := range names {
			t.Run(release+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				binary, out := filepath.Join(dir, "binary.test"), filepath.Join(dir, "repaired.test")
				labtest.Go(t, filepath.Join(root, "src", name), []string{"GOTOOLCHAIN=" + release, "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS="}, "test", "-c", "-o", binary)
				f, err := objfile.Open(binary)
				require.NoError(t, err)
				defer f.Close()
				plan, err := patch.NewPlan(f)
				require.NoError(t, err)
				require.NotEmpty(t, plan.Repaired)
				assert.Empty(t, plan.Unrepaired)
				require.NoError(t, plan.Write(out))
				results := map[string]string{}
				for _, path := range []string{binary, out} {
					r, err := e.Run(ctx, lab.Job{
						Path: path, Args: []string{"-test.short", "-test.v"}, Dir: filepath.Join(root, "src", name),
						Deadline: 10 * time.Minute, Env: []string{"GOROOT=" + root},
					})
					require.NoError(t, err)
					results[path] = summary(string(r.Output))
					t.Logf("%s: %d windows closed, exit status %d, %d tests passed", filepath.Base(path), len(plan.Repaired), r.Code, strings.Count(results[path], "PASS"))
				}
				assert.Equal(t, results[binary], results[out])
				assert.Contains(t, results[out], "PASS")
			})
		}
	}
}

// summary returns the result of each test, without the times.
func summary(output string) string {
	var lines []string
	for _, line := range strings.Split(output, "\n") {
		if name, _, ok := strings.Cut(line, " ("); ok && strings.HasPrefix(strings.TrimSpace(name), "--- ") {
			lines = append(lines, name)
		}
	}
	slices.Sort(lines) // parallel tests end in any order
	return strings.Join(lines, "\n")
}
