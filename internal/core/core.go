// Package core reads core files of Linux for arm64.
//
// Open reads the headers and the notes, which have the threads with their registers and the
// signal that ended the process. Memory is read from the file only when it is asked for, so
// that a large core file takes no longer to open than a small one.
package core

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"splitadd/internal/objfile"
)

// Errors of Open.
var (
	ErrFormat = errors.New("not an ELF core file")
	ErrArch   = errors.New("a core file of an architecture other than arm64")
)

// Bounds on what the headers of a core file may claim.
const (
	maxSegments  = 1 << 20
	maxNoteBytes = 32 << 20 // bytes of all notes together
)

// A Segment is a range of memory that the file has.
type Segment struct {
	Addr, Size uint64
	offset     int64
}

// A Thread is a thread of the process.
type Thread struct {
	ID     int
	Signal int        // the signal that it died of or was stopped by, or 0
	X      [31]uint64 // general registers: X[29] is the frame pointer, X[30] the link register
	SP, PC uint64
}

// Signals that Linux sends for a fault.
const (
	SIGBUS  = 7
	SIGSEGV = 11
)

var signals = map[int]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", SIGBUS: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
	SIGSEGV: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 31: "SIGSYS",
}

// SignalName returns the name of a signal of Linux.
func SignalName(n int) string {
	if name, ok := signals[n]; ok {
		return name
	}
	return fmt.Sprintf("signal %d", n)
}

// A File is an open core file.
type File struct {
	Path     string
	Threads  []Thread  // the thread that died comes first
	Segments []Segment // sorted by address
	Entry    uint64    // the address of the program's entry point (AT_ENTRY), or 0
	CutOff   bool      // the file ends before some of its memory or notes

	file *os.File
}

// IsCore reports whether a file that begins with these bytes is a core file, of any
// architecture.
func IsCore(begin []byte) bool {
	return len(begin) >= 18 && bytes.HasPrefix(begin, []byte(elf.ELFMAG)) &&
		elf.Type(binary.LittleEndian.Uint16(begin[16:])) == elf.ET_CORE
}

// Open opens a core file and reads its headers and notes.
func Open(path string) (f *File, err error) {
	file, _, err := objfile.OpenRegular(path)
	if errors.Is(err, objfile.ErrFormat) {
		return nil, fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	f = &File{Path: path, file: file}
	if err = f.read(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

func (f *File) read() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	var h elf.Header64
	if err := f.readStruct(0, &h); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch {
	case !bytes.HasPrefix(h.Ident[:], []byte(elf.ELFMAG)) || elf.Type(h.Type) != elf.ET_CORE:
		return ErrFormat
	case elf.Machine(h.Machine) != elf.EM_AARCH64:
		return fmt.Errorf("%w: %v", ErrArch, elf.Machine(h.Machine))
	case elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(h.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return fmt.Errorf("%w: not 64-bit little-endian", ErrArch)
	}
	n := int(h.Phnum)
	if n == 0xffff { // PN_XNUM: the number does not fit, and section 0 has it
		var s elf.Section64
		if err := f.readStruct(int64(h.Shoff), &s); err != nil {
			return fmt.Errorf("section 0 at offset %#x: %w", h.Shoff, err)
		}
		n = int(s.Info)
	}
	if n > maxSegments || h.Phentsize != headerSize {
		return fmt.Errorf("%d segments with headers of %d bytes: want at most %d with headers of %d", n, h.Phentsize, maxSegments, headerSize)
	}
	if err := f.readSegments(int64(h.Phoff), n, uint64(info.Size())); err != nil {
		return err
	}
	sort.Slice(f.Segments, func(i, j int) bool { return f.Segments[i].Addr < f.Segments[j].Addr })
	return nil
}

// readSegments reads n program headers at an offset of the file, which has size bytes, and
// the notes that they describe.
func (f *File) readSegments(offset int64, n int, size uint64) error {
	headers := bufio.NewReaderSize(io.NewSectionReader(f.file, offset, int64(n)*headerSize), 1<<16)
	left, notes := size, uint64(maxNoteBytes)
	for i := range n {
		p, err := readProgramHeader(headers)
		if err != nil {
			return fmt.Errorf("program header %d of %d at offset %#x: %w", i, n, uint64(offset), err)
		}
		f.CutOff = f.CutOff || p.Off > size || p.Filesz > size-p.Off
		p.Off = min(p.Off, size)
		p.Filesz = min(p.Filesz, size-p.Off)
		if p.Filesz > left {
			return fmt.Errorf("the program headers describe more than the file's %d bytes: parts of it are claimed twice", size)
		}
		left -= p.Filesz
		switch elf.ProgType(p.Type) {
		case elf.PT_LOAD:
			if p.Filesz > 0 && p.Vaddr+p.Filesz > p.Vaddr {
				f.Segments = append(f.Segments, Segment{p.Vaddr, p.Filesz, int64(p.Off)})
			}
		case elf.PT_NOTE:
			if p.Filesz > notes {
				return fmt.Errorf("notes of more than %d bytes", maxNoteBytes)
			}
			notes -= p.Filesz
			if err := f.readNotes(int64(p.Off), p.Filesz); err != nil {
				return err
			}
		}
	}
	return nil
}

const headerSize = 56 // bytes of an elf.Prog64

// readProgramHeader reads a program readProgramHeader.
func readProgramHeader(from io.Reader) (p elf.Prog64, err error) {
	var b [headerSize]byte
	if _, err = io.ReadFull(from, b[:]); err != nil {
		return p, err
	}
	word := binary.LittleEndian
	p = elf.Prog64{
		Type: word.Uint32(b[:]), Flags: word.Uint32(b[4:]), Off: word.Uint64(b[8:]), Vaddr: word.Uint64(b[16:]), Paddr: word.Uint64(b[24:]),
		Filesz: word.Uint64(b[32:]), Memsz: word.Uint64(b[40:]), Align: word.Uint64(b[48:]),
	}
	return p, nil
}

// readStruct reads a value of fixed size at an offset of the file.
func (f *File) readStruct(offset int64, to any) error {
	return binary.Read(io.NewSectionReader(f.file, offset, int64(binary.Size(to))), binary.LittleEndian, to)
}

// The types of the notes that are read, and the offsets of their fields (linux/elfcore.h and
// arch/arm64/include/uapi/asm/ptrace.h).
const (
	noteStatus = 1 // NT_PRSTATUS
	noteAux    = 6 // NT_AUXV
	auxEntry   = 9 // AT_ENTRY

	statusSignal    = 12
	statusID        = 32
	statusRegisters = 112
	statusSize      = statusRegisters + 8*33
)

// readNotes reads the notes in a part of the file, up to the first that is cut off.
func (f *File) readNotes(offset int64, size uint64) error {
	data := make([]byte, size)
	if _, err := f.file.ReadAt(data, offset); err != nil && err != io.EOF {
		return fmt.Errorf("notes at offset %#x: %w", offset, err)
	}
	word := binary.LittleEndian
	for len(data) >= 12 {
		name, desc, kind := uint64(word.Uint32(data)), uint64(word.Uint32(data[4:])), word.Uint32(data[8:])
		at := 12 + (name+3)&^3
		next := at + (desc+3)&^3
		if at+desc > uint64(len(data)) {
			f.CutOff = true
			break
		}
		d := data[at : at+desc]
		switch {
		case kind == noteStatus && len(d) >= statusSize:
			t := Thread{Signal: int(word.Uint16(d[statusSignal:])), ID: int(word.Uint32(d[statusID:]))}
			registers := d[statusRegisters:]
			for i := range t.X {
				t.X[i] = word.Uint64(registers[8*i:])
			}
			t.SP, t.PC = word.Uint64(registers[8*31:]), word.Uint64(registers[8*32:])
			f.Threads = append(f.Threads, t)
		case kind == noteAux:
			for ; len(d) >= 16; d = d[16:] {
				if word.Uint64(d) == auxEntry {
					f.Entry = word.Uint64(d[8:])
				}
			}
		}
		data = data[min(next, uint64(len(data))):]
	}
	return nil
}
