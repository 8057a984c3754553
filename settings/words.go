package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hubgate/hubgate/internal/nearest"
)

// Words are options that have one of a few values. In files, flags and variables their letter
// case does not count: Azure's tools write Serverless.

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *Mode) UnmarshalText(text []byte) error { return parseWord(m, text, Modes()) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (u *Unmatched) UnmarshalText(text []byte) error { return parseWord(u, text, unmatched) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Rejection) UnmarshalText(text []byte) error { return parseWord(r, text, rejections) }

var (
	unmatched  = []Unmatched{UnmatchedError, UnmatchedSilent}
	rejections = []Rejection{RejectionClose, RejectionIgnore}
)

func parseWord[W ~string](into *W, text []byte, known []W) error {
	word := W(strings.ToLower(strings.TrimSpace(string(text))))
	if err := checkWord(word, known); err != nil {
		return err
	}
	*into = word
	return nil
}

func checkWord[W ~string](word W, known []W) error {
	if slices.Contains(known, word) {
		return nil
	}
	plain, quoted := make([]string, len(known)), make([]string, len(known))
	for i, k := range known {
		plain[i], quoted[i] = string(k), fmt.Sprintf("%q", string(k))
	}
	last := len(quoted) - 1
	none := "none of"
	if last == 1 {
		none = "neither"
	}
	joint := map[bool]string{true: " nor ", false: " and "}[last == 1]
	return fmt.Errorf("%q is %s %s%s%s%s", string(word), none, strings.Join(quoted[:last], ", "), joint, quoted[last], nearest.Hint(string(word), plain))
}
