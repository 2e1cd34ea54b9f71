package study

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/trial"
)

// A bench holds the engines and guests of a study.
type bench struct {
	dir     string
	engines map[bool]*lab.Engine // by whether it is a virtual machine
	guests  map[string]*trial.Guest
}

// Measure measures groups one after the other. It writes every run, and every series as
// soon as the series is complete, and passes each next step to step. It ends at the
// first error, and keeps what it has written.
func Measure(ctx context.Context, groups []Group, step func(trial.Step), writer record.Writer) (err error) {
	b := bench{engines: map[bool]*lab.Engine{}, guests: map[string]*trial.Guest{}}
	if b.dir, err = os.MkdirTemp("", "splitadd-"); err != nil {
		return err
	}
	defer b.close()
	total, done := 0, 0
	for _, g := range groups {
		total += g.Runs * len(g.Series)
	}
	for _, g := range groups {
		guest, err := b.guest(ctx, g)
		if err != nil {
			return err
		}
		writer.Go, writer.Engine = g.Go, b.engines[g.VM].Evidence
		for _, s := range g.Series {
			var writing error
			err := guest.Measure(ctx, &s, g.Runs, func(r trial.Run) {
				step(trial.Step{Done: done, Total: total, What: s.Label})
				done++
				if writing == nil {
					writing = writer.Run(r)
				}
			})
			if err != nil {
				return err
			}
			if writing != nil {
				return writing
			}
			if err := writer.Series(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// guest returns the guest of a group's toolchain on its engine. It builds and opens the
// guest if no other group has done so.
func (b *bench) guest(ctx context.Context, g Group) (*trial.Guest, error) {
	engine := b.engines[g.VM]
	if engine == nil {
		choice := lab.Choice{}
		if g.VM {
			choice = lab.Choice{Name: "vm", Tools: Tools}
		}
		var err error
		if engine, err = lab.FindEngine(ctx, choice); err != nil {
			return nil, err
		}
		b.engines[g.VM] = engine
	}
	key := fmt.Sprint(g.Go, g.VM)
	if b.guests[key] != nil {
		return b.guests[key], nil
	}
	t, err := lab.Resolve(ctx, g.Go)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, fmt.Sprint(len(b.guests)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	guest, err := trial.Build(ctx, t, engine, dir)
	if err != nil {
		return nil, err
	}
	b.guests[key] = guest
	return guest, nil
}

func (b *bench) close() {
	for _, g := range b.guests {
		g.Close()
	}
	for _, e := range b.engines {
		e.Close()
	}
	os.RemoveAll(b.dir)
}
