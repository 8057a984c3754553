package main

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
)

// The flag, the variable and the key in the file of an option mean the same, which is
// not what it is without them.
func TestEveryOptionIsReadInEachWay(t *testing.T) {
	single(t)
	known := effects()
	for _, o := range documentedOptions(t) {
		if o.variable == "" {
			continue // it has one way
		}
		t.Run(cmp.Or(o.flag, o.key), func(t *testing.T) {
			e := known[cmp.Or(o.flag, o.key)](t)
			for _, v := range e.env {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			args := o.args(t, e)
			usual, _ := configOf(args) // some options need others to be there
			ways := make(map[string]*config.Config)
			note := func(way string, args []string) {
				c, err := configOf(args)
				require.NoError(t, err, way)
				ways[way] = c
			}
			if o.flag != "" {
				note("flag", append(slices.Clone(args), "--"+o.flag+"="+e.unusual))
			}
			if o.key != "" {
				file := filepath.Join(t.TempDir(), "hubgate.yaml")
				writeFile(t, file, o.inFile(e.unusual))
				note("file", append(slices.Clone(args), "--config="+file))
				ways["file"].Files.Config = ""
			}
			t.Setenv(o.variable, e.unusual)
			note("variable", args)
			for way, c := range ways {
				require.NotEmpty(t, differences(usual, c), "%s: nothing was read", way)
				require.Empty(t, differences(ways["variable"], c), "%s: not what the variable means", way)
			}
		})
	}
}

// configOf reads arguments, variables and the file as serve does, without the other verbs, which take long to prepare.
func configOf(args []string) (*config.Config, error) {
	var into struct {
		Serve serveCommand `cmd:""`
	}
	parser, err := kong.New(&into, config.Options()...)
	if err == nil {
		_, err = parser.Parse(args)
	}
	return &into.Serve.Config, err
}

// differences are the groups of options that are not the same.
func differences(a, b *config.Config) (groups []string) {
	of, with := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range of.NumField() {
		if field := of.Type().Field(i); field.IsExported() && !reflect.DeepEqual(of.Field(i).Interface(), with.Field(i).Interface()) {
			groups = append(groups, field.Name)
		}
	}
	return groups
}
