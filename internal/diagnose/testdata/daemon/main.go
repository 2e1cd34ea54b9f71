// Daemon sometimes crashes because of a data race: its shutdown clears the results while
// a worker may still write to them.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"time"
)

type results struct{ handled [64]int }

var current = new(results)

// work takes a while: mostly a short one.
func work() {
	end := time.Now().Add(time.Duration(rand.ExpFloat64() * float64(60*time.Microsecond)))
	for time.Now().Before(end) {
	}
}

func main() {
	last := make(chan bool)
	go func() {
		for i := 0; i < 64; i++ {
			if i == 63 {
				close(last) // too early: it has not been handled yet
				work()
			}
			current.handled[i]++
		}
	}()
	<-last
	log, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	for i := 0; i < 60; i++ {
		fmt.Fprintln(log, "shutting down", i)
	}
	current = nil
	time.Sleep(time.Millisecond)
}
