package image

import (
	"context"
	"io"
)

// A readAhead reads a stream in a goroutine of its own, so that Read can return when the context
// is done although the stream blocks.
type readAhead struct {
	ctx     context.Context
	chunks  <-chan chunk
	current chunk
}

// A chunk is what one read returned.
type chunk struct {
	data []byte
	err  error
}

func newReadAhead(ctx context.Context, r io.Reader) *readAhead {
	const size, buffers = 256 << 10, 3 // one is filled, one is sent, one is in use
	chunks := make(chan chunk)
	go func() {
		var ring [buffers][]byte
		for i := 0; ; i = (i + 1) % buffers {
			if ring[i] == nil {
				ring[i] = make([]byte, size)
			}
			n, err := r.Read(ring[i])
			select {
			case chunks <- chunk{ring[i][:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return &readAhead{ctx: ctx, chunks: chunks}
}

func (r *readAhead) Read(p []byte) (int, error) {
	for len(r.current.data) == 0 {
		if r.current.err != nil {
			return 0, r.current.err
		}
		select {
		case r.current = <-r.chunks:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n := copy(p, r.current.data)
	r.current.data = r.current.data[n:]
	return n, nil
}
