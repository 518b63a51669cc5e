package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/fixture"
)

// fixturesIn lists the fixtures that the command line means.
func fixturesIn(args []string) (files []string, err error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, path := range args {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		var within []string
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			found, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return nil, err
			}
			within = append(within, found...)
		}
		if len(within) == 0 {
			return nil, &failure{exitNotFound, fmt.Errorf("no fixtures (*.yaml) in %s; troupe policy test --help shows one", path)}
		}
		slices.Sort(within)
		files = append(files, within...)
	}
	return files, nil
}

// readFixture reads a fixture, and makes its cluster.
func readFixture(path string) (*fixture.File, *fixture.World, error) {
	f, err := fixture.Read(path)
	if err != nil {
		return nil, nil, &failure{exitUsage, err}
	}
	w, err := f.World()
	if err != nil {
		return nil, nil, &failure{exitUsage, err}
	}
	return f, w, nil
}
