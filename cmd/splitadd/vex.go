package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"splitadd/internal/report"
	"splitadd/internal/survey"
)

// checksum writes the checksum of a binary's file into the binary. A file in an archive has
// none.
func checksum(b *survey.Binary, path string) error {
	if b.Place.Archive != "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	b.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// writeVEX writes the OpenVEX document.
func (s *scanner) writeVEX() error {
	unnamed, err := report.VEX(s.stdout, s.sum.Tool, s.gate.Kinds, s.found)
	for _, name := range unnamed {
		say(s.stderr, "warning", name+": no version and no file of its own: nothing is stated about it")
	}
	return err
}
