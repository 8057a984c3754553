package natsd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// checkDamage compares what a lone node's store has on disk with what the
// server could read of it. The server itself leaves out what it cannot read,
// and goes on. Voters have no need of it: they are given by the others what
// they have lost.
func (e *Engine) checkDamage() error {
	if !e.opts.voter() || e.opts.DataDir == "" {
		return nil
	}
	damage, err := e.damage()
	if err != nil || len(damage) == 0 {
		return err
	}
	text := fmt.Sprintf("%s: %s", e.dir.path, strings.Join(damage, "; "))
	if e.opts.AcceptLoss {
		e.log.report(TroubleStore, "the store is damaged, and is used with what is left: "+text)
		return nil
	}
	return fmt.Errorf("%w: %s. Put the directory back from a copy, start once with what can still be read (accept-loss), or give the node an empty directory",
		ErrDamaged, text)
}

// damage lists what is missing of the store.
func (e *Engine) damage() ([]string, error) {
	info, err := e.server().Jsz(&server.JSzOptions{Accounts: true, Streams: true, Limit: 1000})
	if err != nil {
		return nil, err
	}
	var read, damage []string
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			read = append(read, stream.Name)
			if lost := stream.State.Lost; lost != nil && len(lost.Msgs) > 0 {
				damage = append(damage, fmt.Sprintf("%d records of %s cannot be read", len(lost.Msgs), stream.Name))
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(e.dir.path, "jetstream", nodeAccount, "streams"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		// Names that begin with a dot are being deleted.
		if name := entry.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(read, name) {
			damage = append(damage, fmt.Sprintf("nothing of %s can be read", name))
		}
	}
	return damage, nil
}
