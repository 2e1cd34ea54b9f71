// Manifestvalid reads Kubernetes manifests from standard input and validates them
// strictly with kubeconform. The schema is the one in the module of the Kubernetes
// release, which the go command fetches and verifies. Run it in the folder of its
// module.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/yannh/kubeconform/pkg/validator"
)

const release = "k8s.io/kubernetes@v1.34.1"

func main() {
	if err := validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func validate() error {
	dir, err := os.MkdirTemp("", "manifestvalid-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := schemas(dir); err != nil {
		return err
	}
	v, err := validator.New([]string{filepath.Join(dir, "{{.ResourceKind}}{{.KindSuffix}}.json")}, validator.Opts{Strict: true})
	if err != nil {
		return err
	}
	results := v.Validate("stdin", io.NopCloser(os.Stdin))
	if len(results) == 0 {
		return errors.New("no manifest")
	}
	for _, r := range results {
		if r.Status != validator.Valid {
			return fmt.Errorf("not valid: %w", r.Err)
		}
	}
	fmt.Printf("%d valid\n", len(results))
	return nil
}

// kinds are the known kinds of manifest, with the names of their definitions.
var kinds = map[string]string{"job-batch-v1": "io.k8s.api.batch.v1.Job"}

// schemas writes a schema for each kind, with all the release's definitions.
func schemas(dir string) error {
	cmd := exec.Command("go", "mod", "download", "-json", release)
	cmd.Dir = dir // no module's
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", release, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(module.Dir, "api/openapi-spec/swagger.json"))
	if err != nil {
		return err
	}
	var spec struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	for _, d := range spec.Definitions {
		strict(d)
	}
	for kind, name := range kinds {
		schema, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + name, "definitions": spec.Definitions})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, kind+".json"), schema, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// strict forbids members that a definition does not have. It also allows numbers for
// the strings for which Kubernetes accepts them.
func strict(d map[string]any) {
	if d["properties"] != nil && d["additionalProperties"] == nil {
		d["additionalProperties"] = false
	}
	if description, _ := d["description"].(string); d["type"] == "string" && (d["format"] == "int-or-string" || strings.HasPrefix(description, "Quantity is")) {
		d["type"] = []string{"string", "number"}
	}
}
