package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/hubgate/hubgate/api"
	"github.com/hubgate/hubgate/management"
)

// Management is what the API under /api/ is a front of.
type Management struct {
	Settings *management.Service
	Guard    *Guard
	// Overview is what the first page of the portal shows, as JSON.
	Overview func(ctx context.Context) any
	// Import reads a template of the resource, or the emulator's settings.json: what it changes, and what of it
	// is ignored. The error is a *management.InvalidError.
	Import func(text []byte) (edit func(*management.Document) error, ignored []string, err error)
}

// WatchManagement makes m what is served under /api/. Until then it answers 503.
func (a *Admin) WatchManagement(m *Management) { a.management.Store(m) }

// maxAPIBody bounds the body of a request.
const maxAPIBody = 1 << 20

func (a *Admin) routeAPI() {
	route := func(pattern string, handle func(c *apiCall) error) {
		a.pages.HandleFunc(pattern, a.managed(handle))
	}
	route("GET /api/overview", serveOverview)
	route("GET /api/settings", serveCurrent)
	route("PATCH /api/settings", servePatch)
	route("GET /api/settings/history", serveHistory)
	route("POST /api/settings/rollback", serveRollback)
	route("GET /api/keys", serveKeyMarks)
	route("POST /api/keys/show", serveKeys)
	route("POST /api/keys/regenerate", serveRegenerate)
	route("POST /api/restart", serveRestart)
	route("POST /api/import", serveSettingsImport)
	route("GET /api/session", func(c *apiCall) error { return c.answer(http.StatusOK, map[string]string{"name": c.name}) })
	a.pages.HandleFunc("POST /api/login", a.serveLogin)
	a.pages.HandleFunc("POST /api/logout", a.serveLogout)
	a.pages.HandleFunc("GET /api/admin.yaml", func(w http.ResponseWriter, _ *http.Request) {
		protect(w.Header())
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(api.Admin) // a reader that left needs no answer
	})
	a.pages.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		protect(w.Header())
		apiError(w, http.StatusNotFound, "NotFound", "There is no such operation: GET /api/admin.yaml has them.", nil)
	})
}

// Managed lets a request through that may manage the gateway, for pages of others on this address.
func (a *Admin) Managed(handle func(m *Management, name string, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		m := a.management.Load()
		if m == nil {
			apiError(w, http.StatusServiceUnavailable, "Starting", "The gateway is starting.", nil)
			return
		}
		name, err := m.Guard.Admits(r)
		if err != nil {
			m.Guard.Refuse(w, err)
			return
		}
		handle(m, name, w, r)
	}
}

// apiCall is a request that may manage the gateway.
type apiCall struct {
	*Management
	name string // who it is
	w    http.ResponseWriter
	r    *http.Request
}

func (a *Admin) managed(handle func(c *apiCall) error) http.HandlerFunc {
	return a.Managed(func(m *Management, name string, w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxAPIBody)
		c := &apiCall{m, name, w, r}
		if err := handle(c); err != nil {
			c.fail(err)
		}
	})
}

func (a *Admin) serveLogin(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	m := a.management.Load()
	if m == nil {
		apiError(w, http.StatusServiceUnavailable, "Starting", "The gateway is starting.", nil)
		return
	}
	var body struct{ Token string }
	if err := readBody(w, r, &body); err != nil {
		apiError(w, http.StatusBadRequest, "BadRequest", err.Error(), nil)
		return
	}
	if err := m.Guard.login(w, r, body.Token); err != nil {
		m.Guard.Refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *Admin) serveLogout(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	m := a.management.Load()
	if m == nil || fromOtherSite(r) {
		apiError(w, http.StatusForbidden, "Forbidden", "A page of another site must not log out.", nil)
		return
	}
	m.Guard.logout(w, r)
	w.WriteHeader(http.StatusNoContent)
}

// readBody reads a JSON object without fields that nobody knows or that are there twice, and nothing behind it.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return errors.New("the body must be JSON: Content-Type: application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	if err != nil {
		return err
	}
	if err := management.CheckNames(text); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// badRequest is an error of the caller.
type badRequest struct{ error }

func (b badRequest) Unwrap() error { return b.error }

func (c *apiCall) read(into any) error {
	if err := readBody(c.w, c.r, into); err != nil {
		return badRequest{err}
	}
	return nil
}

func (c *apiCall) answer(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	encoder := json.NewEncoder(c.w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // a reader that left needs no answer
	return nil
}

// fail answers with an error of the service.
func (c *apiCall) fail(err error) {
	var wrong *management.InvalidError
	var bad badRequest
	switch {
	case errors.As(err, &wrong):
		apiError(c.w, http.StatusBadRequest, "Invalid", "The settings were refused: nothing has changed.", wrong.Fields)
	case isTooLarge(err):
		apiError(c.w, http.StatusRequestEntityTooLarge, "TooLarge", fmt.Sprintf("The body is larger than %d bytes.", maxAPIBody), nil)
	case errors.As(err, &bad):
		apiError(c.w, http.StatusBadRequest, "BadRequest", err.Error(), nil)
	case errors.Is(err, management.ErrConflict):
		apiError(c.w, http.StatusPreconditionFailed, "Conflict", err.Error(), nil)
	case errors.Is(err, management.ErrNotFound):
		apiError(c.w, http.StatusNotFound, "NotFound", err.Error(), nil)
	case errors.Is(err, management.ErrUnavailable), errors.Is(err, management.ErrUnreadable):
		apiError(c.w, http.StatusServiceUnavailable, "Unavailable", err.Error(), nil)
	default:
		apiError(c.w, http.StatusInternalServerError, "Internal", err.Error(), nil)
	}
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// apiError answers with an error as JSON.
func apiError(w http.ResponseWriter, status int, code, message string, fields []management.Field) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": struct { // a reader that left needs no answer
		Code    string             `json:"code"`
		Message string             `json:"message"`
		Details []management.Field `json:"details,omitempty"`
	}{code, message, fields}})
}

func (c *apiCall) editor(note string) management.Editor {
	return management.Editor{Name: c.name, Note: note}
}

func serveOverview(c *apiCall) error { return c.answer(http.StatusOK, c.Overview(c.r.Context())) }

// shown is a version with where its values come from.
type shownVersion struct {
	management.Version
	// Sources says of each path that is set that it is; all others are the configuration's.
	Sources map[string]string `json:"sources"`
}

func (c *apiCall) answerVersion(v management.Version) error {
	c.w.Header().Set("ETag", etag(v.Revision))
	return c.answer(http.StatusOK, shownVersion{v, v.Sources()})
}

func serveCurrent(c *apiCall) error {
	v, err := c.Settings.Current(c.r.Context())
	if err != nil {
		return err
	}
	return c.answerVersion(v)
}

// after is the revision that If-Match names. Without it, and with *, it is whatever is in force.
func (c *apiCall) after() (uint64, error) {
	text := strings.Trim(c.r.Header.Get("If-Match"), `"`)
	if text == "" || text == "*" {
		return management.Anything, nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil || after == management.Anything {
		return 0, badRequest{errors.New("If-Match has to name a revision, as GET gives it in ETag")}
	}
	return after, nil
}

func servePatch(c *apiCall) error {
	after, err := c.after()
	if err != nil {
		return err
	}
	switch kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); kind {
	case "application/json", "application/merge-patch+json":
	default:
		return badRequest{errors.New("the body must be a merge patch of JSON: Content-Type: application/merge-patch+json")}
	}
	patch, err := io.ReadAll(c.r.Body)
	if err != nil {
		return badRequest{err}
	}
	v, err := c.Settings.Change(c.r.Context(), c.editor(c.r.URL.Query().Get("note")), after, func(d *management.Document) error { return d.Merge(patch) })
	if err != nil {
		return err
	}
	return c.answerVersion(v)
}

func serveHistory(c *apiCall) error {
	versions, err := c.Settings.History(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, map[string]any{"versions": versions, "kept": management.MaxVersions})
}

func serveRollback(c *apiCall) error {
	var body struct {
		Revision uint64
		Note     string
	}
	if err := c.read(&body); err != nil {
		return err
	}
	after, err := c.after()
	if err != nil {
		return err
	}
	v, err := c.Settings.Rollback(c.r.Context(), c.editor(body.Note), after, body.Revision)
	if err != nil {
		return err
	}
	return c.answerVersion(v)
}

// keyMark says of a key whether there is one, and shows its end, by which people tell keys apart.
type keyMark struct {
	Set bool   `json:"set"`
	End string `json:"end,omitempty"`
}

func serveKeyMarks(c *apiCall) error {
	keys, err := c.Settings.Keys(c.r.Context())
	if err != nil {
		return err
	}
	mark := func(key string) keyMark {
		const shown = 4
		if len(key) <= 2*shown {
			return keyMark{Set: key != ""}
		}
		return keyMark{true, key[len(key)-shown:]}
	}
	return c.answer(http.StatusOK, map[string]keyMark{"primary": mark(keys.Primary.Reveal()), "secondary": mark(keys.Secondary.Reveal())})
}

func serveKeys(c *apiCall) error {
	keys, err := c.Settings.Keys(c.r.Context())
	if err != nil {
		return err
	}
	return c.answerKeys(keys)
}

func (c *apiCall) answerKeys(keys management.Keys) error {
	return c.answer(http.StatusOK, map[string]string{
		"primaryKey": keys.Primary.Reveal(), "secondaryKey": keys.Secondary.Reveal(),
		"primaryConnectionString": keys.PrimaryConnectionString.Reveal(), "secondaryConnectionString": keys.SecondaryConnectionString.Reveal(),
	})
}

func serveRegenerate(c *apiCall) error {
	var body struct{ KeyType, Note string }
	if err := c.read(&body); err != nil {
		return err
	}
	kind, err := management.ParseKeyKind(body.KeyType)
	if err != nil {
		return err
	}
	keys, err := c.Settings.RegenerateKey(c.r.Context(), c.editor(body.Note), kind)
	if err != nil {
		return err
	}
	return c.answerKeys(keys)
}

func serveRestart(c *apiCall) error {
	if err := c.Settings.Restart(c.r.Context(), c.editor(c.r.URL.Query().Get("note"))); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveSettingsImport puts in force what a template or a file of the emulator says. With dryRun=true it only tells.
func serveSettingsImport(c *apiCall) error {
	after, err := c.after()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(c.r.Body)
	if err != nil {
		return badRequest{err}
	}
	edit, ignored, err := c.Import(text)
	if err != nil {
		return err
	}
	put := c.Settings.Change
	if c.r.URL.Query().Get("dryRun") == "true" {
		put = c.Settings.Try
	}
	v, err := put(c.r.Context(), c.editor(c.r.URL.Query().Get("note")), after, edit)
	if wrong, ok := errors.AsType[*management.InvalidError](err); ok { // what was left out may be why
		for _, name := range ignored {
			wrong.Fields = append(wrong.Fields, management.Field{Reason: name + " was left out"})
		}
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", etag(v.Revision))
	if ignored == nil {
		ignored = []string{}
	}
	return c.answer(http.StatusOK, map[string]any{"version": v, "ignored": ignored})
}
