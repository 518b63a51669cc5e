package runtime

import (
	goruntime "runtime"
	"runtime/debug"
	"testing"

	"github.com/troupe-actors/troupe/policies/record"
)

func TestSoftwareIsNamed(t *testing.T) {
	on := ", go1.26.8 " + goruntime.GOOS + "/" + goruntime.GOARCH
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, c := range []struct {
		info debug.BuildInfo
		want record.Software
	}{
		{debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "(devel)"}}, record.Software{Release: "devel", Build: "an unknown source" + on}},
		{debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "(devel)"}, Settings: []debug.BuildSetting{commit}},
			record.Software{Release: "devel", Build: "0123456789ab" + on}},
		{debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "v0.2.0"}, Settings: []debug.BuildSetting{commit, changed}},
			record.Software{Release: "v0.2.0", Build: "0123456789ab changed" + on}},
		{debug.BuildInfo{Main: debug.Module{Path: "example.org/shop"}, Settings: []debug.BuildSetting{commit}, // the shop's commit
			Deps: []*debug.Module{{Path: "example.org/else", Sum: "h1:no="}, {Path: modulePath, Version: "v0.2.0", Sum: "h1:yes="}}},
			record.Software{Release: "v0.2.0", Build: "h1:yes=" + on}},
		{debug.BuildInfo{Main: debug.Module{Path: "example.org/shop"}, Deps: []*debug.Module{ // built from a fork
			{Path: modulePath, Version: "v0.2.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v0.2.1-shop", Sum: "h1:fork="}}}},
			record.Software{Release: "v0.2.1-shop", Build: "h1:fork=" + on}},
		{debug.BuildInfo{Main: debug.Module{Path: "example.org/shop"}, Settings: []debug.BuildSetting{commit}, // and from a folder
			Deps: []*debug.Module{{Path: modulePath, Version: "v0.2.0", Replace: &debug.Module{Path: "../troupe"}}}},
			record.Software{Release: "devel", Build: "the folder ../troupe" + on}},
	} {
		c.info.GoVersion = "go1.26.8"
		if got := softwareOf(&c.info); got != c.want {
			t.Errorf("%+v is %+v, want %+v", c.info, got, c.want)
		}
	}
	if own := Software(); own.Release != Version() || own.Build == "" {
		t.Errorf("this test calls itself %v", own)
	}
}
