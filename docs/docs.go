// Package docs holds the documentation as files: the pages and their pictures. Package help shows them on the admin
// address, and site/ builds them into a site.
package docs

import "embed"

// Files are the pages (README.md is the list of all of them) and the pictures that they show.
//
//go:embed *.md recipes/*.md *.png *.svg
var Files embed.FS
