package pclntab

import "encoding/binary"

// Indices and values of tables, from internal/abi/symtab.go.
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
	instruction = 4       // bytes; the quantum of pc values
	maxValues   = 1 << 20 // in one table
)

// A Func is a function as the table describes it.
type Func struct {
	Entry, End uint64 // addresses: [Entry, End)

	t      *Table
	addr   uint64 // of record
	record []byte // the _func, to the end of the table
}

func (f Func) field(at int) uint32 { return binary.LittleEndian.Uint32(f.record[at:]) }
func (f Func) npcdata() uint32     { return f.field(f.t.pcsp + 12) }
func (f Func) nfuncdata() int      { return int(f.record[f.t.size-1]) }

func (f Func) nameoff() uint32 { return f.field(f.t.layout.entry) }

// Name returns the function's name, as the linker wrote it.
func (f Func) Name() string { return cstring(f.t.names, f.nameoff()) }

// DeferReturn returns the offset from the entry at which a function goes on after a
// recovered panic, or 0.
func (f Func) DeferReturn() uint32 { return f.field(f.t.deferreturn) }

// Assembly reports whether the function was written in assembly.
func (f Func) Assembly() bool {
	_, locals := f.funcdata(funcdataLocals)
	return !locals || f.record[f.t.flag]&flagAssembly != 0
}

// pcdata returns the offset of pcdata table i, or 0.
func (f Func) pcdata(i uint32) uint32 {
	if i >= f.npcdata() {
		return 0
	}
	return f.field(f.t.size + 4*int(i))
}

// funcdataAt returns the offset in the record of the funcdata, which follow the pcdata.
func (f Func) funcdataAt() int {
	at := f.t.size + 4*int(f.npcdata())
	if f.t.layout.funcdata == 8 { // aligned addresses
		at += int(f.addr+uint64(at)) & 4
	}
	return at
}

// funcdata returns the address of funcdata i, and whether there is one.
func (f Func) funcdata(i int) (addr uint64, ok bool) {
	if i >= f.nfuncdata() {
		return 0, false
	}
	at := f.funcdataAt()
	if f.t.layout.funcdata == 8 {
		addr = binary.LittleEndian.Uint64(f.record[at+8*i:])
		return addr, addr != 0
	}
	off := f.field(at + 4*i)
	return f.t.gofunc + uint64(off), off != ^uint32(0)
}

// inlined returns the name's offset and the parent's pc, an offset from the
// entry, of node i in the function's inline tree.
func (f Func) inlined(i int32) (name, pc uint32, ok bool) {
	tree, ok := f.funcdata(funcdataInlTree)
	if !ok || i < 0 {
		return 0, 0, false
	}
	node, err := f.t.file.Bytes(tree+uint64(i)*uint64(f.t.node), uint64(f.t.node))
	if err != nil {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint32(node[f.t.nodeName:]), binary.LittleEndian.Uint32(node[f.t.nodePC:]), true
}

// Lines says from which source lines a function's instructions were compiled.
type Lines struct {
	f           Func
	files, line Cursor
	n           int32 // of the file in name
	name        string
}

// Lines prepares the answers for one function.
func (f Func) Lines() Lines {
	files, _ := f.values(f.field(f.t.pcsp + 4))
	lines, _ := f.values(f.field(f.t.pcsp + 8))
	return Lines{f: f, files: f.Cursor(files), line: f.Cursor(lines), n: -1}
}

// Len returns the number of table values that l holds.
func (l *Lines) Len() int { return len(l.files.values) + len(l.line.values) }

// At returns the source file and line of a pc, or "?" and 0.
func (l *Lines) At(pc uint64) (file string, line int) {
	n, _ := l.files.At(pc)
	at, _ := l.line.At(pc)
	if n < 0 || at < 0 {
		return "?", 0
	}
	if n != l.n {
		t := l.f.t
		unit := 4 * (uint64(l.f.field(t.pcsp+16)) + uint64(n))
		if unit+4 > uint64(len(t.cus)) {
			return "?", 0
		}
		l.n, l.name = n, cstring(t.files, binary.LittleEndian.Uint32(t.cus[unit:]))
		t.file.Budget.Work(len(l.name) / 8)
	}
	return l.name, int(at)
}
