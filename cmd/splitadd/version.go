package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// toolVersion returns the version of the module that this command was built from, or
// "(devel)" if it is not a released version.
func toolVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// commit returns the commit that this command was built from, and says whether files
// had been changed since. It returns "" if the build does not know.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += ", with changes"
	}
	return revision
}

// versionVerb prints what this command was built from, in a line.
func versionVerb(_ context.Context, args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usageError{errors.New("version takes no argument")}
	}
	built := "commit " + commit()
	if commit() == "" {
		built = "commit not known"
	}
	_, err := fmt.Fprintf(stdout, "splitadd %s, %s, %s/%s, %s\n", toolVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, built)
	return err
}
