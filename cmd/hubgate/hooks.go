package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/upstream"
)

const (
	maxHookBody     = 64 << 20 // a client's largest message by default, and more
	hookReadTimeout = 30 * time.Second
)

// hooksCommand is an application behind webhooks, to look at and to try with.
type hooksCommand struct {
	target
	Address string  `name:"listen" help:"Address for the gateway's requests." default:"localhost:7071" placeholder:"HOST:PORT"`
	Result  *string `help:"Answer calls with this value, JSON or text. Without it: with the argument of the call, or the array of them." placeholder:"VALUE" xor:"answer"`
	Error   *string `help:"Answer calls with this error." placeholder:"TEXT" xor:"answer"`
	Status  int     `help:"Answer every event with this status and no body." placeholder:"STATUS" xor:"answer"`
}

// Run serves until the environment's context ends.
func (c *hooksCommand) Run(env *environment) error {
	cs, err := c.parse()
	if err != nil {
		return err
	}
	if c.Status != 0 && (c.Status < 200 || c.Status > 599) {
		return usage(errors.New("--status must be from 200 to 599"))
	}
	listeners, err := c.listen()
	if err != nil {
		return err
	}
	h := &hooks{command: c, key: cs.AccessKey, out: env.stdout}
	if c.Result != nil {
		h.result = asJSON(*c.Result)
	}
	server := &http.Server{Handler: h, ReadTimeout: hookReadTimeout}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	at := "http://" + reachable(listeners[0].Addr().String())
	fmt.Fprintf(env.stderr, "webhooks at %s, to be stopped with Ctrl-C; start the gateway with\n\n  hubgate --upstream '%s/{category}/{event}'\n\n", at, at)
	if env.ready != nil {
		env.ready(endpoints{URL: at})
	}
	select {
	case <-env.ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(env.ctx), time.Second)
		defer cancel()
		err = server.Shutdown(ctx)
	case err = <-ended:
	}
	return errors.Join(err, server.Close())
}

func (c *hooksCommand) listen() ([]net.Listener, error) {
	addresses, err := (&config.Config{Network: config.Network{Listen: []string{c.Address}}}).Addresses()
	if err != nil {
		return nil, usage(fmt.Errorf("--listen: %w", err))
	}
	return listenAll(addresses, listenFlag)
}

// asJSON is text that is JSON as it is, and any other as a string.
func asJSON(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text) // A string can always be encoded.
	return quoted
}

// hooks prints and answers the events of a gateway.
type hooks struct {
	command *hooksCommand
	key     auth.Secret
	result  json.RawMessage // nil: echo

	mu  sync.Mutex // one event is printed at a time
	out io.Writer
}

// hookAnswer is what an event gets.
type hookAnswer struct {
	status int
	body   []byte
	shown  string // of the body, if it is not empty
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHookBody))
	if err != nil { // the caller left, or sends what no gateway does
		http.Error(w, "The event is too large.", http.StatusRequestEntityTooLarge)
		return
	}
	why := h.stranger(r)
	protocol := hubprotocol.JSON
	if r.Header.Get("Content-Type") == "application/x-msgpack" {
		protocol = hubprotocol.MessagePack
	}
	a := hookAnswer{status: http.StatusUnauthorized}
	if why == "" {
		a = h.answer(protocol, body)
	}
	h.print(r, upstream.Readable(protocol, body), why, &a)
	if len(a.body) > 0 {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// stranger says why the request is not from a gateway with this key, "" if it is.
func (h *hooks) stranger(r *http.Request) string {
	given := r.Header.Get(upstream.SignatureHeader)
	if given == "" {
		return "there is no " + upstream.SignatureHeader + ": this is no request of a gateway"
	}
	want := auth.UpstreamSignature([]auth.Secret{h.key}, r.Header.Get(upstream.ConnectionHeader))
	for one := range strings.SplitSeq(given, ",") {
		if strings.EqualFold(strings.TrimSpace(one), want) {
			return ""
		}
	}
	return "the signature is of another key: give hubgate hooks the gateway's HUBGATE_ACCESS_KEY or " + connectionStringEnv
}

// answer is what the command's options say for an event with this body.
func (h *hooks) answer(protocol string, body []byte) hookAnswer {
	if h.command.Status != 0 {
		return hookAnswer{status: h.command.Status}
	}
	m, err := hubprotocol.Parse(protocol, body)
	if err != nil || m.Type != hubprotocol.Invocation || !m.HasID {
		return hookAnswer{status: http.StatusNoContent} // Nobody waits for a result.
	}
	if h.command.Error != nil {
		return hookAnswer{
			http.StatusOK, hubprotocol.AppendCompletionError(nil, protocol, m.InvocationID, *h.command.Error),
			"error " + string(asJSON(*h.command.Error)),
		}
	}
	result := h.result
	if result == nil {
		result = upstream.EchoResult(protocol, m.Arguments)
	}
	completion, err := upstream.AppendResult(nil, protocol, m.InvocationID, result)
	if err != nil {
		return hookAnswer{status: http.StatusInternalServerError}
	}
	return hookAnswer{http.StatusOK, completion, "result " + string(result)}
}

func (h *hooks) print(r *http.Request, body []byte, why string, a *hookAnswer) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			fmt.Fprintf(&b, "  %s: %s\n", strings.Replace(name, "X-Asrs-", "X-ASRS-", 1), value)
		}
	}
	fmt.Fprintf(&b, "  %s\n", body)
	if why != "" {
		fmt.Fprintf(&b, "  REFUSED: %s\n", why)
	}
	fmt.Fprintf(&b, "→ %d %s\n\n", a.status, strings.TrimRight(http.StatusText(a.status)+" "+a.shown, " "))
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = io.WriteString(h.out, defused(b.String(), "\n\t")) // A terminal that is gone does not stop the answers.
}
