package restapi

import (
	"context"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// RefreshConnection sets when the authentication of a connection ends, whatever its token has said (R52).
func (s *server) RefreshConnection(ctx context.Context, r RefreshConnectionRequestObject) (RefreshConnectionResponseObject, error) {
	to := at(r.Hub, r.Params.Application).connection(r.Connection)
	until, ok := expireTime(r.Params.ExpireTime)
	if to.err == nil && !ok {
		to.err = invalid(ErrorDetailTargetRequest, "The expireTime is neither seconds since 1970 nor an RFC 3339 time.")
	}
	n, err := s.command(ctx, to, gateway.Command{Verb: gateway.VerbRefresh, Membership: gateway.Membership{Until: until}})
	return RefreshConnection204Response{}, orMissing(n, err, noConnectionToAdd)
}

// maxExpireTime is the end of the year 9999, which is the last that texts have.
const maxExpireTime = 253402300799

func expireTime(text string) (t time.Time, ok bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), seconds > 0 && seconds <= maxExpireTime
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil && t.Unix() > 0
}
