package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/modules"
)

// How often native code that nobody needs is removed: first a while after the start, when the node knows the cluster state.
const (
	firstTidy  = time.Minute
	tidyPeriod = time.Hour
)

// tidyModules keeps the folder of native code as small as what the cluster has: modules that the state has forgotten, and those of the
// house of other releases, go. It is a cache, so that nothing can be removed too early but time: code that is in use is in memory, and
// a module that comes again is compiled again.
func (n *Node) tidyModules(ctx context.Context) {
	if n.engine == nil || n.config.Data == "" {
		return
	}
	timer := time.NewTimer(firstTidy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if s := n.state(); s.Cluster != "" { // between two lives nobody knows what there is
			removed, err := sweepModules(filepath.Join(n.config.Data, guestFolder), wantedModules(s))
			if err != nil {
				n.config.Logger.Warn("native code of modules that the cluster has no more could not be removed", "error", err)
			}
			if removed > 0 {
				n.config.Logger.Info("native code of modules that the cluster has no more is removed", "modules", removed)
			}
		}
		timer.Reset(tidyPeriod)
	}
}

// wantedModules are the digests of the modules of a state and of the house.
func wantedModules(s *cluster.State) map[string]bool {
	wanted := houseModules()
	for i := range s.Modules {
		wanted[string(s.Modules[i].Digest)] = true
	}
	return wanted
}

// houseModules are the digests of the modules that every node of this release has.
func houseModules() map[string]bool {
	digests := map[string]bool{}
	for _, m := range slices.Concat(modules.All(), modules.Scorers()) {
		digests[string(cluster.DigestOf(m.Binary))] = true
	}
	return digests
}

// engineFolder begins the names of folders of wazero's, one for each of its versions.
const engineFolder = "wazero-"

// sweepModules removes what a folder has for modules that are not wanted, and for other versions of wazero than the last that wrote;
// nothing that is not called as such folders are. It goes on after an error.
func sweepModules(folder string, wanted map[string]bool) (removed int, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		digest, foreign := hex.DecodeString(e.Name())
		switch isModule := foreign == nil && len(digest) == sha256.Size; {
		case !e.IsDir() || !isModule && !strings.HasPrefix(e.Name(), engineFolder):
		case wanted[e.Name()]:
			err = errors.Join(err, sweepVersions(path))
		default:
			gone := os.RemoveAll(path)
			if err = errors.Join(err, gone); gone == nil && isModule {
				removed++
			}
		}
	}
	return removed, err
}

// sweepVersions leaves of a module's folder what was written to last.
func sweepVersions(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	newest, at := "", time.Time{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.ModTime().After(at) {
			newest, at = e.Name(), info.ModTime()
		}
	}
	for _, e := range entries {
		if e.Name() != newest && strings.HasPrefix(e.Name(), engineFolder) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
		}
	}
	return err
}
