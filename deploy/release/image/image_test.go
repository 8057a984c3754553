package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

var tested = release{"0.1.0", "abc", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}

// makeImage makes the image of a program, as for a release that has it for all processors.
func makeImage(t *testing.T, program []byte) string {
	t.Helper()
	dist := filepath.Join(t.TempDir(), "dist")
	check(t, os.Mkdir(dist, 0o755))
	check(t, os.WriteFile(filepath.Join(dist, "hubgate"), program, 0o755))
	check(t, os.WriteFile(filepath.Join(dist, "artifacts.json"), []byte(`[
		{"path": "dist/hubgate", "goos": "linux", "goarch": "amd64", "type": "Binary"},
		{"path": "dist/hubgate", "goos": "linux", "goarch": "arm64", "type": "Binary"}]`), 0o644))
	out := filepath.Join(t.TempDir(), "image")
	check(t, build(dist, out, certificates(t), tested))
	return out
}

func certificates(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "certificates")
	check(t, os.WriteFile(file, []byte("certificates\n"), 0o644))
	return file
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// platforms is the one image of the layout, for all processors. Tools that are given the layout without a name refuse it
// if there are several.
func platforms(t *testing.T, dir string) v1.ImageIndex {
	t.Helper()
	top, err := layout.ImageIndexFromPath(dir)
	check(t, err)
	list, err := top.IndexManifest()
	check(t, err)
	if len(list.Manifests) != 1 || !list.Manifests[0].MediaType.IsIndex() || list.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != tested.version {
		t.Fatalf("the layout has %+v", list.Manifests)
	}
	index, err := top.ImageIndex(list.Manifests[0].Digest)
	check(t, err)
	return index
}

// forThis reads the image for this processor back, by the list of the layout.
func forThis(t *testing.T, dir string) (v1.Image, *v1.ConfigFile) {
	t.Helper()
	index := platforms(t, dir)
	list, err := index.IndexManifest()
	check(t, err)
	at := slices.IndexFunc(list.Manifests, func(d v1.Descriptor) bool { return d.Platform.OS == "linux" && d.Platform.Architecture == "amd64" })
	image, err := index.Image(list.Manifests[at].Digest)
	check(t, err)
	config, err := image.ConfigFile()
	check(t, err)
	return image, config
}

// unpack writes the files of an image to a directory, and says what each is.
func unpack(t *testing.T, image v1.Image, root string) map[string]string {
	t.Helper()
	files := mutate.Extract(image)
	defer files.Close()
	found := make(map[string]string)
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		check(t, err)
		if !h.ModTime.Equal(tested.created) {
			t.Errorf("%s is of %s", h.Name, h.ModTime)
		}
		found[strings.TrimSuffix(h.Name, "/")] = fmt.Sprintf("%04o %d:%d", h.Mode, h.Uid, h.Gid)
		to := filepath.Join(root, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			check(t, os.MkdirAll(to, 0o755))
		} else {
			content, err := io.ReadAll(r)
			check(t, err)
			check(t, os.WriteFile(to, content, fs.FileMode(h.Mode)))
		}
		check(t, os.Chown(to, h.Uid, h.Gid))
	}
}

// The image is unpacked and run as an engine would: its files as the whole system, its user, variables, directory and
// command. Its own health check is asked until it says that the gateway serves.
func TestTheImageRuns(t *testing.T) {
	binary := os.Getenv("HUBGATE_BIN")
	if binary == "" || os.Getuid() != 0 {
		t.Skip("needs HUBGATE_BIN, a static binary, and root, for a system of its own")
	}
	program, err := os.ReadFile(binary)
	check(t, err)
	image, config := forThis(t, makeImage(t, program))
	root := t.TempDir()
	check(t, os.Chmod(root, 0o755))
	files := unpack(t, image, root)
	for name, want := range map[string]string{"hubgate": "0755 0:0", "etc/ssl/certs/ca-certificates.crt": "0644 0:0", "data": "0755 65532:65532", "config": "0755 0:0"} {
		if files[name] != want {
			t.Errorf("%s: %s, not %s", name, files[name], want)
		}
	}
	user, group, _ := strings.Cut(config.Config.User, ":")
	uid, err := strconv.Atoi(user)
	check(t, err)
	gid, err := strconv.Atoi(group)
	check(t, err)
	environment := append(config.Config.Env, "HUBGATE_ACCESS_KEY="+strings.Repeat("k", 40), "HUBGATE_DATA_DIR=/data",
		"HUBGATE_LISTEN="+free(t), "HUBGATE_ADMIN_LISTEN="+free(t)) // in place of the image's ports, which may be in use here
	inside := func(args ...string) *exec.Cmd {
		c := exec.Command(args[0], args[1:]...)
		c.Env, c.Dir = environment, config.Config.WorkingDir
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		return c
	}
	gateway := inside(config.Config.Entrypoint...)
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	check(t, err)
	gateway.Stdout, gateway.Stderr = said, said
	check(t, gateway.Start())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Wait() }()
	health := config.Config.Healthcheck.Test
	if health[0] != "CMD" {
		t.Fatal(health)
	}
	last := healthy(t, func() ([]byte, error) { return inside(health[1:]...).CombinedOutput() }, ended)
	t.Logf("%s", last)
	check(t, gateway.Process.Signal(syscall.SIGTERM))
	if err := <-ended; err != nil {
		text, _ := os.ReadFile(said.Name())
		t.Errorf("it ended with %v\n%s", err, text)
	}
}

// healthy asks until the answer is yes, and fails if the gateway ends before.
func healthy(t *testing.T, ask func() ([]byte, error), ended <-chan error) []byte {
	t.Helper()
	for {
		out, err := ask()
		if err == nil {
			return out
		}
		select {
		case end := <-ended:
			t.Fatalf("it ended: %v; its health: %s", end, out)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// The same binaries make the same bytes.
func TestTheImageIsReproducible(t *testing.T) {
	program := bytes.Repeat([]byte("hubgate\n"), 10_000)
	first, second := sums(t, makeImage(t, program)), sums(t, makeImage(t, program))
	if len(first) < 6 || !slices.Equal(first, second) {
		t.Errorf("%v\n%v", first, second)
	}
}

func sums(t *testing.T, dir string) (all []string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sum := sha256.Sum256(text)
		all = append(all, strings.TrimPrefix(path, dir)+" "+hex.EncodeToString(sum[:]))
		return err
	}))
	return all
}
