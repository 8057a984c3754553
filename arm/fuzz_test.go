package arm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/arm"
	"github.com/hubgate/hubgate/management"
)

// Whatever comes, the answer is one of HTTP and its body is JSON.
func FuzzRequest(f *testing.F) {
	f.Add("PATCH", path, `{"properties":{`+careless+`}}`)
	f.Add("PUT", path, create)
	f.Add("PUT", path, `{"location":"x","properties":{"features":[null,{"flag":3}],"networkACLs":[]}}`)
	f.Add("POST", path+"/regenerateKey", `{"keyType":"Salt"}`)
	f.Add("POST", "/common/oauth2/v2.0/token", "grant_type=client_credentials")
	f.Add("GET", "/%zz", "")
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		switch method {
		case "GET", "PUT", "PATCH", "POST", "DELETE":
		default:
			return
		}
		h := arm.New(arm.Options{Settings: management.New(management.Options{}), Place: arm.Place{Subscription: subscription, Tenant: tenant},
			Admits: onlyAdmin, Seed: adminToken, Endpoint: func() string { return "http://localhost" }, Usage: func() (int, int) { return 0, 0 }})
		r := httptest.NewRequest(method, "https://arm.example/", strings.NewReader(body))
		r.URL = u
		r.Header = http.Header{"Authorization": {"Bearer " + adminToken}, "Content-Type": {"application/x-www-form-urlencoded"}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.NotEqual(t, http.StatusInternalServerError, w.Code, w.Body.String())
		if w.Body.Len() > 0 {
			require.True(t, json.Valid(w.Body.Bytes()))
		}
	})
}
