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
	if wrong := checkValue(decoder, 0); wrong != nil {
		return wrong
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("", "has more behind its JSON value")
	}
	return nil
}

// maxNesting bounds how deep values are in values.
const maxNesting = 1000

// checkValue reads one value. Paths are put together only for errors: there can be many long ones.
func checkValue(decoder *json.Decoder, depth int) *InvalidError {
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
		name := ""
		if delim == '{' {
			if token, err = decoder.Token(); err != nil {
				return invalid("", "is not JSON: "+err.Error())
			}
			name, _ = token.(string) // of an object the decoder takes no other
			lower := strings.ToLower(name)
			if seen[lower] {
				return invalid(name, twice)
			}
			seen[lower] = true
		}
		if wrong := checkValue(decoder, depth+1); wrong != nil {
			if wrong.Fields[0].Reason == twice {
				wrong.Fields[0].Path = inside(delim, name, i, wrong.Fields[0].Path)
			}
			return wrong
		}
	}
	if _, err := decoder.Token(); err != nil {
		return invalid("", "is not JSON: "+err.Error())
	}
	return nil
}

const twice = "is there twice, perhaps in another letter case"

// inside puts the path of a value before that of a field in it.
func inside(delim json.Delim, name string, i int, path string) string {
	if delim == '[' {
		name = fmt.Sprintf("[%d]", i)
	}
	if strings.HasPrefix(path, "[") {
		return name + path
	}
	return name + "." + path
}
