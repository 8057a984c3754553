package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	text "text/template"
)

//go:embed benchmark.md.tmpl report.html.tmpl
var templates embed.FS

// view is what both templates show.
type view struct {
	*results
	Charts []chartView
	About  []aboutView
}

type chartView struct {
	Title, Text, File string
	Plot              template.HTML
	Rows              []rowView
}

// rowView is one server in a table.
type rowView struct{ Name, Median, Spread, Ratio string }

type aboutView struct{ Name, Version, Text string }

func (r *results) view() view {
	v := view{results: r}
	for _, c := range r.charts() {
		one := chartView{Title: c.title, Text: c.text, File: c.file(), Plot: template.HTML(r.plot(c))}
		for i := range r.Servers {
			one.Rows = append(one.Rows, r.tableRow(&r.Servers[i], c))
		}
		v.Charts = append(v.Charts, one)
	}
	for _, s := range servers {
		for i := range r.Servers {
			if r.Servers[i].Name == s.name {
				v.About = append(v.About, aboutView{s.name, r.Servers[i].Version, s.about})
			}
		}
	}
	return v
}

func (r *results) tableRow(s *serverResult, c chart) rowView {
	row := rowView{Name: s.Name}
	value, ok := spreadOf(s.Figures[c.figure])
	if !ok {
		return row
	}
	row.Median = number(value.median) + " " + c.unit
	row.Spread = number(value.least) + " to " + number(value.greatest)
	if ratio, ok := r.ratio(s, c.figure); ok {
		row.Ratio = fmt.Sprintf("%s (%s to %s)", number(ratio.median), number(ratio.least), number(ratio.greatest))
	}
	if s.Name == r.Servers[0].Name {
		row.Ratio = "1"
	}
	return row
}

// Reference is the server that all others are compared with.
func (r *results) Reference() string { return r.Servers[0].Name }

// Left says which servers were not there; empty if all were.
func (r *results) Left() string { return strings.Join(r.Missing, ", ") }

// Minutes is how long the run took.
func (r *results) Minutes() string { return fmt.Sprintf("%.1f", r.Ended.Sub(r.Begun).Minutes()) }

func (r *results) markdown() []byte {
	var b bytes.Buffer
	page := text.Must(text.ParseFS(templates, "benchmark.md.tmpl"))
	if err := page.Execute(&b, r.view()); err != nil {
		panic(err) // the template is part of the program
	}
	return b.Bytes()
}

func (r *results) page() []byte {
	var b bytes.Buffer
	page := template.Must(template.New("report.html.tmpl").Funcs(template.FuncMap{"code": code}).ParseFS(templates, "report.html.tmpl"))
	if err := page.Execute(&b, r.view()); err != nil {
		panic(err) // the template is part of the program
	}
	return b.Bytes()
}

// code makes what stands between backquotes code.
func code(markdown string) template.HTML {
	parts := strings.Split(template.HTMLEscapeString(markdown), "`")
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}
	return template.HTML(strings.Join(parts, ""))
}
