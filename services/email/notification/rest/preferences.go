package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse.example/internal/jsonhttp"
	"gatehouse.example/internal/problem"
	"gatehouse.example/services/email/notification"
)

// choiceWire is one category. Locked ones can't be switched off.
type choiceWire struct {
	Email  bool `json:"email"`
	InApp  bool `json:"in_app"`
	Locked bool `json:"locked"`
}

type preferencesWire struct {
	Categories map[string]choiceWire `json:"categories"`
}

func preferencesOf(s notification.Settings, used []string) preferencesWire {
	p := preferencesWire{Categories: map[string]choiceWire{}}
	for _, c := range s.Categories(used...) {
		p.Categories[c] = choiceWire{
			Email: s.Allows(c, notification.ChannelEmail), InApp: s.Allows(c, notification.ChannelInApp), Locked: notification.Locked(c),
		}
	}
	return p
}

// etag identifies a representation (RFC 9110 §8.8.3).
func (p preferencesWire) etag() (string, error) {
	text, err := json.Marshal(p, json.Deterministic(true))
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, err
}

func (a *API) preferences(w http.ResponseWriter, r *http.Request) error {
	s, used, err := a.o.Choices.Settings(r.Context(), subject(r))
	if err != nil {
		return err
	}
	return a.answerPreferences(w, preferencesOf(s, used))
}

func (a *API) answerPreferences(w http.ResponseWriter, p preferencesWire) error {
	tag, err := p.etag()
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tag)
	return jsonhttp.Write(w, http.StatusOK, p)
}

func (a *API) choose(w http.ResponseWriter, r *http.Request) error {
	body, err := jsonhttp.ReadObject(w, r, jsonhttp.TypeMergePatch, jsonhttp.TypeJSON)
	if err != nil {
		return err
	}
	patch, locked, err := parsePatch(body)
	if err != nil {
		return err
	}
	var after preferencesWire
	err = a.o.Choices.Choose(r.Context(), subject(r), a.clock(), func(s notification.Settings, used []string) (notification.Settings, error) {
		if err := matches(r, preferencesOf(s, used)); err != nil {
			return nil, err
		}
		for _, c := range slices.Sorted(maps.Keys(locked)) {
			if locked[c] != notification.Locked(c) {
				return nil, jsonhttp.Invalid(problem.Violation{Pointer: jsonhttp.Pointer("categories", c, "locked"), Detail: "is not yours to change"})
			}
		}
		changed, err := s.Apply(patch)
		after = preferencesOf(changed, used)
		return changed, err
	})
	if err != nil {
		return err
	}
	return a.answerPreferences(w, after)
}

// matches holds If-Match against what is there (RFC 9110 §13.1.1).
func matches(r *http.Request, now preferencesWire) error {
	wanted := r.Header.Values("If-Match")
	if len(wanted) == 0 {
		return nil
	}
	tag, err := now.etag()
	if err != nil {
		return err
	}
	for _, one := range strings.Split(strings.Join(wanted, ","), ",") {
		if one = strings.TrimSpace(one); one == "*" || one == tag {
			return nil
		}
	}
	return problem.New(http.StatusPreconditionFailed, "precondition_failed", "the preferences have changed meanwhile")
}

// parsePatch reads a merge patch (RFC 7396): null puts back to what it is
// without a choice. locked is what the patch says about that member, which only
// whoever sends back what it was given does.
func parsePatch(body jsontext.Value) (patch notification.Patch, locked map[string]bool, err error) {
	var top struct {
		Categories jsontext.Value `json:"categories"`
	}
	if err := jsonhttp.Decode(body, "", &top); err != nil {
		return patch, nil, err
	}
	patch.Categories, locked = map[string]map[string]*bool{}, map[string]bool{}
	if top.Categories == nil {
		return patch, locked, nil
	}
	if patch.Reset = top.Categories.Kind() == 'n'; patch.Reset {
		return patch, locked, nil
	}
	var categories map[string]jsontext.Value
	if err := jsonhttp.Decode(top.Categories, "/categories", &categories); err != nil {
		return patch, nil, err
	}
	for name, value := range categories {
		at := jsonhttp.Pointer("categories", name)
		if value.Kind() == 'n' {
			patch.Categories[name] = nil
			continue
		}
		members := map[string]*bool{}
		if err := jsonhttp.Decode(value, at, &members); err != nil {
			return patch, nil, err
		}
		if says, ok := members["locked"]; ok {
			if says == nil {
				return patch, nil, jsonhttp.Invalid(problem.Violation{Pointer: at + "/locked", Detail: "cannot be removed"})
			}
			locked[name] = *says
			delete(members, "locked")
		}
		patch.Categories[name] = members
	}
	return patch, locked, nil
}
