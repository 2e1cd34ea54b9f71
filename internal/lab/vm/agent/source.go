package agent

import "embed"

// Source is the source of this package and of the init in its folder.
//
//go:embed conn.go serve.go source.go init/main.go
var Source embed.FS
