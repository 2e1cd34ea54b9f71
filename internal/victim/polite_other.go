//go:build !linux
// +build !linux

package victim

// polite does nothing: only Linux lets a thread wait for all others.
func polite() error { return nil }
