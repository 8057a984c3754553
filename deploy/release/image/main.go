// Command image makes an image of the OCI from the binaries of a release, as a directory in the layout of the OCI,
// without an engine for containers. The same binaries make the same bytes.
//
//	go run ./image -dist ../../dist -out ../../dist/image -version v1.2.3 -revision COMMIT -created 2026-01-02T15:04:05Z
//
// It is a module of its own, with the tools that make a release, so that hubgate does not depend on what they need.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// release says what the images are called.
type release struct {
	version, revision string
	created           time.Time
}

func main() {
	dist := flag.String("dist", "dist", "what the release made, with artifacts.json")
	out := flag.String("out", "", "directory to make; it must not be there")
	authorities := flag.String("authorities", "/etc/ssl/certs/ca-certificates.crt", "certificates that webhooks are checked against")
	version := flag.String("version", "", "version of the program")
	revision := flag.String("revision", "", "commit")
	created := flag.String("created", "", "time of the commit, as in RFC 3339")
	flag.Parse()
	at, err := time.Parse(time.RFC3339, *created)
	if err == nil {
		err = build(*dist, *out, *authorities, release{*version, *revision, at.UTC()})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func build(dist, out, authorities string, r release) error {
	if _, err := os.Stat(out); err == nil {
		return fmt.Errorf("%s is there already", out)
	}
	binaries, err := binaries(dist)
	if err != nil {
		return err
	}
	certificates, err := os.ReadFile(authorities)
	if err != nil {
		return err
	}
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := r.image(arch, binaries[arch], certificates)
		if err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	// One image, which is for all processors: who is given the layout without a name has no choice to make.
	all, err := layout.Write(out, empty.Index)
	if err != nil {
		return err
	}
	return all.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": r.version}))
}

// binaries finds the programs for Linux among what the release made.
func binaries(dist string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dist, "artifacts.json"))
	if err != nil {
		return nil, err
	}
	var artifacts []struct{ Path, Goos, Goarch, Type string }
	if err := json.Unmarshal(text, &artifacts); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, a := range artifacts {
		if a.Type == "Binary" && a.Goos == "linux" {
			found[a.Goarch] = filepath.Join(filepath.Dir(dist), a.Path)
		}
	}
	return found, nil
}

// image is what the Dockerfile makes: the program, the authorities, and a directory for a volume.
func (r release) image(arch, binary string, certificates []byte) (v1.Image, error) {
	if binary == "" {
		return nil, errors.New("the release has no such binary")
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	r.directory(w, "etc/", 0)
	r.directory(w, "etc/ssl/", 0)
	r.directory(w, "etc/ssl/certs/", 0)
	r.file(w, "etc/ssl/certs/ca-certificates.crt", 0o644, certificates)
	r.file(w, "hubgate", 0o755, program)
	r.directory(w, "data/", nobody)
	r.directory(w, "config/", 0)
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.created}, CreatedBy: "hubgate " + r.version}})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, r.config(arch, image))
}

// nobody is the user of the image, who has no name in it.
const nobody = 65532

func (r release) config(arch string, image v1.Image) *v1.ConfigFile {
	c, err := image.ConfigFile()
	if err != nil {
		panic(err) // an image in memory
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: r.created}
	c.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", nobody, nobody),
		Env:          []string{"HUBGATE_LISTEN=:8888", "HUBGATE_ADMIN_LISTEN=:8889"},
		ExposedPorts: map[string]struct{}{"8888/tcp": {}, "8889/tcp": {}},
		Entrypoint:   []string{"/hubgate"},
		WorkingDir:   "/config",
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", "/hubgate", "health"}, Interval: 10 * time.Second, Timeout: 6 * time.Second, StartPeriod: 5 * time.Second},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "hubgate",
			"org.opencontainers.image.description": "A gateway for SignalR clients, compatible with Azure SignalR Service",
			"org.opencontainers.image.source":      "https://github.com/hubgate/hubgate",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     r.version,
			"org.opencontainers.image.revision":    r.revision,
			"org.opencontainers.image.created":     r.created.Format(time.RFC3339),
		},
	}
	return c
}

// What fails to be written here fails again when the archive is closed.
func (r release) directory(w *tar.Writer, name string, owner int) {
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, Uid: owner, Gid: owner, ModTime: r.created})
}

func (r release) file(w *tar.Writer, name string, mode int64, content []byte) {
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: r.created})
	_, _ = w.Write(content)
}
