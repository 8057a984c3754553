// Package check reads Kubernetes manifests as the API server does: every object has to be of a known
// kind, and every field has to be one of it, of the right type. It is a module of its own, so that
// hubgate does not depend on what it needs. Its tests read what is in deploy.
package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// decode returns the objects up to the first that is not well-formed.
func decode(r io.Reader) (objects []runtime.Object, err error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, corev1.AddToScheme, monitoringv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewYAMLReader(bufio.NewReader(r))
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return objects, err
		}
		if len(bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("---")))) == 0 {
			continue
		}
		object, _, err := strict.Decode(text, nil, nil)
		if err != nil {
			return objects, fmt.Errorf("object %d: %w", len(objects)+1, err)
		}
		objects = append(objects, object)
	}
}
