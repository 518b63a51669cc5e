package runtime

import "github.com/troupe-actors/troupe/runtime/admin"

// Cluster is what the API says about the cluster; nil for a node alone.
func (a api) Cluster() admin.Cluster { return nil }
