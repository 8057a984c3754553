package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/presence"
)

// connectionsCommand shows the connections of a hub.
type connectionsCommand struct {
	List  connectionsListCommand  `cmd:"" default:"withargs" help:"List the connections of a hub."`
	Show  connectionsShowCommand  `cmd:"" help:"Show one connection."`
	Close connectionsCloseCommand `cmd:"" help:"Close a connection."`
}

// usersCommand shows the users of a hub.
type usersCommand struct {
	List  usersListCommand  `cmd:"" default:"withargs" help:"List the users of a hub who are connected."`
	Close usersCloseCommand `cmd:"" help:"Close all connections of a user."`
}

// groupsCommand shows the groups of a hub.
type groupsCommand struct {
	List  groupsListCommand  `cmd:"" default:"withargs" help:"List the groups of a hub that have connections."`
	Close groupsCloseCommand `cmd:"" help:"Close the connections of all members of a group."`
}

// lister are the flags of commands that list who is connected.
type lister struct {
	destination
	printing
	Max         int    `help:"How many to list at most; 0 is all." default:"1000"`
	PageSize    int    `help:"How many to ask for at a time." default:"500" hidden:""`
	Application string `help:"The application whose hub is meant." placeholder:"NAME"`
	Hub         string `arg:"" help:"The hub."`
}

type connectionsListCommand struct {
	lister
	User      string `help:"Only those of this user." placeholder:"ID"`
	Group     string `help:"Only those in this group." placeholder:"NAME"`
	Addresses bool   `help:"Show the addresses of clients."`
}

type usersListCommand struct {
	lister
	Group string `help:"Only those in this group." placeholder:"NAME"`
}

type groupsListCommand struct {
	lister
	User string `help:"Only those of this user." placeholder:"ID"`
}

// Run lists connections.
func (c *connectionsListCommand) Run(env *environment) error {
	head := []string{"CONNECTION", "USER", "GROUPS", "TRANSPORT", "PROTOCOL", "SINCE", "NODE"}
	if c.Addresses {
		head = append(head, "ADDRESS")
	}
	query := filters("user", c.User, "group", c.Group)
	return list(env, &c.lister, "connections", query, c.Addresses, head, func(one *presence.Connection) []string {
		groups := strings.Join(one.Groups, ",")
		if more := one.GroupCount - len(one.Groups); more > 0 {
			groups += fmt.Sprintf(" and %d more", more)
		}
		transport := one.Transport
		if one.State == presence.Away {
			transport += " (away)"
		}
		row := []string{one.ConnectionId, one.UserId, groups, transport, one.Protocol, one.ConnectedAt.Local().Format(time.DateTime), one.Node}
		if c.Addresses {
			row = append(row, one.RemoteAddress)
		}
		return row
	})
}

// Run lists users.
func (c *usersListCommand) Run(env *environment) error {
	return list(env, &c.lister, "users", filters("group", c.Group), false, []string{"USER", "CONNECTIONS"}, func(one *presence.User) []string {
		return []string{one.UserId, strconv.Itoa(one.Connections)}
	})
}

// Run lists groups.
func (c *groupsListCommand) Run(env *environment) error {
	return list(env, &c.lister, "groups", filters("user", c.User), false, []string{"GROUP", "CONNECTIONS"}, func(one *presence.Group) []string {
		return []string{one.Group, strconv.Itoa(one.Connections)}
	})
}

// filters are the parameters, by name and value, that have a value.
func filters(pairs ...string) url.Values {
	query := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

// presencePage is a page of any list.
type presencePage[T any] struct {
	Value             []T    `json:"value"`
	Count             int    `json:"count"`
	ContinuationToken string `json:"continuationToken"`
}

// list prints a list page by page as it comes: no more than a page is held.
func list[T any](env *environment, l *lister, what string, query url.Values, addresses bool, head []string, row func(*T) []string) error {
	if err := errors.Join(checkHub(l.Hub), l.check()); err != nil {
		return err
	}
	if l.Application != "" {
		query.Set("application", l.Application)
	}
	out := newListWriter(env.stdout, l.json(), head)
	shown := 0
	for {
		size := l.PageSize
		if l.Max > 0 {
			size = min(size, l.Max-shown)
		}
		query.Set("maxpagesize", strconv.Itoa(size))
		var page presencePage[T]
		if err := l.page(env.ctx, what, query, addresses, &page); err != nil {
			return err
		}
		for i := range page.Value {
			if err := out.add(&page.Value[i], row(&page.Value[i])); err != nil {
				return err
			}
		}
		shown += len(page.Value)
		if page.ContinuationToken == "" || l.Max > 0 && shown >= l.Max {
			if err := out.end(); err != nil {
				return err
			}
			l.hint(env.stderr, what, shown, page.Count, page.ContinuationToken != "")
			return nil
		}
		query.Set("continuationToken", page.ContinuationToken)
	}
}

func (l *lister) check() error {
	if l.Max < 0 || l.PageSize < 1 || l.PageSize > 1000 {
		return usage(errors.New("--max must not be less than 0"))
	}
	return nil
}

// hint says that there is nothing, or more.
func (l *lister) hint(w io.Writer, what string, shown, count int, more bool) {
	switch {
	case more && count > shown:
		fmt.Fprintf(w, "the first %d of %d; --max 0 shows all\n", shown, count)
	case more:
		fmt.Fprintf(w, "the first %d; --max 0 shows all\n", shown)
	case shown == 0:
		fmt.Fprintf(w, "no %s\n", what)
	}
}

// page asks for one page.
func (l *lister) page(ctx context.Context, what string, query url.Values, addresses bool, page any) error {
	cs, err := l.parse()
	if err != nil {
		return err
	}
	client, err := l.http()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resource := base(cs.Server()) + "/" + presence.Prefix + "/v1/hubs/" + url.PathEscape(l.Hub) + "/" + what
	token, err := auth.SignPresence(cs.AccessKey, resource, time.Minute, addresses)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, resource+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(err, cs.Server())
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return json.NewDecoder(resp.Body).Decode(page)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return err
	}
	return refusal(resp, text, cs.Server())
}

// listWriter prints a table, or one JSON array.
type listWriter struct {
	w     io.Writer
	table *tabwriter.Writer // nil for JSON
	rows  int
}

// tableAtATime is after how many rows the columns of a table are aligned anew.
const tableAtATime = 1000

func newListWriter(w io.Writer, asJSON bool, head []string) *listWriter {
	l := &listWriter{w: w}
	if !asJSON {
		l.table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(l.table, strings.Join(head, "\t"))
	}
	return l
}

func (l *listWriter) add(one any, row []string) error {
	l.rows++
	if l.table != nil {
		for i := range row {
			row[i] = printable(row[i])
		}
		if _, err := fmt.Fprintln(l.table, strings.Join(row, "\t")); err != nil || l.rows%tableAtATime != 0 {
			return err
		}
		return l.table.Flush()
	}
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	before := "[\n  "
	if l.rows > 1 {
		before = ",\n  "
	}
	_, err = fmt.Fprintf(l.w, "%s%s", before, text)
	return err
}

func (l *listWriter) end() error {
	if l.table != nil {
		return l.table.Flush()
	}
	text := "\n]\n"
	if l.rows == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(l.w, text)
	return err
}

// printable is a name as a cell of a table: what a terminal would obey, and what would break the row, is escaped. An
// empty one is a hyphen.
func printable(name string) string {
	if name == "" {
		return "-"
	}
	for _, r := range name {
		if !strconv.IsPrint(r) {
			quoted := strconv.Quote(name)
			return quoted[1 : len(quoted)-1]
		}
	}
	return name
}
