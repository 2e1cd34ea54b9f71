// Recordvalid reads JSON values from standard input and validates each against a JSON
// Schema, whose file is the argument. It is stricter than the schema: it allows no member
// that the schema does not describe.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recordvalid SCHEMA <RECORDS")
		os.Exit(2)
	}
	n, err := validate(os.Args[1], os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d valid\n", n)
}

// maxProblems is how many values that are not valid are reported.
const maxProblems = 10

// validate returns how many values it read.
func validate(path string, from io.Reader) (n int, err error) {
	schema, err := compile(path)
	if err != nil {
		return 0, err
	}
	var problems []error
	for values := json.NewDecoder(from); len(problems) < maxProblems; n++ {
		values.UseNumber()
		var value any
		if err := values.Decode(&value); err == io.EOF {
			break
		} else if err != nil {
			return n, fmt.Errorf("value %d: %w", n+1, err)
		}
		if err := schema.Validate(value); err != nil {
			text, _ := json.Marshal(value)
			problems = append(problems, fmt.Errorf("value %d: %w\n%.2000s", n+1, err, text))
		}
	}
	return n, errors.Join(problems...)
}

// compile compiles a schema. It may refer to others in its folder.
func compile(path string) (*jsonschema.Schema, error) {
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.json"))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	const base = "https://splitadd.invalid/"
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		schema, err := jsonschema.UnmarshalJSON(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		strict(schema)
		if err := c.AddResource(base+filepath.Base(name), schema); err != nil {
			return nil, err
		}
	}
	return c.Compile(base + filepath.Base(path))
}

// strict forbids the members of objects that a schema does not describe.
func strict(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, x := range s {
			strict(x)
		}
	case map[string]any:
		for _, x := range s {
			strict(x)
		}
		if _, described := s["properties"].(map[string]any); described && s["additionalProperties"] == nil {
			s["additionalProperties"] = false
		}
	}
}
