package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"splitadd/internal/hint"
)

// A kernel is an unpacked package of a Linux kernel for arm64.
type kernel struct {
	image   string
	modules []string // the drivers, in the order in which they are loaded
}

// drivers are the drivers of a virtio port and a virtio disk, each after those that it
// needs. A driver that has no file is built into the kernel.
var drivers = []string{"virtio", "virtio_ring", "virtio_mmio", "virtio_console", "virtio_blk"}

// findKernel returns the kernel that is unpacked in a folder, or, if that is "",
// Debian's.
func findKernel(ctx context.Context, dir string) (k kernel, err error) {
	if dir == "" {
		if dir, err = unpackDebian(ctx, []string{kernelMeta}, false); err != nil {
			return k, err
		}
	}
	images, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil {
		return k, err
	}
	if len(images) != 1 {
		return k, &hint.Error{
			Err:  fmt.Errorf("kernel %s: %d files boot/vmlinuz-* in it: want one", dir, len(images)),
			Hint: "name a folder in which a package of a kernel for arm64 is unpacked: dpkg-deb -x linux-image-*-arm64.deb DIR",
		}
	}
	k.image = images[0]
	for _, name := range drivers {
		var found string
		err := filepath.WalkDir(filepath.Join(dir, "lib", "modules"), func(path string, d fs.DirEntry, err error) error {
			base := filepath.Base(path)
			if err == nil && d.Type().IsRegular() && slices.Contains([]string{name + ".ko", name + ".ko.xz", name + ".ko.gz", name + ".ko.zst"}, base) {
				found = path
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return k, err
		}
		if found != "" {
			k.modules = append(k.modules, found)
		}
	}
	return k, nil
}
