package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// maxJSONDepth is what .NET's reader accepts.
const maxJSONDepth = 64

var errTooDeep = fmt.Errorf("is nested deeper than %d levels", maxJSONDepth)

// DefaultSettingsFile returns the settings.json to start from, in the layout
// that Microsoft's emulator writes: all events to a function app on this machine.
func DefaultSettingsFile() []byte {
	return []byte(`{
  "UpstreamSettings": {
    "Templates": [
      {
        "UrlTemplate": "http://localhost:7071/runtime/webhooks/signalr",
        "EventPattern": "*",
        "HubPattern": "*",
        "CategoryPattern": "*"
      }
    ]
  }
}
`)
}

// ReadSettingsFile reads the upstream templates from a settings.json of
// Microsoft's emulator of at most 1 MiB, as .NET configuration would: letter
// case of keys does not count, sections can be written with colons, comments,
// trailing commas and a byte order mark may be there, other sections do not
// matter. What the templates say is not checked.
func ReadSettingsFile(path string) ([]settings.Template, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	list, err := parseSettingsFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

func parseSettingsFile(data []byte) ([]settings.Template, error) {
	plain, err := plainJSON(data)
	if err != nil {
		return nil, err
	}
	r := settingsReader{json: json.NewDecoder(bytes.NewReader(plain)), data: plain}
	r.json.UseNumber()
	root := new(section)
	if err := r.file(root); err != nil {
		return nil, err
	}
	templates := root.at("UpstreamSettings:Templates")
	if templates == nil {
		return nil, nil
	}
	if templates.text != "" {
		return nil, errors.New("UpstreamSettings:Templates is not a list")
	}
	var list []settings.Template
	for _, name := range templates.sortedNames() {
		list = append(list, templates.children[name].template())
	}
	return list, nil
}

// section is a node of .NET's configuration: a value, children, or both.
type section struct {
	children map[string]*section // by lower-case name
	set      bool
	null     bool
	text     string
}

// at returns the section with the path relative to s, nil if there is none.
func (s *section) at(path string) *section {
	for name := range strings.SplitSeq(path, ":") {
		if s = s.children[strings.ToLower(name)]; s == nil {
			return nil
		}
	}
	return s
}

// make returns the section at the path and makes it if it is missing.
func (s *section) make(path string) *section {
	for name := range strings.SplitSeq(path, ":") {
		name = strings.ToLower(name)
		child := s.children[name]
		if child == nil {
			child = new(section)
			if s.children == nil {
				s.children = make(map[string]*section)
			}
			s.children[name] = child
		}
		s = child
	}
	return s
}

// sortedNames orders children as .NET does a list's: numbers first, by value.
func (s *section) sortedNames() []string {
	return slices.SortedFunc(maps.Keys(s.children), func(a, b string) int {
		x, errA := strconv.Atoi(a)
		y, errB := strconv.Atoi(b)
		switch {
		case errA == nil && errB == nil:
			return cmp.Or(cmp.Compare(x, y), strings.Compare(a, b))
		case errA == nil:
			return -1
		case errB == nil:
			return 1
		}
		return strings.Compare(a, b)
	})
}

func (s *section) template() settings.Template {
	var t settings.Template
	if url := s.at("UrlTemplate"); url != nil {
		t.URLTemplate = url.text
	}
	t.HubPattern = s.at("HubPattern").pattern()
	t.CategoryPattern = s.at("CategoryPattern").pattern()
	t.EventPattern = s.at("EventPattern").pattern()
	if kind := s.at("Auth:Type"); kind != nil && strings.EqualFold(kind.text, managedIdentity) {
		t.Auth.Wanted = true
		if resource := s.at("Auth:ManagedIdentity:Resource"); resource != nil {
			t.Auth.Resource = resource.text
		}
	}
	return t
}

func (s *section) pattern() webhook.Pattern {
	switch {
	case s == nil || !s.set:
		return webhook.Pattern{}
	case s.null:
		return webhook.NoPattern()
	default:
		return webhook.PatternOf(s.text)
	}
}

// settingsReader fills sections from JSON.
type settingsReader struct {
	json *json.Decoder
	data []byte
}

// file reads the one object that the file is.
func (r *settingsReader) file(root *section) error {
	token, err := r.json.Token()
	if err == nil && token != json.Delim('{') {
		err = errors.New("must be a JSON object")
	}
	if err == nil {
		err = r.value(root, token, 1)
	}
	if err == nil {
		if _, end := r.json.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the JSON object")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", 1+bytes.Count(r.data[:r.json.InputOffset()], []byte("\n")), err)
	}
	return nil
}

// value reads the value that begins with token into s.
func (r *settingsReader) value(s *section, token json.Token, depth int) error {
	if depth > maxJSONDepth {
		return errTooDeep
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return r.object(s, depth)
		}
		return r.array(s, depth)
	case string:
		return s.assign(v)
	case json.Number:
		return s.assign(v.String())
	case bool:
		return s.assign(map[bool]string{true: "True", false: "False"}[v])
	default:
		s.null = true
		return s.assign("")
	}
}

func (s *section) assign(text string) error {
	if s.set {
		return errors.New("a key is given twice")
	}
	s.set, s.text = true, text
	return nil
}

func (r *settingsReader) object(s *section, depth int) error {
	for r.json.More() {
		key, err := r.json.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		below := depth + 1 + strings.Count(name, ":") // each colon makes a section
		if below > maxJSONDepth {
			return errTooDeep
		}
		token, err := r.json.Token()
		if err != nil {
			return err
		}
		if err := r.value(s.make(name), token, below); err != nil {
			return err
		}
	}
	_, err := r.json.Token()
	return err
}

func (r *settingsReader) array(s *section, depth int) error {
	for i := 0; r.json.More(); i++ {
		token, err := r.json.Token()
		if err != nil {
			return err
		}
		if err := r.value(s.make(strconv.Itoa(i)), token, depth+1); err != nil {
			return err
		}
	}
	_, err := r.json.Token()
	return err
}
