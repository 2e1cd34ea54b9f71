package image

import (
	"iter"
	"path"
)

// A mark says what upper layers have at a path.
type mark uint8

const (
	present mark = 1 << iota // something: it hides a file there in lower layers
	ends                     // it is not a folder, or it is deleted: what lower layers have below it is hidden
	cleared                  // a folder in which nothing is left of lower layers
)

// visible yields the files that no layer above hides, each with the index of its layer.
// The first layer is the lowest. A path that leads through a symbolic link is not
// resolved: layers have files under their real paths.
func visible(layers []*layer) iter.Seq2[int, entry] {
	return func(yield func(int, entry) bool) {
		marks := map[string]mark{}
		for n := len(layers) - 1; n >= 0; n-- {
			entries := layers[n].entries
			for i := len(entries) - 1; i >= 0; i-- { // the last of a name is what a tar program leaves
				e := entries[i]
				if e.kind == isWhiteout || e.kind == isOpaque {
					continue
				}
				if e.kind == isFile && !hidden(marks, e.path) && !yield(n, e) {
					return
				}
				add(marks, e)
			}
			for _, e := range entries { // these hide lower layers only
				switch e.kind {
				case isWhiteout:
					marks[e.path] |= present | ends
				case isOpaque:
					marks[e.path] |= present | cleared
				}
			}
		}
	}
}

// hidden reports whether a file is hidden.
func hidden(marks map[string]mark, file string) bool {
	if marks[file] != 0 {
		return true
	}
	for file != "/" {
		file = path.Dir(file)
		if marks[file]&(ends|cleared) != 0 {
			return true
		}
	}
	return false
}

// add marks the path of an entry, and the folders above it.
func add(marks map[string]mark, e entry) {
	if e.kind == isDir {
		marks[e.path] |= present
	} else {
		marks[e.path] |= present | ends
	}
	for dir := path.Dir(e.path); marks[dir] == 0; dir = path.Dir(dir) {
		marks[dir] = present
	}
}
