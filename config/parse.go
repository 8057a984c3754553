package config

import (
	"fmt"
	"os"
	"reflect"

	"github.com/alecthomas/kong"
)

// Default returns what no flag, variable or file has changed.
func Default() *Config {
	c := new(Config)
	parser, err := kong.New(c, kong.NoDefaultHelp())
	if err == nil {
		_, err = parser.Parse(nil)
	}
	if err != nil {
		panic(fmt.Sprintf("config: the defaults do not parse: %v", err)) // a bug: nothing came from outside
	}
	return c
}

// Options returns what kong.New needs to fill a command that embeds [Config]:
// how durations are read, and the names of the environment variables, in every command that has a flag of
// the same name and type. The file needs no option: Config reads it when kong
// has parsed the flags.
func Options() []kong.Option {
	return []kong.Option{durations, kong.PostBuild(func(k *kong.Kong) error {
		nameEnvironment(k.Model.Node)
		return nil
	})}
}

func nameEnvironment(n *kong.Node) {
	for _, flag := range n.Flags {
		o, ok := optionsByFlag()[flag.Name]
		if !ok || len(flag.Envs) > 0 || flag.Target.Type() != o.typ {
			continue
		}
		flag.Envs = []string{o.env}
		flag.Value.Tag.Envs = flag.Envs
	}
	for _, child := range n.Children {
		nameEnvironment(child)
	}
}

// BeforeResolve is called by kong between parsing flags and applying them: it
// reads the file that --config or HUBGATE_CONFIG names.
func (c *Config) BeforeResolve(ctx *kong.Context) error {
	if err := refuseFlag(ctx); err != nil {
		return err
	}
	flags := c.flags(ctx)
	path := ""
	for _, flag := range flags {
		if flag.Target.Addr().Interface() == &c.Files.Config {
			path, _ = ctx.FlagValue(flag).(string)
		}
	}
	c.file = nil
	if path == "" {
		return nil
	}
	f, err := loadFile(path)
	if err != nil {
		return err
	}
	for _, flag := range flags {
		if err := f.check(flag); err != nil {
			return err
		}
	}
	c.file = f
	ctx.AddResolver(kong.ResolverFunc(f.resolve))
	return nil
}

// flags returns the flags on the command's path that fill c.
func (c *Config) flags(ctx *kong.Context) []*kong.Flag {
	own := make(map[any]bool)
	for _, b := range bind(c) {
		own[b.value.Addr().Interface()] = true
	}
	var flags []*kong.Flag
	for _, path := range ctx.Path {
		for _, flag := range path.Flags {
			if flag.Target.CanAddr() && own[flag.Target.Addr().Interface()] {
				flags = append(flags, flag)
			}
		}
	}
	return flags
}

// value returns what the file says for a flag of a Config, nil for nothing.
func (f *file) value(flag *kong.Flag) any {
	return f.values[optionsByFlag()[flag.Name].key]
}

// check decodes the file's value for a flag, so that an error names the line.
func (f *file) check(flag *kong.Flag) error {
	value := f.value(flag)
	if value == nil {
		return nil
	}
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	scratch := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, scratch); err != nil {
		key := optionsByFlag()[flag.Name].key
		return fmt.Errorf("%s:%d: %s: %w", f.name, f.lines[key], key, err)
	}
	return nil
}

// resolve gives kong the file's value for a flag that is not on the command
// line. kong would let it win over the environment.
func (f *file) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	if o, ok := optionsByFlag()[flag.Name]; !ok || flag.Target.Type() != o.typ {
		return nil, nil
	}
	return f.value(flag), nil
}
