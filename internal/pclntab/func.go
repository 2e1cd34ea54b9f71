package pclntab

import "encoding/binary"

// Indices and values of pcdata and funcdata tables, and the flag FuncFlagAsm, from
// internal/abi/symtab.go.
const (
	pcdataUnsafePoint   = 0
	pcdataInlTreeIndex  = 2
	funcdataLocals      = 1
	funcdataInlTree     = 3
	flagAssembly        = 1 << 2
	unsafePointUnsafe   = -2
	unsafePointRestart1 = -3
	unsafePointRestart2 = -4
	unsafePointAtEntry  = -5
)

const (
	pcQuantum = 4       // bytes of an instruction, the unit of pc deltas
	maxValues = 1 << 20 // in one table
)

// A Func is one function of a Table.
type Func struct {
	Entry, End uint64 // addresses: [Entry, End)

	t          *Table
	recordAddr uint64
	record     []byte // the _func, and the rest of pclntable after it
}

// field returns the 32-bit field of the _func at an offset.
func (f Func) field(off int) uint32 { return binary.LittleEndian.Uint32(f.record[off:]) }
func (f Func) npcdata() uint32      { return f.field(f.t.pcspOff + 12) }
func (f Func) nfuncdata() int       { return int(f.record[f.t.funcSize-1]) }

func (f Func) nameoff() uint32 { return f.field(f.t.layout.entrySize) }

// Name returns the function's name as the linker wrote it, or "?" if the table is damaged.
func (f Func) Name() string { return cstring(f.t.funcnametab, f.nameoff()) }

// DeferReturn returns the offset in bytes from the entry at which the function continues
// after a recovered panic, or 0 if it does not (runtime/runtime2.go, _func.deferreturn).
func (f Func) DeferReturn() uint32 { return f.field(f.t.deferreturnOff) }

// Assembly reports whether the function was written in assembly: it has no locals pointer
// map, which isAsyncSafePoint tests in runtime/preempt.go, or has the flag FuncFlagAsm.
func (f Func) Assembly() bool {
	_, locals := f.funcdata(funcdataLocals)
	return !locals || f.record[f.t.flagOff]&flagAssembly != 0
}

// pcdata returns the offset of pcdata table i in pctab, or 0 if there is none.
func (f Func) pcdata(i uint32) uint32 {
	if i >= f.npcdata() {
		return 0
	}
	return f.field(f.t.funcSize + 4*int(i))
}

// funcdataOff returns the offset of the funcdata in the record. They follow the pcdata.
func (f Func) funcdataOff() int {
	off := f.t.funcSize + 4*int(f.npcdata())
	if f.t.layout.funcdataSize == 8 { // aligned addresses
		off += int(f.recordAddr+uint64(off)) & 4
	}
	return off
}

// funcdata returns the address of funcdata i, and whether there is one.
func (f Func) funcdata(i int) (addr uint64, ok bool) {
	if i >= f.nfuncdata() {
		return 0, false
	}
	off := f.funcdataOff()
	if f.t.layout.funcdataSize == 8 {
		addr = binary.LittleEndian.Uint64(f.record[off+8*i:])
		return addr, addr != 0
	}
	funcoff := f.field(off + 4*i)
	return f.t.gofunc + uint64(funcoff), funcoff != ^uint32(0)
}

// inlinedCall returns fields of call i in the function's inline tree: the offset of the
// name, and parentPc, an offset from the entry (runtime/symtabinl.go, inlinedCall).
func (f Func) inlinedCall(i int32) (name, pc uint32, ok bool) {
	tree, ok := f.funcdata(funcdataInlTree)
	if !ok || i < 0 {
		return 0, 0, false
	}
	node, err := f.t.file.Bytes(tree+uint64(i)*uint64(f.t.inlinedCallSize), uint64(f.t.inlinedCallSize))
	if err != nil {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint32(node[f.t.inlinedNameOff:]), binary.LittleEndian.Uint32(node[f.t.inlinedParentPCOff:]), true
}

// Lines gives the source file and line of each instruction of a function.
type Lines struct {
	f                      Func
	fileCursor, lineCursor Cursor
	fileIndex              int32 // of fileName in the compilation unit; -1 before the first use
	fileName               string
}

// Lines decodes the tables of files and lines of the function.
func (f Func) Lines() Lines {
	files, _ := f.pcvalues(f.field(f.t.pcspOff + 4))
	lines, _ := f.pcvalues(f.field(f.t.pcspOff + 8))
	return Lines{f: f, fileCursor: f.Cursor(files), lineCursor: f.Cursor(lines), fileIndex: -1}
}

// Len returns the number of table values that l holds.
func (l *Lines) Len() int { return len(l.fileCursor.values) + len(l.lineCursor.values) }

// At returns the source file and line of pc, or "?" and 0 if they are not known.
func (l *Lines) At(pc uint64) (file string, line int) {
	index, _ := l.fileCursor.At(pc)
	n, _ := l.lineCursor.At(pc)
	if index < 0 || n < 0 {
		return "?", 0
	}
	if index != l.fileIndex {
		t := l.f.t
		off := 4 * (uint64(l.f.field(t.pcspOff+16)) + uint64(index))
		if off+4 > uint64(len(t.cutab)) {
			return "?", 0
		}
		l.fileIndex, l.fileName = index, cstring(t.filetab, binary.LittleEndian.Uint32(t.cutab[off:]))
		t.file.Budget.Work(len(l.fileName) / 8)
	}
	return l.fileName, int(n)
}
