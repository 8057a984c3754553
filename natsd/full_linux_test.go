package natsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// A file system of eight megabytes, which this process mounts for itself.
const smallDisk = 8 << 20

func TestFullDisk(t *testing.T) {
	t.Parallel()
	attr := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	t.Run("F11 a full disk stops writes until there is room", func(t *testing.T) {
		runScript(t, "full disk", attr)
	})
}

// runScript runs a script in a process that is root of its own file systems.
func runScript(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childScript+"="+name)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	if strings.HasPrefix(string(out), "skipped") {
		t.Skip(string(out))
	}
}

// fullDisk is run by a process of its own, which may mount.
func fullDisk() error {
	dir, err := os.MkdirTemp("", "full")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", smallDisk+storeRoom)); err != nil {
		fmt.Println("skipped: no file system can be mounted here:", err)
		return nil
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	j := new(journal)
	e, err := Start(ctx, Options{Name: "a", DataDir: filepath.Join(dir, "store"), Log: slog.New(slog.NewTextHandler(j, nil))})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	if err := fillAndFree(ctx, e, filepath.Join(dir, "filler")); err != nil {
		return fmt.Errorf("%w\n%s", err, j)
	}
	return nil
}

func fillAndFree(ctx context.Context, e *Engine, filler string) error {
	kv, err := e.JetStream().CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "things"})
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, "x", []byte("kept")); err != nil {
		return err
	}
	if err := fill(filler); err != nil {
		return err
	}
	// What is written now fails, soon: there may be room in a block that is there already.
	refused := false
	for i := 0; i < 100 && !refused; i++ {
		short, cancel := context.WithTimeout(ctx, time.Second) // the server does not answer at all
		_, err := kv.Put(short, fmt.Sprint("k", i), []byte(strings.Repeat("y", 100_000)))
		cancel()
		refused = err != nil
	}
	if !refused {
		return errors.New("everything was written on a full disk")
	}
	if err := until(ctx, func() bool { return errors.Is(e.Ready(ctx), ErrNotReady) }); err != nil {
		return fmt.Errorf("the node says that it is ready: %w", err)
	}
	if e.Troubles()[TroubleStore] == 0 {
		return errors.New("the trouble was not counted")
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := until(ctx, func() bool { return e.Ready(ctx) == nil }); err != nil {
		return fmt.Errorf("the store does not work again: %w", err)
	}
	var entry jetstream.KeyValueEntry
	if waited := until(ctx, func() bool { // the store is there a moment before what it keeps answers
		entry, err = kv.Get(ctx, "x")
		return err == nil || errors.Is(err, jetstream.ErrKeyNotFound)
	}); waited != nil || err != nil || string(entry.Value()) != "kept" {
		return fmt.Errorf("what was there is lost: %w", err)
	}
	_, err = kv.Put(ctx, "y", []byte(strings.Repeat("y", 100_000)))
	return err
}

// fill writes a file until there is no room.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

func until(ctx context.Context, cond func() bool) error {
	for !cond() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(betweenLooks):
		}
	}
	return nil
}
