// Guest is a stand-alone program that any toolchain can build. It runs one
// victim under one observer.
package main

import (
	"os"

	"splitadd/internal/victim"
)

func main() { os.Exit(victim.Main(os.Args[1:], new(victim.Goroutines), os.Stdout)) }
