package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Sizes of a plot, in pixels at its natural size.
const (
	plotWidth  = 720
	nameWidth  = 110
	valueWidth = 190
	barWidth   = plotWidth - nameWidth - valueWidth
	rowHeight  = 34
	barHeight  = 16
	topHeight  = 12
)

const plotStyle = `<style>
text{font:14px system-ui,sans-serif;fill:#1f2933}
.bar{fill:#9fb3c8}.own{fill:#3d7eff}.range{stroke:#1f2933;stroke-width:1.5;fill:none}.weak{fill:#52606d}
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.bar{fill:#52667a}.own{fill:#6ea0ff}.range{stroke:#e4e7eb}.weak{fill:#9aa5b1}}
</style>`

// plot draws the medians as bars, and the least and the greatest as a line over each.
func (r *results) plot(c chart) []byte {
	var b bytes.Buffer
	height := topHeight + rowHeight*len(r.Servers)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`, plotWidth, height, plotWidth, height, escape(r.describe(c)))
	b.WriteString(plotStyle)
	greatest := 0.0
	for i := range r.Servers {
		if s, ok := spreadOf(r.Servers[i].Figures[c.figure]); ok {
			greatest = max(greatest, s.greatest)
		}
	}
	for i := range r.Servers {
		r.row(&b, c, &r.Servers[i], topHeight+i*rowHeight, greatest)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (r *results) row(b io.Writer, c chart, s *serverResult, y int, greatest float64) {
	text := y + barHeight - 3
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, nameWidth-10, text, escape(s.Name))
	value, ok := spreadOf(s.Figures[c.figure])
	if !ok || greatest <= 0 {
		return
	}
	class := "bar"
	if s.Name == "hubgate" {
		class = "own"
	}
	at := func(v float64) string { return strconv.FormatFloat(v/greatest*barWidth, 'f', 1, 64) }
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%s" height="%d"/>`, class, nameWidth, y, at(value.median), barHeight)
	fmt.Fprintf(b, `<g transform="translate(%d %d)"><path class="range" d="M%s 8H%sM%s 4v8M%s 4v8"/></g>`,
		nameWidth, y, at(value.least), at(value.greatest), at(value.least), at(value.greatest))
	fmt.Fprintf(b, `<text x="%d" y="%d">%s %s%s</text>`, nameWidth+barWidth+10, text, number(value.median), escape(c.unit), r.times(s, c))
}

// times is the ratio to the first server, for the end of a row.
func (r *results) times(s *serverResult, c chart) string {
	ratio, ok := r.ratio(s, c.figure)
	if !ok || s.Name == r.Servers[0].Name {
		return ""
	}
	return fmt.Sprintf(`<tspan class="weak"> · %s ×</tspan>`, number(ratio.median))
}

// describe is the plot for those who do not see it.
func (r *results) describe(c chart) string {
	parts := []string{c.title}
	for i := range r.Servers {
		if s, ok := spreadOf(r.Servers[i].Figures[c.figure]); ok {
			parts = append(parts, fmt.Sprintf("%s %s %s", r.Servers[i].Name, number(s.median), c.unit))
		}
	}
	return strings.Join(parts, "; ")
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}

// number has three digits that mean something, and a thin gap between thousands.
func number(v float64) string {
	switch {
	case v >= 1000:
		text := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "\u202f" + text[i:]
		}
		return text
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
