// Package splitadd embeds the source of the test suite, package race, and of what it
// imports. From this source "splitadd repro -suite" writes the suite as a separate module.
package splitadd

import "embed"

// Source is the source of the package race and of all that it imports from this module.
//
//go:embed LICENSE go.mod go.sum race/*.go race/testdata/verdicts.txt
//go:embed internal/arm64/*.go internal/budget/*.go internal/hint/*.go internal/objfile/*.go internal/output/*.go
//go:embed internal/patch/*.go internal/pclntab/*.go internal/trial/*.go internal/window/*.go
//go:embed internal/crash/*.go internal/crash/pattern/*.go internal/crash/syntax/*.go internal/crash/unwrap/*.go
//go:embed internal/lab/*.go internal/lab/cache/*.go internal/lab/process/*.go internal/lab/qemu/*.go
//go:embed internal/lab/vm/*.go internal/lab/vm/agent/*.go internal/lab/vm/agent/init/*.go
//go:embed internal/victim/*.go internal/victim/*.s internal/victim/guest/*.go internal/repro/standin/*/*.go
var Source embed.FS
