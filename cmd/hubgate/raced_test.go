//go:build race

package main

const raced = true

// sideBySide is how many tests run side by side. With the race detector they work more than they wait.
const sideBySide = 6
