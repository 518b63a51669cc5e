// Package integration tests the troupe binary from outside: real processes, real Redis clients, kills, full disks and bad
// input. It is a module of its own so that an embedder's go.sum carries no test peers; go.work joins it to the root.
//
// arch_test.go holds the whole repository to the table of layers and to the house rules, one reason per ban.
package integration
