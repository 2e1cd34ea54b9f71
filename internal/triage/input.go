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

// ErrOmitted is wrapped by the error for a log of which something was not read
// because of a bound, or because the rest of it could not be unpacked. The
// verdicts on what was read are returned with it.
var ErrOmitted = errors.New("not all of it was read")

// File gives the verdicts on a log or a core file. The binary may be nil.
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
			err := objfile.Guard(func() (err error) { // of the binary
				v, err = Core(ctx, path, b)
				return err
			})
			return []Verdict{v}, err
		}
	}
	return Reader(path, interruptible{ctx, file}, b)
}

// An interruptible is a reader that ends with a context.
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

// Reader gives the verdicts on a log, which may be compressed with gzip or zstd, or
// be UTF-16, in the order in which the crashes begin. Crashes that read alike have
// one. What it holds in memory does not grow with the log, but with the verdicts.
func Reader(name string, from io.Reader, b *Binary) ([]Verdict, error) {
	text, err := openText(bufio.NewReaderSize(from, peekSize))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer text.Close()
	j := inputJudge{name: name, binary: b, folder: crash.NewGrouper(), seen: map[uint64]int{}}
	err = objfile.Guard(func() error { // of the binary
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

// Bounds on the verdicts on an input. What comes after so many that are different
// is looked at only if an unwinder may have died; after so many of these, no more.
const (
	maxShown  = 1000
	maxJudged = 2500
)

// A inputJudge gives the verdicts on the crashes of an input.
type inputJudge struct {
	name   string
	binary *Binary
	folder *crash.Grouper
	seen   map[uint64]int // the verdict on crashes that read alike, or -1

	verdicts         []Verdict
	judged           int
	unshown          Verdict // on those that are not shown
	unshownUndecided int     // of them
	omitted          crash.Omitted
}

func (j *inputJudge) judge(l crash.Log) {
	key := j.folder.Key(l)
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
		j.unshown.count(l.Line) // and is not remembered: there may be any number
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

// count counts a crash that begins in a line.
func (v *Verdict) count(line int) {
	if v.Count++; v.Line == 0 || line < v.Line {
		v.Line = line
	}
	v.Last = max(v.Last, line)
}

// finish returns the verdicts, or one that says that no crash was found. If err says that not
// finish of the log was read, another verdict says so.
func (j *inputJudge) finish(err error) []Verdict {
	sort.SliceStable(j.verdicts, func(a, b int) bool { return j.verdicts[a].Line < j.verdicts[b].Line })
	if j.unshown.Count > 0 {
		v := newVerdict(NotThis, "crashes that are not shown, after many: no unwinder is in them")
		if j.unshownUndecided > 0 {
			v = newVerdict(Undecided, fmt.Sprintf("crashes that are not shown, after many: %d of them look like it, or tell too little", j.unshownUndecided))
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
		v := newVerdict(Undecided, "no crash of a Go program is in it")
		v.Settle = "what the process printed to its standard error, from the beginning of the crash"
		j.add(v)
	}
	return j.verdicts
}

func (j *inputJudge) add(v Verdict) {
	v.Input = j.name
	j.verdicts = append(j.verdicts, v)
}
