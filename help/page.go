package help

import (
	"bytes"
	"fmt"
	"html/template"
	"path"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// page is a page as it is shown.
type page struct {
	name    string // its file, "" if it has none
	Title   string
	Body    template.HTML
	Outline []link
	Query   string // what was searched for, "" for nothing
}

// link leads to a page or a part of one.
type link struct {
	Text, To string
	Here     bool // it leads to the page that is shown
}

// chapter is a part of the list of pages.
type chapter struct {
	Title string
	Links []link
}

// repository is where the files are that pages link to and that are no pages.
const repository = "https://github.com/hubgate/hubgate"

// markdown is what pages are written in. They are the project's own, so HTML in them is shown as such.
var markdown = sync.OnceValue(func() goldmark.Markdown {
	// Cells are aligned without styles, which the policy does not let in.
	tables := extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))
	return goldmark.New(goldmark.WithExtensions(tables), goldmark.WithRendererOptions(html.WithUnsafe()))
})

// parse reads a page.
func parse(source []byte) ast.Node {
	return markdown().Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext()))
}

// render makes a page of the Markdown in a file.
func render(name string, source []byte) (*page, error) {
	p := &page{name: name}
	document := parse(source)
	taken := make(anchors)
	err := ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.heading(n, source, taken)
		case *ast.Link:
			n.Destination = []byte(destination(name, string(n.Destination)))
		case *ast.Image:
			n.Destination = []byte(destination(name, string(n.Destination)))
		case *tables.Table:
			label(n, source)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := markdown().Renderer().Render(&body, source, document); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.Body = template.HTML(breakable(body.String())) //nolint:gosec // of the project's own pages
	return p, nil
}

// label tells the cells of a wide table what their columns are called: on a phone its rows are cards. Wide is one with
// three columns or more, and a row that is longer than a line there. The site has the same rule (testdata/tables.md).
func label(table *tables.Table, source []byte) {
	var names []string
	for cell := table.FirstChild().FirstChild(); cell != nil; cell = cell.NextSibling() {
		names = append(names, plain(cell, source))
	}
	longest := 0
	for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
		longest = max(longest, utf8.RuneCountInString(plain(row, source)))
	}
	if len(names) < 3 || longest <= 60 {
		return
	}
	table.SetAttributeString("class", []byte("cards"))
	for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
		cell := row.FirstChild()
		for i := 0; cell != nil && i < len(names); i++ {
			cell.SetAttributeString("data-label", []byte(names[i]))
			cell = cell.NextSibling()
		}
	}
}

var (
	longName = regexp.MustCompile(`<code>[^<\s]{20,}</code>`)
	joint    = regexp.MustCompile(`([_./=?])(\w)`)
	hump     = regexp.MustCompile(`([a-z])([A-Z])`)
)

// breakable lets long names of metrics and options break at their parts, so that a table needs less width.
func breakable(body string) string {
	return longName.ReplaceAllStringFunc(body, func(code string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(code, "<code>"), "</code>")
		return "<code>" + hump.ReplaceAllString(joint.ReplaceAllString(name, "$1<wbr>$2"), "$1<wbr>$2") + "</code>"
	})
}

// heading gives a heading its anchor, and notes it in the outline.
func (p *page) heading(n *ast.Heading, source []byte, taken anchors) {
	title := plain(n, source)
	anchor := taken.next(title)
	n.SetAttributeString("id", []byte(anchor))
	switch {
	case n.Level == 1 && p.Title == "":
		p.Title = title
	case n.Level == 2:
		p.Outline = append(p.Outline, link{Text: title, To: "#" + anchor})
	}
}

// anchors are how often a page has had each anchor.
type anchors map[string]int

// next is the anchor of the next heading of a page. Those that would be the same are numbered.
func (a anchors) next(title string) string {
	anchor := slug(title)
	again := a[anchor]
	a[anchor]++
	if again > 0 {
		return fmt.Sprintf("%s-%d", anchor, again)
	}
	return anchor
}

// slug is the anchor that GitHub gives a heading.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(title))
}

// plain is what a reader sees of a node, in one line and without marks. Comments and tags are not seen.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch {
		case entering:
			b.Write(own(n, source))
		case n.Type() == ast.TypeBlock:
			b.WriteByte(' ')
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// own is the text of a node without that of the nodes below it.
func own(n ast.Node, source []byte) []byte {
	switch n := n.(type) {
	case *ast.Text:
		said := n.Value(source)
		if n.Parent().Kind() != ast.KindCodeSpan {
			said = util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(said)))
		}
		if n.SoftLineBreak() || n.HardLineBreak() {
			said = append(bytes.Clone(said), ' ')
		}
		return said
	case *ast.String:
		return n.Value
	case *ast.AutoLink:
		return n.Label(source)
	case *ast.CodeBlock:
		return n.Lines().Value(source)
	case *ast.FencedCodeBlock:
		return n.Lines().Value(source)
	case *ast.RawHTML:
		if bytes.HasPrefix(n.Segments.Value(source), []byte("<br")) {
			return []byte{' '}
		}
	}
	return nil
}

// destination is where a link in a page leads. Pages link to each other and to files of the repository as both lie
// there: those that are no pages are on GitHub.
func destination(page, to string) string {
	if to == "" || to[0] == '#' || to[0] == '/' || strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return to
	}
	file, anchor, found := strings.Cut(to, "#")
	if found {
		anchor = "#" + anchor
	}
	name := path.Join(path.Dir(page), file)
	if outside, ok := strings.CutPrefix(name, "../"); ok {
		kind := "blob"
		if path.Ext(outside) == "" && outside != "Dockerfile" && outside != "LICENSE" {
			kind = "tree"
		}
		return repository + "/" + kind + "/main/" + outside + anchor
	}
	if strings.HasSuffix(name, ".md") {
		name = address(name)
	}
	return root(page) + name + anchor
}

// contents are the chapters of the index: its headings, and the links below each.
func contents(source []byte) []chapter {
	var chapters []chapter
	_ = ast.Walk(parse(source), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				chapters = append(chapters, chapter{Title: plain(n, source)})
			}
		case *ast.Link:
			to := string(n.Destination)
			if len(chapters) == 0 || strings.HasPrefix(to, "../") || strings.Contains(to, "://") {
				break
			}
			file, anchor, found := strings.Cut(to, "#")
			if to = address(file); found {
				to += "#" + anchor
			}
			last := &chapters[len(chapters)-1]
			last.Links = append(last.Links, link{Text: capital(plain(n, source)), To: to})
		}
		return ast.WalkContinue, nil
	})
	return chapters
}

// capital is text that begins with a large letter.
func capital(text string) string {
	for i, r := range text {
		return string(unicode.ToUpper(r)) + text[i+len(string(r)):]
	}
	return ""
}
