package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// pages are the documents of the repository, by their path in it.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, root := range []string{"README.md", "ARCHITECTURE.md", "docs", "examples", "deploy"} {
		err := filepath.WalkDir(filepath.Join(repository, root), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if d.IsDir() || filepath.Ext(path) != ".md" {
				return nil
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(repository, path)
			all[filepath.ToSlash(name)] = string(text)
			return err
		})
		require.NoError(t, err)
	}
	require.Greater(t, len(all), 10)
	return all
}

var (
	fence      = regexp.MustCompile("(?ms)^```(\\w*)[^\n]*\n(.*?)^```")
	inlineCode = regexp.MustCompile("`[^`\n]+`")
	link       = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	anchorTag  = regexp.MustCompile(`<a id="([^"]+)">`)
)

// anchors are the targets that GitHub gives a page.
func anchors(page string) map[string]bool {
	have := map[string]bool{}
	page = fence.ReplaceAllString(page, "")
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		var slug strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(m[1])) {
			switch {
			case r == ' ':
				slug.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				slug.WriteRune(r)
			}
		}
		have[slug.String()] = true
	}
	for _, m := range anchorTag.FindAllStringSubmatch(page, -1) {
		have[m[1]] = true
	}
	return have
}

// Every link between pages leads to a file and, with an anchor, to a heading in it.
func TestLinksOfPagesResolve(t *testing.T) {
	single(t)
	all := pages(t)
	checked := 0
	for name, text := range all {
		prose := inlineCode.ReplaceAllString(fence.ReplaceAllString(text, ""), "`code`")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			_, err := os.Stat(filepath.Join(repository, target))
			require.NoErrorf(t, err, "%s links to %s", name, m[1])
			if anchor != "" {
				require.Truef(t, anchors(all[target])[anchor], "%s links to %s: there is no such heading", name, m[1])
			}
		}
	}
	require.Greater(t, checked, 50)
}

// shellCommands are the commands of a page's sh blocks that run this program, without its name.
func shellCommands(page string) (commands []string) {
	for _, block := range fence.FindAllStringSubmatch(page, -1) {
		if block[1] != "sh" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
			line = regexp.MustCompile(`^(\w+=\S* +)+`).ReplaceAllString(strings.TrimSpace(line), "")
			for _, self := range []string{"hubgate", "go run ./cmd/hubgate"} {
				if rest, is := strings.CutPrefix(line+" ", self+" "); is {
					commands = append(commands, strings.TrimSpace(rest))
				}
			}
		}
	}
	return commands
}

// shellArguments splits a command as a shell does, as far as the pages need it: quotes, comments, and the end of the
// command at a pipe or redirection. What a shell would fill in is the number 1.
func shellArguments(command string) (args []string) {
	command = regexp.MustCompile(`\$\([^)]*\)|\$\w+`).ReplaceAllString(command, "1")
	var word strings.Builder
	quote, started := rune(0), false
	end := func() {
		if started {
			args = append(args, word.String())
		}
		word.Reset()
		started = false
	}
	for _, r := range command {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == ' ':
			end()
		case strings.ContainsRune("#|<>&", r) && !started:
			return args
		default:
			started = true
			word.WriteRune(r)
		}
	}
	end()
	return args
}

// Every command that a page shows is one that the program understands.
func TestCommandsOfPagesAreUnderstood(t *testing.T) {
	single(t)
	all := pages(t)
	t.Chdir(t.TempDir())
	for _, file := range []string{"gateway.yaml", "conf/settings.json"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	}
	checked := 0
	for name, text := range all {
		for _, command := range shellCommands(text) {
			_, err := parse(shellArguments(command), terminal{io.Discard, io.Discard})
			require.NoErrorf(t, err, "%s: hubgate %s", name, command)
			checked++
		}
	}
	require.Greater(t, checked, 50)
}

// section is the part of a page below the heading, up to the next one of the same level.
func section(t *testing.T, page, title string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n## "+title+"\n")
	require.True(t, found, title)
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// The README's start ends with a message that is seen.
func TestStartOfTheReadme(t *testing.T) {
	commands := shellCommands(section(t, pages(t)["README.md"], "Start"))
	require.Len(t, commands, 3)
	serve, listen, send := shellArguments(commands[0]), shellArguments(commands[1]), shellArguments(commands[2])
	require.Empty(t, serve)
	p := start(t)
	t.Setenv(connectionStringEnv, p.connectionString())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	out, logs := newOutput(), newOutput()
	go func() {
		defer close(ended)
		run(ctx, listen, terminal{stdout: out, stderr: logs}, nil)
	}()
	defer func() { cancel(); <-ended }()
	logs.want(t, "connected to hub chat")
	code, said, stderr := command(send...)
	require.Zero(t, code, stderr)
	require.Equal(t, "accepted for 1 connection\n", said)
	out.want(t, helloRecord+"\n")
	require.Contains(t, section(t, pages(t)["README.md"], "Start"), helloRecord)
}
