package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"splitadd/internal/safe"
)

// A progress is a line on a terminal that says what is being done. If the output is
// not a terminal, it prints nothing.
type progress struct {
	to    io.Writer
	bar   *progressbar.ProgressBar
	begin time.Time
}

func newProgress(to io.Writer) *progress {
	if file, ok := to.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		to = io.Discard
	}
	return &progress{to: to, begin: time.Now()}
}

// say shows what is being done, with no known end.
func (p *progress) say(what string) { p.step(what, 0, -1) }

// step shows what is being done, and how many steps of the total are done.
func (p *progress) step(what string, done, total int) {
	what = safe.Text(what)
	if p.bar == nil || p.bar.GetMax() != total {
		p.end()
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(p.to), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetWidth(20), progressbar.OptionSetDescription(what),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetSpinnerChangeInterval(0)) // it moves when something happens
	}
	p.bar.Describe(what)
	_ = p.bar.Set(done)
	_ = p.bar.RenderBlank()
}

// end clears the line.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
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
