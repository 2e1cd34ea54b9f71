package pclntab

// SafePoints answers where the runtime may preempt a function.
type SafePoints struct {
	f              Func
	never          string // why the runtime preempts it nowhere
	unsafe, inline Cursor
}

// SafePoints prepares the answers for one function.
func (f Func) SafePoints() (SafePoints, error) {
	unsafe, err := f.values(f.pcdata(pcdataUnsafePoint))
	if err != nil {
		return SafePoints{}, err
	}
	inline, err := f.values(f.pcdata(pcdataInlTreeIndex))
	s := SafePoints{f: f, unsafe: f.Cursor(unsafe), inline: f.Cursor(inline)}
	if f.Assembly() {
		s.never = "assembly"
	}
	return s, err
}

// Len returns how many values it holds.
func (s *SafePoints) Len() int { return len(s.unsafe.values) + len(s.inline.values) }

// At says whether the runtime may preempt a goroutine at a pc, and at which pc
// the goroutine then resumes, which is also where the unwinder takes it to be;
// where it may not, pc itself and why.
//
// The rule is that of runtime/preempt.go, isAsyncSafePoint, as far as it
// depends on the code alone. The packages are those of all releases together.
func (s *SafePoints) At(pc uint64) (resume uint64, why string) {
	up, from := s.unsafe.At(pc)
	resume, why = s.f.Resumes(pc, up, from)
	if why != "" {
		return pc, why
	}
	if s.never != "" {
		return pc, s.never
	}
	name := s.f.nameoff()
	if i, _ := s.inline.At(pc); i >= 0 {
		if off, _, ok := s.f.inlined(i); ok {
			name = off
		}
	}
	for _, prefix := range []string{"runtime.", "runtime/internal/", "internal/runtime/", "reflect."} {
		if s.f.t.begins(name, prefix) {
			return pc, "code of " + prefix[:len(prefix)-1]
		}
	}
	return resume, ""
}

// Resume is the first result of At, for a pc at which the runtime may preempt.
func (s *SafePoints) Resume(pc uint64) uint64 {
	up, from := s.unsafe.At(pc)
	resume, _ := s.f.Resumes(pc, up, from)
	return resume
}

// AppendUnsafePoints appends the table of unsafe points. Resumes says what its
// values mean.
func (f Func) AppendUnsafePoints(values Values) (Values, error) {
	return f.appendValues(values, f.pcdata(pcdataUnsafePoint))
}

// Resumes says, for a pc at which the table of unsafe points has a value that
// holds from an address on, where a goroutine goes on that is preempted there,
// or why the table forbids that.
func (f Func) Resumes(pc uint64, value int32, from uint64) (resume uint64, why string) {
	switch {
	case value == unsafePointUnsafe:
		return pc, "unsafe point"
	case value < unsafePointUnsafe && !f.t.restarts:
		return pc, "restartable, in Go 1.16 and 1.17"
	case value == unsafePointRestart1 || value == unsafePointRestart2:
		return from, ""
	case value == unsafePointAtEntry:
		return f.Entry, ""
	}
	return pc, ""
}
