package management

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const resourceType = "Microsoft.SignalRService/SignalR"

// Import reads a template of Azure Resource Manager that has the resource, also one that Bicep has compiled, or
// the resource itself. It returns what it changes, and the paths of what is ignored: other resources, fields that
// are not known, and expressions that say nothing without Azure. Parameters and variables have their default
// values. The error is an *InvalidError.
func Import(text []byte) (edit func(*Document) error, ignored []string, err error) {
	if err := CheckNames(text); err != nil {
		return nil, nil, err
	}
	v, err := decodeOne(text)
	template, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, nil, invalid("", "must be a JSON object")
	}
	found := template
	if resources := resourcesOf(template); resources != nil {
		found = nil
		for _, r := range resources {
			switch typ, _ := r.fields["type"].(string); {
			case equalFold(typ, resourceType) && found == nil:
				found = r.fields
			case equalFold(typ, resourceType):
				return nil, nil, invalid(r.path, "is a second resource of the type "+resourceType+": keep the one that is meant")
			default:
				ignored = append(ignored, fmt.Sprintf("%s (%s)", r.path, typ))
			}
		}
		if found == nil {
			return nil, nil, invalid("resources", "has none of the type "+resourceType)
		}
	} else if typ, _ := template["type"].(string); !equalFold(typ, resourceType) {
		return nil, nil, invalid("", "is neither a template of Azure Resource Manager, nor a resource of the type "+resourceType+", nor the emulator's settings.json")
	}
	values := &templateValues{template: template}
	body, _ := values.resolve("", found, 0).(map[string]any)
	if values.spent > maxResolved {
		return nil, nil, invalid("", "is too large with the values of its parameters and variables in their places")
	}
	for _, name := range []string{"apiVersion", "dependsOn", "comments", "condition", "copy", "scope", "zones"} {
		delete(body, name)
	}
	clean, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	var trial Document
	unknown, err := trial.MergeKnown(clean)
	if err != nil {
		return nil, nil, err
	}
	ignored = slices.Concat(ignored, unknown, values.unresolved)
	return func(d *Document) error {
		_, err := d.MergeKnown(clean)
		return err
	}, ignored, nil
}

type templateResource struct {
	path   string
	fields map[string]any
}

// resourcesOf are the resources of a template, which newer Bicep writes as an object; nil if it is no template.
func resourcesOf(template map[string]any) (all []templateResource) {
	switch list := template["resources"].(type) {
	case []any:
		all = []templateResource{}
		for i, v := range list {
			fields, _ := v.(map[string]any)
			all = append(all, templateResource{fmt.Sprintf("resources[%d]", i), fields})
		}
	case map[string]any:
		all = []templateResource{}
		for _, name := range slices.Sorted(maps.Keys(list)) {
			fields, _ := list[name].(map[string]any)
			all = append(all, templateResource{"resources." + name, fields})
		}
	}
	return all
}

// templateValues puts values in the place of expressions.
type templateValues struct {
	template   map[string]any
	unresolved []string
	spent      int // bytes of all paths and texts that were looked at
}

const (
	// maxDepth bounds how often a value leads to another one.
	maxDepth = 20
	// maxResolved bounds what is looked at: a short template may name its variables so often that no memory would do.
	maxResolved = 8 << 20
)

var reference = regexp.MustCompile(`^\[\s*(parameters|variables)\(\s*'([^']+)'\s*\)\s*\]$`)

// resolve returns a value without expressions. One that cannot be resolved is left out, and noted.
func (t *templateValues) resolve(path string, v any, depth int) any {
	if t.spent += 1 + len(path); t.spent > maxResolved {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if value := t.resolve(join(path, name), v[name], depth); value != nil {
				out[name] = value
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for i, item := range v {
			if value := t.resolve(fmt.Sprintf("%s[%d]", path, i), item, depth); value != nil {
				out = append(out, value)
			}
		}
		return out
	case string:
		t.spent += len(v)
		return t.text(path, v, depth)
	}
	return v
}

func (t *templateValues) text(path, text string, depth int) any {
	switch {
	case strings.HasPrefix(text, "[["):
		return text[1:]
	case !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]"):
		return text
	}
	if found := reference.FindStringSubmatch(text); found != nil && depth < maxDepth {
		values, _ := t.template[found[1]].(map[string]any)
		value := values[found[2]]
		if parameter, ok := value.(map[string]any); ok && found[1] == "parameters" {
			value = parameter["defaultValue"]
		}
		if value != nil {
			return t.resolve(path, value, depth+1)
		}
	}
	if !slices.Contains(readOnly, path) {
		t.unresolved = append(t.unresolved, path+" ("+text+")")
	}
	return nil
}

// ImportTemplates is Import of webhooks alone: their list replaces the one that is set.
func ImportTemplates(templates []Template) func(*Document) error {
	return func(d *Document) error {
		d.Properties.Upstream = &Upstream{Templates: templates}
		return nil
	}
}
