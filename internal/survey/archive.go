package survey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"splitadd/internal/image"
	"splitadd/internal/objfile"
)

// Stdin is the path of standard input.
const Stdin = "-"

// A Place says where a binary is that is not a file of its own.
type Place struct {
	Archive string // the path of the archive, or Stdin
	Image   string // the image in it: its tag and platform, as far as they are known
	Layer   string // the digest of the image's layer
	Command string // that made the layer, if the image's history has it
}

// IsArchive reports whether a path names an image or an archive: standard input, an OCI
// layout, or a file that begins as one.
func IsArchive(path string) bool {
	if path == Stdin || image.IsLayout(path) {
		return true
	}
	file, _, err := objfile.OpenRegular(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(file, head)
	return image.IsArchive(head[:n])
}

// ScanArchive surveys the executables in an image or an archive, as many at a time as there
// are processors, and gives the results to done, sorted by path, image by image. It
// returns the number of other files. Errors about parts of an image are results. If the
// path is Stdin, the archive is read from stdin.
func ScanArchive(ctx context.Context, path string, stdin io.Reader, all bool, done func(Result) error) (others int, err error) {
	v := newVisitor(ctx, path, all, MaxMember)
	var images []image.Image
	if path == Stdin {
		images, err = image.ReadStream(ctx, stdin, v.visit, image.DefaultLimits)
	} else {
		images, err = image.Read(ctx, path, v.visit, image.DefaultLimits)
	}
	_ = v.group.Wait() // errors are in the results
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, named(path, err)
	}
	for _, i := range images {
		others += i.OtherFiles
		place := Place{Archive: path, Image: i.Name}
		for _, err := range i.Errors {
			if err := done(Result{Path: place.name(""), Err: fmt.Errorf("%s: %w", place.name(""), err)}); err != nil {
				return others, err
			}
		}
		for _, f := range i.Files {
			place.Layer, place.Command = f.Layer, f.Command
			if err := done(f.Found.(*found).result(f.Path, place)); err != nil {
				return others, err
			}
		}
	}
	return others, nil
}

// named adds the path to an error that does not have it.
func named(path string, err error) error {
	if errors.As(err, new(*os.PathError)) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// name returns how a file, or "", in this place is shown.
func (p Place) name(path string) string {
	if p.Archive == "" {
		return path
	}
	name := p.Archive
	if p.Image != "" {
		name += " (" + p.Image + ")"
	}
	if path != "" {
		name += ": " + path
	}
	return name
}

// Name returns how the binary is shown: as its path, which in an archive comes after the
// archive's.
func (b *Binary) Name() string { return b.Place.name(b.Path) }

// found is what the survey of one file of an archive found. Several images may have the
// file.
type found struct {
	binary *Binary
	err    error
}

func (f *found) result(path string, place Place) Result {
	if path == "" {
		path, place = place.Archive, Place{}
	}
	r := Result{Path: place.name(path), Err: f.err}
	if f.err == nil {
		b := *f.binary
		b.Path, b.Place = path, place
		r.Binary = &b
	}
	return r
}
