package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed reference.md
var referenceIntro []byte

// Reference returns docs/configuration.md: how options are given, then every
// option with its flag, variable, key, kind, default and meaning.
func Reference() []byte {
	var b bytes.Buffer
	b.Write(referenceIntro)
	group := ""
	for _, o := range options() {
		if o.group != group {
			group = o.group
			fmt.Fprintf(&b, "\n### %s\n\n", group)
			b.WriteString("| flag, variable | key in the file | kind | default | meaning | ● |\n|---|---|---|---|---|---|\n")
		}
		b.WriteString(o.row())
	}
	return b.Bytes()
}

func (o option) row() string {
	live := "●"
	if o.atStart {
		live = ""
	}
	flag := fmt.Sprintf("`--%s`<br>", o.flag)
	if o.noFlag {
		flag = ""
	}
	return fmt.Sprintf("| %s`%s` | %s | %s | %s | %s | %s |\n",
		flag, o.env, code(o.key), o.kind, code(o.preset), linked(cell(o.help)), live)
}

func code(text string) string {
	if text == "" {
		return "–"
	}
	return "`" + cell(text) + "`"
}

// pageName is how the text of a flag names a page.
var pageName = regexp.MustCompile(`\b([a-z-]+)\.md\b`)

// linked makes links of the names of pages.
func linked(text string) string { return pageName.ReplaceAllString(text, "[$1]($1.md)") }

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
