// Cgozoo dies in C code, or because of C code, in the way that its first argument names. The
// second argument is a level of GOTRACEBACK.
package main

/*
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void keep(void *p) {}
static int fault(int *p) { return *p; }
static void end(void) { abort(); }
static void overflow(char *p, int n) { memset(p, 0xe8, n); }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"
)

var never bool

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

type holder struct{ p *int }

// ways are the ways to die, by name.
var ways = map[string]func(){
	"cgo-pointer": func() { C.keep(unsafe.Pointer(&holder{new(int)})) },
	"cgo-fault":   func() { fmt.Println(C.fault(nil)) },
	"cgo-abort":   func() { C.end() },
	"heap-filled": heapFilled,
}

// heapFilled makes C code overwrite a part of Go's heap, and runs the collector.
func heapFilled() {
	type node struct {
		next *node
		room [6]uintptr
	}
	var list *node
	for range 1 << 14 {
		list = &node{next: list}
	}
	C.overflow((*C.char)(unsafe.Pointer(list)), 48)
	for range 10 {
		runtime.GC()
	}
	for list != nil {
		list = list.next
	}
	time.Sleep(20 * time.Second)
}

func main() {
	debug.SetGCPercent(-1)
	if len(os.Args) > 2 {
		debug.SetTraceback(os.Args[2])
	}
	fmt.Println(large(len(os.Args)))
	ways[os.Args[1]]()
}
