// Zoo dies in the way that its first argument names. No way is a split, but in most ways
// another goroutine calls a function with a window at the same time. The second argument is a
// level of GOTRACEBACK.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type node struct{ next *node }

var (
	sink   any
	never  bool
	global *node
	table  = map[int]int{}
	lock   sync.Mutex
	locks  sync.RWMutex
	group  sync.WaitGroup
	none   func()
	words  []uintptr
)

// large has a window at its end, because its frame takes two ADDs to pop.
//
//go:noinline
func large(n int) int {
	if never {
		var room [65536]byte
		for i := range room {
			room[i] = byte(n + i)
		}
		n += int(room[n&0xffff])
	}
	return n + 1
}

func onlooker() {
	for n := 0; ; n = large(n) {
	}
}

//go:noinline
func recurse(n int) int { return recurse(n+1) + 1 }

func lonely(f func()) {
	done := make(chan bool)
	go func() { f(); close(done) }()
	<-done
}

func hammer(f func()) {
	for range 4 {
		go func() {
			for {
				f()
			}
		}()
	}
	time.Sleep(20 * time.Second)
}

func address(n uintptr) *int { return *(**int)(unsafe.Pointer(&n)) }

// ways are the ways to die, by name.
var ways = map[string]func(){
	"nil":             func() { fmt.Println(global.next) },
	"nil-deep":        func() { lonely(func() { fmt.Println(global.next.next) }) },
	"nil-map":         func() { var m map[string]int; m["a"] = 1 },
	"nil-func":        func() { none() },
	"index":           func() { fmt.Println(os.Args[len(os.Args)+7]) },
	"slice":           func() { fmt.Println(os.Args[:len(os.Args)+7]) },
	"divide":          func() { fmt.Println(1 / (len(os.Args) - 3)) },
	"assertion":       func() { sink = "text"; fmt.Println(sink.(int)) },
	"makeslice":       func() { fmt.Println(len(make([]int, 2-len(os.Args)-1))) },
	"close-twice":     func() { c := make(chan int); close(c); close(c) },
	"send-closed":     func() { c := make(chan int); close(c); c <- 1 },
	"panic":           func() { panic("over") },
	"panic-lines":     func() { panic("over\nfatal error: not really\ngoroutine 1 [running]:") },
	"panic-error":     func() { panic(errors.New("no way on")) },
	"panic-nil":       func() { panic(nil) },
	"panic-twice":     func() { defer func() { panic("again") }(); panic("over") },
	"panic-recovered": func() { defer func() { panic(recover()) }(); panic("over") },
	"panic-text":      func() { panic("traceback did not unwind completely") },
	"deadlock-chan":   func() { <-make(chan int) },
	"deadlock-mutex":  func() { lock.Lock(); lock.Lock() },
	"deadlock-select": func() { select {} },
	"deadlock-group":  func() { group.Add(1); group.Wait() },
	"goexit":          func() { runtime.Goexit() },
	"map-writes":      func() { hammer(func() { table[1]++ }) },
	"map-read":        func() { go hammer(func() { table[1] = 2 }); hammer(func() { _ = table[1] }) },
	"map-iterate": func() {
		go hammer(func() { table[1] = 2 })
		hammer(func() {
			for range table {
			}
		})
	},
	"unlock":      func() { lock.Unlock() },
	"runlock":     func() { locks.RUnlock() },
	"negative":    func() { group.Done() },
	"overflow":    func() { recurse(0) },
	"overflow-go": func() { lonely(func() { recurse(0) }) },
	"memory":      func() { sink = make([]byte, 1<<38) },
	"threads":     threads,
	"wild-read":   func() { fmt.Println(*address(0x123456789000)) },
	"wild-write":  func() { *address(0x123456789000) = 1 },
	"wild-jump": func() {
		target := uintptr(0x123456789000)
		entry := &target
		f := *(*func())(unsafe.Pointer(&entry))
		f()
	},
	"read-only":        func() { s := "constant"; *unsafe.StringData(s) = 'C' },
	"bus":              bus,
	"bad-pointer":      badPointer,
	"quit":             func() { stop(syscall.SIGQUIT) },
	"abort":            func() { stop(syscall.SIGABRT) },
	"kill":             func() { stop(syscall.SIGKILL) },
	"term":             func() { stop(syscall.SIGTERM) },
	"sent-segv":        func() { stop(syscall.SIGSEGV) },
	"sent-bus":         func() { stop(syscall.SIGBUS) },
	"sent-fpe":         func() { stop(syscall.SIGFPE) },
	"exit":             func() { os.Exit(7) },
	"illegal":          illegal,
	"trap":             trap,
	"return-zero":      func() { smash(0) },
	"return-garbage":   func() { smash(0xe8e8e8e8e8e8e8e8) },
	"return-code":      func() { smash(uintptr(**(**uintptr)(unsafe.Pointer(&none2)))) },
	"return-zero-grow": func() { smashAndGrow(0) },
	"return-bad-grow":  func() { smashAndGrow(0x1234) },
}

var none2 = illegal

// These functions are in assembly. smashed overwrites its saved return address with a word, and
// calls f.
func illegal()
func trap()
func smashed(word uintptr, f func())

// smash makes the collector scan a stack with a wrong return address.
func smash(word uintptr) {
	go func() { smashed(word, func() { time.Sleep(time.Minute) }) }()
	time.Sleep(50 * time.Millisecond)
	for range 100 {
		runtime.GC()
	}
	time.Sleep(20 * time.Second)
}

// smashAndGrow makes the runtime copy such a stack.
func smashAndGrow(word uintptr) {
	go func() { smashed(word, func() { fmt.Println(deep(1 << 14)) }) }()
	time.Sleep(20 * time.Second)
}

//go:noinline
func deep(n int) int {
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}

func stop(s syscall.Signal) {
	syscall.Kill(syscall.Getpid(), s)
	time.Sleep(20 * time.Second)
}

func threads() {
	debug.SetMaxThreads(12)
	for range 40 {
		go func() { runtime.LockOSThread(); select {} }()
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Second)
}

func bus() {
	f, err := os.CreateTemp("", "zoo")
	if err != nil {
		panic(err)
	}
	os.Remove(f.Name())
	f.Truncate(1 << 16)
	m, err := syscall.Mmap(int(f.Fd()), 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	f.Truncate(0)
	m[1<<15] = 1
}

func badPointer() {
	objects := make([]*[8]uintptr, 1<<12)
	for i := range objects {
		objects[i] = new([8]uintptr)
	}
	keep := make([]unsafe.Pointer, 1<<12)
	for i := range objects { // point into spans that will be free
		words = append(words, uintptr(unsafe.Pointer(objects[i])))
	}
	objects = nil
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
	for i := range keep {
		*(*uintptr)(unsafe.Pointer(&keep[i])) = words[i]
	}
	for range 10 {
		runtime.GC()
	}
	runtime.KeepAlive(keep)
	panic("the collector did not mind")
}

func main() {
	debug.SetGCPercent(-1)
	debug.SetMaxStack(1 << 20)
	way := ways[os.Args[1]]
	if way == nil {
		fmt.Println("no such way")
		os.Exit(64)
	}
	if len(os.Args) > 2 {
		debug.SetTraceback(os.Args[2])
	}
	if len(os.Args[1]) < 8 || os.Args[1][:8] != "deadlock" {
		// In these ways the collector runs, and must not find the onlooker in its window.
		if os.Args[1][0] != 'r' && os.Args[1] != "bad-pointer" && os.Args[1] != "goexit" {
			go onlooker()
		}
	}
	way()
}
