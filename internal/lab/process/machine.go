package process

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

var (
	modelName = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)
	cpuPart   = regexp.MustCompile(`(?ms)^CPU implementer\s*: (\S+)$.*?^CPU part\s*: (\S+)$`)
)

// Machine names this machine's kernel and its release, the model of its processors, if
// the system reports it, and their number.
func Machine() string {
	system, release, model := runtime.GOOS, "", ""
	switch runtime.GOOS {
	case "linux":
		system = "Linux"
		data, _ := os.ReadFile("/proc/sys/kernel/osrelease")
		release = string(data)
		data, _ = os.ReadFile("/proc/cpuinfo")
		if m := modelName.FindSubmatch(data); m != nil {
			model = string(m[1])
		} else if m := cpuPart.FindSubmatch(data); m != nil {
			model = fmt.Sprintf("cpu part %s of implementer %s", m[2], m[1])
		}
	case "darwin":
		system = "Darwin"
		data, _ := exec.Command("sysctl", "-n", "kern.osrelease").Output()
		release = string(data)
		data, _ = exec.Command("sysctl", "-n", "machdep.cpu.brand_string").Output()
		model = string(data)
	}
	words := []string{strings.TrimSpace(system + " " + strings.TrimSpace(release))}
	if model = strings.TrimSpace(model); model != "" {
		words = append(words, model)
	}
	return strings.Join(append(words, fmt.Sprintf("%d cpus", runtime.NumCPU())), ", ")
}
