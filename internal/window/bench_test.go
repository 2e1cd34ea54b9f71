package window_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/window"
)

// BenchmarkFind finds the windows of cmd/go. With -cpu 1,2 it shows what a second core gains.
func BenchmarkFind(b *testing.B) {
	for _, release := range []string{"go1.26.5", "go1.27.4"} {
		path := labtest.Build(b, runtime.GOROOT(), "cmd/go", []string{"GOTOOLCHAIN=" + release, "GOFLAGS="})
		b.Run(release, func(b *testing.B) {
			for range b.N {
				f, err := objfile.Open(path)
				require.NoError(b, err)
				finder, err := window.Open(f)
				require.NoError(b, err)
				finder.Release = release
				_, err = finder.Find()
				require.NoError(b, err)
				require.NoError(b, f.Close())
			}
		})
	}
}
