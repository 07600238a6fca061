package notification

import (
	"maps"
	"slices"
)

// maxChosen bounds the categories that one person has chosen about.
const maxChosen = 64

// Patch changes [Settings] as a merge patch does (RFC 7396).
type Patch struct {
	// Reset forgets all choices first.
	Reset bool
	// Categories is category → channel → enabled. A nil map forgets the choices
	// about a category, a nil value that about a channel.
	Categories map[string]map[string]*bool
}

// PreferenceError says what a person can't choose.
type PreferenceError struct {
	Category string
	// Channel is empty where the category is what is wrong.
	Channel string
	Detail  string
}

// Error says it in one line.
func (e *PreferenceError) Error() string {
	return "preferences: " + e.Category + " " + e.Channel + ": " + e.Detail
}

// Apply returns the settings that the patch makes of s, which stay as they are.
//
// # Errors
//
// A *[PreferenceError] for the first thing, in the order of names, that can't
// be chosen.
func (s Settings) Apply(p Patch) (Settings, error) {
	after := Settings{}
	if !p.Reset {
		for c, channels := range s {
			after[c] = maps.Clone(channels)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(p.Categories)) {
		if !ValidCategory(c) {
			return nil, &PreferenceError{c, "", "is not a category's name"}
		}
		channels := p.Categories[c]
		if channels == nil {
			delete(after, c)
		}
		for _, channel := range slices.Sorted(maps.Keys(channels)) {
			if err := after.set(c, channel, channels[channel]); err != nil {
				return nil, err
			}
		}
		if len(after) > maxChosen {
			return nil, &PreferenceError{c, "", "is one category too many"}
		}
	}
	return after, nil
}

func (s Settings) set(category, channel string, enabled *bool) error {
	switch {
	case !slices.Contains(Channels(), channel):
		return &PreferenceError{category, channel, "is not a channel"}
	case Locked(category):
		if enabled != nil && !*enabled {
			return &PreferenceError{category, channel, "cannot be switched off"}
		}
		return nil // it is on, and there is nothing to choose
	case enabled == nil:
		delete(s[category], channel)
		if len(s[category]) == 0 {
			delete(s, category)
		}
		return nil
	}
	if s[category] == nil {
		s[category] = map[string]bool{}
	}
	s[category][channel] = *enabled
	return nil
}
