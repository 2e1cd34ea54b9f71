package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"splitadd/internal/trial"
)

// Series writes a table of how long victims live, with warnings about each row.
func Series(to io.Writer, series []trial.Series) error {
	var t table
	var notes strings.Builder
	fmt.Fprintln(&t, "kind\tvictim\tobserver\truns\tdied\texposed\tmedian\tdeaths per second, 95 %\thow")
	for _, s := range series {
		fmt.Fprintf(&t, "%s\t%s\t%s\t%d\t%d\t%.1f s\t%s\t%s\t%s\n", s.Kind(), s.Func, s.Observer,
			len(s.Sample), s.Sample.Deaths(), s.Sample.Seconds(), Median(s.Sample), Rate(s.Sample), s.Stress)
		for _, w := range s.Sample.Warnings() {
			fmt.Fprintf(&notes, "%s: %s\n", s.Func, w)
		}
	}
	_, err := io.WriteString(to, t.String()+notes.String())
	return err
}

// Median formats the median time to crash, or its lower bound if it is not known.
func Median(s trial.Sample) string {
	median, known := s.Median()
	if !known {
		return fmt.Sprintf("> %s s", twoDigits(median))
	}
	return twoDigits(median) + " s"
}

// twoDigits formats a number with two significant digits, and without an exponent.
func twoDigits(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 2, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// Rate formats a hazard rate, in deaths per second, with its interval.
func Rate(s trial.Sample) string {
	r := s.Rate()
	if r.Estimate == 0 {
		return "< " + twoDigits(r.High)
	}
	return fmt.Sprintf("%s (%s to %s)", twoDigits(r.Estimate), twoDigits(r.Low), twoDigits(r.High))
}
