//go:build !troupe_untraced

package tracing

// hooks says that messages can be traced. A build with the tag troupe_untraced has none, for comparison: integration/bench/tracing.
const hooks = true
