package servermode_test

import (
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"time"
)

func TestH11ServersOfAspNet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, hub := range []string{"app_app", "app_chat", "App_Chat", "my.app.startup_chathub"} {
			w.server(dial{aspnet: true, hub: hub})
		}
		require.EqualValues(t, 4, w.Stats().Opened)
	})
}

func TestH11RefusedServersOfAspNet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			hub, audience string
			status        int
		}{
			"no application":             {"chat", "", http.StatusBadRequest},
			"nothing behind the border":  {"app_", "", http.StatusBadRequest},
			"no letter behind":           {"app_1", "", http.StatusBadRequest},
			"no name":                    {"app_ch-at", "", http.StatusBadRequest},
			"a token for another hub":    {"app_chat", "http://localhost/aspnetserver/?hub=app_news", http.StatusUnauthorized},
			"a token of the other kind":  {"app_chat", "http://localhost/server/?hub=app_chat", http.StatusUnauthorized},
			"a token of a client":        {"app_chat", "http://localhost/aspnetclient", http.StatusUnauthorized},
			"a token for no hub, at all": {"app_chat", "http://localhost/aspnetserver", http.StatusUnauthorized},
		} {
			d := dial{aspnet: true, hub: c.hub}
			token := serverToken(t, d)
			if c.audience != "" {
				token = sign(t, jwt.MapClaims{"aud": c.audience, "nameid": "s1", "exp": time.Now().Add(time.Hour).Unix()})
			}
			_, response, err := w.dial(d, token)
			require.Error(t, err, name)
			require.Equal(t, c.status, response.StatusCode, name)
		}
		// And the other way round.
		_, response, err := w.dial(dial{hub: "app_chat"}, serverToken(t, dial{aspnet: true, hub: "app_chat"}))
		require.Error(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	})
}
