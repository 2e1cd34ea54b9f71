package unwrap

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRead takes off what collectors put around the lines of a crash. Those of one
// process have one source.
func TestRead(t *testing.T) {
	want := []string{"panic: boom", "", "goroutine 1 [running]:", "main.main()", "\t/src/a.go:1 +0x8"}
	for name, log := range map[string]string{
		"as it is":       "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:1 +0x8\n",
		"CRLF, padded":   "panic: boom   \r\n\r\ngoroutine 1 [running]:  \r\nmain.main()\r\n\t/src/a.go:1 +0x8 \r\n",
		"prefix":         "web-1  | panic: boom\nweb-1  | \nweb-1  | goroutine 1 [running]:\nweb-1  | main.main()\nweb-1  | \t/src/a.go:1 +0x8\n",
		"JSON":           `{"log":"panic: boom\n"}` + "\n" + `{"log":"\n"}` + "\n" + `{"log":"goroutine 1 [running]:\n"}` + "\n" + `{"log":"main.main()\n"}` + "\n" + `{"log":"\t/src/a.go:1 +0x8\n"}` + "\n",
		"JSON in one":    `{"msg":"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:1 +0x8\n"}` + "\n",
		"escaped":        "panic: boom#012#012goroutine 1 [running]:#012main.main()#012#011/src/a.go:1 +0x8\n",
		"colours":        "\x1b[31mpanic: boom\x1b[0m\n\n\x1b[31mgoroutine 1 [running]:\x1b[0m\nmain.main()\n\t/src/a.go:1 +0x8\n",
		"without an end": "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:1 +0x8",
	} {
		var got []string
		sources := map[uint64]bool{}
		require.NoError(t, Read(strings.NewReader(log), func(l Line) {
			got = append(got, string(l.Text))
			sources[l.Source] = true
			assert.Positive(t, l.Number, name)
		}), name)
		assert.Equal(t, want, got, name)
		assert.Len(t, sources, 1, name)
	}
}

// TestReadDeep has a goroutine of as many frames as the runtime prints, and no other.
func TestReadDeep(t *testing.T) {
	n := 0
	log := "panic: boom\n\ngoroutine 1 [running]:\n" + strings.Repeat("main.f()\n\t/src/a.go:1 +0x8\n", 50) + "...9 frames elided...\n" +
		strings.Repeat("main.f()\n\t/src/a.go:1 +0x8\n", 50) + "exit status 2\n"
	require.NoError(t, Read(strings.NewReader(log), func(l Line) { n++ }))
	assert.Equal(t, strings.Count(log, "\n"), n)
}

// TestReadFar leaves out what is not near a line of a crash.
func TestReadFar(t *testing.T) {
	n := 0
	require.NoError(t, Read(strings.NewReader(strings.Repeat("all is well\n", 1000)+"panic: boom\n"), func(l Line) { n++ }))
	assert.Equal(t, nearLines+1, n)
	require.NoError(t, Read(strings.NewReader(strings.Repeat("all is well\n", 1000)), func(l Line) { t.Error(l.Number) }))
}
