package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/hubgate/hubgate/auth"
)

// issuer is one issuer. One goroutine reads its keys; those that wait for a key that is not known share
// one more reading.
type issuer struct {
	url               string
	timeout, interval time.Duration
	client            *http.Client
	log               *slog.Logger
	keys              *keys
	// tried is closed when the keys have been read once, or could not be.
	tried     chan struct{}
	failing   atomic.Bool
	refetches refetches
	reading   sync.Mutex // one at a time
	life      life
}

// life is how an issuer ends.
type life struct {
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

// refetches bound how often tokens have the keys read.
type refetches struct {
	flight  *singleflight.Group
	limiter *rate.Limiter
}

// refetchEvery is the least time between two readings that tokens cause, when refetchBurst have been
// caused: anybody can name keys that nobody has.
const (
	refetchEvery = 10 * time.Second
	refetchBurst = 3
)

func newRefetches() refetches {
	return refetches{new(singleflight.Group), rate.NewLimiter(rate.Every(refetchEvery), refetchBurst)}
}

// run reads the keys until the issuer ends.
func (i *issuer) run() {
	retry := retryFirst
	for first := true; ; first = false {
		err := i.read()
		if first {
			close(i.tried)
		}
		pause := i.interval
		if err != nil {
			pause = min(retry, i.interval)
			retry = min(2*retry, retryMost)
		} else {
			retry = retryFirst
		}
		timer := time.NewTimer(pause)
		select {
		case <-i.life.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// end ends the reading, and waits for it.
func (i *issuer) end() {
	i.life.stop()
	i.life.running.Wait()
}

// read reads where the issuer has its keys, and then the keys. After an error the former keys stay.
func (i *issuer) read() error {
	i.reading.Lock()
	defer i.reading.Unlock()
	ctx, cancel := context.WithTimeout(i.life.ctx, i.timeout)
	defer cancel()
	err := i.readKeys(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // nobody needs them any more
	}
	switch failed := i.failing.Swap(err != nil); {
	case err != nil && !failed:
		i.log.Warn("the keys of an issuer cannot be read; those that are known stay in force", "keys", i.keys.size.Load(), "err", err)
	case err == nil && failed:
		i.log.Info("the keys of an issuer can be read again", "keys", i.keys.size.Load())
	}
	return err
}

func (i *issuer) readKeys(ctx context.Context) error {
	provider, err := goidc.NewProvider(goidc.ClientContext(ctx, i.client), i.url)
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	var place struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&place); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	// It reads once, and puts the keys into the storage if all of it was good.
	_, err = jwkset.NewStorageFromHTTP(place.Keys, jwkset.HTTPClientStorageOptions{
		Client: i.client, Ctx: ctx, HTTPTimeout: i.timeout, Storage: i.keys,
	})
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// key returns the key of a token, or all if it names none.
func (i *issuer) key(token *jwt.Token) (any, error) {
	patience := time.NewTimer(i.timeout)
	defer patience.Stop()
	if i.keys.size.Load() == 0 { // else there are those of before the last change of settings
		select {
		case <-i.tried:
		case <-patience.C:
			return nil, i.down(nil)
		}
	}
	if i.keys.size.Load() == 0 {
		return nil, i.down(nil)
	}
	key, err := i.keys.find.Keyfunc(token)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, unfit(err)
	}
	if err := i.reread(patience); err != nil {
		return nil, i.down(err)
	}
	key, err = i.keys.find.Keyfunc(token)
	return key, unfit(err)
}

// reread has the keys read once for all who wait.
func (i *issuer) reread(patience *time.Timer) error {
	result := i.refetches.flight.DoChan("", func() (any, error) {
		if i.life.ctx.Err() != nil || !i.refetches.limiter.Allow() {
			return nil, nil
		}
		return nil, i.read()
	})
	select {
	case r := <-result:
		return r.Err
	case <-patience.C:
		return context.DeadlineExceeded
	}
}

func (i *issuer) down(err error) error {
	detail := "issuer " + i.url
	if err != nil {
		detail += ": " + err.Error()
	}
	return &auth.TokenError{Failure: auth.TokenIssuerDown, Detail: detail}
}

// unfit is the error of a token for which there is no key.
func unfit(err error) error {
	if err == nil {
		return nil
	}
	return &auth.TokenError{Failure: auth.TokenSignature, Detail: "the issuer has no such key"}
}

// keys are those of one issuer. Reading them replaces all at once.
type keys struct {
	*jwkset.MemoryJWKSet
	size    atomic.Int64
	changed func()
	find    keyfunc.Keyfunc
}

func newKeys(changed func()) *keys {
	k := &keys{MemoryJWKSet: jwkset.NewMemoryStorage(), changed: changed}
	find, err := keyfunc.New(keyfunc.Options{Storage: k, UseWhitelist: []jwkset.USE{jwkset.UseSig, ""}})
	if err != nil {
		panic(err) // it has a storage
	}
	k.find = find
	return k
}

var errNoKeys = errors.New("the issuer publishes no key")

// KeyReplaceAll implements jwkset.Storage.
func (k *keys) KeyReplaceAll(ctx context.Context, all []jwkset.JWK) error {
	if len(all) == 0 {
		return errNoKeys
	}
	former, _ := k.JSONPublic(ctx) // of keys that were read: it cannot fail
	if err := k.MemoryJWKSet.KeyReplaceAll(ctx, all); err != nil {
		return err
	}
	k.size.Store(int64(len(all)))
	if now, _ := k.JSONPublic(ctx); string(now) != string(former) {
		k.changed()
	}
	return nil
}
