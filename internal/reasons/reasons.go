// Package reasons explains every reason that the gateway gives: for what was closed, refused, dropped or not carried out.
// The packages that give reasons own the closed lists; this one has a cause and a cure for each of their values. A test
// of cmd/hubgate compares the two. The page docs/errors.md is generated from here, and log lines point into it.
package reasons

import "strings"

//go:generate go test -run ^TestPageIsCurrent$ -update .

// List explains one closed list.
type List struct {
	// Anchor begins the anchors of the list's reasons in the page.
	Anchor string
	Title  string
	// Type is the type of the reasons: its package and its name.
	Type string
	// Line is the log line that carries the reason, "" if none does; Attribute is its field there.
	Line, Attribute string
	// Metric counts the reasons, "" if none does. Clustered: a node that is alone has none of them.
	Metric    string
	Clustered bool
	// Intro is a paragraph of the page.
	Intro   string
	Reasons []Reason
}

// Reason is one value of a closed list.
type Reason struct {
	Name string
	// Cause is what happened, Cure what to do about it. Both are Markdown and whole sentences.
	Cause, Cure string
}

// Nothing is the cure where there is nothing to mend.
const Nothing = "Nothing to do."

// Lists returns all lists, in the order of the page.
func Lists() []List {
	return []List{
		closes, clientRefusals, gateRefusals, restFailures, presenceFailures, webhookResults, skips, deadLetters, drops, serverRefusals, serverEnds, losses,
		commandDrops, byes, troubles, storeEvents,
	}
}

// Fragment is the anchor of a reason in the page.
func (l *List) Fragment(name string) string {
	return l.Anchor + "-" + strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// See returns the anchor in the page for a log line with this text and this field, "" if the page says nothing about it
// or if there is nothing to mend.
func See(line, attribute, value string) string {
	for _, l := range lists {
		if l.Line != line || l.Attribute != attribute || l.Line == "" {
			continue
		}
		for i := range l.Reasons {
			if r := &l.Reasons[i]; r.Name == value && r.Cure != Nothing {
				return l.Fragment(value)
			}
		}
	}
	return ""
}

// lists is Lists for See, which is asked for each log line.
var lists = Lists()
