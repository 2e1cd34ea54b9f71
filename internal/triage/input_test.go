package triage

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash/crashtest"
)

// logs returns the verdicts on a log. If the log is empty or not text, it returns none.
func logs(name string, data []byte, b *Binary) ([]Verdict, error) {
	verdicts, err := Reader(name, bytes.NewReader(data), b)
	if errors.Is(err, ErrEmpty) || errors.Is(err, ErrText) {
		return nil, nil
	}
	return verdicts, err
}

// zipped compresses data with gzip.
func zipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// zstandard compresses data with zstd.
func zstandard(t testing.TB, data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

// wide encodes data as UTF-16 with a byte order mark.
func wide(data []byte, big bool) []byte {
	out := []byte{0xff, 0xfe}
	if big {
		out = []byte{0xfe, 0xff}
	}
	for _, c := range utf16.Encode([]rune(string(data))) {
		if big {
			out = append(out, byte(c>>8), byte(c))
		} else {
			out = append(out, byte(c), byte(c>>8))
		}
	}
	return out
}

// TestEncodings reads logs that are compressed, or not in UTF-8.
func TestEncodings(t *testing.T) {
	e := crashtest.Read(t, crashFolder+"/testdata/go1.23.4-sp-leaf65552-gc.txt")
	for name, data := range map[string][]byte{
		"as it is": e.Log, "gzip": zipped(t, e.Log), "zstd": zstandard(t, e.Log), "both": zipped(t, zstandard(t, e.Log)),
		"UTF-16LE": wide(e.Log, false), "UTF-16BE": wide(e.Log, true), "UTF-8 with a mark": append([]byte("\xef\xbb\xbf"), e.Log...),
		"two members": append(zipped(t, e.Log[:1000]), zipped(t, e.Log[1000:])...), "after zeros": append(make([]byte, 4096), append([]byte("\n"), e.Log...)...),
	} {
		path := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		for _, read := range []func() ([]Verdict, error){
			func() ([]Verdict, error) { return File(context.Background(), path, binaryOf(e)) },
			func() ([]Verdict, error) { return Reader("log", bytes.NewReader(data), binaryOf(e)) },
		} {
			verdicts, err := read()
			require.NoError(t, err, name)
			require.Len(t, verdicts, 1, name)
			assert.Equal(t, SplitSP, verdicts[0].Answer, name)
			assert.Equal(t, 1, verdicts[0].Count, name)
		}
	}
	// If the end of the log is damaged, the part before it is read, and an error says so.
	packed := zipped(t, append(append([]byte(nil), e.Log...), bytes.Repeat([]byte("all is well\n"), 100000)...))
	verdicts, err := Reader("log", bytes.NewReader(packed[:len(packed)-100]), binaryOf(e))
	require.ErrorIs(t, err, ErrOmitted)
	require.Len(t, verdicts, 2)
	assert.Equal(t, SplitSP, verdicts[0].Answer)
	assert.Equal(t, "not all of the log was read: unexpected EOF", verdicts[1].Reason)
}

// TestRefused has inputs that are not logs.
func TestRefused(t *testing.T) {
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 100)...)
	elf[16] = 2
	tar := append(append(make([]byte, 257), "ustar"...), make([]byte, 250)...)
	tar[0] = 'a'
	noise := make([]byte, 1000)
	for i := range noise {
		noise[i] = byte(i * i)
	}
	for name, c := range map[string]struct {
		data []byte
		err  error
	}{
		"empty": {nil, ErrEmpty}, "gzip of nothing": {zipped(t, nil), ErrEmpty}, "a program": {elf, ErrBinary}, "a program, compressed": {zipped(t, elf), ErrBinary},
		"PE": {append([]byte("MZ\x90\x00"), make([]byte, 100)...), ErrBinary}, "Mach-O": {append([]byte("\xcf\xfa\xed\xfe"), make([]byte, 100)...), ErrBinary},
		"zip": {[]byte("PK\x03\x04xxxx"), ErrPacked}, "tar": {tar, ErrPacked}, "tar.gz": {zipped(t, tar), ErrPacked}, "xz": {[]byte("\xfd7zXZ\x00"), ErrPacked},
		"damaged": {[]byte("\x1f\x8bxxxxxxxxxxx"), ErrPacked}, "noise": {noise, ErrText}, "zeros": {make([]byte, 1000), ErrText},
	} {
		verdicts, err := Reader("log", bytes.NewReader(c.data), nil)
		assert.ErrorIs(t, err, c.err, name)
		assert.Empty(t, verdicts, name)
	}
	verdicts, err := Reader("log", strings.NewReader("all is well\n"), nil)
	require.NoError(t, err)
	assert.Equal(t, Undecided, verdicts[0].Answer)
}

// TestAlike has crashes that read alike. Each is shown once, with a count.
func TestAlike(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "panic: boom\n\ngoroutine %d [running]:\nmain.f(%#x)\n\ta.go:1 +0x8\n\n", 1+i, i)
	}
	e := crashtest.Read(t, crashFolder+"/testdata/go1.23.4-sp-leaf65552-gc.txt")
	verdicts, err := Reader("log", strings.NewReader(b.String()+string(e.Log)+b.String()), binaryOf(e))
	require.NoError(t, err)
	require.Len(t, verdicts, 2)
	assert.Equal(t, []int{6000, 1}, []int{verdicts[0].Count, verdicts[0].Line})
	assert.Equal(t, 18001+strings.Count(string(e.Log), "\n")+6*2999, verdicts[0].Last)
	assert.Equal(t, []int{1, 18003}, []int{verdicts[1].Count, verdicts[1].Line})
	assert.Equal(t, SplitSP, verdicts[1].Answer)
}

// TestDifferent has more different crashes than are shown, and a split after them. Then it has
// more crashes than are judged.
func TestDifferent(t *testing.T) {
	var b strings.Builder
	for i := range maxShown + 50 {
		fmt.Fprintf(&b, "panic: boom\n\ngoroutine 1 [running]:\nmain.f%d()\n\ta.go:1 +0x8\n\n", i)
	}
	e := crashtest.Read(t, crashFolder+"/testdata/go1.23.4-sp-leaf65552-stacks.txt")
	verdicts, err := Reader("log", strings.NewReader(b.String()+string(e.Log)+b.String()), binaryOf(e))
	require.NoError(t, err)
	require.Len(t, verdicts, maxShown+2)
	assert.Equal(t, SplitSP, verdicts[maxShown].Answer)
	assert.Equal(t, NotThis, verdicts[maxShown+1].Answer)
	assert.Equal(t, 100, verdicts[maxShown+1].Count)

	// Without the binary the crash looks like a split. It is shown as well.
	verdicts, err = Reader("log", strings.NewReader(b.String()+string(e.Log)+b.String()), nil)
	require.NoError(t, err)
	require.Equal(t, maxShown+2, len(verdicts))
	assert.Equal(t, Undecided, verdicts[maxShown].Answer)
	assert.True(t, verdicts[maxShown].Suspect)
	assert.Equal(t, NotThis, verdicts[maxShown+1].Answer)

	b.Reset()
	for i := range maxJudged + 7 {
		fmt.Fprintf(&b, "SIGSEGV: segmentation violation\nPC=%#x m=0 sigcode=1\n\n", 4*i)
	}
	verdicts, err = Reader("log", strings.NewReader(b.String()+string(e.Log)), binaryOf(e))
	assert.ErrorContains(t, err, "not all of it was read: 8 crashes that came after many different ones")
	assert.ErrorIs(t, err, ErrOmitted)
	require.Equal(t, maxShown+2, len(verdicts))
	last := verdicts[maxShown+1]
	assert.Equal(t, Undecided, last.Answer)
	assert.Contains(t, last.Reason, "not all of the log was read: 8 crashes that came after")
	assert.NotEmpty(t, last.Settle)
	assert.Equal(t, maxJudged*3+1, last.Line)
}

// TestOmittedSaid has logs that are not read completely, with and without a crash in the part
// that is read. A verdict and the error say so.
func TestOmittedSaid(t *testing.T) {
	e := crashtest.Read(t, crashFolder+"/testdata/go1.23.4-sp-leaf65552-gc.txt")
	deep := strings.Repeat(`{"a":`, 40) + `{"log":"fatal error: unknown caller pc"}` + "\n"
	words := "fatal error: x\n" + strings.Repeat("fatal error: y\n", 5000) + "\ngoroutine 1 [running]:\nmain.main()\n\ta.go:1 +0x8\n"
	for name, c := range map[string]struct {
		log     string
		binary  *Binary
		first   Answer
		n, line int
	}{
		"no crash": {deep, nil, Undecided, 1, 1}, "a split": {string(e.Log) + deep, binaryOf(e), SplitSP, 2, 1 + bytes.Count(e.Log, []byte("\n"))},
		"words": {"all is well\n" + words, nil, Undecided, 2, 2},
	} {
		verdicts, err := Reader("log", strings.NewReader(c.log), c.binary)
		require.ErrorIs(t, err, ErrOmitted, name)
		require.Len(t, verdicts, c.n, name)
		assert.Equal(t, c.first, verdicts[0].Answer, name)
		last := verdicts[c.n-1]
		assert.Equal(t, Undecided, last.Answer, name)
		assert.Contains(t, last.Reason, "not all of the log was read: 1 ", name)
		assert.Equal(t, c.line, last.Line, name)
		assert.Zero(t, last.Count, name)
	}
}
