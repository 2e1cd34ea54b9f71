package process

import "embed"

// Source is the source of this package.
//
//go:embed group.go limit_linux.go limit_other.go machine.go nogroup.go output.go process.go source.go text.go
var Source embed.FS
