package window

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"splitadd/internal/arm64"
	"splitadd/internal/pclntab"
)

const valueSize = 16 // bytes of a value in a function's tables

// function finds the windows of one function, of clauses 1 and 2 and of those
// that it is suspected to break.
func (f *Finder) function(fn pclntab.Func, suspects clauseSet) (Function, error) {
	result := Function{Name: fn.Name(), Entry: fn.Entry, End: fn.End, Leaf: true}
	f.file.Budget.Work(len(result.Name) / 8)
	pcsp, err := fn.PCSP()
	if err != nil {
		return result, err
	}
	result.Frame = frameSize(pcsp)
	code, err := f.file.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return result, fmt.Errorf("function at %#x: %w", fn.Entry, err)
	}
	result.Leaf = isLeaf(code)
	if len(pcsp) == 0 {
		return result, nil // the unwinder does not pass it
	}
	points, err := fn.SafePoints()
	if err != nil {
		return result, err
	}
	if len(code)/4 > longFunction {
		f.longMutex.Lock()
		defer f.longMutex.Unlock()
	}
	w := walk{code: code, entry: fn.Entry, pcsp: fn.Cursor(pcsp), recoverOffset: int(fn.DeferReturn()), budget: f.file.Budget}
	defer w.free()
	w.hold(valueSize * (len(pcsp) + points.Len()))
	w.run()
	out := functionWindows{f: f, fn: fn, walk: &w, result: &result}
	f.wrongPointers(&w, &points, out.add)
	if suspects != 0 && !fn.Assembly() {
		b := decode(fn, code, pcsp, &points, f.file.Budget)
		defer b.free()
		f.check(b, &w, suspects, out.add)
		slices.SortStableFunc(result.Windows, func(a, b Window) int { return cmp.Compare(a.PC, b.PC) })
	}
	return result, nil
}

// functionWindows are the windows of one function.
type functionWindows struct {
	f      *Finder
	fn     pclntab.Func
	walk   *walk
	result *Function
	lines  *pclntab.Lines // read once, by functions with windows
}

// add completes a window with what is the same for all of its function.
func (x *functionWindows) add(w Window) {
	if x.lines == nil {
		l := x.fn.Lines()
		x.lines = &l
		x.walk.hold(valueSize * l.Len())
	}
	w.Func, w.Leaf, w.Entry, w.Frame = x.result.Name, x.result.Leaf, x.fn.Entry, x.result.Frame
	w.File, w.Line = x.lines.At(w.PC)
	budget := x.f.file.Budget
	budget.Window()
	budget.Output(len(w.Func) + len(w.File) + len(w.Why) + len(w.Detail))
	x.result.Windows = append(x.result.Windows, w)
}

// saveLR is MOVD R30, R3, which the prologue does right before it calls
// runtime.morestack, and nothing else does before a call
// (cmd/internal/obj/arm64/obj7.go, stacksplit). The callee's name would show the same,
// but an obfuscator may have removed it.
const saveLR = 0xaa1e03e3

// isLeaf reports whether a function makes no calls but those of its prologue to
// grow the stack.
func isLeaf(code []byte) bool {
	before := uint32(0)
	for ; len(code) >= 4; code = code[4:] {
		word := binary.LittleEndian.Uint32(code)
		if flow, _, _ := arm64.FlowOf(word); flow == arm64.FlowCall && before != saveLR {
			return false
		}
		before = word
	}
	return true
}
