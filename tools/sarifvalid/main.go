// Sarifvalid reads a SARIF file from standard input and validates it against
// the published schema, version 2.1.0, which go-sarif carries in its source. Run
// it in the folder of its module.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // its schema
	"github.com/xeipuuv/gojsonschema"
)

func main() {
	if err := validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func validate() error {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	schema, err := published()
	if err != nil {
		return err
	}
	result, err := gojsonschema.Validate(gojsonschema.NewStringLoader(schema), gojsonschema.NewBytesLoader(data))
	if err != nil {
		return err
	}
	var problems []error
	for _, problem := range result.Errors() {
		problems = append(problems, errors.New(problem.String()))
	}
	return errors.Join(problems...)
}

// published returns the constant named schema in go-sarif.
func published() (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		return "", err
	}
	name := filepath.Join(strings.TrimSpace(string(dir)), "pkg", "report", "v210", "sarif", "schema.go")
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		return "", err
	}
	for _, object := range file.Decls {
		if decl, ok := object.(*ast.GenDecl); ok && decl.Tok == token.CONST {
			spec := decl.Specs[0].(*ast.ValueSpec)
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && spec.Names[0].Name == "schema" {
				return strconv.Unquote(literal.Value)
			}
		}
	}
	return "", fmt.Errorf("%s: no constant schema", name)
}
