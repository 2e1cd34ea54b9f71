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
	p.say("It was published that the canonical reproducer crashed if go1.23.4 had built it,\n" +
		"and did not if go1.23.9 had. The function's code is the same, instruction for\n" +
		"instruction, and so is its window. The difference is chance: the canonical victim\n" +
		"is hit so rarely that its lifetime says next to nothing about the code.")
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
	p.say("The tiny victim, which is hit often, shows no difference between %s and %s:\n"+
		"log-rank chi-squared %.2f, p = %.2g, ratio of the rates %.2f.", a, b, c.ChiSquared, c.P, c.Ratio)
	rate := both.Rate()
	text := fmt.Sprintf("The canonical victim, in %.0f s with both, died %s: %s a second.",
		both.Seconds(), times(both.Deaths()), report.Rate(both))
	for _, fast := range []struct {
		name string
		trial.Sample
	}{{"tiny", all}, {"traced", traced}} {
		text += fmt.Sprintf("\nThe %s victim's hazard is at least %.0f times that", fast.name, fast.Rate().Estimate/rate.High)
		if rate.Estimate > 0 {
			text += fmt.Sprintf(", and %.0f times by the estimate", fast.Rate().Estimate/rate.Estimate)
		}
		text += "."
	}
	p.say("%s", text)
	const run = 90.0 // seconds, after which the published one had crashed
	p.say("So a run of %.0f s crashes with a probability of %.0f to %.0f %%: a person who tries each\n"+
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
		"victim that is running sees the guard in its next prologue and yields there. The\n" +
		"signal comes too late, unless the call lasts longer than the signal takes. A victim\n" +
		"that waits for a CPU is hit at any instruction. So a lone victim with short calls\n" +
		"lives long. A victim in a crowd dies sooner if its calls are shorter.")
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
		"for a call of b instructions, one of which is the window. Off is the share of requests\n"+
		"that find the victim waiting for a CPU. The rest count only if the call lasts\n"+
		"longer than the signal's latency. Fitted by maximum likelihood: latency %.0f\n"+
		"instructions; lone %.0f requests a second, %.1f %% of them off; crowd %.0f requests a\n"+
		"second, %.0f %% of them off.", m.Latency, m.Requests[0], 100*m.OffCPU[0], m.Requests[1], 100*m.OffCPU[1])
	canonical := Instructions(0) + 5*65536
	p.say("For the canonical reproducer, alone with calls of about %.0f instructions, this says\n"+
		"one death in %.0f s.", canonical, 1/m.Rate(canonical, false))
	if seen := p.canonical(); seen.Deaths() > 0 {
		rate, says := seen.Rate(), m.Rate(canonical, false)
		text := "which does not contradict the model"
		if says < rate.Low || says > rate.High {
			text = "so the model does not hold for calls of this length: something that it leaves out hits them"
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
	p.say("Each victim has its own P, and so has the observer. Polite victims let every other\n" +
		"thread go first (SCHED_IDLE): a collector's thread that wakes up takes a victim's\n" +
		"CPU at any instruction, and then requests its preemption. Rough victims do not do\n" +
		"that. Stopped victims are rough, with GODEBUG=gcstoptheworld=1: each collection asks\n" +
		"all of them at once. None of these was faster: victims tied to one CPU each, or all\n" +
		"to one; two and four collectors; memory statistics or goroutine profiles at the same\n" +
		"time; victims run with nice.")
	p.table("way, victims a CPU", of, func(s record.Series) string { return strings.TrimPrefix(s.Label, "victims/") })
	return p.figure("victims", "Hazard rate by victims a CPU", func() (*plot.Plot, error) { return drawVictims(of) })
}

func (p *page) observer(of []record.Series) error {
	p.section("Observers", of)
	p.say("The victim is a leaf of 65,568 bytes, which has both windows. Only the collector's\n" +
		"stack scan and the tracer's walk of frame pointers need a complete unwind. Goroutine\n" +
		"profiles and stack dumps also preempt, but ignore an incomplete unwind. A victim that\n" +
		"dies under the CPU profiler prints the text of a stack scan (unexpected return pc):\n" +
		"starting a profile makes garbage, and the collector runs.")
	p.table("observer", of, labelSuffix)
	return nil
}

func (p *page) frame(of []record.Series) error {
	p.section("Frame size", of)
	p.say("The size of the frame decides whether there is a window. A frame of 65,536 bytes has\n" +
		"none, and is the control. Of the victims with a window, those with larger frames live\n" +
		"longer. The reason was not studied.")
	p.table("observer, frame, bytes", of, func(s record.Series) string { return s.Observer + ", " + strconv.Itoa(s.Frame) })
	return nil
}

func (p *page) watched(of []record.Series) error {
	p.section("Under other tools", of)
	p.say("The same victim, watched by a tool. A tool that slows a guest down, or stops it at\n" +
		"system calls and signals, changes how often it is hit, in either direction. A tool\n" +
		"that turns async preemption off hides the defect completely. The race detector cannot\n" +
		"find it, because the victim's source has no data race. A build of it with -race for\n" +
		"the host shows that (go test ./internal/victim -run DataRace).")
	p.table("watched by", of, labelSuffix)
	for _, s := range of {
		if s.Deaths == 0 {
			exposed := time.Duration(s.Exposed * float64(time.Second)).Round(time.Second / 10)
			p.say("- %s: never in %v of exposure, which is no proof", labelSuffix(s), exposed)
		}
	}
	return nil
}
