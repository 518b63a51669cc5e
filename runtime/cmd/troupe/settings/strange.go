package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// others are variables of the command that are no settings of a node.
var others = []string{"TROUPE_ADDR", "TROUPE_CA", "TROUPE_CONFIG"}

// foreign are the variables that Kubernetes sets in every pod for a service of which the name begins with "troupe".
var foreign = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// Strange says of each variable that begins like a setting's, and is none, what was probably meant. They are no errors: a name may be another
// program's. Values are not looked at.
func Strange(variables []string) (sentences []string) {
	known := slices.Clone(others)
	for _, s := range All {
		known = append(known, s.Variable())
	}
	for _, name := range slices.Sorted(slices.Values(variables)) {
		if !strings.HasPrefix(name, "TROUPE_") || slices.Contains(known, name) || foreign.MatchString(name) {
			continue
		}
		sentence := name + " is no setting, and is not looked at"
		if best := nearest(name, known); best != "" {
			sentence = fmt.Sprintf("%s; did you mean %s?", sentence, best)
		}
		sentences = append(sentences, sentence)
	}
	return sentences
}

// nearest is the name that is at most two changes away, and of several the one with the fewest; empty: none.
func nearest(name string, known []string) (best string) {
	distance := 3
	for _, k := range known {
		if d := editDistance(name, strings.ToLower(strings.ReplaceAll(k, "_", "-"))); d < distance {
			best, distance = k, d
		}
	}
	return best
}
