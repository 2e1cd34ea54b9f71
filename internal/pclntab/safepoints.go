package pclntab

// SafePoints gives the instructions of a function at which the runtime may preempt it.
type SafePoints struct {
	f                     Func
	neverReason           string // why the runtime never preempts the function; "" if it may
	unsafePoints, inlTree Cursor
}

// SafePoints decodes the tables of unsafe points and inlined calls of the function.
func (f Func) SafePoints() (SafePoints, error) {
	unsafe, err := f.pcvalues(f.pcdata(pcdataUnsafePoint))
	if err != nil {
		return SafePoints{}, err
	}
	inline, err := f.pcvalues(f.pcdata(pcdataInlTreeIndex))
	s := SafePoints{f: f, unsafePoints: f.Cursor(unsafe), inlTree: f.Cursor(inline)}
	if f.Assembly() {
		s.neverReason = "assembly"
	}
	return s, err
}

// Len returns the number of table values that s holds.
func (s *SafePoints) Len() int { return len(s.unsafePoints.values) + len(s.inlTree.values) }

// At returns the pc at which a goroutine resumes that is preempted at pc, and "". The
// unwinder uses the same pc. If the runtime does not preempt at pc, At returns pc and the
// reason.
//
// The rule is that of isAsyncSafePoint in runtime/preempt.go, as far as it depends on the
// code alone. The packages are those that any release excludes.
func (s *SafePoints) At(pc uint64) (resume uint64, reason string) {
	value, from := s.unsafePoints.At(pc)
	resume, reason = s.f.ResumePC(pc, value, from)
	if reason != "" {
		return pc, reason
	}
	if s.neverReason != "" {
		return pc, s.neverReason
	}
	name := s.f.nameoff()
	if i, _ := s.inlTree.At(pc); i >= 0 {
		if nameoff, _, ok := s.f.inlinedCall(i); ok {
			name = nameoff
		}
	}
	for _, prefix := range []string{"runtime.", "runtime/internal/", "internal/runtime/", "reflect."} {
		if s.f.t.nameHasPrefix(name, prefix) {
			return pc, "code of " + prefix[:len(prefix)-1]
		}
	}
	return resume, ""
}

// ResumePC returns the pc at which a goroutine resumes that is preempted at pc. It must be
// known that the runtime may preempt there.
func (s *SafePoints) ResumePC(pc uint64) uint64 {
	value, from := s.unsafePoints.At(pc)
	resume, _ := s.f.ResumePC(pc, value, from)
	return resume
}

// AppendUnsafePoints appends the table of unsafe points. ResumePC interprets its values.
func (f Func) AppendUnsafePoints(values PCValues) (PCValues, error) {
	return f.appendPCValues(values, f.pcdata(pcdataUnsafePoint))
}

// ResumePC returns the pc at which a goroutine resumes that is preempted at pc. If the table
// of unsafe points forbids preemption there, it returns pc and the reason. Value and from
// are the results of PCValues.At for that table.
func (f Func) ResumePC(pc uint64, value int32, from uint64) (resume uint64, reason string) {
	switch {
	case value == unsafePointUnsafe:
		return pc, "unsafe point"
	case value < unsafePointUnsafe && !f.t.preemptsRestartable:
		return pc, "restartable, in Go 1.16 and 1.17"
	case value == unsafePointRestart1 || value == unsafePointRestart2:
		return from, ""
	case value == unsafePointAtEntry:
		return f.Entry, ""
	}
	return pc, ""
}
