package survey_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/survey"
)

// programs names a folder of more programs for TestReal.
var programs = flag.String("programs", "", "a folder of programs for arm64 whose use of the budget is printed")

// keep names a folder for the files of TestCost.
var keep = flag.String("keep", "", "a folder in which the files of TestCost are kept")

// TestReal prints how much of its budget each of some real binaries uses. Each has to
// stay below a tenth.
func TestReal(t *testing.T) {
	labtest.Long(t, "binaries of five toolchains")
	paths := map[string]string{
		"guest":           guest(t, nil),
		"guest, pie":      guest(t, nil, "-buildmode=pie"),
		"guest, darwin":   guest(t, []string{"GOOS=darwin"}),
		"guest, windows":  guest(t, []string{"GOOS=windows"}),
		"guest, go1.16":   labtest.Guest(t, "go1.16.15"),
		"guest, go1.21.3": labtest.Guest(t, "go1.21.3"),
		"cmd/go, go1.27":  labtest.Build(t, runtime.GOROOT(), "cmd/go", []string{"GOTOOLCHAIN=go1.27.4", "GOFLAGS="}),
	}
	if *programs != "" {
		found, err := survey.ListFiles(*programs, func(err error) { t.Error(err) })
		require.NoError(t, err)
		for _, path := range found {
			paths[filepath.Base(path)] = path
		}
	}
	largest, whose, binaries := 0.0, "", 0
	for name, path := range paths {
		for _, all := range []bool{false, true} {
			f, err := survey.Open(context.Background(), path, budget.Default)
			if err != nil {
				continue
			}
			b, err := survey.Scan(f, all)
			use := f.Budget.Usage()
			require.NoError(t, f.Close())
			if err != nil {
				require.ErrorIs(t, err, survey.ErrNotArm64Go)
				continue
			}
			binaries++
			info, err := os.Stat(path)
			require.NoError(t, err)
			t.Logf("%s, %.1f MB, all %t, %d functions: work %.4f, memory %.4f, windows %.4f, output %.4f",
				name, float64(info.Size())/1e6, all, len(b.Functions), use.Work, use.Memory, use.Windows, use.Output)
			assert.Less(t, use.LargestShare(), 0.1, name)
			if use.LargestShare() > largest {
				largest, whose = use.LargestShare(), name
			}
		}
	}
	t.Logf("%d surveys: at most %.4f of the budget, by %s", binaries, largest, whose)
	require.GreaterOrEqual(t, binaries, 14)
}
