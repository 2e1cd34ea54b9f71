package survey_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/survey"
	"splitadd/internal/window"
)

const root = "../.."

func guest(tb testing.TB, env []string, flags ...string) string {
	return labtest.Build(tb, root, "./internal/victim/guest", env, flags...)
}

// count returns the numbers of windows of a binary in which the runtime
// preempts, by kind.
func count(t *testing.T, path string) map[string]int {
	b, err := survey.ScanFile(context.Background(), path, false, budget.Default)
	require.NoError(t, err)
	return countOf(b)
}

func countOf(b *survey.Binary) map[string]int {
	n := map[string]int{}
	for _, f := range b.Functions {
		for _, w := range f.Windows {
			if k, ok := window.KindNamed(w.Kind()); ok && k.Clause <= 2 { // the others are in the tests of package window
				n[w.Kind()]++
			}
		}
	}
	return n
}

// TestFormats surveys the same victims in every format and build mode.
func TestFormats(t *testing.T) {
	want := map[string]int{"leaf SP": 6, "leaf FP": 10}
	strip := "-ldflags=-s -w"
	for name, path := range map[string]string{
		"linux":             guest(t, nil),
		"linux, stripped":   guest(t, nil, strip),
		"linux, pie":        guest(t, nil, "-buildmode=pie"),
		"windows":           guest(t, []string{"GOOS=windows"}),
		"windows, stripped": guest(t, []string{"GOOS=windows"}, strip),
		"darwin":            guest(t, []string{"GOOS=darwin"}),
		"darwin, stripped":  guest(t, []string{"GOOS=darwin"}, strip),
		"universal":         universal(t),
		"garbled":           garbled(t, guest(t, nil)),
	} {
		assert.Equal(t, want, count(t, path), name)
	}
}

// TestStale surveys a guest of a release with stale frame pointers, as it is and with
// garbled names. Only the stale frame pointers of small frames are windows.
func TestStale(t *testing.T) {
	labtest.Long(t, "go1.21.3")
	path := labtest.Guest(t, "go1.21.3")
	want := map[string]int{"leaf SP": 6, "non-leaf SP": 4, "stale FP": 9}
	assert.Equal(t, want, count(t, path))
	assert.Equal(t, want, count(t, garbled(t, path)))
}

// TestLinkedByC surveys binaries that a C linker has linked.
func TestLinkedByC(t *testing.T) {
	env := []string{"CGO_ENABLED=1"}
	if runtime.GOARCH != "arm64" {
		env = append(env, "CC=aarch64-linux-gnu-gcc")
	}
	for name, flags := range map[string][]string{
		"cgo":                {},
		"cgo, pie":           {"-buildmode=pie"},
		"c-shared":           {"-buildmode=c-shared"},
		"c-shared, stripped": {"-buildmode=c-shared", "-ldflags=-s -w"},
		"plugin":             {"-buildmode=plugin"},
	} {
		if testing.Short() && name != "cgo" {
			continue // each builds the standard library
		}
		b, err := survey.ScanFile(context.Background(), labtest.Build(t, "testdata/cgo", ".", env, flags...), false, budget.Default)
		require.NoError(t, err, name)
		assert.Equal(t, map[string]int{"leaf SP": 1, "leaf FP": 1}, countOf(b), name)
		assert.Equal(t, "main module", b.Functions[0].Owner, name)
		assert.Equal(t, runtime.Version(), strings.Fields(b.Go)[0], name)
	}
}

// TestOldReleases surveys the layouts of older function tables. In position-independent
// binaries the table itself is relocated.
func TestOldReleases(t *testing.T) {
	labtest.Long(t, "go1.17.13, go1.18.10 and go1.20.14")
	for _, release := range []string{"go1.17.13", "go1.18.10", "go1.20.14"} {
		env := []string{"GOTOOLCHAIN=" + release, "GOFLAGS=-trimpath"}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module splitadd\n\ngo 1.17\n"), 0o600))
		require.NoError(t, os.CopyFS(filepath.Join(dir, "internal", "victim"), os.DirFS("../victim")))
		for _, mode := range []string{"exe", "pie"} {
			path := labtest.Build(t, dir, "./internal/victim/guest", env, "-buildmode="+mode)
			assert.Equal(t, map[string]int{"leaf SP": 6, "non-leaf SP": 4}, count(t, path), "%s, %s", release, mode)
		}
	}
}

// universal builds the guest as a part of a universal file.
func universal(t *testing.T) string {
	thin, err := os.ReadFile(guest(t, []string{"GOOS=darwin"}))
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "universal")
	require.NoError(t, os.WriteFile(out, labtest.UniversalBinary(thin), 0o600))
	return out
}

// garbled changes a binary as obfuscators do: it replaces every letter of every function
// name, and gives the table an unknown magic number.
func garbled(t *testing.T, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := objfile.Parse(path, data)
	require.NoError(t, err)
	table := strings.Index(string(data), "\xf1\xff\xff\xff\x00\x00\x04\x08")
	require.Positive(t, table)
	word := func(i int) int { return int(binary.LittleEndian.Uint64(data[table+8+8*i:])) }
	names := data[table+word(3) : table+word(4)]
	random := rand.New(rand.NewPCG(1, 2))
	for i, c := range names {
		if c != 0 && c != '.' && c != '/' {
			names[i] = byte('a' + random.IntN(26))
		}
	}
	random.Uint32()
	binary.LittleEndian.PutUint32(data[table:], random.Uint32())
	require.NoError(t, f.Close())
	out := filepath.Join(t.TempDir(), "garbled")
	require.NoError(t, os.WriteFile(out, data, 0o600))
	return out
}

// small returns a small binary in each format.
func small(tb testing.TB) (images map[string][]byte) {
	images = map[string][]byte{}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		data, err := os.ReadFile(guest(tb, []string{"GOOS=" + goos}, "-ldflags=-s -w"))
		require.NoError(tb, err)
		images[goos] = data
	}
	return images
}

// try surveys an image and ignores the result.
func try(image []byte) {
	if f, err := objfile.Parse("image", image); err == nil {
		_, _ = survey.Scan(f, false)
	}
}

// changes makes changes to copies of an image, each undone before the next, on
// every processor, and surveys each. In -short mode it makes every twentieth change.
func changes(image []byte, n int, change func(i int, image []byte) (at, size int)) {
	stride := 1
	if testing.Short() {
		stride = 20
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			own := append([]byte(nil), image...)
			for {
				i := int(next.Add(int64(stride))) - stride
				if i >= n {
					return
				}
				at, size := change(i, own)
				try(own)
				copy(own[at:at+size], image[at:])
			}
		}()
	}
	wait.Wait()
}

// TestHostile changes real binaries: 10,000 times one bit, near the headers and
// anywhere, and each word of the headers to a value that claims too much or points to
// itself. The survey must end without a panic or a hang, and with bounded memory.
func TestHostile(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for goos, image := range small(t) {
		changes(image, 10_000/3+1, func(i int, image []byte) (at, size int) {
			random := rand.New(rand.NewPCG(3, uint64(i)))
			if at = random.IntN(len(image)); i%2 == 0 {
				at = random.IntN(4096)
			}
			image[at] ^= 1 << random.IntN(8)
			return at, 1
		})
		words := []uint64{0xffffffff, 0xffffffffffffffff, 0x80000000, 1 << 40, 0, 0x40}
		const header = 2048
		changes(image, header/8*len(words), func(i int, image []byte) (at, size int) {
			at = i / len(words) * 8
			word := words[i%len(words)]
			if word == 0x40 {
				word = uint64(at)
			}
			binary.LittleEndian.PutUint64(image[at:], word)
			return at, 8
		})
		runtime.GC()
		runtime.ReadMemStats(&after)
		assert.Less(t, int64(after.HeapSys)-int64(before.HeapSys), int64(512<<20), goos)
	}
}

// TestCutOffMeanwhile cuts a file off while it is open. Reading it must return an error
// instead of a fault.
func TestCutOffMeanwhile(t *testing.T) {
	path := guest(t, nil)
	f, err := objfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, os.Truncate(path, 4096))
	_, err = survey.Scan(f, false)
	require.ErrorIs(t, err, objfile.ErrChanged, fmt.Sprint(err))
	require.ErrorContains(t, err, path)
}
