package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// nextChanges are what the next version of the gateway does otherwise, by file: it speaks a higher version of the
// protocol between nodes too, and says things that this one does not know. What is replaced has to be there.
var nextChanges = map[string][2]string{
	"cluster/packet.go": {"var ourVersions = versions{1, 1}", "var ourVersions = versions{1, 2}"},
	"cluster/load.go":   {"\tp.push(frameLoad, body)\n", "\tp.push(frameLoad, body)\n\tp.push(frameIgnorable|0x3f, []byte(\"what nobody knows yet\"))\n"},
}

// buildNext builds the next version of the gateway from this tree.
func (m *machine) buildNext(ctx context.Context) (string, error) {
	replace := make(map[string]string)
	for file, change := range nextChanges {
		text, err := os.ReadFile(filepath.Join(m.root, file))
		if err != nil {
			return "", err
		}
		if bytes.Count(text, []byte(change[0])) != 1 {
			return "", fmt.Errorf("%s has not one %q any more: say in chaos/versions.go what the next version changes", file, change[0])
		}
		changed := filepath.Join(m.dir, "next-"+filepath.Base(file))
		if err := os.WriteFile(changed, bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(m.root, file)] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(m.dir, "next.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	return m.build(ctx, "hubgate-next", "./cmd/hubgate", "-overlay", overlay, "-ldflags", "-X main.release=v99.1.0")
}

// versions brings the nodes to another version one by one, and back. Unlike versions are one gateway: nothing is
// lost, and what a node does not know it counts and passes over.
func versions(ctx context.Context, s *stage) error {
	next, err := s.machine.buildNext(ctx)
	if err != nil {
		return err
	}
	now := s.machine.hubgate
	for _, binary := range []string{next, now} {
		for _, n := range s.cluster.nodes {
			f := s.fault("another version of "+n.name, nothing)
			if err := n.stop(drainTime); err != nil {
				return err
			}
			n.files.binary = binary
			if err := s.restart(ctx, n); err != nil {
				return err
			}
			f.over()
			if err := errors.Join(s.flow(ctx, 2), s.unlike(ctx)); err != nil {
				return err
			}
		}
	}
	return s.flow(ctx, 2)
}

// unlike looks at what the nodes say of each other's versions and of what they did not know.
func (s *stage) unlike(ctx context.Context) error {
	versions := make(map[string]int)
	ignored, older := 0.0, 0
	for _, n := range s.cluster.nodes {
		m, err := n.metrics(ctx)
		if err != nil {
			return err
		}
		ignored += m.sum("hubgate_cluster_odd_packets_total", `kind="Ignored"`)
		if malformed := m.sum("hubgate_cluster_odd_packets_total", `kind="Malformed"`); malformed > 0 {
			s.checker.violate("versions", fmt.Sprintf("%s has got %v malformed packets", n.name, malformed))
		}
		if n.files.binary == s.machine.hubgate {
			older++
		}
		for line := range m {
			if name, _, _ := bytes.Cut([]byte(line), []byte("{")); string(name) == "hubgate_build_info" {
				versions[line]++
			}
		}
	}
	if want := min(older, len(s.cluster.nodes)-older, 1) + 1; len(versions) != want {
		s.checker.violate("versions", fmt.Sprintf("there are %d versions and not %d: %v", len(versions), want, versions))
	}
	if older > 0 && older < len(s.cluster.nodes) && ignored == 0 {
		s.checker.violate("versions", "no node has passed over what it does not know")
	}
	s.report.note("%d nodes of the present version, %d of the next one: %v messages were passed over", older, len(s.cluster.nodes)-older, ignored)
	return nil
}
