package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct{}

func (versionCommand) Run(env *environment) error {
	_, err := fmt.Fprintln(env.stdout, versionLine())
	return err
}

func versionLine() string {
	line := "hubgate " + version()
	if commit != "" {
		line += fmt.Sprintf(" (%s, %s)", commit, date)
	}
	return fmt.Sprintf("%s %s %s/%s", line, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// These are set by releases: -ldflags "-X main.release=v1.2.3 -X main.commit=1a2b3c4 -X main.date=2026-01-02T15:04:05Z".
// A build that knows its version and not its commit sets release alone.
var release, commit, date string

// version is that of the release or of the module or, for a build from a
// checkout, the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	if revision == "" {
		return "devel"
	}
	return revision + modified
}
