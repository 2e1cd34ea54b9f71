package record

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// OpenFile opens a file of records for appending, and creates it if it does not exist. The
// reader returns the records in the file. OpenFile removes a last record that was cut off. If
// the file has anything other than records, it returns an error and does not change the file.
func OpenFile(path string) (*os.File, *bytes.Reader, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	whole, err := CompleteRecords(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, err
	}
	if err := file.Truncate(whole.Size()); err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, whole, nil
}
