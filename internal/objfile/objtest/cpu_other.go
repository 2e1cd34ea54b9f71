//go:build !unix

package objtest

import "time"

var started = time.Now()

func processorTime() time.Duration { return time.Since(started) }
