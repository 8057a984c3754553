package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrExternal is the error of an external NATS server that could not be reached
// or does not let the node in.
var ErrExternal = errors.New("the external NATS server cannot be used")

// startExternal connects to a server outside. It does not wait for one that
// cannot be reached now: only a refusal and files that cannot be read are errors.
func (e *Engine) startExternal(ctx context.Context) error {
	opts, err := e.externalOptions()
	if err != nil {
		return err
	}
	urls := strings.Join(e.opts.External.URLs, ",")
	e.conn, err = nats.Connect(urls, opts...)
	if unreachable(err) {
		e.log.report(TroubleDisconnected, "the external NATS server is not reached, and is tried again: "+err.Error())
		e.conn, err = nats.Connect(urls, append(opts, nats.RetryOnFailedConnect(true))...)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrExternal, urls, err)
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		return err
	}
	return ctx.Err()
}

// unreachable reports that there was nobody to refuse the connection.
func unreachable(err error) bool {
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &network)
}

func (e *Engine) externalOptions() ([]nats.Option, error) {
	x := e.opts.External
	opts := e.connOptions()
	if x.Credentials != "" {
		opts = append(opts, nats.UserCredentials(x.Credentials))
	}
	if x.NKey != "" {
		opt, err := nats.NkeyOptionFromSeed(x.NKey)
		if err != nil {
			return nil, fmt.Errorf("%w: the file %s holds no seed of a user's key: %w", ErrExternal, x.NKey, err)
		}
		opts = append(opts, opt)
	}
	if x.TLS.CA != "" {
		if _, err := readAuthority(x.TLS.CA); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrExternal, err)
		}
		opts = append(opts, nats.RootCAs(x.TLS.CA))
	}
	if x.TLS.Certificate != "" {
		if _, err := readPair(x.TLS.Certificate, x.TLS.Key); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrExternal, err)
		}
		opts = append(opts, nats.ClientCert(x.TLS.Certificate, x.TLS.Key))
	}
	return opts, nil
}
