package natsd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ErrNameInUse is the error of a node whose name another one has that lives.
var ErrNameInUse = errors.New("another node has this name")

const (
	// nameTime bounds asking the other nodes for their names.
	nameTime = time.Second
	// maxInfo bounds what a node says of itself.
	maxInfo = 64 << 10
)

// refuseNamesake fails if one of the addresses is that of a node with the name of this one. The
// other one would hang up each time it is dialled, and tell nobody why. Nodes that do not answer, or
// are not reached directly, are met later.
func (e *Engine) refuseNamesake(ctx context.Context, routes []*url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	found := make(chan string, len(routes))
	var asking sync.WaitGroup
	for _, at := range routes {
		asking.Go(func() {
			if name, err := e.askName(ctx, at.Host); err == nil && name == e.opts.Name {
				found <- at.Host
			}
		})
	}
	asking.Wait()
	select {
	case at := <-found:
		return fmt.Errorf("%w: %q is at %s", ErrNameInUse, e.opts.Name, at)
	default:
		return nil
	}
}

// askName returns what the server at the address is called: it introduces itself to who connects.
func (e *Engine) askName(ctx context.Context, address string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var says io.Reader = conn
	if e.routeTLS != nil {
		config := e.routeTLS.Clone()
		if config.ServerName == "" {
			config.ServerName = address
		}
		says = tls.Client(conn, config)
	}
	text, err := bufio.NewReader(io.LimitReader(says, maxInfo)).ReadString('\n')
	if err != nil {
		return "", err
	}
	var info struct {
		Name string `json:"server_name"`
	}
	err = json.Unmarshal([]byte(strings.TrimPrefix(text, "INFO ")), &info)
	return info.Name, err
}
