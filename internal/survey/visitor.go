package survey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"splitadd/internal/budget"
	"splitadd/internal/objfile"
)

// ErrTooLarge is wrapped by the error for a Go binary in an archive that is larger than
// MaxMember.
var ErrTooLarge = errors.New("larger than 1 GiB, which is the limit for a binary in an archive: unpack it and scan the file")

// MaxMember is how many bytes a binary in an archive may have. It is held in memory, and so
// is no more than this of all binaries together.
const MaxMember = 1 << 30

// A visitor surveys the executables among the files of an archive.
type visitor struct {
	ctx     context.Context
	archive string
	all     bool
	group   errgroup.Group
	most    int64               // bytes of an executable
	memory  *semaphore.Weighted // most bytes
	buffers chan []byte         // to use again
}

func newVisitor(ctx context.Context, archive string, all bool, most int64) *visitor {
	v := &visitor{ctx: ctx, archive: archive, all: all, most: most, memory: semaphore.NewWeighted(most)}
	v.buffers = make(chan []byte, runtime.GOMAXPROCS(0))
	v.group.SetLimit(runtime.GOMAXPROCS(0))
	return v
}

// visit reads a file, if it is an executable, and begins its survey. The result is a
// *found, which is complete when the group has ended.
func (v *visitor) visit(path string, size int64, content io.Reader) any {
	head := make([]byte, 4)
	if _, err := io.ReadFull(content, head); err != nil || !objfile.IsExecutable(head) {
		return nil
	}
	if size < 0 || size > v.most {
		size = v.most
	}
	f := &found{}
	if f.err = v.memory.Acquire(v.ctx, size); f.err != nil {
		return f
	}
	data, err := v.read(head, size, content)
	name := Place{Archive: v.archive}.name(path)
	if int64(len(data)) == v.most && err == nil {
		err = v.large(name, data, content)
	}
	release := func() {
		v.memory.Release(size)
		select {
		case v.buffers <- data:
		default:
		}
	}
	if err != nil {
		f.err = fmt.Errorf("%s: %w", name, err)
		release()
		return f
	}
	v.group.Go(func() error {
		defer release()
		file, err := objfile.ParseWithLimits(v.ctx, name, data, budget.Default)
		if err != nil {
			f.err = other(name, err)
			return nil
		}
		f.binary, f.err = Scan(file, v.all)
		return nil
	})
	return f
}

// read reads a file of at most size bytes that begins with head. It takes no more memory
// than there are contents, whatever their size is claimed to be.
func (v *visitor) read(head []byte, size int64, content io.Reader) (data []byte, err error) {
	select {
	case data = <-v.buffers:
	default:
	}
	data = append(data[:0], head...)
	for int64(len(data)) < size {
		if len(data) == cap(data) {
			larger := make([]byte, len(data), min(size, max(1<<20, 2*int64(cap(data)))))
			copy(larger, data)
			data = larger
		}
		n, err := content.Read(data[len(data):min(int64(cap(data)), size)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return data, err
		}
	}
	return data, nil
}

// large returns an error for a file of which more than data is left to read, if Go's
// linker has written it: ErrTooLarge, if it may be a binary for arm64.
func (v *visitor) large(name string, data []byte, rest io.Reader) error {
	const overlap = 32 // bytes of the header of the build information, and its alignment
	isGo, size := objfile.HasBuildInfo(data), len(data)
	for window, kept := make([]byte, overlap+1<<20), 0; ; {
		n, err := io.ReadFull(rest, window[kept:])
		size += n
		isGo = isGo || objfile.HasBuildInfo(window[:kept+n])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		} else if err != nil {
			return err
		}
		kept = copy(window, window[len(window)-overlap:])
	}
	_, err := objfile.ParseWithLimits(v.ctx, name, data, budget.Default)
	var foreign *objfile.ForeignError
	switch {
	case size == len(data):
		return nil
	case !isGo:
		return ErrNotArm64Go
	case errors.As(err, &foreign):
		return ForeignArchError{foreign.Arch}
	}
	return ErrTooLarge
}
