package crash

import (
	"bytes"
	"container/list"
	"io"
	"sort"

	"splitadd/internal/crash/syntax"
	"splitadd/internal/crash/unwrap"
)

// Bounds on what is held in memory while a log is read.
const (
	maxLog     = 4 << 20  // bytes of a crash
	maxStreams = 20000    // streams
	maxHeld    = 64 << 20 // bytes of all streams together
)

// A Log is one crash. It has the lines that the process printed, in the order in which it
// printed them, without what log collectors add.
type Log struct {
	Text []byte // at most maxLog bytes
	Line int    // the number of its first line in the input, from 1
	// Headless is true if what the process died of is missing: the log begins among the
	// goroutines.
	Headless  bool
	Truncated bool // the crash has more than maxLog bytes
}

// Find calls visit with each crash in a log as soon as the crash is known to be complete,
// so not in the order of their lines. Lines may have prefixes. They may be strings in JSON,
// one line or a whole crash in each string. Other lines may stand between the lines of a
// crash, and the latest line may come first. The memory that Find needs does not depend on
// the length of the log. It counts in omitted what it does not read because of a bound.
func Find(from io.Reader, visit func(Log), omitted *Omitted) error {
	f := finder{visit: visit, omitted: omitted, streams: map[uint64]*stream{}, byActivity: list.New()}
	err := unwrap.Read(from, &f)
	for f.byActivity.Len() > 0 {
		f.end(f.byActivity.Front().Value.(*stream), false)
	}
	return err
}

// Logs returns the crashes in an input, in the order in which they begin.
func Logs(data []byte) (logs []Log) {
	// A reader of bytes does not fail.
	_ = Find(bytes.NewReader(data), func(l Log) { logs = append(logs, l) }, new(Omitted))
	sort.SliceStable(logs, func(i, j int) bool { return logs[i].Line < logs[j].Line })
	return logs
}

// A finder finds crashes in streams of lines. It is the sink of unwrap.Read.
type finder struct {
	visit      func(Log)
	streams    map[uint64]*stream // by source
	byActivity *list.List         // the streams; those that have had no line for longest come first
	linesRead  int
	heldBytes  int // bytes that the streams hold
	omitted    *Omitted
}

// Line adds a line to the stream of its source.
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

// Skip counts a line that was not read.
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

// Forget ends the stream of a source whose lines are no longer recognized.
func (f *finder) Forget(source uint64) {
	if s := f.streams[source]; s != nil {
		f.end(s, true)
	}
}

// complete passes a complete crash to visit.
func (f *finder) complete(l Log) {
	if l.Truncated {
		f.omitted.Add(&f.omitted.LongCrashes, l.Line)
	}
	f.visit(l)
}

// maxGap is how many lines of other sources are assumed to come between two lines of the
// same crash, at most.
const maxGap = 50000

// evict ends half of the streams: those that have had no line for longest.
func (f *finder) evict() {
	for range (f.byActivity.Len() + 1) / 2 {
		f.end(f.byActivity.Front().Value.(*stream), true)
	}
}

// end completes the crash of a stream. If the end of the log has not been reached, early is
// true.
func (f *finder) end(s *stream, early bool) {
	f.byActivity.Remove(s.activity)
	f.heldBytes -= s.bytes
	if line := s.finish(); early && line > 0 && f.linesRead-s.lastLine < maxGap {
		f.omitted.Add(&f.omitted.InterruptedCrashes, line)
	}
	delete(f.streams, s.source)
}
