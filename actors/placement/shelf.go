package placement

import (
	"sync"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// shelf keeps what this node has compiled: the modules of the state, by digest, and those of the house. A volume whose module
// the state has forgotten goes once no mind holds it. Its methods may be called concurrently.
type shelf struct {
	mu      sync.Mutex
	volumes map[cluster.Digest]*volume
	house   []*hosted.Version
	edition uint64 // raised when there is another volume, or house
}

// volume is a module as this node has it.
type volume struct {
	version *hosted.Version // nil: it cannot be run here
	problem string          // why
	held    int             // by minds
	gone    bool
}

// put adds what came of compiling a module.
func (s *shelf) put(digest cluster.Digest, version *hosted.Version, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.volumes == nil {
		s.volumes = map[cluster.Digest]*volume{}
	}
	s.volumes[digest] = &volume{version: version, problem: problem}
	s.edition++
}

// furnish gives the policies of the house.
func (s *shelf) furnish(house []*hosted.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.house = house
	s.edition++
}

// tried says whether a module was compiled here, and what came of it.
func (s *shelf) tried(digest cluster.Digest) (problem string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.volumes[digest]
	if v == nil || v.gone {
		return "", false
	}
	return v.problem, true
}

// now is the edition and the policies of the house.
func (s *shelf) now() (edition uint64, house []*hosted.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.edition, s.house
}

// take gives a volume to a mind, which gives it back; nil if it is not there.
func (s *shelf) take(digest cluster.Digest) *volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.volumes[digest]
	if v == nil || v.gone {
		return nil
	}
	v.held++
	return v
}

func (s *shelf) giveBack(v *volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.held--
	v.free()
}

// keep drops what is not in a state any more.
func (s *shelf) keep(state *cluster.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for digest, v := range s.volumes {
		if state.Module(digest) == nil {
			v.gone = true
			v.free()
			delete(s.volumes, digest)
		}
	}
}

// empty drops everything, at the end: no mind is left.
func (s *shelf) empty() {
	s.keep(&cluster.State{})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.house {
		_ = v.Close() // of a program that ends
	}
	s.house = nil
}

func (v *volume) free() {
	if v.gone && v.held == 0 && v.version != nil {
		_ = v.version.Close() // nobody asks it any more, and there is nothing to do about it
		v.version = nil
	}
}
