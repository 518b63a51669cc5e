# Each target is a check of .ci/run, where the commands stand. The test command is only `go test work`.
targets = peers format vet lint build test seeds race fuzz examples bench

.PHONY: ci $(targets)

ci:
	.ci/run

$(targets):
	.ci/run $@
