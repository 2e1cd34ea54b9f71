package survey

import (
	"bytes"
	"encoding/binary"
	"runtime/debug"
	"strings"

	"splitadd/internal/objfile"
)

// Bounds on build information, in bytes. Programs with thousands of dependencies have
// less than a tenth of this.
const (
	maxVersion = 256
	maxModules = 2 << 20
)

// BuildInfo returns what Go's linker has written to a file about its modules. If there
// is nothing, the result has no fields set. It does not use debug/buildinfo, which
// also reads every symbol and relocation that a hostile file claims to have.
//
// The layout is that of debug/buildinfo, readRawBuildInfo: 16 bytes of magic, size
// of a pointer and flags; then two strings with their lengths from Go 1.18 on, or
// the addresses of two string headers.
func BuildInfo(f *objfile.File) *debug.BuildInfo {
	for i := range f.Segments {
		s := &f.Segments[i]
		if s.Exec {
			continue
		}
		f.Budget.Work(len(s.Data) / 8)
		for at := 0; ; at++ {
			next := bytes.Index(s.Data[at:], []byte(objfile.BuildInfoMagic))
			if next < 0 {
				break
			}
			at += next
			if (s.Addr+uint64(at))%objfile.BuildInfoAlign == 0 && len(s.Data)-at >= 32 {
				if info := read(f, s.Data[at:]); info != nil {
					return info
				}
			}
		}
	}
	return &debug.BuildInfo{}
}

// read reads the build information that data begins with, or returns nil.
func read(f *objfile.File, data []byte) *debug.BuildInfo {
	const flags, inline = 15, 2
	var version, modules string
	if data[flags]&inline != 0 {
		rest := data[32:]
		version, rest = inlined(rest, maxVersion)
		modules, _ = inlined(rest, maxModules)
	} else {
		version = pointed(f, binary.LittleEndian.Uint64(data[16:]), maxVersion)
		modules = pointed(f, binary.LittleEndian.Uint64(data[24:]), maxModules)
	}
	if version == "" {
		return nil
	}
	f.Budget.Work(len(modules))
	f.Budget.Output(len(modules))
	info := &debug.BuildInfo{}
	// It stands between two marks of 16 bytes (cmd/go/internal/modload, ModInfoData).
	const mark = 16
	if len(modules) >= 2*mark+1 && modules[len(modules)-mark-1] == '\n' {
		if parsed, err := debug.ParseBuildInfo(modules[mark : len(modules)-mark]); err == nil {
			info = parsed
		}
	}
	info.GoVersion = version
	return info
}

// inlined returns the string that data begins with, after its length, and the rest.
func inlined(data []byte, most uint64) (s string, rest []byte) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > most || n > uint64(len(data)-size) {
		return "", nil
	}
	return string(data[size : size+int(n)]), data[size+int(n):]
}

// pointed returns the string whose header is at an address.
func pointed(f *objfile.File, addr, most uint64) string {
	header, err := f.Bytes(addr, 16)
	if err != nil {
		return ""
	}
	n := binary.LittleEndian.Uint64(header[8:])
	data, err := f.Bytes(binary.LittleEndian.Uint64(header), min(n, most))
	if err != nil || n > most {
		return ""
	}
	return strings.Clone(string(data))
}
