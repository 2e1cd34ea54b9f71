package victim

import "sync"

// A Group runs the goroutines of a guest. An *errgroup.Group is one.
type Group interface {
	Go(func() error)
	Wait() error
}

// Goroutines is a Group that uses only the standard library. The zero value is ready.
type Goroutines struct {
	wait sync.WaitGroup
	once sync.Once
	err  error
}

// Go runs f in a new goroutine.
func (g *Goroutines) Go(f func() error) {
	g.wait.Add(1)
	go func() {
		defer g.wait.Done()
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err })
		}
	}()
}

// Wait waits until all of the goroutines have ended, and returns the first error.
func (g *Goroutines) Wait() error { g.wait.Wait(); return g.err }
