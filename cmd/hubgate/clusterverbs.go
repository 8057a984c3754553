package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
)

// clusterCommand asks one node for all, and changes what is not changed by starting nodes.
type clusterCommand struct {
	Status       clusterStatusCommand `cmd:"" help:"Show the nodes, the store and what goes wrong, as one node sees it."`
	ReplaceVoter replaceVoterCommand  `cmd:"" help:"Take a voter that is gone for good out of the store, so that another node can take its place."`
	Export       clusterExportCommand `cmd:"" help:"Write the memberships of users in groups, to be imported elsewhere."`
	Import       clusterImportCommand `cmd:"" help:"Store what was exported. What there is of a user already stays as it is."`
}

// adminAccess are the flags of commands that ask the admin address.
type adminAccess struct {
	target
	trust
	Admin string `help:"Admin address of a node, as a URL or HOST:PORT. Without it: that of HUBGATE_ADMIN_LISTEN." placeholder:"URL"`
}

// clusterTime bounds a question to a node. Taking out a voter may take 20 seconds.
const clusterTime = 40 * time.Second

// ask makes a request to the admin address and hands its answer on, if it is a success.
func (c *adminAccess) ask(ctx context.Context, method, path string, body io.Reader, take func(io.Reader) error) error {
	at, err := adminURL(c.Admin)
	if err != nil {
		return err
	}
	client, err := c.http()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, at.JoinPath(path).String(), body)
	if err != nil {
		return err
	}
	cs, err := c.parse()
	if err != nil {
		return err
	}
	// The gateway needs a token if others reach its admin address.
	token, err := auth.SignREST(cs.AccessKey, at.Scheme+"://"+at.Host+admin.LiveResource, pageTokenLifetime)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%w\n  this needs the admin address of a node (--admin-listen, 127.0.0.1:8889 by default), not the one for clients", unreachable(err, at))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return take(resp.Body)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return refusal(resp, text, at)
	}
	return errors.New(strings.TrimSpace(string(text)))
}

type clusterStatusCommand struct {
	adminAccess
	JSON bool `name:"json" help:"Print everything as JSON."`
}

// Run prints tables. That the node takes no clients, or that the store has no majority, is an error.
func (c *clusterStatusCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
	defer cancel()
	var s admin.ClusterStatus
	err := c.ask(ctx, http.MethodGet, "cluster", nil, func(r io.Reader) error {
		if c.JSON {
			_, err := io.Copy(env.stdout, r)
			return err
		}
		return json.NewDecoder(r).Decode(&s)
	})
	if err != nil || c.JSON {
		return err
	}
	if err := printStatus(env.stdout, &s); err != nil {
		return err
	}
	switch {
	case s.NotReady != "":
		return fmt.Errorf("%s takes no clients: %s", nameOf(&s), s.NotReady)
	case s.Store.There < s.Store.Quorum:
		return fmt.Errorf("the store cannot be written to: of %d voters %d are there, and %d have to be", s.Store.Voters, s.Store.There, s.Store.Quorum)
	}
	return nil
}

// printStatus prints the nodes, then the store, then what is not as it should be.
func printStatus(w io.Writer, s *admin.ClusterStatus) error {
	fmt.Fprintf(w, "asked: %s", nameOf(s))
	if s.Address != "" {
		fmt.Fprintf(w, ", other nodes at %s", s.Address)
	}
	fmt.Fprint(w, "\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tSTATE\tVERSION\tUP FOR\tSTORE\tLAG\tROUTES\tROUND TRIP\tWAITING")
	for _, row := range nodeRows(s) {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nstore: %d of %d voters are there, %d have to be; %d copies; %s leads\n",
		s.Store.There, s.Store.Voters, s.Store.Quorum, max(s.Store.Copies, 1), orNobody(s.Store.Leader))
	for _, line := range oddities(s) {
		fmt.Fprintln(w, line)
	}
	return nil
}

func nameOf(s *admin.ClusterStatus) string {
	if s.Node == "" {
		return "a node that is alone"
	}
	return "node " + s.Node
}

func orNobody(leader string) string {
	if leader == "" {
		return "nobody"
	}
	return leader
}

// nodeRows joins what the engines say with what the node sees of its peers.
func nodeRows(s *admin.ClusterStatus) [][]string {
	names := []string{s.Node}
	peers := make(map[string]*admin.Peer)
	for i := range s.Peers {
		names = append(names, s.Peers[i].Node)
		peers[s.Peers[i].Node] = &s.Peers[i]
	}
	engines := make(map[string]*admin.NodeStatus)
	for i := range s.Nodes {
		names = append(names, s.Nodes[i].Name)
		engines[s.Nodes[i].Name] = &s.Nodes[i]
	}
	slices.Sort(names)
	var rows [][]string
	for _, name := range slices.Compact(names) {
		row := []string{name, "-", "-", "-", "-", "-", "-", "-", "-"}
		if name == s.Node {
			row[1], row[2] = "asked", s.Version
		}
		if p := peers[name]; p != nil {
			row[1], row[2], row[3] = p.State, p.Version, p.Age.Round(time.Second).String()
			row[7], row[8] = p.RoundTrip.Round(10*time.Microsecond).String(), fmt.Sprintf("%d B", p.QueuedBytes)
		}
		if e := engines[name]; e != nil {
			row[2], row[4], row[6] = orElse(e.Version, row[2]), "-", fmt.Sprint(e.Routes)
			if !e.Started.IsZero() {
				row[3] = time.Since(e.Started).Round(time.Second).String()
			}
			if e.Voter {
				row[4], row[5] = "voter", fmt.Sprint(e.Lag)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// oddities are lines about what should not be.
func oddities(s *admin.ClusterStatus) (lines []string) {
	if s.Error != "" {
		lines = append(lines, "the nodes could not be asked: "+s.Error)
	}
	dropped := make(map[string]uint64)
	maps.Copy(dropped, s.Former.Dropped)
	for i := range s.Peers {
		for reason, n := range s.Peers[i].Books.Dropped {
			dropped[reason] += n
		}
	}
	counters := []struct {
		what   string
		counts map[string]uint64
	}{
		{"messages that did not get to a node", dropped}, {"troubles of the engine", s.Engine.Troubles}, {"events of the store", s.Engine.Store},
	}
	for _, c := range counters {
		var parts []string
		for reason, n := range c.counts {
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", reason, n))
			}
		}
		if len(parts) > 0 {
			slices.Sort(parts)
			lines = append(lines, c.what+" since this node started: "+strings.Join(parts, ", "))
		}
	}
	for _, n := range s.Nodes {
		if n.SlowConsumers > 0 {
			lines = append(lines, fmt.Sprintf("node %s cut off %d slow consumers", n.Name, n.SlowConsumers))
		}
	}
	return lines
}

type replaceVoterCommand struct {
	adminAccess
	Old string `arg:"" help:"Name of the voter that is gone for good."`
	New string `arg:"" help:"Name of the node that takes its place. A name that was a voter's must not come back."`
}

func (c *replaceVoterCommand) Run(env *environment) error {
	if c.Old == c.New {
		return usage(errors.New("the new voter needs another name: the old one must not come back"))
	}
	ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
	defer cancel()
	var s admin.ClusterStatus
	if err := c.ask(ctx, http.MethodGet, "cluster", nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(&s) }); err != nil {
		return err
	}
	for _, n := range s.Nodes {
		switch {
		case n.Name == c.Old:
			return fmt.Errorf("%s is there: end it first", c.Old)
		case n.Voter && n.Name == c.New:
			return fmt.Errorf("%s is a voter already", c.New)
		}
	}
	voters := slices.DeleteFunc(s.Store.Named, func(name string) bool { return name == c.Old })
	if err := c.ask(ctx, http.MethodDelete, "cluster/voters/"+url.PathEscape(c.Old), nil, func(io.Reader) error { return nil }); err != nil {
		return err
	}
	if !slices.Contains(voters, c.New) {
		voters = append(voters, c.New)
	}
	_, err := fmt.Fprintf(env.stdout, "%s is no voter any more. Start %s, and then the others again one by one, with --cluster-voter %s\n", c.Old, c.New, strings.Join(voters, ","))
	return err
}

type clusterExportCommand struct {
	adminAccess
	Output string `help:"File to write; it must not exist. Without it: standard output." short:"o" placeholder:"FILE"`
}

func (c *clusterExportCommand) Run(env *environment) (err error) {
	out := env.stdout
	if c.Output != "" {
		f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if closing := f.Close(); err == nil {
				err = closing
			}
			if err != nil {
				_ = os.Remove(c.Output) // half an export is of no use
			}
		}()
		out = f
	}
	return c.ask(env.ctx, http.MethodGet, "cluster/export", nil, func(r io.Reader) error {
		if _, err := io.Copy(out, r); err != nil {
			return fmt.Errorf("the export is not whole: %w; the gateway's log says why", err)
		}
		return nil
	})
}

type clusterImportCommand struct {
	adminAccess
	File string `arg:"" help:"File with an export."`
}

func (c *clusterImportCommand) Run(env *environment) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	var done admin.Imported
	if err := c.ask(env.ctx, http.MethodPost, "cluster/import", f, func(r io.Reader) error { return json.NewDecoder(r).Decode(&done) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "users with memberships: %d stored, %d had some already, %d had none in force any more\n", done.Users, done.Kept, done.Ended)
	return err
}
