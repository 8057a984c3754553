package main

import (
	"debug/elf"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/natsd/natsdtest"
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
	require.Equal(t, exitUsage, code, "the image does not start with a key that everybody knows: %s", out)
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
	t.Parallel()
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
	Command     []string
	Ports       []string
	Environment map[string]string
	DependsOn   any `yaml:"depends_on"`
}

func composeServices(t *testing.T, text string) map[string]composeService {
	t.Helper()
	var file struct{ Services map[string]composeService }
	require.NoError(t, yaml.Unmarshal([]byte(text), &file))
	return file.Services
}

func TestCompose(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "compose.yaml"))
	require.NoError(t, err)
	hubgate, ok := composeServices(t, string(text))["hubgate"]
	require.True(t, ok)
	require.Equal(t, ".", hubgate.Build)
	exposed := strings.Fields(find(t, dockerfile(t), "EXPOSE"))
	for _, mapping := range hubgate.Ports {
		require.Contains(t, exposed, mapping[strings.LastIndexByte(mapping, ':')+1:])
	}
	require.Contains(t, hubgate.Environment["HUBGATE_ACCESS_KEY"], ":?", "there is no default key")

	// What is commented out is right as well.
	all := composeServices(t, regexp.MustCompile(`(?m)^(\s*)# ((?:  )*(?:- )?(?:HUBGATE_\w+):)`).ReplaceAllString(string(text), "$1$2"))
	require.Contains(t, all["hubgate"].Environment, "HUBGATE_UPSTREAM")
	for name := range all["hubgate"].Environment {
		require.Contains(t, string(config.Reference()), "`"+name+"`")
	}
	_, err = parse([]string{"serve", "--upstream", all["hubgate"].Environment["HUBGATE_UPSTREAM"]}, terminal{newOutput(), newOutput()})
	require.NoError(t, err)
}

// The nodes of compose.cluster.yaml differ in their names only, and each finds the others.
func TestComposeCluster(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "compose.cluster.yaml"))
	require.NoError(t, err)
	services := composeServices(t, string(text))
	for _, name := range []string{"a", "b", "c"} {
		node := services[name]
		require.Equal(t, ".", node.Build)
		require.Equal(t, name, node.Environment["HUBGATE_NODE"])
		require.Contains(t, strings.Split(node.Environment["HUBGATE_CLUSTER_VOTER"], ","), name)
		port := strings.TrimPrefix(node.Environment["HUBGATE_CLUSTER_LISTEN"], ":")
		require.Contains(t, strings.Split(node.Environment["HUBGATE_CLUSTER_PEER"], ","), name+":"+port)
		require.Contains(t, services["balancer"].DependsOn, name)
		for variable := range node.Environment {
			require.Contains(t, string(config.Reference()), "`"+variable+"`")
		}
	}
	require.Contains(t, services["a"].Environment["HUBGATE_CLUSTER_SECRET"], ":?", "there is no default secret")
}

// The example in containers, without an engine: the same commands with the same variables, as
// processes that find each other on this machine instead of by the names of containers.
func TestExampleInCompose(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		require.Empty(t, os.Getenv("CI"), "needs node")
		t.Skip("needs node")
	}
	text, err := os.ReadFile(filepath.Join(repository, "examples", "compose.yaml"))
	require.NoError(t, err)
	services := composeServices(t, string(text))
	gateway, app := freePort(t), freePort(t)
	here := strings.NewReplacer(
		"${HUBGATE_ACCESS_KEY:?set it to 32 to 256 random characters, for example with openssl rand -hex 32}", strings.Repeat("k", 32),
		"${HUBGATE_ACCESS_KEY}", strings.Repeat("k", 32), "0.0.0.0", "127.0.0.1",
		"Endpoint=http://hubgate;Port=8888", "Endpoint=http://127.0.0.1;Port="+gateway, "localhost:8888", "127.0.0.1:"+gateway, "chat:7071", "127.0.0.1:"+app,
	)
	binary, err := os.Executable() // which is the program if it is told so
	require.NoError(t, err)
	run := func(service, command string, args ...string) (*exec.Cmd, *output) {
		cmd, out := exec.Command(command, args...), newOutput()
		cmd.Dir = filepath.Join(repository, "examples", "chat")
		cmd.Env = append(os.Environ(), beProgram+"=1", "HUBGATE_LISTEN=127.0.0.1:"+gateway, "HUBGATE_ADMIN_LISTEN=off", "PORT="+app)
		for name, value := range services[service].Environment {
			cmd.Env = append(cmd.Env, name+"="+here.Replace(value))
		}
		cmd.Stdout, cmd.Stderr = out, out
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd, out
	}
	for service, after := range map[string]string{"chat": "hubgate", "listener": "chat", "caller": "listener"} {
		require.Contains(t, services[service].DependsOn, after)
	}
	_, logs := run("hubgate", binary, services["hubgate"].Command...)
	logs.want(t, "msg=serving")
	shell := services["chat"].Command
	_, node, ok := strings.Cut(shell[len(shell)-1], "&& exec node ")
	require.True(t, ok)
	_, err = os.ReadFile(filepath.Join(repository, "examples", "chat", node)) // which another process runs: results are kept for what the test reads
	require.NoError(t, err)
	_, logs = run("chat", "node", node)
	logs.want(t, "chat: ")
	_, listener := run("listener", binary, services["listener"].Command...)
	listener.want(t, "connected to hub chat")
	caller, said := run("caller", binary, services["caller"].Command...)
	require.NoError(t, caller.Wait(), said)
	listener.want(t, `{"type":1,"target":"message","arguments":["bob","hello from a container"]}`)

	// A browser is sent to the address that is its own.
	status, answer := (&program{t: t}).request("POST", "http://127.0.0.1:"+app+"/chat/negotiate?user=ann", "")
	require.Equal(t, 200, status)
	require.Contains(t, answer, `"url":"http://127.0.0.1:`+gateway+`/client/?hub=chat"`)
}

// freePort returns a port that nobody listens on. Who listens on port 0 meanwhile does not get it.
func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(natsdtest.FreeAddress(t))
	require.NoError(t, err)
	return port
}

// compose.monitoring.yaml goes with both of the others: it reads the nodes of each by their names, and what it mounts is there.
func TestComposeMonitoring(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(repository, name))
		require.NoError(t, err)
		return string(text)
	}
	var file struct {
		Services map[string]struct {
			Volumes []string
			Configs []struct{ Source string }
			Ports   []string
		}
		Configs map[string]struct{ Content string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read("compose.monitoring.yaml")), &file))
	for _, service := range file.Services {
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			require.FileExists(t, filepath.Join(repository, from))
		}
		for _, c := range service.Configs {
			require.Contains(t, file.Configs, c.Source)
		}
		for _, port := range service.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), port)
		}
	}
	for _, c := range file.Configs {
		require.NoError(t, yaml.Unmarshal([]byte(c.Content), new(any)))
	}
	var scrape struct {
		Jobs []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(file.Configs["prometheus"].Content), &scrape))
	dns := scrape.Jobs[0].DNS[0]
	for _, other := range []string{"compose.yaml", "compose.cluster.yaml"} {
		for name, service := range composeServices(t, read(other)) {
			if service.Build != "" {
				require.Contains(t, dns.Names, name)
			}
		}
	}
	require.Contains(t, find(t, dockerfile(t), "ENV"), "HUBGATE_ADMIN_LISTEN=:"+strconv.Itoa(dns.Port))
}
