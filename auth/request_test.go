package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestRequestTokens(t *testing.T) {
	tests := []struct {
		name, authorization, query string
		bearer, client             string // "" means none
	}{
		{"R1 nothing", "", "", "", ""},
		{"C12 header", "Bearer abc", "", "abc", "abc"},
		{"C12 scheme in any letter case", "bEARER abc", "", "abc", "abc"},
		{"C12 spaces", "  Bearer   abc  ", "", "abc", "abc"},
		{"C12 header wins over query", "Bearer abc", "?access_token=def", "abc", "abc"},
		{"another scheme", "Basic abc", "", "", ""},
		{"scheme that only begins alike", "Bearerabc", "", "", ""},
		{"scheme alone", "Bearer ", "", "", ""},
		{"R10 C11 query", "", "?hub=chat&access_token=def", "", "def"},
		{"C11 query beside another scheme", "Basic abc", "?access_token=def", "", "def"},
		{"C11 last of several", "", "?access_token=a&access_token=b&x=c", "", "b"},
		{"C11 name in any letter case", "", "?Access_Token=a", "", "a"},
		{"C11 escaped", "", "?access%5Ftoken=a%2Eb", "", "a.b"},
		{"C11 empty", "", "?access_token=", "", ""},
		{"C11 name within a name", "", "?xaccess_token=a", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/client/"+test.query, nil)
			r.Header.Set("Upgrade", "websocket")
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			bearer, ok := auth.BearerToken(r.Header)
			require.Equal(t, test.bearer, bearer)
			require.Equal(t, test.bearer != "", ok)
			client, ok := auth.ClientToken(r)
			require.Equal(t, test.client, client)
			require.Equal(t, test.client != "", ok)
		})
	}
}

func TestQueryTokensAreForHeaderlessRequests(t *testing.T) {
	for name, c := range map[string]struct {
		header, value string
		taken         bool
	}{
		"C11 WebSocket upgrade":       {"Upgrade", "WebSocket", true},
		"C11 Server-Sent Events":      {"Accept", "text/event-stream", true},
		"C10 negotiate":               {"Accept", "*/*", false},
		"C10 a request without hints": {"X-Other", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/client/negotiate?access_token=a", nil)
			r.Header.Set(c.header, c.value)
			_, ok := auth.ClientToken(r)
			require.Equal(t, c.taken, ok)
		})
	}
}
