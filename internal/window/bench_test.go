package window_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/objfile"
	"splitadd/internal/window"
)

func BenchmarkTmp(b *testing.B) {
	f, err := objfile.Open(os.Getenv("B"))
	require.NoError(b, err)
	for range b.N {
		w, err := window.Open(f)
		require.NoError(b, err)
		_, err = w.Find()
		require.NoError(b, err)
	}
}
