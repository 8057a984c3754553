package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

const (
	module = "github.com/hubgate/hubgate/"
	// reference is the interop suite that runs against another server: what
	// passes there says nothing of hubgate.
	reference = "dotnet"
	// scenarios is the suite of the program that breaks clusters.
	scenarios = "chaos"
)

// addGoTests reads the output of go test -json.
func (t *table) addGoTests(data []byte) error {
	for line := range lines(string(data)) {
		if !strings.HasPrefix(line, "{") {
			continue // what tools print between
		}
		var event struct{ Action, Package, Test string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			return fmt.Errorf("not the output of go test -json: %w", err)
		}
		if event.Action != "pass" || event.Test == "" {
			continue
		}
		function, _, _ := strings.Cut(event.Test, "/")
		for _, id := range append(leadingIDs(function), rowIDs(event.Test)...) {
			t.cover(id, "`"+strings.TrimPrefix(event.Package, module)+"."+function+"`")
		}
	}
	return nil
}

// addInterop reads names of passed cases, one a line: the suite, what it ran
// with, row ids, and what the case is about. The same case of several clients
// of a suite counts once. A scenario of chaos has its name first.
func (t *table) addInterop(data []byte) error {
	for line := range lines(string(data)) {
		suite, name, ok := strings.Cut(line, " ")
		if !ok || suite == reference {
			continue
		}
		ids := rowIDs(name)
		test := "interop " + suite + ": " + about(name, ids)
		if suite == scenarios {
			scenario, _, _ := strings.Cut(name, ":")
			test = "`chaos -only " + scenario + "`"
		}
		for _, id := range ids {
			t.cover(id, test)
		}
	}
	return nil
}

// about is the part of a case's name from its first row id on, without ids.
func about(name string, ids []string) string {
	var words []string
	seen := false
	for word := range strings.FieldsSeq(name) {
		if len(ids) > 0 && strings.Trim(word, "(),:;") == ids[0] {
			seen = true
		}
		if seen && !rowID.MatchString(strings.Trim(word, "(),:;")) {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return name
	}
	return strings.Join(words, " ")
}

// leadingIDs is the id that a test function's name begins with, if any:
// TestH37NothingOvertakes shows H37.
func leadingIDs(function string) []string {
	if found := leadingID.FindStringSubmatch(function); found != nil {
		return found[1:]
	}
	return nil
}

// rowIDs returns the row ids that stand in a name as words. Go puts underscores
// for spaces.
func rowIDs(name string) (ids []string) {
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if rowID.MatchString(word) {
			ids = append(ids, word)
		}
	}
	return ids
}
