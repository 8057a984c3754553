package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/upstream"
)

// exported are the metrics of a program to which a bit of everything has happened.
type exported struct {
	families map[string]*dto.MetricFamily
}

func exportEverything(t *testing.T) exported {
	hook := newWebhook(t)
	p := start(t, oneNode("--mode=default", "--limits-rules=user messages 1000/s", "--oidc-issuers=http://127.0.0.1:1", "--otel-endpoint=http://127.0.0.1:1", "--hub-mode=news=serverless", "--upstream="+hook.URL+"/{event}")...)
	app := newApplication("chat", "s1")
	app.serve(t, p)
	app.ready(t)
	p.connect("chat", "ann")
	bob := p.connect("news", "bob")
	require.Equal(t, "/connected", (<-hook.events).path)
	bob.send(`{"type":1,"target":"read","arguments":[]}`)
	require.Equal(t, "/read", (<-hook.events).path)
	status, _ := p.rest(http.MethodPost, "/api/hubs/news/:send?api-version=2022-06-01", hello)
	require.Equal(t, http.StatusAccepted, status)
	p.wantMetrics(`hubgate_upstream_requests_total{category="messages",result="ok",template="0"} 1`, `hubgate_server_clients{hub="chat"} 1`)
	_, text := p.get(p.Admin + "/metrics")
	e := exported{families: make(map[string]*dto.MetricFamily)}
	decoder := expfmt.NewDecoder(strings.NewReader(text), expfmt.NewFormat(expfmt.TypeTextPlain))
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); errors.Is(err, io.EOF) {
			return e
		} else {
			require.NoError(t, err)
		}
		e.families[f.GetName()] = &f
	}
}

// family returns the family that a series with that name belongs to.
func (e exported) family(series string) *dto.MetricFamily {
	if f := e.families[series]; f != nil {
		return f
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if f := e.families[strings.TrimSuffix(series, suffix)]; f != nil && f.GetType() == dto.MetricType_HISTOGRAM {
			return f
		}
	}
	return nil
}

// labels returns the labels of a family with the values that they have.
func labelsOf(f *dto.MetricFamily) map[string][]string {
	labels := map[string][]string{"job": nil, "instance": nil}
	if f.GetType() == dto.MetricType_HISTOGRAM {
		labels["le"] = nil
	}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
		}
	}
	if f.GetName() == "hubgate_upstream_requests_total" { // these begin when they happen
		for _, r := range upstream.Results {
			labels["result"] = append(labels["result"], string(r))
		}
	}
	return labels
}

var (
	selectors = regexp.MustCompile(`\b((?:hubgate|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matchers  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	groupings = regexp.MustCompile(`\b(?:by|on)\s*\(([^)]*)\)`)
)

// check fails if an expression asks for a series, a label or a reason that nobody exports: such
// an alert never fires, and such a panel stays empty.
func (e exported) check(t *testing.T, where, expression string) {
	known := []string{"job", "instance"}
	found := selectors.FindAllStringSubmatch(expression, -1)
	require.NotEmpty(t, found, "%s: %s", where, expression)
	for _, selector := range found {
		name := selector[1]
		if name == "up" {
			continue
		}
		f := e.family(name)
		require.NotNil(t, f, "%s: nobody exports %s", where, name)
		labels := labelsOf(f)
		for label := range labels {
			known = append(known, label)
		}
		for _, m := range matchers.FindAllStringSubmatch(selector[2], -1) {
			values, ok := labels[m[1]]
			require.True(t, ok, "%s: %s has no label %s", where, name, m[1])
			for value := range strings.SplitSeq(m[2], "|") {
				if m[1] == "job" || m[1] == "status" || strings.ContainsAny(value, "$.*") {
					continue
				}
				require.Contains(t, values, value, "%s: label %s of %s", where, m[1], name)
			}
		}
	}
	for _, grouping := range groupings.FindAllStringSubmatch(expression, -1) {
		for label := range strings.SplitSeq(grouping[1], ",") {
			require.Contains(t, known, strings.TrimSpace(label), "%s: %s", where, expression)
		}
	}
}

type alertRules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

type dashboard struct {
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		FieldConfig              struct {
			Defaults struct {
				NoValue string
				Custom  struct{ ShowPoints string }
			}
		}
		Targets []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

// The alert rules and the dashboard ask for what the program exports, and the documentation has
// every metric and every alert.
func TestAlertsAndDashboardFollowTheMetrics(t *testing.T) {
	t.Parallel()
	e := exportEverything(t)
	read := func(path ...string) []byte {
		text, err := os.ReadFile(filepath.Join(append([]string{repository}, path...)...))
		require.NoError(t, err)
		return text
	}
	page := string(read("docs", "metrics.md"))
	t.Run("alerts", func(t *testing.T) {
		var rules alertRules
		require.NoError(t, yaml.Unmarshal(read("deploy", "prometheus", "alerts.yml"), &rules))
		require.NotEmpty(t, rules.Groups)
		for _, rule := range rules.Groups[0].Rules {
			e.check(t, rule.Alert, rule.Expr)
			require.Contains(t, []string{"critical", "warning", "info"}, rule.Labels["severity"], rule.Alert)
			require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
			require.NotEmpty(t, rule.Annotations["description"], rule.Alert)
			require.True(t, strings.Contains(page, "`"+rule.Alert+"`"), "%s is not documented", rule.Alert)
		}
	})
	t.Run("autoscaler", func(t *testing.T) {
		metrics := regexp.MustCompile(`metric: \{name: (\w+)\}`).FindAllStringSubmatch(string(read("deploy", "helm", "hubgate", "templates", "autoscaling.yaml")), -1)
		require.NotEmpty(t, metrics)
		for _, m := range metrics {
			e.check(t, "the autoscaler", m[1])
		}
	})
	t.Run("dashboard", func(t *testing.T) {
		var d dashboard
		require.NoError(t, json.Unmarshal(read("deploy", "grafana", "hubgate.json"), &d))
		require.Greater(t, len(d.Panels), 20)
		ids, taken, titles := make(map[int]bool), make(map[[2]int]string), make(map[string]bool)
		for _, p := range d.Panels {
			require.False(t, ids[p.ID], "two panels with id %d", p.ID)
			ids[p.ID] = true
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					require.Empty(t, taken[[2]int{x, y}], "%s covers it", p.Title)
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			require.NotEmpty(t, p.Description, p.Title)
			require.NotEmpty(t, p.Targets, p.Title)
			require.False(t, titles[p.Title], "two panels are called %s", p.Title)
			titles[p.Title] = true
			// A panel of what went wrong is empty as long as nothing did, and says so. What happens
			// once is a single point, and no line: it is to be seen nevertheless.
			defaults, quiet := p.FieldConfig.Defaults, true
			for _, target := range p.Targets {
				quiet = quiet && strings.HasSuffix(target.Expr, "> 0")
			}
			require.True(t, !quiet || defaults.NoValue != "", "%s: what does an empty panel mean?", p.Title)
			require.NotEqual(t, "never", defaults.Custom.ShowPoints, p.Title)
			for _, target := range p.Targets {
				e.check(t, p.Title, target.Expr)
				for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
					require.Regexp(t, `\b`+label[1]+`\b`, target.Expr+" instance", p.Title)
				}
			}
		}
		for _, v := range d.Templating.List[1:] {
			e.check(t, v.Name, v.Definition)
		}
	})
	t.Run("R90 Azure's names", func(t *testing.T) {
		_, part, _ := strings.Cut(page, "## Azure's names\n")
		part, _, _ = strings.Cut(part, "\n## ")
		rows := regexp.MustCompile("(?m)^\\| `?([A-Z]\\w+).* \\| (.*) \\|$").FindAllStringSubmatch(part, -1)
		azure := map[string]bool{}
		for _, row := range rows[1:] { // the first is the head
			azure[row[1]] = true
			for _, expression := range regexp.MustCompile("`([^`]*hubgate_[^`]*)`").FindAllStringSubmatch(row[2], -1) {
				e.check(t, row[1], expression[1])
			}
		}
		for _, name := range []string{"ConnectionCount", "ConnectionOpenCount", "ConnectionCloseCount", "ConnectionQuotaUtilization", "InboundTraffic", "OutboundTraffic", "MessageCount", "SystemErrors", "UserErrors", "ServerLoad"} {
			require.True(t, azure[name], name)
		}
	})
	t.Run("documentation", func(t *testing.T) {
		documented := regexp.MustCompile("`(hubgate_\\w+)`").FindAllStringSubmatch(page, -1)
		for _, m := range documented {
			if !strings.HasSuffix(m[1], "_") {
				require.NotNil(t, e.families[m[1]], "nobody exports %s", m[1])
			}
		}
		for name := range e.families {
			if strings.HasPrefix(name, "hubgate_") {
				require.True(t, slices.ContainsFunc(documented, func(m []string) bool { return m[1] == name }), "%s is not documented", name)
			}
		}
	})
}
