package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"

	"splitadd/internal/safe"
)

// A progress is a line on a terminal that says what is being done. If the output is not a
// terminal, it prints nothing.
//
// It is not a library's: those that were tried import net/http, or start goroutines, for
// what is one line here. The command has to start in a few milliseconds.
type progress struct {
	to    *os.File // nil if the output is not a terminal
	begin time.Time
}

func newProgress(to io.Writer) *progress {
	file, ok := to.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		file = nil
	}
	return &progress{to: file, begin: time.Now()}
}

// clearLine moves to the beginning of the line and clears it.
const clearLine = "\r\x1b[K"

// say shows what is being done, with no known end.
func (p *progress) say(what string) { p.show(safe.Text(what)) }

// step shows what is being done, and how many steps of the total are done.
func (p *progress) step(what string, done, total int) {
	p.show(fmt.Sprintf("%d/%d %s", done, total, safe.Text(what)))
}

// show shows the beginning of a text, as much of it as the line has room for.
func (p *progress) show(text string) {
	if p.to == nil {
		return
	}
	width, _, err := term.GetSize(int(p.to.Fd()))
	if err != nil || width < 2 {
		width = 80
	}
	if runes := []rune(text); len(runes) >= width {
		text = string(runes[:width-1])
	}
	fmt.Fprint(p.to, clearLine, text)
}

// end clears the line.
func (p *progress) end() {
	if p.to != nil {
		fmt.Fprint(p.to, clearLine)
	}
}

// stepIfSlow is like step, but shows nothing in the first second of the work.
func (p *progress) stepIfSlow(what string, done, total int) {
	if time.Since(p.begin) > time.Second {
		const most = 40 // characters
		if runes := []rune(what); len(runes) > most {
			what = "..." + string(runes[len(runes)-most:])
		}
		p.step(what, done, total)
	}
}

// colored reports whether output may have colours: it is a terminal, and the user does not
// object (https://no-color.org).
func colored(to io.Writer) bool {
	file, ok := to.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && runtime.GOOS != "windows" && term.IsTerminal(int(file.Fd()))
}
