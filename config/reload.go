package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hubgate/hubgate/settings"
)

// Reload returns what a gateway that runs with c changes to when parsing its
// arguments again has given next: next, with the options of c that are read only
// when the gateway starts. c is what is in force: from the start, or from the
// last Reload. It is an error when the file looks as if it was only half written.
func (c *Config) Reload(next *Config) (*Config, error) {
	if err := next.file.checkWhole(c.file); err != nil {
		return nil, err
	}
	if c.file.has(accessKeyKey) && !next.file.has(accessKeyKey) && next.Service.AccessKey != c.Service.AccessKey {
		return nil, fmt.Errorf("%s: %s was in it and is gone", next.file.name, accessKeyKey)
	}
	merged := *next
	inForce := bind(c)
	for i, option := range bind(&merged) {
		if option.atStart {
			option.value.Set(inForce[i].value)
		}
	}
	return &merged, nil
}

const accessKeyKey = "accessKey"

// checkWhole says whether f may be all of what replaces before, which was
// whole. Whoever writes a file anew empties it first, and a disk may be full in
// the middle of a line.
func (f *file) checkWhole(before *file) error {
	if f == nil || before == nil {
		return nil
	}
	if len(f.lines) == 0 && len(before.lines) > 0 {
		return fmt.Errorf("%s: is empty, and was not", f.name)
	}
	rest, isBeginning := bytes.CutPrefix(before.data, f.data)
	if isBeginning && len(rest) > 0 && rest[0] != '\n' && rest[0] != '\r' && !bytes.HasSuffix(f.data, []byte("\n")) {
		return errors.New(f.name + ": ends in the middle of a line that was longer, as if it was cut off")
	}
	return nil
}

// NeedsRestart returns the names of the options in which next differs from c
// and that are read only once, as they are spelled in the file.
func (c *Config) NeedsRestart(next *Config) []string { return c.differences(next, true) }

// Changed returns the names of what may change while the gateway runs and
// differs between c and next, as they are spelled in the file. Templates and the
// modes of hubs come from several sources, so before and after are the settings
// that were made of c and next.
func (c *Config) Changed(next *Config, before, after *settings.Settings) []string {
	names := c.differences(next, false)
	names = slices.DeleteFunc(names, func(name string) bool { return name == upstreamFlag || name == hubModeFlag || name == faultsHubFlag })
	if !slices.Equal(before.Upstream.Templates, after.Upstream.Templates) {
		names = append(names, templatesKey)
	}
	if !maps.Equal(before.Hubs, after.Hubs) {
		names = append(names, hubsKey)
	}
	return names
}

// These flags have no key of their own in the file.
const (
	upstreamFlag  = "upstream"
	hubModeFlag   = "hub-mode"
	faultsHubFlag = "faults-hub"
)

func (c *Config) differences(next *Config, atStart bool) []string {
	var names []string
	after := bind(next)
	for i, before := range bind(c) {
		if before.atStart == atStart && !reflect.DeepEqual(before.value.Interface(), after[i].value.Interface()) {
			names = append(names, cmp.Or(before.key, before.flag))
		}
	}
	return names
}
