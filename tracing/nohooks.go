//go:build troupe_untraced

package tracing

// hooks says that messages cannot be traced: see hooks.go.
const hooks = false
