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
	Settings     struct {
		Show settingsShowCommand `cmd:"" help:"Print the settings that the nodes share."`
		Set  settingsSetCommand  `cmd:"" help:"Share the settings of a file: they are in force on all nodes at once, over what each was given by itself."`
	} `cmd:"" help:"Settings that all nodes share."`
}

// adminAccess are the flags of commands that ask the admin address.
type adminAccess struct {
	target
	trust
	Admin string `help:"Admin address of a node, as a URL or HOST:PORT. Without it: that of HUBGATE_ADMIN_LISTEN." placeholder:"URL"`

	AdminTokenFile string `help:"File with the admin token. Without it: HUBGATE_ADMIN_TOKEN, else a token that is signed with the access key." placeholder:"FILE"`
}

// unreachedError is the error of an admin address that does not answer.
type unreachedError struct{ error }

const needsAdmin = "this needs the admin address of a node (--admin-listen, 127.0.0.1:8889 by default), not the one for clients"

// clusterTime bounds a question to a node. Taking out a voter may take 20 seconds.
const clusterTime = 40 * time.Second

// ask makes a request to the admin address and hands its answer on, if it is a success.
func (c *adminAccess) ask(ctx context.Context, method, path string, body io.Reader, take func(io.Reader) error) error {
	return c.send(ctx, method, path, body, nil, func(r *http.Response) error { return take(r.Body) })
}

// send is ask with headers of the request and of the answer.
func (c *adminAccess) send(ctx context.Context, method, path string, body io.Reader, header http.Header, take func(*http.Response) error) error {
	at, err := adminURL(c.Admin)
	if err != nil {
		return err
	}
	client, err := c.http()
	if err != nil {
		return err
	}
	path, query, _ := strings.Cut(path, "?")
	to := at.JoinPath(path)
	to.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return err
	}
	token, err := c.bearer(at)
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return &unreachedError{fmt.Errorf("%w\n  %s", unreachable(err, at), needsAdmin)}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent {
		return take(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return refusal(resp, text, at)
	}
	return apiRefusal(resp.StatusCode, text)
}

// bearer is the admin token, or one that is signed with the access key.
func (c *adminAccess) bearer(at *url.URL) (string, error) {
	token, err := c.adminToken()
	if err != nil || token != "" {
		return token.Reveal(), err
	}
	cs, err := c.parse()
	if err != nil {
		return "", err
	}
	return auth.SignREST(cs.AccessKey, at.Scheme+"://"+at.Host+admin.LiveResource, pageTokenLifetime)
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
		text, err := io.ReadAll(r)
		if err == nil && c.JSON {
			_, err = env.stdout.Write(text)
		}
		return errors.Join(err, json.Unmarshal(text, &s))
	})
	if err == nil && !c.JSON {
		err = printStatus(env.stdout, &s)
	}
	if err != nil {
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
	fmt.Fprintln(table, strings.ToUpper(strings.Join(admin.ClusterColumns[:], "\t")))
	for _, row := range s.Rows() {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", s.StoreLine())
	for _, line := range s.Oddities() {
		fmt.Fprintln(w, line)
	}
	return nil
}

func nameOf(s *admin.ClusterStatus) string {
	if s.Alone {
		return "a node that is alone"
	}
	return "node " + s.Node
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
