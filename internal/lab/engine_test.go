package lab

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/process"
)

// TestVMEngine boots the engine "vm" with the embedded agent, and runs a guest in it
// under another program.
func TestVMEngine(t *testing.T) {
	ctx := context.Background()
	local, err := Resolve(ctx, "local")
	require.NoError(t, err)
	e, err := FindEngine(ctx, Choice{Name: "vm"})
	require.NoError(t, err)
	defer e.Close()
	assert.Contains(t, e.Evidence, "qemu-system-aarch64")
	guest := filepath.Join(t.TempDir(), "guest")
	require.NoError(t, Build(ctx, local, e.Target, guest))
	for _, oneByOne := range []bool{false, true} {
		job := Job{Path: guest, Under: []string{guest}, Args: []string{"none"}, OneByOne: oneByOne, Deadline: time.Minute}
		_, err = e.Run(ctx, job)
		require.ErrorContains(t, err, "in the virtual machine: ", "the machine has no %s", guest)
		job.Under = nil
		r, err := e.Run(ctx, job)
		require.NoError(t, err)
		assert.Equal(t, process.Exited, r.End)
		assert.NotEmpty(t, r.Output)
	}
	cores, err := e.Cores(t.TempDir())
	require.NoError(t, err)
	assert.Empty(t, cores)
}
