package config

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/regularfile"
	"github.com/hubgate/hubgate/settings"
)

// maxFileBytes bounds a file before it is parsed.
const maxFileBytes = 1 << 20

// These keys of the file are no flags: a list of maps, and a map of maps.
const (
	templatesKey = "upstream.templates"
	hubsKey      = "hubs"
)

// file is a parsed configuration file.
type file struct {
	name      string
	data      []byte         // as it was read
	values    map[string]any // by option key: string, or []any of string
	lines     map[string]int
	templates []settings.Template
	hubs      map[string]settings.Hub // by key in lower case
}

// has says whether the file sets the key.
func (f *file) has(key string) bool {
	return f != nil && f.lines[key] != 0
}

// readFile reads a file of at most 1 MiB as UTF-8. With a byte order mark it may
// be UTF-16, which PowerShell writes.
func readFile(path string) ([]byte, error) {
	data, err := regularfile.Read(path, maxFileBytes)
	if err != nil {
		return nil, err
	}
	return utf8Text(data), nil
}

func utf8Text(data []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return data
	}
	units := make([]uint16, 0, len(data)/2)
	for rest := data[2:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units)))
}

// loadFile reads and parses a configuration file.
func loadFile(path string) (*file, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return parseFile(path, data)
}

// parseFile parses YAML, and JSON as a part of it. Unknown and repeated keys,
// keys without a value, anchors' aliases and tags are errors; all that are
// found are returned, joined, each with its line.
func parseFile(name string, data []byte) (*file, error) {
	f := &file{name: name, data: data, values: make(map[string]any), lines: make(map[string]int)}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document", name)
	}
	p := fileParser{file: f}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return f, nil // nothing but comments
	}
	p.section("", root)
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return f, nil
}

// fileParser walks the nodes of a file and collects what is wrong.
type fileParser struct {
	file *file
	errs []error
}

func (p *fileParser) fail(n *yaml.Node, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %w", p.file.name, n.Line, err))
}

// pairs calls each with the keys and values of a map.
func (p *fileParser) pairs(what string, n *yaml.Node, each func(key string, keyNode, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		hint := ""
		if hub, ok := strings.CutPrefix(what, hubsKey+"."); ok && n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf(": write %s: {mode: %s}", hub, n.Value)
		}
		p.fail(n, "%s must be a map of keys and values%s", what, hint)
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := p.text("a key", n.Content[i])
		if !ok {
			continue
		}
		if seen[key] {
			p.fail(n.Content[i], "%q is given twice", key)
			continue
		}
		seen[key] = true
		each(key, n.Content[i], n.Content[i+1])
	}
}

// section reads the map at a prefix that is empty or ends in a dot.
func (p *fileParser) section(prefix string, n *yaml.Node) {
	what := strings.TrimSuffix(prefix, ".")
	if what == "" {
		what = "the file"
	}
	p.pairs(what, n, func(key string, keyNode, value *yaml.Node) {
		full := prefix + key
		_, isKey := optionsByKey()[full]
		isKey = isKey || full == templatesKey || full == hubsKey
		switch {
		case !isKey && isSection(full):
			p.section(full+".", value)
		case !isKey:
			p.fail(keyNode, "%w", unknownKey(full, knownKeys()))
		case p.file.has(full): // once in its section, once with a dot
			p.fail(keyNode, "%q is given twice", full)
		case full == templatesKey:
			p.file.lines[full] = keyNode.Line
			p.templates(value)
		case full == hubsKey:
			p.file.lines[full] = keyNode.Line
			p.hubs(value)
		default:
			p.file.lines[full] = keyNode.Line
			p.option(full, value)
		}
	})
}

func (p *fileParser) option(key string, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		if text, ok := p.text(key, n); ok {
			p.file.values[key] = text
		}
		return
	}
	if optionsByKey()[key].typ.Kind() != reflect.Slice {
		p.fail(n, "%s takes one value, not a list", key)
		return
	}
	list := make([]any, 0, len(n.Content))
	for _, item := range n.Content {
		if text, ok := p.text(key, item); ok {
			list = append(list, text)
		}
	}
	p.file.values[key] = list
}

// text reads a scalar as it is written.
func (p *fileParser) text(what string, n *yaml.Node) (string, bool) {
	switch {
	case n.Kind == yaml.AliasNode:
		p.fail(n, "%s: aliases are not supported", what)
	case n.Kind != yaml.ScalarNode:
		p.fail(n, "%s must be a single value", what)
	case n.Style&yaml.TaggedStyle != 0:
		p.fail(n, "%s: tags are not supported", what)
	case n.Tag == "!!null":
		p.fail(n, "%s has no value", what)
	default:
		return n.Value, true
	}
	return "", false
}

// isSection says whether keys lie below the name.
func isSection(name string) bool {
	for key := range optionsByKey() {
		if strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

// knownKeys lists all keys and sections in the order of the options.
func knownKeys() []string {
	var known []string
	last := ""
	for _, o := range options() {
		if o.key == "" {
			continue
		}
		if section, _, ok := strings.Cut(o.key, "."); ok && section != last {
			last = section
			known = append(known, section)
		}
		known = append(known, o.key)
	}
	return append(known, templatesKey, hubsKey)
}
