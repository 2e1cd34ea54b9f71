package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/cavaliergopher/cpio"
)

// A kernel is an unpacked package of a Linux kernel for arm64.
type kernel struct {
	image   string
	modules []string // the drivers of a virtio port, in the order in which they are loaded
}

// drivers are those of a virtio port, each after what it needs. One that is not
// there is built in.
var drivers = []string{"virtio", "virtio_ring", "virtio_mmio", "virtio_console"}

// findKernel returns the kernel that is unpacked in a folder, or, where none is
// named, Debian's.
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
		return k, &Error{fmt.Errorf("kernel %s: %d files boot/vmlinuz-* in it: want one", dir, len(images)),
			"name a folder in which a package of a kernel for arm64 is unpacked: dpkg-deb -x linux-image-*-arm64.deb DIR"}
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

// initramfs returns an archive of our init, the kernel's modules and tools, in
// the cache. It is named by its contents.
func (k kernel) initramfs(ctx context.Context, tools []string) (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(cache, "half-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	init := filepath.Join(half, "init")
	if err := buildInit(ctx, init); err != nil {
		return "", err
	}
	out, err := os.Create(filepath.Join(half, "initramfs"))
	if err != nil {
		return "", err
	}
	defer out.Close()
	hash := sha256.New()
	a := archive{cpio.NewWriter(io.MultiWriter(out, hash))}
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "modules"} {
		if err := a.add(&cpio.Header{Name: dir, Mode: cpio.TypeDir | 0o755}, ""); err != nil {
			return "", err
		}
	}
	if err := a.file("init", init, 0o755); err != nil {
		return "", err
	}
	for i, module := range k.modules {
		if err := a.file(fmt.Sprintf("modules/%d-%s", i, filepath.Base(module)), module, 0o644); err != nil {
			return "", err
		}
	}
	if len(tools) > 0 {
		root, err := unpackDebian(ctx, tools, true)
		if err != nil {
			return "", err
		}
		if err := a.tree(root); err != nil {
			return "", err
		}
	}
	if err := a.Close(); err != nil {
		return "", err
	}
	name := filepath.Join(cache, fmt.Sprintf("initramfs-%x", hash.Sum(nil)[:8]))
	if err := os.Rename(out.Name(), name); err != nil {
		return "", err
	}
	forget(filepath.Join(cache, "initramfs-*"))
	return name, nil
}

// forget removes from the cache what was made more than a day ago and may be
// large: archives of an earlier init or of tools, and what trees had compiled.
func forget(pattern string) {
	names, _ := filepath.Glob(pattern)
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(name)
		}
	}
}

// An archive is one of files for a kernel to unpack.
type archive struct{ *cpio.Writer }

// add adds an entry, whose contents are those of the file of that name, if any.
func (a archive) add(h *cpio.Header, from string) error {
	if from == "" {
		return a.WriteHeader(h)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if err := a.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(a.Writer, in)
	return err
}

func (a archive) file(name, from string, mode cpio.FileMode) error {
	return a.add(&cpio.Header{Name: name, Mode: cpio.TypeReg | mode, Links: 1}, from)
}

// tree adds all that is below a folder, but for documentation and languages.
func (a archive) tree(root string) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case slices.Contains([]string{"usr/share/doc", "usr/share/locale", "usr/share/man"}, name):
			return fs.SkipDir
		case d.IsDir():
			return a.add(&cpio.Header{Name: name, Mode: cpio.TypeDir | 0o755}, "")
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			if err := a.WriteHeader(&cpio.Header{Name: name, Mode: cpio.TypeSymlink | 0o777, Links: 1, Size: int64(len(target))}); err != nil {
				return err
			}
			_, err = io.WriteString(a.Writer, target)
			return err
		case d.Type().IsRegular():
			return a.file(path.Clean(name), file, 0o755)
		}
		return nil
	})
}
