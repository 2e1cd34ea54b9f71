package report

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"splitadd/internal/gate"
	"splitadd/internal/record"
	"splitadd/internal/safe"
	"splitadd/internal/survey"
)

// SARIF writes the windows of binaries in which the runtime preempts, in the
// form that code scanning services read. A service shows files of a repository, so
// the location of a result is the first line of the binary. Function, pc and
// source line are in the message. A failure is a notification of the run, and makes
// the run unsuccessful.
func SARIF(to io.Writer, version string, binaries []*survey.Binary, failures []record.Failure) error {
	report, err := sarif.New(sarif.Version210)
	if err != nil {
		return err
	}
	run := sarif.NewRunWithInformationURI("splitadd", "https://go.dev/issue/73259")
	run.Tool.Driver.WithVersion(version)
	invocation := run.AddInvocation(len(failures) == 0)
	for _, f := range failures {
		notification := sarif.NewNotification().WithLevel("error").WithTextMessage(safe.Text(f.Error))
		if f.Path != "" {
			notification.AddLocation(sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
				WithArtifactLocation(sarif.NewSimpleArtifactLocation(fileURI(f.Path)))))
		}
		invocation.AddTToolExecutionNotification(notification)
	}
	addRules(run)
	for _, b := range binaries {
		for _, f := range b.Functions {
			addResults(run, b, f)
		}
	}
	report.AddRun(run)
	return report.PrettyWrite(to)
}

// addResults adds the windows of a function.
func addResults(run *sarif.Run, b *survey.Binary, f survey.Function) {
	uri, where := placeOf(b)
	seen := map[string]int{} // windows so far, by kind
	for _, w := range f.Windows {
		if !w.Preemptible {
			continue
		}
		seen[w.Kind()]++
		certainty, level := "", "error"
		if w.Possible {
			certainty, level = "Possible ", "warning"
		}
		text := fmt.Sprintf("%s%s window in %s+%#x (%s:%d, frame %d bytes, pc %#x): %s; built by %s.", certainty,
			w.Kind(), printableName(f.Name), w.Offset(), printableName(w.File), w.Line, f.Frame, w.PC, printableName(f.Owner), printableName(b.Go))
		if w.Detail != "" {
			text += " " + w.Detail + "."
		}
		location := sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
			WithArtifactLocation(sarif.NewSimpleArtifactLocation(uri)).
			WithRegion(sarif.NewSimpleRegion(1, 1)))
		location.LogicalLocations = append(location.LogicalLocations,
			sarif.NewLogicalLocation().WithFullyQualifiedName(printableName(f.Name)).WithKind("function"))
		result := run.CreateResultForRule(ruleOf(w)).
			WithLevel(level).
			WithMessage(sarif.NewTextMessage(text + where)).
			WithPartialFingerPrints(fingerprints(b, f, w, seen[w.Kind()]))
		result.AddLocation(location)
	}
}

// placeOf returns the URI of a binary, and a sentence about the archive it is in, or "".
func placeOf(b *survey.Binary) (uri, where string) {
	if b.Place.Archive == "" {
		return fileURI(b.Path), ""
	}
	where = " In " + printableName(b.Name())
	if b.Place.Layer != "" {
		where += ", layer " + printableName(b.Place.Layer) + madeBy(b.Place.Command)
	}
	return fileURI(strings.TrimPrefix(b.Path, "/")), where + "." // relative to the root of the image
}

// fingerprints returns what identifies a window from one build to the next: the command,
// the function, the kind, and which of the function's windows of this kind it is, from 1.
// There is no address in it. GitHub compares primaryLocationLineHash only. Without it, it
// would hash the binary's first bytes.
func fingerprints(b *survey.Binary, f survey.Function, w survey.Window, nth int) map[string]any {
	e := gate.EntryFor(b, f, w)
	command := b.Package
	if command == "" {
		command = b.Path
	}
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", command, e.Function, e.Kind))
	return map[string]any{
		"window/v2":               fmt.Sprintf("%s in %s of %s #%d", e.Kind, printableName(e.Function), printableName(command), nth),
		"primaryLocationLineHash": fmt.Sprintf("%x:%d", hash[:8], nth),
	}
}

// fileURI returns the URI of a file, relative if its path is. Every byte that a URI
// may not hold is percent-encoded.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
		if !strings.HasPrefix(u.Path, "/") { // C:/
			u.Path = "/" + u.Path
		}
	}
	return u.String()
}
