package study

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"

	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/trial"
)

func (p *page) pair(of []record.Series) error {
	p.section("The same code crashed once and survived once", of)
	p.say("In a public report about golang/go#73259, the 35-line reproducer crashed when it was\n" +
		"built with go1.23.4, and did not crash when it was built with go1.23.9. Both releases\n" +
		"make the same code, instruction for instruction, with the same window. The difference\n" +
		"was chance: the canonical victim is preempted in its window so rarely that the time of\n" +
		"one run says next to nothing about the code. It was measured twice, the second time\n" +
		"(\"canonical again\") later, because other work on the machine changes the result.")
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
	p.say("The tiny victim, which is preempted in its window often, shows no difference between\n"+
		"%s and %s. A log-rank test compares how long the runs of the two lived: chi-squared\n"+
		"is %.2f, p is %.2g, and the ratio of the rates is %.2f.", a, b, c.ChiSquared, c.P, c.Ratio)
	rate := both.Rate()
	text := fmt.Sprintf("With both releases together, the canonical victim died %[2]s in %.0[1]f s: %[3]s per second.",
		both.Seconds(), times(both.Deaths()), report.Rate(both))
	for _, fast := range []struct {
		name string
		trial.Sample
	}{{"tiny", all}, {"traced", traced}} {
		text += fmt.Sprintf("\nThe rate of the %s victim is at least %.0f times as high", fast.name, fast.Rate().Estimate/rate.High)
		if rate.Estimate > 0 {
			text += fmt.Sprintf(" (%.0f times if the estimate is right)", fast.Rate().Estimate/rate.Estimate)
		}
		text += "."
	}
	p.say("%s", text)
	const run = 90.0 // seconds; the published run had crashed after that time
	p.say("So a canonical run of %.0f s crashes with a probability of %.0f to %.0f %%. A person who\n"+
		"tries each release once or twice may well see one of them crash and the other not,\n"+
		"although there is no difference between them.", run, 100*(1-math.Exp(-rate.Low*run)), 100*(1-math.Exp(-rate.High*run)))
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
	p.say("To preempt a goroutine, the runtime does two things. It sets the goroutine's stack\n" +
		"guard so that the next prologue makes the goroutine yield, and it sends a signal. A\n" +
		"victim that is running comes to its next prologue, and yields there. The signal comes\n" +
		"too late, unless the call lasts longer than the signal takes. A victim that waits for a\n" +
		"CPU is preempted wherever it stopped, at any instruction.\n" +
		"\n" +
		"In \"lone\" runs there is one victim, and it and the observer each have their own CPU. In\n" +
		"\"crowd\" runs there are three victims for each CPU. The number in the table is the\n" +
		"iterations of a loop in each call. A lone victim seldom waits, so it should live long if\n" +
		"its calls are short. A victim in a crowd often waits, so it should die sooner if its\n" +
		"calls are shorter.")
	p.table("victims, iterations", of, func(s record.Series) string { return strings.TrimPrefix(s.Label, "body/") })
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
	p.say("A model of this is\n\n    rate(b) = requests * (waiting + (1 - waiting) * exp(-latency/b)) / b\n\n"+
		"Here b is the length of a call in instructions, one of which is the window. \"Requests\"\n"+
		"is the number of requests per second to preempt a victim. \"Waiting\" is the share of\n"+
		"them that find it waiting for a CPU. The other requests count only if the call lasts\n"+
		"longer than \"latency\", the time that the signal takes, in instructions. A fit by maximum\n"+
		"likelihood gives a latency of %.0f instructions. For a lone victim it gives %.0f requests\n"+
		"per second, of which %.1f %% find it waiting, and for one in a crowd %.0f requests per\n"+
		"second, of which %.0f %% find it waiting.", m.Latency, m.Requests[0], 100*m.OffCPU[0], m.Requests[1], 100*m.OffCPU[1])
	canonical := Instructions(0) + 5*65536
	p.say("The canonical victim is a lone victim with calls of about %.0f instructions. For it the\n"+
		"model predicts one death in %.0f s.", canonical, 1/m.Rate(canonical, false))
	if seen := p.canonical(); seen.Deaths() > 0 {
		rate, says := seen.Rate(), m.Rate(canonical, false)
		text := "That does not contradict the model."
		if says < rate.Low || says > rate.High {
			text = "So the model does not hold for calls of this length. What it leaves out is not known."
		}
		p.say("The measurement in the first table is one death in %.0f s (%.0f to %.0f).\n%s", 1/rate.Estimate, 1/rate.High, 1/rate.Low, text)
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
	p.say("This compares three ways to run the tiny victim. In each, GOMAXPROCS is high enough for\n" +
		"all victims and the observer to run at the same time, so the kernel shares the CPUs\n" +
		"among them.\n" +
		"\n" +
		"- \"Polite\" victims let every other thread run first (SCHED_IDLE). When a thread of the\n" +
		"  collector wakes up, it takes the CPU from a victim at any instruction, and then requests\n" +
		"  the victim's preemption.\n" +
		"- \"Rough\" victims have the usual priority.\n" +
		"- \"Stopped\" victims have the usual priority as well, with GODEBUG=gcstoptheworld=1: each\n" +
		"  collection requests the preemption of all victims at once.\n" +
		"\n" +
		"These were tried as well, and none made victims die faster than the fastest of the three:\n" +
		"\n" +
		"- each victim bound to a CPU, or all victims bound to the same CPU\n" +
		"- two or four goroutines that collect garbage\n" +
		"- memory statistics or goroutine profiles at the same time\n" +
		"- victims of low priority (nice)")
	p.table("way, victims per CPU", of, func(s record.Series) string { return strings.TrimPrefix(s.Label, "victims/") })
	return p.figure("victims", "Hazard rate by victims per CPU", func() (*plot.Plot, error) { return drawVictims(of) })
}

func (p *page) observer(of []record.Series) error {
	p.section("Observers", of)
	p.say("The tiny victim, which has a window of the stack pointer and one of the frame pointer, ran\n" +
		"under each observer:\n" +
		"\n" +
		"- gc collects garbage\n" +
		"- trace does so under the execution tracer\n" +
		"- goroutines takes goroutine profiles\n" +
		"- stacks prints the stacks of all goroutines\n" +
		"- cpu takes CPU profiles\n" +
		"- none does nothing\n" +
		"\n" +
		"Only the collector's stack scan and the tracer's walk of frame pointers need a complete\n" +
		"unwind. Goroutine profiles and stack dumps also preempt, but ignore an incomplete unwind. If\n" +
		"the guest dies under the CPU profiler, it dies in a stack scan, because its log says\n" +
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
	p.say("People who look for such a crash change a setting or run the program under a tool. Here\n" +
		"the tiny victim ran in these ways, in user mode and in the virtual machine (\"vm\"). \"Plain\"\n" +
		"is without any. Some tools slow a guest down, or stop it at system calls and signals. That\n" +
		"makes deaths more frequent or less frequent. Without async preemption nothing dies, and the\n" +
		"defect is hidden completely. The race detector cannot find the defect, because the victim\n" +
		"has no data race, as a build with -race for the host shows (go test ./internal/victim -run\n" +
		"DataRace).")
	p.table("run with", of, labelSuffix)
	var alive []string
	for _, s := range of {
		if s.Deaths == 0 {
			alive = append(alive, labelSuffix(s))
		}
	}
	if len(alive) > 0 {
		p.say("No guest died in these rows, which alone proves nothing: %s.", strings.Join(alive, "; "))
	}
	return nil
}
