package natsd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// checkDamage compares what a lone node's store has on disk with what the
// server could read of it. The server itself leaves out what it cannot read,
// and goes on. Not every record is read again at each start: after an orderly
// end the server trusts its index, and a record that rots is an error for who
// reads it. Voters have no need of this: they are given by the others what they
// have lost.
func (e *Engine) checkDamage() error {
	if !e.opts.voter() || e.opts.DataDir == "" {
		return nil
	}
	damage, unread, err := e.damage()
	if err != nil || len(damage) == 0 {
		return err
	}
	text := fmt.Sprintf("%s: %s", e.dir.path, strings.Join(damage, "; "))
	if !e.opts.AcceptLoss {
		return fmt.Errorf("%w: %s. Put the directory back from a copy, start once with what can still be read (accept-loss), or give the node an empty directory",
			ErrDamaged, text)
	}
	aside, err := e.setAside(unread)
	e.log.report(TroubleStore, fmt.Sprintf("the store is damaged, and is used with what is left: %s. What cannot be read is in %s", text, aside))
	return err
}

// setAside moves away what nothing can be read of, so that it can begin anew.
func (e *Engine) setAside(streams []string) (string, error) {
	aside := filepath.Join(e.dir.path, "damaged", time.Now().UTC().Format("20060102-150405"))
	for _, name := range streams {
		if err := os.MkdirAll(aside, 0o700); err != nil {
			return aside, err
		}
		if err := os.Rename(filepath.Join(e.dir.streams(), name), filepath.Join(aside, name)); err != nil {
			return aside, err
		}
	}
	return aside, nil
}

// streams is where the server keeps the node's account.
func (d *directory) streams() string {
	return filepath.Join(d.path, "jetstream", nodeAccount, "streams")
}

// damage lists what is missing of the store, and the names of the streams of
// which nothing can be read.
func (e *Engine) damage() (damage, unread []string, err error) {
	info, err := e.server().Jsz(&server.JSzOptions{Accounts: true, Streams: true, Limit: maxStreams})
	if err != nil {
		return nil, nil, err
	}
	sealed, err := e.dir.sealed()
	if err != nil {
		return nil, nil, err
	}
	var read []string
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			read = append(read, stream.Name)
			if lost := stream.State.Lost; lost != nil && len(lost.Msgs) > 0 {
				damage = append(damage, fmt.Sprintf("%d records of %s cannot be read", len(lost.Msgs), stream.Name))
			} else if last := sealed[stream.Name]; stream.State.LastSeq < last {
				damage = append(damage, fmt.Sprintf("%s ends with record %d, and had %d", stream.Name, stream.State.LastSeq, last))
			}
		}
	}
	entries, err := os.ReadDir(e.dir.streams())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, entry := range entries {
		// Names that begin with a dot are being deleted.
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(read, name) {
			unread = append(unread, name)
			damage = append(damage, fmt.Sprintf("nothing of %s can be read", name))
		}
	}
	return damage, unread, nil
}
