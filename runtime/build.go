package runtime

import (
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/troupe-actors/troupe/policies/record"
)

// modulePath is that of Troupe, whoever's program it is in.
const modulePath = "github.com/troupe-actors/troupe"

// Version is the version of Troupe in this program, as in "v0.1.0" or "devel".
func Version() string { return Software().Release }

// Software says what Troupe in this program was made from: what recorded plans are signed with.
func Software() record.Software { return software() }

// software is read once: a program's description of itself is text, and each look at a node's figures asks for the version.
var software = sync.OnceValue(func() record.Software {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return softwareOf(info)
})

// softwareOf reads a program's own description. Its parts, as far as they are known:
//
//	0123456789ab changed, go1.26.8 linux/amd64     the commit of the checkout, and that there was more in it than was committed
//	h1:9kLw…=, go1.26.8 linux/amd64                the sum of the module, in another's program
//	the folder ../troupe, go1.26.8 linux/amd64     what another's go.mod puts in its place, which has no version: "devel"
func softwareOf(info *debug.BuildInfo) record.Software {
	by := record.Software{Release: "devel"}
	source := "an unknown source"
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path != modulePath {
			continue
		}
		used := m
		if m.Replace != nil {
			used = m.Replace // which has the version and the sum, unless it is a folder
		}
		if used.Version != "" && used.Version != "(devel)" {
			by.Release = used.Version
		}
		switch {
		case used.Sum != "":
			source = used.Sum
		case used != m:
			source = "the folder " + used.Path
		case m == &info.Main:
			source = commitOf(info, source)
		}
	}
	by.Build = source + ", " + strings.TrimSpace(info.GoVersion+" "+goruntime.GOOS+"/"+goruntime.GOARCH)
	return by
}

// commitOf is the commit of the checkout that the main module was built in; otherwise where that is not noted.
func commitOf(info *debug.BuildInfo, otherwise string) string {
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " changed"
		}
	}
	if commit == "" {
		return otherwise
	}
	return commit + changed
}
