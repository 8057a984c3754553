package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// SealerKeyBytes is the length of a sealing key.
const SealerKeyBytes = 32

// maxSealedID bounds the connection ids that are sealed and opened, in bytes.
const maxSealedID = 128

// ErrNotOurs is the error for a connection token that this key did not seal, or
// sealed for another hub or user.
var ErrNotOurs = errors.New("connection token is not ours")

// Sealer makes and opens connection tokens (D15). Negotiation keeps no state:
// the token says which connection id it stands for and until when it may create
// the connection, and opens only for the hub and user it was made for. All
// methods may be called concurrently.
//
// One key should seal no more than 2^32 tokens: nonces are 96 random bits.
type Sealer struct {
	keys atomic.Pointer[[]sealingKey]
}

// sealingKey is what is made of one key.
type sealingKey struct {
	aead cipher.AEAD
	// mac is the key of the marks in ids of version 0.
	mac []byte
}

// NewSealer returns a Sealer for keys of 32 bytes, at least one. The first one
// seals, all of them open. Nodes that share their keys open each other's tokens.
// A key is neither an access key nor ever sent to anybody outside the gateway's
// own nodes.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	s := new(Sealer)
	if err := s.Use(keys...); err != nil {
		return nil, err
	}
	return s, nil
}

// Use replaces the keys, as NewSealer takes them. To replace a key without an
// interruption, every node must open with the new key before any seals with it.
// After an error the keys stay as they were.
func (s *Sealer) Use(keys ...[]byte) error {
	if len(keys) == 0 {
		return errors.New("no sealing key")
	}
	made := make([]sealingKey, len(keys))
	for i, key := range keys {
		one, err := newSealingKey(key)
		if err != nil {
			return err
		}
		made[i] = *one
	}
	s.keys.Store(&made)
	return nil
}

func newSealingKey(key []byte) (*sealingKey, error) {
	if len(key) != SealerKeyBytes {
		return nil, fmt.Errorf("sealing key has %d bytes, want %d", len(key), SealerKeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, key, nil, "hubgate ids of version 0", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	return &sealingKey{aead: aead, mac: mac}, nil
}

// NewSealerKey returns a random key for NewSealer.
func NewSealerKey() []byte {
	key := make([]byte, SealerKeyBytes)
	_, _ = rand.Read(key) // Never fails: it ends the process instead.
	return key
}

// Seal returns the connection token for an id of at most 128 bytes, in
// base64url without padding. The hub's letter case does not matter; user is ""
// for anonymous clients. Expiry is kept in whole seconds.
func (s *Sealer) Seal(id string, expires time.Time, hub, user string) string {
	return s.SealToken(ConnectionToken{ID: id, Expires: expires}, hub, user)
}

// ConnectionToken is what a connection token says.
type ConnectionToken struct {
	// ID is the connection id.
	ID string
	// Expires is until when the token may create the connection, in whole seconds.
	Expires time.Time
	// Stateful: the client was granted stateful reconnect.
	Stateful bool
}

// sealedStateful is the bit of ConnectionToken.Stateful, above all seconds until the year 2514. With it a
// token is as long as without.
const sealedStateful = 1 << 34

// SealToken is Seal for everything that a token can say.
func (s *Sealer) SealToken(t ConnectionToken, hub, user string) string {
	head := uint64(min(max(0, t.Expires.Unix()), sealedStateful-1))
	if t.Stateful {
		head |= sealedStateful
	}
	plain := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+len(t.ID)), head)
	plain = append(plain, t.ID...)
	sealed := (*s.keys.Load())[0].aead.Seal(nil, nil, plain, boundTo(hub, user))
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// Open returns what a token stands for. The only error is ErrNotOurs. Whether
// the token has expired is for the caller to say: it matters only when the
// connection does not exist yet.
func (s *Sealer) Open(token, hub, user string) (id string, expires time.Time, err error) {
	t, err := s.OpenToken(token, hub, user)
	return t.ID, t.Expires, err
}

// OpenToken is Open for everything that a token says.
func (s *Sealer) OpenToken(token, hub, user string) (t ConnectionToken, err error) {
	keys := *s.keys.Load()
	longest := keys[0].aead.Overhead() + binary.MaxVarintLen64 + maxSealedID
	if len(token) > base64.RawURLEncoding.EncodedLen(longest) || strings.ContainsAny(token, "\r\n") {
		return t, ErrNotOurs
	}
	// A token has one spelling: Strict refuses stray bits, but skips line ends.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return t, ErrNotOurs
	}
	var plain []byte
	for _, key := range keys {
		if plain, err = key.aead.Open(nil, nil, sealed, boundTo(hub, user)); err == nil {
			break
		}
	}
	if err != nil {
		return t, ErrNotOurs
	}
	head, n := binary.Uvarint(plain)
	if n <= 0 || head >= 2*sealedStateful {
		return t, ErrNotOurs
	}
	return ConnectionToken{
		ID: string(plain[n:]), Expires: time.Unix(int64(head&^sealedStateful), 0), Stateful: head&sealedStateful != 0,
	}, nil
}

// NewMarkedID returns a connection id for negotiations of version 0, in which the
// public id is all that a client gets: an id as of NewConnectionID, then a mark
// that says until when it may create the connection and holds for its hub and
// user only. So nobody has to remember the ids that were given out. Other
// arguments are those of Seal.
func (s *Sealer) NewMarkedID(node string, expires time.Time, hub, user string) string {
	return s.Mark(NewConnectionID(node), expires, hub, user)
}

// Mark is NewMarkedID for an id that there is already.
func (s *Sealer) Mark(id string, expires time.Time, hub, user string) string {
	return id + (*s.keys.Load())[0].mark(id, uint32(max(0, min(expires.Unix(), math.MaxUint32))), hub, user)
}

// OpenMarked returns until when an id of NewMarkedID may create the connection.
// The only error is ErrNotOurs.
func (s *Sealer) OpenMarked(marked, hub, user string) (expires time.Time, err error) {
	if len(marked) < markLength+randomIDLength || len(marked) > markLength+randomIDLength+maxNodeTag {
		return time.Time{}, ErrNotOurs
	}
	id, mark := marked[:len(marked)-markLength], marked[len(marked)-markLength:]
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(mark)
	if err != nil || len(decoded) != markBytes || strings.ContainsAny(mark, "\r\n") {
		return time.Time{}, ErrNotOurs
	}
	until := binary.BigEndian.Uint32(decoded)
	for _, key := range *s.keys.Load() {
		if subtle.ConstantTimeCompare([]byte(mark), []byte(key.mark(id, until, hub, user))) == 1 {
			return time.Unix(int64(until), 0), nil
		}
	}
	return time.Time{}, ErrNotOurs
}

// A mark is the second of expiry and a truncated HMAC-SHA256, in base64url.
const (
	markBytes  = 4 + 17
	markLength = markBytes * 4 / 3
)

func (k *sealingKey) mark(id string, until uint32, hub, user string) string {
	seconds := binary.BigEndian.AppendUint32(nil, until)
	mac := hmac.New(sha256.New, k.mac)
	mac.Write(seconds)
	mac.Write(binary.AppendUvarint(nil, uint64(len(id))))
	mac.Write([]byte(id))
	mac.Write(boundTo(hub, user))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(seconds)[:markBytes])
}

// boundTo is the associated data. The length of the hub keeps hub and user apart.
func boundTo(hub, user string) []byte {
	hub = strings.ToLower(hub)
	data := make([]byte, 0, binary.MaxVarintLen64+len(hub)+len(user))
	data = binary.AppendUvarint(data, uint64(len(hub)))
	data = append(data, hub...)
	return append(data, user...)
}
