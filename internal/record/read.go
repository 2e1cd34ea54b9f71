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

// maxLineSize is the largest size of a record in bytes, including its newline.
const maxLineSize = 1 << 20

// eachRecord calls f with the header and the line of each record. It is an error if a line is
// not a record, or has another version. It skips a last line that was cut off, because the
// process that wrote it may have been killed.
func eachRecord(from io.Reader, f func(Header, []byte) error) error {
	lines := bufio.NewReaderSize(from, 64<<10-1)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("line %d: %w", n, err)
		}
		var head Header
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

// readLine returns the next complete line, without its newline, or io.EOF.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLineSize:
			return nil, fmt.Errorf("more than %d bytes", maxLineSize)
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// CompleteRecords returns a reader of the complete records in data. It leaves out a last record
// that was cut off, because the process that wrote it may have been killed. It is an error if
// data has anything else.
func CompleteRecords(data []byte) (*bytes.Reader, error) {
	end := bytes.LastIndexByte(data, '\n') + 1
	if err := eachRecord(bytes.NewReader(data[:end]), func(Header, []byte) error { return nil }); err != nil {
		return nil, err
	}
	const begin = `{"kind":"` // of every record: Header is its first member
	if rest := data[end:]; !bytes.HasPrefix(rest[:min(len(rest), len(begin))], []byte(begin)[:min(len(rest), len(begin))]) {
		return nil, fmt.Errorf("the last line is not the beginning of a record")
	}
	return bytes.NewReader(data[:end]), nil
}

// ReadSeries reads records and returns the series among them.
func ReadSeries(from io.Reader) ([]Series, error) {
	var all Collection
	err := all.Read(from)
	return all.Series, err
}

// ReadVerdicts reads records and returns the verdicts among them, by release, that are proved
// and have no doubts. It leaves out verdicts of older versions of splitadd, which did not
// test the finder (see trial.Tested).
func ReadVerdicts(from io.Reader) (map[string]trial.Verdict, error) {
	var all Collection
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

// Collection are the records of one or more files that a report is made of.
type Collection struct {
	Windows  []Window
	Runs     []Run // and controls
	Series   []Series
	Verdicts []Verdict
	Notes    []string // of Merge: what was left out, and which series have the same name; not records
}

// Read reads records and adds them to a. It skips the kinds that a Collection does not have.
func (a *Collection) Read(from io.Reader) error {
	return eachRecord(from, func(head Header, line []byte) error {
		switch head.Kind {
		case "window":
			return appendRecord(&a.Windows, line)
		case "run", "control":
			return appendRecord(&a.Runs, line)
		case "series":
			return appendRecord(&a.Series, line)
		case "verdict":
			return appendRecord(&a.Verdicts, line)
		}
		return nil
	})
}

func appendRecord[T any](records *[]T, line []byte) error {
	var record T
	err := json.Unmarshal(line, &record)
	*records = append(*records, record)
	return err
}
