package victim

// framePointer returns the distance of R29 from the caller's stack pointer in bytes. It is
// the same everywhere in a function, even after the stack has moved.
func framePointer() int64
