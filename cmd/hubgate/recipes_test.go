package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/auth"
)

// A block of code that names its file is part of that file.
func TestCodeOfPagesIsThatOfTheExamples(t *testing.T) {
	checked := 0
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile("(?ms)^```\\w+ (examples/\\S+)\n(.*?)^```").FindAllStringSubmatch(text, -1) {
			source, err := os.ReadFile(filepath.Join(repository, m[1]))
			require.NoError(t, err, name)
			require.Contains(t, string(source), m[2], "%s shows %s", name, m[1])
			checked++
		}
	}
	require.Greater(t, checked, 10)
}

// The files of examples that do not run here are read by those who run them.
func TestFilesOfTheAspNetExample(t *testing.T) {
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{repository, "examples", "aspnetcore"}, path...)...))
		require.NoError(t, err)
		return string(text)
	}
	services := composeServices(t, read("compose.yaml"))
	require.Equal(t, "default", services["hubgate"].Environment["HUBGATE_MODE"])
	text := services["chat"].Environment["Azure__SignalR__ConnectionString"]
	cs, err := auth.ParseConnectionString(strings.ReplaceAll(text, "${HUBGATE_ACCESS_KEY}", otherKey))
	require.NoError(t, err)
	require.Equal(t, "http://hubgate:8888", base(cs.Server()), "the gateway's container")
	require.Equal(t, services["hubgate"].Environment["HUBGATE_PUBLIC_URL"], base(cs.Client()), "what browsers call it")
	require.Contains(t, services["chat"].DependsOn, "hubgate")

	var workflow struct {
		Jobs map[string]struct {
			Env   map[string]string
			Steps []struct{ Uses, Run string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read("github-actions.yml")), &workflow))
	job := workflow.Jobs["test"]
	cs, err = auth.ParseConnectionString(job.Env["Azure__SignalR__ConnectionString"])
	require.NoError(t, err)
	require.Equal(t, auth.EmulatorKey, cs.AccessKey)
	commands := 0
	for _, step := range job.Steps {
		for _, m := range regexp.MustCompile(`(?m)(?:^|until )hubgate ([^;\n]*)`).FindAllStringSubmatch(step.Run, -1) {
			_, err := parse(shellArguments(m[1]), terminal{io.Discard, io.Discard})
			require.NoError(t, err, m[1])
			commands++
		}
	}
	require.Equal(t, 4, commands)
}

func TestFilesOfTheFunctionsExample(t *testing.T) {
	var local struct{ Values map[string]string }
	for file, into := range map[string]any{"local.settings.json": &local, "host.json": new(map[string]any), "package.json": new(map[string]any)} {
		text, err := os.ReadFile(filepath.Join(repository, "examples", "functions", file))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, into), file)
	}
	cs, err := auth.ParseConnectionString(local.Values["AzureSignalRConnectionString"])
	require.NoError(t, err)
	require.Equal(t, auth.EmulatorKey, cs.AccessKey)
	require.Equal(t, "http://localhost:8888", base(cs.Server()))
}

// The options that pages name exist.
func TestOptionsOfPagesExist(t *testing.T) {
	all := pages(t)
	reference := all["docs/configuration.md"]
	sections := make(map[string]bool)
	for _, m := range regexp.MustCompile("\\| `([a-z]+)\\.[a-zA-Z]+` \\|").FindAllStringSubmatch(reference, -1) {
		sections[m[1]] = true
	}
	option := regexp.MustCompile("`(([a-z]+)\\.([a-z][a-zA-Z]*))`")
	files := []string{"yaml", "json", "md", "go", "mjs"}
	checked := 0
	for name, text := range all {
		for _, m := range option.FindAllStringSubmatch(text, -1) {
			// The templates are a list of sections: the page has a chapter about it instead of a row.
			if !sections[m[2]] || slices.Contains(files, m[3]) || m[1] == "upstream.templates" {
				continue
			}
			require.True(t, strings.Contains(reference, "| `"+m[1]+"` |"), "%s names the option %s", name, m[1])
			checked++
		}
	}
	require.Greater(t, checked, 300)
}

// The page of limits names the defaults of the options.
func TestLimitsOfThePageAreTheDefaults(t *testing.T) {
	all := pages(t)
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)\\| `(\\w+\\.\\w+)` \\| [a-z ]+ \\| `([^`]*)` \\|").FindAllStringSubmatch(all["docs/configuration.md"], -1) {
		defaults[m[1]] = m[2]
	}
	spelled := strings.NewReplacer(" MiB", "MiB", " KiB", "KiB", " min", "m", " s", "s", " h", "h", ",", "", "none", "0")
	checked := 0
	for _, m := range regexp.MustCompile("(?m)^\\| [^|]+ \\| ([^|]+) \\| `([a-z]+\\.[a-zA-Z]+)` \\|").FindAllStringSubmatch(all["docs/limits.md"], -1) {
		limit, _, _ := strings.Cut(spelled.Replace(m[1]), " ")
		if defaults[m[2]] == "0" && limit != "0" { // a share of the memory
			continue
		}
		require.Equal(t, defaults[m[2]], strings.TrimSuffix(limit, ";"), "%s: %s", m[2], m[1])
		checked++
	}
	require.Greater(t, checked, 20)
}
