package crash

import (
	"regexp"
	"strings"
	"testing"

	"splitadd/internal/crash/crashtest"

	"github.com/stretchr/testify/assert"
)

// TestGroup moves the addresses in every log of the corpus. The key of the log stays the
// same, and differs from the keys of the other logs.
func TestGroup(t *testing.T) {
	stacks := regexp.MustCompile(`0x(?:400|5542|c00)([0-9a-f]{6,})`)
	f := NewGrouper()
	seen := map[uint64]string{}
	for _, e := range crashtest.Corpus(t, ".") {
		if len(Logs(e.Log)) == 0 {
			continue // it has only messages of a victim
		}
		moved := stacks.ReplaceAll(e.Log, []byte("0x7fff${1}"))
		moved = regexp.MustCompile(`goroutine 1\b`).ReplaceAll(moved, []byte("goroutine 991"))
		key := f.Key(Log{Text: e.Log})
		assert.Empty(t, seen[key], "%s", e.Path)
		seen[key] = e.Path
		assert.Equal(t, key, f.Key(Log{Text: moved}), "%s at other addresses", e.Path)
	}
}

// TestGroupDifferent has crashes that differ in something that an answer may depend on.
func TestGroupDifferent(t *testing.T) {
	log := "runtime: g 7: frame.sp=0x400010fe30 top=0x400011ffd0\n\tstack=[0x4000100000-0x4000120000\nfatal error: traceback did not unwind completely\nPC=0x468da4 m=13 sigcode=1 addr=0x118\n\n" +
		"goroutine 7 [preempted (scan)]:\nmain.f(0x1)\n\t/src/main.go:9 +0x94 fp=0x400011fe40 sp=0x400010fe30 pc=0x7a094\n"
	for _, change := range [][2]string{
		{"top=0x400011ffd0", "top=0x400011ffe0"}, {"goroutine 7", "goroutine 8"}, {"+0x94", "+0x98"}, {"addr=0x118", "addr=0x110"}, {"PC=0x468da4", "PC=0x468da8"},
		{"fp=0x400011fe40", "fp=0x400011fe50"}, {"main.f(", "main.g("}, {"main.go:9", "main.go:8"}, {"sigcode=1", "sigcode=2"}, {"pc=0x7a094", "pc=0x7a095"},
	} {
		f := NewGrouper()
		key := f.Key(Log{Text: []byte(log)})
		other := strings.Replace(log, change[0], change[1], 1)
		assert.NotEqual(t, log, other)
		assert.NotEqual(t, key, f.Key(Log{Text: []byte(other)}), "%s", change[1])
		assert.Equal(t, key, f.Key(Log{Text: []byte(strings.Replace(log, "main.f(0x1)", "main.f(0x2)", 1))}))
		assert.NotEqual(t, key, f.Key(Log{Text: []byte(log), Headless: true}))
	}
}
