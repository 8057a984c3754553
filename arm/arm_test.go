package arm_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/arm"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/management"
)

const (
	adminToken   = "the-token-of-administrators-0123456789"
	subscription = "00000000-0000-0000-0000-00000000000a"
	tenant       = "00000000-0000-0000-0000-00000000000b"
	path         = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.SignalRService/signalR/gw1"
	create       = `{"location":"westeurope","sku":{"name":"Standard_S1","capacity":1}}`
)

// stand is a handler on settings in memory.
type stand struct {
	t        *testing.T
	handler  *arm.Handler
	settings *management.Service
	log      *lines
	token    string
	now      time.Time
}

func newStand(t *testing.T, adapt ...func(*arm.Options)) *stand {
	s := &stand{t: t, settings: management.New(management.Options{}), log: new(lines), token: adminToken, now: time.Now()}
	options := arm.Options{
		Settings: s.settings,
		Place:    arm.Place{Subscription: subscription, Tenant: tenant},
		Admits:   onlyAdmin,
		Seed:     adminToken,
		Endpoint: func() string { return "https://gw.example:8443" },
		Usage:    func() (int, int) { return 3, 0 },
		Logger:   slog.New(slog.NewTextHandler(s.log, nil)),
		Now:      func() time.Time { return s.now },
	}
	for _, f := range adapt {
		f(&options)
	}
	s.handler = arm.New(options)
	return s
}

// wrongToken is the error of a token that nobody knows.
type wrongToken struct{ status int }

func (wrongToken) Error() string               { return "The admin token is wrong." }
func (e wrongToken) Status() int               { return e.status }
func (e wrongToken) RetryAfter() time.Duration { return 5 * time.Second }

func onlyAdmin(r *http.Request) (string, error) {
	if r.Header.Get("Authorization") == "Bearer "+adminToken {
		return "admin token", nil
	}
	return "", wrongToken{401}
}

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type answer struct {
	*httptest.ResponseRecorder
	json map[string]any
}

// at returns a value of the answer by its path: at("properties", "hostName").
func (a answer) at(path ...any) any {
	var v any = a.json
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func (s *stand) raw(method, target, body string, header ...string) answer {
	s.t.Helper()
	r := httptest.NewRequest(method, "https://arm.example:9443"+target, strings.NewReader(body))
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	a := answer{ResponseRecorder: w}
	if w.Body.Len() > 0 {
		require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &a.json), w.Body.String())
	}
	return a
}

// do sends a request with an api-version and expects the status.
func (s *stand) do(want int, method, target, body string) answer {
	s.t.Helper()
	a := s.raw(method, target+"?api-version=2023-02-01", body)
	require.Equal(s.t, want, a.Code, "%s %s: %s", method, target, a.Body.String())
	return a
}

func (s *stand) refused(status int, code, method, target, body string) answer {
	s.t.Helper()
	a := s.do(status, method, target, body)
	require.Equal(s.t, code, a.at("error", "code"))
	require.NotEmpty(s.t, a.at("error", "message"))
	return a
}

func TestResourceIsThereBeforeAnybodyHasCreatedIt(t *testing.T) {
	s := newStand(t)
	one := strings.NewReplacer("rg", "hubgate", "gw1", "hubgate").Replace(path)
	require.Equal(t, "hubgate", s.do(200, "GET", one, "").at("name"))
	require.Equal(t, "hubgate", s.do(200, "GET", "/subscriptions/"+subscription+"/providers/Microsoft.SignalRService/signalR", "").at("value", 0, "name"))
}

func TestR79PathsHaveAnyLetterCase(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	for _, p := range []string{path, strings.ToLower(path), strings.Replace(path, "signalR/", "SignalR/", 1), strings.ToUpper(path), path + "/"} {
		a := s.do(200, "GET", p, "")
		require.Equal(t, "Microsoft.SignalRService/SignalR", a.at("type"))
		require.Equal(t, "gw1", a.at("name"), "as it was created")
		require.Equal(t, "/subscriptions/"+subscription+"/resourceGroups/rg/providers/Microsoft.SignalRService/SignalR/gw1", a.at("id"))
	}
}

func TestResourceHasWhatClientsRead(t *testing.T) {
	s := newStand(t)
	a := s.do(201, "PUT", path, `{"location":"West Europe","tags":{"a":"b"},"sku":{"name":"Premium_P1","tier":"Premium","capacity":2},"identity":{"type":"SystemAssigned"},
		"properties":{"features":[{"flag":"ServiceMode","value":"Serverless"}]}}`)
	require.Equal(t, "Succeeded", a.at("properties", "provisioningState"), "so that nobody asks again")
	a = s.do(200, "GET", path, "")
	for _, c := range []struct {
		want any
		path []any
	}{
		{"West Europe", []any{"location"}}, {"b", []any{"tags", "a"}}, {"Premium_P1", []any{"sku", "name"}}, {2.0, []any{"sku", "capacity"}},
		{"SystemAssigned", []any{"identity", "type"}}, {"SignalR", []any{"kind"}}, {"gw.example", []any{"properties", "hostName"}},
		{8443.0, []any{"properties", "publicPort"}}, {"1.0", []any{"properties", "version"}}, {"Serverless", []any{"properties", "features", 0, "value"}},
		{"Deny", []any{"properties", "networkACLs", "defaultAction"}}, {"ServerConnection", []any{"properties", "networkACLs", "publicNetwork", "allow", 0}},
		{[]any{}, []any{"properties", "networkACLs", "ipRules"}}, {[]any{}, []any{"properties", "privateEndpointConnections"}},
		{"admin token", []any{"systemData", "lastModifiedBy"}},
	} {
		require.Equal(t, c.want, a.at(c.path...), "%v", c.path)
	}
}

func TestThereIsOneResource(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	s.do(200, "PUT", path, create)
	other := strings.Replace(path, "gw1", "gw2", 1)
	for _, p := range []string{other, strings.Replace(path, "/rg/", "/rg2/", 1)} {
		require.Contains(t, s.refused(409, "QuotaExceeded", "PUT", p, create).at("error", "message"), "'gw1' in resource group 'rg'")
		require.Contains(t, s.refused(404, "ResourceNotFound", "GET", p, "").at("error", "message"), "'gw1' in resource group 'rg'")
		s.refused(404, "ResourceNotFound", "PATCH", p, `{}`)
		s.refused(404, "ResourceNotFound", "POST", p+"/listKeys", "")
		s.do(204, "DELETE", p, "")
	}
	require.Equal(t, "location", s.refused(409, "InvalidResourceLocation", "PUT", path, `{"location":"eastus"}`).at("error", "target"))
	s.do(200, "PUT", path, `{"location":"West Europe"}`)
	s.do(200, "PUT", path, `{}`)
	require.Equal(t, "West Europe", s.do(200, "GET", path, "").at("location"))
	require.Len(t, s.do(200, "GET", "/subscriptions/"+subscription+"/resourceGroups/RG/providers/Microsoft.SignalRService/signalR", "").at("value"), 1)
	require.Empty(t, s.do(200, "GET", "/subscriptions/"+subscription+"/resourceGroups/other/providers/Microsoft.SignalRService/signalR", "").at("value"))
}

func TestNamesAreChecked(t *testing.T) {
	s := newStand(t)
	for _, name := range []string{"a", "ab", "1abc", "abc-", "a_b", strings.Repeat("a", 64)} {
		require.Equal(t, "name", s.refused(400, "InvalidResourceName", "PUT", strings.Replace(path, "gw1", name, 1), create).at("error", "target"))
	}
	s.refused(400, "LocationRequired", "PUT", path, `{}`)
	for _, body := range []string{``, `null`, `[]`, `{`, `"x"`} {
		s.refused(400, "InvalidRequestContent", "PUT", path, body)
	}
	check := "/subscriptions/" + subscription + "/providers/Microsoft.SignalRService/locations/eastus/checkNameAvailability"
	ask := func(name string) answer {
		return s.do(200, "POST", check, `{"type":"Microsoft.SignalRService/SignalR","name":"`+name+`"}`)
	}
	require.Equal(t, true, ask("anything").at("nameAvailable"))
	require.Equal(t, "Invalid", ask("-").at("reason"))
	s.do(201, "PUT", path, create)
	require.Equal(t, "AlreadyExists", ask("GW1").at("reason"))
	require.Equal(t, false, ask("gw2").at("nameAvailable"))
	s.refused(400, "InvalidResourceType", "POST", check, `{"type":"x","name":"gw1"}`)
}

func TestR80PatchChangesWhatItNames(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, `{"location":"l","tags":{"a":"1","b":"2"},"properties":{"features":[{"flag":"ServiceMode","value":"Serverless"},{"flag":"EnableMessagingLogs","value":"True"}],
		"cors":{"allowedOrigins":["https://a.example"]},"upstream":{"templates":[{"urlTemplate":"https://one.example"},{"urlTemplate":"https://two.example"}]},
		"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["RESTAPI"]}}}}`)
	a := s.do(200, "PATCH", path, `{"tags":{"c":"3"},"properties":{"features":[{"flag":"servicemode","value":"Default"}],"upstream":{"templates":[{"urlTemplate":"https://three.example"}]},
		"networkACLs":{"defaultAction":"Allow","publicNetwork":{"allow":["RESTAPI"]}}}}`)
	require.Equal(t, "Default", a.at("properties", "features", 0, "value"))
	require.Equal(t, "True", a.at("properties", "features", 1, "value"), "a flag that is not named stays")
	require.Len(t, a.at("properties", "upstream", "templates"), 1)
	require.Equal(t, "https://a.example", a.at("properties", "cors", "allowedOrigins", 0))
	require.Equal(t, map[string]any{"c": "3"}, a.at("tags"), "replaced whole")
	require.Nil(t, a.at("properties", "networkACLs", "publicNetwork", "deny"), "replaced whole")
	require.Equal(t, "l", a.at("location"))
	require.Empty(t, s.do(200, "PATCH", path, `{"properties":{"upstream":{"templates":[]}}}`).at("properties", "upstream", "templates"))
}

func TestErrorsNameTheField(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	for body, target := range map[string]string{
		`{"properties":{"cors":{"allowedOrigins":"x"}}}`:                   "properties.cors.allowedOrigins",
		`{"properties":{"disableLocalAuth":"yes"}}`:                        "properties.disableLocalAuth",
		`{"properties":{"serverless":{"keepAliveIntervalInSeconds":"x"}}}`: "properties.serverless.keepAliveIntervalInSeconds",
	} {
		a := s.refused(400, "ValidationFailed", "PATCH", path, body)
		require.Equal(t, target, a.at("error", "target"), a.Body.String())
		require.Equal(t, target, a.at("error", "details", 0, "target"))
	}
	s.refused(400, "ValidationFailed", "POST", path+"/regenerateKey", `{"keyType":"third"}`)
	s.refused(400, "InvalidRequestContent", "POST", path+"/regenerateKey", `x`)
}

// careless is what the Azure CLI adds to every change.
const careless = `"publicNetworkAccess":"Enabled","disableLocalAuth":false,"disableAadAuth":false,"regionEndpointEnabled":"Enabled","resourceStopped":"false"`

func TestR87FlagsThatComeWithEveryChangeDoNotOpenTheGateway(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	s.do(200, "PATCH", path, `{"properties":{"disableLocalAuth":true,"publicNetworkAccess":"Disabled","resourceStopped":"true"}}`)
	closed := func(a answer) {
		t.Helper()
		require.Equal(t, true, a.at("properties", "disableLocalAuth"))
		require.Equal(t, "Disabled", a.at("properties", "publicNetworkAccess"))
		require.Equal(t, "true", a.at("properties", "resourceStopped"))
	}
	require.NotContains(t, s.log.String(), "access flags")
	closed(s.do(200, "PATCH", path, `{"properties":{"cors":{"allowedOrigins":["https://a.example"]},`+careless+`}}`))
	require.Contains(t, s.log.String(), "access flags that came along with a change are left as they are")
	closed(s.do(200, "PATCH", path, `{"tags":{"a":"b"},"properties":{`+careless+`}}`))
	closed(s.do(200, "PUT", path, `{"location":"westeurope","properties":{`+careless+`}}`))
	closed(s.do(200, "PUT", path, create))
	// What says something of its own is obeyed, also beside the rest.
	require.Equal(t, true, s.do(200, "PATCH", path, `{"properties":{`+strings.Replace(careless, `"disableAadAuth":false`, `"disableAadAuth":true`, 1)+`}}`).at("properties", "disableAadAuth"))
	require.Equal(t, false, s.do(200, "PATCH", path, `{"properties":{"disableLocalAuth":false}}`).at("properties", "disableLocalAuth"))
	require.Equal(t, "Enabled", s.do(200, "PATCH", path, `{"properties":{"publicNetworkAccess":"Enabled"}}`).at("properties", "publicNetworkAccess"))
}

func TestR87RulesOfTheNetworkOutliveACreateWithDefaults(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	const rules = `{"defaultAction":"Deny","publicNetwork":{"allow":["RESTAPI"]}}`
	s.do(200, "PATCH", path, `{"properties":{"networkACLs":`+rules+`}}`)
	for _, properties := range []string{`{"networkACLs":{"defaultAction":"Allow"},` + careless + `}`, `{}`} {
		a := s.do(200, "PUT", path, `{"location":"westeurope","properties":`+properties+`}`)
		require.Equal(t, "Deny", a.at("properties", "networkACLs", "defaultAction"))
	}
	a := s.do(200, "PUT", path, `{"location":"westeurope","properties":{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["Trace"]}},`+careless+`}}`)
	require.Equal(t, "Allow", a.at("properties", "networkACLs", "defaultAction"))
}

func TestStartAndStopOfTheCommandLine(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	stopped := func(want, body string) {
		t.Helper()
		require.Equal(t, want, s.do(200, "PATCH", path, body).at("properties", "resourceStopped"))
	}
	stopped("True", `{"properties":{`+strings.Replace(careless, `"false"`, `"True"`, 1)+`}}`)
	stopped("True", `{"properties":{"features":[],`+careless+`}}`)
	stopped("False", `{"properties":{`+strings.Replace(careless, `"false"`, `"False"`, 1)+`}}`)
}

func TestFlagsAreObeyedLiterallyIfWanted(t *testing.T) {
	s := newStand(t, func(o *arm.Options) { o.Literal = true })
	s.do(201, "PUT", path, create)
	s.do(200, "PATCH", path, `{"properties":{"disableLocalAuth":true}}`)
	require.Equal(t, false, s.do(200, "PATCH", path, `{"tags":{},"properties":{`+careless+`}}`).at("properties", "disableLocalAuth"))
}

func TestR81KeysAreReplacedByNamesInAnyLetterCase(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	before := s.do(200, "POST", path+"/listKeys", "")
	for _, kind := range []string{"primary", "Primary", "secondary", "Salt"} {
		a := s.do(202, "POST", path+"/regenerateKey", `{"keyType":"`+kind+`"}`)
		at, err := url.Parse(a.Header().Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "arm.example:9443", at.Host)
		after := s.raw("GET", at.RequestURI(), "")
		require.Equal(t, 200, after.Code)
		require.Equal(t, a.json, after.json)
		require.Equal(t, kind != "Salt", before.Body.String() != a.Body.String(), kind)
		before = a
	}
	require.NotContains(t, s.log.String(), before.at("primaryKey"))
}

func TestR82ConnectionStringsCanBeRead(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	s.do(202, "POST", path+"/regenerateKey", `{"keyType":"secondary"}`)
	a := s.do(200, "POST", path+"/listKeys", "")
	for _, which := range []string{"primary", "secondary"} {
		cs, err := auth.ParseConnectionString(a.at(which + "ConnectionString").(string))
		require.NoError(t, err)
		require.Equal(t, a.at(which+"Key"), cs.AccessKey.Reveal())
	}
}

func TestRestartIsDoneWhenItIsAnswered(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	a := s.do(202, "POST", path+"/restart", "")
	at, err := url.Parse(a.Header().Get("Location"))
	require.NoError(t, err)
	require.Equal(t, 200, s.raw("GET", at.RequestURI(), "").Code)
	history, err := s.settings.History(t.Context())
	require.NoError(t, err)
	require.Equal(t, "restart", history[0].Changes[0].Path)
	require.Equal(t, "restart (resource API)", history[0].Note)
}

func TestDeleteTakesBackWhatWasSetButOpensNothing(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, `{"location":"l","tags":{"a":"b"},"properties":{"serverless":{"keepAliveIntervalInSeconds":9},"applicationFirewall":{"maxClientConnectionLifetimeInSeconds":60},
		"cors":{"allowedOrigins":["https://a.example"]},"disableLocalAuth":true,
		"networkACLs":{"defaultAction":"Deny","publicNetwork":{"allow":["RESTAPI"]}}}}`)
	s.do(202, "POST", path+"/regenerateKey", `{"keyType":"primary"}`)
	keys := s.do(200, "POST", path+"/listKeys", "")
	s.do(200, "DELETE", path, "")
	s.do(204, "DELETE", path, "")
	s.refused(404, "ResourceNotFound", "GET", path, "")
	require.Empty(t, s.do(200, "GET", "/subscriptions/"+subscription+"/providers/Microsoft.SignalRService/signalR", "").at("value"))
	require.Empty(t, s.do(200, "GET", "/subscriptions/"+subscription+"/resourceGroups", "").at("value"))
	v, err := s.settings.Current(t.Context())
	require.NoError(t, err)
	require.Nil(t, v.Set.Properties.Serverless)
	require.Nil(t, v.Set.Tags)
	require.Equal(t, []string{"https://a.example"}, v.Set.Properties.CORS.AllowedOrigins)
	require.Equal(t, 60, *v.Set.Properties.Firewall.MaxClientConnectionLifetime)
	require.True(t, *v.Set.Properties.DisableLocalAuth)
	require.Equal(t, "Deny", v.Set.Properties.NetworkACLs.DefaultAction)
	// The next one may have any name. Keys are the gateway's and stay.
	next := strings.Replace(path, "gw1", "gw2", 1)
	require.Equal(t, true, s.do(201, "PUT", next, create).at("properties", "disableLocalAuth"))
	require.Equal(t, keys.json, s.do(200, "POST", next+"/listKeys", "").json)
}

// A field that is there twice could be judged by one of its values and put in force by the other.
func TestFieldsThatAreThereTwiceAreRefused(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	for _, body := range []string{
		`{"properties":{"publicNetworkAccess":"Enabled","PublicNetworkAccess":"Disabled"}}`, `{"properties":{"disableLocalAuth":true,"disableLocalAuth":false}}`,
		`{"properties":{},"Properties":{"disableLocalAuth":true}}`,
	} {
		require.Equal(t, 400, s.raw("PATCH", path+"?api-version=2023-02-01", body).Code, body)
	}
	require.Equal(t, 400, s.raw("PATCH", path+"?api-version=2023-02-01", `{"tags":{}}{"tags":{}}`).Code)
}

func TestSettingsThatSomebodyHasGivenAreNotShownWhole(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, `{"location":"l","properties":{"upstream":{"templates":[{"urlTemplate":"https://f.example/hook?code=geheim"}]}}}`)
	a := s.do(200, "GET", path, "")
	require.NotContains(t, a.Body.String(), "geheim")
	// Sent back as it was shown it stays what it was.
	sent, err := json.Marshal(map[string]any{"properties": map[string]any{"upstream": a.at("properties", "upstream")}})
	require.NoError(t, err)
	s.do(200, "PATCH", path, string(sent))
	var url string
	_, err = s.settings.Change(t.Context(), management.Editor{}, management.Anything, func(d *management.Document) error {
		url = d.Properties.Upstream.Templates[0].URLTemplate
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "https://f.example/hook?code=geheim", url)
	require.NotContains(t, s.log.String(), "geheim")
}

func TestNameOutlivesARollback(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, `{"location":"l","tags":{"a":"b"}}`)
	_, err := s.settings.Rollback(t.Context(), management.Editor{Name: "x"}, management.Anything, 1)
	require.NoError(t, err)
	require.Empty(t, s.do(200, "GET", path, "").at("tags"))
}
