package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	filterv1 "gatehouse.example/pluginspec/filter/v1"

	"gatehouse.example/gateway/filter"
)

func (b *builder) filters() {
	for _, name := range slices.Sorted(maps.Keys(b.raw.Filters)) {
		raw, at := b.raw.Filters[name], "filters."+name
		spec := filter.Spec{
			Name: name, SHA256: strings.ToLower(raw.SHA256), Grants: raw.Grants, Environment: raw.Environment,
		}
		spec.Module = b.module(at, &raw)
		spec.Limits = b.filterLimits(at+".limits", &raw.Limits)
		if raw.Config != nil {
			var err error
			if spec.Config, err = json.Marshal(raw.Config); err != nil {
				b.add(at+".config", "config: %w", err)
			}
		}
		var err error
		if spec.OnError, err = filter.ParseOnError(raw.OnError); err != nil {
			b.add(at+".on_error", "%w", err)
		}
		if spec.OnError == filter.Skip && spec.Authenticates() {
			b.add(at+".on_error", "on_error: skip is not allowed for filter %q, which authenticates (grants key or jwt): its failure would let anyone pass", name)
		}
		if digest, err := hex.DecodeString(spec.SHA256); err != nil || (len(digest) != 0 && len(digest) != 32) {
			b.add(at+".sha256", "sha256: want 64 hex digits")
		}
		for i, grant := range raw.Grants {
			if !slices.Contains(filterv1.Grants(), grant) {
				b.add(fmt.Sprintf("%s.grants[%d]", at, i), "grant %q is unknown; there are %s", grant, strings.Join(filterv1.Grants(), ", "))
			}
		}
		if raw.Signature != nil {
			spec.Signature = b.signature(at+".signature", raw.Signature)
		}
		b.surroundings(at, &raw, &spec)
		b.Filters = append(b.Filters, spec)
	}
}

func (b *builder) module(at string, raw *fileFilter) string {
	scheme, rest, ok := strings.Cut(raw.Module, ":")
	switch {
	case ok && scheme == "builtin" && rest != "":
		return raw.Module
	case ok && scheme == "file" && rest != "":
		return "file:" + b.path(rest)
	case ok && scheme == "https":
		if u, err := url.Parse(raw.Module); err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
			b.add(at+".module", "module %q: want an https URL without user and fragment", raw.Module)
		}
		if raw.SHA256 == "" {
			b.add(at+".module", "module %q comes from the network: pin it with sha256", raw.Module)
		}
		return raw.Module
	}
	b.add(at+".module", "module %q: want builtin:NAME, file:PATH or https://HOST/PATH", raw.Module)
	return raw.Module
}

func (b *builder) filterLimits(at string, raw *fileFilterLimits) filter.Limits {
	l := filter.Limits{
		Memory: int64(raw.Memory), Fuel: raw.Fuel, StartFuel: raw.StartFuel, CallDepth: raw.CallDepth,
		TableElements: raw.TableElements, ModuleBytes: int64(raw.Module), Instances: raw.Instances,
		Queue: raw.Queue, QueueTimeout: raw.QueueTimeout, HostTime: raw.HostTime,
		Body: int64(raw.Body), LogLines: raw.LogLines, KV: int64(raw.KV),
	}
	for _, n := range []int64{
		l.Memory, l.Fuel, l.StartFuel, int64(l.CallDepth), int64(l.TableElements), l.ModuleBytes, int64(l.Instances),
		int64(l.Queue), int64(l.QueueTimeout), int64(l.HostTime), l.Body, int64(l.LogLines), l.KV,
	} {
		if n < 0 {
			b.add(at, "limits must not be negative")
			break
		}
	}
	return l
}

func (b *builder) signature(at string, raw *fileSignature) *filter.Signature {
	s := &filter.Signature{}
	var err error
	if s.PublicKey, err = base64.StdEncoding.DecodeString(raw.PublicKey); err != nil || len(s.PublicKey) != ed25519.PublicKeySize {
		b.add(at+".public_key", "public_key: want the 32 bytes of an Ed25519 key in base64")
	}
	switch {
	case (raw.Value == "") == (raw.File == ""):
		b.add(at, "signature: want either value or file")
	case raw.Value != "":
		if s.Value, err = base64.StdEncoding.DecodeString(raw.Value); err != nil || len(s.Value) != ed25519.SignatureSize {
			b.add(at+".value", "value: want the 64 bytes of an Ed25519 signature in base64")
		}
	default:
		s.File = b.path(raw.File)
	}
	return s
}

// surroundings are what of the world outside the guest sees.
func (b *builder) surroundings(at string, raw *fileFilter, spec *filter.Spec) {
	for name := range raw.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(raw.Environment[name], "\x00") {
			b.add(at+".environment", "environment: want NAME: value")
		}
	}
	for guest, host := range raw.Directories {
		if !path.IsAbs(guest) || path.Clean(guest) != guest || host == "" {
			b.add(at+".directories", "directories: want /path/in/the/guest: folder, %q is not", guest)
			continue
		}
		if spec.Directories == nil {
			spec.Directories = map[string]string{}
		}
		spec.Directories[guest] = b.folder(host)
	}
	for i, text := range raw.HTTP.Allow {
		u, err := url.Parse(text)
		loopback := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
			(u.Scheme != "https" && (u.Scheme != "http" || !loopback)) {
			b.add(fmt.Sprintf("%s.http.allow[%d]", at, i), "allow %q: want https://HOST/PATH (http for the machine itself alone), without user, query and fragment", text)
		}
	}
	spec.HTTP = filter.HTTP{Allow: raw.HTTP.Allow}
	if len(raw.HTTP.Allow) > 0 && !slices.Contains(raw.Grants, filterv1.GrantHTTP) {
		b.add(at+".http", "http.allow without the grant http lets nobody call: add it under grants")
	}
}
