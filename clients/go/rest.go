package hubgate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	version       = "2022-06-01"
	versionNewest = "2024-12-01" // of what was not there before
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 16 << 20
)

// StatusError is the error of an answer that is neither success nor "no".
type StatusError struct {
	Status int
	// Text is what the gateway says.
	Text string
	// RetryAfter is the header Retry-After, Code the header x-ms-error-code; "" without one.
	RetryAfter, Code string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("hubgate: the gateway answered %d: %s", e.Status, e.Text)
}

// Message is a call of a client's method.
type message struct {
	Target    string `json:"target"`
	Arguments []any  `json:"arguments"`
}

// SendToAll calls a method of every client of the hub. Nil means that the gateway has taken it: who receives
// it it does not say.
func (h *Hub) SendToAll(ctx context.Context, target string, arguments ...any) error {
	return h.send(ctx, "", target, arguments)
}

// SendToUser calls a method of all clients of a user.
func (h *Hub) SendToUser(ctx context.Context, user, target string, arguments ...any) error {
	return h.send(ctx, "/users/"+escape(user), target, arguments)
}

// SendToGroup calls a method of all clients in a group.
func (h *Hub) SendToGroup(ctx context.Context, group, target string, arguments ...any) error {
	return h.send(ctx, "/groups/"+escape(group), target, arguments)
}

// SendToConnection calls a method of one client.
func (h *Hub) SendToConnection(ctx context.Context, id, target string, arguments ...any) error {
	return h.send(ctx, "/connections/"+escape(id), target, arguments)
}

func (h *Hub) send(ctx context.Context, to, target string, arguments []any) error {
	_, err := h.call(ctx, http.MethodPost, to+"/:send", version, nil, newMessage(target, arguments))
	return err
}

func newMessage(target string, arguments []any) *message {
	if arguments == nil {
		arguments = []any{}
	}
	return &message{target, arguments}
}

// Invoke calls a method of one client, waits for its result and reads it into result, which is a pointer or nil.
func (h *Hub) Invoke(ctx context.Context, id string, result any, target string, arguments ...any) error {
	body, err := h.call(ctx, http.MethodPost, "/connections/"+escape(id)+"/:invoke", versionNewest, nil, newMessage(target, arguments))
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(body, &struct {
		Result any `json:"result"`
	}{result})
}

// AddToGroup adds a connection to a group.
func (h *Hub) AddToGroup(ctx context.Context, id, group string) error {
	return h.do(ctx, http.MethodPut, "/groups/"+escape(group)+"/connections/"+escape(id))
}

// RemoveFromGroup removes a connection from a group.
func (h *Hub) RemoveFromGroup(ctx context.Context, id, group string) error {
	return h.do(ctx, http.MethodDelete, "/groups/"+escape(group)+"/connections/"+escape(id))
}

// AddUserToGroup adds a user to a group: all clients that the user has and will have.
func (h *Hub) AddUserToGroup(ctx context.Context, user, group string) error {
	return h.do(ctx, http.MethodPut, "/users/"+escape(user)+"/groups/"+escape(group))
}

// RemoveUserFromGroup removes a user from a group.
func (h *Hub) RemoveUserFromGroup(ctx context.Context, user, group string) error {
	return h.do(ctx, http.MethodDelete, "/users/"+escape(user)+"/groups/"+escape(group))
}

// CloseConnection closes a connection. The client is told the reason, if there is one.
func (h *Hub) CloseConnection(ctx context.Context, id, reason string) error {
	return h.close(ctx, http.MethodDelete, "/connections/"+escape(id), reason)
}

// CloseUser closes all connections of a user.
func (h *Hub) CloseUser(ctx context.Context, user, reason string) error {
	return h.close(ctx, http.MethodPost, "/users/"+escape(user)+"/:closeConnections", reason)
}

// CloseGroup closes all connections in a group.
func (h *Hub) CloseGroup(ctx context.Context, group, reason string) error {
	return h.close(ctx, http.MethodPost, "/groups/"+escape(group)+"/:closeConnections", reason)
}

// ConnectionExists reports whether there is such a connection.
func (h *Hub) ConnectionExists(ctx context.Context, id string) (bool, error) {
	return h.is(ctx, "/connections/"+escape(id))
}

// UserExists reports whether a user has a client.
func (h *Hub) UserExists(ctx context.Context, user string) (bool, error) {
	return h.is(ctx, "/users/"+escape(user))
}

// GroupExists reports whether a group has a client.
func (h *Hub) GroupExists(ctx context.Context, group string) (bool, error) {
	return h.is(ctx, "/groups/"+escape(group))
}

// UserInGroup reports whether a user was added to a group.
func (h *Hub) UserInGroup(ctx context.Context, user, group string) (bool, error) {
	return h.is(ctx, "/users/"+escape(user)+"/groups/"+escape(group))
}

// Member is a connection in a group. UserID is "" for nobody.
type Member struct {
	ConnectionID string `json:"connectionId"`
	UserID       string `json:"userId"`
}

// ListGroup gives the connections in a group, page by page. An error is the last thing that it gives.
func (h *Hub) ListGroup(ctx context.Context, group string) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		for token := ""; ; {
			query := url.Values{}
			if token != "" {
				query.Set("continuationToken", token)
			}
			var page struct {
				Value    []Member
				NextLink string
			}
			body, err := h.call(ctx, http.MethodGet, "/groups/"+escape(group)+"/connections", versionNewest, query, nil)
			if err == nil {
				err = json.Unmarshal(body, &page)
			}
			if err != nil {
				yield(Member{}, err)
				return
			}
			for _, member := range page.Value {
				if !yield(member, nil) {
					return
				}
			}
			// Of the link only the token counts: an answer does not say where this hub's token is sent to.
			next, err := url.Parse(page.NextLink)
			if err != nil || next.Query().Get("continuationToken") == "" {
				return
			}
			token = next.Query().Get("continuationToken")
		}
	}
}

func (h *Hub) do(ctx context.Context, method, path string) error {
	_, err := h.call(ctx, method, path, version, nil, nil)
	return err
}

func (h *Hub) close(ctx context.Context, method, path, reason string) error {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	_, err := h.call(ctx, method, path, version, query, nil)
	return err
}

func (h *Hub) is(ctx context.Context, path string) (bool, error) {
	_, err := h.call(ctx, http.MethodHead, path, version, nil, nil)
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound && isNo(status.Code) {
		return false, nil
	}
	return err == nil, err
}

// isNo reports whether the code of a 404 is the gateway's "no". Any other 404 is of something that does not know the path.
func isNo(code string) bool {
	switch strings.ToLower(code) {
	case "warning.connection.notexisted", "warning.user.notexisted", "warning.group.notexisted", "info.user.notingroup":
		return true
	}
	return false
}

// errDots is what becomes of an id that programs and proxies take out of a path, however it is escaped.
var errDots = errors.New(`hubgate: "." and ".." cannot be an id in a URL`)

// call makes one request. The path is that below the hub. It returns the body of a success.
func (h *Hub) call(ctx context.Context, method, path, version string, query url.Values, body *message) ([]byte, error) {
	if dotted := path + "/"; strings.Contains(dotted, "/./") || strings.Contains(dotted, "/../") {
		return nil, errDots
	}
	audience := h.at.serverEndpoint + "/api/hubs/" + escape(h.name) + path
	token, err := h.token(audience, jwt.MapClaims{}, 0)
	if err != nil {
		return nil, err
	}
	target := audience + "?api-version=" + version
	for name, values := range query {
		target += "&" + name + "=" + escape(values[0])
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := h.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return nil, &StatusError{Status: resp.StatusCode, Text: string(bytes.TrimSpace(answer)), RetryAfter: resp.Header.Get("Retry-After"), Code: resp.Header.Get("X-Ms-Error-Code")}
	}
	return answer, err
}
