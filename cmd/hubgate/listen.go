package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hubgate/hubgate/hubprotocol"
)

// listenCommand is a client that prints one line of JSON for each record.
type listenCommand struct {
	destination
	lifetime
	clientIdentity
	way
	Pings bool `help:"Print the gateway's pings too."`
}

// Run prints records until the gateway closes the connection, which is an error
// unless it is an ordinary end, or the environment's context ends.
func (c *listenCommand) Run(env *environment) error {
	cs, token, err := c.sign(c.target, c.lifetime)
	if err != nil {
		return err
	}
	client, err := c.connect(env.ctx, cs, c.Hub, token, c.way)
	if err != nil {
		return err
	}
	defer client.close()
	fmt.Fprintf(env.stderr, "connected to hub %s as connection %s\n", c.Hub, client.id)
	for {
		record, err := client.next()
		if err == nil {
			err = c.print(env, record)
		}
		switch {
		case env.ctx.Err() != nil, errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (c *listenCommand) print(env *environment, record []byte) error {
	var head struct {
		Type  hubprotocol.Type
		Error string
	}
	if err := json.Unmarshal(record, &head); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	if head.Type == hubprotocol.Ping && !c.Pings {
		return nil
	}
	if _, err := fmt.Fprintf(env.stdout, "%s\n", record); err != nil {
		return err
	}
	if head.Type == hubprotocol.Close && head.Error != "" {
		return closedByGateway(head.Error)
	}
	return nil
}

func closedByGateway(reason string) error { return fmt.Errorf("closed by the gateway: %s", reason) }
