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
	p.say("A public report says that the canonical reproducer crashed when it was built with\n" +
		"go1.23.4, and did not crash when it was built with go1.23.9. Both releases make the\n" +
		"same code, instruction for instruction, with the same window. The difference was\n" +
		"chance: the canonical victim is preempted in its window so rarely that the time of\n" +
		"one run says next to nothing about the code.")
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
	text := fmt.Sprintf("The canonical victim died %[2]s in %.0[1]f s with both releases: %[3]s per second.",
		both.Seconds(), times(both.Deaths()), report.Rate(both))
	for _, fast := range []struct {
		name string
		trial.Sample
	}{{"tiny", all}, {"traced", traced}} {
		text += fmt.Sprintf("\nThe hazard of the %s victim is at least %.0f times that", fast.name, fast.Rate().Estimate/rate.High)
		if rate.Estimate > 0 {
			text += fmt.Sprintf(" (by the estimate, %.0f times)", fast.Rate().Estimate/rate.Estimate)
		}
		text += "."
	}
	p.say("%s", text)
	const run = 90.0 // seconds; the published run had crashed after that time
	p.say("So a run of %.0f s crashes with a probability of %.0f to %.0f %%. A person who tries each\n"+
		"release once or twice may well see one of them crash and the other not, although there\n"+
		"is no difference between them.", run, 100*(1-math.Exp(-rate.Low*run)), 100*(1-math.Exp(-rate.High*run)))
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
		"that waits for a CPU is preempted wherever it stopped, at any instruction. So a lone\n" +
		"victim, which seldom waits, lives long if its calls are short. A victim in a crowd,\n" +
		"which often waits, dies sooner if its calls are shorter.")
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
		"for a call of b instructions, one of which is the window. The share off of the requests\n"+
		"finds the victim waiting for a CPU. The other requests count only if the call lasts\n"+
		"longer than the latency of the signal. The fit by maximum likelihood gives a latency of\n"+
		"%.0f instructions. It gives %.0f requests per second for a lone victim, with %.1f %% off,\n"+
		"and %.0f requests per second in a crowd, with %.0f %% off.", m.Latency, m.Requests[0], 100*m.OffCPU[0], m.Requests[1], 100*m.OffCPU[1])
	canonical := Instructions(0) + 5*65536
	p.say("The canonical reproducer is a lone victim with calls of about %.0f instructions. For it\n"+
		"the model predicts one death in %.0f s.", canonical, 1/m.Rate(canonical, false))
	if seen := p.canonical(); seen.Deaths() > 0 {
		rate, says := seen.Rate(), m.Rate(canonical, false)
		text := "That does not contradict the model."
		if says < rate.Low || says > rate.High {
			text = "So the model does not hold for calls of this length, and leaves something out."
		}
		p.say("The first table has one death in %.0f s (%.0f to %.0f).\n%s", 1/rate.Estimate, 1/rate.High, 1/rate.Low, text)
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
	p.section("Victims per CPU", of)
	p.say("Each victim has its own P, and so has the observer. Polite victims let every other\n" +
		"thread run first (SCHED_IDLE): when a thread of the collector wakes up, it takes the\n" +
		"CPU from a victim at any instruction, and then requests its preemption. Rough victims\n" +
		"do not do that. Stopped victims are rough, with GODEBUG=gcstoptheworld=1: each\n" +
		"collection requests the preemption of all victims at once.\n" +
		"\n" +
		"None of these was faster:\n" +
		"\n" +
		"- each victim bound to a CPU, or all victims bound to the same CPU\n" +
		"- two or four goroutines that collect garbage\n" +
		"- memory statistics or goroutine profiles at the same time\n" +
		"- victims run with nice")
	p.table("way, victims per CPU", of, func(s record.Series) string { return strings.TrimPrefix(s.Label, "victims/") })
	return p.figure("victims", "Hazard rate by victims per CPU", func() (*plot.Plot, error) { return drawVictims(of) })
}

func (p *page) observer(of []record.Series) error {
	p.section("Observers", of)
	p.say("The victim is a leaf function with a frame of 65,568 bytes, which has both windows. Only\n" +
		"the collector's stack scan and the tracer's walk of frame pointers need a complete\n" +
		"unwind. Goroutine profiles and stack dumps also preempt, but ignore an incomplete\n" +
		"unwind. A victim that dies under the CPU profiler dies in a stack scan: its log says\n" +
		"\"unexpected return pc\". Starting a profile makes garbage, so the collector runs.")
	p.table("observer", of, labelSuffix)
	return nil
}

func (p *page) frame(of []record.Series) error {
	p.section("Frame size", of)
	p.say("The size of the frame decides whether there is a window. A frame of 65,536 bytes does\n" +
		"not have one, and is the control. Among the victims with a window, most of those with\n" +
		"larger frames live longer. The reason was not studied.")
	p.table("observer, frame, bytes", of, func(s record.Series) string { return s.Observer + ", " + strconv.Itoa(s.Frame) })
	return nil
}

func (p *page) watched(of []record.Series) error {
	p.section("Under other tools", of)
	p.say("The victim is the same in each row, and a tool watches it. Some tools slow a guest\n" +
		"down, or stop it at system calls and signals. That makes deaths more frequent or less\n" +
		"frequent. Without async preemption nothing dies, and the defect is hidden completely.\n" +
		"The race detector cannot find the defect, because the victim has no data race, as a\n" +
		"build with -race for the host shows (go test ./internal/victim -run DataRace).")
	p.table("watched by", of, labelSuffix)
	for _, s := range of {
		if s.Deaths == 0 {
			exposed := time.Duration(s.Exposed * float64(time.Second)).Round(time.Second / 10)
			p.say("- %s: no death in %v of exposure, which proves nothing", labelSuffix(s), exposed)
		}
	}
	return nil
}
