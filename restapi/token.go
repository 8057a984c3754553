package restapi

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/hubgate/hubgate/auth"
)

const (
	defaultMinutes = 60
	// maxMinutes is a hundred years: what lies beyond would not fit into a Duration.
	maxMinutes = 100 * 365 * 24 * 60
)

// GenerateToken signs a client's token (R39).
func (s *server) GenerateToken(_ context.Context, r GenerateTokenRequestObject) (GenerateTokenResponseObject, error) {
	to := at(r.Hub, r.Params.Application)
	if to.err != nil {
		return nil, to.err
	}
	minutes := int32(defaultMinutes)
	if r.Params.MinutesToExpire != nil {
		minutes = *r.Params.MinutesToExpire
	}
	if minutes < 1 {
		return nil, invalid(ErrorDetailTargetRequest, "The minutesToExpire are below 1.")
	}
	if !utf8.ValidString(r.Params.UserId) {
		return nil, invalid(ErrorDetailTargetUser, "The user id is not valid.")
	}
	lifetime := time.Duration(min(minutes, maxMinutes)) * time.Minute
	token, err := s.SignClient(to.hub, r.Params.UserId, lifetime)
	if errors.Is(err, auth.ErrTokenTooLong) {
		return nil, invalid(ErrorDetailTargetUser, "The user id is too long for a token.")
	}
	if err != nil {
		return nil, err
	}
	return GenerateToken200JSONResponse{ClientTokenJSONResponse{Token: token}}, nil
}
