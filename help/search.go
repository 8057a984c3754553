package help

import (
	"bytes"
	"cmp"
	"html/template"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/yuin/goldmark/ast"
	tables "github.com/yuin/goldmark/extension/ast"
)

const (
	maxQuery   = 200 // bytes of a question
	maxWords   = 8
	maxResults = 30
	// around is how many bytes of text are shown on each side of what was found.
	around = 90
)

// section is a part of a page that is found by itself: a heading with what is below it, or one reason of the list.
type section struct {
	file, page, title, anchor string
	text                      string
}

// unsearched are pages whose words say nothing to somebody who searches: a list of all pages, and one of names of tests.
var unsearched = map[string]bool{index: true, "recipes/" + index: true, "compatibility.md": true}

// anchorTag is the place of a reason in the list of all reasons.
var anchorTag = regexp.MustCompile(`^<a id="([^"]+)">$`)

// divider makes the sections of a page.
type divider struct {
	source  []byte
	anchors anchors
	all     []section
	current section
	body    strings.Builder
}

// sections divides a page at its headings.
func sections(file string, source []byte) []section {
	d := &divider{source: source, anchors: make(anchors), current: section{file: file}}
	for n := parse(source).FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			d.heading(n)
		case *tables.Table:
			d.table(n)
		default:
			d.say(n)
		}
	}
	d.end()
	return d.all
}

// say adds what a reader sees of a node.
func (d *divider) say(n ast.Node) {
	d.body.WriteString(plain(n, d.source))
	d.body.WriteByte(' ')
}

// end is where a section ends.
func (d *divider) end() {
	if d.current.title != "" {
		d.current.text = strings.TrimSpace(d.body.String())
		d.all = append(d.all, d.current)
	}
	d.body.Reset()
}

// heading begins the section of a heading.
func (d *divider) heading(n *ast.Heading) {
	d.end()
	title := plain(n, d.source)
	s := section{file: d.current.file, page: d.current.page, title: title, anchor: d.anchors.next(title)}
	if s.page == "" {
		s.page, s.anchor = title, "" // the page as a whole
	}
	d.current = s
}

// table is text, but for rows with an anchor: each of them is found by itself.
func (d *divider) table(n *tables.Table) {
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		name := row.FirstChild()
		anchor := d.anchorOf(name)
		if anchor == "" {
			d.say(row)
			continue
		}
		s := section{file: d.current.file, page: d.current.page, title: plain(name, d.source), anchor: anchor}
		var text []string
		for cell := name.NextSibling(); cell != nil; cell = cell.NextSibling() {
			text = append(text, plain(cell, d.source))
		}
		s.text = strings.Join(text, " ")
		d.all = append(d.all, s)
	}
}

// anchorOf is the anchor with which a cell begins, "" if it does not.
func (d *divider) anchorOf(cell ast.Node) string {
	if cell == nil {
		return ""
	}
	if raw, ok := cell.FirstChild().(*ast.RawHTML); ok {
		if m := anchorTag.FindSubmatch(raw.Segments.Value(d.source)); m != nil {
			return string(m[1])
		}
	}
	return ""
}

// words are what is looked for: all of them have to be there.
func words(query string) []string {
	if len(query) > maxQuery {
		query = query[:maxQuery]
	}
	all := strings.Fields(strings.ToLower(strings.ToValidUTF8(query, "")))
	return all[:min(len(all), maxWords)]
}

// hit is a section that was found.
type hit struct {
	section
	weight int
}

// search finds the sections that have all words, the best ones first.
func (h *Handler) search(words []string) []hit {
	var hits []hit
	if len(words) == 0 {
		return nil
	}
	for _, s := range h.sections() {
		if w := s.weigh(words); w > 0 {
			hits = append(hits, hit{s, w})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.weight, a.weight) })
	return hits[:min(len(hits), maxResults)]
}

// divide returns the sections of all pages that are searched.
func (h *Handler) divide() (all []section) {
	_ = fs.WalkDir(h.files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".md") || unsearched[name] {
			return err
		}
		source, err := fs.ReadFile(h.files, name)
		all = append(all, sections(name, source)...)
		return err
	})
	return all
}

// weigh is 0 if a word is missing. A word in the heading counts most, then one in the page's name.
func (s *section) weigh(words []string) int {
	title, page, text := strings.ToLower(s.title), strings.ToLower(s.page), strings.ToLower(s.text)
	weight := 0
	for _, w := range words {
		here := min(strings.Count(text, w), 5)
		if strings.Contains(title, w) {
			here += 20
		}
		if here > 0 && strings.Contains(page, w) {
			here += 8
		}
		if here == 0 {
			return 0
		}
		weight += here
	}
	if title == strings.Join(words, " ") {
		weight += 100
	}
	return weight
}

// found is the template for what a search shows.
var found = sync.OnceValue(func() *template.Template { return template.Must(template.New("found").Parse(finds)) })

const finds = `<h1>Search</h1>
{{if not .Query}}<p>What are you looking for? A word of an error message is enough.</p>
{{else if .Hits}}<ol class="found">{{range .Hits}}<li><a href="./{{.To}}">{{.Title}}</a>{{if ne .Page .Title}} <small>{{.Page}}</small>{{end}}<p>{{range .Text}}{{if .Marked}}<mark>{{.Text}}</mark>{{else}}{{.Text}}{{end}}{{end}}</p></li>{{end}}</ol>
{{else}}<p>Nothing has all of these words. Try fewer, or the <a href="./">list of pages</a>.</p>{{end}}`

// shownHit is a hit as it is shown.
type shownHit struct {
	Title, Page, To string
	Text            []piece
}

// results is the page with what a search found.
func (h *Handler) results(query string) *page {
	looked := words(query)
	var shown []shownHit
	for _, s := range h.search(looked) {
		to := address(s.file)
		if s.anchor != "" {
			to += "#" + s.anchor
		}
		shown = append(shown, shownHit{s.title, s.page, to, excerpt(s.text, looked)})
	}
	var body bytes.Buffer
	_ = found().Execute(&body, map[string]any{"Query": len(looked) > 0, "Hits": shown})                 // a buffer takes everything
	return &page{Title: "Search", Body: template.HTML(body.String()), Query: strings.Join(looked, " ")} //nolint:gosec // of a template
}

// piece is text in which a word was found, or text between.
type piece struct {
	Text   string
	Marked bool
}

// excerpt is the text around the first word that was found, with all words marked.
func excerpt(text string, words []string) []piece {
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // letters that change their length: offsets would not hold
		lower = text
	}
	at, _ := next(lower, words)
	from, to := max(at-around, 0), min(max(at, 0)+2*around, len(text))
	from = strings.LastIndexByte(text[:from], ' ') + 1 // whole words
	if end := strings.IndexByte(text[to:], ' '); end >= 0 {
		to += end
	} else {
		to = len(text)
	}
	var pieces []piece
	if from > 0 {
		pieces = append(pieces, piece{Text: "… "})
	}
	for rest := lower[from:to]; rest != ""; rest = lower[from:to] {
		i, n := next(rest, words)
		if i < 0 {
			pieces = append(pieces, piece{Text: text[from:to]})
			break
		}
		pieces = append(pieces, piece{Text: text[from : from+i]}, piece{text[from+i : from+i+n], true})
		from += i + n
	}
	if to < len(text) {
		pieces = append(pieces, piece{Text: " …"})
	}
	return pieces
}

// next is where the first of some words is, and how long it is; -1 if there is none.
func next(text string, words []string) (at, length int) {
	at = -1
	for _, w := range words {
		if i := strings.Index(text, w); i >= 0 && (at < 0 || i < at) {
			at, length = i, len(w)
		}
	}
	return at, length
}
