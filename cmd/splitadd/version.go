package main

import "runtime/debug"

// toolVersion returns the version of the module that this command was built from,
// "(devel)" if it is none that was released.
func toolVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
