package image

import (
	"iter"
	"path"
)

// A mark describes what upper layers have at a path.
type mark uint8

const (
	present mark = 1 << iota // a member, which hides a file there in lower layers
	ends                     // not a folder, or deleted: the files below it in lower layers are hidden
	cleared                  // an opaque folder: its contents in lower layers are hidden
)

// visible yields the files that no upper layer hides, each with the index of its layer. The
// first layer is the lowest. Symbolic links in paths are not resolved, because layers have
// files under their real paths.
func visible(layers []*layer) iter.Seq2[int, entry] {
	return func(yield func(int, entry) bool) {
		marks := map[string]mark{}
		for n := len(layers) - 1; n >= 0; n-- {
			entries := layers[n].entries
			for i := len(entries) - 1; i >= 0; i-- { // of members with the same name, the last one counts, as when tar extracts them
				e := entries[i]
				if e.kind == kindWhiteout || e.kind == kindOpaque {
					continue
				}
				if e.kind == kindFile && !isHidden(marks, e.path) && !yield(n, e) {
					return
				}
				addMarks(marks, e)
			}
			for _, e := range entries { // whiteouts hide files of lower layers only
				switch e.kind {
				case kindWhiteout:
					marks[e.path] |= present | ends
				case kindOpaque:
					marks[e.path] |= present | cleared
				}
			}
		}
	}
}

// isHidden reports whether upper layers hide a file.
func isHidden(marks map[string]mark, file string) bool {
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

// addMarks marks the path of an entry, and its parent folders.
func addMarks(marks map[string]mark, e entry) {
	if e.kind == kindDir {
		marks[e.path] |= present
	} else {
		marks[e.path] |= present | ends
	}
	for dir := path.Dir(e.path); marks[dir] == 0; dir = path.Dir(dir) {
		marks[dir] = present
	}
}
