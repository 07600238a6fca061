// Package mailbox owns /dev/mailbox: it shows the mails that the file
// transport has caught in its folder, so that a developer can read them and
// click their links.
//
// Those links sign people in, so it exists only where the configuration asks
// for it, answers only clients on the machine itself, and shows HTML mails in
// a frame that may do nothing. Sending and storing is everybody else's.
package mailbox

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatehouse.example/sdk/mail"
)

const (
	extension = ".eml"
	// Larger files are no mails of ours.
	maxMailBytes = 4 << 20
	// The newest mails that a list shows.
	maxItems = 200
)

// Item is one mail as JSON shows it.
type Item struct {
	ID      string    `json:"id"`
	To      string    `json:"to"`
	From    string    `json:"from"`
	Subject string    `json:"subject"`
	Date    time.Time `json:"date"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	// Links are the http and https addresses in the mail, in order.
	Links []string `json:"links"`
}

// folder reads the file transport's folder.
type folder struct{ path string }

var (
	validID  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	linkText = regexp.MustCompile(`https?://[^\s<>"']+`)
	linkHref = regexp.MustCompile(`(?i)href\s*=\s*["'](https?://[^"']+)["']`)
)

// list returns the mails to the address (any if empty), newest first. A folder
// that does not exist yet is empty.
func (f folder) list(to string) ([]Item, error) {
	entries, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return []Item{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read mailbox: %w", err)
	}
	type caught struct {
		id string
		at time.Time
	}
	var mails []caught
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), extension)
		info, err := entry.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		mails = append(mails, caught{id: id, at: info.ModTime()})
	}
	slices.SortFunc(mails, func(a, b caught) int {
		return cmp.Or(b.at.Compare(a.at), strings.Compare(b.id, a.id))
	})
	items := []Item{}
	for _, m := range mails {
		if len(items) == maxItems {
			break
		}
		item, err := f.read(m.id)
		if err != nil || !matches(item.To, to) {
			continue
		}
		items = append(items, item)
	}
	return items, nil
}

// matches reports whether a recipient is meant by the filter: a whole address,
// or any part of one.
func matches(recipient, filter string) bool {
	if strings.Contains(filter, "@") && !strings.HasPrefix(filter, "@") {
		return strings.EqualFold(recipient, filter)
	}
	return strings.Contains(strings.ToLower(recipient), strings.ToLower(filter))
}

// read returns one mail, or an error that is [fs.ErrNotExist].
func (f folder) read(id string) (Item, error) {
	if !validID.MatchString(id) {
		return Item{}, fs.ErrNotExist
	}
	path := filepath.Join(f.path, id+extension)
	info, err := os.Lstat(path)
	if err != nil {
		return Item{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxMailBytes {
		return Item{}, fs.ErrNotExist
	}
	file, err := os.Open(path)
	if err != nil {
		return Item{}, err
	}
	defer func() { _ = file.Close() }()
	content, err := mail.ParseContent(file)
	if err != nil {
		return Item{}, fmt.Errorf("mail %s: %w", id, err)
	}
	item := Item{
		ID: id, To: strings.Trim(content.To, "<>"), From: content.From, Subject: content.Subject,
		Date: content.Date.UTC(), Text: content.Text, HTML: content.HTML, Links: links(content),
	}
	if content.Date.IsZero() {
		item.Date = info.ModTime().UTC()
	}
	return item, nil
}

func links(c mail.Content) []string {
	found := []string{}
	add := func(link string) {
		if !slices.Contains(found, link) {
			found = append(found, link)
		}
	}
	for _, link := range linkText.FindAllString(c.Text, -1) {
		// What ends a sentence does not belong to the link.
		add(strings.TrimRight(link, ".,;:!?)]}"))
	}
	for _, match := range linkHref.FindAllStringSubmatch(c.HTML, -1) {
		add(html.UnescapeString(match[1]))
	}
	return found
}
