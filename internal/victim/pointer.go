package victim

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// ladderIntegers is how many words a victim of the ladder gets, at least as many as it
// reads.
const ladderIntegers = 32

// An object is what a victim of the ladder holds: a word that ends its call, and one
// that says which object it is.
type object [8]uint64

// late is what a victim finds that loads its pointer after the only other one was
// cleared.
var late = object{0: 1}

// ErrFreed is the error of a victim whose object was freed while it held it.
var ErrFreed = errors.New("object freed in use")

// A holder is a function that holds n integers, and an object, in registers.
type holder struct {
	n    int
	call func(*[ladderIntegers]uint64, *[2]*object) uint64
}

// A keep is what one call of a holder is about.
type keep struct {
	ints   [ladderIntegers]uint64
	from   [2]*object // where the victim loads its pointer
	hidden uintptr    // the object's address, which keeps nothing alive
	freed  uint32     // 1 when the object's finalizer has begun
	saved  *object    // by the finalizer, so that the address stays the object's
}

// drive calls the function until stop is set. While a call lasts, the array that the
// pointer was loaded from is cleared and garbage is collected. Each call must
// return its own object's word and leave the sums of its integers.
//
// A finalizer alone proves nothing: the call may not have loaded the pointer yet.
// That it ran, and the call then returned the object's word, does.
func (h holder) drive(seed uint64, done *uint64, stop *uint32) error {
	wait := 10 * time.Millisecond
	for id := seed<<32 + 1; atomic.LoadUint32(stop) == 0; id++ {
		k := new(keep)
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

// word returns the integer i of a call.
func word(id uint64, i int) uint64 { return mix(id + uint64(i)<<56) }

// make makes the object, in a goroutine of its own: no stack that lives longer has
// ever held its address.
func (k *keep) make(id uint64) {
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

// collect lets the victim load its pointer for so long, clears the array that it
// comes from, collects garbage until any object that is not held has been
// finalized, and ends the call. It reports whether the finalizer ran before that.
func (k *keep) collect(wait time.Duration, ended <-chan struct{}) bool {
	time.Sleep(wait)
	k.from[0], k.from[1] = &late, &late
	// An object that was dropped before the first of these is queued for its
	// finalizer at the latest together with it, and finalizers run in one
	// goroutine, those queued at once in any order: it has run before the third.
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

// dropped makes an object, drops it, and collects garbage until it is finalized. It
// reports false if the call ended before that.
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
