package study

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"

	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/trial"
)

func (p *page) pair(of []record.Series) error {
	p.section("One code, two fates", of)
	p.say("The published puzzle is that the canonical reproducer crashed when go1.23.4 had\n" +
		"built it, and did not when go1.23.9 had. The function's code is the same,\n" +
		"instruction for instruction, and so is its window. What differs is luck: the\n" +
		"canonical victim is hit so seldom that how long it lives says next to nothing\n" +
		"about the code.")
	p.table("victim, release", of, func(s record.Series) string {
		return strings.TrimPrefix(s.Label, "pair/")
	})
	tiny := map[string]trial.Sample{}
	var releases []string
	var all, traced, both trial.Sample
	for _, s := range of {
		switch release, lives := labelSuffix(s), s.Sample(); s.Label {
		case "pair/tiny/" + release:
			tiny[release] = lives
			releases = append(releases, release)
			all = append(all, lives...)
		case "pair/traced/" + release:
			traced = append(traced, lives...)
		default:
			both = append(both, lives...)
		}
	}
	if len(releases) != 2 {
		return fmt.Errorf("%d releases to compare: want two", len(releases))
	}
	a, b := releases[0], releases[1]
	c, err := trial.LogRank(tiny[a], tiny[b])
	if err != nil {
		return err
	}
	p.say("The tiny victim, which is hit often, tells no difference between %s and %s:\n"+
		"log-rank chi-squared %.2f, p = %.2g, ratio of the rates %.2f.", a, b, c.ChiSquared, c.P, c.Ratio)
	rate := both.Rate()
	text := fmt.Sprintf("The canonical one, in %.0f s with both, died %s: %s a second.",
		both.Seconds(), times(both.Deaths()), report.Rate(both))
	for _, fast := range []struct {
		name string
		trial.Sample
	}{{"tiny", all}, {"traced", traced}} {
		text += fmt.Sprintf("\nThe %s one's hazard is %.0f times that at least", fast.name, fast.Rate().Estimate/rate.High)
		if rate.Estimate > 0 {
			text += fmt.Sprintf(", and %.0f times by the estimate", fast.Rate().Estimate/rate.Estimate)
		}
		text += "."
	}
	p.say("%s", text)
	const run = 90.0 // seconds, after which the published one had crashed
	p.say("So a run of %.0f s crashes with a probability of %.0f to %.0f %%: somebody who tries each\n"+
		"release once or twice may well see one crash and the other not, with no difference\n"+
		"between them.", run, 100*(1-math.Exp(-rate.Low*run)), 100*(1-math.Exp(-rate.High*run)))
	return p.figure("pair", "Survival of the tiny victim, by release", func() (*plot.Plot, error) {
		return drawSurvival(map[string]trial.Sample{a: tiny[a], b: tiny[b]})
	})
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (p *page) body(of []record.Series) error {
	p.section("Length of a call", of)
	p.say("A request to preempt poisons the goroutine's stack guard and sends a signal. A\n" +
		"victim that runs while the request is made sees the guard in its next prologue and\n" +
		"yields there: the signal comes too late, unless the call outlasts it. A victim that\n" +
		"waits for a CPU is hit wherever it is. So a lone victim with short calls lives long,\n" +
		"and one in a crowd dies the sooner the shorter they are.")
	p.table("way, iterations", of, func(s record.Series) string { return strings.TrimPrefix(s.Label, "body/") })
	var points []Point
	for _, s := range of {
		points = append(points, Point{
			Instructions: Instructions(s.Stress.Body), Deaths: float64(s.Deaths), Seconds: s.Exposed,
			ManyVictims: strings.HasPrefix(s.Label, "body/crowd/"),
		})
	}
	m, err := Fit(points)
	if err != nil {
		return err
	}
	p.say("The model is\n\n    rate(b) = requests * (off + (1 - off) * exp(-latency/b)) / b\n\n"+
		"for a call of b instructions of which one is the window: the share of requests\n"+
		"that find the victim off its CPU, and the window over the body where a call\n"+
		"outlasts the signal's latency. Fitted by maximum likelihood: latency %.0f\n"+
		"instructions; lone %.0f requests a second, %.1f %% of them off; crowd %.0f requests a\n"+
		"second, %.0f %% of them off.", m.Latency, m.Requests[0], 100*m.OffCPU[0], m.Requests[1], 100*m.OffCPU[1])
	canonical := Instructions(0) + 5*65536
	p.say("For the canonical reproducer, alone with calls of about %.0f instructions, this says\n"+
		"one death in %.0f s.", canonical, 1/m.Rate(canonical, false))
	if seen := p.canonical(); seen.Deaths() > 0 {
		rate, says := seen.Rate(), m.Rate(canonical, false)
		text := "which does not contradict the model"
		if says < rate.Low || says > rate.High {
			text = "so the model does not hold for calls so long: something that it leaves out hits them"
		}
		p.say("Measured, above, was one in %.0f s (%.0f to %.0f),\n%s.", 1/rate.Estimate, 1/rate.High, 1/rate.Low, text)
	}
	return p.figure("body", "Hazard rate by the length of a call, and the model", func() (*plot.Plot, error) { return drawBody(of, m) })
}

// canonical returns the lives of the canonical reproducer, with all releases.
func (p *page) canonical() (all trial.Sample) {
	for _, s := range p.seriesOf("pair") {
		if s.Func == "canonical" {
			all = append(all, s.Sample()...)
		}
	}
	return all
}

func (p *page) victims(of []record.Series) error {
	p.section("Victims a CPU", of)
	p.say("Each has a P of its own, and the observer one more. Polite victims let every other\n" +
		"thread go first (SCHED_IDLE): a collector's thread that wakes up takes a victim's\n" +
		"CPU at any instruction, and asks it to preempt itself meanwhile. Stopped ones are\n" +
		"rough, with GODEBUG=gcstoptheworld=1: each collection asks all of them at once. None\n" +
		"of these was faster still: victims tied to one CPU each, or all to one; two and four\n" +
		"collectors; memory statistics or goroutine profiles beside them; nice victims.")
	p.table("way, victims a CPU", of, func(s record.Series) string { return strings.TrimPrefix(s.Label, "victims/") })
	return p.figure("victims", "Hazard rate by victims a CPU", func() (*plot.Plot, error) { return drawVictims(of) })
}

func (p *page) observer(of []record.Series) error {
	p.section("Observers", of)
	p.say("A leaf of 65,568 bytes, which has both windows. Only the collector's stack scan and\n" +
		"the tracer's walk of frame pointers insist on a complete unwind: goroutine profiles\n" +
		"and stack dumps preempt, too, and go on in silence. What dies under the CPU profiler\n" +
		"does so with the text of a stack scan (unexpected return pc): starting a profile\n" +
		"makes garbage, and the collector runs.")
	p.table("observer", of, labelSuffix)
	return nil
}

func (p *page) frame(of []record.Series) error {
	p.section("Frame size", of)
	p.say("The size of the frame decides whether there is a window: 65,536 has none, and is here\n" +
		"as the control. Of those that have one the larger live longer; why was not looked\n" +
		"into.")
	p.table("observer, frame, bytes", of, func(s record.Series) string { return s.Observer + ", " + strconv.Itoa(s.Frame) })
	return nil
}

func (p *page) watched(of []record.Series) error {
	p.section("The watched pot", of)
	p.say("The same victim while somebody looks on. What slows a guest down, or stops it at\n" +
		"system calls and signals, changes how often it is hit, in either direction; what\n" +
		"turns async preemption off hides the defect altogether. The race detector cannot\n" +
		"name it: there is no data race in the victim's source, as a build of it with -race\n" +
		"for the host shows (go test ./internal/victim -run DataRace).")
	p.table("watched by", of, labelSuffix)
	for _, s := range of {
		if s.Deaths == 0 {
			exposed := time.Duration(s.Exposed * float64(time.Second)).Round(time.Second / 10)
			p.say("- %s: never in %v of exposure, which is no proof", labelSuffix(s), exposed)
		}
	}
	return nil
}
