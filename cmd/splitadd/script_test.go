package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

func TestMain(m *testing.M) {
	testscript.Main(validating{m}, map[string]func(){"splitadd": recording, "panicking": panicking, "costing": costing})
}

// TestScripts runs the scripts in testdata. They have these commands in addition to
// the usual ones:
//
//	status N COMMAND ...   runs a command that must end with exit status N
//	empty DIR              fails if there is anything in the folder
//	image FILE DIR ...     writes an image for arm64 to an archive, with a layer of each folder
//
// TMPDIR is an empty folder of the script's own. ONLYGO is a PATH that has splitadd and
// go but not an emulator.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Condition: func(name string) (bool, error) {
			if name == "arm64" {
				return runtime.GOARCH == "arm64", nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"image":  makeImage,
			"empty": func(ts *testscript.TestScript, _ bool, args []string) {
				if left, err := os.ReadDir(ts.MkAbs(args[0])); err != nil || len(left) > 0 {
					ts.Fatalf("left in %s: %v (%v)", args[0], left, err)
				}
			},
		},
	})
}

// setup lets a script use the go command's usual cache folders, so that nothing is
// fetched or built twice.
func setup(e *testscript.Env) error {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOENV").Output()
	if err != nil {
		return err
	}
	vars := map[string]string{}
	if err := json.Unmarshal(out, &vars); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	vars["XDG_CACHE_HOME"] = cache
	vars[recordsDir] = os.Getenv(recordsDir)
	vars["TMPDIR"] = filepath.Join(e.WorkDir, "tmp")
	only := filepath.Join(e.WorkDir, "only")
	for _, dir := range []string{vars["TMPDIR"], only} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	path, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	if err := os.Symlink(path, filepath.Join(only, "go")); err != nil {
		return err
	}
	own, _, _ := strings.Cut(e.Getenv("PATH"), string(filepath.ListSeparator))
	vars["ONLYGO"] = own + string(filepath.ListSeparator) + only
	for name, value := range vars {
		e.Setenv(name, value)
	}
	return nil
}

// makeImage writes an image with a layer of the files in each folder. The command that made
// a layer is "COPY DIR /".
func makeImage(ts *testscript.TestScript, _ bool, args []string) {
	image := v1.Image(empty.Image)
	config, err := image.ConfigFile()
	ts.Check(err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "arm64"
	image, err = mutate.ConfigFile(image, config)
	ts.Check(err)
	for _, dir := range args[1:] {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		ts.Check(w.AddFS(os.DirFS(ts.MkAbs(dir))))
		ts.Check(w.Close())
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
		ts.Check(err)
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "COPY " + dir + " /"}})
		ts.Check(err)
	}
	tag, err := name.NewTag("example.com/app:v1")
	ts.Check(err)
	ts.Check(tarball.WriteToFile(ts.MkAbs(args[0]), tag, image))
}

func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// splitadd returns the built command, ready to start, and the buffers of its output.
func splitadd(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	path, err := exec.LookPath("splitadd") // testscript puts it there
	require.NoError(t, err)
	cmd = exec.Command(path, args...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// affected has the kinds of window of some releases.
var affected = map[string][]string{
	"go1.21.3": {"leaf SP", "non-leaf SP", "stale FP", "lost pointer"},
	"go1.23.4": {"leaf SP", "leaf FP", "non-leaf SP", "lost pointer"},
	"go1.24.5": {"leaf SP", "leaf FP", "non-leaf SP", "lost pointer"},
	"go1.24.6": {"leaf SP", "leaf FP", "lost pointer"},
	"go1.25.0": {"leaf SP", "leaf FP", "lost pointer"},
	"go1.26.5": {"leaf SP", "leaf FP", "lost pointer"},
	"go1.26.6": {"leaf SP", "leaf FP"},
	"go1.26.8": {"leaf SP", "leaf FP"},
	"go1.27.4": {"leaf SP", "leaf FP"},
}

// TestReleases checks releases on both sides of the fix, and reads the records: the guest
// died in every pinned window and under stress for every kind, and nowhere else.
func TestReleases(t *testing.T) {
	for release, kinds := range affected {
		if labtest.LeftOut(t, release) || testing.Short() && release == "go1.27.4" { // the README's session runs it
			continue
		}
		t.Run(release, func(t *testing.T) {
			cmd, stdout, stderr := splitadd(t, "check", "-json", release)
			_ = cmd.Run()
			require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s", stderr)
			require.Empty(t, stderr.String(), "no progress where there is no terminal")
			type line struct {
				Kind, Go, Class, Outcome, Death, PC, Window, Func string
				Leaf, Pinned, Proved                              bool
				Affected                                          []string
			}
			var last line
			windows, pinned, stressed := map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, text := range strings.Split(strings.TrimSpace(stdout.String()), "\n") {
				var l line
				require.NoError(t, json.Unmarshal([]byte(text), &l), "%s", text)
				require.Equal(t, release, l.Go)
				kind := map[bool]string{true: "leaf ", false: "non-leaf "}[l.Leaf] + l.Class
				if l.Class == "lost pointer" {
					kind = l.Class
				}
				if l.Class == "FP" && slices.Contains(kinds, "stale FP") {
					kind = "stale FP"
				}
				switch l.Kind {
				case "window":
					// Windows outside the victims are listed but not run. The same is
					// true of stale frame pointers in victims that are held.
					if strings.Contains(l.Func, "/victim.") && !strings.Contains(l.Func, "/victim.save") {
						windows[l.PC] = true
					}
				case "control":
					assert.Contains(t, []string{"survived", "not preemptible"}, l.Outcome, "%s", text)
				case "run":
					assert.Contains(t, kinds, kind)
					assert.Equal(t, "died", l.Outcome, "%s", text)
					if l.Death == "unwind failure" {
						break // and was run again
					}
					held := l.Class == "lost pointer" // in the window, and let go
					if held {
						assert.Equal(t, "object freed in use", l.Death, "%s", text)
					} else {
						assert.Equal(t, "split "+l.Class, l.Death, "%s", text)
					}
					if l.Pinned {
						assert.True(t, held || l.PC == l.Window, "%s", text)
						pinned[l.PC] = true
					} else {
						stressed[kind] = true
					}
				}
				last = l
			}
			assert.Equal(t, windows, pinned)
			assert.Len(t, stressed, len(kinds))
			assert.Equal(t, "verdict", last.Kind)
			assert.Equal(t, kinds, last.Affected)
			assert.True(t, last.Proved)
		})
	}
}

// TestInterrupted sends Ctrl-C at several moments of a check.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		engine string
		after  time.Duration
	}{
		{"auto", 50 * time.Millisecond}, {"auto", 700 * time.Millisecond}, {"auto", 2 * time.Second},
		{"vm", 500 * time.Millisecond}, {"vm", 5 * time.Second},
	} {
		t.Run(fmt.Sprint(c.engine, c.after), func(t *testing.T) {
			dir := t.TempDir()
			var cmd *exec.Cmd
			var stderr *bytes.Buffer
			for after := c.after; after < time.Minute; after *= 2 {
				cmd, _, stderr = splitadd(t, "check", "-engine", c.engine, "go1.27.4", "go1.23.4", "go1.24.6")
				cmd.Env = append(os.Environ(), "TMPDIR="+dir)
				require.NoError(t, cmd.Start())
				time.Sleep(after)
				require.NoError(t, cmd.Process.Signal(os.Interrupt))
				_ = cmd.Wait()
				if cmd.ProcessState.ExitCode() != -1 { // else it had not even begun main
					break
				}
			}
			assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
			assert.Equal(t, "splitadd: error: interrupted\n", stderr.String())
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Empty(t, left)
			pgrep, err := exec.LookPath("pgrep")
			require.NoError(t, err)
			assert.Error(t, exec.Command(pgrep, "-f", dir).Run(), "a guest is left")
			assert.Error(t, exec.Command(pgrep, "-P", strconv.Itoa(cmd.Process.Pid)).Run(), "a child is left")
		})
	}
}

// TestDiskFull checks with a temporary folder that has no room. To make this folder it
// needs root, or user namespaces.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a small file system is mounted on Linux only")
	}
	dir := t.TempDir()
	path, err := exec.LookPath("splitadd")
	require.NoError(t, err)
	script := fmt.Sprintf("mount -t tmpfs -o size=64k none %[1]s && TMPDIR=%[1]s %[2]s check -json local; s=$?; ls -A %[1]s; exit $s", dir, path)
	how := "--mount"
	if os.Geteuid() != 0 {
		how = "--mount --map-root-user"
	}
	cmd := exec.Command("unshare", append(strings.Fields(how), "sh", "-c", script)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%s", stderr.String())
	assert.Regexp(t, `^splitadd: error: [^\n]*no space left on device[^\n]*\nsplitadd: hint: is there room in [^\n]*\n$`, stderr.String())
	assert.Empty(t, stdout.String(), "left in the temporary folder, or printed")
}
