//go:build !linux
// +build !linux

package victim

// polite does nothing: only Linux has a scheduling class that runs after all others.
func polite() error { return nil }
