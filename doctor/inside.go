package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// fewFiles is below what a gateway with more than some thousand clients needs: a client is a file.
const fewFiles = 8192

// adminAddress looks at what the gateway says of itself.
func (x *examination) adminAddress(ctx context.Context) {
	inside := []string{checkReady, checkFiles, checkUpstreams, checkCluster}
	if x.Admin == nil {
		for _, check := range append([]string{checkAdmin}, inside...) {
			x.find(check, Skipped, "there is no admin address", "", "")
		}
		return
	}
	if _, _, err := x.Admin(ctx, "livez"); err != nil {
		x.find(checkAdmin, Failed, err.Error(), "The gateway does not run, its admin address is another one, or it is on the loopback of another machine.", "Name it with --admin, or run the doctor on the gateway's machine.")
		for _, check := range inside {
			x.find(check, Skipped, "the admin address has to answer first", "", "")
		}
		return
	}
	if host := x.AdminURL.Hostname(); x.AdminURL.Scheme == "http" && !isLoopback(host) {
		x.find(checkAdmin, Warning, "it answers on "+host+" by plain http://", "Whoever is on that network reads metrics, profiles and tokens on the way.", "Keep it on loopback, or use --admin-tls and a network of operators.")
	} else {
		x.ok(checkAdmin, "it answers")
	}
	x.ready(ctx)
	x.files(ctx)
	x.upstreams(ctx)
	x.cluster(ctx)
}

func (x *examination) ready(ctx context.Context) {
	status, body, err := x.Admin(ctx, "readyz")
	switch {
	case err != nil:
		x.find(checkReady, Failed, err.Error(), "The admin address does not answer.", "Look at the gateway's log.")
	case status != http.StatusOK:
		x.find(checkReady, Failed, firstLine(body), "The gateway takes no clients: it starts, drains, or does not reach the other nodes.", "Wait for the start or the end of the drain; else see docs/cluster.md.")
	default:
		x.ok(checkReady, "it takes clients")
	}
}

// metric returns a metric without labels.
func metric(text []byte, name string) (value float64, found bool) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxBody)
	for lines.Scan() {
		if rest, is := strings.CutPrefix(lines.Text(), name+" "); is {
			value, err := strconv.ParseFloat(rest, 64)
			return value, err == nil
		}
	}
	return 0, false
}

func (x *examination) files(ctx context.Context) {
	_, text, err := x.Admin(ctx, "metrics")
	open, a := metric(text, "process_open_fds")
	most, b := metric(text, "process_max_fds")
	switch {
	case err != nil || !a || !b:
		x.find(checkFiles, Skipped, "the gateway's system does not tell", "", "")
	case open > 0.8*most:
		x.find(checkFiles, Failed, fmt.Sprintf("%.0f of %.0f files are open", open, most), "Each client is an open file. Above the limit new clients are refused.", raiseFiles)
	case most < fewFiles:
		x.find(checkFiles, Warning, fmt.Sprintf("at most %.0f files", most), "Each client is an open file: there can be no more clients than that.", raiseFiles)
	default:
		x.ok(checkFiles, fmt.Sprintf("%.0f of %.0f files are open", open, most))
	}
}

const raiseFiles = "Raise the limit: LimitNOFILE= of systemd, ulimits of the container, or ulimit -n."

// upstreams tries to reach the hosts of all templates from this machine.
func (x *examination) upstreams(ctx context.Context) {
	status, body, err := x.Admin(ctx, "api/settings")
	if err != nil || status != http.StatusOK {
		x.find(checkUpstreams, Skipped, "the settings cannot be read: "+orNothing(err)+firstLine(body), "", "")
		return
	}
	var settings struct {
		Document struct {
			Properties struct {
				Upstream struct {
					Templates []struct{ URLTemplate string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &settings); err != nil {
		x.find(checkUpstreams, Skipped, "the settings cannot be read: "+err.Error(), "", "")
		return
	}
	var hosts []string
	for _, t := range settings.Document.Properties.Upstream.Templates {
		if host := hostOf(t.URLTemplate); host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	x.reach(ctx, hosts)
}

func (x *examination) reach(ctx context.Context, hosts []string) {
	if len(hosts) == 0 {
		x.find(checkUpstreams, Skipped, "there is no upstream with a fixed host", "", "")
		return
	}
	for _, host := range hosts {
		ctx, cancel := x.soon(ctx)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
		cancel()
		if err != nil {
			x.find(checkUpstreams, Failed, host+" is not reached from here: "+err.Error(), "The application does not run, its name does not resolve, or a firewall is in between.", "Start it, or correct the template (hubgate upstream list). Run the doctor on the gateway's machine, which has to reach it.")
			continue
		}
		conn.Close()
		x.ok(checkUpstreams, host+" is reached from here")
	}
}

// hostOf returns host and port of a template, "" if it has none that is fixed.
func hostOf(template string) string {
	scheme, rest, ok := strings.Cut(template, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	host, _, _ = strings.Cut(host, "?")
	if u, err := url.Parse(scheme + "://" + host); err != nil || strings.ContainsAny(host, "{}*") || u.Hostname() == "" {
		return ""
	}
	return hostPort(host, map[string]string{"http": "80", "https": "443"}[scheme])
}

func (x *examination) cluster(ctx context.Context) {
	status, body, err := x.Admin(ctx, "cluster")
	if err != nil || status != http.StatusOK {
		x.find(checkCluster, Skipped, "the gateway is alone", "", "")
		return
	}
	var c struct {
		NotReady, Error string
		Incarnation     string // "" if the node is alone
		Peers           []struct{ Node, State string }
	}
	if err := json.Unmarshal(body, &c); err != nil {
		x.find(checkCluster, Skipped, "what the node says is not understood: "+err.Error(), "", "")
		return
	}
	var down []string
	for _, p := range c.Peers {
		if p.State != "up" {
			down = append(down, p.Node+" is "+p.State)
		}
	}
	switch {
	case c.NotReady != "" && c.Incarnation == "":
		x.find(checkCluster, Failed, c.NotReady, "The node cannot write to its store.", "Look whether there is room on the disk of --data-dir.")
	case c.NotReady != "":
		x.find(checkCluster, Failed, c.NotReady, "The node does not reach enough of the others.", "Compare --cluster-listen and --cluster-peer, the shared secret, and firewalls between the nodes.")
	case len(down) > 0:
		x.find(checkCluster, Warning, strings.Join(down, ", "), "A node is gone, or the link to it is cut.", "hubgate cluster status says more. Look at the log of that node.")
	case c.Error != "":
		x.find(checkCluster, Warning, c.Error, "The nodes do not answer all questions.", "hubgate cluster status says more.")
	default:
		x.ok(checkCluster, fmt.Sprintf("%d other nodes are up", len(c.Peers)))
	}
}
