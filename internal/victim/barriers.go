package victim

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// barrierCases are functions that overwrite pointers in the heap. Whether they use the
// write barrier depends on whether garbage is being marked.
var barrierCases = []Case{
	{Func: "storeNil", Clauses: []int{7}, drive: overwriter{0, func(s *slots) { storeNil(&s.to[0]) }}.drive},
	{Func: "storePointer", Clauses: []int{7}, drive: overwriter{1, func(s *slots) { storePointer(&s.to[0], s.from[0]) }}.drive},
	{Func: "storeGroup", Clauses: []int{7}, drive: overwriter{4, func(s *slots) { storeGroup(&s.to, s.from[0], s.from[1], s.from[2], s.from[3]) }}.drive},
	{Func: "storeLoop", Clauses: []int{7}, drive: overwriter{4, func(s *slots) { storeLoop(s.to[:], s.from[:]) }}.drive},
}

//go:noinline
func storeNil(slot **object) { *slot = nil }

//go:noinline
func storePointer(slot **object, o *object) { *slot = o }

//go:noinline
func storeGroup(slots *[4]*object, a, b, c, d *object) {
	slots[0], slots[1], slots[2], slots[3] = a, b, c, d
}

//go:noinline
func storeLoop(to, from []*object) {
	for i := range from {
		to[i] = from[i]
		from[i] = nil
	}
}

// An overwriter is a function that overwrites pointers to objects.
type overwriter struct {
	stores int          // how many of slots.to call sets to what is in slots.from; it clears to[0] if none
	call   func(*slots) // which calls the function
}

// slots are the objects of one call of an overwriter.
type slots struct {
	to, from [4]*object // word 1 of those in to is 0, and of those in from it is not
	freed    [4]uint32  // freed[i] is 1 once the finalizer runs of the object that was in to[i]
	saved    [4]*object // set by the finalizers, so that the memory is not used again
}

// latestSlots is the address of the slots of the latest call of an overwriter.
var latestSlots unsafe.Pointer

// drive calls the function until stop is set, and checks what it stored.
func (o overwriter) drive(seed uint64, done *uint64, stop *uint32) error {
	for id := seed<<32 + 1; atomic.LoadUint32(stop) == 0; id++ {
		s := new(slots)
		s.fill(id)
		atomic.StorePointer(&latestSlots, unsafe.Pointer(s))
		o.call(s)
		if o.stores == 0 && s.to[0] != nil {
			return fmt.Errorf("%w: a slot that was to be cleared holds object %d", ErrCorrupt, s.to[0][1])
		}
		for i := 0; i < o.stores; i++ {
			if got, want := s.to[i], id<<3+uint64(i); got == nil || got[1] != want {
				return fmt.Errorf("%w: slot %d does not hold object %d", ErrCorrupt, i, want)
			}
		}
		atomic.AddUint64(done, 1)
	}
	return nil
}

// fill makes the objects. It does so in a goroutine that ends at once, so that no other
// stack ever holds the addresses of those in s.to.
func (s *slots) fill(id uint64) {
	made := make(chan struct{})
	go func() {
		for i := range s.to {
			i := i
			s.from[i], s.to[i] = &object{1: id<<3 + uint64(i)}, new(object)
			runtime.SetFinalizer(s.to[i], func(o *object) {
				s.saved[i] = o
				atomic.StoreUint32(&s.freed[i], 1)
			})
		}
		close(made)
	}()
	<-made
}
