package vm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeApt is an apt-get for a machine with the repositories in REPOSITORIES. After an
// update it knows the origins in ORIGINS.
const fakeApt = `#!/bin/sh
list=
for a; do
	case $a in Dir::Etc::sourcelist=*) list=${a#*=};; esac
done
case "$*" in
*update) exit;;
esac
[ -z "$list" ] && printf "$REPOSITORIES" && exit
uri=$(sed 's/.*\] \([^ ]*\) .*/\1/' "$list")
printf "$ORIGINS" | grep " $uri\$"
`

// TestMirror chooses among a machine's repositories. Not all of them are Debian's, and
// not all origins are known before an update.
func TestMirror(t *testing.T) {
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "apt-get"), []byte(fakeApt), 0o700))
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for name, c := range map[string]struct{ repositories, origins, want string }{
		"a third party's sorts first": {
			`Debian http://debian.example/debian/\nnodistro http://apt.aaa.example/\nDebian http://debian.example/debian-security/\n`,
			`nodistro http://apt.aaa.example/\nDebian http://debian.example/debian/\n`, "http://debian.example/debian/",
		},
		"nothing was fetched yet": {
			` http://apt.aaa.example/\n http://mirror.example/debian/\n`,
			`aaa http://apt.aaa.example/\nDebian http://mirror.example/debian/\n`, "http://mirror.example/debian/",
		},
		"none is Debian's": {`aaa http://apt.aaa.example/\n http://b.example/\n`, `b http://b.example/\n`, ""},
		"there is none":    {``, ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("REPOSITORIES", c.repositories)
			t.Setenv("ORIGINS", c.origins)
			dir := t.TempDir()
			_, err := newApt(context.Background(), dir)
			if c.want == "" {
				require.ErrorContains(t, err, "none of the machine's apt repositories is Debian's")
				return
			}
			require.NoError(t, err)
			list, err := os.ReadFile(filepath.Join(dir, "sources.list"))
			require.NoError(t, err)
			assert.Equal(t, "deb [arch=arm64] "+c.want+" bookworm main\n", string(list))
		})
	}
}

// TestFreshCache makes the archive of a machine with an empty cache, as on a new
// account with the user's own kernel.
func TestFreshCache(t *testing.T) {
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	t.Setenv("GOCACHE", strings.TrimSpace(string(out)))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "none", "yet"))
	_, err = kernel{}.initramfs(context.Background(), options(t).BuildInit, nil)
	require.NoError(t, err)
}
