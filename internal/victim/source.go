package victim

import "embed"

// Source is the source of this package and of the stand-alone guest in its folder guest.
// The names are relative to internal/victim.
//
//go:embed barriers.go config.go constants.go contract.go copies.go frames.go group.go guest/main.go
//go:embed hold.go hold_linux_arm64.go hold_linux_arm64.s hold_other.go ladder.go loop.go observer.go pointer.go
//go:embed polite_linux.go polite_other.go registers_arm64.go registers_arm64.s registers_other.go
//go:embed run.go source.go victim.go
var Source embed.FS
