package record

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// maxLine bounds a record, in bytes.
const maxLine = 1 << 20

// ReadSeries reads the series among records. It is an error if a line is no
// record, or one of another version.
func ReadSeries(from io.Reader) (series []Series, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var head Head
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
			return nil, fmt.Errorf("line %d: no record: %w", n, err)
		}
		if head.Version != Version {
			return nil, fmt.Errorf("line %d: a record of version %d: want %d", n, head.Version, Version)
		}
		if head.Kind != "series" {
			continue
		}
		var s Series
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		series = append(series, s)
	}
	return series, lines.Err()
}
