package check

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const chartDir = "../helm/hubgate"

type values = map[string]any

// render makes the chart's objects as "helm template" does, and decodes each strictly.
func render(t *testing.T, v values) ([]runtime.Object, error) {
	t.Helper()
	return renderAs(t, "push", v)
}

func renderAs(t *testing.T, name string, v values) ([]runtime.Object, error) {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(new(action.Configuration))
	install.ClientOnly, install.DryRun, install.ReleaseName, install.Namespace = true, true, name, "apps"
	install.KubeVersion = &chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	install.DryRunOption = "client"
	release, err := install.Run(c, v)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(release.Info.Notes, "connection string") {
		t.Error("no notes")
	}
	rendered++
	keep(t, fmt.Sprintf("%s-%d.yaml", t.Name(), rendered), release.Manifest)
	objects, err := decode(strings.NewReader(release.Manifest))
	if err != nil {
		t.Fatalf("%v\n%s", err, release.Manifest)
	}
	return objects, nil
}

// keep leaves what was made in the directory that RENDERED names, for schemas.py and promtool.
func keep(t *testing.T, file, text string) {
	t.Helper()
	dir := os.Getenv("RENDERED")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var rendered int

func mustRender(t *testing.T, v values) []runtime.Object {
	t.Helper()
	objects, err := render(t, v)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func find[T any](objects []runtime.Object) *T {
	for _, o := range objects {
		if found, ok := any(o).(*T); ok {
			return found
		}
	}
	return nil
}

func variables(s *appsv1.StatefulSet) map[string]corev1.EnvVar {
	all := map[string]corev1.EnvVar{}
	for _, v := range s.Spec.Template.Spec.Containers[0].Env {
		all[v.Name] = v
	}
	return all
}

func TestLint(t *testing.T) {
	result := action.NewLint().Run([]string{chartDir}, values{})
	for _, m := range result.Messages {
		if !strings.Contains(m.Err.Error(), "icon is recommended") {
			t.Error(m)
		}
	}
}

func TestAClusterByDefault(t *testing.T) {
	objects := mustRender(t, values{})
	s := find[appsv1.StatefulSet](objects)
	if *s.Spec.Replicas != 3 {
		t.Error(*s.Spec.Replicas)
	}
	env := variables(s)
	if env["HUBGATE_CLUSTER_VOTER"].Value != "push-hubgate-0,push-hubgate-1,push-hubgate-2" || env["HUBGATE_CLUSTER_PEER"].Value != s.Spec.ServiceName+":4250" {
		t.Error(env)
	}
	if secret := find[corev1.Secret](objects); env["HUBGATE_ACCESS_KEY"].ValueFrom.SecretKeyRef.Name != secret.Name || len(secret.Data["access-key"]) != 44 || len(secret.Data["cluster-secret"]) != 44 {
		t.Error(secret)
	}
	ports := map[string]int32{}
	for _, p := range s.Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Service:
			for _, p := range o.Spec.Ports {
				if ports[p.TargetPort.StrVal] == 0 {
					t.Error(o.Name, p)
				}
			}
		case *networkingv1.NetworkPolicy:
			for _, rule := range o.Spec.Ingress {
				if ports[rule.Ports[0].Port.StrVal] == 0 {
					t.Error(rule)
				}
			}
		}
	}
}

func TestOneNode(t *testing.T) {
	objects := mustRender(t, values{"nodes": 1, "secret": values{"existingSecret": "mine"}, "persistence": values{"enabled": false}})
	s := find[appsv1.StatefulSet](objects)
	for name, v := range variables(s) {
		if strings.HasPrefix(name, "HUBGATE_CLUSTER") || name == "HUBGATE_DATA_DIR" {
			t.Error(name)
		}
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil && v.ValueFrom.SecretKeyRef.Name != "mine" {
			t.Error(v)
		}
	}
	if find[corev1.Secret](objects) != nil || len(s.Spec.VolumeClaimTemplates) != 0 {
		t.Error("a secret, or a volume")
	}
}

// Without a cluster to look up what there is, the chart renders the same objects again and again only if the secrets are
// given. Values.yaml and docs/install.md say so.
func TestSecretsWithoutACluster(t *testing.T) {
	for name, c := range map[string]struct {
		secret values
		same   bool
	}{
		"made by the chart": {values{}, false},
		"existing":          {values{"existingSecret": "mine"}, true},
		"given":             {values{"accessKey": strings.Repeat("a", 44), "clusterSecret": strings.Repeat("b", 44)}, true},
	} {
		v := values{"secret": c.secret}
		if same := reflect.DeepEqual(mustRender(t, v), mustRender(t, v)); same != c.same {
			t.Errorf("%s: the same objects: %v", name, same)
		}
	}
	for _, file := range []string{chartDir + "/values.yaml", "../../docs/install.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "Argo CD") || !strings.Contains(string(text), "existingSecret") {
			t.Errorf("%s does not say who has to set existingSecret", file)
		}
	}
}

func TestEverythingOn(t *testing.T) {
	objects := mustRender(t, values{
		"nodes": 5, "publicUrl": "https://gateway.example", "upstream": "http://chat:7071/hook/{category}/{event}", "mode": "classic",
		"config": values{"cors": values{"origins": []any{"https://a.example"}}}, "env": []any{values{"name": "HUBGATE_LOG_LEVEL", "value": "debug"}},
		"ingress": values{"enabled": true, "className": "nginx", "tlsSecret": "tls"}, "autoscaling": values{"enabled": true},
		"serviceMonitor": values{"enabled": true, "labels": values{"release": "prometheus"}}, "image": values{"pullSecrets": []any{values{"name": "pull"}}},
		"persistence": values{"storageClass": "fast"}, "podLabels": values{"team": "push"}, "podAnnotations": values{"note": "x"},
		"nodeSelector": values{"kubernetes.io/arch": "arm64"}, "tolerations": []any{values{"key": "push", "operator": "Exists"}}, "service": values{"annotations": values{"a": "b"}},
		"affinity": values{"podAntiAffinity": values{"preferredDuringSchedulingIgnoredDuringExecution": []any{}}},
	})
	s := find[appsv1.StatefulSet](objects)
	if s.Spec.Replicas != nil {
		t.Error("the autoscaler decides how many there are")
	}
	if h := find[autoscalingv2.HorizontalPodAutoscaler](objects); *h.Spec.MinReplicas != 5 || h.Spec.ScaleTargetRef.Name != s.Name {
		t.Error(h)
	}
	if i := find[networkingv1.Ingress](objects); i.Spec.TLS[0].Hosts[0] != i.Spec.Rules[0].Host {
		t.Error(i)
	}
	m := find[monitoringv1.ServiceMonitor](objects)
	if !slices.ContainsFunc(objects, func(o runtime.Object) bool {
		service, ok := o.(*corev1.Service)
		if !ok {
			return false
		}
		for k, v := range m.Spec.Selector.MatchLabels {
			if service.Labels[k] != v {
				return false
			}
		}
		return slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == m.Spec.Endpoints[0].Port })
	}) {
		t.Error("the ServiceMonitor selects no Service")
	}
	if text := find[corev1.ConfigMap](objects).Data["hubgate.yaml"]; !strings.Contains(text, "https://a.example") {
		t.Error(text)
	}
}

// What YAML takes for a number, a truth or a list is a name here.
func TestNamesThatLookLikeSomethingElse(t *testing.T) {
	for _, name := range []string{"123", "no", "1e3"} {
		objects, err := renderAs(t, name, values{
			"secret": values{"existingSecret": name}, "networkPolicy": values{"monitoringNamespaces": []any{name}}, "serviceMonitor": values{"enabled": true},
			"ingress": values{"enabled": true, "className": name, "host": name, "tlsSecret": name}, "persistence": values{"storageClass": name},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, i := find[appsv1.StatefulSet](objects), find[networkingv1.Ingress](objects)
		if s.Labels["app.kubernetes.io/instance"] != name || *s.Spec.VolumeClaimTemplates[0].Spec.StorageClassName != name ||
			variables(s)["HUBGATE_ACCESS_KEY"].ValueFrom.SecretKeyRef.Name != name {
			t.Error(s)
		}
		if *i.Spec.IngressClassName != name || i.Spec.TLS[0].SecretName != name || i.Spec.Rules[0].Host != name {
			t.Error(i)
		}
	}
}

// Every variable of the container is one of the gateway.
func TestVariablesExist(t *testing.T) {
	reference, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"GOMEMLIMIT": true, "HUBGATE_CONFIG": true}
	for _, name := range regexp.MustCompile(`HUBGATE_[A-Z0-9_]+`).FindAllString(string(reference), -1) {
		known[name] = true
	}
	env := variables(find[appsv1.StatefulSet](mustRender(t, values{"publicUrl": "https://a.example", "upstream": "http://b.example"})))
	if len(env) < 12 {
		t.Error(slices.Sorted(maps.Keys(env)))
	}
	for name := range env {
		if !known[name] {
			t.Errorf("the gateway knows no %s", name)
		}
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	for reason, v := range map[string]values{
		"two nodes":             {"nodes": 2},
		"no nodes":              {"nodes": 0},
		"a typing error":        {"node": 3},
		"one below":             {"ingress": values{"enable": true}},
		"an unknown mode":       {"mode": "serverles"},
		"autoscaling of one":    {"nodes": 1, "autoscaling": values{"enabled": true}},
		"a URL without scheme":  {"publicUrl": "gateway.example"},
		"a short key":           {"secret": values{"accessKey": "short"}},
		"a short secret":        {"secret": values{"clusterSecret": "short"}},
		"a number in an option": {"service": values{"annotations": values{"a": 1}}},
	} {
		if _, err := render(t, v); err == nil {
			t.Errorf("%s: taken", reason)
		}
	}
}

func TestAppVersionIsAReleases(t *testing.T) {
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&chart.Metadata{APIVersion: "v2", Name: "x", Version: c.Metadata.AppVersion}).Validate(); err != nil {
		t.Error(err)
	}
	changes, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil || !bytes.Contains(changes, []byte("## "+c.Metadata.AppVersion)) {
		t.Errorf("CHANGELOG.md says nothing of %s: %v", c.Metadata.AppVersion, err)
	}
}
