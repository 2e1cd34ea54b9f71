package lab

import (
	"context"
	"fmt"
	"go/version"
	"regexp"
	"slices"
	"strings"
	"time"

	"splitadd/internal/hint"
)

// Oldest is the oldest release whose function table is understood.
const Oldest = "go1.16"

const nameHint = "name a release such as go1.27.4, a GOROOT, or local"

var (
	// like matches names that people write for a release.
	like = regexp.MustCompile(`^(?i:v|go)?-?(1\.[0-9]+(?:\.[0-9]+)?(?:(?:rc|beta)[0-9]+)?)$`)
	// development matches names that people give to the newest source.
	development = regexp.MustCompile(`^(?i)(go)?(tip|master|main|devel|head)$`)
)

// misnamed returns the error for a name that only looks like a release, or that is a
// release before Oldest. It is nil for every other name.
func misnamed(ctx context.Context, name string) error {
	match := like.FindStringSubmatch(name)
	if match == nil {
		if development.MatchString(name) {
			return &hint.Error{Err: fmt.Errorf("toolchain %s: neither a release nor a GOROOT", name), Hint: "name the folder of a checkout of Go in which src/make.bash has run"}
		}
		return nil
	}
	meant := "go" + match[1]
	if err := tooOld(name, meant); err != nil {
		return err
	}
	meant, whole := released(ctx, meant)
	switch {
	case !release.MatchString(name):
		return &hint.Error{Err: fmt.Errorf("toolchain %s: neither a release nor a GOROOT", name), Hint: "did you mean " + meant + "?"}
	case !whole:
		return &hint.Error{Err: fmt.Errorf("toolchain %s: a version of the language, not a release", name), Hint: "did you mean " + meant + "?"}
	case meant != name:
		return &hint.Error{Err: fmt.Errorf("toolchain %s: not a release", name), Hint: "did you mean " + meant + "?"}
	}
	return nil
}

// tooOld returns the error for a toolchain whose version of Go is before Oldest.
func tooOld(name, goVersion string) error {
	if lang := version.Lang(goVersion); lang == "" || version.Compare(lang, Oldest) >= 0 {
		return nil
	}
	return &hint.Error{Err: fmt.Errorf("toolchain %s: needs %s or later", name, Oldest), Hint: "the function table of older releases has another layout, which splitadd does not read; " + nameHint}
}

// listTime bounds the time for a hint, which may need the list of releases.
const listTime = 10 * time.Second

// released returns the release that a name means, and whether the name is complete. From
// Go 1.21 on "go1.27" is a version of the language, and means its newest listed
// release. Before, it is the first release, which has no patch number.
func released(ctx context.Context, name string) (meant string, whole bool) {
	lang := version.Lang(name)
	switch {
	case version.Compare(lang, "go1.21") < 0:
		if patch, ok := strings.CutPrefix(name, lang); ok && patch == ".0" {
			return lang, true
		}
		return name, true
	case name != lang:
		return name, true
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	listed, _ := Releases(ctx)
	listed = slices.DeleteFunc(listed, func(r string) bool { return version.Lang(r) != lang })
	if len(listed) == 0 {
		return lang + ".0", false
	}
	return slices.MaxFunc(listed, version.Compare), false
}
