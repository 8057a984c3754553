package management_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/management"
)

// The file holds as many versions as are said, and the ones after it was opened again follow those before.
func TestFileOutlivesTheService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	open := func() *management.Service {
		store, err := management.OpenFile(path)
		require.NoError(t, err)
		return management.New(management.Options{Store: store})
	}
	s := open()
	for i := range management.MaxVersions + 8 {
		_, err := s.Change(t.Context(), management.Editor{Name: "ann"}, management.Anything, set("F", fmt.Sprint(i)))
		require.NoError(t, err)
	}
	before, err := s.History(t.Context())
	require.NoError(t, err)
	require.Len(t, before, management.MaxVersions+1)
	s = open()
	after, err := s.History(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	v, err := s.Change(t.Context(), management.Editor{}, before[0].Revision, set("F", "last"))
	require.NoError(t, err)
	require.Equal(t, before[0].Revision+1, v.Revision)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing but the file is left")

	// A directory that cannot be written to: the change is refused, and what was in force stays.
	other, err := management.OpenFile(filepath.Join(t.TempDir(), "no", "such", "directory", "settings.json"))
	require.NoError(t, err)
	lost := management.New(management.Options{Store: other})
	_, err = lost.Change(t.Context(), management.Editor{}, management.Anything, set("F", "x"))
	require.ErrorIs(t, err, management.ErrUnavailable)
	v, err = lost.Current(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Revision)

	for _, text := range []string{"", "{", `{"format":"other"}`, `{"format":"hubgate-settings-1","records":[{"revision":3},{"revision":3}]}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := management.OpenFile(path)
		require.ErrorContains(t, err, path, text)
	}
}

// What was written can be read again, also if it is nested deep.
func TestFileIsNeverLargerThanCanBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	store, err := management.OpenFile(path)
	require.NoError(t, err)
	s := management.New(management.Options{Store: store})
	const depth = 900
	nested := strings.Repeat("[", depth) + strings.Repeat("]", depth)
	for i := range 6 {
		_, err := s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
			return d.Merge(fmt.Appendf(nil, `{"properties":{"routeSettings":[%d,%s]}}`, i, nested))
		})
		require.NoError(t, err)
	}
	_, err = management.OpenFile(path)
	require.NoError(t, err)
}

// A record is bounded.
func TestLargeRecordsAreRefused(t *testing.T) {
	s := management.New(management.Options{})
	_, err := s.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		d.Location = string(make([]byte, management.MaxRecord))
		return nil
	})
	var wrong *management.InvalidError
	require.ErrorAs(t, err, &wrong)
}

// FuzzDecodeRecord: what is read is what would be stored again.
func FuzzDecodeRecord(f *testing.F) {
	good, err := management.EncodeRecord(management.Record{By: "ann", Document: management.Document{Location: "local"}})
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte("mode: classic"))
	options := func(text []byte) (json.RawMessage, error) { return json.Marshal(string(text)) }
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := management.DecodeRecord(text, 2, options)
		if err != nil {
			return
		}
		again, err := management.EncodeRecord(r)
		if err != nil {
			return // too large
		}
		same, err := management.DecodeRecord(again, 2, options)
		require.NoError(t, err)
		require.Equal(t, r.By, same.By)
		require.Equal(t, r.Restarts, same.Restarts)
	})
}
