package crash

import (
	"bytes"
	"container/list"
	"io"
	"sort"

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
	Headless  bool
	Truncated bool // there was more of it than maxLog bytes
}

// Find calls visit with the crashes in a log, each as soon as it is known to be
// complete: not in the order of their lines. Lines may have prefixes, or be
// strings in JSON, one or a whole crash in each; other lines may stand between
// them; the latest line may come first. What it holds in memory does not grow with
// the log. What it does not read because of a bound is added to omitted.
func Find(from io.Reader, visit func(Log), omitted *Omitted) error {
	f := finder{visit: visit, omitted: omitted, streams: map[uint64]*stream{}, byActivity: list.New()}
	err := unwrap.Read(from, &f)
	for f.byActivity.Len() > 0 {
		f.end(f.byActivity.Front().Value.(*stream), false)
	}
	return err
}

// Logs finds the crashes in an input, in the order in which they begin.
func Logs(data []byte) (logs []Log) {
	// A reader of bytes does not fail.
	_ = Find(bytes.NewReader(data), func(l Log) { logs = append(logs, l) }, new(Omitted))
	sort.SliceStable(logs, func(i, j int) bool { return logs[i].Line < logs[j].Line })
	return logs
}

// A finder finds crashes in streams of lines. It is the sink of unwrap.Read.
type finder struct {
	visit      func(Log)
	streams    map[uint64]*stream
	byActivity *list.List // of the streams, those first that have been quiet for longest
	linesRead  int        // that have been read
	heldBytes  int        // bytes
	omitted    *Omitted
}

// Line takes a line.
func (f *finder) Line(l unwrap.Line) {
	f.linesRead++
	s := f.streams[l.Source]
	if s == nil {
		if l.Kind == syntax.None {
			return
		}
		if len(f.streams) >= maxStreams {
			f.evict()
		}
		s = &stream{emit: f.complete, source: l.Source}
		f.streams[l.Source] = s
		s.activity = f.byActivity.PushBack(s)
	}
	f.byActivity.MoveToBack(s.activity)
	s.lastLine = f.linesRead
	before := s.bytes
	s.add(l)
	if f.heldBytes += s.bytes - before; f.heldBytes > maxHeld {
		f.evict()
	}
}

// Skip notes that a line was not read.
func (f *finder) Skip(number int, why unwrap.SkipReason) {
	var what *int
	switch why {
	case unwrap.ComplexJSON:
		what = &f.omitted.JSONLines
	case unwrap.TooManyPrefixes:
		what = &f.omitted.ManyPrefixLines
	case unwrap.PrefixTooLong:
		what = &f.omitted.LongPrefixLines
	}
	f.omitted.Add(what, number)
}

// Forget ends the stream of a source whose lines are not recognized any more.
func (f *finder) Forget(source uint64) {
	if s := f.streams[source]; s != nil {
		f.end(s, true)
	}
}

// complete passes on a crash.
func (f *finder) complete(l Log) {
	if l.Truncated {
		f.omitted.Add(&f.omitted.LongCrashes, l.Line)
	}
	f.visit(l)
}

// maxGap is how many lines others may print in the middle of a crash, as far as
// anybody could tell.
const maxGap = 50000

// evict ends the half of the streams that have been quiet for longest.
func (f *finder) evict() {
	for range (f.byActivity.Len() + 1) / 2 {
		f.end(f.byActivity.Front().Value.(*stream), true)
	}
}

// end completes the crash of a stream, early if more of the log is to come.
func (f *finder) end(s *stream, early bool) {
	f.byActivity.Remove(s.activity)
	f.heldBytes -= s.bytes
	if line := s.finish(); early && line > 0 && f.linesRead-s.lastLine < maxGap {
		f.omitted.Add(&f.omitted.InterruptedCrashes, line)
	}
	delete(f.streams, s.source)
}
