package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// behaviour is the variable by which this test's own binary stands for a gateway.
const behaviour = "BEHAVE_AS_A_GATEWAY"

func TestMain(m *testing.M) {
	how := os.Getenv(behaviour)
	if how == "" {
		os.Exit(m.Run())
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Fprintf(os.Stderr, "level=INFO msg=starting mode=%s\n", os.Getenv("HUBGATE_MODE"))
	if how == "fails" {
		fmt.Fprint(os.Stderr, "no such option")
		os.Exit(80)
	}
	fmt.Fprintln(os.Stderr, `level=INFO msg=serving url=http://127.0.0.1:1234 admin=http://127.0.0.1:5678 version=1`)
	<-asked
	fmt.Fprintln(os.Stderr, "level=INFO msg=ended")
	if how == "ends badly" {
		os.Exit(1)
	}
}

func itself(t *testing.T, how string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return Command(self, []string{"serve"}, append(env, behaviour+"="+how))
}

func TestAGatewayServesAndEnds(t *testing.T) {
	t.Setenv("HUBGATE_MODE", "of this process")
	var lines []string
	g, err := Start(t.Context(), itself(t, "serves", "HUBGATE_ACCESS_KEY=k"), func(line string) { lines = append(lines, line) })
	require.NoError(t, err)
	require.Equal(t, Where{"http://127.0.0.1:1234", "http://127.0.0.1:5678"}, g.Where)
	require.NotEqual(t, os.Getpid(), g.PID())
	require.NoError(t, g.Stop())
	require.NoError(t, g.Stop(), "once more")
	require.Len(t, lines, 3)
	require.Equal(t, strings.Join(lines, ""), g.Log())
	require.Equal(t, "level=INFO msg=starting mode=\n", lines[0], "it has not the variables of this process for gateways")
}

func TestAGatewayThatDoesNotServe(t *testing.T) {
	_, err := Start(t.Context(), itself(t, "fails"), nil)
	require.ErrorContains(t, err, "exit status 80")
	require.ErrorContains(t, err, "no such option", "also a line without an end")
}

func TestTheEndIsTold(t *testing.T) {
	g, err := Start(t.Context(), itself(t, "ends badly"), nil)
	require.NoError(t, err)
	require.ErrorContains(t, g.Stop(), "exit status 1")

	g, err = Start(t.Context(), itself(t, "serves"), nil)
	require.NoError(t, err)
	g.Kill()
	require.ErrorContains(t, g.Stop(), "killed")
}

func TestProgram(t *testing.T) {
	t.Setenv("HUBGATE_BIN", "/opt/hubgate")
	program, err := Program(t.Context(), ".", t.TempDir())
	require.NoError(t, err)
	require.Equal(t, "/opt/hubgate", program)
	_, err = Build(t.Context(), "..", t.TempDir(), "nothing")
	require.ErrorContains(t, err, "go build nothing")
}

func TestField(t *testing.T) {
	for name, want := range map[string]string{"url": "http://a", "b": "c", "none": ""} {
		require.Equal(t, want, Field("msg=serving url=http://a b=c\n", name))
	}
}
