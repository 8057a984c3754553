// Package nearest finds what was probably meant by a word with a typing error.
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// Hint returns "; did you mean ...?" with the known words that differ least from
// word, or "" if there is none.
func Hint(word string, known []string) string {
	meant := To(word, known)
	if len(meant) == 0 {
		return ""
	}
	quoted := make([]string, len(meant))
	for i, m := range meant {
		quoted[i] = fmt.Sprintf("%q", m)
	}
	return "; did you mean " + strings.Join(quoted, " or ") + "?"
}

// maxSuggestBytes bounds the keys that are compared: the work is their length
// times that of every known key.
const maxSuggestBytes = 100

// To returns the known keys that differ least from key. Letter case and
// the separators "-", "_" and "." do not count, so that a flag's or a
// variable's spelling finds its key; a key without its section finds all that
// end in it.
func To(key string, known []string) []string {
	if len(key) > maxSuggestBytes {
		return nil
	}
	bare := withoutSeparators(key)
	// More than so many edits is another word. They count double, and the whole key is nearer than one
	// whose section is left out.
	least := 2*max(2, len(bare)/4) + 2
	var found []string
	for _, candidate := range known {
		full := withoutSeparators(candidate)
		d := 2 * distance(bare, full)
		if _, last, ok := strings.Cut(candidate, "."); ok {
			d = min(d, 2*distance(bare, withoutSeparators(last))+1)
		}
		switch {
		case d < least:
			least, found = d, []string{candidate}
		case d == least && found != nil:
			found = append(found, candidate)
		}
	}
	if found == nil && len(bare) >= minPart {
		found = slices.DeleteFunc(slices.Clone(known), func(candidate string) bool { // urlTemplate for url
			return !strings.Contains(withoutSeparators(candidate), bare)
		})
	}
	if len(found) > 3 {
		return nil // a guess among so many helps nobody
	}
	return found
}

// minPart is the least length of a key that is compared with parts of others.
const minPart = 3

func withoutSeparators(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the Levenshtein distance of a and b in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
