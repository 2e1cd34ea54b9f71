package triage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/edsrzf/mmap-go"

	"splitadd/internal/core"
	"splitadd/internal/crash"
	"splitadd/internal/objfile"
)

// ErrPacked is wrapped by the error for an input that is compressed.
var ErrPacked = errors.New("a compressed file")

// maxPiped is how much is read of an input that is no file, bytes.
const maxPiped = 1 << 30

// File gives the verdicts on a log or a core file. The binary may be nil.
func File(ctx context.Context, path string, b *Binary) (verdicts []Verdict, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: a folder, not a log or a core file", path)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return Reader(path, file, b)
	}
	begin := make([]byte, 64)
	if n, err := file.ReadAt(begin, 0); err != nil && err != io.EOF {
		return nil, err
	} else if begin = begin[:n]; core.Is(begin) {
		err = objfile.Guard(func() error { // of the binary
			v, err := Core(ctx, path, b)
			verdicts = []Verdict{v}
			return err
		})
		return verdicts, err
	}
	mapped, err := mmap.Map(file, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = mapped.Unmap() }()
	err = objfile.Guard(func() (err error) {
		verdicts, err = logs(path, mapped, b)
		return err
	})
	return verdicts, err
}

// Reader gives the verdicts on a log that comes from somewhere else than a file.
func Reader(name string, from io.Reader, b *Binary) (verdicts []Verdict, err error) {
	data, err := io.ReadAll(io.LimitReader(from, maxPiped+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxPiped {
		return nil, fmt.Errorf("%s: more than %d bytes that are not in a file", name, maxPiped)
	}
	if core.Is(data) {
		return nil, fmt.Errorf("%s: a core file has to be a file", name)
	}
	err = objfile.Guard(func() error { // of the binary
		verdicts, err = logs(name, data, b)
		return err
	})
	return verdicts, err
}

// packed are the bytes with which compressed files begin: gzip, zstd, xz, lz4,
// bzip2.
var packed = []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ", "\x04\x22\x4d\x18", "BZh"}

// logs gives the verdicts on the crashes in a log, or on a log without one.
func logs(name string, data []byte, b *Binary) (verdicts []Verdict, err error) {
	for _, magic := range packed {
		if bytes.HasPrefix(data, []byte(magic)) {
			return nil, fmt.Errorf("%s: %w", name, ErrPacked)
		}
	}
	for _, log := range crash.Logs(data) {
		v := Log(log, b)
		v.Input, v.Line = name, log.Line
		verdicts = append(verdicts, v)
	}
	if len(verdicts) == 0 {
		v := because(Undecided, "no crash of a Go program is in it")
		v.Input, v.Settle = name, "what the process printed to its standard error, from the beginning of the crash"
		verdicts = []Verdict{v}
	}
	return verdicts, nil
}
