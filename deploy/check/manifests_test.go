package check

import (
	"os"
	"path/filepath"
	"testing"
)

func TestManifests(t *testing.T) {
	files, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if objects, err := decode(f); err != nil || len(objects) == 0 {
			t.Errorf("%s: %d objects, %v", file, len(objects), err)
		}
	}
}
