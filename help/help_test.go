package help

import (
	"context"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/docs"
	"github.com/hubgate/hubgate/internal/reasons"
)

const prefix = "/help/"

func handler(t testing.TB) *Handler {
	t.Helper()
	return New(prefix, docs.Files)
}

func ask(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var (
	hrefs = regexp.MustCompile(`<a\b[^>]*\bhref="([^"]*)"`)
	loads = regexp.MustCompile(`<(?:img|link|script|source|iframe|video|audio|object|embed)\b[^>]*\b(?:src|href|data)="([^"]*)"`)
	ids   = regexp.MustCompile(`\bid="([^"]*)"`)
)

func all(pattern *regexp.Regexp, text string) []string {
	var found []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found = append(found, html.UnescapeString(m[1]))
	}
	return found
}

// A drawing has its own styles, and they are obeyed where it is opened by itself. It runs nothing.
func TestDrawings(t *testing.T) {
	h := handler(t)
	seen := 0
	require.NoError(t, fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".svg") {
			return err
		}
		seen++
		w := ask(h, prefix+name)
		require.Equal(t, "image/svg+xml", w.Header().Get("Content-Type"))
		require.Equal(t, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox", w.Header().Get("Content-Security-Policy"))
		require.NotRegexp(t, `<script|\son\w+=|javascript:`, w.Body.String(), name)
		return nil
	}))
	require.NotZero(t, seen)
}

// On a phone a row of a wide table is a card: each cell says what it is.
func TestCellsOfWideTablesAreLabelled(t *testing.T) {
	h := New(prefix, fstest.MapFS{"page.md": {Data: []byte("# Page\n\n| a | `b` | \"c\" |\n|---|---|---|\n| 1 | 2 | " + strings.Repeat("long ", 20) + "|\n\n| d | e | f |\n|---|---|---|\n| 4 | 5 | 6 |\n")}})
	body := ask(h, "/help/page").Body.String()
	require.Contains(t, body, `<table class="cards">`)
	for _, cell := range []string{`<td data-label="a">1</td>`, `<td data-label="b">2</td>`, `<td data-label="&quot;c&quot;">long `, `<td>4</td>`, `<td>6</td>`} {
		require.Contains(t, body, cell)
	}
}

// The file is that of the site's check too: tables are cards here and there, or neither.
func TestWhichTablesAreWide(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("testdata", "tables.md"))
	require.NoError(t, err)
	p, err := render("tables.md", source)
	require.NoError(t, err)
	tables := regexp.MustCompile(`<table( class="cards")?>\s*<thead>\s*<tr>\s*<th>(wide|narrow)</th>`).FindAllStringSubmatch(string(p.Body), -1)
	require.Len(t, tables, strings.Count(string(p.Body), "<table"))
	require.Greater(t, len(tables), 10)
	for i, table := range tables {
		require.Equal(t, table[2] == "wide", table[1] != "", "table %d", i+1)
	}
}

// Words are found in what a reader sees: marks of Markdown are not between them.
func TestSearchAcrossMarks(t *testing.T) {
	h := New(prefix, fstest.MapFS{"page.md": {Data: []byte("# Page\n\nSay **target**=x, or [links](else.md)behind.\n\n| a\\|b |\n")}})
	for _, word := range []string{"target=x", "linksbehind", "a|b"} {
		require.Len(t, h.search(words(word)), 1, word)
	}
	require.Empty(t, h.search(words("else.md")), "nobody sees it")
}

// One search runs at a time. Who has gone waits for none.
func TestSearchesWaitForEachOther(t *testing.T) {
	h := handler(t)
	h.searching <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/help/search?q=client", nil))
	require.Zero(t, w.Body.Len())
	<-h.searching
	require.Contains(t, ask(h, "/help/search?q=client").Body.String(), "<mark>")
	require.Empty(t, h.searching)
}

// pages are the addresses and texts of all pages.
func pages(t *testing.T, h *Handler) map[string]string {
	found := make(map[string]string)
	require.NoError(t, fs.WalkDir(docs.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".md") {
			return err
		}
		at := prefix + address(name)
		w := ask(h, at)
		require.Equal(t, http.StatusOK, w.Code, at)
		found[at] = w.Body.String()
		return nil
	}))
	require.Greater(t, len(found), 40)
	return found
}

// What is in docs/ is in the program.
func TestAllOfTheDocumentationIsEmbedded(t *testing.T) {
	require.NoError(t, fs.WalkDir(os.DirFS("../docs"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".go" {
			return err
		}
		_, err = fs.Stat(docs.Files, name)
		require.NoErrorf(t, err, "docs/docs.go does not embed %s", name)
		return nil
	}))
}

// Every link leads somewhere, and nothing is loaded that the policy does not let in.
func TestEveryLinkOfThePagesLeadsSomewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine reads everything, for which the race detector takes long")
	}
	h := handler(t)
	whole := pages(t, h)
	links := 0
	for at, text := range whole {
		base, err := url.Parse(at)
		require.NoError(t, err)
		for _, to := range all(loads, text) {
			u := base.ResolveReference(parsed(t, to))
			require.Empty(t, u.Host, "%s loads %s", at, to)
			require.Equal(t, http.StatusOK, ask(h, u.Path).Code, "%s loads %s", at, to)
		}
		for _, to := range all(hrefs, text) {
			links++
			follow(t, whole, base, parsed(t, to))
		}
		for _, not := range []string{"<script", "<style", " style=", " onclick="} {
			require.False(t, strings.Contains(text, not), "%s has %s", at, not)
		}
	}
	t.Logf("%d pages, %d links", len(whole), links)
	require.Greater(t, links, 2000)
}

func parsed(t *testing.T, to string) *url.URL {
	u, err := url.Parse(to)
	require.NoError(t, err)
	return u
}

// follow looks where a link in a page leads.
func follow(t *testing.T, whole map[string]string, at, to *url.URL) {
	t.Helper()
	if file, ok := strings.CutPrefix(to.Path, "/hubgate/hubgate/"); ok && to.Host == "github.com" {
		if kind, file, _ := strings.Cut(file, "/main/"); kind == "blob" || kind == "tree" {
			info, err := os.Stat("../" + file)
			require.NoError(t, err, "%s links to %s", at, to)
			require.Equal(t, kind == "tree", info.IsDir(), "%s links to %s", at, to)
		}
	}
	if to.IsAbs() {
		require.Contains(t, []string{"http", "https", "mailto"}, to.Scheme, "%s links to %s", at, to)
		return
	}
	u := at.ResolveReference(to)
	if u.Path == "/portal/" {
		return
	}
	page, ok := whole[u.Path]
	require.True(t, ok, "%s links to %s: there is no such page", at, to)
	if u.Fragment != "" {
		require.Contains(t, all(ids, page), u.Fragment, "%s links to %s: there is no such heading", at, to)
	}
}

// The list of pages names each of them, and says which one is shown.
func TestThePagesAreAllListed(t *testing.T) {
	h := handler(t)
	listed := map[string]bool{prefix: true}
	for _, c := range h.contents() {
		require.NotEmpty(t, c.Title)
		for _, l := range c.Links {
			require.NotEmpty(t, l.Text)
			file, _, _ := strings.Cut(l.To, "#")
			listed[prefix+file] = true
		}
	}
	for at, text := range pages(t, h) {
		require.True(t, listed[at], "docs/README.md does not name %s", at)
		if at != prefix {
			require.True(t, strings.Contains(text, ` aria-current="page"`), at)
		}
		require.False(t, strings.Contains(text, "<title> ·"), "%s has no title", at)
	}
}

func TestPagesAreProtected(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/help/", "/help/errors", "/help/search?q=a", "/help/none", "/help/help.css"} {
		csp := ask(h, target).Header().Get("Content-Security-Policy")
		require.True(t, strings.HasPrefix(csp, "default-src 'none'; style-src 'self'; img-src 'self';"), target)
		require.NotContains(t, csp, "unsafe")
	}
}

func TestWhatThereIsNot(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/help/none", "/help/../docs.go", "/help/docs.go", "/help/none.png", "/help/recipes/none", "/help/%00", "/help/a/b/c/d"} {
		w := ask(h, target)
		require.Equal(t, http.StatusNotFound, w.Code, target)
		require.Contains(t, w.Body.String(), "There is no such page", target)
	}
	// Its links hold, however deep it is.
	require.Contains(t, ask(h, "/help/a/b/c").Body.String(), `href="../../help.css"`)
}

// Addresses as they are in the repository and in log lines lead to the pages.
func TestThePageOfAFile(t *testing.T) {
	h := handler(t)
	for file, want := range map[string]string{
		"errors.md": "./errors", "README.md": "./", "recipes/README.md": "../recipes/",
	} {
		w := ask(h, prefix+file)
		require.Equal(t, http.StatusMovedPermanently, w.Code)
		require.Equal(t, want, w.Header().Get("Location"))
	}
	for _, file := range []string{"a%3Fb.md", "//other.example/x.md", "../help.md"} {
		require.Equal(t, http.StatusNotFound, ask(h, prefix+file).Code, file)
	}
}

func TestAPageThatTheBrowserHas(t *testing.T) {
	h := handler(t)
	first := ask(h, "/help/start")
	require.Equal(t, "text/html; charset=utf-8", first.Header().Get("Content-Type"))
	again := ask(h, "/help/start", "If-None-Match", first.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.Code)
	require.Zero(t, again.Body.Len())
	require.Equal(t, http.StatusNotModified, ask(h, "/help/start", "If-None-Match", "W/"+first.Header().Get("ETag")).Code)
}

// Links of pages lead to where the same file is here.
func TestDestinations(t *testing.T) {
	for _, c := range [][3]string{
		{"start.md", "errors.md#close", "./errors#close"},
		{"start.md", "README.md", "./"},
		{"start.md", "recipes/README.md", "./recipes/"},
		{"recipes/express.md", "../rest.md", "../rest"},
		{"recipes/express.md", "fastapi.md", "../recipes/fastapi"},
		{"start.md", "portal.png", "./portal.png"},
		{"start.md", "../examples/chat", repository + "/tree/main/examples/chat"},
		{"recipes/express.md", "../../examples/express/app.mjs#L3", repository + "/blob/main/examples/express/app.mjs#L3"},
		{"start.md", "#here", "#here"},
		{"start.md", "https://a.example/b.md", "https://a.example/b.md"},
	} {
		require.Equal(t, c[2], destination(c[0], c[1]), c)
	}
}

// Who has a reason from a log line finds its cause: it is the first one, but for words that are the name of several.
func TestEveryReasonIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine reads everything, for which the race detector takes long")
	}
	h := handler(t)
	for _, l := range reasons.Lists() {
		for _, r := range l.Reasons {
			hits := h.search(words(r.Name))
			at := -1
			for i, hit := range hits {
				if hit.file == "errors.md" && hit.anchor == l.Fragment(r.Name) {
					at = i
					break
				}
			}
			require.GreaterOrEqual(t, at, 0, "%s of %s: %d results without it", r.Name, l.Title, len(hits))
			require.Less(t, at, 12, "%s of %s", r.Name, l.Title)
		}
	}
}

// The portal links to reasons by the names of their lists.
func TestThePortalLinksToLists(t *testing.T) {
	source, err := os.ReadFile("../portal/web/src/event.jsx")
	require.NoError(t, err)
	lists := all(regexp.MustCompile(`<Reason list="([^"]*)"`), string(source))
	lists = append(lists, all(regexp.MustCompile(`<Reason list=\{skipped \? '([^']*)'`), string(source))...)
	require.Len(t, lists, 3)
	for _, name := range lists {
		require.True(t, slices.ContainsFunc(reasons.Lists(), func(l reasons.List) bool { return l.Anchor == name }), name)
	}
}

func TestSearch(t *testing.T) {
	h := handler(t)
	first := func(query string) string { return h.search(words(query))[0].page }
	require.Equal(t, "Glossary", first("glossary"))
	require.Contains(t, first("nginx"), "Proxies")
	require.Contains(t, first("haproxy"), "Proxies")
	require.Empty(t, h.search(words("")))
	require.Empty(t, h.search(words("qqqqqq")))

	page := ask(h, "/help/search?q=%22%3E%3Cscript%3Ex").Body.String()
	require.False(t, strings.Contains(page, "<script"), page)
	require.Contains(t, page, `value="&#34;&gt;&lt;script&gt;x"`)
	require.Contains(t, ask(h, "/help/search?q=HAProxy").Body.String(), "<mark>")
	require.Contains(t, ask(h, "/help/search").Body.String(), "What are you looking for?")
	require.Len(t, words(strings.Repeat("a ", 500)), maxWords)
}

// What a search leads to is there.
func TestWhatIsFoundIsThere(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine reads everything, for which the race detector takes long")
	}
	h := handler(t)
	whole := pages(t, h)
	n := 0
	require.NoError(t, fs.WalkDir(docs.Files, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".md") || unsearched[name] {
			return err
		}
		source, err := fs.ReadFile(docs.Files, name)
		for _, s := range sections(name, source) {
			n++
			if s.anchor != "" {
				require.Contains(t, all(ids, whole[prefix+address(name)]), s.anchor, "%s: %s", name, s.title)
			}
		}
		return err
	}))
	require.Greater(t, n, 400)
}

// However somebody asks, what is shown is text of the page around what was found.
func FuzzSearch(f *testing.F) {
	h := handler(f)
	for _, q := range []string{"nginx", "close reason", "İ", "\xff", "<b>", "| ` *"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/help/search?"+url.Values{"q": {q}}.Encode(), nil))
		require.Equal(t, http.StatusOK, w.Code)
		looked := words(q)
		for _, hit := range h.search(looked) {
			var shown strings.Builder
			for _, p := range excerpt(hit.text, looked) {
				shown.WriteString(p.Text)
			}
			require.Contains(t, hit.text, strings.TrimSuffix(strings.TrimPrefix(shown.String(), "… "), " …"))
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	h := handler(b)
	for b.Loop() {
		h.search([]string{"the", "client"})
	}
}

func BenchmarkPage(b *testing.B) {
	h := handler(b)
	for b.Loop() {
		ask(h, "/help/errors")
	}
}
