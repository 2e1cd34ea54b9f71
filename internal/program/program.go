// Package program has what the small programs in cmd share: their main function, with its
// signals, errors and exit statuses.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"splitadd/internal/hint"
)

// ErrUsage is wrapped by the error of a mistake on the command line.
var ErrUsage = errors.New("usage")

// Main runs a program and exits. The context ends at an interrupt. Main writes the error
// and its hint to standard error. The exit status is 0 after success and after -help, 2
// for an error that wraps ErrUsage, and 1 for any other.
func Main(name string, run func(ctx context.Context, args []string, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	}
	fmt.Fprintf(os.Stderr, "%s: error: %v\n", name, err)
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		fmt.Fprintf(os.Stderr, "%s: hint: %s\n", name, hinted.Hint)
	}
	if errors.Is(err, ErrUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// Parse parses flags. Its error is flag.ErrHelp, or wraps ErrUsage.
func Parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUsage, err)
}
