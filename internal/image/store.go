package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// A store gives access to the files of an image by name: manifests, configurations, layers.
type store interface {
	// manifest returns the contents of a manifest, index or configuration. If it does not
	// exist, the error wraps fs.ErrNotExist.
	manifest(name string) ([]byte, error)
	// layer returns a layer. It reads each layer once, and returns the same pointer for the
	// same name.
	layer(name string) *layer
}

// Files at the root of an OCI layout, and of a docker-save archive.
const (
	layoutFile   = "oci-layout"
	indexFile    = "index.json"
	manifestFile = "manifest.json"
)

// IsLayout reports whether a folder is an OCI layout.
func IsLayout(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, layoutFile))
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, indexFile))
	}
	return err == nil
}

// openRegular opens a regular file for reading. Any other file is an error. It does not wait
// for the writer of a pipe.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// countManifest counts a manifest, or a layer that a manifest lists, and returns an error at
// the limit.
func (r *reader) countManifest() error {
	if r.manifests++; r.manifests > r.limits.Manifests {
		return fmt.Errorf("more than %d manifests and layers: %w", r.limits.Manifests, ErrExceeded)
	}
	return nil
}

// maxManifestRatio times Limits.Manifest is the limit for all manifests together.
const maxManifestRatio = 16

// readManifest returns the whole contents of a manifest.
func (r *reader) readManifest(from io.Reader) ([]byte, error) {
	if err := r.countManifest(); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(from, r.limits.Manifest+1))
	r.manifestBytes += int64(len(data))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > r.limits.Manifest:
		return nil, fmt.Errorf("a manifest of more than %d bytes: %w", r.limits.Manifest, ErrExceeded)
	case r.manifestBytes > maxManifestRatio*r.limits.Manifest:
		return nil, fmt.Errorf("more than %d bytes of manifests: %w", maxManifestRatio*r.limits.Manifest, ErrExceeded)
	}
	return data, nil
}

// A folder is an OCI layout.
type folder struct {
	*reader
	root   string
	layers map[string]*layer
}

func (f *folder) manifest(name string) ([]byte, error) {
	file, err := openRegular(filepath.Join(f.root, filepath.FromSlash(memberName(name))))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return f.readManifest(archiveReader{f.reader, file})
}

func (f *folder) layer(name string) *layer {
	if l := f.layers[name]; l != nil {
		return l
	}
	l := &layer{}
	file, err := openRegular(filepath.Join(f.root, filepath.FromSlash(memberName(name))))
	if err != nil {
		l.err = err
	} else {
		defer file.Close()
		l = f.reader.readLayer(archiveReader{f.reader, file})
	}
	f.layers[name] = l
	return l
}
