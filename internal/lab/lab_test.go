package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/hint"
)

func TestFindEngine(t *testing.T) {
	emulator := func(body string) string {
		path := filepath.Join(t.TempDir(), "qemu")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700))
		return path
	}
	for answer, flag := range map[string]string{
		"qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)": "-singlestep",
		"qemu-aarch64 version 10.0.2 (Debian 1:10.0.2+ds-2)":         "-one-insn-per-tb",
	} {
		e, err := FindEngine(context.Background(), Choice{Emulator: emulator("echo '" + answer + "'")})
		require.NoError(t, err)
		assert.True(t, e.Emulated())
		assert.Contains(t, e.Evidence, "emulated: qemu-aarch64 "+strings.Fields(answer)[2])
		assert.Equal(t, []string{e.emulator, "-cpu", "max", flag, "guest", "-a"}, e.command(Job{Path: "guest", Args: []string{"-a"}, OneByOne: true}))
		assert.Equal(t, []string{e.emulator, "-cpu", "max", "guest"}, e.command(Job{Path: "guest"}))
	}
	for _, bad := range []string{emulator("echo hello"), emulator("kill -9 $$"), "/nonexistent/qemu"} {
		_, err := FindEngine(context.Background(), Choice{Emulator: bad})
		var hinted *hint.Error
		require.ErrorAs(t, err, &hinted)
		assert.NotEmpty(t, hinted.Hint)
		assert.NotContains(t, err.Error(), "\n")
	}
	t.Setenv("PATH", t.TempDir())
	_, err := FindEngine(context.Background(), Choice{Name: "user"})
	require.ErrorIs(t, err, ErrNoEngine)
	_, err = FindEngine(context.Background(), Choice{Name: "vm"})
	require.ErrorIs(t, err, ErrNoEngine)
	_, err = FindEngine(context.Background(), Choice{Name: "cloud"})
	require.ErrorContains(t, err, `engine "cloud": want one of auto, native, user, vm`)
}

func TestResolve(t *testing.T) {
	ctx := context.Background()
	local, err := Resolve(ctx, "local")
	require.NoError(t, err)
	require.Regexp(t, `^(go1\.|devel)`, local.Version)

	root, err := local.run(ctx, "/", "env", "GOROOT")
	require.NoError(t, err)
	tree, err := Resolve(ctx, strings.TrimSpace(root))
	require.NoError(t, err)
	require.Equal(t, local.Version, tree.Version)

	require.Equal(t, local.env[len(local.env)-1], tree.env[len(tree.env)-1], "the same tools: the same build cache")
	require.Contains(t, tree.env[len(tree.env)-1], "GOCACHE=")

	released, err := Resolve(ctx, "go1.23.4")
	require.NoError(t, err)
	require.Equal(t, "go1.23.4", released.Version)

	broken := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(broken, "bin"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "bin", "go"), []byte("#!/bin/sh\necho no such thing >&2; exit 2\n"), 0o700))
	for name, want := range map[string]string{
		"go1.23.999":   `toolchain go1.23.999: `,
		"/nonexistent": `toolchain /nonexistent: neither a release nor a GOROOT: no bin/go in it`,
		t.TempDir():    `no bin/go in it`,
		broken:         `no such thing`,
	} {
		_, err := Resolve(ctx, name)
		var hinted *hint.Error
		require.ErrorAs(t, err, &hinted, name)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
		require.NotEmpty(t, hinted.Hint)
	}
}

// TestPatched resolves two trees with the same version and different tools. The go
// command must not use for one what the other has compiled.
func TestPatched(t *testing.T) {
	caches := map[string]bool{}
	for _, compiler := range []string{"a", "b", "b"} {
		root := t.TempDir()
		for name, text := range map[string]string{
			"bin/go":                       "#!/bin/sh\necho go1.24.6; echo " + root,
			"pkg/tool/linux_amd64/compile": compiler,
		} {
			name = filepath.Join(root, filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
			require.NoError(t, os.WriteFile(name, []byte(text), 0o700))
		}
		tree, err := Resolve(context.Background(), root)
		require.NoError(t, err)
		require.Equal(t, "go1.24.6", tree.Version)
		caches[tree.env[len(tree.env)-1]] = true
	}
	require.Len(t, caches, 2)
}

// TestBuild builds twice, and at the same time, with GOFLAGS set. Builds of splitadd
// must not see these flags.
func TestBuild(t *testing.T) {
	t.Setenv("GOFLAGS", "-tags=nonexistent -mod=vendor")
	t.Setenv("GOOS", "plan9")
	local, err := Resolve(context.Background(), "local")
	require.NoError(t, err)
	target := Target{"linux", "arm64"}
	dir := t.TempDir()
	errs := make(chan error)
	for i := range 3 {
		go func() { errs <- Build(context.Background(), local, target, filepath.Join(dir, fmt.Sprint(i))) }()
	}
	for range 3 {
		require.NoError(t, <-errs)
	}
	first, err := os.ReadFile(filepath.Join(dir, "0"))
	require.NoError(t, err)
	second, err := os.ReadFile(filepath.Join(dir, "1"))
	require.NoError(t, err)
	require.Equal(t, len(first), len(second))

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, Build(ctx, local, target, filepath.Join(dir, "late")), context.Canceled)
	require.NoFileExists(t, filepath.Join(dir, "late"))
}

// TestBuildInterrupted interrupts a build of packages. The go command must leave nothing
// in the temporary folder.
func TestBuildInterrupted(t *testing.T) {
	out, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("GOCACHE", t.TempDir()) // so that there is much to build
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := BuildPackages(ctx, out, "", "../victim/guest")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}
