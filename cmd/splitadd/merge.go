package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"splitadd/internal/output"
	"splitadd/internal/record"
)

// A shard is the part of a check for one of several machines.
type shard struct {
	number, count int  // number is 1 to count; a count of 0 means that the check is not divided
	decides       bool // this shard pins the toolchain that is being checked
}

func (s *shard) set(text string) error {
	var rest string
	n, _ := fmt.Sscanf(text+" .", "%d/%d %s", &s.number, &s.count, &rest)
	if n != 3 || rest != "." || s.number < 1 || s.number > s.count {
		return fmt.Errorf("want I/N, such as 3/8, with I from 1 to N")
	}
	return nil
}

func (s shard) String() string {
	if s.count == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.number, s.count)
}

// has reports whether the shard does the item with index i.
func (s shard) has(i int) bool { return s.count == 0 || i%s.count == s.number-1 }

// seeds returns the seeds of the shard's runs. Without shards, the seeds of n runs are 1
// to n.
func (s shard) seeds(runs int) []int {
	seeds := []int{}
	for i := range runs {
		if s.has(i) {
			seeds = append(seeds, i+1)
		}
	}
	return seeds
}

// merge pools the records of shards.
func merge(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("merge", flag.ContinueOnError)
	out := flags.String("o", "", "write the pooled records to `FILE` (default: standard output)")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return usageError{errors.New("merge takes files of records")}
	}
	if *out != "" {
		if err := checkOutput(*out, recordsKind, flags.Args()...); err != nil {
			return err
		}
	}
	all, err := readAll(flags.Args())
	if err != nil {
		return err
	}
	merged, err := all.Merge()
	if err != nil {
		return err
	}
	for _, note := range merged.Notes {
		say(stderr, "warning", note)
	}
	var b bytes.Buffer
	if err := merged.Write(record.Writer{Out: &b}); err != nil {
		return err
	}
	if *out != "" {
		return output.Write(*out, b.Bytes())
	}
	_, err = stdout.Write(b.Bytes())
	return err
}
