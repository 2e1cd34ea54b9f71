package core

import (
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns the next part of the file, from an offset on, that is no hole;
// (end, end) where there is none before the end.
func nextData(f *os.File, at, end int64) (from, to int64) {
	from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO || err == nil && from >= end:
		return end, end
	case err != nil: // a file system that does not tell
		return at, end
	}
	if to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
		to = end
	}
	return from, min(to, end)
}
