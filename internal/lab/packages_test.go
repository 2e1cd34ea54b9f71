package lab

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBatches(t *testing.T) {
	assert.Equal(t, [][]string{{"m/a/tool", "m/x"}, {"m/b/tool", "m/x/v2"}, {"tool"}},
		batches([]string{"m/a/tool", "m/b/tool", "m/x", "tool", "m/x/v2"}))
	for path, name := range map[string]string{"m/tool": "tool", "m/tool/v2": "tool", "m/v1": "v1", "m/v02": "v02", "v2": "v2", "m/v2/cmd": "cmd"} {
		assert.Equal(t, name, executable(path), path)
	}
}
