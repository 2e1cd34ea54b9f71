package lab

import (
	"context"
	"fmt"
	"go/version"
	"os"
	"regexp"
	"slices"
	"strings"

	"splitadd/internal/hint"
)

// toolchainVersion matches a version of the module golang.org/toolchain.
var toolchainVersion = regexp.MustCompile(`^v0\.0\.1-(go1\.[0-9]+(?:\.[0-9]+)?)\.linux-amd64$`)

// Releases returns the releases, without betas and candidates, that the go
// command's module proxy lists, oldest first. A proxy may have releases that it
// does not list. Resolve finds these as well.
func Releases(ctx context.Context) ([]string, error) {
	local, err := Resolve(ctx, "local")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	out, err := local.run(ctx, os.TempDir(), "list", "-m", "-versions", "golang.org/toolchain")
	if err != nil {
		return nil, &hint.Error{Err: fmt.Errorf("list of releases: %w", err), Hint: "can the go command reach its module proxy? GOPROXY says which; or name the releases"}
	}
	var releases []string
	for _, v := range strings.Fields(out) {
		if m := toolchainVersion.FindStringSubmatch(v); m != nil {
			releases = append(releases, m[1])
		}
	}
	slices.SortFunc(releases, version.Compare)
	return slices.Compact(releases), nil
}
