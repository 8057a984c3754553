//go:build !race

package main

const raced = false

// sideBySide is how many tests run side by side. Most of them wait.
const sideBySide = 10
