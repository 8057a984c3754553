package management

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hubgate/hubgate/secret"
)

// changesOf are the differences of two records, masked, sorted by path.
func changesOf(before, after *Record) []Change {
	was, is := map[string]any{}, map[string]any{}
	leaves(before.Document, was)
	leaves(after.Document, is)
	shownBefore, shownAfter := map[string]any{}, map[string]any{}
	leaves(before.Document.masked(), shownBefore)
	leaves(after.Document.masked(), shownAfter)
	var changes []Change
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if !reflect.DeepEqual(was[path], is[path]) {
			changes = append(changes, Change{path, toJSON(shownBefore, path), toJSON(shownAfter, path)})
		}
	}
	masked, err := json.Marshal(secret.Redacted)
	if err != nil {
		panic(err) // a text has JSON
	}
	if before.PrimaryKey != after.PrimaryKey {
		changes = append(changes, Change{"keys.primary", masked, masked})
	}
	if before.SecondaryKey != after.SecondaryKey {
		changes = append(changes, Change{"keys.secondary", masked, masked})
	}
	if before.Restarts != after.Restarts {
		changes = append(changes, Change{Path: "restart", After: json.RawMessage(fmt.Sprint(after.Restarts))})
	}
	return changes
}

func toJSON(values map[string]any, path string) json.RawMessage {
	value, ok := values[path]
	if !ok {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}

// leaves puts the values of a document under their paths. A list is one value; so is what has no fields.
func leaves(d Document, into map[string]any) {
	all, err := toAny(d)
	if err != nil {
		return
	}
	walk("", all, into)
}

func walk(path string, v any, into map[string]any) {
	fields, ok := v.(map[string]any)
	if !ok || (len(fields) == 0 && path != "properties") {
		into[path] = v
		return
	}
	for name, value := range fields {
		walk(join(path, name), value, into)
	}
}
