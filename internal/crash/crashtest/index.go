package crashtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Row of the index describes one log of the corpus and has the expected answers. "-" stands
// for a value that is not known or not tested.
type Row struct {
	File          string
	Source        string // a public issue, or who made the log
	Go            string // the release that built the program
	Arch          string // the GOARCH of the program
	Upstream      string // the public issue about the cause
	WithBinary    string // the answer if the windows in the log's headers are known
	WithoutBinary string // the answer if they are not
}

// columns is the first line of the index.
const columns = "file\tsource\tgo\tarch\tupstream\twith\twithout"

// Index reads the index of a folder of logs. It fails unless there is one row for each log.
func Index(tb testing.TB, folder string) (rows []Row) {
	tb.Helper()
	data, err := os.ReadFile(indexPath(folder))
	require.NoError(tb, err)
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	require.Equal(tb, columns, lines[0])
	seen := map[string]bool{}
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		require.Len(tb, f, 7, "%s:%d", indexPath(folder), i+2)
		for _, value := range f {
			require.NotEmpty(tb, value, "%s:%d: write - for what is not known", indexPath(folder), i+2)
		}
		require.False(tb, seen[f[0]], "%s is there twice", f[0])
		seen[f[0]] = true
		rows = append(rows, Row{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	require.NoError(tb, err)
	for _, path := range paths {
		require.True(tb, seen[filepath.Base(path)], "%s is not in the index", path)
	}
	return rows
}

// WriteIndex writes the index of a folder of logs.
func WriteIndex(tb testing.TB, folder string, rows []Row) {
	tb.Helper()
	lines := []string{columns}
	for _, r := range rows {
		lines = append(lines, strings.Join([]string{r.File, r.Source, r.Go, r.Arch, r.Upstream, r.WithBinary, r.WithoutBinary}, "\t"))
	}
	require.NoError(tb, os.WriteFile(indexPath(folder), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

func indexPath(folder string) string { return filepath.Join(folder, "INDEX.tsv") }
