package config

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// SharedObject returns a text of options, as a file has them, as a JSON object; nil for one without options.
func SharedObject(text []byte) (json.RawMessage, error) {
	if _, err := parseFile(SharedSource, utf8Text(text)); err != nil {
		return nil, err
	}
	var options map[string]any
	if err := yaml.Unmarshal(utf8Text(text), &options); err != nil {
		return nil, fmt.Errorf("%s: %w", SharedSource, err)
	}
	if len(options) == 0 {
		return nil, nil
	}
	object, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SharedSource, err)
	}
	return object, nil
}

// SharedText is the way back: YAML, with the keys in order.
func SharedText(object json.RawMessage) ([]byte, error) {
	if len(bytes.TrimSpace(object)) == 0 {
		return nil, nil
	}
	var options map[string]any
	if err := yaml.Unmarshal(object, &options); err != nil { // JSON is YAML, and numbers stay what they are
		return nil, err
	}
	if len(options) == 0 {
		return nil, nil
	}
	return yaml.Marshal(options)
}
