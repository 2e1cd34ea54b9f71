package main

import "os"

func main() { println(leaf(1, len(os.Args) > 1)) }

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
