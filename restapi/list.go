package restapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// maxPage is how many connections a page has at most, and has if nobody asks for less.
const maxPage = 200

// ListConnectionsInGroup lists the members of a group in pages, ordered by id (R44). The token of a page
// is the last id of the one before.
func (s *server) ListConnectionsInGroup(ctx context.Context, r ListConnectionsInGroupRequestObject) (ListConnectionsInGroupResponseObject, error) {
	size, top, after, err := pageAsked(&r.Params)
	to := at(r.Hub, r.Params.Application).group(r.Group, nil)
	if to.err == nil {
		to.err = err
	}
	if to.err != nil {
		return nil, to.err
	}
	result, err := s.Hubs.Do(ctx, &gateway.Command{Hub: to.hub, Target: to.target, Verb: gateway.VerbList,
		Page: gateway.Page{After: after, Max: size + 1}}) // one more, to see whether there is a next page
	if err != nil {
		return nil, err
	}
	page := ConnectionPage{Value: make([]GroupConnection, 0, min(size, len(result.Members)))}
	for _, m := range result.Members[:min(size, len(result.Members))] {
		page.Value = append(page.Value, GroupConnection{ConnectionId: m.ID, UserId: m.User})
	}
	if left := top - len(page.Value); len(result.Members) > size && left > 0 {
		if c, ok := ctx.Value(callKey{}).(*call); ok {
			page.NextLink = c.nextLink(&r.Params, left, result.Members[size-1].ID)
		}
	}
	return ListConnectionsInGroup200JSONResponse{ConnectionPageJSONResponse(page)}, nil
}

// unbounded stands for no top.
const unbounded = 1<<31 - 1

// pageAsked returns how many connections the page may have, and how many all further ones together.
func pageAsked(p *ListConnectionsInGroupParams) (size, top int, after string, err error) {
	size, top = maxPage, unbounded
	if p.Maxpagesize != nil {
		if size = int(*p.Maxpagesize); size < 1 || size > maxPage {
			return 0, 0, "", invalid(ErrorDetailTargetRequest, "The maxpagesize is not between 1 and 200.")
		}
	}
	if p.Top != nil {
		if top = int(*p.Top); top < 1 {
			return 0, 0, "", invalid(ErrorDetailTargetRequest, "The top is below 1.")
		}
	}
	id, err := base64.RawURLEncoding.DecodeString(p.ContinuationToken)
	if err != nil {
		return 0, 0, "", invalid(ErrorDetailTargetRequest, "The continuationToken is none of the gateway's.")
	}
	return min(size, top), top, string(id), nil
}

// nextLink is the URL of the request for the next page: where this one came to, with what is left of its
// bounds.
func (c *call) nextLink(p *ListConnectionsInGroupParams, left int, last string) string {
	query := make(url.Values)
	if p.Top != nil {
		query.Set("top", strconv.Itoa(left))
	}
	if p.Maxpagesize != nil {
		query.Set("maxpagesize", strconv.Itoa(int(*p.Maxpagesize)))
	}
	if p.Application != "" {
		query.Set("application", p.Application)
	}
	if c.query.version != "" {
		query.Set("api-version", c.query.version)
	}
	query.Set("continuationToken", base64.RawURLEncoding.EncodeToString([]byte(last)))
	return urlOf(c.wants.request) + "?" + query.Encode()
}

// urlOf is the URL that a request was sent to, without its query. A proxy in front of the gateway may say
// which scheme that was; of several proxies the first one has seen the caller.
func urlOf(r *http.Request) string {
	scheme := "http"
	forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	if r.TLS != nil || auth.EqualFoldASCII(strings.TrimSpace(forwarded), "https") {
		scheme = "https"
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // a whole URL, as for a proxy
		path = escapedPath(r.URL)
	}
	return scheme + "://" + r.Host + path
}
