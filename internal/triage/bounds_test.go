package triage

import (
	"bufio"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"
)

var keepLogs = flag.String("keep", "", "a `folder` in which TestLogBounds leaves its logs")

// packs are other ways to write a log. TestLogBounds uses them for the log of small crashes.
var packs = map[string]func(io.Writer) io.WriteCloser{
	"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"UTF-16": func(w io.Writer) io.WriteCloser {
		return noClose{unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Writer(w)}
	},
}

// A noClose is a writer whose Close does nothing.
type noClose struct{ io.Writer }

func (noClose) Close() error { return nil }

// writeLog writes a log of size bytes.
func writeLog(t *testing.T, path string, size int, pack func(io.Writer) io.WriteCloser, text logMaker) {
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	buffer := bufio.NewWriterSize(f, 1<<20)
	to := io.WriteCloser(noClose{buffer})
	if pack != nil {
		to = pack(buffer)
	}
	for i := 0; size > 0; i++ {
		part := text(i)
		part = part[:min(size, len(part))]
		size -= len(part)
		_, err = io.WriteString(to, part)
		require.NoError(t, err)
	}
	require.NoError(t, to.Close())
	require.NoError(t, buffer.Flush())
}

// TestLogBounds reads logs that may take long. With -all, it reads 100 MB of each, in at most
// 5 s and 300 MB of memory.
func TestLogBounds(t *testing.T) {
	size, seconds := 5<<20, slack*1.0
	if *allLogs {
		size, seconds = 100<<20, 5
	}
	folder := *keepLogs
	if folder == "" {
		folder = t.TempDir()
	}
	path := func(name string) string {
		return filepath.Join(folder, strings.NewReplacer(" ", "-", ",", "").Replace(name)+".log")
	}
	texts := slowLogs(t)
	for name := range packs {
		texts[name] = texts["small crashes"]
	}
	for name, text := range texts {
		if testing.Short() && !sampled(4, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			writeLog(t, path(name), size, packs[name], text)
			if *keepLogs == "" {
				defer os.Remove(path(name))
			}
			bound(t, name, seconds, 300, func() {
				verdicts, err := File(context.Background(), path(name), nil)
				for _, v := range verdicts {
					assert.False(t, v.Answer.Split(), name)
				}
				t.Log(len(verdicts), err)
			})
		})
	}
}
