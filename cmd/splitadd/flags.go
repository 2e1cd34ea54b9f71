package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// jsonFlag describes -json, which several verbs have.
const jsonFlag = "print records, one JSON object a line"

// helpWanted is the error of a verb that was asked for help.
type helpWanted struct{ flags *flag.FlagSet }

func (helpWanted) Error() string { return "help is wanted" }

// parse parses a verb's flags, which may follow its arguments. After "--" nothing
// is a flag. It leaves the arguments in the flag set (Args). The error is a
// usageError, or helpWanted.
func parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	var rest, plain []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, rest = args[:i], args[i+1:]
	}
	for {
		if err := flags.Parse(args); err != nil {
			return flagError(flags, err)
		}
		if flags.NArg() == 0 {
			break
		}
		plain, args = append(plain, flags.Arg(0)), flags.Args()[1:]
	}
	return flags.Parse(slices.Concat([]string{"--"}, plain, rest))
}

// flagError returns the error of a verb for one of its flags.
func flagError(flags *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return helpWanted{flags}
	}
	if name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown {
		var names []string
		flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
		err = errors.New(err.Error() + didYouMean(name, "-", names))
	}
	return usageError{err}
}

// didYouMean returns a question to put at the end of an error about an unknown name:
// "; did you mean PREFIX NAME?", with the nearest known name. It returns "" if none is
// near. A name is near if it is the beginning of a known one, or if at most two
// edits, in at most half of the name, make it a known one.
func didYouMean(name, prefix string, known []string) string {
	nearest, least := "", 3
	for _, k := range known {
		edits := levenshtein.ComputeDistance(name, k)
		if len(name) > 1 && strings.HasPrefix(k, name) {
			edits = 1
		}
		if edits < least && 2*edits <= max(len(name), len(k)) {
			nearest, least = k, edits
		}
	}
	if nearest == "" {
		return ""
	}
	return "; did you mean " + prefix + nearest + "?"
}

// count returns how many flags are set.
func count(flags ...bool) (n int) {
	for _, set := range flags {
		if set {
			n++
		}
	}
	return n
}
