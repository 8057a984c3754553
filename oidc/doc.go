// Package oidc knows the issuers of OpenID Connect whose tokens the gateway accepts: where their keys
// are, which of them sign now, and what the claims of their tokens allow. It verifies nothing itself:
// package auth does, and asks it for keys and rights (auth.Issuers).
//
// The keys of an issuer are read in the background, at the start, again and again after
// Config.RefreshInterval, and once more when a token names a key that is not known. While the issuer
// cannot be reached, the last keys stay in force.
package oidc
