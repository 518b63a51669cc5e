package tracing

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
)

// delivery looks at the variables that the exporters of OpenTelemetry read by themselves. What these do not understand they pass over, with a line on the
// standard error at most, which is not the log of a node: a certificate that is not there is missed when nothing arrives.
func (v environment) delivery() {
	for _, name := range both("TIMEOUT") {
		if _, err := strconv.Atoi(strings.TrimSpace(v.get(name))); err != nil && v.get(name) != "" {
			v.ignore(name, v.get(name), "a number of milliseconds")
		}
	}
	for _, name := range both("COMPRESSION") {
		if text := strings.TrimSpace(v.get(name)); text != "" && text != "gzip" && text != "none" {
			v.ignore(name, text, "gzip or none, which is taken")
		}
	}
	for _, name := range both("HEADERS") {
		v.headers(name)
	}
	for _, name := range both("CERTIFICATE") {
		if file := strings.TrimSpace(v.get(name)); file != "" {
			v.unusable(name, file, authority(file))
		}
	}
	certificates, keys := both("CLIENT_CERTIFICATE"), both("CLIENT_KEY")
	for i, name := range certificates {
		certificate, key := strings.TrimSpace(v.get(name)), strings.TrimSpace(v.get(keys[i]))
		switch {
		case certificate == "" && key == "":
		case certificate == "" || key == "":
			v.warn(fmt.Errorf("tracing: of %s and %s only one is set: it is ignored", name, keys[i]))
		default:
			_, err := tls.LoadX509KeyPair(certificate, key)
			v.unusable(name, certificate, err)
		}
	}
}

// both are the variables of an option: for everything, and for traces.
func both(option string) [2]string {
	return [2]string{"OTEL_EXPORTER_OTLP_" + option, "OTEL_EXPORTER_OTLP_TRACES_" + option}
}

// headers are secrets often: no value is told.
func (v environment) headers(name string) {
	text := strings.TrimSpace(v.get(name))
	if text == "" {
		return
	}
	for i, pair := range strings.Split(text, ",") {
		key, value, cut := strings.Cut(pair, "=")
		_, err := url.PathUnescape(value)
		if key = strings.TrimSpace(key); !cut || key == "" || strings.ContainsAny(key, " \t\"(),/:;<=>?@[\\]{}") || err != nil {
			v.warn(fmt.Errorf("tracing: part %d of %s is ignored; here it is a list as in api-key=secret,x-tenant=shop, with spaces as %%20 and commas as %%2C", i+1, name))
		}
	}
}

func (v environment) unusable(name, file string, err error) {
	if err != nil {
		v.warn(fmt.Errorf("tracing: %s is %q and is ignored: %w", name, file, err))
	}
}

// authority says what is wrong with a file that has the certificates to trust: it is read as a certificate with its key, of which the first is looked for
// before the other is missed.
func authority(file string) error {
	_, err := tls.LoadX509KeyPair(file, file)
	if unread := new(fs.PathError); errors.As(err, &unread) || err != nil && strings.Contains(err.Error(), "certificate input") {
		return err
	}
	return nil
}
