package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Annotations of descriptors: the name of an image, and the annotation with which BuildKit
// marks attestations, which it stores as images.
var (
	nameAnnotations = []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"}
	attestation     = "vnd.docker.reference.type"
)

// An oci reads the indexes and manifests of an OCI layout.
type oci struct {
	*reader
	store store
	plans []imagePlan
}

// index adds the images of an index. The name is that of the index that contains it, or "".
func (o *oci) index(data []byte, name string, depth int) error {
	if depth > o.limits.Depth {
		return fmt.Errorf("more than %d levels of indexes: %w", o.limits.Depth, ErrExceeded)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(data))
	if err != nil {
		return err
	}
	for _, d := range index.Manifests {
		if d.Annotations[attestation] != "" || d.Platform != nil && d.Platform.OS == "unknown" {
			continue
		}
		name := name
		for _, key := range nameAnnotations {
			if name == "" {
				name = d.Annotations[key]
			}
		}
		err := o.descriptor(d, name, depth)
		switch {
		case err == nil:
			continue
		case errors.Is(err, ErrExceeded):
			return err
		case errors.Is(err, fs.ErrNotExist) && d.Platform != nil && d.Platform.Architecture != "arm64":
			continue // docker save writes the whole index, but not all of its images
		case errors.Is(err, fs.ErrNotExist):
			err = fmt.Errorf("the index has this image, but the archive does not: %w", err)
		}
		p := imagePlan{name: name, err: err}
		if d.Platform != nil {
			p.platform = *d.Platform
		}
		o.plans = append(o.plans, p)
	}
	return nil
}

// descriptor adds the image or the index that a descriptor refers to.
func (o *oci) descriptor(d v1.Descriptor, name string, depth int) error {
	data, err := readBlob(o.store, d.Digest)
	switch {
	case err != nil:
		return err
	case d.MediaType.IsIndex():
		return o.index(data, name, depth+1)
	}
	return o.image(data, d, name)
}

// image adds the image of a manifest.
func (o *oci) image(data []byte, d v1.Descriptor, name string) error {
	manifest, err := v1.ParseManifest(bytes.NewReader(data))
	if err != nil {
		return err
	}
	p := imagePlan{name: name}
	if d.Platform != nil {
		p.platform = *d.Platform
	}
	for _, l := range manifest.Layers {
		if err := o.countManifest(); err != nil {
			return err
		}
		p.layers = append(p.layers, layerRef{name: blobName(l.Digest), digest: l.Digest.String()})
	}
	config, err := readBlob(o.store, manifest.Config.Digest)
	if err == nil {
		err = p.applyConfig(config)
	}
	if err != nil {
		p.err = fmt.Errorf("configuration: %w", err)
	}
	o.plans = append(o.plans, p)
	return nil
}
