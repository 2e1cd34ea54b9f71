package crash

import (
	"bytes"
	"container/list"
	"fmt"
	"io"
	"sort"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash/syntax"
	"splitadd/internal/crash/unwrap"
)

// Bounds on what is held in memory of a log while it is read.
const (
	maxLog     = 4 << 20  // bytes of a crash
	maxStreams = 20000    // ways in which lines are wrapped, or processes
	maxHeld    = 64 << 20 // bytes of crashes that may go on
)

// A Log is one crash as its process printed it: what a collector of logs put
// round its lines is taken off, in the order in which they were printed.
type Log struct {
	Text []byte // at most maxLog bytes
	Line int    // of the input, from 1: the first that belongs to it
	// Headless is true if the log begins among the goroutines: what the process
	// died of was cut off, or never printed.
	Headless bool
	Cut      bool // there was more of it than maxLog bytes
}

// Omitted says what of an input was not read because of a bound.
type Omitted struct {
	Long   int // crashes of which the end was not read
	Quiet  int // crashes that may have gone on after many others
	AtLine int // where the first of them begins
}

// String says it in a line; "" if everything was read.
func (o Omitted) String() string {
	what := ""
	switch {
	case o.Long > 0 && o.Quiet > 0:
		what = fmt.Sprintf("%s of more than %d bytes, and %d that others interrupted for long, were not read to their ends", english.Plural(o.Long, "crash", ""), maxLog, o.Quiet)
	case o.Long == 1:
		what = fmt.Sprintf("a crash of more than %d bytes was not read to its end", maxLog)
	case o.Long > 1:
		what = fmt.Sprintf("%d crashes of more than %d bytes were not read to their ends", o.Long, maxLog)
	case o.Quiet == 1:
		what = "a crash that others interrupted for long may not have been read to its end"
	case o.Quiet > 1:
		what = fmt.Sprintf("%d crashes that others interrupted for long may not have been read to their ends", o.Quiet)
	default:
		return ""
	}
	return fmt.Sprintf("%s; the first begins in line %d", what, o.AtLine)
}

// Find calls visit with the crashes in a log, each as soon as it is known to be
// complete: not in the order of their lines. Lines may have prefixes, or be
// strings in JSON, one or a whole crash in each; other lines may stand between
// them; the latest line may come first. What it holds in memory does not grow with
// the log.
func Find(from io.Reader, visit func(Log)) (Omitted, error) {
	f := finder{visit: visit, streams: map[uint64]*stream{}, quiet: list.New()}
	err := unwrap.Read(from, f.line)
	f.forget(f.quiet.Len(), false)
	return f.omitted, err
}

// Logs finds the crashes in an input, in the order in which they begin.
func Logs(data []byte) (logs []Log) {
	// A reader of bytes does not fail.
	_, _ = Find(bytes.NewReader(data), func(l Log) { logs = append(logs, l) })
	sort.SliceStable(logs, func(i, j int) bool { return logs[i].Line < logs[j].Line })
	return logs
}

// A finder finds crashes in streams of lines.
type finder struct {
	visit   func(Log)
	streams map[uint64]*stream
	quiet   *list.List // of the streams, those first that have been quiet for longest
	lines   int        // that have been read
	held    int        // bytes
	omitted Omitted
}

func (f *finder) line(l unwrap.Line) {
	f.lines++
	s := f.streams[l.Source]
	if s == nil {
		if l.Kind == syntax.None {
			return
		}
		if len(f.streams) >= maxStreams {
			f.evict()
		}
		s = &stream{complete: f.complete, source: l.Source}
		f.streams[l.Source] = s
		s.place = f.quiet.PushBack(s)
	}
	f.quiet.MoveToBack(s.place)
	s.last = f.lines
	before := s.size
	s.add(l)
	if f.held += s.size - before; f.held > maxHeld {
		f.evict()
	}
}

// complete passes on a crash.
func (f *finder) complete(l Log) {
	if l.Cut {
		f.omit(&f.omitted.Long, l.Line)
	}
	f.visit(l)
}

func (f *finder) omit(what *int, line int) {
	if *what++; f.omitted.AtLine == 0 || line < f.omitted.AtLine {
		f.omitted.AtLine = line
	}
}

// recent is how many lines others may print in the middle of a crash, as far as
// anybody could tell.
const recent = 50000

// evict forgets the half of the streams that have been quiet for longest.
func (f *finder) evict() { f.forget((f.quiet.Len()+1)/2, true) }

// forget completes the crashes of the n streams that have been quiet for longest,
// early if more of the log is to come.
func (f *finder) forget(n int, early bool) {
	for range n {
		s := f.quiet.Remove(f.quiet.Front()).(*stream)
		f.held -= s.size
		s.finish()
		if early && s.open != nil && s.open.told && f.lines-s.last < recent {
			f.omit(&f.omitted.Quiet, s.open.Line)
		}
		s.end()
		delete(f.streams, s.source)
	}
}
