// Command pack makes one package of Linux, as .goreleaser.yaml describes it, from a binary that is there. The release
// makes all of them; this is for trying one without the rest.
//
//	go run ./pack -format deb -arch amd64 -version 0.1.0 -out /tmp/hubgate.deb /tmp/hubgate
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"gopkg.in/yaml.v3"
)

// description is what .goreleaser.yaml and a package have in common.
type description struct {
	NFPMs []struct {
		PackageName                                                 string `yaml:"package_name"`
		Vendor, Homepage, Maintainer, Description, License, Section string
		Recommends                                                  []string
		Contents                                                    files.Contents
		Scripts                                                     nfpm.Scripts
	} `yaml:"nfpms"`
}

func main() {
	root := flag.String("root", "../..", "the repository")
	format := flag.String("format", "deb", "deb, rpm or apk")
	arch := flag.String("arch", "amd64", "architecture of the binary")
	version := flag.String("version", "0.0.0", "version without v")
	out := flag.String("out", "", "file to make")
	flag.Parse()
	if err := pack(*root, *format, *arch, *version, *out, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(root, format, arch, version, out, binary string) error {
	if binary == "" || out == "" {
		return errors.New("name a binary and -out")
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	// Paths in the description begin at the repository's root.
	if err := os.Chdir(root); err != nil {
		return err
	}
	info, err := read(".goreleaser.yaml", arch, version, binary)
	if err != nil {
		return err
	}
	info.Platform, info.Target = "linux", out
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, f), f.Close())
}

// read makes the description of a package of the first one in a file of GoReleaser.
func read(path, arch, version, binary string) (*nfpm.Info, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if len(d.NFPMs) != 1 {
		return nil, fmt.Errorf("%s describes %d packages", path, len(d.NFPMs))
	}
	p := d.NFPMs[0]
	contents := append(p.Contents, &files.Content{Source: binary, Destination: "/usr/bin/hubgate", FileInfo: &files.ContentFileInfo{Mode: 0o755}})
	return nfpm.WithDefaults(&nfpm.Info{
		Name: p.PackageName, Arch: arch, Version: version, Section: p.Section, Maintainer: p.Maintainer,
		Description: p.Description, Vendor: p.Vendor, Homepage: p.Homepage, License: p.License,
		Overridables: nfpm.Overridables{Recommends: p.Recommends, Contents: contents, Scripts: p.Scripts},
	}), nil
}
