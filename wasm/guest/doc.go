// Package guest holds what authors of policies write with: an SDK for each of four languages, each of them a file or two to
// copy into a project, and the scaffold that puts them there with a rule, its manifest and its tests.
//
//	language         SDK                        built by
//	C                c/troupe.h                 clang --target=wasm32
//	Rust             rust/troupe.rs             rustc --target wasm32-unknown-unknown, or cargo
//	AssemblyScript   assemblyscript/troupe.ts   asc
//	Go               go/                        GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
//
// All four speak version 1 of package abi and have the same words: a column is a function of its name, a rule says a verdict
// about a node with a reason code, an explanation writes the sentence.
package guest
