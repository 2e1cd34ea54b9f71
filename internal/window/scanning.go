package window

import (
	"go/version"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// An answer may be unknown.
type answer int

const (
	unsure answer = iota
	no
	yes
)

// readScansLink reports whether the collector scans the R30 of a preempted goroutine.
//
// It reads that from the binary's own code. In releases with the fix of golang/go#80188,
// scanframeworker (runtime/mgcmark.go) adds the 16 bytes of sigctxt.pushCall to the size
// of asyncPreempt's frame before it scans the frame. If an obfuscator
// has removed the names, the release decides, if it is known.
func readScansLink(f *objfile.File, table *pclntab.Table, release string) answer {
	if fn, ok := table.LookupFunc("runtime.scanframeworker"); ok {
		if code, err := f.Bytes(fn.Entry, (fn.End-fn.Entry)&^3); err == nil {
			if a := addsPushCall(fn, code, table); a != unsure {
				return a
			}
		}
	}
	release, _, _ = strings.Cut(release, " ") // without experiments
	if !version.IsValid(release) {
		return unsure
	}
	if lostPointer, _ := KindNamed(string(Pointer)); FixedIn(release, lostPointer.Fixed) {
		return yes
	}
	return no
}

// FixedIn reports whether a release is one of those from which on something is fixed,
// the first patch releases with the fix, oldest first; or a later one. Both are valid
// versions.
func FixedIn(release string, first []string) bool {
	for _, f := range first {
		if version.Lang(release) == version.Lang(f) {
			return version.Compare(release, f) >= 0
		}
	}
	return len(first) > 0 && version.Compare(release, first[len(first)-1]) >= 0
}

// addsPushCall reads from scanframeworker whether it adds 16 to the size that it passes to
// the first call of scanConservative. The size is a difference of two addresses.
func addsPushCall(fn pclntab.Func, code []byte, table *pclntab.Table) answer {
	size := int8(arm64.NoRegister) // the register that the difference is in
	added := false
	for i := range len(code) / 4 {
		e, ok := arm64.Decode(wordAt(code, i))
		if !ok {
			return unsure
		}
		v := &e.Value
		switch {
		case v.Kind == arm64.ValueSubReg && v.Shift == 0:
			size, added = v.Rd, false
		case v.Kind == arm64.ValueAdd && v.Rd == size && v.Rn == size && v.N == pushCallBytes:
			added = true
		case e.Jump.Kind == arm64.JumpCall:
			to, ok := table.PCToFunc(fn.Entry + uint64(4*i) + uint64(int64(e.Jump.Offset)))
			switch {
			case !ok || to.Name() != "runtime.scanConservative":
			case size == arm64.NoRegister:
				return unsure
			case added:
				return yes
			default:
				return no
			}
		}
	}
	return unsure
}
