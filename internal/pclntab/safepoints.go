package pclntab

// SafePoints says where the runtime may preempt a function.
type SafePoints struct {
	f              Func
	never          string // why the runtime never preempts it; "" if it may
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

// Len returns the number of table values that s holds.
func (s *SafePoints) Len() int { return len(s.unsafe.values) + len(s.inline.values) }

// At says whether the runtime may preempt a goroutine at a pc. If it may, At returns the
// pc at which the goroutine resumes, which the unwinder also uses. If not, it returns
// pc itself and the reason.
//
// The rule is that of runtime/preempt.go, isAsyncSafePoint, as far as it
// depends on the code alone. The list of packages has those of all releases.
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

// Resume returns the first result of At, if the runtime may preempt at pc.
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

// Resumes returns the pc at which a goroutine goes on that is preempted at pc, or the
// reason why the table of unsafe points forbids that. Value is the value of the table
// at pc, and holds from the address from on.
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
