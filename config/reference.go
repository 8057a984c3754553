package config

import (
	"bytes"
	_ "embed"
	"fmt"
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
		flag, o.env, code(o.key), o.kind, code(o.preset), cell(o.help), live)
}

func code(text string) string {
	if text == "" {
		return "–"
	}
	return "`" + cell(text) + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
