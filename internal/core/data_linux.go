package core

import (
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns the bounds of the next part of the file, between an offset and the end,
// that is not a hole. If there is none, it returns end, end.
func nextData(f *os.File, at, end int64) (from, to int64) {
	from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO || err == nil && from >= end:
		return end, end
	case err != nil: // the file system does not know
		return at, end
	}
	if to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
		to = end
	}
	return from, min(to, end)
}
