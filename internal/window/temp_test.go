package window

import (
	"math/rand/v2"
	"testing"

	"splitadd/internal/arm64"
)

// TestHasTemp looks for words that read R27 and that the screen passes over.
func TestHasTemp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	read := 0
	for top := range uint32(1 << 8) {
		for range 40000 {
			w := top<<24 | random.Uint32()>>8
			for _, shift := range []uint{0, 5, 10, 16} {
				if random.IntN(3) == 0 {
					w = w&^(31<<shift) | arm64.R27<<shift
				}
			}
			if e, ok := arm64.Decode(w); !ok || !e.Reads.Has(arm64.R27) {
				continue
			}
			if read++; !mayReadTemp(w) {
				t.Fatalf("%08x reads R27", w)
			}
		}
	}
	if read < 500000 {
		t.Errorf("only %d of the words read R27", read)
	}
}
