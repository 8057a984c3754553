package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// beProgram is the variable with which the test's own binary is the program.
const beProgram = "BE_THE_PROGRAM_UNDER_TEST"

// startProcess runs the program in a process of its own, with these variables, and
// waits until it serves.
func startProcess(t *testing.T, args, env []string) *program {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &program{t: t, out: newOutput(), logs: newOutput(), ended: make(chan struct{}), settings: settingsOf(args)}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.out, p.logs, patience
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HUBGATE_") })
	cmd.Env = append(append(cmd.Env, beProgram+"=1"), env...)
	require.NoError(t, cmd.Start())
	p.cancel = func() { _ = cmd.Process.Signal(syscall.SIGTERM) } // it may have ended
	p.pid, p.kill = cmd.Process.Pid, func() { _ = cmd.Process.Kill() }
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // the exit code says it
		p.code = cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		p.cancel()
		<-p.ended
		if raced && strings.Contains(p.logs.String(), "DATA RACE") {
			t.Error(p.logs.String())
		}
	})
	p.awaitServing()
	return p
}

var servingLine = regexp.MustCompile(`msg"?[=:]"?serving.*url"?[=:]"?([^\s"]+).*admin"?[=:]"?([^\s"]*).*listen"?[=:]"?([^\s"]+)`)

// awaitServing reads from the log where the program serves.
func (p *program) awaitServing() {
	p.t.Helper()
	deadline := time.After(slowPatience)
	for {
		p.logs.mu.Lock()
		notify, have := p.logs.notify, p.logs.text.String()
		p.logs.mu.Unlock()
		if m := servingLine.FindStringSubmatch(have); m != nil && strings.HasSuffix(have, "\n") {
			p.URL, p.Admin, p.Address = m[1], m[2], m[3]
			return
		}
		select {
		case <-notify:
		case <-p.ended:
			return
		case <-deadline:
			require.Fail(p.t, "the process does not serve", p.logs)
		}
	}
}

// settingsOf is what the arguments say of settings.json.
func settingsOf(args []string) string {
	if i := slices.Index(args, "--settings"); i >= 0 {
		return args[i+1]
	}
	return ""
}
