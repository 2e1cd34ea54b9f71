// Cgo is a program with C in it, a function to export, and a leaf with a large
// frame.
package main

// static int twice(int x) { return 2*x; }
import "C"

import "fmt"

//export Leaf
func Leaf(x C.int, cold bool) C.int { return C.int(leaf(uint64(x), cold)) }

//go:noinline
func leaf(x uint64, cold bool) uint64 {
	if cold {
		var a [8192]uint64
		for i := 0; i < 520; i++ {
			a[i] = x
		}
		x += a[7]
	}
	return x*3 + 1
}

func main() { fmt.Println(C.twice(3), leaf(3, false)) }
