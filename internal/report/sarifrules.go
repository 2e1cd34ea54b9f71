package report

import (
	"fmt"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// addRules adds a rule for each clause of the contract. Its help says for each kind of
// window what is wrong, what harm it does, and what to do.
func addRules(run *sarif.Run) {
	for i, clause := range window.Clauses {
		kinds := window.KindsOf(i + 1)
		var names, problems []string
		for _, k := range kinds {
			names = append(names, k.Name)
			problems = append(problems, k.Name+": "+k.Problem)
		}
		remedies := survey.Remedies(names)
		breaks := "Wherever the runtime may preempt a goroutine, this must hold: " + clause.Holds + ". Here it does not."
		properties := sarif.NewPropertyBag()
		properties.Add("tags", []string{"reliability", "arm64", "async-preemption"})
		properties.Add("precision", "high")
		properties.Add("problem.severity", "error")
		rule := run.AddRule(clause.Name).
			WithName(camel(clause.Name)).
			WithShortDescription(sarif.NewMultiformatMessageString("Clause " + fmt.Sprint(i+1) + " of the preemption contract: " + clause.Holds)).
			WithFullDescription(sarif.NewMultiformatMessageString(breaks + " " + strings.Join(problems, "; ") + ".")).
			WithHelp(sarif.NewMultiformatMessageString(breaks + "\n\n" + strings.Join(append(problems, remedies...), ".\n") + ".\n").
				WithMarkdown(breaks + "\n\n## Kinds\n\n" + list(problems) + "\n## Harm and remedy\n\n" + list(remedies))).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel("error"))
		rule.AttachPropertyBag(properties)
	}
}

// list writes sentences as a list in Markdown.
func list(sentences []string) string {
	var b strings.Builder
	for _, s := range sentences {
		b.WriteString("- " + s + ".\n")
	}
	return b.String()
}

// camel returns a name in the form that SARIF recommends: "StackPointer".
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// ruleOf returns the identifier of the rule for a window.
func ruleOf(w survey.Window) string {
	kind, _ := window.KindNamed(w.Kind())
	return window.Clauses[kind.Clause-1].Name
}
