package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/config"
)

// manifest is what the test reads of a Kubernetes object.
type manifest struct {
	Kind string
	Spec struct {
		Replicas int
		Strategy struct{ Type string }
		Template struct{ Spec podSpec }
		Ports    []struct {
			Name       string
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type podSpec struct {
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
	Containers                    []struct {
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		Env []struct {
			Name, Value string
			ValueFrom   map[string]any `yaml:"valueFrom"`
		}
	}
}

// The manifests run the image as it is: its ports, variables that exist, probes that are answered, and time to drain.
func TestKubernetesManifests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "deploy", "kubernetes", "hubgate.yaml"))
	require.NoError(t, err)
	objects := map[string]manifest{}
	var probes []string
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		var one manifest
		require.NoError(t, node.Decode(&one))
		objects[one.Kind] = one
		probes = append(probes, probePaths(&node)...)
	}
	require.Len(t, objects, 4)
	deployment := objects["Deployment"].Spec
	require.Equal(t, 1, deployment.Replicas)
	require.Equal(t, "Recreate", deployment.Strategy.Type)
	container := deployment.Template.Spec.Containers[0]
	exposed := strings.Fields(find(t, dockerfile(t), "EXPOSE"))
	require.Equal(t, exposed, []string{strconv.Itoa(container.Ports[0].ContainerPort), strconv.Itoa(container.Ports[1].ContainerPort)})
	require.Equal(t, "http", objects["Service"].Spec.Ports[0].TargetPort)

	var environment []string
	for _, v := range container.Env {
		if strings.HasPrefix(v.Name, "HUBGATE_") {
			environment = append(environment, v.Name+"="+v.Value)
		}
		if v.Name == "HUBGATE_DRAIN_TIMEOUT" {
			drain, err := time.ParseDuration(v.Value)
			require.NoError(t, err)
			require.Greater(t, time.Duration(deployment.Template.Spec.TerminationGracePeriodSeconds)*time.Second, drain)
		}
	}
	require.Empty(t, config.UnknownVariables(environment, connectionStringEnv))

	p := start(t)
	require.Len(t, probes, 3)
	for _, path := range probes {
		status, _ := p.get(p.Admin + path)
		require.Equal(t, http.StatusOK, status, path)
	}
}

// probePaths are the paths of all httpGet below a node.
func probePaths(node *yaml.Node) (paths []string) {
	for i, child := range node.Content {
		if child.Value == "httpGet" && node.Kind == yaml.MappingNode && i%2 == 0 {
			var probe struct{ Path string }
			if node.Content[i+1].Decode(&probe) == nil {
				paths = append(paths, probe.Path)
			}
		}
		paths = append(paths, probePaths(child)...)
	}
	return paths
}
