package report

import (
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/openvex/go-vex/pkg/vex"
	"github.com/package-url/packageurl-go"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// VEX writes an OpenVEX document: for each kind of window, which binaries are affected,
// which may be, and which are not. Nil kinds means all kinds. It returns the names of the
// binaries that nothing identifies, about which the document says nothing.
func VEX(to io.Writer, version string, kinds []string, binaries []*survey.Binary) (unnamed []string, err error) {
	doc := vex.New()
	doc.Author, doc.Tooling = "splitadd", "splitadd "+version
	for _, k := range window.Kinds {
		if kinds == nil || slices.Contains(kinds, k.Name) {
			doc.Statements = append(doc.Statements, statements(k, binaries)...)
		}
	}
	for _, b := range binaries {
		if product(b) == nil {
			unnamed = append(unnamed, b.Name())
		}
	}
	if len(doc.Statements) == 0 {
		return unnamed, fmt.Errorf("no VEX document: no binary that a statement could be about")
	}
	if _, err := doc.GenerateCanonicalID(); err != nil {
		return unnamed, err
	}
	return unnamed, doc.ToJSON(to)
}

// statements returns the statements about a kind of window, at most one for each status.
func statements(k window.Kind, binaries []*survey.Binary) (all []vex.Statement) {
	order := []vex.Status{vex.StatusAffected, vex.StatusUnderInvestigation, vex.StatusNotAffected}
	worst := map[string]int{} // the first of order, by product
	var products []*vex.Product
	for _, b := range binaries {
		p := product(b)
		if p == nil {
			continue
		}
		at, known := worst[p.ID]
		if !known {
			products = append(products, p)
			at = len(order) - 1
		}
		worst[p.ID] = min(at, slices.Index(order, statusOf(b, k.Name)))
	}
	for i, status := range order {
		s := vex.Statement{Vulnerability: vulnerability(k), Status: status}
		for _, p := range products {
			if worst[p.ID] == i {
				s.Products = append(s.Products, *p)
			}
		}
		switch status {
		case vex.StatusAffected:
			s.ActionStatement = strings.Join(survey.Remedies([]string{k.Name})[1:], "; ") // the first is the harm
		case vex.StatusUnderInvestigation:
			s.StatusNotes = "there are windows whose harm depends on what the code does not show, or functions that could not be checked"
		case vex.StatusNotAffected:
			s.Justification = vex.VulnerableCodeNotPresent
			s.ImpactStatement = "the binary's code has no window of this kind"
		}
		if len(s.Products) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// statusOf returns what a binary's windows of a kind mean.
func statusOf(b *survey.Binary, kind string) vex.Status {
	status := vex.StatusNotAffected
	if len(b.Unchecked) > 0 {
		status = vex.StatusUnderInvestigation
	}
	for _, f := range b.Functions {
		for _, w := range f.Windows {
			switch {
			case !w.Preemptible || w.Kind() != kind:
			case !w.Possible:
				return vex.StatusAffected
			default:
				status = vex.StatusUnderInvestigation
			}
		}
	}
	return status
}

// issue matches an issue of Go in the text of a kind.
var issue = regexp.MustCompile(`golang/go#[0-9]+`)

// vulnerability names a kind of window, and the issues of Go about it. No catalog has
// identifiers for them.
func vulnerability(k window.Kind) vex.Vulnerability {
	v := vex.Vulnerability{
		Name:        vex.VulnerabilityID("splitadd:" + strings.ReplaceAll(strings.ToLower(k.Name), " ", "-")),
		Description: k.Problem + "; " + k.Harm,
	}
	for _, name := range issue.FindAllString(k.Harm, -1) {
		v.Aliases = append(v.Aliases, vex.VulnerabilityID(name))
	}
	return v
}

// maxIdentity bounds what a product is identified by, in bytes: each kind has a statement
// about it.
const maxIdentity = 4096

// product identifies a binary by the package URL of its command, with the module's version
// or, without one, the file's checksum. It returns nil if neither is known, because a
// statement without them would be about every version.
func product(b *survey.Binary) *vex.Product {
	module, version, _ := strings.Cut(b.Main, "@")
	exact := version != "" && !strings.Contains(version, "+dirty") // of files with changes that are not committed
	if !exact && b.SHA256 == "" || len(b.Main)+len(b.Package)+len(b.Path) > maxIdentity {
		return nil
	}
	kind, subpath := packageurl.TypeGolang, ""
	if rest, inside := strings.CutPrefix(b.Package, module+"/"); inside {
		subpath = rest
	}
	if module == "" || module == "command-line-arguments" {
		kind, module = packageurl.TypeGeneric, path.Base(b.Path)
	}
	var qualifiers packageurl.Qualifiers
	p := &vex.Product{}
	if !exact {
		qualifiers = packageurl.QualifiersFromMap(map[string]string{"checksum": "sha256:" + b.SHA256})
	}
	if b.SHA256 != "" {
		p.Hashes = map[vex.Algorithm]vex.Hash{vex.SHA256: vex.Hash(b.SHA256)}
	}
	namespace, name := path.Split(module)
	p.ID = packageurl.NewPackageURL(kind, strings.TrimSuffix(namespace, "/"), name, version, qualifiers, subpath).ToString()
	p.Identifiers = map[vex.IdentifierType]string{vex.PURL: p.ID}
	return p
}
