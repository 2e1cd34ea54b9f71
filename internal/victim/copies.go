package victim

import "math/bits"

// copyCases are functions with live vector registers, floating-point values or flags. From
// go1.26 on the compiler uses whole vector registers to copy arrays.
var copyCases = []Case{
	{Func: "copy64", Clauses: []int{4}, call: callCopy64, want: wantCopy(64)},
	{Func: "copy96", Clauses: []int{4}, call: callCopy96, want: wantCopy(96)},
	{Func: "copy128", Clauses: []int{4}, call: callCopy128, want: wantCopy(128)},
	{Func: "copy256", Clauses: []int{4}, call: callCopy256, want: wantCopy(256)},
	{Func: "floats", Clauses: []int{4}, call: callFloats, want: triple},
	{Func: "flags", Clauses: []int{4}, call: callFlags, want: triple},
}

// Each function copies by way of a local variable. It does not overlap the arrays, so the
// compiler copies without a call of memmove.

//go:noinline
func copy64(to, from *[8]uint64) {
	local := *from
	between(&local[0])
	*to = local
}

//go:noinline
func copy96(to, from *[12]uint64) {
	local := *from
	between(&local[0])
	*to = local
}

//go:noinline
func copy128(to, from *[16]uint64) {
	local := *from
	between(&local[0])
	*to = local
}

//go:noinline
func copy256(to, from *[32]uint64) {
	local := *from
	between(&local[0])
	*to = local
}

//go:noinline
func between(*uint64) {}

func callCopy64(x uint64, _ bool) uint64 {
	var from, to [8]uint64
	fill(from[:], x)
	copy64(&to, &from)
	return digest(to[:])
}

func callCopy96(x uint64, _ bool) uint64 {
	var from, to [12]uint64
	fill(from[:], x)
	copy96(&to, &from)
	return digest(to[:])
}

func callCopy128(x uint64, _ bool) uint64 {
	var from, to [16]uint64
	fill(from[:], x)
	copy128(&to, &from)
	return digest(to[:])
}

func callCopy256(x uint64, _ bool) uint64 {
	var from, to [32]uint64
	fill(from[:], x)
	copy256(&to, &from)
	return digest(to[:])
}

// fill gives the words of an array values that depend on x and on the index.
func fill(words []uint64, x uint64) {
	for i := range words {
		words[i] = mix(x + uint64(i))
	}
}

// digest depends on every bit of an array, and on the order of its words.
func digest(words []uint64) (sum uint64) {
	for _, w := range words {
		sum = bits.RotateLeft64(sum, 7) + w
	}
	return sum
}

// wantCopy returns a function that computes the digest of an array of that many bytes,
// as fill fills it.
func wantCopy(bytes int) func(uint64) uint64 {
	return func(x uint64) (sum uint64) {
		for i := 0; i < bytes/8; i++ {
			sum = bits.RotateLeft64(sum, 7) + mix(x+uint64(i))
		}
		return sum
	}
}

// floats keeps 24 floating-point values live in a loop that adds a number to each. All of
// them are small integers, so that nothing is rounded.
//
//go:noinline
func floats(f *[24]float64, times int) {
	a, b, c, d, e, g, h, i := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
	j, k, l, m, n, o, p, q := f[8], f[9], f[10], f[11], f[12], f[13], f[14], f[15]
	r, s, t, u, v, w, x, y := f[16], f[17], f[18], f[19], f[20], f[21], f[22], f[23]
	for ; times > 0; times-- {
		a, b, c, d = a+1, b+2, c+3, d+4
		e, g, h, i = e+5, g+6, h+7, i+8
		j, k, l, m = j+9, k+10, l+11, m+12
		n, o, p, q = n+13, o+14, p+15, q+16
		r, s, t, u = r+17, s+18, t+19, u+20
		v, w, x, y = v+21, w+22, x+23, y+24
	}
	f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7] = a, b, c, d, e, g, h, i
	f[8], f[9], f[10], f[11], f[12], f[13], f[14], f[15] = j, k, l, m, n, o, p, q
	f[16], f[17], f[18], f[19], f[20], f[21], f[22], f[23] = r, s, t, u, v, w, x, y
}

func callFloats(x uint64, _ bool) uint64 {
	const times = 8
	var f [24]float64
	for i := range f {
		f[i] = float64(x>>uint(i)&0xffff) + 1
	}
	floats(&f, times)
	wrong := uint64(0)
	for i := range f {
		wrong |= uint64(f[i]) ^ (x>>uint(i)&0xffff + 1 + times*uint64(i+1))
	}
	return triple(x) + wrong
}

// flags adds two numbers of four words. The carry flag is live from one word to the next.
//
//go:noinline
func flags(x, y *[4]uint64) {
	var carry uint64
	x[0], carry = bits.Add64(x[0], y[0], 0)
	x[1], carry = bits.Add64(x[1], y[1], carry)
	x[2], carry = bits.Add64(x[2], y[2], carry)
	x[3], _ = bits.Add64(x[3], y[3], carry)
}

func callFlags(x uint64, _ bool) uint64 {
	// Each word carries: the sum of all ones and 1 is 0 in three words.
	n, one := [4]uint64{^uint64(0), ^uint64(0), ^uint64(0), x}, [4]uint64{1}
	flags(&n, &one)
	return triple(n[3]-1) + (n[0] | n[1] | n[2])
}
