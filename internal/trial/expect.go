package trial

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"splitadd/internal/arm64"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// An expectedSplit is a kind of window that the assembler's rule for constants makes, and a
// victim that has it unless the release writes its epilogue in another way.
type expectedSplit struct {
	class  window.Class
	victim victim.Case
}

func (s expectedSplit) kind() string { return window.KindName(s.class, s.victim.Leaf) }

// expectedSplits returns the kinds of window that the assembler's rule makes, each with a
// victim that has the smallest frame. It prefers victims in which no other class is
// expected. An epilogue adds the frame's size to the stack pointer and, in a leaf, the
// size less 8 to the frame pointer (cmd/internal/obj/arm64/obj7.go, preprocess). It does
// not use the finder, because it says what the finder has to find.
func expectedSplits() []expectedSplit {
	pair := func(n int) bool { return arm64.FormOf(uint64(n)) == arm64.TwoADDs }
	var all []expectedSplit
	for _, want := range []struct {
		class window.Class
		leaf  bool
	}{{window.SP, true}, {window.FP, true}, {window.SP, false}} {
		var best victim.Case
		alone := false
		for _, c := range victim.Cases() {
			expected, other := pair(c.Frame), c.Leaf && pair(c.Frame-8)
			if want.class == window.FP {
				expected, other = other, expected
			}
			if c.Leaf != want.leaf || !expected {
				continue
			}
			if best.Func == "" || !other && !alone || !other == alone && c.Frame < best.Frame {
				best, alone = c, !other
			}
		}
		all = append(all, expectedSplit{want.class, best})
	}
	return all
}

// place returns where the window of a split would be: the boundary before the last
// instruction that writes the pointer on the way to the victim's last return. It reads
// only the code, not the tables.
func (g *Guest) place(s expectedSplit) (window.Window, error) {
	ret, err := g.LastReturn(s.victim.Func)
	if err != nil {
		return window.Window{}, err
	}
	entry := g.Functions[s.victim.Func].Entry
	code, err := g.File.Bytes(entry, ret-entry)
	if err != nil {
		return window.Window{}, err
	}
	for _, r := range []int{map[window.Class]int{window.SP: arm64.SP, window.FP: arm64.FP}[s.class], arm64.SP} {
		for at := len(code) - 4; at >= 0; at -= 4 {
			word := binary.LittleEndian.Uint32(code[at:])
			if flow, _, _ := arm64.FlowOf(word); flow != arm64.FlowNext {
				break
			}
			if arm64.Writes(word).Has(r) {
				return g.windowAt(s.victim.Func, s.class, entry+uint64(at)), nil
			}
		}
	}
	return window.Window{}, fmt.Errorf("%s: nothing pops its frame before its last return", s.victim.Func)
}

// stressTime is the length of a stress run of a victim in which no window was found. An
// affected victim dies in a median of a third of a second (see DefaultStress).
const stressTime = 2 * time.Second

// testNotFound runs the guest to test whether the finder has missed a kind of window. It
// pins the place where the assembler's rule puts the window, whatever the tables say
// there, and makes a stress run of the unmodified guest. A death is a doubt, and so is a
// preemption that the tables rule out. Without this test, a release whose tables have
// changed their meaning would look clean.
func (g *Guest) testNotFound(ctx context.Context, s expectedSplit, limit time.Duration, v *Verdict, report func(Run)) error {
	w, err := g.place(s)
	if err != nil {
		return err
	}
	why, err := g.unpreemptible(w.PC)
	if err != nil {
		return err
	}
	pinned, err := g.Pin(ctx, s.victim.Func, w, Observer(s.class))
	if err != nil {
		return err
	}
	pinned.Control = true
	report(pinned)
	if err := pinned.failure(); err != nil {
		return err
	}
	v.Tested.Controls++
	const where = "no %s window was found, but pinned at %s+%#x, where the assembler's rule puts one, "
	switch {
	case pinned.Outcome == Died && g.mayCrashAnyhow():
	case pinned.Outcome == Died:
		v.addDoubt(where+"a guest %v", s.kind(), s.victim.Func, w.Offset(), pinned)
	case pinned.Outcome == Survived && why != "":
		v.addDoubt(where+"a guest was preempted, and the function table says that it is not: %s", s.kind(), s.victim.Func, w.Offset(), why)
	case pinned.Outcome == NotPreemptible && why == "":
		v.addDoubt(where+"a guest was not preempted, and the function table says that it is", s.kind(), s.victim.Func, w.Offset())
	}
	if limit == 0 {
		limit = stressTime
	}
	stressed, err := g.Stress(ctx, s.victim.Func, s.class, Observer(s.class), DefaultStress, min(limit, stressTime))
	if err != nil {
		return err
	}
	stressed.Control = true
	report(stressed)
	if err := stressed.failure(); err != nil {
		return err
	}
	v.Tested.Stress++
	v.Tested.Seconds += stressed.Exposed
	switch {
	case stressed.Outcome == Died && g.mayCrashAnyhow():
	case stressed.Outcome == Died:
		v.addDoubt("no %s window was found, but as it was built %s %v", s.kind(), s.victim.Func, stressed)
	case stressed.Observations == 0:
		v.addDoubt("no %s window was found, and %s was not observed once as it was built", s.kind(), s.victim.Func)
	}
	return nil
}
