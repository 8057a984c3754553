package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hubgate/hubgate/secret"
)

// option is one configurable value and its names.
type option struct {
	flag    string // limits-rest-body-bytes
	env     string // HUBGATE_LIMITS_REST_BODY_BYTES
	key     string // limits.restBodyBytes; empty: not in the file
	group   string
	preset  string // the default, as on the command line
	help    string
	kind    string // how the value is written, in words
	typ     reflect.Type
	atStart bool // read once, when the gateway starts
	noFlag  bool // a secret that the command line would show
}

// boundOption is an option with its field in one Config.
type boundOption struct {
	option
	value reflect.Value
}

// bind returns the options of c in the order of its fields.
func bind(c *Config) []boundOption {
	all := placed()
	bound := make([]boundOption, len(all))
	root := reflect.ValueOf(c).Elem()
	for i := range all {
		bound[i] = boundOption{all[i].option, root.FieldByIndex(all[i].at)}
	}
	return bound
}

// placedOption is an option and where in Config it is.
type placedOption struct {
	option
	at []int // indexes of fields, from the outside in
}

// placed lists all options. What the tags say is kong's to tell, which takes long and much memory: it is
// asked once.
var placed = sync.OnceValue(func() []placedOption {
	c := new(Config)
	parser, err := kong.New(c, kong.NoDefaultHelp())
	if err != nil { // A mistake in the tags is a bug that every test of this package meets.
		panic(fmt.Sprintf("config: tags of Config: %v", err))
	}
	places := make(map[any][]int)
	place(places, reflect.ValueOf(c).Elem(), nil)
	var all []placedOption
	for _, flag := range parser.Model.Flags {
		o := option{
			flag: flag.Name, env: envName(flag.Name), key: fileKey(flag), group: flag.Group.Key,
			preset: flag.Default, help: flag.Help, kind: kindOf(flag.Target.Type()), typ: flag.Target.Type(),
			atStart: slices.Contains(startGroups, flag.Group.Key), noFlag: flag.Tag.Has("noflag"),
		}
		all = append(all, placedOption{o, places[flag.Target.Addr().Interface()]})
	}
	return all
})

// place notes where the fields of a struct are, by pointers to them, which differ in address or type.
func place(places map[any][]int, v reflect.Value, at []int) {
	for i := range v.NumField() {
		f := v.Field(i)
		if !v.Type().Field(i).IsExported() {
			continue
		}
		here := append(slices.Clone(at), i)
		places[f.Addr().Interface()] = here
		if f.Kind() == reflect.Struct {
			place(places, f, here)
		}
	}
}

// options lists all options.
var options = sync.OnceValue(func() []option {
	var all []option
	for _, p := range placed() {
		all = append(all, p.option)
	}
	return all
})

// optionsByFlag finds options by their flag's name.
var optionsByFlag = sync.OnceValue(func() map[string]option {
	byFlag := make(map[string]option)
	for _, o := range options() {
		byFlag[o.flag] = o
	}
	return byFlag
})

// optionsByKey finds options by their key in the file.
var optionsByKey = sync.OnceValue(func() map[string]option {
	byKey := make(map[string]option)
	for _, o := range options() {
		if o.key != "" {
			byKey[o.key] = o
		}
	}
	return byKey
})

func envName(flag string) string {
	return "HUBGATE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fileKey turns limits-rest-body-bytes with the prefix limits- into
// limits.restBodyBytes.
func fileKey(flag *kong.Flag) string {
	if flag.Tag.Get("file") == "-" {
		return ""
	}
	words := strings.Split(strings.TrimPrefix(flag.Name, flag.Tag.Prefix), "-")
	for i, word := range words[1:] {
		words[i+1] = strings.ToUpper(word[:1]) + word[1:]
	}
	key := strings.Join(words, "")
	if flag.Tag.Prefix != "" {
		key = strings.TrimSuffix(flag.Tag.Prefix, "-") + "." + key
	}
	return key
}

func kindOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[secret.Text]():
		return "secret"
	case reflect.TypeFor[[]Prefix]():
		return "list of networks"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list of texts"
	case reflect.Map:
		return "list of pairs"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "number"
	default:
		return "text"
	}
}
