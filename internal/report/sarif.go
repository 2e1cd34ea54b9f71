package report

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// SARIF writes the windows of binaries in which the runtime preempts, in the
// form that code scanning services read. A result's place is the binary, at its
// first line, since a service shows files of a repository; function, pc and
// source line are in the message.
func SARIF(to io.Writer, binaries []*survey.Binary) error {
	report, err := sarif.New(sarif.Version210)
	if err != nil {
		return err
	}
	run := sarif.NewRunWithInformationURI("splitadd", "https://go.dev/issue/73259")
	for _, kind := range window.KindNames() {
		run.AddRule(rule(kind)).
			WithName("Split" + strings.ReplaceAll(strings.ReplaceAll(kind, " ", ""), "-", "")).
			WithShortDescription(sarif.NewMultiformatMessageString(kind + " window")).
			WithFullDescription(sarif.NewMultiformatMessageString(
				"A goroutine that is preempted here has a " + pointer(kind) + " that the unwinder does not understand; the process dies of it.")).
			WithHelp(sarif.NewMultiformatMessageString(strings.Join(survey.Remedies([]string{kind}), ". "))).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel("error"))
	}
	for _, b := range binaries {
		uri := strings.ReplaceAll(filepath.ToSlash(clean(b.Path)), " ", "%20")
		for _, f := range b.Functions {
			for _, w := range f.Windows {
				if !w.Preemptible {
					continue
				}
				text := fmt.Sprintf("%s window in %s+%#x (%s:%d, frame %d bytes, pc %#x): %s; built by %s.",
					w.Kind(), clean(f.Name), w.Offset(), clean(w.File), w.Line, f.Frame, w.PC, clean(f.Owner), clean(b.Go))
				run.CreateResultForRule(rule(w.Kind())).
					WithLevel("error").
					WithMessage(sarif.NewTextMessage(text)).
					WithPartialFingerPrints(map[string]interface{}{"window/v1": fmt.Sprintf("%s+%#x %s", clean(f.Name), w.Offset(), w.Class)}).
					AddLocation(sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
						WithArtifactLocation(sarif.NewSimpleArtifactLocation(uri)).
						WithRegion(sarif.NewSimpleRegion(1, 1))))
			}
		}
	}
	report.AddRun(run)
	return report.PrettyWrite(to)
}

// rule returns the identifier of a kind's rule.
func rule(kind string) string { return "split-" + strings.ToLower(strings.ReplaceAll(kind, " ", "-")) }

func pointer(kind string) string {
	if strings.HasSuffix(kind, "FP") {
		return "frame pointer"
	}
	return "stack pointer"
}
