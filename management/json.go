package management

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

func sortedNames(fields map[string]any) []string { return slices.Sorted(maps.Keys(fields)) }

// decodeOne reads one JSON value, with numbers as they are written. Text behind it is an error.
func decodeOne(text []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has more behind its JSON value")
	}
	return v, nil
}

// CheckNames refuses JSON with an object that has a field twice, in the same letter case or in another one:
// readers would differ in which of the two they take. It wants one JSON value and nothing behind it. The error
// is an *InvalidError.
func CheckNames(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := checkValue(decoder, "", 0); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("", "has more behind its JSON value")
	}
	return nil
}

// maxNesting bounds how deep values are in values.
const maxNesting = 1000

func checkValue(decoder *json.Decoder, path string, depth int) error {
	if depth > maxNesting {
		return invalid("", fmt.Sprintf("is nested deeper than %d values", maxNesting))
	}
	token, err := decoder.Token()
	if err != nil {
		return invalid("", "is not JSON: "+err.Error())
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for i := 0; decoder.More(); i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		if delim == '{' {
			if at, err = checkName(decoder, path, seen); err != nil {
				return err
			}
		}
		if err := checkValue(decoder, at, depth+1); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return invalid("", "is not JSON: "+err.Error())
	}
	return nil
}

// checkName reads the name of a field, and returns its path.
func checkName(decoder *json.Decoder, path string, seen map[string]bool) (at string, err error) {
	token, err := decoder.Token()
	name, ok := token.(string)
	if err != nil || !ok {
		return "", invalid("", "is not JSON")
	}
	at = join(path, name)
	if lower := strings.ToLower(name); seen[lower] {
		return "", invalid(at, "is there twice, perhaps in another letter case")
	} else {
		seen[lower] = true
	}
	return at, nil
}
