package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/fixture"
)

// fixturesIn lists the fixtures that the command line means.
func fixturesIn(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	return filesIn(args, "no fixtures (*.yaml) in %s; troupe policy test --help shows one", "*.yaml", "*.yml")
}

// filesIn lists files, and of folders what is in them and has a name of these patterns, sorted. none says where there is nothing of the kind.
func filesIn(places []string, none string, patterns ...string) (files []string, err error) {
	for _, path := range places {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		var within []string
		for _, pattern := range patterns {
			found, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return nil, err
			}
			within = append(within, found...)
		}
		if len(within) == 0 {
			return nil, &failure{exitNotFound, fmt.Errorf(none, path)}
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
