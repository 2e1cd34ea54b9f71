package victim

import "embed"

// Source is the source of this package and of the stand-alone guest in its
// folder guest, laid out as a module's root would have to hold them below
// internal/victim.
//
//go:embed frames.go observer.go polite_linux.go polite_other.go run.go source.go victim.go guest/main.go
var Source embed.FS
