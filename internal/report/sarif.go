package report

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"splitadd/internal/record"
	"splitadd/internal/safe"
	"splitadd/internal/survey"
	"splitadd/internal/window"
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
	for _, k := range window.Kinds {
		kind := k.Name
		run.AddRule(rule(kind)).
			WithName("Split" + strings.ReplaceAll(strings.ReplaceAll(kind, " ", ""), "-", "")).
			WithShortDescription(sarif.NewMultiformatMessageString(kind + " window")).
			WithFullDescription(sarif.NewMultiformatMessageString(
				"Where a goroutine may be preempted, " + k.Problem + "; " + k.Harm + ".")).
			WithHelp(sarif.NewMultiformatMessageString(strings.Join(survey.Remedies([]string{kind}), ". "))).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel("error"))
	}
	for _, b := range binaries {
		uri := fileURI(b.Path)
		where := ""
		if b.Place.Archive != "" {
			uri = fileURI(strings.TrimPrefix(b.Path, "/")) // relative to the root of the image
			where = " In " + printableName(b.Name())
			if b.Place.Layer != "" {
				where += ", layer " + printableName(b.Place.Layer) + madeBy(b.Place.Command)
			}
			where += "."
		}
		for _, f := range b.Functions {
			for _, w := range f.Windows {
				if !w.Preemptible {
					continue
				}
				text := fmt.Sprintf("%s window in %s+%#x (%s:%d, frame %d bytes, pc %#x): %s; built by %s.",
					w.Kind(), printableName(f.Name), w.Offset(), printableName(w.File), w.Line, f.Frame, w.PC, printableName(f.Owner), printableName(b.Go))
				level := "error"
				if w.Possible {
					level = "warning"
				}
				if w.Detail != "" {
					text += " " + w.Detail + "."
				}
				text += where
				run.CreateResultForRule(rule(w.Kind())).
					WithLevel(level).
					WithMessage(sarif.NewTextMessage(text)).
					WithPartialFingerPrints(map[string]interface{}{"window/v1": fmt.Sprintf("%s+%#x %s", printableName(f.Name), w.Offset(), w.Class)}).
					AddLocation(sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
						WithArtifactLocation(sarif.NewSimpleArtifactLocation(uri)).
						WithRegion(sarif.NewSimpleRegion(1, 1))))
			}
		}
	}
	report.AddRun(run)
	return report.PrettyWrite(to)
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

// rule returns the identifier of a kind's rule.
func rule(kind string) string { return "split-" + strings.ToLower(strings.ReplaceAll(kind, " ", "-")) }
