package management_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/settings"
)

// What live trace and resource logs have: the newer parts decide, the older flags where these say nothing.
func TestTraceOfTheDocument(t *testing.T) {
	for text, want := range map[string]settings.Trace{
		`{}`: {},
		`{"features":[{"flag":"enablelivetrace","value":"True"},{"flag":"EnableMessagingLogs","value":"true"}]}`: {
			Live: true, LiveCategories: []string{"ConnectivityLogs", "MessagingLogs", "HttpRequestLogs"}, LogCategories: []string{"MessagingLogs"}},
		`{"features":[{"flag":"EnableLiveTrace","value":"True"}],"liveTraceConfiguration":{"enabled":"false","categories":[{"name":"connectivitylogs","enabled":"TRUE"},{"name":"MessagingLogs","enabled":"false"}]},
			"resourceLogConfiguration":{"categories":[{"name":"HttpRequestLogs","enabled":"true"}]}}`: {
			LogCategories: []string{"HttpRequestLogs"}},
		`{"liveTraceConfiguration":{"enabled":"TRUE","categories":[{"name":"connectivitylogs","enabled":"TRUE"},{"name":"MessagingLogs","enabled":"false"}]}}`: {
			Live: true, LiveCategories: []string{"ConnectivityLogs"}},
	} {
		var r management.Record
		require.NoError(t, r.Document.Merge([]byte(`{"properties":`+text+`}`)))
		var s settings.Settings
		r.Apply(&s)
		require.Equal(t, want, s.Trace, text)
	}
}

// All that is wrong is named, with its path (R84).
func TestR84WhatIsWrongIsNamedAtOnce(t *testing.T) {
	s := management.New(management.Options{})
	_, err := s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		return d.Merge([]byte(`{"properties":{
			"features":[{"flag":"ServiceMode","value":"PredefinedOnly"},{"flag":"EnableLiveTrace","value":"yes"},{"flag":"Other","value":""}],
			"serverless":{"connectionTimeoutInSeconds":0,"keepAliveIntervalInSeconds":121},
			"upstream":{"templates":[{"hubPattern":"x"},{"urlTemplate":"http://a","auth":{"type":"Basic"}}]},
			"networkACLs":{"defaultAction":"Maybe","publicNetwork":{"allow":["All"]},"ipRules":[{"value":"10.0.0.0/33","action":"Allow"},{"value":"AzureCloud"}]},
			"applicationFirewall":{"maxClientConnectionLifetimeInSeconds":604801,"clientConnectionCountRules":[{"type":"ThrottleByJwtCustomClaimRule"},{"type":"X","maxCount":0}],
				"clientTrafficControlRules":[{"type":"TrafficThrottleByUserIdRule","claimName":"c","aggregationWindowInSeconds":9}]},
			"publicNetworkAccess":"On","resourceStopped":"no","liveTraceConfiguration":{"enabled":"x","categories":[{"name":"Logs","enabled":"true"}]},"hubgate":[]}}`))
	})
	var wrong *management.InvalidError
	require.ErrorAs(t, err, &wrong)
	var paths []string
	for _, f := range wrong.Fields {
		require.NotEmpty(t, f.Reason)
		paths = append(paths, f.Path)
	}
	const acls, firewall = "properties.networkACLs.", "properties.applicationFirewall."
	require.ElementsMatch(t, []string{
		"properties.features[0].value", "properties.features[1].value", "properties.features[2].value",
		"properties.serverless.connectionTimeoutInSeconds", "properties.serverless.keepAliveIntervalInSeconds",
		"properties.upstream.templates[0].urlTemplate", "properties.upstream.templates[1].auth.type",
		acls + "defaultAction", acls + "publicNetwork.allow[0]", acls + "ipRules[0].value", acls + "ipRules[1].value", acls + "ipRules[1].action",
		firewall + "maxClientConnectionLifetimeInSeconds", firewall + "clientConnectionCountRules[0].claimName", firewall + "clientConnectionCountRules[1].type", firewall + "clientConnectionCountRules[1].maxCount",
		firewall + "clientTrafficControlRules[0].claimName", firewall + "clientTrafficControlRules[0].aggregationWindowInSeconds",
		"properties.publicNetworkAccess", "properties.resourceStopped", "properties.liveTraceConfiguration.enabled", "properties.liveTraceConfiguration.categories[0].name", "properties.hubgate",
	}, paths)
	v, err := s.Current(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Revision)
}

// A template is taken over with the values of its parameters; what means nothing here is named.
func TestImportOfATemplate(t *testing.T) {
	edit, ignored, err := management.Import([]byte(`{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
		"parameters":{"mode":{"defaultValue":"Classic"},"place":{"type":"string"}},"variables":{"origin":"https://a.example"},
		"resources":[{"type":"Microsoft.Web/sites","name":"x"},{"type":"Microsoft.SignalRService/SignalR","apiVersion":"2023-02-01","name":"[parameters('n')]","location":"[parameters('place')]",
			"sku":{"name":"Standard_S1","capacity":1},"kind":"SignalR","properties":{"features":[{"flag":"ServiceMode","value":"[parameters('mode')]","properties":{}}],
			"cors":{"allowedOrigins":["[variables('origin')]"]},"future":1,"upstream":{"templates":[{"urlTemplate":"[concat('https://', 'x')]"},{"urlTemplate":"[[x"}]}}}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"resources[0] (Microsoft.Web/sites)", "properties.future", "location ([parameters('place')])",
		"properties.upstream.templates[0].urlTemplate ([concat('https://', 'x')])"}, ignored)
	var d management.Document
	require.NoError(t, edit(&d))
	mode, _ := d.Properties.Feature("ServiceMode")
	require.Equal(t, "Classic", mode)
	require.Equal(t, []string{"https://a.example"}, d.Properties.CORS.AllowedOrigins)
	require.Equal(t, "Standard_S1", d.SKU.Name)
	require.Equal(t, "[x", d.Properties.Upstream.Templates[1].URLTemplate)

	for _, text := range []string{`{`, `[]`, `{}`, `{"resources":[]}`, `{"type":"Microsoft.Web/sites"}`} {
		_, _, err := management.Import([]byte(text))
		require.Error(t, err, text)
	}
}

// Each variable has the one before ten times: a short template that no memory would hold.
func TestImportOfATemplateThatGrows(t *testing.T) {
	variables := map[string]any{"0": "x"}
	for i := range 6 {
		variables[strconv.Itoa(i+1)] = slices.Repeat([]string{fmt.Sprintf("[variables('%d')]", i)}, 10)
	}
	text, err := json.Marshal(map[string]any{"variables": variables, "resources": []any{map[string]any{
		"type": "Microsoft.SignalRService/SignalR", "properties": map[string]any{"cors": "[variables('6')]"},
	}}})
	require.NoError(t, err)
	_, _, err = management.Import(text)
	require.ErrorContains(t, err, "is too large with the values of its parameters and variables")
}

// FuzzImport: whatever the file is, importing it ends with an error or with a document that merges.
func FuzzImport(f *testing.F) {
	f.Add(`{"type":"Microsoft.SignalRService/SignalR","properties":{"features":[{"flag":"ServiceMode","value":"Default"}]}}`)
	f.Add(`{"variables":{"a":"[variables('a')]"},"resources":{"x":{"type":"microsoft.signalrservice/signalr","location":"[variables('a')]"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		edit, _, err := management.Import([]byte(text))
		if err != nil {
			return
		}
		var d management.Document
		require.NoError(t, edit(&d))
	})
}
