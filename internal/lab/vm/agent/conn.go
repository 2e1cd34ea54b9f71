// Package agent is the protocol between a host and its virtual machine. The host
// writes, reads and removes files in the machine and runs jobs there, over one stream.
// Both ends are in this package, so that they cannot differ. It imports only the
// standard library and package process, because the machine's program is built from
// it as a separate module.
package agent

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"splitadd/internal/lab/process"
)

// The operations of a Request.
const (
	OpHello  = "hello"  // answered with the machine
	OpPut    = "put"    // write the payload to Path
	OpGet    = "get"    // answered with the file at Path, if it has at most Size bytes
	OpList   = "list"   // answered with the names of the files in the folder Path
	OpRemove = "remove" // delete the file at Path
	OpRun    = "run"    // run Job; answered with its result and, as payload, its output
)

// A Request asks the agent for one operation.
type Request struct {
	Op   string
	Path string
	Size int64 // of the payload; for Get, the largest size of the file
	Job  process.Job
}

// A Response answers a request.
type Response struct {
	Error   string `json:",omitempty"` // why the request could not be carried out
	Machine string `json:",omitempty"`
	Names   []string
	Result  process.Result
	Size    int64 // of the payload
}

// maxHeader bounds a request or response without its payload, in bytes.
const maxHeader = 1 << 20

// A Conn is one end of the stream. A message is a line of JSON and a payload. The line
// says how many bytes the payload has.
type Conn struct {
	r *bufio.Reader
	w io.Writer
}

// NewConn returns an end of a stream.
func NewConn(stream io.ReadWriter) *Conn {
	return &Conn{bufio.NewReaderSize(stream, maxHeader), stream}
}

// Send sends a message and its payload of size bytes.
func (c *Conn) Send(header any, payload io.Reader, size int64) error {
	line, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if len(line) >= maxHeader {
		return fmt.Errorf("a message of %d bytes: want less than %d", len(line), maxHeader)
	}
	if _, err := c.w.Write(append(line, '\n')); err != nil || size == 0 {
		return err
	}
	_, err = io.CopyN(c.w, payload, size)
	return err
}

// Receive receives a message without its payload.
func (c *Conn) Receive(header any) error {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, header)
}

// Payload returns the next size bytes of the stream. The caller has to read all of them
// before the next message.
func (c *Conn) Payload(size int64) io.Reader { return io.LimitReader(c.r, max(size, 0)) }
