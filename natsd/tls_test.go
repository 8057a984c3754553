package natsd

import (
	"crypto/tls"
	"encoding/hex"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func identityOf(t *testing.T, s, previous secret.Text, now func() time.Time) *identity {
	t.Helper()
	i, err := newIdentity("n", s, previous, now)
	require.NoError(t, err)
	return i
}

// handshake joins two ends and returns what each of them says.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer raw.Close()
		conn := tls.Server(raw, server)
		if err = conn.Handshake(); err == nil {
			_, err = conn.Write([]byte("x"))
		}
		done <- err
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	conn := tls.Client(raw, client)
	clientErr = conn.Handshake()
	if clientErr == nil {
		// With TLS 1.3 a client hears of its refusal when it reads.
		_, clientErr = conn.Read(make([]byte, 1))
	}
	raw.Close()
	return <-done, clientErr
}

func TestIdentities(t *testing.T) {
	same := identityOf(t, theSecret, "", time.Now).config()
	t.Run("nodes with one secret know each other", func(t *testing.T) {
		serverErr, clientErr := handshake(t, same, identityOf(t, theSecret, "", time.Now).config())
		require.NoError(t, serverErr)
		require.NoError(t, clientErr)
	})
	t.Run("N50 nodes with two secrets do not", func(t *testing.T) {
		_, clientErr := handshake(t, same, identityOf(t, otherSecret, "", time.Now).config())
		require.Error(t, clientErr)
		half := identityOf(t, otherSecret, "", time.Now).config()
		half.RootCAs = same.RootCAs // takes anybody for its server, and is refused by it
		serverErr, _ := handshake(t, same, half)
		require.ErrorContains(t, serverErr, "unknown authority")
	})
	t.Run("N50 nobody comes in without a certificate", func(t *testing.T) {
		serverErr, _ := handshake(t, same, &tls.Config{InsecureSkipVerify: true})
		require.ErrorContains(t, serverErr, "certificate")
	})
	t.Run("N50 an expired certificate is refused", func(t *testing.T) {
		past := identityOf(t, theSecret, "", func() time.Time { return time.Now().Add(-2 * certificateLife) }).config()
		past.Time = nil // its clock was wrong only when the certificate was made
		serverErr, _ := handshake(t, same, past)
		require.ErrorContains(t, serverErr, "expired")
	})
	t.Run("clocks may differ by an hour", func(t *testing.T) {
		for _, by := range []time.Duration{-clockSkew + time.Minute, clockSkew - time.Minute} {
			late := identityOf(t, theSecret, "", func() time.Time { return time.Now().Add(by) }).config()
			serverErr, clientErr := handshake(t, same, late)
			require.NoError(t, serverErr)
			require.NoError(t, clientErr)
		}
	})
}

func TestRotationOfIdentities(t *testing.T) {
	steps := []struct{ now, previous secret.Text }{
		{theSecret, ""}, {otherSecret, theSecret}, {otherSecret, ""},
	}
	// A node at one step meets nodes at the same step and the next.
	for i, from := range steps {
		for j, to := range steps {
			a := identityOf(t, from.now, from.previous, time.Now).config()
			b := identityOf(t, to.now, to.previous, time.Now).config()
			serverErr, clientErr := handshake(t, a, b)
			if max(i, j)-min(i, j) <= 1 {
				require.NoError(t, serverErr, "step %d, dialled by step %d", i, j)
				require.NoError(t, clientErr, "step %d, dialled by step %d", i, j)
			} else {
				require.Error(t, clientErr)
			}
		}
	}
}

func TestCertificatesAreRenewed(t *testing.T) {
	var offset atomic.Int64
	start := time.Now()
	i := identityOf(t, theSecret, "", func() time.Time { return start.Add(time.Duration(offset.Load())) })
	first, err := i.certificate()
	require.NoError(t, err)
	require.WithinDuration(t, start.Add(certificateLife), first.Leaf.NotAfter, time.Second)

	offset.Store(int64(certificateLife - renewBefore - time.Minute))
	again, err := i.certificate()
	require.NoError(t, err)
	require.Same(t, first, again)

	offset.Store(int64(certificateLife - renewBefore + time.Minute))
	second, err := i.certificate()
	require.NoError(t, err)
	require.NotEqual(t, first.Leaf.SerialNumber, second.Leaf.SerialNumber)

	offset.Store(-int64(2 * certificateLife)) // the clock was wrong, and was set back
	third, err := i.certificate()
	require.NoError(t, err)
	require.True(t, third.Leaf.NotAfter.Before(start))
}
