package bench

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcessesOfATreeAreAddedUp(t *testing.T) {
	one, err := sampleProcess(os.Getpid())
	require.NoError(t, err)
	all, err := sampleTree(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, all.CPU, one.CPU)
	require.Positive(t, all.Resident)

	r, w, err := os.Pipe()
	require.NoError(t, err)
	child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "cat"}, &os.ProcAttr{Files: []*os.File{r, nil, nil}})
	require.NoError(t, err)
	require.Contains(t, tree(os.Getpid()), child.Pid)
	require.NoError(t, w.Close())
	_, err = child.Wait()
	require.NoError(t, err)
	require.NotContains(t, tree(os.Getpid()), child.Pid)
}
