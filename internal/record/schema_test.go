package record

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kinds has a record of each kind.
var kinds = map[string]any{
	"window": &Window{}, "run": &Run{}, "control": &Run{}, "series": &Series{}, "verdict": &Verdict{}, "binary": &Binary{},
	"error": &Failure{}, "scan": &Scan{}, "diagnosis": &Diagnosis{}, "triage": &Triage{},
}

// validate validates records against docs/schema/records.json, and allows no other members.
func validate(t *testing.T, records []byte) (string, error) {
	schema, err := filepath.Abs("../../docs/schema/records.json")
	require.NoError(t, err)
	cmd := exec.Command("go", "run", "./recordvalid", schema)
	cmd.Dir, cmd.Stdin = "../../tools", bytes.NewReader(records)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// setAllMembers sets every member of a record, and every member of what is in it.
func setAllMembers(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setAllMembers(v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			setAllMembers(v.Field(i), tag)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		setAllMembers(v.Index(0), name)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf(1))
	case reflect.String:
		of := map[string]string{"pc": "0x1", "offset": "0x1", "window": "0x1", "outcome": "died", "answer": "split SP", "sure": "likely"}
		if v.SetString("x"); of[name] != "" {
			v.SetString(of[name])
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Uint64:
		v.SetUint(7)
	default:
		v.SetInt(7)
	}
}

// TestSchema compares docs/schema/records.json with a record of each kind. The schema must have
// the members that the record has if all are set, and require those that it always has.
func TestSchema(t *testing.T) {
	var all bytes.Buffer
	text, err := os.ReadFile("../../docs/schema/records.json")
	require.NoError(t, err)
	var schema struct {
		OneOf []any
		Defs  map[string]struct {
			Required   []string
			Properties map[string]any
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(text, &schema))
	assert.Len(t, schema.OneOf, len(kinds)-1, "a control is described as a run")
	for kind, record := range kinds {
		v := reflect.ValueOf(record).Elem()
		head := v.FieldByName("Header")
		members := func() (names []string, line []byte) {
			head.Set(reflect.ValueOf(Header{kind, Version, head.Interface().(Header).Go}))
			line, err := json.Marshal(record)
			require.NoError(t, err)
			var m map[string]any
			require.NoError(t, json.Unmarshal(line, &m))
			for name := range m {
				names = append(names, name)
			}
			return names, append(line, '\n')
		}
		def := schema.Defs[strings.Replace(kind, "control", "run", 1)]
		always, _ := members()
		assert.ElementsMatch(t, always, def.Required, kind)
		setAllMembers(v, "")
		names, line := members()
		all.Write(line)
		var properties []string
		for name := range def.Properties {
			properties = append(properties, name)
		}
		assert.ElementsMatch(t, names, properties, kind)
	}
	out, err := validate(t, all.Bytes())
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "10 valid\n", out)

	out, err = validate(t, []byte(`{"kind":"verdict","v":1,"affected":[],"proved":false}`))
	require.NoError(t, err, "%s", out)
	for _, wrong := range []string{
		`{"kind":"verdict","v":2,"affected":[],"proved":false}`,
		`{"kind":"verdict","v":1,"affected":null,"proved":false}`,
		`{"kind":"verdict","v":1,"affected":[]}`,
		`{"kind":"verdict","v":1,"affected":[],"proved":false,"more":1}`,
		`{"kind":"other","v":1}`,
	} {
		_, err := validate(t, []byte(wrong))
		assert.Error(t, err, wrong)
	}
}
