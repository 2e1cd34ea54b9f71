package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"splitadd/internal/trial"
)

// maxLine bounds a record, in bytes.
const maxLine = 1 << 20

// each calls f with each record's head and line. It is an error if a line is not a
// record, or has another version. A last line that was cut off is passed over: the
// process that wrote it may have been killed.
func each(from io.Reader, f func(Head, []byte) error) error {
	lines := bufio.NewReaderSize(from, 64<<10-1)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("line %d: %w", n, err)
		}
		var head Head
		if err := json.Unmarshal(line, &head); err != nil {
			return fmt.Errorf("line %d: not a record: %w", n, err)
		}
		if head.Version != Version {
			return fmt.Errorf("line %d: a record of version %d: want %d", n, head.Version, Version)
		}
		if err := f(head, line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// readLine returns the next line that is complete, without its end.
func readLine(from *bufio.Reader) (line []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("more than %d bytes", maxLine)
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// CompleteRecords returns a reader of the complete records in data. The last record may be cut
// off, since the process that wrote it may have been killed. It is an error if data
// holds anything else.
func CompleteRecords(data []byte) (*bytes.Reader, error) {
	end := bytes.LastIndexByte(data, '\n') + 1
	if err := each(bytes.NewReader(data[:end]), func(Head, []byte) error { return nil }); err != nil {
		return nil, err
	}
	const begin = `{"kind":"` // of every record: Head is its first member
	if rest := data[end:]; !bytes.HasPrefix(rest[:min(len(rest), len(begin))], []byte(begin)[:min(len(rest), len(begin))]) {
		return nil, fmt.Errorf("the last line is not the beginning of a record")
	}
	return bytes.NewReader(data[:end]), nil
}

// ReadSeries reads the series among records.
func ReadSeries(from io.Reader) ([]Series, error) {
	var all All
	err := all.Read(from)
	return all.Series, err
}

// ReadVerdicts reads the verdicts among records that were proved without a doubt, by
// release. It passes over verdicts of older versions of splitadd, which did not test
// the finder (see trial.Tested).
func ReadVerdicts(from io.Reader) (map[string]trial.Verdict, error) {
	var all All
	err := all.Read(from)
	verdicts := map[string]trial.Verdict{}
	for _, v := range all.Verdicts {
		if v.Proved && len(v.Doubts) == 0 && v.Tested != nil {
			t := *v.Tested
			verdicts[v.Go] = trial.Verdict{Affected: v.Affected, Proved: true, Tested: trial.Tested{Windows: t.Windows, Controls: t.Controls, Stress: t.Stress, Seconds: t.Seconds}}
		}
	}
	return verdicts, err
}

// All are the records of one or more files that a report is made of.
type All struct {
	Windows  []Window
	Runs     []Run // and controls
	Series   []Series
	Verdicts []Verdict
	Notes    []string // of a merge: what a reader has to know; not a record
}

// Read adds records to a. It passes over kinds that reports do not show.
func (a *All) Read(from io.Reader) error {
	return each(from, func(head Head, line []byte) error {
		switch head.Kind {
		case "window":
			return add(&a.Windows, line)
		case "run", "control":
			return add(&a.Runs, line)
		case "series":
			return add(&a.Series, line)
		case "verdict":
			return add(&a.Verdicts, line)
		}
		return nil
	})
}

func add[T any](to *[]T, line []byte) error {
	var record T
	err := json.Unmarshal(line, &record)
	*to = append(*to, record)
	return err
}
