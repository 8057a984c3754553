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
	proof  []byte
	filter [32]byte
	// filterID names the filter key to others.
	filterID uint64
}

func newKeys(secret []byte) (k keys, err error) {
	filter, err1 := hkdf.Key(sha256.New, secret, nil, "hubgate cluster: filter", len(k.filter))
	id, err2 := hkdf.Key(sha256.New, secret, nil, "hubgate cluster: name of the filter key", 8)
	proof, err3 := hkdf.Key(sha256.New, secret, nil, "hubgate cluster: hello", sha256.Size)
	if err := errors.Join(err1, err2, err3); err != nil {
		return keys{}, fmt.Errorf("cluster: keys from the secret: %w", err)
	}
	k.proof, k.filterID = proof, binary.BigEndian.Uint64(id)
	copy(k.filter[:], filter)
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
