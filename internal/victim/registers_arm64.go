package victim

// framePointer returns how far R29 is from the caller's stack pointer. Within a
// function it does not change, even if the stack is moved.
func framePointer() int64
