package main

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/config"
)

const repository = "../.."

// instruction is one line of the Dockerfile.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) (list []instruction) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			name, rest, _ := strings.Cut(line, " ")
			list = append(list, instruction{name, rest})
		}
	}
	return list
}

// find returns what follows the last such instruction.
func find(t *testing.T, list []instruction, name string) string {
	t.Helper()
	for _, i := range slices.Backward(list) {
		if i.name == name {
			return i.rest
		}
	}
	t.Fatalf("the Dockerfile has no %s", name)
	return ""
}

// What can be checked of the image without an engine to build it.
func TestDockerfile(t *testing.T) {
	list := dockerfile(t)
	require.Equal(t, instruction{"FROM", "golang:1.26 AS build"}, list[0])
	require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, find(t, list, "USER"), "a name means nothing in an image without /etc/passwd")
	var entry, health []string
	require.NoError(t, json.Unmarshal([]byte(find(t, list, "ENTRYPOINT")), &entry))
	_, command, ok := strings.Cut(find(t, list, "HEALTHCHECK"), "CMD ")
	require.True(t, ok)
	require.NoError(t, json.Unmarshal([]byte(command), &health))
	require.Equal(t, entry, health[:1])
	_, err := parse(health[1:], terminal{newOutput(), newOutput()})
	require.NoError(t, err)

	copied := map[string]bool{}
	for _, i := range list {
		if i.name != "COPY" {
			continue
		}
		words := strings.Fields(i.rest)
		copied[words[len(words)-1]] = true
		if strings.HasPrefix(words[0], "--from=") {
			continue
		}
		for _, source := range words[:len(words)-1] {
			_, err := os.Stat(filepath.Join(repository, source))
			require.NoError(t, err)
		}
	}
	require.True(t, copied[entry[0]], "the entry point is copied into the image")

	exposed := strings.Fields(find(t, list, "EXPOSE"))
	for _, setting := range strings.Fields(find(t, list, "ENV")) {
		name, value, _ := strings.Cut(setting, "=")
		require.Contains(t, string(config.Reference()), "`"+name+"`")
		require.Contains(t, exposed, strings.TrimPrefix(value, ":"))
		t.Setenv(name, value)
	}
	code, out, stderr := commandInEmptyFolder(t, "config")
	require.Equal(t, exitError, code, "the image does not start with a key that everybody knows: %s", out)
	require.Contains(t, stderr, "HUBGATE_ACCESS_KEY")
	t.Setenv("HUBGATE_ACCESS_KEY", strings.Repeat("k", 32))
	code, out, stderr = commandInEmptyFolder(t, "config")
	require.Zero(t, code, stderr)
	require.Contains(t, out, ":8888")
}

// commandInEmptyFolder runs a command where no settings.json lies about.
func commandInEmptyFolder(t *testing.T, args ...string) (code int, out, errText string) {
	t.Helper()
	t.Chdir(t.TempDir())
	return command(args...)
}

func TestDockerfileBuildsAStaticBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	var build string
	for _, i := range dockerfile(t) {
		if i.name == "RUN" && strings.Contains(i.rest, "go build") {
			build = i.rest
		}
	}
	out := filepath.Join(t.TempDir(), "hubgate")
	line := regexp.MustCompile(`-o \S+`).ReplaceAllString(build, "-o "+out)
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = repository
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", line, text)
	version, err := exec.Command(out, "version").Output()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(version), "hubgate "))
	if runtime.GOOS != "linux" {
		return
	}
	binary, err := elf.Open(out)
	require.NoError(t, err)
	defer binary.Close()
	for _, p := range binary.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "a dynamic binary does not start in an empty image")
	}
}

type composeService struct {
	Build       string
	Image       string
	Ports       []string
	Environment map[string]string
}

func TestCompose(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "compose.yaml"))
	require.NoError(t, err)
	services := func(text string) map[string]composeService {
		var file struct{ Services map[string]composeService }
		require.NoError(t, yaml.Unmarshal([]byte(text), &file))
		return file.Services
	}
	hubgate, ok := services(string(text))["hubgate"]
	require.True(t, ok)
	require.Equal(t, ".", hubgate.Build)
	exposed := strings.Fields(find(t, dockerfile(t), "EXPOSE"))
	for _, mapping := range hubgate.Ports {
		require.Contains(t, exposed, mapping[strings.LastIndexByte(mapping, ':')+1:])
	}
	require.Contains(t, hubgate.Environment["HUBGATE_ACCESS_KEY"], ":?", "there is no default key")

	// What is commented out is right as well.
	all := services(regexp.MustCompile(`(?m)^(\s*)# ((?:  )*(?:- )?(?:HUBGATE_\w+|webhook|image|command|volumes|environment|\./\S+):)`).ReplaceAllString(string(text), "$1$2"))
	require.NotEmpty(t, all["webhook"].Image)
	require.Contains(t, all["hubgate"].Environment, "HUBGATE_UPSTREAM")
	for name := range all["hubgate"].Environment {
		require.Contains(t, string(config.Reference()), "`"+name+"`")
	}
	_, err = parse([]string{"serve", "--upstream", all["hubgate"].Environment["HUBGATE_UPSTREAM"]}, terminal{newOutput(), newOutput()})
	require.NoError(t, err)
}
