package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
)

// completions are the scripts that complete a command line, by shell. They are
// made from the verbs and their flags. A word that is neither a verb nor a flag is
// completed as a file name.
var completions = map[string]string{
	"bash": `_splitadd() {
	local word=${COMP_WORDS[COMP_CWORD]} words= dash= i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -- ]] && return
	done
	if [[ $COMP_CWORD == 1 || $COMP_CWORD == 2 && ${COMP_WORDS[1]} == help ]]; then
		words="{{range .}}{{.Name}} {{end}}help"
	elif [[ ${COMP_WORDS[1]} == completion ]]; then
		words="bash fish zsh"
	elif [[ $word == -* ]]; then
		[[ $word == --* ]] && word=${word#-} dash=-
		case ${COMP_WORDS[1]} in
{{- range .}}{{if .Flags}}
		{{.Name}}) words="{{range .Flags}}-{{.Name}} {{end}}" ;;
{{- end}}{{end}}
		esac
	fi
	COMPREPLY=($(compgen -P "$dash" -W "$words" -- "$word"))
}
complete -o default -F _splitadd splitadd
`,
	"zsh": `#compdef splitadd
_splitadd() {
	local -a words_of
	if (( ${words[(I)--]} && ${words[(I)--]} < CURRENT )); then
		_files
	elif (( CURRENT == 2 )) || [[ CURRENT -eq 3 && $words[2] == help ]]; then
		words_of=({{range .}}
			{{quote (print .Name ":" .Text)}}{{end}}
			'help:describe the verbs'
		)
		_describe verb words_of
	elif [[ $words[2] == completion ]]; then
		compadd bash fish zsh
	elif [[ $words[CURRENT] == -* ]]; then
		case $words[2] in
{{- range .}}{{if .Flags}}
		{{.Name}}) words_of=({{range .Flags}}
			{{quote (print "-" .Name ":" .Text)}}{{end}}
			) ;;
{{- end}}{{end}}
		esac
		_describe flag words_of
	else
		_files
	fi
}
if [[ $funcstack[1] == _splitadd ]]; then
	_splitadd "$@"
else
	compdef _splitadd splitadd
fi
`,
	"fish": `{{range .}}complete -c splitadd -n __fish_use_subcommand -f -a {{.Name}} -d {{quote .Text}}
complete -c splitadd -n '__fish_seen_subcommand_from help' -f -a {{.Name}} -d {{quote .Text}}
{{$verb := .Name}}{{range .Flags}}complete -c splitadd -n '__fish_seen_subcommand_from {{$verb}}' -o {{.Name}} -d {{quote .Text}}
{{end}}{{end}}complete -c splitadd -n __fish_use_subcommand -f -a help -d 'describe the verbs'
complete -c splitadd -n '__fish_seen_subcommand_from completion' -f -a 'bash fish zsh'
`,
}

// A completed verb or flag.
type completed struct {
	Name, Text string
	Flags      []completed // of a verb
}

// completionVerb prints the script of a shell.
func completionVerb(_ context.Context, args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("completion", flag.ContinueOnError)
	if err := parse(flags, args); err != nil {
		return err
	}
	script, ok := completions[flags.Arg(0)]
	if !ok || flags.NArg() > 1 {
		return usageError{errors.New("completion takes one of " + strings.Join(slices.Sorted(maps.Keys(completions)), ", "))}
	}
	var all []completed
	for _, v := range verbs {
		c := completed{Name: v.name, Text: v.summary}
		v.flags().VisitAll(func(f *flag.Flag) {
			_, text := flag.UnquoteUsage(f)
			c.Flags = append(c.Flags, completed{Name: f.Name, Text: text})
		})
		all = append(all, c)
	}
	quote := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
	return template.Must(template.New("").Funcs(template.FuncMap{"quote": quote}).Parse(script)).Execute(stdout, all)
}

// flags returns the flags of a verb, which its run declares before it does anything.
func (v *verb) flags() *flag.FlagSet {
	var wanted helpWanted
	err := v.run(context.Background(), []string{"-h"}, io.Discard, io.Discard)
	if !errors.As(err, &wanted) {
		panic(v.name + " does not parse its flags first")
	}
	return wanted.flags
}
