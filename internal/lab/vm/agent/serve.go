package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"splitadd/internal/lab/process"
)

// Serve carries out requests until the stream ends. It returns the error of the stream.
func Serve(stream io.ReadWriter) error {
	conn := NewConn(stream)
	for {
		var request Request
		if err := conn.Receive(&request); err != nil {
			return err
		}
		response, payload := conn.carryOut(request)
		err := conn.Send(response, payload, response.Size)
		if file, ok := payload.(io.Closer); ok {
			file.Close()
		}
		if err != nil {
			return err
		}
	}
}

// carryOut carries out one request. The caller has to close the payload, which may be
// nil.
func (c *Conn) carryOut(request Request) (response Response, payload io.Reader) {
	var err error
	switch request.Op {
	case OpHello:
		response.Machine = process.Machine()
	case OpPut:
		err = c.put(request)
	case OpGet:
		payload, response.Size, err = get(request)
	case OpList:
		var entries []os.DirEntry
		entries, err = os.ReadDir(request.Path)
		for _, entry := range entries {
			response.Names = append(response.Names, entry.Name())
		}
	case OpRemove:
		err = os.Remove(request.Path)
	case OpRun:
		response.Result, err = process.Run(context.Background(), request.Job)
		payload, response.Size = bytes.NewReader(response.Result.Output), int64(len(response.Result.Output))
	default:
		err = fmt.Errorf("unknown operation %q", request.Op)
	}
	if err != nil {
		return Response{Error: err.Error()}, nil
	}
	return response, payload
}

// put writes a file, and reads the whole payload even if it cannot.
func (c *Conn) put(request Request) error {
	payload := c.Payload(request.Size)
	file, err := os.OpenFile(request.Path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err == nil {
		_, err = io.Copy(file, payload)
		if closing := file.Close(); err == nil {
			err = closing
		}
	}
	if _, rest := io.Copy(io.Discard, payload); err == nil {
		err = rest
	}
	return err
}

func get(request Request) (io.Reader, int64, error) {
	file, err := os.Open(request.Path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() > request.Size {
		err = fmt.Errorf("%s has %d bytes: want at most %d", request.Path, info.Size(), request.Size)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}
