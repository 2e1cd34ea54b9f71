package trial

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExposure(t *testing.T) {
	for output, want := range map[string]exposure{
		"":                             {},
		"splitadd guest: begin a gc\n": {began: true},
		"splitadd guest: begin a gc\nsplitadd guest: observed 3 calls 9 seconds 0.250\nsplitadd guest: observed 4 ca": {began: true, observations: 3, calls: 9, seconds: .25},
		"splitadd guest: begin a gc\nsplitadd guest: stuck 3 calls 9 seconds 0.250\n":                                 {began: true, ended: true, stuck: true, observations: 3, calls: 9, seconds: .25},
		"splitadd guest: observed -1 calls x seconds\n":                                                               {},
		"x splitadd guest: begin\n": {},
	} {
		assert.Equal(t, want, parseExposure([]byte(output)), "%q", output)
	}
}

func FuzzExposure(f *testing.F) {
	f.Add([]byte("splitadd guest: begin a gc\nsplitadd guest: end 3 calls 9 seconds 0.250\n"))
	f.Fuzz(func(_ *testing.T, output []byte) { parseExposure(output) })
}
