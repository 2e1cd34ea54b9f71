package survey_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/budget"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/survey"
	"splitadd/internal/window"
)

func TestPackage(t *testing.T) {
	for function, want := range map[string]string{
		"main.main": "main",
		"github.com/fsnotify/fsnotify.(*inotify).readEvents": "github.com/fsnotify/fsnotify",
		"gopkg.in/yaml%2ev3.(*parser).parse":                 "gopkg.in/yaml.v3",
		"slices.SortFunc[go.shape.[]github.com/x/y.T]":       "slices",
		"example.com/a.b/c.F":                                "example.com/a.b/c",
		"type:.eq.internal/abi.Type":                         "type:.eq.internal/abi",
		"":                                                   "",
	} {
		assert.Equal(t, want, survey.Package(function), function)
	}
}

func TestOwner(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Path: "example.com/app"},
		Deps: []*debug.Module{
			{Path: "example.com/lib", Version: "v1.2.3"},
			{Path: "example.com/lib/sub", Version: "v0.1.0", Replace: &debug.Module{Path: "../sub"}},
			{Path: "example.com/app/plugin", Version: "v2.0.0"},
		},
	}
	for function, want := range map[string]string{
		"main.f":                       "main module",
		"example.com/app.f":            "main module",
		"example.com/app/x.f":          "main module",
		"example.com/app/plugin.f":     "dependency example.com/app/plugin@v2.0.0",
		"example.com/lib/a.(*T).f":     "dependency example.com/lib@v1.2.3",
		"example.com/lib/sub/b.f":      "dependency example.com/lib/sub@v0.1.0 => ../sub",
		"example.com/library.f":        "package example.com/library",
		"net/http.(*Server).Serve":     "standard library",
		"strings_test.init":            "standard library",
		"golang.org/x/text/unicode.F":  "package golang.org/x/text/unicode",
		"vendor/golang.org/x/net/x.F2": "standard library",
	} {
		assert.Equal(t, want, survey.Owner(info, function), function)
	}
	assert.Equal(t, "package net/http", survey.Owner(&debug.BuildInfo{}, "net/http.f"), "no module information")
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		frame      int64
		fp         bool
		less, more int64
	}{
		{65552, false, 16, 4080},
		{65552, true, 16, 65520},
		{69632, false, 0, 0},
		{69632, true, 4096, 61440},
		{1 << 20, true, 0, 0},
		{66352, false, 816, 3280},
	} {
		less, more := survey.NearestSafeFrames(c.frame, c.fp)
		assert.Equal(t, []int64{c.less, c.more}, []int64{less, more}, "%d %t", c.frame, c.fp)
	}
	for frame := int64(65552); frame < 1<<24; frame += 16 * 997 {
		less, more := survey.NearestSafeFrames(frame, false)
		for _, n := range []int64{frame - less, frame + more} {
			assert.NotEqual(t, arm64.TwoADDs, arm64.Expand(uint64(n)), "%d from %d", n, frame)
		}
	}
}

func TestRemedies(t *testing.T) {
	assert.Empty(t, survey.Remedies(nil))
	for _, kind := range window.KindNames() {
		remedies := survey.Remedies([]string{kind})
		assert.Len(t, remedies, 3, kind)
		assert.Contains(t, remedies[len(remedies)-1], "asyncpreemptoff")
	}
}

// TestEach surveys a folder with files of every sort.
func TestEach(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile(guest(t, nil))
	require.NoError(t, err)
	for name, contents := range map[string][]byte{
		"a": data, "b": []byte("text"), "c/d": data, "e": {}, "f": data[:len(data)/2],
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, contents, 0o600))
	}
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "c", "loop")))
	paths, err := survey.ListFiles(dir, func(err error) { t.Error(err) })
	require.NoError(t, err)
	require.Len(t, paths, 5)
	var found, others, broken []string
	require.NoError(t, survey.ScanAll(context.Background(), paths, false, func(r survey.Result) error {
		name, _ := filepath.Rel(dir, r.Path)
		switch {
		case r.Err == nil:
			found = append(found, name)
		case errors.Is(r.Err, survey.ErrNotArm64Go):
			others = append(others, name)
		default:
			broken = append(broken, name)
		}
		return nil
	}))
	assert.Equal(t, []string{"a", "c/d"}, found)
	assert.Equal(t, []string{"b", "e"}, others)
	assert.Equal(t, []string{"f"}, broken)

	stop := errors.New("stop")
	require.ErrorIs(t, survey.ScanAll(context.Background(), paths, false, func(survey.Result) error { return stop }), stop)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(t, survey.ScanAll(ctx, paths, false, func(survey.Result) error { return nil }))
	_, err = survey.ListFiles(filepath.Join(dir, "none"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestUnchecked surveys a function with more branches and slots than can be followed,
// and words that are not instructions. Both are told.
func TestUnchecked(t *testing.T) {
	const slots, branches = 1500, 4000
	var code []byte
	for k := range uint32(slots) {
		code = binary.LittleEndian.AppendUint32(code, 0xf90003e0|k<<10) // STR X0, [SP, #8k]
	}
	for range branches {
		code = binary.LittleEndian.AppendUint32(code, 0xb4000040) // CBZ X0, two instructions on
	}
	for _, word := range []uint32{0xaa0103fe, 0xf94003c2, 0xd65f03c0, 0xffffffff, 0xffffffff} { // MOV X30, X1; LDR X2, [X30]; RET
		code = binary.LittleEndian.AppendUint32(code, word)
	}
	pcsp := binary.AppendUvarint([]byte{2}, uint64(len(code)/4))
	path := filepath.Join(t.TempDir(), "made")
	require.NoError(t, os.WriteFile(path, objtest.FakeExecutable{Code: code, Function: len(code), PCSP: pcsp, Name: "main.tangled"}.Bytes(), 0o600))
	b, err := survey.ScanFile(context.Background(), path, true, budget.Default)
	require.NoError(t, err)
	assert.Equal(t, []string{"main.tangled"}, b.Unchecked)
	assert.Equal(t, 2, b.Undecoded)
	b, err = survey.ScanFile(context.Background(), path, false, budget.Default)
	require.NoError(t, err)
	assert.Equal(t, []string{"main.tangled"}, b.Unchecked)
	assert.Zero(t, b.Undecoded)
	var text strings.Builder
	require.NoError(t, report.Binaries(&text, []*survey.Binary{b}, record.Scan{}, report.Style{}))
	assert.Contains(t, text.String(), "not checked for every kind, because of too many branches: 1 function\n    main.tangled\n")
}
