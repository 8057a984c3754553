package management

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// Merge changes d by a merge patch of JSON (RFC 7396): null unsets a field, a list replaces a list. Features are
// merged by flag, as Azure does: a flag that is not named keeps its value, and one whose value is null is unset. Names of fields ignore letter case.
// What Azure gives and does not take, such as provisioningState, is left out. Unknown fields are an *InvalidError.
func (d *Document) Merge(patch []byte) error {
	unknown, err := d.MergeKnown(patch)
	if err != nil {
		return err
	}
	var p problems
	for _, path := range unknown {
		p.add(path, "is not known")
	}
	return p.err()
}

// MergeKnown is Merge, but leaves unknown fields out and returns their paths.
func (d *Document) MergeKnown(patch []byte) (unknown []string, err error) {
	return d.take(patch, true)
}

// Replace has d become the document of body, as a PUT of the resource does. Features that are not named
// keep their values, and so does hubgate's own part if it is not named. It returns the paths of unknown fields, which are left out.
func (d *Document) Replace(body []byte) (unknown []string, err error) {
	kept := Document{Properties: Properties{Features: d.Properties.Features, Hubgate: d.Properties.Hubgate}}
	if unknown, err = kept.take(body, true); err == nil {
		*d = kept
	}
	return unknown, err
}

func (d *Document) take(patch []byte, merge bool) (unknown []string, err error) {
	if err := CheckNames(patch); err != nil {
		return nil, err
	}
	change, err := decodeOne(patch)
	if err != nil {
		return nil, invalid("", err.Error())
	}
	fields, ok := change.(map[string]any)
	if !ok {
		return nil, invalid("", "must be a JSON object")
	}
	change = canonical(fields, reflect.TypeFor[Document](), "", &unknown)
	before, err := toAny(d)
	if err != nil {
		return nil, err
	}
	merged := change
	if merge {
		merged = mergePatch(before, change, "")
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	var next Document
	if err := json.Unmarshal(text, &next); err != nil {
		return nil, wrongType(err)
	}
	*d = next
	return unknown, nil
}

// embedded are types whose names encoding/json has in the paths of its errors.
var embedded = strings.NewReplacer("properties.Access.", "properties.", "properties.Logs.", "properties.", "properties.Ignored.", "properties.")

// wrongType names the field whose value has the wrong type.
func wrongType(err error) error {
	var wrong *json.UnmarshalTypeError
	if !asType(err, &wrong) {
		return invalid("", err.Error())
	}
	return invalid(embedded.Replace(wrong.Field), fmt.Sprintf("must be %s, not %s", inWords(wrong.Type), wrong.Value))
}

func inWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a text"
}

func toAny(v any) (out any, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&out)
	return out, err
}

// mergePatch is RFC 7396 with one exception.
func mergePatch(target, patch any, path string) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		if path == "properties.features" {
			return mergeFeatures(target, patch)
		}
		return patch
	}
	fields, ok := target.(map[string]any)
	if !ok {
		fields = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(fields, name)
			continue
		}
		fields[name] = mergePatch(fields[name], value, join(path, name))
	}
	return fields
}

func mergeFeatures(target, patch any) any {
	changes, ok := patch.([]any)
	if !ok {
		return patch // the decoder says what is wrong
	}
	old, _ := target.([]any)
	merged := slices.Clone(old)
	flag := func(v any) string {
		f, _ := v.(map[string]any)
		name, _ := f["flag"].(string)
		return name
	}
	for _, change := range changes {
		if unsets(change) {
			merged = slices.DeleteFunc(merged, func(v any) bool { return equalFold(flag(v), flag(change)) })
			continue
		}
		at := slices.IndexFunc(merged, func(v any) bool { return equalFold(flag(v), flag(change)) })
		if at < 0 {
			merged = append(merged, change)
			continue
		}
		merged[at] = change
	}
	return merged
}

// unsets says whether a change of a feature takes its flag back: its value is there, and is null.
func unsets(change any) bool {
	feature, _ := change.(map[string]any)
	value, there := feature["value"]
	return there && value == nil && feature["flag"] != nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// readOnly are fields that Azure gives and does not take.
var readOnly = []string{
	"id", "name", "type", "systemData", "etag", "properties.provisioningState", "properties.externalIP", "properties.hostName",
	"properties.hostNamePrefix", "properties.publicPort", "properties.serverPort", "properties.version",
	"properties.privateEndpointConnections", "properties.sharedPrivateLinkResources",
}

// canonical spells the names of fields as the type does, leaves out what is read only, and notes the paths of
// fields that the type does not have.
func canonical(v any, t reflect.Type, path string, unknown *[]string) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return v
		}
		known := fieldsOf(t)
		out := make(map[string]any, len(v))
		for name, value := range v {
			at := join(path, name)
			if slices.ContainsFunc(readOnly, func(r string) bool { return equalFold(r, at) }) {
				continue
			}
			if field, ok := known[strings.ToLower(name)]; ok {
				out[field.name] = canonical(value, field.typ, join(path, field.name), unknown)
			} else {
				*unknown = append(*unknown, at)
			}
		}
		slices.Sort(*unknown)
		return out
	case []any:
		if t.Kind() != reflect.Slice {
			return v
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = canonical(v[i], t.Elem(), fmt.Sprintf("%s[%d]", path, i), unknown)
		}
		return out
	}
	return v
}

type jsonField struct {
	name string
	typ  reflect.Type
}

// fieldsOf are the fields of a type in JSON, those of embedded types among them, by their names in lower case.
func fieldsOf(t reflect.Type) map[string]jsonField {
	all := make(map[string]jsonField)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" {
			all[strings.ToLower(name)] = jsonField{name, f.Type}
		}
	}
	return all
}
