package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

// R66: a template says what token its webhook wants, shortly or in Azure's notation.
func TestR66AuthOfTemplates(t *testing.T) {
	for text, want := range map[string]settings.TemplateAuth{
		`{scope: api://app/.default}`:  {Wanted: true, Scope: "api://app/.default"},
		`{audience: app, resource: r}`: {Wanted: true, Audience: "app", Resource: "r"},
		`{}`:                           {Wanted: true},
		`{type: ManagedIdentity}`:      {Wanted: true},
		`{type: managedIdentity, managedIdentity: {resource: api://x}}`: {Wanted: true, Resource: "api://x"},
		`{type: None}`: {},
	} {
		f, err := parseFile("c.yaml", []byte("upstream: {templates: [{urlTemplate: 'http://h/', auth: "+text+"}]}"))
		require.NoError(t, err, text)
		require.Equal(t, want, f.templates[0].Auth, text)
	}
	for _, text := range []string{`x`, `{typ: None}`, `{type: Key}`, `{managedIdentity: {ressource: x}}`, `{scope: [a]}`} {
		_, err := parseFile("c.yaml", []byte("upstream: {templates: [{urlTemplate: 'http://h/', auth: "+text+"}]}"))
		require.ErrorContains(t, err, "c.yaml:1", text)
	}
	list, err := parseSettingsFile([]byte(`{"upstreamSettings":{"templates":[
		{"UrlTemplate":"http://h/","Auth":{"Type":"ManagedIdentity","ManagedIdentity":{"Resource":"api://app"}}},
		{"UrlTemplate":"http://h/","auth:type":"None"}]}}`))
	require.NoError(t, err)
	require.Equal(t, []settings.TemplateAuth{{Wanted: true, Resource: "api://app"}, {}}, []settings.TemplateAuth{list[0].Auth, list[1].Auth})
}
