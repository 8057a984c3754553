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
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas int
		Strategy struct{ Type string }
		Template struct{ Spec podSpec }

		ServiceName         string `yaml:"serviceName"`
		PodManagementPolicy string `yaml:"podManagementPolicy"`
		MaxUnavailable      int    `yaml:"maxUnavailable"`

		ClusterIP                string `yaml:"clusterIP"`
		PublishNotReadyAddresses bool   `yaml:"publishNotReadyAddresses"`
		Ports                    []struct {
			Name       string
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type podSpec struct {
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
	Containers                    []podContainer
}

type podContainer struct {
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Env []struct {
		Name, Value string
		ValueFrom   map[string]any `yaml:"valueFrom"`
	}
	VolumeMounts []struct {
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// manifestsOf are the objects of a file by kind and name, and the paths of their probes.
func manifestsOf(t *testing.T, file string) (objects map[string]manifest, probes []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "deploy", "kubernetes", file))
	require.NoError(t, err)
	objects = make(map[string]manifest)
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return objects, probes
		} else {
			require.NoError(t, err)
		}
		var one manifest
		require.NoError(t, node.Decode(&one))
		objects[one.Kind+" "+one.Metadata.Name] = one
		probes = append(probes, probePaths(&node)...)
	}
}

// The manifests run the image as it is: its ports, variables that exist, probes that are answered, and time to drain.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	p := start(t)
	for file, workload := range map[string]string{"hubgate.yaml": "Deployment", "cluster.yaml": "StatefulSet"} {
		t.Run(file, func(t *testing.T) {
			objects, probes := manifestsOf(t, file)
			spec := objects[workload+" hubgate"].Spec
			container := spec.Template.Spec.Containers[0]
			exposed := strings.Fields(find(t, dockerfile(t), "EXPOSE"))
			require.Equal(t, exposed, []string{strconv.Itoa(container.Ports[0].ContainerPort), strconv.Itoa(container.Ports[1].ContainerPort)})
			require.Equal(t, "http", objects["Service hubgate"].Spec.Ports[0].TargetPort)
			drain := time.Duration(0)
			for _, v := range container.Env {
				if v.Name == "HUBGATE_DRAIN_TIMEOUT" || v.Name == "HUBGATE_DRAIN_DELAY" {
					part, err := time.ParseDuration(v.Value)
					require.NoError(t, err)
					drain += part
				}
			}
			require.NotZero(t, drain)
			require.Greater(t, time.Duration(spec.Template.Spec.TerminationGracePeriodSeconds)*time.Second, drain)
			require.Empty(t, config.UnknownVariables(container.environment(), connectionStringEnv))
			require.Len(t, probes, 3)
			for _, path := range probes {
				status, _ := p.get(p.Admin + path)
				require.Equal(t, http.StatusOK, status, path)
			}
		})
	}
}

// environment is the container's variables, as they would be in the first pod.
func (c *podContainer) environment() (environment []string) {
	for _, v := range c.Env {
		value := v.Value
		switch {
		case v.ValueFrom["secretKeyRef"] != nil:
			value = strings.Repeat("k", 64)
		case v.ValueFrom["fieldRef"] != nil:
			value = "hubgate-0"
		}
		if strings.HasPrefix(v.Name, "HUBGATE_") {
			environment = append(environment, v.Name+"="+value)
		}
	}
	return environment
}

func TestKubernetesDeployment(t *testing.T) {
	objects, _ := manifestsOf(t, "hubgate.yaml")
	require.Len(t, objects, 4)
	deployment := objects["Deployment hubgate"].Spec
	require.Equal(t, 1, deployment.Replicas)
	require.Equal(t, "Recreate", deployment.Strategy.Type)
}

// The nodes of the StatefulSet find each other, agree on who keeps the store, and are not taken away together.
func TestKubernetesCluster(t *testing.T) {
	objects, _ := manifestsOf(t, "cluster.yaml")
	require.Len(t, objects, 6)
	copied := find(t, dockerfile(t), "COPY")
	set := objects["StatefulSet hubgate"].Spec
	container := set.Template.Spec.Containers[0]
	for _, v := range container.environment() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv("HUBGATE_LISTEN", ":8888")
	code, out, stderr := commandInEmptyFolder(t, "config")
	require.Zero(t, code, stderr)
	var effective struct {
		Cluster struct {
			Listen      string
			Peer, Voter []string
		}
		Data struct{ Dir string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(out), &effective))
	port := strconv.Itoa(container.Ports[2].ContainerPort)
	require.Equal(t, ":"+port, effective.Cluster.Listen)
	require.Equal(t, []string{set.ServiceName + ":" + port}, effective.Cluster.Peer)
	headless := objects["Service "+set.ServiceName].Spec
	require.Equal(t, "None", headless.ClusterIP)
	require.True(t, headless.PublishNotReadyAddresses, "nodes are not ready before they have found each other")
	require.Equal(t, "nodes", headless.Ports[0].TargetPort)
	require.Equal(t, "Parallel", set.PodManagementPolicy)
	require.GreaterOrEqual(t, set.Replicas, len(effective.Cluster.Voter))
	for i, voter := range effective.Cluster.Voter {
		require.Equal(t, "hubgate-"+strconv.Itoa(i), voter)
	}
	require.Equal(t, 1, objects["PodDisruptionBudget hubgate"].Spec.MaxUnavailable)
	require.Equal(t, effective.Data.Dir, container.VolumeMounts[0].MountPath)
	require.Contains(t, copied, effective.Data.Dir, "the user of the image may write there")
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
