package check

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads compose files as "docker compose" does: the schema, variables, anchors, and what one file adds to another.
func load(t *testing.T, environment []string, files ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions(files, cli.WithWorkingDirectory("../.."), cli.WithEnv(environment), cli.WithName("hubgate"), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

var secrets = []string{"HUBGATE_ACCESS_KEY=0123456789abcdef0123456789abcdef", "HUBGATE_CLUSTER_SECRET=0123456789abcdef0123456789abcdef"}

func TestComposeFiles(t *testing.T) {
	for _, c := range []struct {
		files, services []string
	}{
		{[]string{"../../compose.yaml"}, []string{"hubgate"}},
		{[]string{"../../compose.cluster.yaml"}, []string{"a", "b", "balancer", "c"}},
		{[]string{"../../compose.yaml", "../../compose.monitoring.yaml"}, []string{"grafana", "hubgate", "prometheus"}},
		{[]string{"../../compose.cluster.yaml", "../../compose.monitoring.yaml"}, []string{"a", "b", "balancer", "c", "grafana", "prometheus"}},
	} {
		p, err := load(t, secrets, c.files...)
		if err != nil {
			t.Error(c.files, err)
			continue
		}
		if names := slices.Sorted(maps.Keys(p.Services)); !slices.Equal(names, c.services) {
			t.Error(c.files, names)
		}
		if config, ok := p.Configs["prometheus"]; ok {
			keep(t, "prometheus.yml", config.Content)
		}
		for name, s := range p.Services {
			for _, v := range s.Volumes {
				if v.Type == types.VolumeTypeVolume && v.Source != "" {
					if _, ok := p.Volumes[v.Source]; !ok {
						t.Error(name, v.Source)
					}
				}
			}
		}
	}
}

func TestComposeFilesOfExamples(t *testing.T) {
	for _, file := range []string{"../../examples/compose.yaml", "../../examples/aspnetcore/compose.yaml"} {
		p, err := load(t, secrets, file)
		if err != nil {
			t.Error(file, err)
		} else if len(p.Services) < 2 {
			t.Error(file, p.ServiceNames())
		} else {
			for name, s := range p.Services {
				mountable(t, name, s.Volumes)
			}
		}
	}
}

// mountable: no engine can make the place of a volume in a folder that the container may only read. In a clone there is none.
func mountable(t *testing.T, service string, volumes []types.ServiceVolumeConfig) {
	t.Helper()
	for _, folder := range volumes {
		for _, v := range volumes {
			if folder.ReadOnly && strings.HasPrefix(v.Target, folder.Target+"/") {
				t.Errorf("%s: %s is in %s, which is read-only", service, v.Target, folder.Target)
			}
		}
	}
}

// Nobody starts a gateway without a key of his own by mistake.
func TestComposeFilesWithoutSecrets(t *testing.T) {
	for _, file := range []string{"../../compose.yaml", "../../compose.cluster.yaml"} {
		if _, err := load(t, nil, file); err == nil {
			t.Errorf("%s is taken without HUBGATE_ACCESS_KEY", file)
		}
	}
	if _, err := load(t, secrets[:1], "../../compose.cluster.yaml"); err == nil {
		t.Error("compose.cluster.yaml is taken without HUBGATE_CLUSTER_SECRET")
	}
}

// What is kept, the port that others reach and what ends a container are the same for all nodes.
func TestNodesOfTheComposeFile(t *testing.T) {
	p, err := load(t, secrets, "../../compose.cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		s := p.Services[name]
		if node := s.Environment["HUBGATE_NODE"]; node == nil || *node != name {
			t.Error(name, node)
		}
		if len(s.Volumes) != 1 || s.Volumes[0].Target != "/data" || s.Volumes[0].Source != name {
			t.Errorf("%s %#v", name, s.Volumes)
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || s.StopGracePeriod == nil || s.StopGracePeriod.String() != "35s" {
			t.Error(name, s.ReadOnly, s.CapDrop, s.StopGracePeriod)
		}
	}
}
