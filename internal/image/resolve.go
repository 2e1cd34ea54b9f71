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

// An imagePlan is an image whose layers are not read yet.
type imagePlan struct {
	name     string // a tag, or ""
	platform v1.Platform
	layers   []layerRef
	err      error // why the image cannot be read
}

// A layerRef is a layer of an imagePlan.
type layerRef struct {
	name    string // of its file in the store
	digest  string // the digest that the manifest has for it, or ""
	diffID  string // the digest that the configuration has for its contents without compression, or ""
	command string
}

// readImages reads the images in a store. If there are images for arm64, it reads only these.
func (r *reader) readImages(s store) ([]Image, error) {
	plans, err := r.findPlans(s)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(plans, func(p imagePlan) bool { return p.platform.Architecture == "arm64" }) {
		plans = slices.DeleteFunc(plans, func(p imagePlan) bool { return p.platform.Architecture != "arm64" && p.platform.Architecture != "" })
	}
	if len(plans) == 0 {
		return nil, errors.New("contains no image")
	}
	var images []Image
	for _, p := range plans {
		images = append(images, r.readImage(s, p))
	}
	return images, nil
}

// findPlans returns the images in a store. Docker 25 and later write an OCI index as well as
// Docker's own manifest for the same images. The index takes precedence.
func (r *reader) findPlans(s store) ([]imagePlan, error) {
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

// readImage reads the layers of an image.
func (r *reader) readImage(s store, p imagePlan) Image {
	name := p.name
	if platform := p.platform.String(); platform != "" {
		name = strings.TrimSpace(name + " " + platform)
	}
	var errs []error
	if p.err != nil {
		errs = append(errs, p.err)
	}
	var layers []*layer
	for _, ref := range p.layers {
		l := *s.layer(ref.name) // a copy, because each image has its own history
		l.command = ref.command
		if l.err == nil {
			l.err = l.checkDigest(ref)
		}
		if l.err != nil {
			errs = append(errs, fmt.Errorf("layer %s: %w", ref, l.err))
		}
		layers = append(layers, &l)
	}
	return r.image(name, layers, errs)
}

// checkDigest returns an error if a layer does not have the digest of ref.
func (l *layer) checkDigest(ref layerRef) error {
	if ref.digest != "" && l.digest != ref.digest || ref.diffID != "" && l.uncompressed && l.digest != ref.diffID {
		return fmt.Errorf("wrong contents: their digest is %s", l.digest)
	}
	return nil
}

// String returns the name of a layer for errors.
func (r layerRef) String() string {
	switch {
	case r.digest != "":
		return r.digest
	case r.diffID != "":
		return r.diffID
	}
	return r.name
}

// applyConfig adds the platform, and the commands and digests of the layers, from a
// configuration.
func (p *imagePlan) applyConfig(config []byte) error {
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
		if len(commands) == len(p.layers) { // if not, it is not known which command made which layer
			p.layers[i].command = commands[i]
		}
		if len(c.RootFS.DiffIDs) == len(p.layers) {
			p.layers[i].diffID = c.RootFS.DiffIDs[i].String()
		}
	}
	return nil
}

// dockerPlans returns the images of a docker-save archive, whose manifest lists the names of
// files.
func (r *reader) dockerPlans(s store) (plans []imagePlan, err error) {
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
		var p imagePlan
		if len(m.RepoTags) > 0 {
			p.name = m.RepoTags[0]
		}
		for _, name := range m.Layers {
			if err := r.countManifest(); err != nil {
				return nil, err
			}
			p.layers = append(p.layers, layerRef{name: name})
		}
		config, err := s.manifest(m.Config)
		if err == nil {
			err = p.applyConfig(config)
		}
		if err != nil {
			p.err = fmt.Errorf("configuration %s: %w", m.Config, err)
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// blobName returns the name of a blob in an OCI layout.
func blobName(digest v1.Hash) string { return path.Join("blobs", digest.Algorithm, digest.Hex) }

// readBlob returns the contents of a blob. It is an error if they do not have its digest.
func readBlob(s store, digest v1.Hash) ([]byte, error) {
	data, err := s.manifest(blobName(digest))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest.Hex {
		return nil, fmt.Errorf("%s: its contents have the digest sha256:%x", blobName(digest), sum)
	}
	return data, nil
}
