package wal

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeFolder makes a folder and those above it, and syncs every folder that got a new entry: without that a crash may take
// the whole log away with its folder's name.
func makeFolder(fs vfs.FS, path string) error {
	var changed []string
	for at := path; ; {
		if _, err := fs.Stat(at); err == nil {
			break
		}
		above := fs.PathDir(at)
		changed = append(changed, above)
		if above == at || above == "." {
			break
		}
		at = above
	}
	if err := fs.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("wal: create the folder: %w", err)
	}
	for _, folder := range changed {
		if err := syncFolder(fs, folder); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(fs vfs.FS, path string) error {
	folder, err := fs.OpenDir(path)
	if err != nil {
		return fmt.Errorf("wal: open %s: %w", path, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("wal: sync %s: %w", path, err)
	}
	return nil
}
