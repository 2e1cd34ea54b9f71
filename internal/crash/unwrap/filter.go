package unwrap

// A filter is a set of shapes that may say of others that it has them. Most of what
// lines begin with is no prefix: the filter says so without a look at a large map.
type filter struct {
	bits  [1 << 14]uint64
	added int // shapes
}

func (f *filter) add(shape uint64) {
	f.bits[shape>>50] |= 1 << (shape >> 44 & 63)
	f.added++
}

func (f *filter) has(shape uint64) bool { return f.bits[shape>>50]>>(shape>>44&63)&1 != 0 }
