package unwrap

import (
	"bytes"
	"errors"
	"io"
)

// maxLine is the length at which a line is cut into parts, in bytes. Each part is read like a
// line.
const maxLine = 1 << 20

// readLines visits the lines of a log, including their ends. It visits a long line in parts,
// which all have the number of the line.
func readLines(from io.Reader, visit func(number int, text []byte)) error {
	buffer := make([]byte, 0, 2*maxLine)
	number, searched := 1, 0 // searched is the length of the part of the buffer that has no newline
	for {
		n, err := from.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		rest := buffer
		for {
			i := bytes.IndexByte(rest[searched:], '\n')
			if i < 0 {
				searched = len(rest)
				break
			}
			visit(number, rest[:searched+i+1])
			rest, searched = rest[searched+i+1:], 0
			number++
		}
		for len(rest) >= maxLine {
			part := cutPoint(rest[:maxLine])
			visit(number, rest[:part])
			rest = rest[part:]
			searched = len(rest)
		}
		buffer = append(buffer[:0], rest...)
		if err != nil {
			if len(rest) > 0 {
				visit(number, rest)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// cutPoint returns where to cut a text that is too long: after an object of JSON, after an
// escaped newline, or after a word.
func cutPoint(text []byte) int {
	for _, end := range []string{"},", `\n`, " "} {
		if i := bytes.LastIndex(text, []byte(end)); i > len(text)/2 {
			return i + len(end)
		}
	}
	return len(text)
}
