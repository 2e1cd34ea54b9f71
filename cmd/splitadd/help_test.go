package main

import (
	"bytes"
	"flag"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOverview shows that the list of verbs fits on a screen.
func TestOverview(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeOverview(&b))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	assert.LessOrEqual(t, len(lines), 24)
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 80, "%s", line)
	}
	for _, v := range verbs {
		assert.Contains(t, b.String(), "\n  "+v.name+" ")
	}
}

// flagOf matches a flag in a synopsis or an example.
var flagOf = regexp.MustCompile(`(?:^|[\[ (])-([a-z][a-z-]*)`)

// TestVerbHelp compares the help of each verb with its flags. Each flag has a
// description and is in the synopsis, and the synopsis names no others. The help has
// the exit statuses and an example that parses.
func TestVerbHelp(t *testing.T) {
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			var b bytes.Buffer
			require.Equal(t, 0, run([]string{"help", v.name}, &b, &b))
			help := b.String()
			for _, line := range strings.Split(help, "\n") {
				assert.LessOrEqual(t, len(line), 90, "%s", line)
			}
			assert.True(t, strings.HasPrefix(strings.ToLower(help), v.name+" "), "the first line says what it does")

			var declared []string
			v.flags().VisitAll(func(f *flag.Flag) {
				declared = append(declared, f.Name)
				argument, text := flag.UnquoteUsage(f)
				assert.NotEmpty(t, text, "-%s", f.Name)
				assert.Contains(t, help, "\n  "+strings.TrimSpace("-"+f.Name+" "+argument))
				assert.NotContains(t, []string{"value", "int", "string", "duration"}, argument, "-%s: what kind of value?", f.Name)
			})
			synopsis := strings.ReplaceAll(strings.Join(v.forms, " "), "ENGINE", "-engine -emulator -kernel")
			var named []string
			for _, m := range flagOf.FindAllStringSubmatch(synopsis, -1) {
				named = append(named, m[1])
			}
			slices.Sort(named)
			assert.Equal(t, declared, slices.Compact(named), "the flags of the synopsis")

			_, statuses, _ := strings.Cut(help, "\nExit status:\n")
			statuses, example, found := strings.Cut(statuses, "\nExample:\n")
			require.True(t, found)
			require.NotEmpty(t, v.statuses)
			for _, s := range v.statuses {
				assert.Regexp(t, `(?m)^  `+strconv.Itoa(s.code)+` +`+regexp.QuoteMeta(s.means)+`$`, statuses)
			}
			_, line, found := strings.Cut(example, "splitadd "+v.name)
			require.True(t, found)
			line, _, _ = strings.Cut(line, " -- ")
			for _, m := range flagOf.FindAllStringSubmatch(line, -1) {
				assert.Contains(t, declared, m[1], "the example")
			}
		})
	}
}

// TestParse states what is a flag and what an argument.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		line, o string
		json    bool
		args    []string
	}{
		{"a -json b -o c", "c", true, []string{"a", "b"}},
		{"--json --o=c a", "c", true, []string{"a"}},
		{"-o -json -", "-json", false, []string{"-"}},
		{"-json=false a -- -o -- -json", "", false, []string{"a", "-o", "--", "-json"}},
		{"-- a -json", "", false, []string{"a", "-json"}},
		{"a --", "", false, []string{"a"}},
	} {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		json, o := flags.Bool("json", false, ""), flags.String("o", "", "")
		require.NoError(t, parse(flags, strings.Fields(c.line)), "%s", c.line)
		assert.Equal(t, c.json, *json, "%s", c.line)
		assert.Equal(t, c.o, *o, "%s", c.line)
		assert.Equal(t, c.args, flags.Args(), "%s", c.line)
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.String("o", "", "")
	assert.EqualError(t, parse(flags, []string{"a", "-o", "--", "b"}), "flag needs an argument: -o")
}

// TestDidYouMean states what is near enough to be asked about.
func TestDidYouMean(t *testing.T) {
	flags := []string{"all", "fp", "from", "json", "markdown", "o", "q", "to"}
	for name, want := range map[string]string{
		"jsno": "json", "jsn": "json", "frmo": "from", "mark": "markdown", "f": "fp", "xp": "fp",
		"x": "", "nonsense": "", "": "",
	} {
		if want != "" {
			want = "; did you mean -" + want + "?"
		}
		assert.Equal(t, want, didYouMean(name, "-", flags), "%s", name)
	}
}
