package management

import (
	"encoding/json"
	"maps"
	"slices"
)

// Rows are the values of the document, sorted by path: path, value as JSON, and where it comes from.
func (v *Version) Rows() (rows [][]string) {
	all, sources := map[string]any{}, v.Sources()
	leaves(v.Document, all)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		text, err := json.Marshal(all[path])
		if err != nil {
			continue // it came from JSON
		}
		rows = append(rows, []string{path, string(text), sources[path]})
	}
	return rows
}
