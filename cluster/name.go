package cluster

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/minio/highwayhash"

	"github.com/hubgate/hubgate/gateway"
)

// NameKind, Name and the kinds are those of the core.
type (
	NameKind = gateway.NameKind
	Name     = gateway.Name
)

const (
	NameHub        = gateway.NameHub
	NameGroup      = gateway.NameGroup
	NameUser       = gateway.NameUser
	NameConnection = gateway.NameConnection
)

// keys are made of the cluster's secret. Each has one purpose.
type keys struct {
	// proofs are of the secret and of the one before, if there is one.
	proofs [][]byte
	filter [32]byte
	// filterID names the filter key to others.
	filterID uint64
}

const helloPurpose = "hubgate cluster: hello"

// newKeys makes the keys of a secret. Filters are keyed with it alone: a node whose filter is of
// another key gets everything.
func newKeys(secret, previous []byte) (k keys, err error) {
	filter, err1 := hkdf.Key(sha256.New, secret, nil, "hubgate cluster: filter", len(k.filter))
	id, err2 := hkdf.Key(sha256.New, secret, nil, "hubgate cluster: name of the filter key", 8)
	proof, err3 := hkdf.Key(sha256.New, secret, nil, helloPurpose, sha256.Size)
	if err := errors.Join(err1, err2, err3); err != nil {
		return keys{}, fmt.Errorf("cluster: keys from the secret: %w", err)
	}
	k.proofs, k.filterID = [][]byte{proof}, binary.BigEndian.Uint64(id)
	copy(k.filter[:], filter)
	if len(previous) > 0 {
		before, err := hkdf.Key(sha256.New, previous, nil, helloPurpose, sha256.Size)
		if err != nil {
			return keys{}, fmt.Errorf("cluster: keys from the previous secret: %w", err)
		}
		k.proofs = append(k.proofs, before)
	}
	return k, nil
}

// hash is what a filter knows of a name. It is keyed, so that nobody can choose names that share
// their bits.
func (k *keys) hash(kind NameKind, hub, name string) uint64 {
	var room [256]byte
	b := append(room[:0], byte(kind))
	b = append(appendText(b, hub), name...)
	return highwayhash.Sum64(b, k.filter[:])
}
