package lab

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/hint"
)

// TestMisnamed states the errors for names that people use and splitadd does not
// accept.
func TestMisnamed(t *testing.T) {
	newest := "did you mean go1.27.4"
	for _, c := range []struct{ name, err, hint string }{
		{"1.23.4", "toolchain 1.23.4: neither a release nor a GOROOT", "did you mean go1.23.4?"},
		{"v1.23.4", "neither a release nor a GOROOT", "did you mean go1.23.4?"},
		{"Go1.24rc1", "neither a release nor a GOROOT", "did you mean go1.24rc1?"},
		{"1.27", "neither a release nor a GOROOT", newest},
		{"go1.27", "toolchain go1.27: a version of the language, not a release", newest},
		{"go1.99", "a version of the language, not a release", "did you mean go1.99.0?"},
		{"go1.20.0", "not a release", "did you mean go1.20?"},
		{"tip", "toolchain tip: neither a release nor a GOROOT", "the folder of a checkout"},
		{"master", "neither a release nor a GOROOT", "the folder of a checkout"},
		{"go1.15", "toolchain go1.15: needs go1.16 or later", "name a release"},
		{"go1.15.15", "needs go1.16 or later", "name a release"},
		{"1.9", "needs go1.16 or later", "name a release"},
		{"something", "toolchain something: neither a release nor a GOROOT: no bin/go in it", "name a release such as go1.27.4, a GOROOT, or local"},
	} {
		_, err := Resolve(context.Background(), c.name)
		var hinted *hint.Error
		require.ErrorAs(t, err, &hinted, c.name)
		assert.ErrorContains(t, err, c.err)
		assert.Contains(t, hinted.Hint, c.hint, c.name)
	}
}
