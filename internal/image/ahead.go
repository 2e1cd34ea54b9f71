package image

import (
	"context"
	"io"
)

// A readAhead reads a stream ahead of its user, so that the user does not have to wait for
// the stream when the context is done.
type readAhead struct {
	ctx    context.Context
	chunks <-chan chunk
	rest   chunk
}

// A chunk is what one read returned.
type chunk struct {
	data []byte
	err  error
}

func newReadAhead(ctx context.Context, from io.Reader) *readAhead {
	const size, buffers = 256 << 10, 3 // one is read to, one is handed over, one is used
	chunks := make(chan chunk)
	go func() {
		var ring [buffers][]byte
		for i := 0; ; i = (i + 1) % buffers {
			if ring[i] == nil {
				ring[i] = make([]byte, size)
			}
			n, err := from.Read(ring[i])
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
	for len(r.rest.data) == 0 {
		if r.rest.err != nil {
			return 0, r.rest.err
		}
		select {
		case r.rest = <-r.chunks:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n := copy(p, r.rest.data)
	r.rest.data = r.rest.data[n:]
	return n, nil
}
