package vm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/cavaliergopher/cpio"

	"splitadd/internal/lab/cache"
	"splitadd/internal/output"
)

// initramfs returns an archive of the init program, the kernel's modules and tools,
// in the cache. It is named by its contents.
func (k kernel) initramfs(ctx context.Context, buildInit func(context.Context, string) error, tools []string) (string, error) {
	folder, err := cache.Folder()
	if err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(folder, "half-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	init := filepath.Join(scratch, "init")
	if err := buildInit(ctx, init); err != nil {
		return "", err
	}
	root := ""
	if len(tools) > 0 {
		if root, err = unpackDebian(ctx, tools, true); err != nil {
			return "", err
		}
	}
	hash := sha256.New() // of the archive, which is written once for its name
	if err := k.archive(hash, init, root); err != nil {
		return "", err
	}
	name := filepath.Join(folder, fmt.Sprintf("initramfs-%x", hash.Sum(nil)[:8]))
	err = output.Replace(name, 0o666, func(file *os.File) error { return k.archive(file, init, root) })
	if err != nil {
		return "", err
	}
	cache.Forget(filepath.Join(folder, "initramfs-*"))
	return name, nil
}

// archive writes an archive of the init program, the kernel's modules and, if root
// is not "", all that is below it.
func (k kernel) archive(w io.Writer, init, root string) error {
	a := archive{cpio.NewWriter(w)}
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "modules"} {
		if err := a.add(&cpio.Header{Name: dir, Mode: cpio.TypeDir | 0o755}, ""); err != nil {
			return err
		}
	}
	if err := a.file("init", init, 0o755); err != nil {
		return err
	}
	for i, module := range k.modules {
		if err := a.file(fmt.Sprintf("modules/%d-%s", i, filepath.Base(module)), module, 0o644); err != nil {
			return err
		}
	}
	if root != "" {
		if err := a.tree(root); err != nil {
			return err
		}
	}
	return a.Close()
}

// An archive is a cpio archive, which the kernel unpacks.
type archive struct{ *cpio.Writer }

// add adds an entry. Its contents are those of the file from, or empty if that is "".
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

// tree adds everything below a folder, except documentation and translations.
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
