//go:build troupe_untraced

package tracing

const hooks = false
