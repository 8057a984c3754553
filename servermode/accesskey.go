package servermode

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/auth"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// asking is a question of the hub server for the key with which it signs tokens of clients (section 1.5
// of the hub server protocol). One is answered at a time: its token may have to wait for its issuer, for
// which the reader must not.
type asking struct {
	busy    atomic.Bool
	running sync.WaitGroup
}

// errTypeBusy is the error type of a question that comes before the one before it is answered.
const errTypeBusy = "Busy"

// askForKey answers AccessKeyRequest. Hub servers ask as soon as they are connected, and then every ten
// minutes.
func (sc *serverConn) askForKey(token string) {
	if !sc.asking.busy.CompareAndSwap(false, true) {
		sc.out.put(&sp.AccessKeyResponse{ErrorType: errTypeBusy, Error: "The question before is not answered yet."})
		return
	}
	token = strings.Clone(token) // the message is valid until handle returns
	sc.asking.running.Go(func() {
		defer sc.survive()
		defer sc.asking.busy.Store(false)
		sc.out.put(sc.keyFor(token))
	})
}

func (sc *serverConn) keyFor(token string) *sp.AccessKeyResponse {
	key, err := sc.b.opts.Verifier.AccessKey(token)
	var refused *auth.TokenError
	switch {
	case err == nil:
		return &sp.AccessKeyResponse{KeyID: key.ID, AccessKey: key.Key.Reveal()}
	case !errors.As(err, &refused):
		return &sp.AccessKeyResponse{ErrorType: string(auth.TokenMalformed), Error: auth.TokenMalformed.Description()}
	}
	sc.log.Warn("a hub server gets no access key for its clients", "reason", string(refused.Failure), "detail", refused.Detail)
	return &sp.AccessKeyResponse{ErrorType: string(refused.Failure), Error: refused.Description()}
}
