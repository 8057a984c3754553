package management_test

import (
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

	v, err = s.Rollback(ctx, management.Editor{Name: "bob"}, 1)
	require.NoError(t, err)
	require.EqualValues(t, 3, v.Revision)
	require.Empty(t, v.Set.Properties.Features)
	_, err = s.Rollback(ctx, management.Editor{Name: "bob"}, 7)
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
