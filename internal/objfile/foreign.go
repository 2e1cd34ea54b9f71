package objfile

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"fmt"
)

// A ForeignError is the error for an executable for an architecture other than arm64. It
// wraps ErrFormat.
type ForeignError struct {
	Format string // "ELF", "Mach-O" or "PE"
	Arch   string // GOARCH, or the format's name for an architecture that Go does not support
	Go     bool   // the file has Go's build information
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%v: %s for %s", ErrFormat, e.Format, e.Arch)
}
func (e *ForeignError) Unwrap() error { return ErrFormat }

// foreignError returns the error for an executable for the architecture arch.
func (f *File) foreignError(arch string) error {
	return &ForeignError{f.Format, arch, HasBuildInfo(f.data)}
}

// Go's build information begins with BuildInfoMagic, at an address that is a multiple of
// BuildInfoAlign bytes (debug/buildinfo, buildInfoMagic and buildInfoAlign). Since Go 1.13
// the linker has written it to every executable, including stripped ones.
const (
	BuildInfoMagic = "\xff Go buildinf:"
	BuildInfoAlign = 16
)

// HasBuildInfo reports whether data, the contents of a file or a segment, has the header of
// Go's build information: the magic, the size of a pointer, and two flags.
func HasBuildInfo(data []byte) bool {
	for off := 0; ; off++ {
		i := bytes.Index(data[off:], []byte(BuildInfoMagic))
		if i < 0 {
			return false
		}
		off += i
		flags := data[off+len(BuildInfoMagic):]
		if off%BuildInfoAlign == 0 && len(flags) >= 2 && flags[1] <= 3 && (flags[0] == 0 || flags[0] == 4 || flags[0] == 8) {
			return true
		}
	}
}

// elfArch returns the name of the architecture of an ELF file, as ForeignError.Arch has it.
func elfArch(ident [elf.EI_NIDENT]byte, machine elf.Machine) string {
	little := elf.Data(ident[elf.EI_DATA]) == elf.ELFDATA2LSB
	is64 := elf.Class(ident[elf.EI_CLASS]) == elf.ELFCLASS64
	name, ok := map[elf.Machine]string{
		elf.EM_X86_64: "amd64", elf.EM_386: "386", elf.EM_ARM: "arm", elf.EM_AARCH64: "arm64", elf.EM_RISCV: "riscv64",
		elf.EM_LOONGARCH: "loong64", elf.EM_S390: "s390x", elf.EM_PPC64: "ppc64", elf.EM_MIPS: "mips",
	}[machine]
	switch {
	case !ok:
		return machine.String()
	case machine == elf.EM_MIPS && is64:
		name = "mips64"
	case machine == elf.EM_AARCH64 && !little:
		return "arm64be"
	case machine == elf.EM_AARCH64 && !is64:
		return "arm64 with 32-bit pointers"
	}
	if little && (machine == elf.EM_MIPS || machine == elf.EM_PPC64) {
		name += "le"
	}
	return name
}

// machoArch returns the name of the architecture of a Mach-O file.
func machoArch(cpu macho.Cpu) string {
	name, ok := map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.Cpu386: "386", macho.CpuArm: "arm", macho.CpuArm64: "arm64"}[cpu]
	if !ok {
		return cpu.String()
	}
	return name
}

// peArch returns the name of the architecture of a PE file.
func peArch(machine uint16) string {
	name, ok := map[uint16]string{
		pe.IMAGE_FILE_MACHINE_AMD64: "amd64", pe.IMAGE_FILE_MACHINE_I386: "386",
		pe.IMAGE_FILE_MACHINE_ARM: "arm", pe.IMAGE_FILE_MACHINE_ARMNT: "arm", pe.IMAGE_FILE_MACHINE_ARM64: "arm64",
	}[machine]
	if !ok {
		return fmt.Sprintf("machine %#x", machine)
	}
	return name
}

// elfMachine returns the machine of an ELF file, in the byte order that its header
// states.
func elfMachine(ident [elf.EI_NIDENT]byte, data []byte) elf.Machine {
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(ident[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	return elf.Machine(order.Uint16(data[elf.EI_NIDENT+2:]))
}
