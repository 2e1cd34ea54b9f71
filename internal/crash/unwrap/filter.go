package unwrap

// A shapeFilter is a set of shapes. It may also report shapes that are not in it. Most
// beginnings of lines are not prefixes, and the shapeFilter rules them out without a lookup in
// a large map.
type shapeFilter struct {
	bits  [1 << 14]uint64
	added int // shapes
}

func (f *shapeFilter) add(shape uint64) {
	f.bits[shape>>50] |= 1 << (shape >> 44 & 63)
	f.added++
}

func (f *shapeFilter) has(shape uint64) bool { return f.bits[shape>>50]>>(shape>>44&63)&1 != 0 }
