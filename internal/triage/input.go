package triage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"splitadd/internal/core"
	"splitadd/internal/crash"
	"splitadd/internal/objfile"
)

// ErrOmitted is wrapped by the error for a log of which something was not read, because of a
// bound or because the rest of it could not be decompressed. The verdicts on what was read are
// returned together with the error.
var ErrOmitted = errors.New("not all of it was read")

// File returns the verdicts on a log or a core file. The binary may be nil.
func File(ctx context.Context, path string, b *Binary) ([]Verdict, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: a folder, not a log or a core file", path)
	}
	if info.Mode().IsRegular() {
		begin := make([]byte, 64)
		if n, err := file.ReadAt(begin, 0); err != nil && err != io.EOF {
			return nil, err
		} else if core.IsCore(begin[:n]) {
			var v Verdict
			err := objfile.Guard(func() (err error) { // the binary may be hostile
				v, err = Core(ctx, path, b)
				return err
			})
			return []Verdict{v}, err
		}
	}
	return Reader(path, interruptible{ctx, file}, b)
}

// An interruptible is a reader that returns an error when a context is done.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// Reader returns the verdicts on a log, in the order in which the crashes begin. The log may be
// compressed with gzip or zstd, or be UTF-16. Crashes that read alike have one verdict. The
// memory that Reader needs grows with the number of verdicts, not with the length of the log.
func Reader(name string, from io.Reader, b *Binary) ([]Verdict, error) {
	text, err := openText(bufio.NewReaderSize(from, peekSize))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer text.Close()
	j := inputJudge{name: name, binary: b, grouper: crash.NewGrouper(), seen: map[uint64]int{}}
	err = objfile.Guard(func() error { // the binary may be hostile
		return crash.Find(text, j.judge, &j.omitted)
	})
	switch what := j.omitted.String(); {
	case errors.Is(err, ErrOmitted), err == nil && what == "":
	case err == nil:
		err = fmt.Errorf("%w: %s", ErrOmitted, what)
	case len(j.verdicts) > 0:
		err = fmt.Errorf("%w: %w", ErrOmitted, err)
	default:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	verdicts := j.finish(err)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return verdicts, err
}

// Bounds on the verdicts on an input.
const (
	maxShown  = 1000 // verdicts: later crashes are judged only if an unwinder may have died
	maxJudged = 2500 // crashes that are judged
)

// An inputJudge collects the verdicts on the crashes in an input.
type inputJudge struct {
	name    string
	binary  *Binary
	grouper *crash.Grouper
	seen    map[uint64]int // by the key of a crash, the index of its verdict, or -1

	verdicts         []Verdict
	judged           int     // crashes that were judged
	unshown          Verdict // the lines and the number of the crashes that are not shown
	unshownUndecided int     // how many of them are undecided
	omitted          crash.Omitted
}

// judge takes a crash.
func (j *inputJudge) judge(l crash.Log) {
	key := j.grouper.Key(l)
	if i, seen := j.seen[key]; seen {
		if i < 0 {
			j.unshown.count(l.Line)
		} else {
			j.verdicts[i].count(l.Line)
		}
		return
	}
	full := len(j.verdicts) >= maxShown
	switch {
	case full && !crash.MayBeUnwindFailure(l.Text):
		j.unshown.count(l.Line) // not remembered in seen, which would grow without bound
		return
	case j.judged >= maxJudged:
		j.omitted.Add(&j.omitted.LateCrashes, l.Line)
		return
	default:
		j.judged++
		v := Log(l, j.binary)
		if v.truncated {
			j.omitted.Add(&j.omitted.WordyCrashes, l.Line)
		}
		if !full || v.Answer.Split() || v.Suspect {
			v.Input = j.name
			v.count(l.Line)
			j.seen[key] = len(j.verdicts)
			j.verdicts = append(j.verdicts, v)
			return
		}
		if v.Answer == Undecided {
			j.unshownUndecided++
		}
	}
	j.seen[key] = -1
	j.unshown.count(l.Line)
}

// count counts one more crash for the verdict, which begins in the given line.
func (v *Verdict) count(line int) {
	if v.Count++; v.Line == 0 || line < v.Line {
		v.Line = line
	}
	v.Last = max(v.Last, line)
}

// finish returns the verdicts. If there is none, it adds one that says that the log has no
// crash. If there are crashes that are not shown, or if err says that not all of the log was
// read, it adds a verdict that says so.
func (j *inputJudge) finish(err error) []Verdict {
	sort.SliceStable(j.verdicts, func(a, b int) bool { return j.verdicts[a].Line < j.verdicts[b].Line })
	if j.unshown.Count > 0 {
		v := newVerdict(NotThis, "more crashes, which are not shown: no unwinder failed in them")
		if j.unshownUndecided > 0 {
			v = newVerdict(Undecided, fmt.Sprintf("more crashes, which are not shown: %d of them are undecided", j.unshownUndecided))
			v.Settle = "the same log without the crashes that are shown"
		}
		v.Line, v.Last, v.Count = j.unshown.Line, j.unshown.Last, j.unshown.Count
		j.add(v)
	}
	if err != nil {
		v := newVerdict(Undecided, strings.Replace(err.Error(), ErrOmitted.Error(), "not all of the log was read", 1))
		v.Line, v.Settle = j.omitted.FirstLine, "the part of the log around each crash, by itself"
		j.add(v)
	}
	if len(j.verdicts) == 0 {
		v := newVerdict(Undecided, "it contains no crash of a Go program")
		v.Settle = "what the process printed to its standard error, from the beginning of the crash"
		j.add(v)
	}
	return j.verdicts
}

// add adds a verdict.
func (j *inputJudge) add(v Verdict) {
	v.Input = j.name
	j.verdicts = append(j.verdicts, v)
}
