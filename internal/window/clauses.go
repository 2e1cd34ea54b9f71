package window

// A Clause is one thing that must hold at every safe point. docs/contract.md says why.
type Clause struct {
	Name  string // lower case, without spaces: the identifier of its rule in reports
	Holds string // what must hold, in a sentence without an end
}

// Clauses are the clauses of the preemption contract. Kind.Clause counts them from 1.
var Clauses = []Clause{
	{"stack-pointer", "RSP is what the table pcsp claims"},
	{"frame-pointer", "R29 is the function's own frame pointer or its caller's"},
	{"saves", "nothing that is needed later lies below RSP"},
	{"registers", "asyncPreempt gives every live register back, in its full width"},
	{"pointers", "every live pointer into the heap is somewhere the collector looks"},
	{"restart", "a restartable sequence can run again from its beginning"},
	{"barrier", "the check of the write barrier and the guarded stores are not separated"},
}

// KindsOf returns the kinds of window that break the clause with a number, from 1, in the order
// of Kinds.
func KindsOf(clause int) (kinds []Kind) {
	for _, k := range Kinds {
		if k.Clause == clause {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
