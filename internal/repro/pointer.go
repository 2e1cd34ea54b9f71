package repro

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"time"

	"splitadd/internal/lab"
	"splitadd/internal/lab/process"
	"splitadd/internal/trial"
)

// Pointer is the reproducer of a lost pointer, golang/go#80188: a main.go of at most
// 40 lines. It exits with status 1 if an object's finalizer ran while the object was in
// use, and with 0 after three seconds if it did not.
//
//go:embed pointer.go.txt
var Pointer []byte

// A PointerProof is what Pointer did with one toolchain.
type PointerProof struct {
	Go, Engine string
	Lives      trial.Sample // each ended when it lost its object, or said that it had not
	Log        []byte       // of the last run
}

// ProvePointer builds Pointer and runs it. It is an error if a run does not end within
// the limit in one of the two ways that Pointer prints.
func ProvePointer(ctx context.Context, t *lab.Toolchain, e *lab.Engine, runs int, limit time.Duration) (p PointerProof, err error) {
	p = PointerProof{Go: t.Version, Engine: e.Evidence}
	dir, err := os.MkdirTemp("", "splitadd-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	path, err := lab.BuildMain(ctx, t, e.Target, Pointer, dir)
	if err != nil {
		return p, err
	}
	for range runs {
		r, err := e.Run(ctx, lab.Job{Path: path, Deadline: limit})
		if err != nil {
			return p, err
		}
		p.Log = r.Output
		lost := r.Code == 1 && bytes.HasPrefix(r.Output, []byte("lost: "))
		survived := r.Code == 0 && bytes.HasPrefix(r.Output, []byte("survived: "))
		if r.End != process.Exited || !lost && !survived {
			return p, fmt.Errorf("%s: the reproducer ended in an unexpected way (%s, status %d): %q", p.Go, r.End, r.Code, r.Output[:min(len(r.Output), 200)])
		}
		p.Lives = append(p.Lives, trial.Life{Seconds: r.Seconds, Died: lost})
	}
	return p, nil
}
