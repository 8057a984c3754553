package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
)

// An effect shows that one option does what the reference says. It is made anew
// for each run of the program.
type effect struct {
	// usual and unusual are two values of the option as they are typed. An empty
	// usual is the default.
	usual, unusual string
	// with are further flags, in force with both values.
	with []string
	// env are variables of the program.
	env []string
	// see looks at the program from outside and says what it sees.
	see func(t *testing.T, p *program) string
	// before and after are what see sees with the usual and with the unusual
	// value. never as before: see would wait longer than the tests' patience.
	// A program that does not start is seen as its exit code and its error, of which
	// before holds a part.
	before, after string
}

const never = "never"

// fileKeys are keys of the file that are no flags, so that the tables of the
// reference do not have them.
var fileKeys = []string{"hubs", "upstream.templates"}

// effects has every option by the name of its flag, and fileKeys.
func effects() map[string]func(*testing.T) effect {
	all := make(map[string]func(*testing.T) effect)
	for _, some := range []map[string]func(*testing.T) effect{
		networkEffects, adminEffects, armEffects, clusterEffects, natsEffects, serviceEffects, upstreamEffects, outboxEffects, capacityEffects, sizeEffects, clientEffects, aspnetEffects, serverEffects, presenceEffects, traceEffects, otelEffects, oidcEffects, tokenEffects,
	} {
		maps.Copy(all, some)
	}
	return all
}

// documented is one row of the reference.
type documented struct {
	flag, variable, key string
	live                bool
}

var optionRow = regexp.MustCompile("(?m)^\\| (?:`--([a-z-]+)`<br>)?`([A-Z_]+)` \\| (?:`([A-Za-z.]+)`|–) \\|.*\\| (●?) ?\\|$")

// documentedOptions reads the rows of docs/configuration.md.
func documentedOptions(t *testing.T) []documented {
	text := string(config.Reference())
	var rows []documented
	for _, m := range optionRow.FindAllStringSubmatch(text, -1) {
		rows = append(rows, documented{flag: m[1], variable: m[2], key: m[3], live: m[4] != ""})
	}
	require.Equal(t, strings.Count(text, "\n| `--")+strings.Count(text, "\n| `HUBGATE_"), len(rows), "rows that this test does not understand")
	for _, key := range fileKeys {
		require.Contains(t, text, key)
		rows = append(rows, documented{key: key, live: true})
	}
	return rows
}

// Every option of the reference, set to an unusual value, does something that can be
// seen from outside; what is said to be live does it when the file changes. That its
// flag, its variable and its key in the file mean the same is a test of its own.
func TestEveryOptionTakesEffect(t *testing.T) {
	if raced && testing.Short() {
		t.Skip("many programs take long with the race detector: a reload beside requests is TestReloadBesideRequests")
	}
	t.Parallel()
	known, options := effects(), documentedOptions(t)
	for _, o := range options {
		require.Contains(t, known, cmp.Or(o.flag, o.key), "an option without an effect: add it to the effects")
	}
	require.Len(t, known, len(options), "effects of options that are not in the reference: %v",
		slices.Sorted(maps.Keys(known)))

	slices.SortStableFunc(options, func(a, b documented) int { // the one that waits for half a minute goes first
		return cmp.Compare(strings.Count(b.flag, "outbox-bytes"), strings.Count(a.flag, "outbox-bytes"))
	})
	var wg sync.WaitGroup
	places := make(chan struct{}, 10)
	for _, o := range options {
		name := cmp.Or(o.flag, o.key)
		for way, check := range o.ways() {
			wg.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				t.Run(name+"/"+way, func(t *testing.T) { check(t, known[name](t)) })
			})
		}
	}
	wg.Wait()
}

// ways are how the option is looked at, each with its test: with an unusual value in
// one of the ways in which it can be set, and with the usual one.
func (o documented) ways() map[string]func(*testing.T, effect) {
	ways := make(map[string]func(*testing.T, effect))
	switch {
	case o.key != "" && o.live:
		ways["change of the file"] = o.byChange
	case o.key != "":
		ways["file"] = o.byFile
	case o.flag != "":
		ways["flag"] = o.byFlag
	default:
		ways["variable"] = o.byVariable
	}
	if o.variable != "" {
		ways["usual"] = o.usual
	}
	return ways
}

func (o documented) usual(t *testing.T, e effect) {
	if e.before == never {
		t.Skip("with the usual value nothing happens in the time of a test")
	}
	var args []string
	if e.usual != "" {
		args = []string{"--" + o.flag + "=" + e.usual}
	}
	require.NotEqual(t, e.before, e.after)
	p := tryStart(t, o.args(t, e, args...))
	if p.URL == "" {
		require.Contains(t, p.failure(), e.before)
		return
	}
	require.Equal(t, e.before, e.see(t, p))
}

func (o documented) byFlag(t *testing.T, e effect) {
	p := tryStart(t, o.args(t, e, "--"+o.flag+"="+e.unusual))
	require.Equal(t, e.after, o.look(t, e, p))
}

func (o documented) byVariable(t *testing.T, e effect) {
	p := startProcess(t, o.args(t, e), append(e.env, o.variable+"="+e.unusual))
	require.Equal(t, e.after, o.look(t, e, p))
}

func (o documented) byFile(t *testing.T, e effect) {
	file := filepath.Join(t.TempDir(), "hubgate.yaml")
	writeFile(t, file, o.inFile(e.unusual))
	p := tryStart(t, o.args(t, e, "--config", file))
	require.Equal(t, e.after, o.look(t, e, p))
}

func (o documented) byChange(t *testing.T, e effect) {
	file := filepath.Join(t.TempDir(), "hubgate.yaml")
	text := "# nothing\n"
	if e.usual != "" {
		text = o.inFile(e.usual)
	}
	writeFile(t, file, text)
	p := tryStart(t, o.args(t, e, "--config", file))
	require.NotEmpty(t, p.URL, p.logs)
	writeFile(t, file, o.inFile(e.unusual))
	p.logs.want(t, "settings changed")
	require.Regexp(t, `settings changed" changed="?\[`+regexp.QuoteMeta(o.key)+`\]`, p.logs.String())
	require.Equal(t, e.after, e.see(t, p))
}

func (o documented) look(t *testing.T, e effect, p *program) string {
	if p.URL == "" {
		return p.failure()
	}
	return e.see(t, p)
}

// inFile is the option in a file. Lists and maps are written as they are.
func (o documented) inFile(value string) string {
	if !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, "{") {
		value = "'" + value + "'"
	}
	return o.key + ": " + value + "\n"
}

// args are the arguments of the program: some flags that every one gets unless
// the effect has its own or it is the one that is tested, and more.
func (o documented) args(t *testing.T, e effect, more ...string) []string {
	args := []string{"serve"}
	settings := filepath.Join(t.TempDir(), settingsFileName)
	writeFile(t, settings, "{}")
	for _, flag := range []struct{ name, value string }{
		{"listen", "127.0.0.1:0"}, {"admin-listen", "127.0.0.1:0"}, {"log-level", "debug"},
		{"settings", settings}, {"drain-timeout", "100ms"},
	} {
		if flag.name != o.flag && !slices.Contains(e.with, "--"+flag.name) {
			args = append(args, "--"+flag.name, flag.value)
		}
	}
	return append(append(args, e.with...), more...)
}

// failure is what a program says that did not start.
func (p *program) failure() string { return fmt.Sprintf("exit code %d: %s", p.code, p.logs) }

// writeFile replaces a file at once.
func writeFile(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+"~", []byte(text), 0o600))
	require.NoError(t, os.Rename(file+"~", file))
}
