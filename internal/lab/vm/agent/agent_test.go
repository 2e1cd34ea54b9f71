package agent

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/process"
)

// TestServe asks an agent for everything it does.
func TestServe(t *testing.T) {
	host, guest := net.Pipe()
	ended := make(chan error)
	go func() { ended <- Serve(guest) }()
	conn := NewConn(host)
	ask := func(request Request, payload string) (Response, string) {
		if request.Op == OpPut {
			request.Size = int64(len(payload))
		}
		require.NoError(t, conn.Send(request, strings.NewReader(payload), int64(len(payload))))
		var response Response
		require.NoError(t, conn.Receive(&response))
		data, err := io.ReadAll(conn.Payload(response.Size))
		require.NoError(t, err)
		return response, string(data)
	}
	r, _ := ask(Request{Op: OpHello}, "")
	assert.Regexp(t, `, [0-9]+ cpus$`, r.Machine)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	script := "#!/bin/sh\necho $0 $1; exit 3\n"
	r, _ = ask(Request{Op: OpPut, Path: file}, script)
	assert.Empty(t, r.Error)
	r, data := ask(Request{Op: OpGet, Path: file, Size: 100}, "")
	assert.Equal(t, script, data, r.Error)
	r, data = ask(Request{Op: OpGet, Path: file, Size: 10}, "")
	assert.Contains(t, r.Error, "want at most 10")
	assert.Empty(t, data)
	r, _ = ask(Request{Op: OpList, Path: dir}, "")
	assert.Equal(t, []string{"file"}, r.Names)
	r, data = ask(Request{Op: OpRun, Job: process.Job{Command: []string{file, "x"}, Deadline: time.Minute}}, "")
	assert.Equal(t, []any{process.Exited, 3, file + " x\n"}, []any{r.Result.End, r.Result.Code, data})
	r, _ = ask(Request{Op: OpRun, Job: process.Job{Command: []string{file}}}, "")
	assert.Contains(t, r.Error, "without a deadline")
	r, _ = ask(Request{Op: OpPut, Path: filepath.Join(dir, "none", "file")}, "a payload that is read all the same")
	assert.NotEmpty(t, r.Error)
	r, _ = ask(Request{Op: OpRemove, Path: file}, "")
	assert.Empty(t, r.Error)
	assert.NoFileExists(t, file)
	r, _ = ask(Request{Op: "dance"}, "")
	assert.Equal(t, `unknown operation "dance"`, r.Error)
	require.NoError(t, host.Close())
	require.ErrorIs(t, <-ended, io.EOF)
}

func TestTooLong(t *testing.T) {
	conn := NewConn(new(bytes.Buffer))
	require.ErrorContains(t, conn.Send(Request{Path: strings.Repeat("x", maxHeader)}, nil, 0), "a message of")
	long := NewConn(bytes.NewBuffer(bytes.Repeat([]byte("x"), 2*maxHeader)))
	require.Error(t, long.Receive(new(Response)))
}

// TestSource shows that the embedded source for the machine is complete.
func TestSource(t *testing.T) {
	for _, pattern := range []string{"*.go", "init/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			here, err := os.ReadFile(file)
			require.NoError(t, err)
			there, err := Source.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, here, there)
		}
	}
}

// FuzzReceive receives arbitrary data, as a broken machine may send it.
func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"Result":{"End":"exited","Code":2},"Size":3}` + "\nabc"))
	for _, response := range []string{`{"Size":-1}`, `{"Size":9223372036854775807}`, `{"Error":"x"}`, `{"Result":{"End":"signaled","Signal":11}}`, `[]`, `{"Size":"x"}`} {
		f.Add([]byte(response + "\nabc" + `{"Size":1}` + "\n"))
	}
	f.Add(bytes.Repeat([]byte("x"), maxHeader+1))
	f.Fuzz(func(_ *testing.T, data []byte) {
		conn := NewConn(bytes.NewBuffer(data))
		for {
			var response Response
			if conn.Receive(&response) != nil {
				return
			}
			_, _ = io.Copy(io.Discard, conn.Payload(min(response.Size, 1<<16)))
		}
	})
}
