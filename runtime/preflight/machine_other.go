//go:build !linux && !darwin

package preflight

import (
	"errors"
	"os"
)

var errUnknown = errors.New("this operating system is not asked")

func dataSync(file *os.File) error { return file.Sync() }

func freeSpace(string) (int64, error) { return 0, errUnknown }

func fileLimit() (int64, error) { return 0, errUnknown }

func availableMemory() (int64, error) { return 0, errUnknown }

func hugePageMode() (mode string, known bool) { return "", false }

func kernelVersion() string { return "" }
