package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordsDir is the variable with the folder in which the command, as the tests start it,
// keeps a copy of the records that it prints.
const recordsDir = "SPLITADD_TEST_RECORDS"

// recording is the command. It keeps a copy of the records that it prints.
func recording() {
	stdout := io.Writer(os.Stdout)
	if dir := os.Getenv(recordsDir); dir != "" && (slices.Contains(os.Args, "-json") || slices.Contains(os.Args, "merge")) {
		file, err := os.CreateTemp(dir, "")
		if err != nil {
			panic(err)
		}
		stdout = io.MultiWriter(os.Stdout, file)
	}
	os.Exit(run(os.Args[1:], stdout, os.Stderr))
}

// validating runs the tests, and then validates every record that they have seen.
type validating struct{ tests *testing.M }

func (v validating) Run() int {
	dir, err := os.MkdirTemp("", "records-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv(recordsDir, dir)
	status := v.tests.Run()
	if text, err := validRecords(dir); err != nil {
		fmt.Printf("FAIL: records that docs/schema does not describe: %v\n%s", err, text)
		return max(status, 1)
	}
	return status
}

// validRecords validates the records in the files of a folder. A process that was killed may
// have left a last line that is cut off.
func validRecords(dir string) (text []byte, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		all.Write(data[:bytes.LastIndexByte(data, '\n')+1])
	}
	if all.Len() == 0 {
		return nil, nil
	}
	return validJSON("records.json", all.Bytes())
}

// validJSON validates JSON values against a schema of docs/schema, and allows no other
// members.
func validJSON(schema string, values []byte) (text []byte, err error) {
	path, err := filepath.Abs(filepath.Join("../../docs/schema", schema))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", "./recordvalid", path)
	cmd.Dir, cmd.Stdin = "../../tools", bytes.NewReader(values)
	return cmd.CombinedOutput()
}

// TestValidRecords shows that a record with something wrong is found, and that the end of
// a record which was cut off is not.
func TestValidRecords(t *testing.T) {
	for text, valid := range map[string]bool{
		`{"kind":"error","v":1,"path":"x","error":"y"}` + "\n" + `{"kind":"er`: true,
		`{"kind":"error","v":1,"path":"x","error":"y","z":1}` + "\n":           false,
		"":                         true,
		`{"kind":"error"}` + "\n":  false,
		`{"kind":"error",` + "}\n": false,
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte(text), 0o600))
		out, err := validRecords(dir)
		assert.Equal(t, valid, err == nil, "%s: %s", text, out)
	}
}

// TestBaselineSchema validates a baseline that scan has written, and the one in the docs.
func TestBaselineSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "baseline.json")
	cmd, _, stderr := splitadd(t, "scan", "-q", "-write-baseline", path, "testdata/module")
	require.NoError(t, cmd.Run(), "%s", stderr)
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	out, err := validJSON("baseline.json", append(written, ciBlock(t, "json", "accepted")...))
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "2 valid\n")
	_, err = validJSON("baseline.json", bytes.Replace(written, []byte(`"kind"`), []byte(`"kin"`), 1))
	assert.Error(t, err)
}
