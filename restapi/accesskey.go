package restapi

import (
	"context"

	"github.com/hubgate/hubgate/auth"
)

// accessKey gives out a key with which the caller may sign tokens of its clients (R40).
func (s *server) accessKey(ctx context.Context) (AccessKeyJSONResponse, error) {
	c := ctx.Value(callKey{}).(*call)
	token, _ := auth.BearerToken(c.wants.request.Header) // it is there: it was checked
	key, err := s.Tokens.AccessKey(token)
	if err != nil {
		return AccessKeyJSONResponse{}, err
	}
	c.Header().Set("Cache-Control", "no-store")
	return AccessKeyJSONResponse{AccessKey: key.Key.Reveal(), KeyId: key.ID}, nil
}

// AccessKey answers GET.
func (s *server) AccessKey(ctx context.Context, _ AccessKeyRequestObject) (AccessKeyResponseObject, error) {
	key, err := s.accessKey(ctx)
	return AccessKey200JSONResponse{key}, err
}

// PostAccessKey answers POST.
func (s *server) PostAccessKey(ctx context.Context, _ PostAccessKeyRequestObject) (PostAccessKeyResponseObject, error) {
	key, err := s.accessKey(ctx)
	return PostAccessKey200JSONResponse{key}, err
}

// V1AccessKey answers GET, of SDKs of 2024 and before.
func (s *server) V1AccessKey(ctx context.Context, _ V1AccessKeyRequestObject) (V1AccessKeyResponseObject, error) {
	key, err := s.accessKey(ctx)
	return V1AccessKey200JSONResponse{key}, err
}

// V1PostAccessKey answers POST.
func (s *server) V1PostAccessKey(ctx context.Context, _ V1PostAccessKeyRequestObject) (V1PostAccessKeyResponseObject, error) {
	key, err := s.accessKey(ctx)
	return V1PostAccessKey200JSONResponse{key}, err
}
