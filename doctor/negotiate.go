package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// clockTolerance is by how much clocks may differ before tokens are in danger: auth.leeway is 5 minutes.
const clockTolerance = time.Minute

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

// seat is what negotiate gave: the token of the client and that of the connection.
type seat struct{ token, id string }

// negotiates looks at the first request of every client, and at the clock of who answers.
func (x *examination) negotiates(ctx context.Context) bool {
	began := x.Now()
	status, header, body, err := x.negotiate(ctx)
	switch {
	case err != nil:
		x.find(checkNegotiate, Failed, err.Error(), "Nobody answers at this URL, or something on the way drops the request.", "Compare the URL with --listen, ask whether the gateway runs (hubgate health), and look at firewalls and the proxy.")
		return false
	case status != http.StatusOK:
		cause, cure := whyStatus(status, body)
		x.find(checkNegotiate, Failed, fmt.Sprintf("status %d: %s", status, firstLine(body)), cause, cure)
	default:
		if _, err := seatOf(body); err != nil {
			x.find(checkNegotiate, Failed, "the answer is none of SignalR: "+firstLine(body), "Another server answers at this URL.", "Let the proxy lead /client/ to the gateway.")
			return false
		}
		x.ok(checkNegotiate, "POST /client/negotiate was answered")
	}
	x.clock(header, began)
	return status == http.StatusOK
}

func (x *examination) clock(header http.Header, began time.Time) {
	there, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		x.find(checkClock, Skipped, "the answer has no date", "", "")
		return
	}
	// The date has whole seconds, and the answer took its time.
	off := there.Sub(began.Truncate(time.Second))
	if off.Abs() > clockTolerance+x.Now().Sub(began) {
		x.find(checkClock, Warning, fmt.Sprintf("the clocks differ by %v", off.Round(time.Second)), "A machine does not synchronise its clock. Tokens are refused as expired or not yet valid beyond auth.leeway.", "Use NTP on all machines: applications, gateways and proxies.")
		return
	}
	x.ok(checkClock, "the clocks agree within a minute")
}

func (x *examination) negotiate(ctx context.Context) (status int, header http.Header, body []byte, err error) {
	token, err := x.ClientToken()
	if err != nil {
		return 0, nil, nil, err
	}
	ctx, cancel := x.soon(ctx)
	defer cancel()
	return x.do(ctx, http.MethodPost, x.clientURL("negotiate", url.Values{"negotiateVersion": {"1"}}), token, "")
}

// take negotiates for a transport.
func (x *examination) take(ctx context.Context) (seat, error) {
	token, err := x.ClientToken()
	if err != nil {
		return seat{}, err
	}
	ctx, cancel := x.soon(ctx)
	defer cancel()
	status, _, body, err := x.do(ctx, http.MethodPost, x.clientURL("negotiate", url.Values{"negotiateVersion": {"1"}}), token, "")
	if err != nil {
		return seat{}, err
	}
	if status != http.StatusOK {
		return seat{}, fmt.Errorf("negotiate: status %d: %s", status, firstLine(body))
	}
	id, err := seatOf(body)
	return seat{token, id}, err
}

func seatOf(body []byte) (id string, err error) {
	var answer struct{ ConnectionToken string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	if answer.ConnectionToken == "" {
		return "", fmt.Errorf("no connection token")
	}
	return answer.ConnectionToken, nil
}

// clientURL is the URL of a request of a client.
func (x *examination) clientURL(path string, query url.Values) *url.URL {
	u := x.URL.JoinPath("client", path)
	if path == "" {
		u = x.URL.JoinPath("client/")
	}
	query.Set("hub", x.Hub)
	u.RawQuery = query.Encode()
	return u
}

func (x *examination) do(ctx context.Context, method string, u *url.URL, token, body string) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := x.client.Do(r)
	if err != nil {
		return 0, nil, nil, withoutURL(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp.StatusCode, resp.Header, text, err
}

// whyStatus says why negotiate was refused.
func whyStatus(status int, body []byte) (cause, cure string) {
	switch {
	case status == http.StatusUnauthorized:
		return "The token is not accepted: the key is another one, or the gateway is known by another URL. Its answer says which.", "Compare the connection string with the gateway's key, and set --public-url behind a proxy that changes the path."
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return "The proxy does not lead /client/ to the gateway, or cuts the path.", "Lead all paths to the gateway, or see --public-url for a prefix: docs/proxies.md."
	case status == http.StatusTooManyRequests:
		return "The gateway has as many clients as it may have, or a rule refuses this one.", "See limits.maxConnections and docs/limits.md."
	case status == http.StatusServiceUnavailable && strings.Contains(string(body), "fault was injected"):
		return "A fault is injected into the hub.", "hubgate fault clear HUB"
	case status == http.StatusServiceUnavailable:
		return "The gateway is draining, or this node does not reach the others; or the proxy has no gateway that is healthy.", "Look at /readyz of the admin address and at the proxy's health checks."
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return "The proxy does not reach the gateway.", "Compare the proxy's upstream with --listen, and ask whether the gateway runs."
	case status/100 == 3:
		return "The proxy redirects, which SignalR clients do not follow for every request.", "Use the URL that it redirects to."
	}
	return "The gateway or the proxy refuses the request.", "Look at the log of both for this request."
}

// withoutURL takes the URL out of an error, since it may hold a token.
func withoutURL(err error) error {
	if e, ok := err.(*url.Error); ok { // the client makes no other
		return e.Err
	}
	return err
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	const most = 160
	if len(line) > most {
		line = line[:most] + "…"
	}
	return line
}
