package settings

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/nearest"
)

// Rule bounds how often something happens, see the package limits. It is made by ParseRule.
type Rule struct {
	// Name is how logs, metrics and those who are over it know it: given, or the scope and what is counted.
	Name string
	// Scope is connection, user, hub or key; What is connects, messages or bytes.
	Scope, What string
	// Rate is how many there may be in a second; Burst is how many at once.
	Rate, Burst float64
	// Text is Rate as it was written: 10/s.
	Text string
	// Hubs are the keys of hubs with commas in between; "" is all.
	Hubs string
	// ReportOnly counts what the rule would do, and does nothing.
	ReportOnly bool
}

var (
	ruleScopes = []string{"connection", "user", "hub", "key"}
	ruleWhats  = []string{"connects", "messages", "bytes"}
	ruleUnits  = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
)

const (
	maxRules    = 64
	maxRate     = 1e12 // in a second
	minRate     = 1e-4 // one in about three hours
	maxRuleName = 64
)

// ParseRule reads a rule: "SCOPE WHAT RATE", then in any order "burst=N", "hubs=NAME,NAME", "name=NAME" and "report".
// RATE is a number for a second, a minute or an hour: 10/s, 100/m, 5/h. Bytes may have a unit: 64KiB/s.
func ParseRule(text string) (Rule, error) {
	words := strings.Fields(text)
	if len(words) < 3 {
		return Rule{}, fmt.Errorf("%q is not SCOPE WHAT RATE, such as \"user messages 10/s\"", text)
	}
	r := Rule{Scope: strings.ToLower(words[0]), What: strings.ToLower(words[1]), Text: words[2]}
	if err := errors.Join(checkWord(r.Scope, ruleScopes), checkWord(r.What, ruleWhats)); err != nil {
		return Rule{}, err
	}
	switch {
	case r.What == "connects" && (r.Scope == "connection" || r.Scope == "key"):
		return Rule{}, fmt.Errorf("%q: connects are counted for each user or hub", text)
	}
	if err := r.parseRate(words[2]); err != nil {
		return Rule{}, err
	}
	r.Name, r.Burst = r.Scope+"."+r.What, math.Max(1, math.Ceil(r.Rate))
	for _, word := range words[3:] {
		if err := r.parseOption(word); err != nil {
			return Rule{}, err
		}
	}
	return r, nil
}

// parseRate reads NUMBER/UNIT.
func (r *Rule) parseRate(text string) error {
	number, unit, _ := strings.Cut(text, "/")
	per, known := ruleUnits[unit]
	n, err := r.amount(number)
	if !known || err != nil {
		return fmt.Errorf("%q is not a rate, such as 10/s, 100/m or 5/h", text)
	}
	if r.Rate = n / per.Seconds(); r.Rate < minRate || r.Rate > maxRate {
		return fmt.Errorf("%q is not between one in two hours and 10^12 in a second", text)
	}
	return nil
}

// amount reads a number; one of bytes may have a unit.
func (r *Rule) amount(text string) (float64, error) {
	factor := 1.0
	if r.What == "bytes" {
		for i, unit := range []string{"KiB", "MiB", "GiB"} {
			if number, ok := strings.CutSuffix(text, unit); ok {
				text, factor = number, math.Pow(1024, float64(i+1))
			}
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n <= 0 {
		return 0, fmt.Errorf("%q is not a number above 0", text)
	}
	return n * factor, nil
}

// parseOption reads one of the words behind the rate.
func (r *Rule) parseOption(word string) (err error) {
	name, value, valued := strings.Cut(word, "=")
	switch strings.ToLower(name) {
	case "report":
		if valued {
			return fmt.Errorf("%q: report has no value; leave it out to enforce the rule", word)
		}
		r.ReportOnly = true
	case "burst":
		if r.Burst, err = r.amount(value); err != nil || r.Burst < 1 || r.Burst > maxRate {
			return fmt.Errorf("%q is not a burst of 1 or more", word)
		}
	case "name":
		if r.Name = value; value == "" || len(value) > maxRuleName || strings.ContainsFunc(value, notForNames) {
			return fmt.Errorf("%q is not a name of up to %d letters, digits, hyphens, dots and underscores", word, maxRuleName)
		}
	case "hubs":
		if r.Scope == "key" {
			return fmt.Errorf("%q: a key is not for single hubs", word)
		}
		for hub := range strings.SplitSeq(value, ",") {
			if err := hubname.Check(hub); err != nil {
				return fmt.Errorf("hub %q is %w", hub, err)
			}
		}
		r.Hubs = strings.ToLower(value)
	default:
		return fmt.Errorf("%q is none of burst=N, hubs=NAME,NAME, name=NAME and report%s", word, nearest.Hint(name, []string{"burst", "hubs", "name", "report"}))
	}
	return nil
}

func notForNames(r rune) bool {
	return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

func (p *problems) checkRules(rules []Rule) {
	if len(rules) > maxRules {
		p.add("limits.rules", "has %d entries, more than %d", len(rules), maxRules)
	}
	seen := make(map[string]bool)
	for _, r := range rules {
		if seen[r.Name] {
			p.add("limits.rules", "two rules have the name %q: give them others with name=NAME", r.Name)
		}
		seen[r.Name] = true
	}
}
