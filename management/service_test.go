package management_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/management"
)

func set(flag, value string) func(*management.Document) error {
	return func(d *management.Document) error {
		d.Properties.SetFeature(flag, value)
		return nil
	}
}

// Of two who change the same version one is told, and the history says who was first.
func TestChangeFollowsARevision(t *testing.T) {
	s := management.New(management.Options{})
	ctx := t.Context()
	v, err := s.Current(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Revision)

	v, err = s.Change(ctx, management.Editor{Name: "ann", Note: "hub servers"}, 1, set(management.FlagServiceMode, "Default"))
	require.NoError(t, err)
	require.EqualValues(t, 2, v.Revision)
	_, err = s.Change(ctx, management.Editor{Name: "bob"}, 1, set(management.FlagServiceMode, "Classic"))
	require.ErrorIs(t, err, management.ErrConflict)

	history, err := s.History(ctx)
	require.NoError(t, err)
	require.Len(t, history, 2)
	require.Equal(t, "ann", history[0].By)
	require.Equal(t, "hub servers", history[0].Note)
	require.Equal(t, "properties.features", history[0].Changes[0].Path)

	_, err = s.Rollback(ctx, management.Editor{Name: "bob"}, 1, 1)
	require.ErrorIs(t, err, management.ErrConflict)
	v, err = s.Rollback(ctx, management.Editor{Name: "bob"}, 2, 1)
	require.NoError(t, err)
	require.EqualValues(t, 3, v.Revision)
	require.Empty(t, v.Set.Properties.Features)
	v, err = s.Rollback(ctx, management.Editor{Name: "bob"}, management.Anything, 1)
	require.NoError(t, err)
	require.EqualValues(t, 3, v.Revision)
	require.Empty(t, v.Changes, "what changed nothing does not show an earlier change as its own")
	_, err = s.Rollback(ctx, management.Editor{Name: "bob"}, management.Anything, 7)
	require.ErrorIs(t, err, management.ErrNotFound)
}

// A flag that is not named keeps its value, whatever its letter case (R80).
func TestR80FlagsThatAreNotNamedStay(t *testing.T) {
	var d management.Document
	require.NoError(t, d.Merge([]byte(`{"properties":{"features":[{"flag":"ServiceMode","value":"Serverless"}],"cors":{"allowedOrigins":["https://a.example"]}}}`)))
	require.NoError(t, d.Merge([]byte(`{"Properties":{"Features":[{"flag":"EnableMessagingLogs","value":"False"},{"flag":"servicemode","value":"default"}],"provisioningState":"Succeeded"}}`)))
	mode, _ := d.Properties.Feature("ServiceMode")
	require.Equal(t, "default", mode)
	require.Len(t, d.Properties.Features, 2)
	require.Equal(t, []string{"https://a.example"}, d.Properties.CORS.AllowedOrigins)
	require.NoError(t, d.Merge([]byte(`{"properties":{"cors":null}}`)))
	require.Nil(t, d.Properties.CORS)
	require.NoError(t, d.Merge([]byte(`{"properties":{"features":[{"flag":"SERVICEMODE","value":null},{"flag":"EnableLiveTrace","value":null}]}}`)))
	require.Equal(t, []management.Feature{{Flag: "EnableMessagingLogs", Value: "False"}}, d.Properties.Features, "null unsets a flag")

	var wrong *management.InvalidError
	require.ErrorAs(t, d.Merge([]byte(`{"properties":{"corz":{}}}`)), &wrong)
	require.Equal(t, "properties.corz", wrong.Fields[0].Path)
	require.ErrorAs(t, d.Merge([]byte(`{"properties":{"disableLocalAuth":"yes"}}`)), &wrong)
	require.Equal(t, "properties.disableLocalAuth", wrong.Fields[0].Path)
}

// Readers see no secret of a webhook, and who writes back what they were shown has changed nothing.
func TestSecretsOfWebhooksAreWriteOnly(t *testing.T) {
	s := management.New(management.Options{})
	const url = "https://app.example/hook?code=very-secret"
	v, err := s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		d.Properties.Upstream = &management.Upstream{Templates: []management.Template{{URLTemplate: url}}}
		return nil
	})
	require.NoError(t, err)
	shown := v.Document.Properties.Upstream.Templates[0].URLTemplate
	require.NotContains(t, shown, "very-secret")
	require.NotContains(t, string(v.Changes[0].After), "very-secret")

	_, err = s.Change(t.Context(), management.Editor{}, v.Revision, func(d *management.Document) error {
		require.Equal(t, url, d.Properties.Upstream.Templates[0].URLTemplate)
		d.Properties.Upstream = &management.Upstream{Templates: []management.Template{
			{URLTemplate: "https://other.example"}, {HubPattern: "chat", URLTemplate: shown}}}
		return nil
	})
	require.NoError(t, err)
	_, err = s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		require.Equal(t, url, d.Properties.Upstream.Templates[1].URLTemplate)
		return nil
	})
	require.NoError(t, err)
}

// Webhooks among the options are masked as all others, also in the history, and those of former shared settings.
func TestWebhooksAmongOptionsAreMasked(t *testing.T) {
	for name, key := range map[string]string{"a section": `"upstream":{"templates":%s}`, "a key with a dot": `"upstream.templates":%s`} {
		t.Run(name, func(t *testing.T) { webhooksAmongOptionsAreMasked(t, key) })
	}
}

func webhooksAmongOptionsAreMasked(t *testing.T, key string) {
	s := management.New(management.Options{})
	options := fmt.Sprintf(`{"properties":{"hubgate":{"limits":{"maxConnections":9},`+key+`}}}`, `["https://a.example/?code=very-secret",{"hubPattern":"chat","urlTemplate":"https://b.example/?code=very-secret"}]`)
	merge := func(patch string) (management.Version, error) {
		return s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error { return d.Merge([]byte(patch)) })
	}
	v, err := merge(options)
	require.NoError(t, err)
	shown, err := json.Marshal(v.Set)
	require.NoError(t, err)
	_, err = merge(string(shown)) // what was shown is written back
	require.NoError(t, err)
	v, err = merge(`{"tags":{"a":"b"}}`)
	require.NoError(t, err)
	require.EqualValues(t, 3, v.Revision, "what was shown changes nothing")
	_, err = s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		require.Contains(t, string(d.Properties.Hubgate), "https://b.example/?code=very-secret")
		d.Properties.Hubgate = nil
		return nil
	})
	require.NoError(t, err)
	history, err := s.History(t.Context())
	require.NoError(t, err)
	all, err := json.Marshal(history)
	require.NoError(t, err)
	require.NotContains(t, string(all), "very-secret")
	require.Contains(t, string(all), "https://b.example/?code=[redacted]")
}

// Of two webhooks that look alike without their secrets it has to be clear which one is meant.
func TestAMaskThatFitsTwoWebhooksIsRefused(t *testing.T) {
	s := management.New(management.Options{})
	change := func(templates ...management.Template) (management.Version, error) {
		return s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
			d.Properties.Upstream = &management.Upstream{Templates: templates}
			return nil
		})
	}
	a, b := management.Template{HubPattern: "a", URLTemplate: "https://h.example/?code=one"}, management.Template{HubPattern: "b", URLTemplate: "https://h.example/?code=two"}
	v, err := change(a, b)
	require.NoError(t, err)
	shown := v.Set.Properties.Upstream.Templates
	_, err = change(append(slices.Clone(shown), management.Template{URLTemplate: "https://other.example"})...)
	require.NoError(t, err, "they stay where they are")
	var wrong *management.InvalidError
	for _, templates := range [][]management.Template{{shown[1]}, {shown[1], shown[0]}} {
		_, err = change(templates...)
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "properties.upstream.templates[0].urlTemplate", wrong.Fields[0].Path)
	}
	_, err = s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		require.Equal(t, []management.Template{a, b}, d.Properties.Upstream.Templates[:2])
		return nil
	})
	require.NoError(t, err)
	_, err = change(b)
	require.NoError(t, err, "with its secret it is clear")
}

// A new key is another one, of Azure's length; the other key stays.
func TestR81AKeyIsReplaced(t *testing.T) {
	s := management.New(management.Options{})
	before, err := s.Keys(t.Context())
	require.NoError(t, err)
	kind, err := management.ParseKeyKind("primary")
	require.NoError(t, err)
	after, err := s.RegenerateKey(t.Context(), management.Editor{}, kind)
	require.NoError(t, err)
	require.NotEqual(t, before.Primary, after.Primary)
	require.Len(t, after.Primary.Reveal(), 44)
	require.Equal(t, before.Secondary, after.Secondary)
	_, err = management.ParseKeyKind("tertiary")
	require.Error(t, err)
}

// A trial is refused as the change would be, and changes nothing.
func TestATrialIsCheckedAsAChangeIs(t *testing.T) {
	s := management.New(management.Options{})
	v, err := s.Try(t.Context(), management.Editor{Name: "ann"}, management.Anything, set("ServiceMode", "Default"))
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Revision)
	now, err := s.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, v, now)

	var wrong *management.InvalidError
	_, err = s.Try(t.Context(), management.Editor{}, management.Anything, set("ServiceMode", "Other"))
	require.ErrorAs(t, err, &wrong)
	_, err = s.Try(t.Context(), management.Editor{}, 7, set("ServiceMode", "Default"))
	require.ErrorIs(t, err, management.ErrConflict)
	_, err = s.Try(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		d.Location = string(make([]byte, management.MaxRecord))
		return nil
	})
	require.ErrorAs(t, err, &wrong)
}

// Of a field that is there twice nobody can say which value is meant. The error has its path.
func TestFieldsThatAreThereTwice(t *testing.T) {
	for text, path := range map[string]string{
		`{"a":1,"A":2}`: "A", `{"a":[0,{"b":{"c":1,"d":{},"C":2}}]}`: "a[1].b.C", `[[{"x":1,"x":1}]]`: "[0][0].x", `{} {}`: "", `{"a":1`: "", `{"a":1}x`: "",
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000): "",
	} {
		var wrong *management.InvalidError
		require.ErrorAs(t, management.CheckNames([]byte(text)), &wrong, text)
		require.Equal(t, path, wrong.Fields[0].Path, text)
	}
	require.NoError(t, management.CheckNames([]byte(`{"a":{"b":1},"b":[{"a":1},{"a":2}]} `)))
	var d management.Document
	require.ErrorContains(t, d.Merge([]byte(`{"location":"a","Location":"b"}`)), "Location")
}
