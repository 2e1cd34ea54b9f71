package vm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab/cache"
	"splitadd/internal/lab/process"
)

const (
	suite       = "bookworm"
	debianTime  = 10 * time.Minute          // to fetch packages in
	kernelMeta  = "linux-image-cloud-arm64" // depends on the current kernel's package
	debianHint  = "this needs a Debian system with apt-get, apt-cache and dpkg-deb, on which apt-get update has run; -kernel names a kernel that is unpacked already"
	packageName = `[a-z0-9][a-z0-9+.-]+`
)

// unpackDebian returns the folder in which packages of Debian for arm64 are
// unpacked. It fetches and unpacks them once, into the cache. It uses the user's apt
// with a separate state, so that the machine's installed packages and package lists do
// not change. With deps it includes the dependencies of the packages.
func unpackDebian(ctx context.Context, packages []string, deps bool) (string, error) {
	folder, err := cache.Folder()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(folder, "debian-"+suite+"-"+strings.Join(packages, "-"))
	return dir, cache.MakeOnce(dir, func(made, scratch string) error {
		ctx, cancel := context.WithTimeout(ctx, debianTime)
		defer cancel()
		apt, err := newApt(ctx, scratch)
		if err == nil {
			err = apt.unpack(ctx, packages, deps, made)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			err = ctx.Err()
		}
		return &hint.Error{Err: fmt.Errorf("packages of Debian for arm64: %w", err), Hint: debianHint}
	})
}

// An apt is the machine's apt with a separate state in a folder.
type apt struct {
	dir     string
	options []string
}

func newApt(ctx context.Context, dir string) (*apt, error) {
	a := &apt{dir: dir}
	for _, sub := range []string{"lists/partial", "archives/partial", "deb"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	mirrors, err := a.mirrors(ctx)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "sources.list")
	for _, option := range []string{
		"Dir::Etc::sourcelist=" + list, "Dir::Etc::sourceparts=/dev/null", "Dir::State=" + dir, "Dir::State::status=/dev/null",
		"Dir::Cache=" + dir, "APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=",
	} {
		a.options = append(a.options, "-o", option)
	}
	err = errors.New("none of the machine's apt repositories is Debian's")
	for _, mirror := range mirrors {
		if writing := os.WriteFile(list, []byte("deb [arch=arm64] "+mirror+" "+suite+" main\n"), 0o644); writing != nil {
			return nil, writing
		}
		if _, failed := a.run(ctx, "apt-get", "-qq", "update"); failed != nil {
			err = failed
			continue
		}
		known, failed := a.origins(ctx)
		if failed != nil {
			return nil, failed
		}
		if known[mirror] == debian {
			return a, nil
		}
	}
	return nil, err
}

// debian is the origin that Debian's release files state.
const debian = "Debian"

// mirrors returns the machine's repositories that may be mirrors of Debian. Known
// mirrors come first. The others are those whose origin apt does not know yet, since
// their lists were not fetched. Repositories for security updates are left out: they do
// not have the packages.
func (a *apt) mirrors(ctx context.Context) (mirrors []string, err error) {
	origins, err := a.origins(ctx)
	for _, origin := range []string{debian, ""} {
		for _, uri := range slices.Sorted(maps.Keys(origins)) {
			if origins[uri] == origin && !strings.Contains(uri, "security") {
				mirrors = append(mirrors, uri)
			}
		}
	}
	return mirrors, err
}

// origins returns the origins of repositories by their addresses. An origin that is not
// known is "".
func (a *apt) origins(ctx context.Context) (map[string]string, error) {
	out, err := a.run(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)")
	origins := map[string]string{}
	for _, line := range strings.Split(out, "\n") {
		at := strings.LastIndexByte(line, ' ')
		origin := line[:max(at, 0)]
		if strings.HasPrefix(origin, "$(") { // as it was asked for: not known
			origin = ""
		}
		if uri := line[at+1:]; uri != "" {
			origins[uri] = origin
		}
	}
	return origins, err
}

// run runs a command of apt in the folder for packages.
func (a *apt) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, append(a.options, args...)...)
	cmd.Dir = filepath.Join(a.dir, "deb")
	out, err := process.Output(cmd)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// These match a line of "apt-cache depends" that names an existing package: "foo" in a
// list with all dependencies, and "  Depends: foo" in a list of direct dependencies.
var (
	eachPackage = regexp.MustCompile(`(?m)^(` + packageName + `)$`)
	needed      = regexp.MustCompile(`(?m)^  Depends: (` + packageName + `)$`)
)

// unpack fetches packages and unpacks them into a folder.
func (a *apt) unpack(ctx context.Context, packages []string, deps bool, to string) error {
	pattern, args := needed, []string{"depends"}
	if deps {
		pattern = eachPackage
		for _, kind := range []string{"recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"} {
			args = append(args, "--no-"+kind)
		}
		args = append(args, "--recurse")
	}
	out, err := a.run(ctx, "apt-cache", append(args, packages...)...)
	if err != nil {
		return err
	}
	args = []string{"-qq", "download"}
	for _, m := range pattern.FindAllStringSubmatch(out, -1) {
		args = append(args, m[1])
	}
	if len(args) == 2 {
		return errors.New("nothing to fetch for " + strings.Join(packages, ", "))
	}
	if _, err := a.run(ctx, "apt-get", args...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "deb", "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		cmd := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, to)
		process.InGroup(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("dpkg-deb: %w%s", err, process.LastLine(string(out)))
		}
	}
	return nil
}
