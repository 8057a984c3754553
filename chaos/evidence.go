package main

import (
	"bufio"
	"os"
	"strings"
)

const (
	// evidence are lines of a log that are shown with what went wrong.
	evidence = 6
	// maxLooks bounds how often logs are searched for them: with many clients they are long, and very much may have gone wrong.
	maxLooks = 200
)

// saw returns what the nodes have logged of a connection, the last lines of each.
func (s *stage) saw(id string) (text string) {
	if s.looked++; s.looked > maxLooks {
		return ""
	}
	for _, n := range s.cluster.nodes {
		for _, line := range n.linesWith(id) {
			text += "\n        " + n.name + ": " + line
		}
	}
	return text
}

// linesWith are the last lines of a node's log that have a text.
func (n *node) linesWith(text string) (lines []string) {
	log, err := os.Open(n.log())
	if err != nil {
		return nil
	}
	defer log.Close()
	all := bufio.NewScanner(log)
	all.Buffer(nil, 1<<20)
	for all.Scan() {
		if strings.Contains(all.Text(), text) {
			lines = append(lines, all.Text())
		}
	}
	return lines[max(0, len(lines)-evidence):]
}
