package victim

import "embed"

// Source is the source of this package and of the stand-alone guest in its folder guest.
// The names are relative to internal/victim.
//
//go:embed barriers.go config.go constants.go contract.go copies.go frames.go group.go guest/main.go
//go:embed hold.go ladder.go loop.go marking_linux_arm64.go marking_linux_arm64.s observer.go pin.go pin_other.go pointer.go
//go:embed polite_linux.go polite_other.go registers_arm64.go registers_arm64.s registers_other.go
//go:embed release_linux_arm64.go release_linux_arm64.s run.go signals_linux_arm64.go signals_linux_arm64.s
//go:embed source.go victim.go
var Source embed.FS
