package victim

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// ladderIntegers is the length of the array that a victim of the ladder gets. No victim
// reads more words than that.
const ladderIntegers = 32

// An object is what a victim of the ladder points to. Word 0 ends the victim's call when
// it is set. Word 1 says which object it is.
type object [8]uint64

// late takes the place of the object in the array that the victim loads its pointer
// from. A victim that finds it has loaded its pointer too late.
var late = object{0: 1}

// ErrFreed is the error of a victim whose object was freed while the victim held it.
var ErrFreed = errors.New("object freed in use")

// A holder is a function that holds n integers and a pointer to an object in registers.
type holder struct {
	n    int
	call func(*[ladderIntegers]uint64, *[2]*object) uint64
}

// A holding is one call of a holder: its arguments, and what is known of its object.
type holding struct {
	ints   [ladderIntegers]uint64
	from   [2]*object // the victim loads its pointer from here
	hidden uintptr    // the object's address, inverted: it does not keep the object alive
	freed  uint32     // 1 once the object's finalizer runs
	saved  *object    // set by the finalizer, so that the memory is not used again
}

// drive calls the function until stop is set. During a call, drive clears the array that
// the pointer was loaded from, and collects garbage. Each call must return word 1 of its
// own object, and store the sums of its integers.
//
// That the finalizer ran proves nothing alone: the call may not have loaded the pointer
// yet. If the call returns the object's word after that, it held the pointer while the
// object was freed.
func (h holder) drive(seed uint64, done *uint64, stop *uint32) error {
	wait := 10 * time.Millisecond
	for id := seed<<32 + 1; atomic.LoadUint32(stop) == 0; id++ {
		k := new(holding)
		ended, freed := make(chan struct{}), make(chan bool, 1)
		k.make(id)
		go func() {
			freed <- k.collect(wait, ended)
		}()
		got := h.call(&k.ints, &k.from)
		close(ended)
		wasFreed := <-freed
		switch {
		case got == id && wasFreed:
			return fmt.Errorf("%w: the finalizer of the object that pointer%d held in a register had run when it returned", ErrFreed, h.n)
		case got == late[1]:
			wait *= 2
		case got != id:
			return fmt.Errorf("%w: pointer%d returned %d, want %d", ErrCorrupt, h.n, got, id)
		}
		sum := uint64(0)
		for i := 0; i < h.n; i++ {
			if sum += word(id, i); k.ints[i] != sum {
				return fmt.Errorf("%w: pointer%d left %#x in word %d, want %#x", ErrCorrupt, h.n, k.ints[i], i, sum)
			}
		}
		if got == id {
			atomic.AddUint64(done, 1)
		}
	}
	return nil
}

// word returns the integer that a call gets at index i.
func word(id uint64, i int) uint64 { return mix(id + uint64(i)<<56) }

// make makes the object and the integers. It does so in a goroutine that ends at once, so
// that no other stack ever holds the object's address.
func (k *holding) make(id uint64) {
	made := make(chan struct{})
	go func() {
		o := &object{1: id}
		runtime.SetFinalizer(o, func(o *object) {
			k.saved = o
			atomic.StoreUint32(&k.freed, 1)
		})
		k.from[0], k.from[1] = o, o
		k.hidden = ^uintptr(unsafe.Pointer(o))
		for i := range k.ints {
			k.ints[i] = word(id, i)
		}
		close(made)
	}()
	<-made
}

// collect gives the victim the time wait to load its pointer, and clears the array from
// which the victim loads it. It collects garbage until every object that nobody holds
// has been finalized, and then ends the call. It reports whether the finalizer of the
// call's object ran before that.
func (k *holding) collect(wait time.Duration, ended <-chan struct{}) bool {
	time.Sleep(wait)
	k.from[0], k.from[1] = &late, &late
	// If the call's object is free, its finalizer is queued no later than that of the
	// first object that dropped makes. All finalizers run in one goroutine, but those
	// that are queued together run in any order. So it has run before the third does.
	for i := 0; i < 3 && atomic.LoadUint32(&k.freed) == 0; i++ {
		if !dropped(ended) {
			return false
		}
	}
	freed := atomic.LoadUint32(&k.freed) == 1
	address := ^k.hidden
	o := *(**object)(unsafe.Pointer(&address))
	atomic.StoreUint64(&o[0], 1)
	return freed
}

// dropped makes an object that nobody holds, and collects garbage until the object is
// finalized. It reports false if the call ended before that.
func dropped(ended <-chan struct{}) bool {
	gone := make(chan struct{})
	made := make(chan struct{})
	go func() {
		runtime.SetFinalizer(new(object), func(*object) { close(gone) })
		close(made)
	}()
	<-made
	for {
		runtime.GC()
		select {
		case <-gone:
			return true
		case <-ended:
			return false
		case <-time.After(time.Millisecond):
		}
	}
}
