package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"splitadd/internal/hint"
	"splitadd/internal/output"
	"splitadd/internal/record"
)

// The kinds of output that verbs write to files which the user names.
var (
	recordsKind    = output.Kind{Name: "records", Verify: isRecords}
	executableKind = output.Kind{Name: "an executable", Verify: beginsWith("\x7fELF", "MZ", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe")}
)

// beginsWith returns a function that recognizes files by their first bytes.
func beginsWith(magics ...string) func(io.Reader) error {
	return func(r io.Reader) error {
		head, err := io.ReadAll(io.LimitReader(r, 64))
		for _, magic := range magics {
			if bytes.HasPrefix(head, []byte(magic)) {
				return nil
			}
		}
		if err == nil {
			err = fmt.Errorf("it begins with %q", head[:min(len(head), 16)])
		}
		return err
	}
}

// containsText returns a function that recognizes files by a text near their beginning.
func containsText(text string) func(io.Reader) error {
	return func(r io.Reader) error {
		head, err := io.ReadAll(io.LimitReader(r, 4096))
		if err == nil && !bytes.Contains(head, []byte(text)) {
			err = fmt.Errorf("it does not contain %q", text)
		}
		return err
	}
}

func isRecords(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err == nil {
		_, err = record.CompleteRecords(data)
	}
	return err
}

// checkOutput calls output.Check, and adds a hint to its error.
func checkOutput(path string, kind output.Kind, inputs ...string) error {
	err := output.Check(path, kind, inputs...)
	switch {
	case errors.Is(err, output.ErrInput), errors.Is(err, output.ErrNotRegular):
		return &hint.Error{Err: err, Hint: "name another file"}
	case errors.Is(err, output.ErrForeign):
		return &hint.Error{Err: err, Hint: "name another file, or remove this one first"}
	}
	return err
}

// openRecords opens a file of records to add to, and returns a reader of the records in
// it. A last record that was cut off is removed. If the file holds anything other than
// records, it is an error, and nothing is changed.
func openRecords(path string) (*os.File, *bytes.Reader, error) {
	if err := checkOutput(path, recordsKind); err != nil {
		return nil, nil, err
	}
	return record.OpenFile(path)
}
