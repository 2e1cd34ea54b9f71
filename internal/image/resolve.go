package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A plan is an image whose layers are not read yet.
type plan struct {
	name     string // a tag, or ""
	platform v1.Platform
	layers   []planned
	err      error // why it cannot be read
}

// A planned layer is one to read.
type planned struct {
	name    string // in the store
	digest  string // that it has to have, or ""
	diffID  string // that it has to have if it is not compressed, or ""
	command string
}

// images reads the images in a store. If there are images for arm64, it reads only these.
func (r *reader) images(s store) ([]Image, error) {
	plans, err := r.plans(s)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(plans, func(p plan) bool { return p.platform.Architecture == "arm64" }) {
		plans = slices.DeleteFunc(plans, func(p plan) bool { return p.platform.Architecture != "arm64" && p.platform.Architecture != "" })
	}
	if len(plans) == 0 {
		return nil, errors.New("no image is in it")
	}
	var images []Image
	for _, p := range plans {
		images = append(images, r.load(s, p))
	}
	return images, nil
}

// plans returns the images in a store. Docker from version 25 on writes an OCI index and a
// manifest of its own about the same images.
func (r *reader) plans(s store) ([]plan, error) {
	index, err := s.manifest(indexFile)
	if err == nil {
		o := oci{reader: r, store: s}
		if err := o.index(index, "", 0); err != nil {
			return nil, fmt.Errorf("%s: %w", indexFile, err)
		}
		return o.plans, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r.dockerPlans(s)
}

// load reads the layers of an image.
func (r *reader) load(s store, p plan) Image {
	name := p.name
	if platform := p.platform.String(); platform != "" {
		name = strings.TrimSpace(name + " " + platform)
	}
	var errs []error
	if p.err != nil {
		errs = append(errs, p.err)
	}
	var layers []*layer
	for _, want := range p.layers {
		l := *s.layer(want.name) // each image has its own history
		l.command = want.command
		if l.err == nil {
			l.err = l.differs(want)
		}
		if l.err != nil {
			errs = append(errs, fmt.Errorf("layer %s: %w", want, l.err))
		}
		layers = append(layers, &l)
	}
	return r.image(name, layers, errs)
}

// differs returns an error if a layer is not the one that the manifest means.
func (l *layer) differs(want planned) error {
	if want.digest != "" && l.digest != want.digest || want.diffID != "" && l.plain && l.digest != want.diffID {
		return fmt.Errorf("its contents are another: they have the digest %s", l.digest)
	}
	return nil
}

// String names a layer for an error.
func (p planned) String() string {
	switch {
	case p.digest != "":
		return p.digest
	case p.diffID != "":
		return p.diffID
	}
	return p.name
}

// describe adds what a configuration says about an image and its layers.
func (p *plan) describe(config []byte) error {
	c, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return err
	}
	if p.platform.Architecture == "" {
		p.platform = v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	}
	var commands []string
	for _, h := range c.History {
		if !h.EmptyLayer {
			commands = append(commands, h.CreatedBy)
		}
	}
	for i := range p.layers {
		if len(commands) == len(p.layers) { // else it is not known which made which
			p.layers[i].command = commands[i]
		}
		if len(c.RootFS.DiffIDs) == len(p.layers) {
			p.layers[i].diffID = c.RootFS.DiffIDs[i].String()
		}
	}
	return nil
}

// dockerPlans returns the images of a docker-save archive, whose manifest is a list of
// names.
func (r *reader) dockerPlans(s store) (plans []plan, err error) {
	data, err := s.manifest(manifestFile)
	if err != nil {
		return nil, err
	}
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	for _, m := range manifest {
		var p plan
		if len(m.RepoTags) > 0 {
			p.name = m.RepoTags[0]
		}
		for _, name := range m.Layers {
			if err := r.countManifest(); err != nil {
				return nil, err
			}
			p.layers = append(p.layers, planned{name: name})
		}
		config, err := s.manifest(m.Config)
		if err == nil {
			err = p.describe(config)
		}
		if err != nil {
			p.err = fmt.Errorf("configuration %s: %w", m.Config, err)
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// blob returns the name of a blob in an OCI layout.
func blob(digest v1.Hash) string { return path.Join("blobs", digest.Algorithm, digest.Hex) }

// verified returns the contents of a blob, if they have its digest.
func verified(s store, digest v1.Hash) ([]byte, error) {
	data, err := s.manifest(blob(digest))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest.Hex {
		return nil, fmt.Errorf("%s: its contents have the digest sha256:%x", blob(digest), sum)
	}
	return data, nil
}
